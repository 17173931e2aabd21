"""Shading is taken off MR volumes; it marks nothing and hides nothing."""

import numpy as np
import pytest
from scipy import ndimage
from test_locate_absent import BALL, HEADS, holding

from napari_textdifuse.locate import LexiconLocator, shading
from napari_textdifuse.locate import tissue as tissue_rules
from napari_textdifuse.locate.classes import gaussian_classes, gaussian_mixture, layered_levels
from napari_textdifuse.locate.intracranial import Interior, inward
from napari_textdifuse.locate.shading import without_shading

MM = (4.0, 4.0, 4.0)


def places(shape):
    return (np.moveaxis(np.indices(shape), 0, -1) / (np.array(shape) - 1) * 2 - 1).transpose(
        3, 0, 1, 2
    )


def coil(shape):
    """Brightness as near a surface coil: 2.4 times as high behind as in front, higher above."""
    z, y, x = places(shape)
    return np.exp(0.45 * y + 0.2 * z + 0.1 * x * y).astype(np.float32)


def tissue():
    """Three classes in folds, and where they are."""
    z, y, x = 4.0 * (np.indices((48, 56, 48)) - np.array([24, 28, 24])[:, None, None, None])
    inside = z**2 + (y / 1.2) ** 2 + x**2 < 68**2
    folds = ndimage.gaussian_filter(np.random.default_rng(0).normal(size=inside.shape), 2)
    limits = np.quantile(folds[inside], (0.15, 0.6))
    values = np.array([200.0, 500.0, 800.0])[np.digitize(folds, limits)]
    noise = np.random.default_rng(1).normal(0, 15, values.shape)
    return np.where(inside, values + noise, 0).astype(np.float32), inside


def test_the_field_is_found_whatever_the_tissue():
    array, inside = tissue()
    field = coil(array.shape)
    even = without_shading(array * field, inside, MM)
    left = np.log(even[inside] / np.maximum(array[inside], 1))
    assert np.log(field[inside]).std() > 0.15  # what was there
    assert left.std() < 0.02
    assert abs(left.mean() - np.log(field[inside]).mean()) < 0.02  # values keep their size


def test_an_even_image_stays_as_it_is():
    array, inside = tissue()
    assert without_shading(array, inside, MM) is array


@pytest.mark.parametrize("kind", ["T2", "FLAIR", "DWI"])
def test_shading_is_not_a_lesion_and_hides_none(kind):
    locator = LexiconLocator()
    head = HEADS[kind]
    shaded = head.with_array(head.array * coil(head.shape))
    assert not locator.locate([shaded], "lesion").mask.any()
    image, inside = holding(kind, "lesion")
    assert inside.sum() * 64 == pytest.approx(4 / 3 * np.pi * BALL[1][0] ** 3, rel=0.05)
    mask = locator.locate([image.with_array(image.array * coil(head.shape))], "lesion").mask > 0
    assert 2 * (mask & inside).sum() > 0.7 * (mask.sum() + inside.sum())


def layered():
    """Tissues whose values overlap, and white matter deeper than grey."""
    _, inside = tissue()
    rng = np.random.default_rng(0)
    depth = np.minimum(ndimage.distance_transform_edt(inside, MM) / 60, 1)
    folds = ndimage.gaussian_filter(rng.normal(size=inside.shape), 1.5)
    noise = rng.normal(0, 70, inside.shape)
    order = folds / folds.std() + 6 * depth
    limits = np.quantile(order[inside], (0.1, 0.6))
    values = np.array([350.0, 550.0, 700.0])[np.digitize(order, limits)] + noise
    return np.where(inside, values, 0).astype(np.float32), inside


def test_white_matter_that_lies_deep_is_not_shading(monkeypatch):
    monkeypatch.setattr(shading, "LEAST", 0.0)
    array, inside = layered()
    for field, limit in ((np.ones_like(array), 0.02), (coil(array.shape), 0.025)):
        even = without_shading(array * field, inside, MM)
        shown = inside & (array > 100)
        assert np.log(even[shown] / array[shown]).std() < limit  # without layers 0.027 and 0.034


def test_shares_are_found_in_each_stratum():
    rng = np.random.default_rng(0)
    true = np.array([[0.7, 0.25, 0.05], [0.7, 0.25, 0.05], [0.1, 0.2, 0.7], [0.1, 0.2, 0.7]])
    strata = np.repeat(np.arange(4), 5000)
    classes = np.concatenate([rng.choice(3, 5000, p=p) for p in true])
    values = classes + rng.normal(0, 0.25, classes.shape)
    start = gaussian_mixture(values)
    assert start is not None
    found = start.in_strata(4).fitted(values, 60, strata)
    assert found.mean == pytest.approx([0, 1, 2], abs=0.03)
    assert np.abs(found.share[[0, 3]] - true[[0, 3]]).max() < 0.06  # a little of each is added


def test_depth_tells_overlapping_tissues_from_each_other():
    """As in T2 of an average head: white, grey and fluid overlap, and their depths differ."""
    rng = np.random.default_rng(0)
    depth = rng.uniform(0, 44, 60_000)
    deep = depth[:, None] / 44
    shares = np.hstack([0.016 + 0.72 * deep**2, 0.784 - 0.72 * deep**2, 0 * deep + 0.2])
    classes = (rng.uniform(size=(len(depth), 1)) > shares.cumsum(axis=1)).sum(axis=1)
    mean, spread = np.array([0.32, 0.375, 0.47]), np.array([0.025, 0.035, 0.08])
    values = rng.normal(mean[classes], spread[classes])
    # where share * exp(-(v - mean)^2 / 2 spread^2) / spread of white and of grey are equal
    between = np.linspace(mean[0], mean[1], 2001)[:, None]
    dense = shares.mean(axis=0) / spread * np.exp(-(((between - mean) / spread) ** 2) / 2)
    true = between[np.abs(dense[:, 0] - dense[:, 1]).argmin(), 0]
    by_depth = abs(layered_levels(values, depth, 4.0)[0] - true)
    by_value = abs(gaussian_classes(values)[1][0] - true)
    assert by_depth < 0.013 < 0.018 < by_value


def test_bright_fluid_is_classed_by_depth(monkeypatch):
    """White matter ends where depth says so, and fluid begins where both say so."""
    array, inside = tissue()
    found = Interior(inside, inward(inside, MM), float(inside.sum()) * 0.064)
    away = found.distance_inside > 6
    seen = []

    def levels(values, depth, layer):
        seen.append((values.size, depth.min(), layer))
        return 200.0, 1125.0  # amid the classes, so that no other level gives the same

    monkeypatch.setattr(tissue_rules, "layered_levels", levels)
    array = np.where(array > 650, np.where(array > 815, array + 300, 500), array)
    fluid, grey, white = tissue_rules._bright_fluid(array.astype(np.float32), found)
    assert seen[0][1] > 6
    np.testing.assert_array_equal(fluid, inside & (array >= 1125))
    np.testing.assert_array_equal(white, away & (array < 200))
    np.testing.assert_array_equal(grey, inside & ~fluid & ~white)


def test_levels_by_depth_need_enough_to_fit():
    assert layered_levels(np.ones(500), np.zeros(500), 4.0) == ()

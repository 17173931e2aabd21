"""Every object that is to stand out is seen, whatever its brightness and colour."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from skimage.color import deltaE_ciede2000, rgb2lab

from napari_textdifuse import FusionPipeline, Volume
from napari_textdifuse.colour import measured_to_rgb, rgb_to_ycbcr
from napari_textdifuse.fusion.emphasis import MIN_DIFFERENCE, ensure_visible
from napari_textdifuse.fusion.remodulation import surround

LABELS = np.zeros((40, 40), np.uint8)
LABELS[12:28, 12:28] = 3
RING = surround(LABELS, 3)
GREYS = (0.0, 0.1, 0.4, 0.7, 0.95, 1.0)
COLOURS = ((1, 1, 1), (0, 0, 0), (1, 0.92, 0), (1, 0, 0), (0.4, 0, 0.22), (0.3, 0.6, 0.9))


def contrast(picture: np.ndarray) -> float:
    rgb = picture if picture.ndim == 3 else np.repeat(picture[..., None], 3, -1)
    lab = rgb2lab(rgb)
    return float(deltaE_ciede2000(lab[LABELS == 3].mean(0), lab[RING].mean(0)))


CUBE = rgb2lab(np.stack(np.meshgrid(*[np.linspace(0, 1, 11)] * 3), -1).reshape(-1, 3))


def enough(plain: np.ndarray) -> float:
    """A contrast that is seen to be higher, or half of what any colour could add."""
    rgb = plain if plain.ndim == 3 else np.repeat(plain[..., None], 3, -1)
    around = rgb2lab(rgb)[RING].mean(0)
    most = float(deltaE_ciede2000(np.broadcast_to(around, CUBE.shape), CUBE).max())
    before = contrast(plain)
    return before + min(0.7 * MIN_DIFFERENCE, 0.5 * (most - before) - 0.1)


def scene(inside, around) -> np.ndarray:
    inside, around = np.float32(inside), np.float32(around)
    where = LABELS == 3 if inside.ndim == 0 else (LABELS == 3)[..., None]
    return np.where(where, inside, around).astype(np.float32)


@pytest.mark.parametrize(("inside", "around"), list(product(GREYS, GREYS)))
def test_grey(inside, around):
    plain = scene(inside, around)
    picture, recoloured = ensure_visible(plain, plain, LABELS, 1.0)
    assert contrast(picture) >= enough(plain)
    outside = picture[LABELS == 0]
    np.testing.assert_array_equal(
        outside if picture.ndim == 2 else outside[:, 0], plain[LABELS == 0]
    )
    assert bool(recoloured) == (picture.ndim == 3)


@pytest.mark.parametrize("measured", [False, True])
@pytest.mark.parametrize(("inside", "around"), list(product(COLOURS, COLOURS)))
def test_colour(inside, around, measured):
    plain = scene(inside, around)
    picture, _ = ensure_visible(plain, plain, LABELS, 1.0, measured)
    assert contrast(picture) >= enough(plain)
    np.testing.assert_array_equal(picture[LABELS == 0], plain[LABELS == 0])
    assert picture.min() >= 0
    assert picture.max() <= 1


def test_measured_hue_is_kept_where_anything_else_does():
    orange, red = np.float32([0.75, 0.22, 0]), np.float32([0.64, 0.03, 0])
    colours = measured_to_rgb(np.float32([0.5, 0.5]), rgb_to_ycbcr(np.stack([orange, red]))[1])
    plain = scene(*colours)
    picture, recoloured = ensure_visible(plain, plain, LABELS, 1.0, measured=True)
    assert recoloured == []
    assert contrast(picture) > contrast(plain) + 0.7 * MIN_DIFFERENCE


def test_more_strength_gives_more_contrast_and_none_changes_nothing():
    plain = scene(1.0, 0.4)
    found = [contrast(ensure_visible(plain, plain, LABELS, s)[0]) for s in (0, 0.5, 1, 1.5, 2)]
    assert found[0] == contrast(plain)
    assert (np.diff(found[:4]) > 1).all()
    assert found[4] >= found[3]
    assert ensure_visible(plain, plain, LABELS, {3: 0.0})[0] is plain


def test_what_stands_out_already_is_left_alone():
    plain, shown = scene(0.5, 0.4), scene(0.9, 0.4)
    assert ensure_visible(plain, shown, LABELS, 1.0)[0] is shown


def test_an_object_without_surround_is_left_alone():
    plain = np.ones((8, 8), np.float32)
    assert ensure_visible(plain, plain, np.ones((8, 8), np.uint8), 1.0)[0] is plain


@pytest.fixture(scope="module")
def pipe() -> FusionPipeline:
    return FusionPipeline.from_pretrained(device="cpu")


@pytest.mark.parametrize("modality", ["PT", "MR"])
def test_full_brightness_through_the_pipeline(pipe, modality):
    inside = LABELS == 3
    a = Volume(np.where(inside, 1.0, 0.4).astype(np.float32), modality="MR", window=(0.0, 1.0))
    b = Volume(np.where(inside, 1.0, 0.1).astype(np.float32), modality=modality, window=(0.0, 1.0))
    plain, shown = pipe(a, b, steps=1), pipe(a, b, mask=LABELS, steps=1)
    assert contrast(shown.fused) >= contrast(plain.fused) + 0.5 * MIN_DIFFERENCE
    outside = shown.fused[LABELS == 0]
    if plain.fused.ndim < shown.fused.ndim:
        note = "'mask 3' cannot stand out by brightness; it is shown in another colour."
        assert note in shown.record["warnings"]
        outside = outside[..., 0]
    np.testing.assert_array_equal(outside, plain.fused[LABELS == 0])
    np.testing.assert_array_equal(pipe(a, b, mask=LABELS, strength=0, steps=1).fused, plain.fused)


def test_slices_of_a_volume_get_colour_together(pipe):
    inside = LABELS == 3
    image = np.where(inside, 1.0, 0.4).astype(np.float32)
    mask = np.stack([0 * LABELS, LABELS, 0 * LABELS])
    a = Volume(np.stack([image] * 3), modality="MR", window=(0.0, 1.0))
    result = pipe(a, a, mask=mask, steps=1)
    assert result.fused.shape == (3, 40, 40, 3)
    assert np.ptp(result.fused[[0, 2]], axis=-1).max() == 0
    assert np.ptp(result.fused[1][inside], axis=-1).mean() > 0.05


@pytest.mark.parametrize(("inside", "brighter"), [(0.9, True), (0.1, False)])
@pytest.mark.parametrize("anatomy", [0.2, 0.6])
def test_what_is_hot_gets_brighter_and_what_is_cold_darker(inside, brighter, anatomy):
    """Whatever the anatomy under it: a hot lesion in a dark part of the MRI is not made darker."""
    under = 0.4 + (anatomy - 0.4) * (LABELS == 3)
    mri = Volume(under.astype(np.float32), modality="MR", window=(0, 1))
    uptake = np.where(LABELS == 3, inside, 0.5).astype(np.float32)
    pet = Volume(8 * uptake, modality="PT", unit="SUVbw", window=(0, 8))
    pipeline = FusionPipeline.from_pretrained(device="cpu")
    plain, shown = (
        rgb_to_ycbcr(pipeline(mri, pet, mask=LABELS, strength=s, quality="fast").fused)[0]
        for s in (0.0, 1.0)
    )
    change = float((shown - plain)[LABELS == 3].mean())
    assert change > 0.02 if brighter else change < -0.02


def test_a_measured_colour_becomes_fuller_before_it_becomes_paler():
    plain = np.full((40, 40, 3), (0.72, 0.62, 0.45), np.float32)
    labels = np.zeros((40, 40), np.uint8)
    labels[14:26, 14:26] = 1
    plain[labels == 1] = (0.80, 0.70, 0.52)
    seen, recoloured = ensure_visible(plain, plain, labels, 1.0, measured=True)
    before, after = (np.ptp(v[20, 20]) for v in (plain, seen))
    assert after > before + 0.05
    assert not recoloured
    np.testing.assert_array_equal(seen[labels == 0], plain[labels == 0])


@pytest.mark.parametrize("hot", [True, False])
def test_what_is_hot_is_never_darkened_to_stand_out(hot):
    """As in the DICOM sample: brightening makes the lesion's orange paler, so contrast falls."""
    around = (0.46, 0.49, 0.79)
    inside, shown = ((0.78, 0.43, 0.4), (1, 0.65, 0.62)) if hot else ((0.4, 0.4, 0.6),) * 2
    plain, seen = scene(inside, around), scene(shown, around)
    level = scene(0.8 if hot else 0.1, 0.4)
    picture, _ = ensure_visible(plain, seen, LABELS, 1.0, True, level)
    luma = rgb_to_ycbcr(picture)[0]
    assert (luma[LABELS == 3].mean() > luma[RING].mean()) == hot
    assert contrast(picture) >= contrast(plain) + 0.7 * MIN_DIFFERENCE

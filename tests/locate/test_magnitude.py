"""MR volumes whose zero was lost are marked as those whose air is 0."""

import numpy as np
import pytest
from test_locate_absent import HEADS

from napari_textdifuse.locate import LexiconLocator
from napari_textdifuse.locate.terms import Gate
from napari_textdifuse.locate.tissue import magnitude
from napari_textdifuse.locate.views import views_of
from napari_textdifuse.volume import Volume

LOCATOR = LexiconLocator()


def standardised(array):
    brain = array > 300
    return (array - array[brain].mean()) / array[brain].std()


CHANGES = {
    "offset": lambda a: np.round(a - 1024).astype(np.int16),
    "standardised": standardised,
    "masked with -1": lambda a: np.where(a > 30, a / 1000, -1.0).astype(np.float32),
    "masked with -1000": lambda a: np.where(a > 30, a, -1000).astype(np.int16),
}


@pytest.mark.parametrize("kind", ["T1", "FLAIR"])
@pytest.mark.parametrize("change", CHANGES)
def test_a_head_is_found_whatever_its_zero_is(kind, change):
    plain = HEADS[kind]
    changed = plain.with_array(CHANGES[change](plain.array))
    wanted, mask = (LOCATOR.locate([v], "brain").mask > 0 for v in (plain, changed))
    assert wanted.sum() * 64 / 1000 > 900  # mL
    assert 2 * (mask & wanted).sum() > 0.97 * (mask.sum() + wanted.sum())


def test_a_standardised_brain_without_a_skull_has_its_background_below():
    """Background of 0 would lie amid the values of the brain."""
    brain = np.random.default_rng(0).normal(0, 1, (10, 20, 20)).astype(np.float32)
    array = np.zeros((10, 40, 40), np.float32)
    array[:, 10:30, 10:30] = brain
    even = magnitude(array)
    background = np.ones(array.shape, bool)
    background[:, 10:30, 10:30] = False
    low, high = np.percentile(brain, (1, 99))
    np.testing.assert_array_equal(even[background], 0)
    inside = brain > low
    np.testing.assert_allclose(
        even[~background].reshape(brain.shape)[inside], (brain - low)[inside], atol=1e-6
    )
    assert even.max() > 0.9 * (high - low)


def test_an_image_with_air_at_zero_is_not_changed():
    array = HEADS["T1"].array
    np.testing.assert_array_equal(magnitude(np.maximum(array, 0)), np.maximum(array, 0))


def test_a_part_of_a_head_has_a_lower_limit_of_its_own():
    gate = Gate(700, 1950)
    part = Volume(np.ones((60, 80, 80), np.float32), affine=np.diag([2.0, 2, 1, 1]), modality="MR")
    view = views_of([part])[0]  # 60 of 120 mm from feet to head
    mask = np.zeros(part.shape, bool)
    mask[:, :50, :14] = True  # 168 mL, where 0.5 * 0.5 * 700 mL are asked for
    assert gate.failure(mask, view) == "168 mL, where 175 to 1950 mL are plausible"
    mask[:, :50, :15] = True
    assert gate.failure(mask, view) == ""

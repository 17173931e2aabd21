"""Noise is measured, and smoothed away before fluid is outlined."""

import numpy as np
import pytest
from scipy import ndimage
from test_locate_absent import HEADS, holding

from napari_textdifuse.locate import LexiconLocator
from napari_textdifuse.locate.noise import left_after, noise_of, smoothed_until
from napari_textdifuse.volume import Volume

MM = (1.0, 2.0, 4.0)


@pytest.mark.parametrize("noise", [0.0, 3.0, 12.0])
def test_the_noise_of_two_tissues_on_a_slope_is_measured(noise):
    z, y, x = np.indices((40, 40, 40))
    tissue = 100 + 2.0 * y + 40 * (np.sin(x / 6) > 0)
    array = tissue + np.random.default_rng(0).normal(0, noise, tissue.shape)
    where = z > 3
    assert noise_of(array.astype(np.float32), where) == pytest.approx(noise, rel=0.1, abs=0.01)
    assert noise_of(array.astype(np.float32), np.zeros_like(where)) == 0


@pytest.mark.parametrize("sigma", [0.6, 1.2, 3.0])
def test_what_a_filter_leaves_of_noise_is_known(sigma):
    draws = np.random.default_rng(1).normal(0, 1, (64, 48, 32)).astype(np.float32)
    left = ndimage.gaussian_filter(draws, [sigma / s for s in MM], mode="wrap").std()
    assert left_after(sigma, MM) == pytest.approx(left, rel=0.06)


def test_smoothing_goes_as_far_as_noise_asks_for_and_no_further():
    draws = np.random.default_rng(2).normal(0, 8, (48, 48, 48)).astype(np.float32)
    even = smoothed_until(draws, (1, 1, 1), 8.0, 2.0)
    assert 1.6 < even.std() < 2.1
    kept = smoothed_until(draws, (1, 1, 1), 0.0, 2.0)
    np.testing.assert_array_equal(kept, ndimage.gaussian_filter(draws, 0.6, mode="nearest"))
    most = smoothed_until(draws, (1, 1, 1), 1e6, 2.0)
    np.testing.assert_array_equal(most, ndimage.gaussian_filter(draws, 3.0, mode="nearest"))


def ventricles_of_ct(noise, blur_mm):
    """Millilitres marked in a head of 2 mm whose ventricles have blurred edges."""
    _, inside = holding("CT", "ventricle")
    array, solid = (ndimage.zoom(a, 2, order=1) for a in (HEADS["CT"].array, inside * 1.0))
    share = ndimage.gaussian_filter(solid, blur_mm / 2)
    array = array * (1 - share) + 5 * share
    array = array + np.random.default_rng(3).normal(0, noise, array.shape)
    affine = np.diag([-2.0, 2.0, 2.0, 1.0])
    image = Volume(array.astype(np.float32), affine=affine, unit="HU", modality="CT")
    mask = LexiconLocator().locate([image], "ventricle").mask > 0
    return float(mask.sum() * 0.008)


@pytest.mark.parametrize("blur_mm", [0.5, 4.0])
def test_noise_changes_the_ventricles_of_a_ct_little(blur_mm):
    clean, noisy = (ventricles_of_ct(noise, blur_mm) for noise in (0.5, 12.0))
    assert noisy == pytest.approx(clean, rel=0.15)

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from napari_textdifuse.colour import denoised_anatomy, lost_anatomy, noise_level


def head(noise: float = 0.0) -> np.ndarray:
    rng = np.random.default_rng(0)
    image = np.full((160, 160), 0.5, np.float32)
    image[40:120, 40:120] = 0.7
    return image + rng.normal(0, noise, image.shape).astype(np.float32)


@pytest.mark.parametrize("sigma", [0.02, 0.06, 0.15])
def test_the_noise_level_is_that_of_white_noise_and_edges_do_not_count(sigma):
    everywhere = np.ones((160, 160), bool)
    assert noise_level(head(sigma), everywhere) == pytest.approx(sigma, rel=0.05)
    assert noise_level(head(), everywhere) < 1e-6


@pytest.mark.parametrize("sigma", [0.06, 0.1, 0.15])
def test_noise_that_fusion_removed_does_not_come_back(sigma):
    fused, anatomy = head(), head(sigma)
    back = lost_anatomy(fused, denoised_anatomy(fused, anatomy))[8:-8, 8:-8]
    plain = lost_anatomy(fused, anatomy)[8:-8, 8:-8]
    assert back.std() < 1 / 255
    assert plain.std() > 8 * back.std()


def test_an_anatomy_that_was_lost_comes_back_out_of_the_noise():
    lost, seen = head(), head(0.1)
    lost[60:100, 60:100] = 1.0  # a hot lesion covers the tissue of 0.7
    without_noise = lost_anatomy(lost, head())
    back = lost_anatomy(lost, denoised_anatomy(lost, seen))
    # its middle, away from the smoothed border
    middle = np.s_[70:90, 70:90]
    assert back[middle].mean() == pytest.approx(without_noise[middle].mean(), abs=0.01)


def test_without_noise_nothing_changes_to_the_bit():
    anatomy = head(2 / 255)
    fused = ndimage.gaussian_filter(anatomy, 1)
    assert denoised_anatomy(fused, anatomy) is anatomy
    assert denoised_anatomy(anatomy, np.zeros_like(anatomy)).max() == 0

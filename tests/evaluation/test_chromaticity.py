"""Differences of colour, without those of brightness."""

import math

import numpy as np
import pytest
from skimage.color import deltaE_ciede2000, rgb2lab

from napari_textdifuse.colormaps import hot
from napari_textdifuse.colour import rgb_to_ycbcr, ycbcr_to_rgb
from napari_textdifuse.evaluation.chromaticity import colour_difference, hue_difference


@pytest.fixture
def picture():
    rng = np.random.default_rng(0)
    return (0.35 + 0.3 * rng.random((20, 24, 3))).astype(np.float32)


def test_brightness_alone_is_not_a_difference(picture):
    y, chroma = rgb_to_ycbcr(picture)
    assert colour_difference(ycbcr_to_rgb(0.9 * y, chroma), picture) < 0.05
    assert colour_difference(picture, picture) == pytest.approx(0, abs=1e-6)


def test_a_cast_is_a_difference(picture):
    cast = picture * np.array([1.2, 1.0, 0.8], np.float32)
    found = colour_difference(cast, picture)
    assert found > 5
    y, _ = rgb_to_ycbcr(picture)
    level = ycbcr_to_rgb(y, rgb_to_ycbcr(cast)[1])
    direct = deltaE_ciede2000(rgb2lab(level), rgb2lab(picture)).mean()
    assert found == pytest.approx(float(direct), abs=1e-4)
    half = picture * np.array([1.1, 1.0, 0.9], np.float32)
    assert colour_difference(half, picture) < found


def test_hue_of_a_colour_map_is_kept_by_a_change_of_brightness():
    source = hot(np.linspace(0.05, 0.9, 400).reshape(20, 20).astype(np.float32))
    y, chroma = rgb_to_ycbcr(source)
    rgb, lab = hue_difference(ycbcr_to_rgb(np.clip(0.8 * y + 0.1, 0, 1), chroma), source)
    assert rgb < 0.1
    assert lab < 8


def test_a_turned_hue_is_measured_across_zero():
    red, other = (np.full((8, 8, 3), c, np.float32) for c in ([0.8, 0.1, 0.15], [0.8, 0.15, 0.1]))
    rgb, lab = hue_difference(red, other)
    assert rgb == pytest.approx(2 * 60 * 0.05 / 0.7, rel=1e-3)
    assert 0 < lab < 10


def test_grey_has_no_hue(picture):
    grey = np.full_like(picture, 0.5)
    assert all(map(math.isnan, hue_difference(grey, grey)))

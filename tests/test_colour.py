from __future__ import annotations

import numpy as np
import pytest

from napari_textdifuse.colour import hot, rgb_to_ycbcr, ycbcr_to_rgb


def test_round_trip():
    rgb = np.random.default_rng(0).random((50, 3), dtype=np.float32)
    np.testing.assert_allclose(ycbcr_to_rgb(*rgb_to_ycbcr(rgb)), rgb, atol=1e-5)


def test_brightness_is_bt601():
    y, cbcr = rgb_to_ycbcr(np.eye(3, dtype=np.float32))
    np.testing.assert_allclose(y, [0.299, 0.587, 0.114], atol=1e-6)
    np.testing.assert_allclose(rgb_to_ycbcr(np.full((1, 3), 0.4, np.float32))[1], 0, atol=1e-6)
    assert np.abs(cbcr).max() == pytest.approx(0.5, abs=1e-6)


def test_impossible_colours_lose_saturation_but_not_brightness_or_hue():
    y = np.array([0.95], np.float32)
    _, red = rgb_to_ycbcr(np.array([[1.0, 0.0, 0.0]], np.float32))
    rgb = ycbcr_to_rgb(y, red)
    back_y, back = rgb_to_ycbcr(rgb)
    assert back_y[0] == pytest.approx(0.95, abs=1e-5)
    assert back[0, 0] / back[0, 1] == pytest.approx(red[0, 0] / red[0, 1], rel=1e-3)


def test_hot_is_dark_to_bright():
    rgb = hot(np.linspace(0, 1, 50, dtype=np.float32))
    y, _ = rgb_to_ycbcr(rgb)
    assert (np.diff(y) > 0).all()
    assert tuple(rgb[0]) == (0, 0, 0)
    assert tuple(rgb[-1]) == (1, 1, 1)

"""What the detector is shown."""

from __future__ import annotations

import numpy as np
import pytest

from napari_textdifuse.locate.rendering import render
from napari_textdifuse.volume import Volume


def test_colour_of_8_bits_is_shown_as_it_is():
    colours = np.random.default_rng(0).integers(0, 90, (5, 7, 4), np.uint8)
    np.testing.assert_array_equal(render(Volume(colours, rgb=True)), colours[..., :3])
    np.testing.assert_array_equal(
        render(Volume(colours[..., :3] / 255.0, rgb=True)), colours[..., :3]
    )


@pytest.mark.parametrize("scale", [1e-3, 1.0, 4e4])
def test_grey_fills_the_range_whatever_its_scale(scale):
    values = np.linspace(0.2, 0.4, 40 * 50).reshape(40, 50) * scale
    values[0, 0] = 1e3 * scale  # a hot pixel must not make the rest black
    shown = render(Volume(values.astype(np.float32), modality="IR"))
    assert shown.shape == (40, 50, 3)
    assert shown.dtype == np.uint8
    assert (shown == shown[..., :1]).all()
    assert shown[1:].min() < 8
    assert np.percentile(shown, 99) > 245
    assert abs(float(np.median(shown)) - 127) < 5


def test_ct_uses_its_window_and_volumes_share_one():
    ct = np.full((2, 4, 4), 400.0, np.float32)
    ct[0, 0, 0], ct[1, 0, 0], ct[1, 1, 1] = -1000, 3000, np.nan
    shown = render(Volume(ct, unit="HU", modality="CT"))
    assert shown.shape == (2, 4, 4, 3)
    assert (shown[0, 0, 0, 0], shown[1, 0, 0, 0], shown[1, 1, 1, 0]) == (0, 255, 0)
    assert shown[0, 2, 2, 0] == shown[1, 2, 2, 0] == round(255 * 0.5)
    windowed = render(Volume(ct, unit="HU", window=(0, 800)))
    assert windowed[0, 2, 2, 0] == 128


@pytest.mark.parametrize("values", [np.zeros((3, 3)), np.full((3, 3), np.nan), np.eye(30)])
def test_images_with_little_in_them(values):
    shown = render(Volume(values.astype(np.float32)))
    assert shown.shape == (*values.shape, 3)
    if values.shape == (30, 30):
        assert (shown[..., 0] == 255 * np.eye(30)).all()

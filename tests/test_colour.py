from __future__ import annotations

import numpy as np
import pytest
from skimage.color import deltaE_ciede2000, rgb2hsv, rgb2lab

from napari_textdifuse.colormaps import apply_colours, colour_table, hot
from napari_textdifuse.colour import (
    ANATOMY,
    LOST,
    RESERVED,
    lost_anatomy,
    measured_to_rgb,
    rgb_to_ycbcr,
    ycbcr_to_rgb,
)

LEVELS = np.linspace(0, 1, 11, dtype=np.float32)


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


def test_measured_red_by_hand():
    """Offsets of red are (.701, -.299, -.299): brightness lies between k .299 and 1 - k .701."""
    _, red = rgb_to_ycbcr(np.array([[1.0, 0.0, 0.0]] * 2, np.float32))
    dark, bright = measured_to_rgb(np.array([0, 1], np.float32), red)
    # at either end just the reserved part of the colour fits
    np.testing.assert_allclose(dark, [RESERVED, 0, 0], atol=1e-6)
    np.testing.assert_allclose(bright, [1, 1 - RESERVED, 1 - RESERVED], atol=1e-6)


def test_measured_grey_is_left_alone():
    y = np.linspace(0, 1, 256, dtype=np.float32)
    rgb = measured_to_rgb(y, np.zeros((256, 2), np.float32))
    np.testing.assert_allclose(rgb, np.repeat(y[:, None], 3, 1), atol=1e-6)


def test_measured_brightness_is_strictly_monotone_and_hue_is_exact():
    colours = np.random.default_rng(0).random((200, 1, 3), dtype=np.float32)
    _, cbcr = rgb_to_ycbcr(np.repeat(colours, 11, 1))
    rgb = measured_to_rgb(np.broadcast_to(LEVELS, (200, 11)), cbcr)
    assert rgb.min() >= 0
    assert rgb.max() <= 1
    assert (np.diff(rgb_to_ycbcr(rgb)[0], axis=1) > 0.02).all()
    turn = rgb2hsv(rgb)[..., 0] - rgb2hsv(colours)[..., 0]
    strong = np.ptp(colours, axis=-1) > 0.1
    assert np.abs((turn + 0.5) % 1 - 0.5)[strong[:, 0]].max() < 2e-3


def test_measured_chroma_grows_with_the_colour_at_every_brightness():
    """One hue at rising saturation, as at the dark end of colour maps: never two levels alike."""
    _, cbcr = rgb_to_ycbcr(LEVELS[:, None] * np.array([0.2, 0.1, 1.0], np.float32))
    for y in LEVELS:
        rgb = measured_to_rgb(np.full(11, y, np.float32), cbcr)
        assert (np.diff(np.ptp(rgb, axis=-1)) > 0.01).all()


def test_a_single_source_comes_back_as_it_was():
    rgb = np.random.default_rng(0).random((50, 3), dtype=np.float32)
    np.testing.assert_allclose(measured_to_rgb(*rgb_to_ycbcr(rgb), single=1.0), rgb, atol=1e-5)


def test_anatomy_comes_back_where_it_was_lost_and_noise_does_not():
    fused = np.array([0.5, 0.9, 0.5], np.float32)
    anatomy = np.array([0.5, 0.1, 0.51], np.float32)
    added = lost_anatomy(fused, anatomy)
    assert added[0] == 0
    assert added[1] == pytest.approx(-ANATOMY * 0.8 / (1 + (LOST / 0.8) ** 2), rel=1e-4)
    assert 0 < added[2] < 0.01 * 0.01


@pytest.mark.parametrize("name", ["functional", "hot"])
def test_both_levels_can_be_read_from_the_chart(name: str):
    """Fusion by the maximum is the worst case: it shows one source and hides the other."""
    mri, pet = np.meshgrid(0.03 + 0.94 * LEVELS, LEVELS, indexing="ij")
    shown, cbcr = rgb_to_ycbcr(apply_colours(colour_table(name), pet))
    fused = np.maximum(mri, shown)
    lab = rgb2lab(measured_to_rgb(fused + lost_anatomy(fused, mri), cbcr))
    assert deltaE_ciede2000(lab[:, 2], lab[:, 9]).min() >= 15  # PET 20 against 90 %
    assert deltaE_ciede2000(lab[:, :-1], lab[:, 1:]).min() >= 1  # every step of 10 %
    assert deltaE_ciede2000(lab[0], lab[-1]).min() >= 15  # MRI dark against bright


def test_hot_is_dark_to_bright():
    rgb = hot(np.linspace(0, 1, 50, dtype=np.float32))
    y, _ = rgb_to_ycbcr(rgb)
    assert (np.diff(y) > 0).all()
    assert tuple(rgb[0]) == (0, 0, 0)
    assert tuple(rgb[-1]) == (1, 1, 1)

"""Noise, haze, stretching and invented structure are seen; honest fusion is not blamed."""

import math

import numpy as np
import pytest
from scipy import ndimage

from napari_textdifuse.evaluation.artefacts import (
    artefacts,
    black_level,
    flat_noise,
    flat_regions,
    new_structure,
    out_of_range,
    range_excess,
)


def texture(seed, shape=(96, 120), smooth=1.2):
    rng = np.random.default_rng(seed)
    image = ndimage.gaussian_filter(rng.normal(0, 1, shape), smooth)
    return np.rint(np.clip(128 + 40 * image / image.std(), 0, 255)).astype(np.uint8)


@pytest.fixture
def sources():
    return texture(1), texture(2)


@pytest.mark.parametrize("weight", [0.0, 0.3, 0.5, 1.0])
def test_a_mix_of_the_sources_is_not_new(sources, weight):
    a, b = (image.astype(float) for image in sources)
    mixed = weight * a + (1 - weight) * b
    assert new_structure(a, b, mixed).max() < 0.3
    assert out_of_range(a, b, mixed).max() < 1e-9


@pytest.mark.parametrize("rule", [np.maximum, np.minimum])
def test_choosing_the_larger_or_smaller_source_is_not_new(sources, rule):
    a, b = (image.astype(float) for image in sources)
    assert new_structure(a, b, rule(a, b)).max() < 0.3
    assert out_of_range(a, b, rule(a, b)).max() == 0


def test_contrast_brightness_and_smoothing_are_not_new_structure(sources):
    a, b = (image.astype(float) for image in sources)
    assert new_structure(a, b, 30 + 0.5 * a + 0.2 * b).max() < 0.3
    smooth = ndimage.gaussian_filter(a, 1.5)
    assert new_structure(a, b, smooth + 1.5 * (a - smooth)).max() < 0.5  # sharpened
    weight = np.linspace(0, 1, a.shape[1])  # changes slowly from left to right
    assert np.percentile(new_structure(a, b, weight * a + (1 - weight) * b), 99) < 3


def test_weights_of_each_pixel_stay_between_the_sources(sources):
    a, b = (image.astype(float) for image in sources)
    weight = np.random.default_rng(0).random(a.shape)
    assert out_of_range(a, b, weight * a + (1 - weight) * b).max() < 1e-9


def test_planted_structure_stands_out_where_it_is(sources):
    a, b = (image.astype(float) for image in sources)
    planted = (a + b) / 2
    planted[40:44, 60:64] += 60
    residual = new_structure(a, b, planted)
    assert residual[40:44, 60:64].mean() > 25
    away = np.ones(a.shape, bool)
    away[32:52, 52:72] = False
    assert residual[away].max() < 0.3


def test_structure_hidden_between_two_levels_is_only_seen_by_the_fit():
    dark, bright = np.full((64, 64), 40.0), np.full((64, 64), 200.0)
    hidden = np.full((64, 64), 120.0)
    hidden[30:33, 30:33] += 50
    assert out_of_range(dark, bright, hidden).max() == 0
    assert new_structure(dark, bright, hidden)[30:33, 30:33].mean() > 30


def test_noise_is_new(sources):
    a, b = (image.astype(float) for image in sources)
    noise = np.random.default_rng(0).normal(0, 10, a.shape)
    assert new_structure(a, b, a + noise).std() > 4


def test_strips_make_no_difference(sources):
    a, b = sources
    f = texture(3)
    whole = new_structure(a, b, f)
    wide = [np.tile(image, (1, 20)) for image in (a, b, f)]  # so wide that rows go in strips
    np.testing.assert_allclose(new_structure(*wide)[:, 20:100], whole[:, 20:100], atol=1e-6)


def test_flat_noise_is_the_sigma_of_white_noise():
    rng = np.random.default_rng(0)
    a = np.full((200, 200), 120.0)
    a[:, 150:] = texture(4, (200, 50))
    b = np.full((200, 200), 60.0) + rng.normal(0, 1, (200, 200))
    flat = flat_regions(a, b)
    assert flat[:, 10:135].mean() > 0.95
    assert flat[:, 160:].mean() < 0.05
    for sigma in (1, 5):
        noisy = a + rng.normal(0, sigma, a.shape)
        assert flat_noise(noisy, flat) == pytest.approx(sigma, rel=0.05)
    assert flat_noise(a, flat_regions(a, a) & (np.indices(a.shape)[1] < 140)) == 0


def test_choosing_flat_places_does_not_favour_the_sources():
    """A copy of the source with another noise of the same strength is as noisy as the source."""
    rng = np.random.default_rng(1)
    clean = np.full((200, 200), 120.0)
    a, copy = (clean + rng.normal(0, 2, clean.shape) for _ in range(2))
    flat = flat_regions(a, clean)
    assert flat_noise(copy, flat) == pytest.approx(flat_noise(a, flat), rel=0.03)


@pytest.mark.parametrize("direction", ["rows", "columns", "checkerboard"])
def test_ripple_of_every_direction_is_noise(direction):
    flat = np.full((64, 64), 100.0)
    y, x = np.indices(flat.shape)
    phase = {"rows": y, "columns": x, "checkerboard": x + y}[direction]
    assert flat_noise(flat + 3 * (-1.0) ** phase, flat_regions(flat, flat)) > 2


def test_black_ground_is_not_flat_but_must_stay_black():
    a = np.zeros((60, 60))
    a[20:40, 20:40] = 100
    b = np.zeros((60, 60))
    assert not flat_regions(a, b)[:10].any()
    haze = a + 12
    assert black_level(a, b, a) == 0
    assert black_level(a, b, haze) == 12
    assert math.isnan(black_level(a + 50, b, a))


def test_stretching_is_seen():
    a, b = np.full((20, 20), 50.0), np.full((20, 20), 180.0)
    assert range_excess(a, b, (a + b) / 2) == (0, 0)
    stretched = np.where(np.indices((20, 20))[0] < 10, 20.0, 250.0)
    assert range_excess(a, b, stretched) == (30, 70)


def test_all_at_once_in_8_bits(sources):
    a, b = sources
    values = artefacts(a, b, np.maximum(a, b))
    assert values["new_p99"] < 0.3
    assert values["outside_mean"] == values["below"] == values["above"] == 0
    inverted = artefacts(a, b, 255 - np.maximum(a, b))
    assert inverted["outside_mean"] > 10
    tiny = np.zeros((3, 4), np.uint8)
    assert math.isnan(artefacts(tiny, tiny, tiny)["flat"])

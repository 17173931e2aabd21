from __future__ import annotations

import numpy as np
import pytest

from napari_textdifuse.colour import rgb_to_ycbcr
from napari_textdifuse.training import degrade as d


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


@pytest.fixture
def flat() -> np.ndarray:
    return np.full((200, 200), 0.5, np.float32)


def correlation(noise: np.ndarray, shift: int) -> float:
    """Correlation of a pixel with the one `shift` to its right."""
    noise = noise - noise.mean()
    return float((noise[:, shift:] * noise[:, :-shift]).mean() / noise.var())


@pytest.mark.parametrize("modality", ["VIS", "IR", "MR", "CT", "PT", "NM", "ULTRASOUND"])
def test_degradations_stay_in_range_and_sometimes_do_nothing(modality, rng):
    clean = rng.random((24, 24), dtype=np.float32)
    results = [d.degrade(clean, modality, rng) for _ in range(60)]
    assert all(r.dtype == np.float32 and r.min() >= 0 and r.max() <= 1 for r in results)
    untouched = sum(np.array_equal(r, clean) for r in results)
    assert 5 <= untouched <= 30


@pytest.mark.parametrize("modality", ["MR", "CT", "PT", "NM", "ULTRASOUND"])
def test_medical_values_keep_their_level(modality, rng):
    """Noise, blur and a weak bias field, but never the light of a photograph."""
    clean = np.full((48, 48), 0.5, np.float32)
    means = [d.degrade(clean, modality, rng).mean() for _ in range(150)]
    assert max(abs(m - 0.5) for m in means) < 0.12
    assert any(d.degrade(clean, "VIS", rng).mean() < 0.3 for _ in range(40))


def test_noise_has_the_right_statistics(rng, flat):
    assert d.poisson_noise(flat, rng, 100).var() == pytest.approx(0.5 / 100, rel=0.05)
    background = d.rician_noise(np.zeros_like(flat), rng, 0.1)  # Rayleigh distributed
    assert background.mean() == pytest.approx(0.1 * np.sqrt(np.pi / 2), rel=0.02)


def test_quantum_noise_is_correlated_and_stronger_behind_dense_matter(rng, flat):
    noise = d.quantum_noise(flat, rng, 0.1) - flat
    assert noise.std() == pytest.approx(0.1 * np.sqrt(0.25 + 0.75 * 0.5), rel=0.02)
    assert abs(noise.mean()) < 0.001
    assert abs(correlation(noise, 1)) > 0.1  # white noise has 0.005 here
    halves = np.repeat(np.float32([[0.0, 1.0]]), 100, axis=1).repeat(200, axis=0)
    spread = [
        (d.quantum_noise(halves, rng, 0.1) - halves)[:, s].std() for s in (np.s_[:40], np.s_[-40:])
    ]
    assert spread[1] > 1.6 * spread[0]


def test_low_counts_are_blobs_of_the_right_level(rng, flat):
    seen = d.low_counts(flat, rng, 10, 1.0)
    assert seen.mean() == pytest.approx(0.5, rel=0.03)
    assert correlation(seen, 1) > 0.5
    # a Gaussian of one pixel lowers white variance by 4 pi
    assert seen.var() == pytest.approx(0.05 / (4 * np.pi), rel=0.1)


def test_bias_field_is_smooth_and_mild(rng, flat):
    ratio = d.bias_field(flat, rng) / flat
    assert 0.75 < ratio.min() < ratio.max() < 1.25
    assert np.abs(np.diff(ratio, axis=0)).max() < 0.02


def test_colour_cast_is_one_gain_per_channel(rng):
    rgb = rng.uniform(0.1, 0.7, (16, 16, 3)).astype(np.float32)
    seen, _ = d.colour_cast(rgb, rng)
    ratio = seen / rgb
    assert ratio.std(axis=(0, 1)).max() < 1e-5
    assert 0.75 <= ratio.min() < ratio.max() <= 1.25


def test_chroma_noise_leaves_the_brightness(rng):
    grey = np.full((64, 64, 3), 0.5, np.float32)
    seen = d.chroma_noise(grey, rng, 0.05)
    brightness, chroma = rgb_to_ycbcr(seen)
    np.testing.assert_allclose(brightness, 0.5, atol=1e-5)
    assert chroma.std() > 0.01
    assert correlation(chroma[..., 0], 1) > 0.5

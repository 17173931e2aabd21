"""Noise and sharpness of two images, and what they change about the stated error."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
from scipy import ndimage

from napari_textdifuse import FusionPipeline
from napari_textdifuse.fusion.degradation import degradation_of
from napari_textdifuse.models.uncertainty import ErrorCalibration


@pytest.fixture(scope="module")
def texture() -> np.ndarray:
    """Detail at every scale, around a mean of one half."""
    rng = np.random.default_rng(0)
    image = sum(
        scale * ndimage.gaussian_filter(rng.normal(size=(192, 192)), scale)
        for scale in (1, 2, 4, 8)
    )
    return (0.5 + 0.08 * image / np.std(image)).astype(np.float32)


def with_noise(image: np.ndarray, sigma: float) -> np.ndarray:
    noise = np.random.default_rng(1).normal(0, sigma / 255, image.shape)
    return (image + noise).astype(np.float32)


def test_the_noise_of_both_images(texture):
    smooth = np.full((192, 192), 0.5, np.float32)
    noisier, cleaner = degradation_of(with_noise(smooth, 20), with_noise(smooth, 5))[:2]
    assert np.exp(noisier) * 255 == pytest.approx(20, rel=0.05)
    assert np.exp(cleaner) * 255 == pytest.approx(5, rel=0.05)


def test_sharpness_of_a_wave_by_hand():
    """Averaging over n pixels multiplies a wave of frequency w by sinc, the Laplacian by 2 cos - 2.

    Along one axis only; the other adds nothing.
    """
    w = 2 * np.pi / 48
    wave = (0.5 + 0.4 * np.sin(w * np.arange(192)))[None].repeat(192, 0).astype(np.float32)

    def energy(n: int) -> float:
        # the mean of n samples of a wave; over n pixels the phase advances by n w
        kept = np.sin(n * w / 2) / (n * np.sin(w / 2))
        return (0.4 * kept * (2 - 2 * np.cos(n * w))) ** 2 / 2

    fine, coarse = degradation_of(wave, wave)[2:]
    assert fine == pytest.approx(np.log(energy(2) / energy(4)), abs=0.1)
    assert coarse == pytest.approx(np.log(energy(4) / energy(8)), abs=0.1)


def test_blur_lowers_the_sharpness_also_under_noise(texture):
    blurred = ndimage.gaussian_filter(texture, 1.5)
    for sigma in (0, 10):
        sharp, soft = (degradation_of(with_noise(v, sigma), v * 0)[2] for v in (texture, blurred))
        assert soft < sharp - 0.5


def test_the_sharper_image_counts_and_air_does_not(texture):
    blurred = ndimage.gaussian_filter(texture, 3)
    both = degradation_of(texture, blurred)[2:]
    assert np.array_equal(both, degradation_of(blurred, texture)[2:])
    assert np.array_equal(both, degradation_of(texture, texture)[2:])
    black, small = np.zeros((192, 192), np.float32), np.zeros((2, 2), np.float32)
    assert np.array_equal(both, degradation_of(texture, black)[2:])
    assert degradation_of(small, small)[2:].tolist() == [-10, -10]


def test_the_deviation_follows_the_images_within_the_measured_range():
    calibration = ErrorCalibration(
        [-6.0, 0.0], [-7.0, -1.0], (), [0.1, 0.5, 0, 0, -2.0], [[-6, -2]] * 2 + [[-1, 1]] * 2
    )
    error = np.exp(np.array([-3.0], np.float32))
    inside = calibration.for_images(np.array([-4.0, -5, 0, 0.25]))(error)
    assert np.log(inside[0]) == pytest.approx(-4 + 0.1 + 0.5 * -4 - 2 * 0.25, abs=1e-4)
    beyond = calibration.for_images(np.array([0.0, -5, 0, -9]))(error)
    assert np.log(beyond[0]) == pytest.approx(-4 + 0.1 + 0.5 * -2 - 2 * -1, abs=1e-4)
    plain = ErrorCalibration([-6.0, 0.0], [-9.0, -1.0])
    assert plain.for_images(np.zeros(4)) is plain
    # rounding to 8 bits: nine in ten errors up to half a grey value
    assert 255 * 1.645 * plain(np.exp(np.array([-6.0], np.float32)))[0] == pytest.approx(0.5)


def test_the_pipeline_measures_the_images_that_it_fuses(tiny_weights, tmp_path, texture):
    folder = tmp_path / "weights"
    shutil.copytree(tiny_weights, folder)
    config = json.loads((folder / "config.json").read_text())
    table = {"expected": [-12.0, 0.0], "deviation": [-4.0, 8.0], "modalities": ["MR", "CT"]}
    images, known = (texture[:64, :64], texture[64:128, :64]), {"a": "MR", "b": "CT"}
    uncertainty = []
    for more in ({}, {"weights": [0, 1, 0, 0, 0], "ranges": [[-20, 0]] * 4}):
        config["calibration"] = table | more
        (folder / "config.json").write_text(json.dumps(config))
        pipeline = FusionPipeline.from_pretrained(folder, device="cpu")
        result = pipeline(*images, steps=1, modality=known, windows={"a": (0, 1), "b": (0, 1)})
        uncertainty.append(result.uncertainty)
    factor = np.exp(degradation_of(*images)[0])
    assert factor < 0.5
    np.testing.assert_allclose(uncertainty[1], factor * uncertainty[0], rtol=1e-3)

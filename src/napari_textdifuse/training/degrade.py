"""Degradations that the restoration prior learns to undo (Sec. 3.2).

Every function takes and gives float32 ``(H, W)`` in [0, 1]. What is drawn for a picture depends
on its modality: light can fail in a photograph, but a medical value has a meaning, so medical
images only get noise and blur.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import ndimage

Image = npt.NDArray[np.float32]
Rng = np.random.Generator


def gaussian_noise(x: Image, rng: Rng, sigma: float) -> Image:
    """Additive noise of standard deviation `sigma`."""
    return x + rng.standard_normal(x.shape, dtype=np.float32) * np.float32(sigma)


def rician_noise(x: Image, rng: Rng, sigma: float) -> Image:
    """Magnitude of a complex signal with noise in both parts (Gudbjartsson & Patz 1995)."""
    real = gaussian_noise(x, rng, sigma)
    imaginary = gaussian_noise(np.zeros_like(x), rng, sigma)
    return np.hypot(real, imaginary)


def poisson_noise(x: Image, rng: Rng, peak: float) -> Image:
    """Noise of counting when full brightness is `peak` counts."""
    return (rng.poisson(np.clip(x, 0, 1) * peak) / peak).astype(np.float32)


def low_light(x: Image, rng: Rng) -> Image:
    """Gamma and gain of an under-exposed picture."""
    gamma = rng.uniform(1.2, 3.0)
    return np.power(np.clip(x, 0, 1), gamma) * np.float32(rng.uniform(0.6, 1.0))


def over_exposure(x: Image, rng: Rng) -> Image:
    """Gain with clipping."""
    return np.clip(x * np.float32(rng.uniform(1.1, 1.5)), 0, 1)


def uneven_light(x: Image, rng: Rng, depth: float) -> Image:
    """Smooth multiplicative field: uneven light, or the bias field of an MRI."""
    coarse = rng.uniform(1 - depth, 1 + depth, (3, 3)).astype(np.float32)
    zoom = (x.shape[0] / 3, x.shape[1] / 3)
    field = ndimage.zoom(coarse, zoom, order=2, mode="nearest", grid_mode=True)
    return np.clip(x * field[: x.shape[0], : x.shape[1]], 0, 1)


def low_contrast(x: Image, rng: Rng) -> Image:
    """Values squeezed towards a grey level."""
    k = np.float32(rng.uniform(0.5, 0.9))
    return k * x + (1 - k) * np.float32(rng.uniform(0.2, 0.6))


def blur(x: Image, rng: Rng) -> Image:
    """Slight loss of focus or resolution."""
    return ndimage.gaussian_filter(x, rng.uniform(0.4, 1.0)).astype(np.float32)


def degrade(x: Image, modality: str, rng: Rng) -> Image:
    """Draw a random degradation that is plausible for a modality.

    Parameters
    ----------
    x : ndarray of float32, shape (H, W)
        Clean brightness in [0, 1].
    modality : {"VIS", "IR", "MR", "CT", "PT", "NM"}
    rng : numpy.random.Generator

    Returns
    -------
    ndarray of float32, shape (H, W)
        In [0, 1]; with probability 0.25 the clean image itself.
    """
    if rng.random() < 0.25:
        return x
    if modality == "VIS":
        light = rng.random()
        if light < 0.4:
            x = low_light(x, rng)
        elif light < 0.5:
            x = over_exposure(x, rng)
        if rng.random() < 0.15:
            x = uneven_light(x, rng, 0.4)
    if modality in ("VIS", "IR") and rng.random() < 0.12:
        x = low_contrast(x, rng)
    if modality == "MR" and rng.random() < 0.1:
        x = uneven_light(x, rng, 0.2)
    if rng.random() < 0.12:
        x = blur(x, rng)
    if rng.random() < 0.85:
        x = _noise(x, modality, rng)
    return np.clip(x, 0, 1).astype(np.float32)


def _noise(x: Image, modality: str, rng: Rng) -> Image:
    kind = rng.random()
    sigma = rng.uniform(2, 40) / 255
    if modality == "MR" and kind < 0.4:
        return rician_noise(x, rng, sigma)
    if modality in ("PT", "NM", "VIS", "CT") and kind < 0.3:
        return poisson_noise(x, rng, float(np.exp(rng.uniform(np.log(20), np.log(500)))))
    return gaussian_noise(x, rng, sigma)

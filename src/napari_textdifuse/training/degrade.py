"""Degradations that the restoration prior learns to undo (Sec. 3.2).

Every function accepts and returns float32 ``(H, W)`` in [0, 1], or ``(H, W, 3)`` for colour.
Degradations depend on the modality: photographs may have bad light, but medical values have a
meaning, so medical images only get the noise, blur and shading of their scanner.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from ..colour import BT601

Image = npt.NDArray[np.float32]
Rng = np.random.Generator
#: Brightness, modality and random numbers in; image in bad light, and fully degraded image, out.
Degrade = Callable[[Image, str, Rng], tuple[Image, Image]]


def gaussian_noise(x: Image, rng: Rng, sigma: float) -> Image:
    """Additive electronic noise of standard deviation `sigma`."""
    return x + rng.standard_normal(x.shape, dtype=np.float32) * np.float32(sigma)


def rician_noise(x: Image, rng: Rng, sigma: float) -> Image:
    """Rician noise: magnitude of a noisy complex signal (Gudbjartsson & Patz 1995)."""
    real = gaussian_noise(x, rng, sigma)
    imaginary = gaussian_noise(np.zeros_like(x), rng, sigma)
    return np.hypot(real, imaginary)


def poisson_noise(x: Image, rng: Rng, peak: float) -> Image:
    """Poisson noise with `peak` counts at full brightness."""
    return (rng.poisson(np.clip(x, 0, 1) * peak) / peak).astype(np.float32)


def low_counts(x: Image, rng: Rng, peak: float, width: float) -> Image:
    """Low counts and the smoothing of a reconstruction, as in a short PET or SPECT.

    Counts are Poisson distributed (Shepp & Vardi 1982); clinical reconstructions end with a
    Gaussian filter (Boellaard et al., EANM guidelines 2015).

    Parameters
    ----------
    x : ndarray
    rng : numpy.random.Generator
    peak : float
        Counts per pixel at full brightness.
    width : float
        Standard deviation of the filter in pixels.
    """
    return ndimage.gaussian_filter(poisson_noise(x, rng, peak), width).astype(np.float32)


def quantum_noise(x: Image, rng: Rng, sigma: float) -> Image:
    """Noise of a low-dose CT.

    Filtered back-projection gives quantum noise a spectrum that rises with frequency and is cut
    by the kernel (Riederer, Pelc & Chesler 1978): neighbouring pixels are correlated. Denser
    surroundings transmit fewer photons, so the variance grows with the smoothed brightness.

    Parameters
    ----------
    x : ndarray, shape (H, W)
    rng : numpy.random.Generator
    sigma : float
        Standard deviation at full brightness; about half of it at black.
    """
    frequency = np.hypot(np.fft.fftfreq(x.shape[0])[:, None], np.fft.rfftfreq(x.shape[1])[None])
    kernel = frequency * (0.5 + 0.5 * np.cos(2 * np.pi * np.minimum(frequency, 0.5)))
    white = np.fft.rfft2(rng.standard_normal(x.shape, dtype=np.float32))
    # the power spectrum is the ramp times the kernel's square, so the amplitude is its root
    noise = np.fft.irfft2(white * np.sqrt(kernel), x.shape)
    noise /= max(float(noise.std()), 1e-9)
    variance = 0.25 + 0.75 * ndimage.gaussian_filter(x, max(x.shape) / 16)
    return x + (sigma * np.sqrt(variance) * noise).astype(np.float32)


def low_light(x: Image, rng: Rng) -> Image:
    """Gamma and gain of an under-exposed image."""
    gamma = rng.uniform(1.2, 3.0)
    return np.power(np.clip(x, 0, 1), gamma) * np.float32(rng.uniform(0.6, 1.0))


def over_exposure(x: Image, rng: Rng) -> Image:
    """Gain with clipping, of an over-exposed image."""
    return np.clip(x * np.float32(rng.uniform(1.1, 1.5 if rng.random() < 0.6 else 2.2)), 0, 1)


def uneven_light(x: Image, rng: Rng, depth: float) -> Image:
    """Smooth multiplicative field of uneven light."""
    coarse = rng.uniform(1 - depth, 1 + depth, (3, 3)).astype(np.float32)
    zoom = (x.shape[0] / 3, x.shape[1] / 3)
    field = ndimage.zoom(coarse, zoom, order=2, mode="nearest", grid_mode=True)
    return np.clip(x * field[: x.shape[0], : x.shape[1]], 0, 1)


def bias_field(x: Image, rng: Rng) -> Image:
    """Smooth gain of an MRI's coils, up to a fifth (Sled, Zijdenbos & Evans 1998)."""
    return uneven_light(x, rng, 0.2)


def low_contrast(x: Image, rng: Rng) -> Image:
    """Contrast reduced towards a grey level."""
    k = np.float32(rng.uniform(0.5, 0.9))
    return k * x + (1 - k) * np.float32(rng.uniform(0.2, 0.6))


def blur(x: Image, rng: Rng) -> Image:
    """Loss of focus or resolution, slight in most images."""
    width = rng.uniform(0.4, 1.0) if rng.random() < 0.6 else rng.uniform(1.0, 2.0)
    return ndimage.gaussian_filter(x, width).astype(np.float32)


def colour_cast(rgb: Image, rng: Rng, strength: float = 0.25) -> tuple[Image, Image]:
    """Colour cast: one gain per channel (von Kries 1902).

    Parameters
    ----------
    rgb : ndarray of float32, shape (H, W, 3)
    rng : numpy.random.Generator
    strength : float
        Gains are drawn from ``1 - strength`` to ``1 + strength``.

    Returns
    -------
    rgb : ndarray of float32, shape (H, W, 3)
    gains : ndarray of float32, shape (3,)
    """
    gains = rng.uniform(1 - strength, 1 + strength, 3).astype(np.float32)
    return np.clip(rgb * gains, 0, 1), gains


def chroma_noise(rgb: Image, rng: Rng, sigma: float, width: float = 1.0) -> Image:
    """Coloured blotches that keep the brightness (BT.601).

    Demosaicking spreads a sensor's colour noise over neighbouring pixels.

    Parameters
    ----------
    rgb : ndarray of float32, shape (H, W, 3)
    rng : numpy.random.Generator
    sigma : float
        Standard deviation of the red and blue parts.
    width : float
        Standard deviation in pixels of the smoothing.
    """
    noise = ndimage.gaussian_filter(
        rng.standard_normal((*rgb.shape[:2], 2), dtype=np.float32), (width, width, 0)
    )
    red, blue = np.moveaxis(noise * np.float32(sigma / max(float(noise.std()), 1e-9)), -1, 0)
    of_red, of_green, of_blue = BT601
    green = -(of_red * red + of_blue * blue) / of_green
    return np.clip(rgb + np.stack([red, green, blue], axis=-1), 0, 1).astype(np.float32)


def degrade(x: Image, modality: str, rng: Rng) -> Image:
    """Draw a random degradation that is plausible for a modality.

    Parameters
    ----------
    x : ndarray of float32, shape (H, W)
        Clean brightness in [0, 1].
    modality : str
        ``"VIS"``, ``"IR"``, ``"MR"``, ``"CT"``, ``"PT"``, ``"NM"``; others get Gaussian or
        Poisson noise and blur.
    rng : numpy.random.Generator

    Returns
    -------
    ndarray of float32, shape (H, W)
        In [0, 1]; with probability 0.25 the clean image itself.
    """
    return degrade_in_steps(x, modality, rng)[1]


def degrade_in_steps(x: Image, modality: str, rng: Rng) -> tuple[Image, Image]:
    """Degrade, and also return the image before blur and noise.

    Returns
    -------
    lit, seen : ndarray of float32, shape (H, W)
        In [0, 1]: `lit` with changed light and contrast only, `seen` fully degraded.
    """
    if rng.random() < 0.25:
        return x, x
    if modality == "VIS":
        light = rng.random()
        if light < 0.4:
            x = low_light(x, rng)
        elif light < 0.55:
            x = over_exposure(x, rng)
        if rng.random() < 0.15:
            x = uneven_light(x, rng, 0.4)
    if modality in ("VIS", "IR") and rng.random() < 0.12:
        x = low_contrast(x, rng)
    if modality == "MR" and rng.random() < 0.1:
        x = bias_field(x, rng)
    lit = np.clip(x, 0, 1).astype(np.float32)
    x = lit
    if rng.random() < 0.15:
        x = blur(x, rng)
    if rng.random() < 0.85:
        x = _noise(x, modality, rng)
    return lit, np.clip(x, 0, 1).astype(np.float32)


#: Shares of images with nothing, noise, blur, and both, for training the error head.
ERROR_KINDS = (0.1, 0.45, 0.2, 0.25)


def degrade_for_errors(x: Image, modality: str, rng: Rng) -> tuple[Image, Image]:
    """Degrade like `degrade_in_steps`, with more blur, so that every kind of error is frequent."""
    light = rng.random()
    if modality == "VIS" and light < 0.15:
        x = low_light(x, rng)
    elif modality == "VIS" and light < 0.3:
        x = over_exposure(x, rng)
    elif (modality == "IR" and light < 0.08) or (modality == "VIS" and light < 0.34):
        x = low_contrast(x, rng)
    elif modality == "MR" and light < 0.1:
        x = bias_field(x, rng)
    lit = np.clip(x, 0, 1).astype(np.float32)
    kind = rng.choice(4, p=ERROR_KINDS)
    x = lit
    if kind >= 2:
        x = blur(x, rng)
    if kind in (1, 3):
        x = _noise(x, modality, rng)
    return lit, np.clip(x, 0, 1).astype(np.float32)


def _noise(x: Image, modality: str, rng: Rng) -> Image:
    kind = rng.random()
    sigma = float(rng.uniform(2, 40) if rng.random() < 0.8 else rng.uniform(40, 65)) / 255
    special, share = _SPECIAL.get(modality, (_counting, 0.3))
    return special(x, rng, sigma) if kind < share else gaussian_noise(x, rng, sigma)


def _log_uniform(rng: Rng, low: float, high: float) -> float:
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def _counting(x: Image, rng: Rng, _sigma: float) -> Image:
    return poisson_noise(x, rng, _log_uniform(rng, 20, 500))


def _nuclear(x: Image, rng: Rng, sigma: float) -> Image:
    if rng.random() < 0.5:
        return low_counts(x, rng, _log_uniform(rng, 5, 100), rng.uniform(0.6, 1.2))
    return _counting(x, rng, sigma)


#: Specific noise of a modality, and its share; the rest is Gaussian noise.
_SPECIAL: dict[str, tuple[Callable[[Image, Rng, float], Image], float]] = {
    "MR": (rician_noise, 0.4),
    "CT": (quantum_noise, 0.3),
    "PT": (_nuclear, 0.3),
    "NM": (_nuclear, 0.3),
    "IR": (gaussian_noise, 0.0),
}

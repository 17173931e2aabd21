"""How noisy and blurred two images look: what the expected error of their fusion depends on."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from ..colour import noise_beside_texture
from .prepare import Prepared

Floats = npt.NDArray[np.float32]

#: Least noise that is distinguished, in grey levels of 255.
LEAST = 0.5 / 255
#: Least part of an energy that is left after that of the noise was subtracted.
LEFT = 0.02
#: Sharpness of an image without detail.
BLANK = -10.0


def middle_slices(ready: Prepared) -> tuple[Floats, Floats]:
    """Return the brightness of both images in a middle slice, shape (Y, X)."""
    a, b = (image.reshape(-1, *image.shape[-2:]) for image in (ready.luma_a, ready.luma_b))
    return a[len(a) // 2], b[len(b) // 2]


def degradation_of(a: Floats, b: Floats) -> npt.NDArray[np.float64]:
    """Measure noise and sharpness.

    Sharpness is the decrease of detail from one scale to the next: the Laplacian's energy in the
    image averaged over 2 x 2 pixels, relative to that over 4 x 4, and of that relative to 8 x 8
    pixels. The energy of white noise is subtracted. Air has no energy, so its area does not matter.

    Parameters
    ----------
    a, b : ndarray of float32, shape (Y, X)
        Brightness in [0, 1].

    Returns
    -------
    ndarray, shape (4,)
        Natural logarithms of the noise of the noisier and the cleaner image, and of the fine and
        the coarse sharpness of the sharper one.
    """
    noise = [max(noise_beside_texture(image), LEAST) for image in (a, b)]
    sharpness = np.max([_sharpness(v, n) for v, n in zip((a, b), noise, strict=True)], axis=0)
    return np.array([math.log(max(noise)), math.log(min(noise)), *sharpness])


def _sharpness(image: Floats, noise: float) -> tuple[float, float]:
    energies = []
    for k in (1, 2, 3):
        image = _halved(image)
        found = _laplacian_energy(image)
        # the kernel's squares add up to 20; each halving averages four values
        if not found:
            return BLANK, BLANK
        energies.append(max(found - 20 * noise**2 / 4**k, LEFT * found))
    two, four, eight = np.log(energies)
    return float(two - four), float(four - eight)


def _halved(image: Floats) -> Floats:
    height, width = (n // 2 for n in image.shape)
    blocks = image[: 2 * height, : 2 * width].reshape(height, 2, width, 2)
    return blocks.mean(axis=(1, 3))


def _laplacian_energy(image: Floats) -> float:
    if min(image.shape) < 3:
        return 0.0
    centre, across = image[1:-1, 1:-1], image[1:-1, :-2] + image[1:-1, 2:]
    laplacian = across + image[:-2, 1:-1] + image[2:, 1:-1] - 4 * centre
    return float(np.mean(np.square(laplacian), dtype=np.float64))

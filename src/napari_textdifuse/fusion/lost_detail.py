"""Noise that the network took out of the anatomy must not come back with what fusion has lost."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from scipy import ndimage

Floats = npt.NDArray[np.float32]

_LAPLACIAN = np.array([[0, 1, 0], [1, -4, 1], [0, 1, 0]], np.float32)
#: Below this brightness there is air, which says nothing of the noise inside the body.
AIR = 0.02
#: Removed noise up to this standard deviation may also be fine detail: it is left alone.
DETAIL = 4 / 255
#: Noise that may be left in the difference, and the widest filter, in pixels.
LEFT, WIDEST = 2 / 255, 3.0


def noise_level(image: Floats, inside: npt.NDArray[np.bool_]) -> float:
    """Return the standard deviation of the noise.

    Median absolute Laplacian (compare Immerkaer 1996), scaled to white Gaussian noise; edges, which
    are few, do not count.

    Parameters
    ----------
    image : ndarray, shape (Y, X)
    inside : ndarray of bool, shape (Y, X)
        Pixels that are looked at.
    """
    if not inside.any():
        return 0.0
    laplacian = ndimage.convolve(image, _LAPLACIAN, mode="nearest")
    return float(1.4826 * np.median(np.abs(laplacian[inside])) / math.sqrt(20))


def denoised_anatomy(fused: Floats, anatomy: Floats) -> Floats:
    """Return the anatomy without the noise that the fused brightness no longer has.

    The difference of both is smoothed with a Gaussian, as wide as white noise of the removed
    strength needs to fall to `LEFT`. Where no noise was removed, the anatomy comes back as it is.

    Parameters
    ----------
    fused, anatomy : ndarray of float32, shape (Y, X)
        Brightness in [0, 1].
    """
    inside = anatomy > AIR
    before, after = noise_level(anatomy, inside), noise_level(fused, inside)
    removed = math.sqrt(max(0.0, before**2 - after**2)) - DETAIL
    if removed <= 0:
        return anatomy
    # a Gaussian of width s leaves 1 / (2 sqrt(pi) s) of white noise
    width = min(WIDEST, removed / (2 * math.sqrt(math.pi) * LEFT))
    smooth: Floats = fused + ndimage.gaussian_filter(anatomy - fused, width)
    return smooth

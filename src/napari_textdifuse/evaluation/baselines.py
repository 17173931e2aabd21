"""Classical fusion methods for comparison with learned ones.

All accept registered images in [0, 1], ``(Y, X)`` or ``(Y, X, 3)``, and return float32 in [0, 1].
All but `overlay` fuse the brightness and carry the colour image's CbCr through (the first one's if
both have colour), so the result has colour if either source has.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from ..colour import rgb_to_ycbcr, ycbcr_to_rgb
from ..errors import InputError, size_of
from ..optional import import_optional

Floats = npt.NDArray[np.float32]
Fusion = Callable[[Floats, Floats], Floats]


def average(a: Floats, b: Floats) -> Floats:
    """Mean of the two brightness images.

    Parameters
    ----------
    a, b : ndarray, shape (Y, X) or (Y, X, 3)
        In [0, 1].

    Returns
    -------
    ndarray of float32
        ``(Y, X)``, or ``(Y, X, 3)`` if either source has colour; in [0, 1].

    Raises
    ------
    InputError
        If the sizes differ, or an image is neither grey nor RGB.
    """
    return _on_brightness(a, b, lambda x, y: np.float32(0.5) * (x + y))


def maximum(a: Floats, b: Floats) -> Floats:
    """Pixelwise maximum of brightness: crude, but hard to beat on SD, SCD, VIF and MI.

    Keeps the noise of both sources and loses dark structures. See `average` for the parameters.
    """
    return _on_brightness(a, b, np.maximum)


def overlay(a: Floats, b: Floats) -> Floats:
    """Blend half and half in RGB, as a viewer displays one layer at 50 % opacity.

    See `average` for the parameters.
    """
    _check(a, b)
    if a.ndim != b.ndim:
        a, b = _with_colour(a), _with_colour(b)
    return np.clip((a + b) / 2, 0, 1).astype(np.float32)


def laplacian(a: Floats, b: Floats, levels: int = 4) -> Floats:
    """Laplacian pyramid: at each level the stronger detail, at the base the mean.

    Burt & Adelson 1983 (pyramid, 5-tap kernel); Toet 1989 (fusion by selection).

    Parameters
    ----------
    a, b : ndarray, shape (Y, X) or (Y, X, 3)
        In [0, 1].
    levels : int
        Detail levels; fewer if the image is too small to be halved that often.

    Returns
    -------
    ndarray of float32
        As in `average`.
    """

    def fuse(x: Floats, y: Floats) -> Floats:
        details = []
        for _ in range(levels):
            if min(x.shape) < 4:
                break
            small_x, small_y = _reduce(x), _reduce(y)
            details.append(_stronger(x - _expand(small_x, x.shape), y - _expand(small_y, y.shape)))
            x, y = small_x, small_y
        fused = np.float32(0.5) * (x + y)
        for detail in reversed(details):
            fused = _expand(fused, detail.shape) + detail
        return fused

    return _on_brightness(a, b, fuse)


def wavelet(a: Floats, b: Floats, levels: int = 4, name: str = "db2") -> Floats:
    """Discrete wavelet transform: the stronger detail coefficient, the mean approximation.

    Li, Manjunath & Mitra 1995.

    Parameters
    ----------
    a, b : ndarray, shape (Y, X) or (Y, X, 3)
        In [0, 1].
    levels : int
        Decomposition levels; fewer if the image is too small.
    name : str
        Wavelet, as PyWavelets names it.

    Returns
    -------
    ndarray of float32
        As in `average`.

    Raises
    ------
    MissingDependencyError
        If PyWavelets is not installed.
    """
    pywt = import_optional(
        "pywt", "The wavelet baseline needs PyWavelets", "'napari-textdifuse[benchmark]'."
    )

    def fuse(x: Floats, y: Floats) -> Floats:
        depth = min(levels, pywt.dwtn_max_level(x.shape, name))
        (base_x, *rest_x), (base_y, *rest_y) = (
            pywt.wavedec2(image, name, mode="symmetric", level=depth) for image in (x, y)
        )
        details = [
            tuple(_stronger(dx, dy) for dx, dy in zip(level_x, level_y, strict=True))
            for level_x, level_y in zip(rest_x, rest_y, strict=True)
        ]
        fused = pywt.waverec2([(base_x + base_y) / 2, *details], name, mode="symmetric")
        return np.asarray(fused[: x.shape[0], : x.shape[1]], dtype=np.float32)

    return _on_brightness(a, b, fuse)


#: Method by name, in the order of tables.
BASELINES: dict[str, Fusion] = {
    "average": average,
    "overlay": overlay,
    "maximum": maximum,
    "laplacian": laplacian,
    "wavelet": wavelet,
}


def _on_brightness(a: Floats, b: Floats, fuse: Fusion) -> Floats:
    _check(a, b)
    (ya, colour_a), (yb, colour_b) = _separate(a), _separate(b)
    y = np.clip(fuse(ya, yb), 0, 1).astype(np.float32)
    colour = colour_a if colour_a is not None else colour_b
    return y if colour is None else ycbcr_to_rgb(y, colour)


def _separate(image: Floats) -> tuple[Floats, Floats | None]:
    return rgb_to_ycbcr(image) if image.ndim == 3 else (image.astype(np.float32), None)


def _with_colour(image: Floats) -> Floats:
    return image if image.ndim == 3 else np.repeat(image[..., None], 3, axis=-1)


def _stronger(x: npt.NDArray[Any], y: npt.NDArray[Any]) -> npt.NDArray[Any]:
    return np.where(np.abs(x) >= np.abs(y), x, y)


_KERNEL = np.array([1, 4, 6, 4, 1], dtype=np.float32) / 16


def _smooth(image: Floats, gain: float = 1) -> Floats:
    for axis in (0, 1):
        image = ndimage.correlate1d(image, _KERNEL * gain, axis=axis, mode="mirror")
    return image


def _reduce(image: Floats) -> Floats:
    return _smooth(image)[::2, ::2]


def _expand(image: Floats, shape: tuple[int, ...]) -> Floats:
    full = np.zeros(shape, dtype=np.float32)
    full[::2, ::2] = image
    return _smooth(full, gain=2)  # of two taps, one falls on an inserted zero


def _check(a: Floats, b: Floats) -> None:
    for image in (a, b):
        if image.ndim not in (2, 3) or (image.ndim == 3 and image.shape[-1] != 3):
            raise InputError(f"an image of {size_of(image.shape)} is neither (Y, X) nor (Y, X, 3).")
    if a.shape[:2] != b.shape[:2]:
        raise InputError(
            f"the images are {size_of(a.shape[:2])} and {size_of(b.shape[:2])}; resample one onto "
            "the other first."
        )

"""Brightness and chrominance, and the colour map of functional images."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]

# ITU-R BT.601, full range
_KR, _KG, _KB = 0.299, 0.587, 0.114


def rgb_to_ycbcr(rgb: Floats) -> tuple[Floats, Floats]:
    """Separate brightness and chrominance (full-range BT.601).

    Parameters
    ----------
    rgb : ndarray, shape (..., 3)
        In [0, 1].

    Returns
    -------
    y : ndarray of float32, shape (...)
        In [0, 1].
    cbcr : ndarray of float32, shape (..., 2)
        In [-0.5, 0.5]; 0 is grey.
    """
    r, g, b = (rgb[..., i].astype(np.float32) for i in range(3))
    y = _KR * r + _KG * g + _KB * b
    cb = (b - y) / (2 * (1 - _KB))
    cr = (r - y) / (2 * (1 - _KR))
    return y.astype(np.float32), np.stack([cb, cr], axis=-1).astype(np.float32)


def ycbcr_to_rgb(y: Floats, cbcr: Floats) -> Floats:
    """Inverse of `rgb_to_ycbcr`, clipped to [0, 1].

    Colours that the new brightness pushes out of range are desaturated, not clipped channel by
    channel, so that brightness and hue are kept (CbCr is scaled towards grey).
    """
    cb, cr = cbcr[..., 0], cbcr[..., 1]
    offset = np.stack(
        [
            2 * (1 - _KR) * cr,
            -(2 * _KB * (1 - _KB) / _KG) * cb - (2 * _KR * (1 - _KR) / _KG) * cr,
            2 * (1 - _KB) * cb,
        ],
        axis=-1,
    )
    y = np.clip(y, 0, 1)[..., None]
    with np.errstate(divide="ignore", invalid="ignore"):
        room = np.where(offset > 0, (1 - y) / offset, np.where(offset < 0, -y / offset, 1.0))
    scale = np.clip(np.nan_to_num(room.min(axis=-1, keepdims=True), nan=1.0, posinf=1.0), 0, 1)
    return np.clip(y + scale * offset, 0, 1).astype(np.float32)


def hot(values: Floats) -> Floats:
    """Black, red, yellow, white: the "hot metal" map in which PET is commonly shown.

    Parameters
    ----------
    values : ndarray, shape (...)
        In [0, 1].

    Returns
    -------
    ndarray of float32, shape (..., 3)
    """
    knots = np.array([0.0, 0.365079, 0.746032, 1.0])
    channels = ([0, 1, 1, 1], [0, 0, 1, 1], [0, 0, 0, 1])
    rgb = [np.interp(values, knots, np.asarray(c, dtype=float)) for c in channels]
    return np.stack(rgb, axis=-1).astype(np.float32)

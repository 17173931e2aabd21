"""The noise of an image, and smoothing by as much as it asks for."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from .regions import Floats, Mask, smooth

#: Largest smoothing in mm.
MOST_MM = 3.0


def noise_of(array: Floats, where: Mask) -> float:
    """Estimate the standard deviation of noise that neighbouring voxels do not share.

    Parameters
    ----------
    array : ndarray of float32
    where : ndarray of bool
        Tissue; only places whose neighbours on both sides belong to it count.

    Returns
    -------
    float
        0 if there is too little tissue.

    Notes
    -----
    Second differences along each axis are blind to slopes. Their median absolute value, of the
    smallest over the axes, is hardly moved by edges (Immerkaer 1996, Comput Vis Image Underst
    64:300; median: Donoho 1995, IEEE Trans Inf Theory 41:613).
    """
    found = []
    for axis in range(array.ndim):
        if array.shape[axis] < 3:
            continue
        values, inside = np.moveaxis(array, axis, 0), np.moveaxis(where, axis, 0)
        both = inside[:-2] & inside[1:-1] & inside[2:]
        second = (values[:-2] - 2 * values[1:-1] + values[2:])[both]
        if second.size >= 64:
            found.append(float(np.median(np.abs(second))) / (0.6745 * math.sqrt(6)))
    return min(found, default=0.0)


def smoothed_until(
    array: Floats, mm: Sequence[float], noise: float, wanted: float, least_mm: float = 0.6
) -> Floats:
    """Smooth by the least width that brings noise down to a standard deviation.

    Parameters
    ----------
    array : ndarray of float32
    mm : sequence of float
        Spacing.
    noise : float
        Its standard deviation before, see `noise_of`.
    wanted : float
        Its standard deviation after; not reached where it would need more than `MOST_MM`.
    least_mm : float
        Width without noise.
    """
    for width in np.arange(least_mm, MOST_MM, 0.2):
        if noise * left_after(float(width), mm) <= wanted:
            return smooth(array, mm, float(width))
    return smooth(array, mm, MOST_MM)


def left_after(sigma_mm: float, mm: Sequence[float]) -> float:
    """Return the share of white noise's standard deviation that a Gaussian filter leaves."""
    share = 1.0
    for step in mm:
        reach = np.arange(-math.ceil(4 * sigma_mm / step), math.ceil(4 * sigma_mm / step) + 1)
        weight = np.exp(-0.5 * (reach * step / sigma_mm) ** 2)
        share *= float(np.sqrt((weight**2).sum()) / weight.sum())
    return share

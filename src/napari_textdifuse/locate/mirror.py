"""The other side of a head."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import ndimage

from .regions import Floats, Mask


def mirror(array: Floats, brain: Mask, axis: int) -> Floats:
    """Reflect at the plane that makes the brain's outline overlap its own image best."""
    profile = np.flatnonzero(brain.any(axis=tuple(i for i in range(brain.ndim) if i != axis)))
    if not profile.size:
        return array
    middle = float(profile[0] + profile[-1])
    best, best_overlap = round(middle), -1
    for twice in range(round(middle) - 8, round(middle) + 9):
        index = twice - np.arange(brain.shape[axis])
        valid = (index >= 0) & (index < brain.shape[axis])
        overlap = np.take(brain, np.where(valid, index, 0), axis) & brain
        count = int(np.moveaxis(overlap, axis, 0)[valid].sum())
        if count > best_overlap:
            best, best_overlap = twice, count
    index = best - np.arange(array.shape[axis])
    valid = (index >= 0) & (index < array.shape[axis])
    mirrored = np.moveaxis(np.take(array, np.where(valid, index, 0), axis), axis, 0)
    mirrored[~valid] = 0
    return np.moveaxis(mirrored, 0, axis)


def mirrored(
    array: Floats, brain: Mask, axis: int, nearby_mm: float, mm: Sequence[float]
) -> Floats:
    """Return the highest value near the mirrored place; no head is quite symmetric."""
    width = [1 + 2 * round(nearby_mm / s / 2) for s in mm]
    return mirror(ndimage.maximum_filter(array, width), brain, axis)

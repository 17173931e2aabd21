"""Common functions of the rules: classes, tissue, components, sizes in millimetres."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

Mask = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float32]


def empty(array: npt.NDArray[Any]) -> Mask:
    """Return an all-False mask of the array's shape."""
    return np.zeros(array.shape, bool)


def smooth(array: Floats, mm: Sequence[float], sigma_mm: float) -> Floats:
    """Gaussian filter with a width in mm."""
    result = ndimage.gaussian_filter(array, [sigma_mm / s for s in mm], mode="nearest")
    return np.asarray(result, np.float32)


def otsu(values: npt.NDArray[Any], classes: int) -> tuple[float, ...]:
    """Return the ``classes - 1`` thresholds of multi-Otsu; none if there is too little to split.

    Source: Otsu 1979, DOI 10.1109/TSMC.1979.4310076; Liao, Chen and Chung 2001.
    """
    from skimage.filters import threshold_multiotsu

    values = np.ravel(values)
    if values.size < 16 or len(np.unique(values[:: max(1, values.size // 4096)])) < 2 * classes:
        return ()
    try:
        return tuple(float(t) for t in threshold_multiotsu(values, classes=classes, nbins=128))
    except ValueError:  # fewer filled bins than classes
        return ()


def components(mask: Mask) -> tuple[npt.NDArray[np.int32], int]:
    """Label connected components, diagonal neighbours included."""
    labels, count = ndimage.label(mask, np.ones((3,) * mask.ndim, bool))
    return labels, int(count)


def size_of(diameter_mm: float, mm: Sequence[float]) -> float:
    """Return the number of pixels (voxels) of a disc (ball) with this diameter."""
    content = math.pi / 4 * diameter_mm**2 if len(mm) == 2 else math.pi / 6 * diameter_mm**3
    return content / math.prod(mm)


def drop_small(mask: Mask, diameter_mm: float, mm: Sequence[float]) -> Mask:
    """Remove components smaller than a disc (ball) of this diameter; never below one pixel."""
    labels, count = components(mask)
    if not count:
        return mask
    keep = np.bincount(labels.ravel()) >= max(1.0, size_of(diameter_mm, mm))
    keep[0] = False
    return np.asarray(keep[labels])


def largest(mask: Mask) -> Mask:
    """Keep the largest component."""
    labels, count = components(mask)
    if not count:
        return mask
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    return np.asarray(labels == sizes.argmax())


def touching(mask: Mask, seeds: Mask) -> Mask:
    """Keep the components that contain a seed."""
    labels, _ = components(mask)
    keep = np.zeros(labels.max() + 1, bool)
    keep[labels[seeds & mask]] = True
    keep[0] = False
    return np.asarray(keep[labels])


def fill(mask: Mask) -> Mask:
    """Fill holes slice by slice along the first axis (a head is open at the edge of a scan)."""
    if mask.ndim == 2:
        return np.asarray(ndimage.binary_fill_holes(mask))
    return np.stack([ndimage.binary_fill_holes(plane) for plane in mask])


def distance_inside(mask: Mask, mm: Sequence[float]) -> Floats:
    """Return the distance in mm to the outside of the mask; the image's edge is not an outside.

    In a volume the first axis does not count, so that the first and last slices are judged like
    the others.
    """
    planes = mask[None] if mask.ndim == 2 else mask
    result = np.stack([ndimage.distance_transform_edt(plane, mm[-2:]) for plane in planes])
    return np.asarray(result.reshape(mask.shape), np.float32)


def dilate(mask: Mask, mm: Sequence[float], radius_mm: float) -> Mask:
    """Dilate by a distance in mm."""
    if not mask.any():
        return mask
    return np.asarray(ndimage.distance_transform_edt(~mask, mm) <= radius_mm)


def erode(mask: Mask, mm: Sequence[float], radius_mm: float) -> Mask:
    """Erode by a distance in mm."""
    return np.asarray(ndimage.distance_transform_edt(mask, mm) > radius_mm)


def opening(mask: Mask, mm: Sequence[float], radius_mm: float) -> Mask:
    """Erode, then dilate, by a distance in mm."""
    return mask & dilate(erode(mask, mm, radius_mm), mm, radius_mm)


def closing(mask: Mask, mm: Sequence[float], radius_mm: float) -> Mask:
    """Dilate, then erode, by a distance in mm; the image's edge does not eat into the mask."""
    widths = [math.ceil(radius_mm / s) + 1 for s in mm]
    padded = np.pad(mask, [(w, w) for w in widths])
    result = erode(dilate(padded, mm, radius_mm), mm, radius_mm)
    return result[tuple(slice(w, -w) for w in widths)] | mask


def with_blurred_edge(mask: Mask, mm: Sequence[float], radius_mm: float) -> Mask:
    """Return the mask with the blurred edge around it: this radius, at least 1.8 voxels."""
    if not mask.any():
        return mask
    scaled = [s / max(radius_mm, 1.8 * s) for s in mm]
    return np.asarray(ndimage.distance_transform_edt(~mask, scaled) <= 1)


def deep_fluid(fluid: Mask, inside: Mask, mm: Sequence[float]) -> Mask:
    """Distinguish ventricles from the other fluid in a head: thick, deep, and enclosed.

    Fissures and cisterns are joined to the fluid around the brain; ventricles lie within it.

    Parameters
    ----------
    fluid, inside : ndarray of bool
        Where the values are those of fluid; where the brain with its fluid is.
    mm : sequence of float
        Spacing.
    """
    thick = erode(fluid & inside, mm, 1.0)
    core = _deep_in_slice(thick, inside, mm) if fluid.ndim == 2 else _deep(thick, inside, mm)
    return fluid & dilate(drop_small(core, 4.0, mm), mm, 2.5)


def _deep_in_slice(thick: Mask, inside: Mask, mm: Sequence[float]) -> Mask:
    """Keep the parts that reach deep and do not come near the outside."""
    inward = distance_inside(inside, mm)
    labels, count = components(thick)
    keep = np.zeros(count + 1, bool)
    keep[labels[inward > max(0.45 * float(inward.max()), 15.0)]] = True
    keep[labels[inward < 12.0]] = False
    keep[0] = False
    return np.asarray(keep[labels])


def _deep(thick: Mask, inside: Mask, mm: Sequence[float]) -> Mask:
    """Keep the parts that are mostly in the inner half and away from the base of the skull."""
    distance = ndimage.distance_transform_edt(np.pad(inside, 1), mm)[1:-1, 1:-1, 1:-1]
    labels, count = components(thick)
    if not count:
        return thick
    share = ndimage.mean(distance > 0.5 * distance.max(), labels, np.arange(count + 1))
    keep = np.asarray(share) > 0.7
    keep[0] = False
    return np.asarray(keep[labels])

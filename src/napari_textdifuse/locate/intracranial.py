"""The space inside the skull of a head volume, found in three dimensions on a coarse grid."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from .regions import Floats, Mask, closing, dilate, empty, largest, opening, otsu

#: Voxel size of the coarse grid.
WORK_MM = 3.0
#: Scalp: nothing this close to the outside of a head is brain.
SCALP_MM = 7.0
#: From the vertex to the foramen magnum.
HEIGHT_MM = 155.0
#: Radii of erosion that cut bridges through the skull, smallest first.
RADII_MM = (6.0, 7.0, 8.0, 10.0)
#: No skull encloses more, in mL.
LARGEST_ML = 2200.0
#: Share of the local brightness of the brain from where something is brain.
DARK_SKULL = 0.7
#: A layer this much darker than the brain, as a share of it, is a skull.
SKULL_SHARE = 0.77


@dataclass(frozen=True)
class Interior:
    """The interior of a skull.

    Parameters
    ----------
    mask : ndarray of bool, shape (Z, Y, X)
        On the image's own grid.
    distance_inside : ndarray of float32
        Distance in mm to the outside of `mask`; where the image ends does not count.
    volume : float
        In mL.
    """

    mask: Mask
    distance_inside: Floats
    volume: float


def interior(
    array: Floats, mm: Sequence[float], up: tuple[int, int] | None, share: float = DARK_SKULL
) -> Interior:
    """Find the interior of the skull in an image where bone is dark.

    The scalp is removed by its depth below the surface of the head. The rest that is brighter than
    bone is eroded until bridges are cut; the largest part is grown back and closed. Brightness is
    compared with that of the nearby brain, so that shading does not matter. In an image without a
    skull (an extracted brain) everything is kept.

    Parameters
    ----------
    array : ndarray of float32, shape (Z, Y, X)
    mm : sequence of float
        Spacing.
    up : tuple of (int, int), optional
        The axis that runs from feet to head, and +1 if its index grows towards the head, else -1.
    share : float
        See `DARK_SKULL`.

    Returns
    -------
    Interior
        Empty if there is nothing like a head.

    Notes
    -----
    After Brummer et al. 1993, IEEE Trans Med Imaging 12:153 (threshold and morphology); the sizes
    are this program's choice.
    """
    small, wide = coarse(array, mm)
    found = _coarse_interior(small, wide, up, share)
    mask = fitted(found, array.shape)
    return Interior(mask, inward(mask, mm), float(mask.sum()) * math.prod(mm) / 1000)


def inward(mask: Mask, mm: Sequence[float]) -> Floats:
    """Return the distance in mm to the outside of a mask; the image's edge is not outside."""
    padded = np.pad(mask, 1, mode="edge")
    distance = ndimage.distance_transform_edt(padded, mm)
    return np.asarray(distance[(slice(1, -1),) * mask.ndim], np.float32)


def _coarse_interior(
    array: Floats, mm: Sequence[float], up: tuple[int, int] | None, share: float
) -> Mask:
    head = _head(array, mm)
    if not head.any():
        return head
    region = below_vertex(head, mm, up)
    distance_inside = inward(head, mm)
    low = float(np.percentile(array, 2))
    deep = region & (distance_inside > 0.4 * distance_inside.max())
    typical = float(np.median(array[deep])) if deep.any() else 0.0
    if typical <= low:
        return empty(array)
    covered = _has_skull(array, region, distance_inside, low, typical)
    region = region & (distance_inside > (SCALP_MM if covered else 0.0))
    local = _local_level(
        array, region & (distance_inside > 12), mm, low + share * (typical - low), typical
    )
    solid = region & (array > low + share * (local - low))
    distance = inward(solid, mm)
    result = empty(array)
    for radius in RADII_MM if covered else (1.0,):
        core = largest(distance > radius)
        if not core.any():
            break
        result = solid & dilate(core, mm, radius + 1.5)
        result = filled(_closed(result, mm, 8.0)) & region
        if result.sum() * math.prod(mm) / 1000 <= LARGEST_ML - 150:
            break
    return result


def _head(array: Floats, mm: Sequence[float]) -> Mask:
    low, high = (float(v) for v in np.percentile(array, (1, 99)))
    levels = otsu(np.clip(array, low, high), 2)
    if not levels:
        return empty(array)
    bright = largest(opening(array > low + 0.35 * (levels[0] - low), mm, WORK_MM))
    return largest(filled(_closed(bright, mm, 9.0)))


def below_vertex(
    head: Mask, mm: Sequence[float], up: tuple[int, int] | None, height: float = HEIGHT_MM
) -> Mask:
    """Cut off the neck, `height` mm below the vertex, where the image says which way is up."""
    if up is None:
        return head
    axis, direction = up
    others = tuple(i for i in range(3) if i != axis)
    area = head.sum(axis=others) * math.prod(mm) / mm[axis]
    rows = np.flatnonzero(area > 500)
    if not rows.size:
        return head
    index = np.arange(head.shape[axis])
    below = (rows[-1] - index if direction > 0 else index - rows[0]) * mm[axis]
    shape = [-1 if i == axis else 1 for i in range(3)]
    return np.asarray(head & (below <= height).reshape(shape))


def _has_skull(
    array: Floats, region: Mask, distance_inside: Floats, low: float, typical: float
) -> bool:
    """Distinguish a head from an extracted brain by a dark layer below the surface."""
    rings = [region & (distance_inside > d) & (distance_inside <= d + 3) for d in range(5, 15, 2)]
    levels = [float(np.median(array[ring])) for ring in rings if ring.any()]
    return bool(levels) and min(levels) < low + SKULL_SHARE * (typical - low)


def _local_level(
    array: Floats, deep: Mask, mm: Sequence[float], level: float, typical: float
) -> Floats:
    """Return the local brightness of the brain around each voxel, for shading."""
    core = largest(inward(deep & (array > level), mm) > 3)
    if not core.any():
        return np.full_like(array, typical)
    sigma = [25.0 / s for s in mm]
    weight = ndimage.gaussian_filter(core.astype(np.float32), sigma)
    kept = np.minimum(array, 1.15 * typical)  # bright fluid is not shading
    level_sum = ndimage.gaussian_filter(np.where(core, kept, 0).astype(np.float32), sigma)
    local = np.where(weight > 0.02, level_sum / np.maximum(weight, 1e-4), typical)
    return np.asarray(np.clip(local, 0.6 * typical, 1.4 * typical), np.float32)


def filled(mask: Mask) -> Mask:
    """Fill what is enclosed in any plane of any direction."""
    for axis in range(mask.ndim):
        planes = np.moveaxis(mask, axis, 0)
        solid = np.stack([ndimage.binary_fill_holes(plane) for plane in planes])
        mask = np.moveaxis(solid, 0, axis)
    return np.asarray(mask)


def _closed(mask: Mask, mm: Sequence[float], radius_mm: float) -> Mask:
    """Close, where the image's edge continues what it cuts."""
    widths = [math.ceil(radius_mm / s) + 2 for s in mm]
    padded = np.pad(mask, [(w, w) for w in widths], mode="edge")
    return closing(padded, mm, radius_mm)[tuple(slice(w, -w) for w in widths)]


def coarse(array: Floats, mm: Sequence[float]) -> tuple[Floats, tuple[float, ...]]:
    """Resample an image to about `WORK_MM`; thicker slices are not changed."""
    size = [min(1.0, s / WORK_MM) for s in mm]
    size = [k if n * k >= 4 else 1.0 for n, k in zip(array.shape, size, strict=True)]
    if min(size) > 0.8:
        return array, tuple(mm)
    sigma = [0.45 / k if k < 1 else 0.0 for k in size]
    small = ndimage.zoom(ndimage.gaussian_filter(array, sigma), size, order=1)
    wide = tuple(s * n / m for s, n, m in zip(mm, array.shape, small.shape, strict=True))
    return np.asarray(small, np.float32), wide


def fitted(mask: Mask, shape: tuple[int, ...]) -> Mask:
    """Bring a mask from the coarse grid to the image's own."""
    if mask.shape == shape:
        return mask
    size = [a / b for a, b in zip(shape, mask.shape, strict=True)]
    # linear, so that the outline is smooth on the fine grid
    mask = ndimage.zoom(mask.astype(np.float32), size, order=1) > 0.5
    for axis, count in enumerate(shape):  # should rounding have missed the shape by one
        mask = np.take(mask, np.minimum(np.arange(count), mask.shape[axis] - 1), axis)
    return np.asarray(mask)

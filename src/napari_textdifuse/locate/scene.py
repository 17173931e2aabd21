"""Rules on pictures of a scene: warm objects in white-hot infrared, lamps in visible light."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy import ndimage

from .regions import Floats, Mask, closed, components, empty, opened, otsu
from .views import View

Box = tuple[slice, ...]

#: How much warmer than its neighbourhood something must be, as a share of the range.
_STANDS_OUT = 0.15
#: Smallest object, as a share of the picture's height.
_SMALLEST = 0.04


def _planes(view: View) -> Floats:
    return view.array[None] if view.array.ndim == 2 else view.array


def _scaled(plane: Floats) -> tuple[Floats, Floats] | None:
    """Return smoothed warmth in [0, 1] and its local mean; None for a blank picture."""
    height = plane.shape[0]
    low, high = np.percentile(plane, (0.5, 99.8))
    if high <= low:
        return None
    scaled = np.clip((plane - low) / (high - low), 0, 1)
    scaled = ndimage.gaussian_filter(scaled, max(height / 500, 0.5))
    return scaled, ndimage.uniform_filter(scaled, max(height // 4, 3), mode="reflect")


def _warm(plane: Floats) -> Mask:
    """Return pixels of the hottest class that also stand out from their neighbourhood."""
    found = _scaled(plane)
    levels = otsu(found[0], 3) if found is not None else []
    if found is None or not levels:
        return empty(plane)
    scaled, local = found
    hot = (scaled > levels[-1]) & (scaled > local + _STANDS_OUT)
    height = plane.shape[0]
    return opened(hot, (1.0, 1.0), max(height / 500, 1.0))


def _with_cooler_parts(plane: Floats, mask: Mask) -> Mask:
    """Add what is joined to each object and a little warmer than around: cabin, mirrors.

    Up to as much again above it, and a tenth of its width at the sides.
    """
    found = _scaled(plane)
    if found is None:
        return mask
    scaled, local = found
    lukewarm = scaled > local + _STANDS_OUT / 5
    result = mask.copy()
    labels, _ = components(mask)
    for index, (rows, columns) in enumerate(ndimage.find_objects(labels), start=1):
        tall, wide = rows.stop - rows.start, columns.stop - columns.start
        around = (
            slice(max(0, rows.start - tall), rows.stop),
            slice(max(0, columns.start - wide // 10), columns.stop + wide // 10),
        )
        part = labels[around] == index
        grown = ndimage.binary_propagation(part, mask=lukewarm[around] | part)
        grown = ndimage.binary_fill_holes(closed(grown, (1.0, 1.0), plane.shape[0] / 100))
        if grown.sum() <= 2.5 * part.sum():  # more is the warm ground
            result[around] |= grown
    return result


def _keep(mask: Mask, accept: Callable[[Mask, Box], bool]) -> Mask:
    labels, _ = components(mask)
    result = empty(mask)
    for index, box in enumerate(ndimage.find_objects(labels), start=1):
        part = labels[box] == index
        if accept(part, box):
            result[box] |= part
    return result


def person(view: View) -> Mask:
    """Warm, upright objects of a person's proportions."""
    height = view.array.shape[-2]

    def upright(part: Mask, box: Box) -> bool:
        tall, wide = part.shape
        return bool(
            tall >= max(_SMALLEST * height, 6)
            and 1.15 <= tall / wide <= 5
            and box[0].stop > 0.2 * height  # feet stand on the ground, not in the sky
            and part.mean() > 0.3
        )

    return np.stack([_keep(_warm(plane), upright) for plane in _planes(view)]).reshape(
        view.array.shape
    )


def car(view: View) -> Mask:
    """Warm parts that together are wider than tall, below the horizon's upper third."""
    height = view.array.shape[-2]

    def wide(part: Mask, box: Box) -> bool:
        tall, across = part.shape
        return bool(
            across >= max(2 * _SMALLEST * height, 8)
            and 0.9 <= across / tall <= 5
            and box[0].stop > height / 3
            and part.mean() > 0.2
        )

    def one(plane: Floats) -> Mask:
        warm = _warm(plane)
        joined = closed(warm & ~_person_plane(plane, warm), (1.0, 1.0), height / 25)
        return _with_cooler_parts(plane, _keep(joined, wide))

    return np.stack([one(plane) for plane in _planes(view)]).reshape(view.array.shape)


def _person_plane(plane: Floats, warm: Mask) -> Mask:
    return _keep(warm, lambda part, _: part.shape[0] / part.shape[1] >= 1.15)


def lamp(view: View) -> Mask:
    """Small patches at the top of the brightness range."""
    array = view.array
    low, high = np.percentile(array, (1, 99.99))
    levels = otsu(np.clip(array, low, high), 3)
    if not levels or high <= low:
        return empty(array)
    bright = array > max(levels[-1], low + 0.75 * (high - low))
    return empty(array) if bright.mean() > 0.2 else bright

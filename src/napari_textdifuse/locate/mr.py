"""Rules on tissue classes of a T1-weighted MR image, whose values have no unit."""

from __future__ import annotations

import numpy as np

from .regions import (
    Floats,
    Mask,
    closed,
    deep_fluid,
    depth,
    drop_small,
    empty,
    fill,
    grow,
    largest,
    otsu,
    shrink,
    smooth,
)
from .views import View


def head(view: View) -> Mask:
    """Everything brighter than the background, and what it encloses."""
    levels = otsu(view.array, 3)
    if not levels:
        return empty(view.array)
    array = smooth(view.array, view.mm, 1.5)
    planes = array[None] if array.ndim == 2 else array
    mm = view.mm[-2:]
    solid = np.stack([fill(closed(plane > 0.6 * levels[0], mm, 6.0)) for plane in planes])
    return largest(solid.reshape(array.shape))


def brain(view: View) -> Mask:
    """Grey and white matter: the part of the head that a skull, or nothing, surrounds."""
    inside = head(view)
    if not inside.any():
        return inside
    levels = otsu(view.array[inside], 3)
    if not levels:
        return empty(view.array)
    array = smooth(view.array, view.mm, 0.7)
    bright = inside & (array > levels[0])
    inward = depth(inside, view.mm)
    deep = inward > min(25.0, 0.5 * float(inward.max()))
    if _fluid_is_bright(view.array[deep]):
        return empty(view.array)
    # erosion cuts the bridges through the skull; the part that reaches deep is the brain
    core = largest(shrink(bright, view.mm, 2.0) & (inward > 6.0))
    if not (core & deep).any():
        return empty(view.array)
    return bright & grow(core, view.mm, 3.0)


def _fluid_is_bright(deep: Floats) -> bool:
    """Tell T2 from T1 by the tail of the histogram inside the head: bright fluid, not dark."""
    low, middle, high = np.percentile(deep, (2, 50, 98))
    return bool(high - middle > 1.25 * (middle - low))


def _classes(view: View) -> tuple[Mask, tuple[float, ...]]:
    """Return brain with the fluid in it, and the two thresholds fluid | grey | white."""
    solid = brain(view)
    planes = solid[None] if solid.ndim == 2 else solid
    hull = np.stack([fill(closed(plane, view.mm[-2:], 8.0)) for plane in planes])
    whole = hull.reshape(solid.shape)
    values = view.array[whole]
    if not values.size:
        return whole, ()
    low, high = np.percentile(values, (0.5, 99.5))
    return whole, otsu(values[(values >= low) & (values <= high)], 3)


def ventricle(view: View) -> Mask:
    """Return the darkest of three classes, deep inside the brain."""
    whole, levels = _classes(view)
    if not levels:
        return empty(view.array)
    array = smooth(view.array, view.mm, 0.6)
    dark = whole & (array < levels[0])
    if not dark.any():
        return dark
    # fissures are blurred with cortex and less dark than the middle of a ventricle
    level = (float(np.percentile(array[dark], 25)) + levels[0]) / 2
    return deep_fluid(array < level, whole, view.mm)


def grey_matter(view: View) -> Mask:
    """Return the middle of three classes."""
    whole, levels = _classes(view)
    if not levels:
        return empty(view.array)
    array = smooth(view.array, view.mm, 0.5)
    return drop_small(whole & (array >= levels[0]) & (array < levels[1]), 5.0, view.mm)


def white_matter(view: View) -> Mask:
    """Return the brightest of three classes."""
    whole, levels = _classes(view)
    if not levels:
        return empty(view.array)
    array = smooth(view.array, view.mm, 0.5)
    return drop_small(whole & (array >= levels[1]), 5.0, view.mm)

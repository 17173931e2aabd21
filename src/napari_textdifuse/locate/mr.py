"""Rules on tissue classes of MR images (T1, T2, FLAIR), whose values have no unit."""

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

#: Standard deviations above the usual brain; chosen for this program.
HYPERINTENSE = 3.5


def head(view: View) -> Mask:
    """Everything brighter than the background, and what it encloses."""
    array = smooth(view.array, view.mm, 1.5)  # first: noise in the air is not a class of its own
    levels = otsu(array, 3)
    if not levels:
        return empty(view.array)
    planes = array[None] if array.ndim == 2 else array
    mm = view.mm[-2:]
    solid = np.stack([fill(closed(plane > 0.6 * levels[0], mm, 6.0)) for plane in planes])
    return largest(solid.reshape(array.shape))


def brain(view: View) -> Mask:
    """Grey and white matter: the part of the head that a skull, or nothing, surrounds."""
    inside, bright = _enclosed(view)
    return empty(view.array) if bright else inside


def brain_t2(view: View) -> Mask:
    """Return the same where fluid is bright, without the fluid."""
    inside, level = _fluid_level_t2(view)
    array = smooth(view.array, view.mm, 0.5)
    return drop_small(inside & (array < level), 20.0, view.mm)


def ventricle_t2(view: View) -> Mask:
    """Return the brightest of three classes, deep inside the skull."""
    inside, level = _fluid_level_t2(view)
    if not inside.any():
        return inside
    return deep_fluid(smooth(view.array, view.mm, 0.6) >= level, inside, view.mm)


def hyperintensity(view: View) -> Mask:
    """Return brain far above what is usual in it, on an image with the contrast of FLAIR."""
    whole, levels = _classes(view)
    if not levels or not _white_is_darker(view, whole, levels):
        return empty(view.array)
    array = smooth(view.array, view.mm, 0.5)
    # percentiles, which a lesion hardly moves, in place of mean and standard deviation
    low, middle, high = np.percentile(array[whole & (array >= levels[0])], (16, 50, 84))
    return whole & (array > middle + HYPERINTENSE * (high - low) / 2)


def _fluid_level_t2(view: View) -> tuple[Mask, float]:
    """Return what the skull encloses, and from where it is fluid; nothing if that is not bright."""
    inside, bright = _enclosed(view)
    if not bright:
        return empty(view.array), 0.0
    planes = inside[None] if inside.ndim == 2 else inside
    whole = np.stack([fill(closed(p, view.mm[-2:], 8.0)) for p in planes]).reshape(inside.shape)
    levels = otsu(view.array[whole], 3)
    return (whole, levels[-1]) if levels else (empty(view.array), 0.0)


def _enclosed(view: View) -> tuple[Mask, bool]:
    """Return what is not dark inside the skull, and whether fluid is bright there, as on T2."""
    inside = head(view)
    if not inside.any():
        return inside, False
    levels = otsu(view.array[inside], 3)
    if not levels:
        return empty(view.array), False
    array = smooth(view.array, view.mm, 0.7)
    inward = depth(inside, view.mm)
    deep = inward > min(25.0, 0.5 * float(inward.max()))
    fluid_is_bright = _fluid_is_bright(view.array[deep])
    # bright fluid takes a class of its own, and leaves grey and white matter in the middle one
    level = (
        0.5 * levels[0] + 0.5 * float(np.percentile(array[inside], 2))
        if fluid_is_bright
        else (levels[0])
    )
    bright = inside & (array > level)
    # erosion cuts the bridges through the skull; the part that reaches deep is the brain
    core = largest(shrink(bright, view.mm, 2.0) & (inward > 6.0))
    if not (core & deep).any():
        return empty(view.array), fluid_is_bright
    return bright & grow(core, view.mm, 3.0), fluid_is_bright


def _fluid_is_bright(deep: Floats) -> bool:
    """Tell T2 from T1 by the tail of the histogram inside the head: bright fluid, not dark."""
    low, middle, high = np.percentile(deep, (2, 50, 98))
    return bool(high - middle > 1.25 * (middle - low))


def _white_is_darker(view: View, whole: Mask, levels: tuple[float, ...]) -> bool:
    """Tell FLAIR from T1: white matter, which lies deeper than the cortex, is the darker one."""
    inward, array = depth(whole, view.mm), smooth(view.array, view.mm, 0.5)
    darker = whole & (array >= levels[0]) & (array < levels[1])
    brighter = whole & (array >= levels[1])
    if not (darker.any() and brighter.any()):
        return False
    return bool(np.median(inward[darker]) > np.median(inward[brighter]))


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
    if not levels or _white_is_darker(view, whole, levels):
        return empty(view.array)
    array = smooth(view.array, view.mm, 0.5)
    return drop_small(whole & (array >= levels[0]) & (array < levels[1]), 5.0, view.mm)


def white_matter(view: View) -> Mask:
    """Return the brightest of three classes."""
    whole, levels = _classes(view)
    if not levels or _white_is_darker(view, whole, levels):
        return empty(view.array)
    array = smooth(view.array, view.mm, 0.5)
    return drop_small(whole & (array >= levels[1]), 5.0, view.mm)

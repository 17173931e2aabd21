"""Tissue classes in single MR slices, which show too little of a head to use its shape."""

from __future__ import annotations

import numpy as np

from .regions import (
    Floats,
    Mask,
    closing,
    dilate,
    distance_inside,
    empty,
    erode,
    fill,
    largest,
    otsu,
    smooth,
)
from .tissue import BRIGHT_FLUID
from .views import RuleImage


def head(view: RuleImage) -> Mask:
    """Everything brighter than the background, and what it encloses."""
    array = smooth(view.array, view.mm, 1.5)  # first: noise in the air is not a class of its own
    levels = otsu(array, 3)
    if not levels:
        return empty(view.array)
    planes = array[None] if array.ndim == 2 else array
    mm = view.mm[-2:]
    solid = np.stack([fill(closing(plane > 0.6 * levels[0], mm, 6.0)) for plane in planes])
    return largest(solid.reshape(array.shape))


#: The assumed contrast of a slice, in `RuleImage.memo`.
INFERRED = "contrast in a slice"


def brain_in_slice(view: RuleImage) -> tuple[Mask, bool]:
    """Return what is not dark inside the skull, and whether fluid is bright there, as on T2."""
    inside = head(view)
    if not inside.any():
        return inside, False
    levels = otsu(view.array[inside], 3)
    if not levels:
        return empty(view.array), False
    array = smooth(view.array, view.mm, 0.7)
    inward = distance_inside(inside, view.mm)
    deep = inward > min(25.0, 0.5 * float(inward.max()))
    fluid_is_bright = (
        _fluid_is_bright(view.array[deep])
        if view.contrast is None
        else view.contrast in BRIGHT_FLUID
    )
    if view.contrast is None:
        view.memo[INFERRED] = (
            "assumed to be T2-weighted, because fluid is bright"
            if fluid_is_bright
            else "assumed to be T1-weighted or FLAIR, because fluid is dark"
        )
    # bright fluid takes a class of its own, and leaves grey and white matter in the middle one
    level = (
        0.5 * levels[0] + 0.5 * float(np.percentile(array[inside], 2))
        if fluid_is_bright
        else (levels[0])
    )
    bright = inside & (array > level)
    # erosion cuts the bridges through the skull; the part that reaches deep is the brain
    core = largest(erode(bright, view.mm, 2.0) & (inward > 6.0))
    if not (core & deep).any():
        return empty(view.array), fluid_is_bright
    return bright & dilate(core, view.mm, 3.0), fluid_is_bright


def fluid_in_slice(view: RuleImage) -> tuple[Mask, float]:
    """Return the skull's interior and the threshold of fluid; nothing if fluid is not bright."""
    inside, bright = brain_in_slice(view)
    if not bright and view.contrast not in BRIGHT_FLUID:
        return empty(view.array), 0.0
    planes = inside[None] if inside.ndim == 2 else inside
    whole = np.stack([fill(closing(p, view.mm[-2:], 8.0)) for p in planes]).reshape(inside.shape)
    levels = otsu(view.array[whole], 3)
    return (whole, levels[-1]) if levels else (empty(view.array), 0.0)


def _fluid_is_bright(deep: Floats) -> bool:
    """Distinguish T2 from T1 by the tail of the histogram inside the head: bright fluid."""
    low, middle, high = np.percentile(deep, (2, 50, 98))
    return bool(high - middle > 1.25 * (middle - low))


def white_is_darker(view: RuleImage, whole: Mask, levels: tuple[float, ...]) -> bool:
    """Distinguish FLAIR from T1: white matter, which is deeper than the cortex, is darker."""
    inward, array = distance_inside(whole, view.mm), smooth(view.array, view.mm, 0.5)
    darker = whole & (array >= levels[0]) & (array < levels[1])
    brighter = whole & (array >= levels[1])
    if not (darker.any() and brighter.any()):
        return False
    found = bool(np.median(inward[darker]) > np.median(inward[brighter]))
    if view.contrast is None:
        view.memo[INFERRED] = (
            "assumed to be FLAIR, because fluid is dark and white matter is darker than grey"
            if found
            else "assumed to be T1-weighted, because fluid is dark and white matter brightest"
        )
    return found


def classes_in_slice(view: RuleImage) -> tuple[Mask, tuple[float, ...]]:
    """Return brain with the fluid in it, and the two thresholds fluid | grey | white."""
    solid, bright = brain_in_slice(view)
    if bright and view.contrast is None:
        return empty(view.array), ()
    planes = solid[None] if solid.ndim == 2 else solid
    hull = np.stack([fill(closing(plane, view.mm[-2:], 8.0)) for plane in planes])
    whole = hull.reshape(solid.shape)
    values = view.array[whole]
    if not values.size:
        return whole, ()
    low, high = np.percentile(values, (0.5, 99.5))
    return whole, otsu(values[(values >= low) & (values <= high)], 3)

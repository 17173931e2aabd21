"""Ventricles on MR images: fluid deep in the brain, thick and enclosed."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from .intracranial import inward
from .noise import noise_of, smoothed_until
from .regions import (
    Floats,
    Mask,
    components,
    deep_fluid,
    dilate,
    drop_small,
    empty,
    erode,
    smooth,
    touching,
)
from .slices import brain_in_slice, classes_in_slice, fluid_in_slice
from .symmetry import mid_plane
from .tissue import BRIGHT_FLUID, DARK_FLUID, Tissues, tissues
from .views import WHY_NOT, RuleImage

#: Fluid differs from the brain by more than this share; chosen for this program.
LEAST_FLUID = 0.08
#: On PD ventricles are joined to the cisterns of the base, which lie lower below the top of the
#: brain.
LOWEST_MM = 80.0
#: Smaller ventricles are not looked for.
VENTRICLE_MM3 = 2500.0
#: Lateral ventricles are longer, a cistern is shorter; veins, which are dark on PD, are thinner: so
#: much of the volume must be left without a layer of half the thickness.
SHORTEST_MM, THICK_MM, THICK_SHARE = 50.0, 4.0, 0.15
#: Only this far inside the skull are values taken for those of ventricles.
DEEP_MM = 25.0
#: Nearer to the plane between the sides, and behind this share of the lateral ventricles' length
#: from their front, fluid is a cistern.
MIDDLE_MM, BEHIND = 10.0, 0.67
#: Levels at which fluid is parted from what is around, as shares of the way to its own brightness.
SHARES = (0.0, 0.2, 0.35, 0.5, 0.65, 0.8)


def ventricle(view: RuleImage) -> Mask:
    """Return fluid deep in the brain, dark or bright by the contrast."""
    if view.array.ndim == 2:
        return _in_slice(view)
    found = tissues(view)
    if not found.inside.mask.any():
        view.memo[WHY_NOT] = "nothing like a skull with a brain in it"
        return empty(view.array)
    if found.contrast == "PD":
        return _on_pd(view, found)
    if found.contrast in BRIGHT_FLUID:
        return _separated(view, found, 1)
    if found.contrast in DARK_FLUID:
        return _separated(view, found, -1)
    view.memo[WHY_NOT] = (
        f"fluid and brain are not distinguished on {found.contrast} contrast"
        if found.contrast
        else "the contrast is not stated, and the values do not show it"
    )
    return empty(view.array)


def _in_slice(view: RuleImage) -> Mask:
    _, bright = brain_in_slice(view)
    if view.contrast in BRIGHT_FLUID or (view.contrast is None and bright):
        inside, level = fluid_in_slice(view)
        fluid = smooth(view.array, view.mm, 0.6) >= level
        return deep_fluid(fluid, inside, view.mm) if inside.any() else inside
    return _dark_in_slice(view)


def _dark_in_slice(view: RuleImage) -> Mask:
    whole, levels = classes_in_slice(view)
    if not levels:
        return empty(view.array)
    array = smooth(view.array, view.mm, 0.6)
    dark = whole & (array < levels[0])
    if not dark.any():
        return dark
    # fissures are blurred with cortex and less dark than the middle of a ventricle
    level = (float(np.percentile(array[dark], 25)) + levels[0]) / 2
    return deep_fluid(array < level, whole, view.mm)


def _separated(view: RuleImage, found: Tissues, sign: int) -> Mask:
    """Return ventricles at the first level of fluid that parts them from cisterns."""
    fluid, inside = found.fluid, found.inside.mask
    array = sign * smooth(found.even, view.mm, 0.6)
    deep = fluid & (inward(inside, view.mm) > DEEP_MM)
    if not deep.any():
        view.memo[WHY_NOT] = "no fluid deep inside the skull"
        return empty(view.array)
    start, top = float(array[fluid].min()), float(np.percentile(array[deep], 95))
    usual = float(np.median(array[inside]))
    if top - usual < LEAST_FLUID * abs(usual):
        contrast = max((top - usual) / abs(usual), 0.0)
        view.memo[WHY_NOT] = (
            f"fluid deep inside the skull differs from the brain by {contrast:.0%} only, where "
            f"{LEAST_FLUID:.0%} are needed"
        )
        return empty(view.array)
    share, deepest = _most_like(_parted(array, inside, view, start, top), view.mm)
    if deepest is None:
        view.memo[WHY_NOT] = "fluid deep inside the skull is not parted from that of the cisterns"
        return empty(view.array)
    level = start + min(share, 0.35) * (top - start)
    if sign > 0:  # half fluid, half brain; dark fluid looks like bone at its darkest
        pure = float(np.percentile(array[fluid], 99))
        level = max(level, (pure + float(np.median(array[found.brain]))) / 2)
    return _without_cistern(dilate(deepest, view.mm, 2.0) & (array >= level), view, found)


def _most_like(
    parted: Iterator[tuple[float, Mask]], mm: tuple[float, ...]
) -> tuple[float, Mask | None]:
    """Return the first that is long and thick, else the first that is large enough."""
    first: tuple[float, Mask | None] = 0.0, None
    for share, deepest in parted:
        if _like_ventricles(deepest, mm):
            return share, deepest
        if first[1] is None and deepest.sum() * math.prod(mm) >= VENTRICLE_MM3:
            first = share, deepest  # small parts of fissures come first too
    return first


def _parted(
    array: Floats, inside: Mask, view: RuleImage, start: float, top: float
) -> Iterator[tuple[float, Mask]]:
    """Yield what is thick, deep and enclosed at rising levels."""
    for share in SHARES:
        yield share, deep_fluid(inside & (array >= start + share * (top - start)), inside, view.mm)


def _on_pd(view: RuleImage, found: Tissues) -> Mask:
    """Return ventricles on PD, where fluid may be brighter or darker than both tissues.

    By repetition time it is darker than white matter, as bright as one of the tissues, or brighter
    than grey matter.
    """
    inside, mm = found.inside.mask, view.mm
    away = inside & (inward(inside, mm) > DEEP_MM)
    grey, white = found.grey & away, found.white & away
    if not (grey.any() and white.any()):
        view.memo[WHY_NOT] = "grey and white matter are not distinguished"
        return empty(view.array)
    usual = float(np.median(found.even[grey])), float(np.median(found.even[white]))
    noise = noise_of(found.even, found.brain)
    even = smoothed_until(found.even, mm, noise, LEAST_FLUID * usual[0] / 6)
    high = away & _near_the_top(inside, view)
    reasons = []
    for sign, reference, than in (
        (1, usual[0], "brighter than grey matter"),
        (-1, usual[1], "darker than white matter"),
    ):
        array = np.asarray(sign * even, np.float32)
        start, top = sign * reference, float(np.percentile(array[away], 98))
        contrast = (top - start) / abs(start)
        if contrast < LEAST_FLUID:
            reasons.append(
                f"fluid deep inside the skull is at most {max(contrast, 0):.0%} {than}, where "
                f"{LEAST_FLUID:.0%} are needed"
            )
            continue
        for share in SHARES[2:]:
            fluid = inside & (array >= start + share * (top - start))
            deepest = _enclosed(fluid, high, away, mm)
            if _like_ventricles(deepest, mm):
                half = (start + top) / 2
                if sign > 0:  # half fluid, half of what is around: grey and white matter
                    pure = float(np.percentile(array[deepest], 99))
                    half = max(half, (pure + (usual[0] + usual[1]) / 2) / 2)
                whole = dilate(deepest, mm, 2.0) & (array >= half)
                return _without_cistern(whole, view, found)
        reasons.append(f"what is {than} there is not as long and thick as lateral ventricles")
    view.memo[WHY_NOT] = "; ".join(reasons)
    return empty(view.array)


def _without_cistern(mask: Mask, view: RuleImage, found: Tissues) -> Mask:
    """Cut off the quadrigeminal cistern, which lies in the middle behind the third ventricle.

    Brain encloses it from above, and a blurred image joins it to the third ventricle.
    """
    if view.front is None or view.left_right is None or not mask.any():
        return mask
    (axis, direction), sideways = view.front, view.left_right[0]
    if axis == sideways:  # turned by 45 degrees
        return mask
    middle = mid_plane(found.even, found.inside.mask, sideways, view.mm).distance(mask.shape)
    lateral = mask & (middle > MIDDLE_MM)
    rows = np.flatnonzero(lateral.any(axis=tuple(i for i in range(3) if i != axis)))
    if not rows.size:
        return mask
    front, back = (rows[-1], rows[0]) if direction > 0 else (rows[0], rows[-1])
    along = (np.arange(mask.shape[axis]) - front) / (back - front or 1)
    behind = (along > BEHIND).reshape([-1 if i == axis else 1 for i in range(3)])
    zone = mask & (middle < MIDDLE_MM) & behind
    return mask & ~touching(zone, middle < MIDDLE_MM / 4)  # ventricles keep to their sides there


def _enclosed(fluid: Mask, high: Mask, away: Mask, mm: tuple[float, ...]) -> Mask:
    """Keep the parts that brain encloses: fissures reach the edge of what is deep."""
    labels, count = components(erode(fluid, mm, 1.0) & high)
    keep = np.ones(count + 1, bool)
    keep[np.unique(labels[~erode(away, mm, 2.0)])] = False
    keep[0] = False
    return fluid & dilate(drop_small(keep[labels], 6.0, mm), mm, 1.5)


def _like_ventricles(mask: Mask, mm: tuple[float, ...]) -> bool:
    """Return whether a mask is large, long and, other than veins, thick enough."""
    volume = float(mask.sum()) * math.prod(mm)
    if volume < VENTRICLE_MM3:
        return False
    longest = ((np.ptp(np.argwhere(mask), axis=0) + 1) * np.array(mm)).max()
    thick = float(erode(mask, mm, THICK_MM / 2).sum()) * math.prod(mm)
    return bool(longest >= SHORTEST_MM and thick >= THICK_SHARE * volume)


def _near_the_top(inside: Mask, view: RuleImage) -> Mask:
    """Return what lies at most `LOWEST_MM` below the top of the brain; all if it is unknown."""
    if view.up is None:
        return np.ones_like(inside)
    axis, direction = view.up
    rows = np.flatnonzero(inside.any(axis=tuple(i for i in range(3) if i != axis)))
    top = rows[-1] if direction > 0 else rows[0]
    below = np.abs(top - np.arange(inside.shape[axis])) * view.mm[axis]
    return np.broadcast_to(
        (below <= LOWEST_MM).reshape([-1 if i == axis else 1 for i in range(3)]), inside.shape
    )

"""Rules on MR images, whose values have no unit: tissues by contrast, bright lesions."""

from __future__ import annotations

import math

import numpy as np
from scipy import ndimage

from .intracranial import inward
from .regions import (
    Mask,
    closing,
    components,
    deep_fluid,
    dilate,
    drop_small,
    empty,
    fill,
    opening,
    smooth,
)
from .slices import brain_in_slice, classes_in_slice, fluid_in_slice, white_is_darker
from .symmetry import mid_plane
from .tissue import BRIGHT_FLUID, DARK_FLUID, WHITE_BRIGHTEST, Tissues, tissues
from .views import RuleImage

#: Standard deviations above the usual brain; chosen for this program.
HYPERINTENSE = 3.5
#: Noise is brighter than the brain too, but by less than this.
LEAST_BRIGHTER = 1.15
#: Fluid differs from the brain by more than this share; chosen for this program.
LEAST_FLUID = 0.08
#: How much brighter than the mirrored place a lesion is; chosen for this program.
BRIGHTER_SIDE = 1.15
#: For objects larger than so many mm3, half of the surround at this distance must be brain, which
#: excludes an eye or another bulge behind a weak border.
BULGE_MM3, SURROUND_MM = 1000.0, (8.0, 12.0)
#: Contrasts on which lesions are bright.
SHOWS_LESIONS = ("T2", "FLAIR", "DWI")
#: The middle of the ventricles lies less far below the top of the brain; cisterns of the base lie
#: lower.
LOWEST_MM = 80.0
#: Smaller ventricles are not looked for.
VENTRICLE_MM3 = 2500.0


def brain(view: RuleImage) -> Mask:
    """Grey and white matter, by the contrast."""
    if view.array.ndim == 3:
        return drop_small(tissues(view).brain, 20.0, view.mm)
    if view.contrast in BRIGHT_FLUID:
        return _brain_slice_t2(view)
    inside, bright = brain_in_slice(view)
    if bright and view.contrast is None:
        return _brain_slice_t2(view)
    return inside


def _brain_slice_t2(view: RuleImage) -> Mask:
    inside, level = fluid_in_slice(view)
    array = smooth(view.array, view.mm, 0.5)
    return drop_small(inside & (array < level), 20.0, view.mm)


def ventricle(view: RuleImage) -> Mask:
    """Return fluid deep in the brain, dark or bright by the contrast."""
    if view.array.ndim == 2:
        _, bright = brain_in_slice(view)
        if view.contrast in BRIGHT_FLUID or (view.contrast is None and bright):
            inside, level = fluid_in_slice(view)
            fluid = smooth(view.array, view.mm, 0.6) >= level
            return deep_fluid(fluid, inside, view.mm) if inside.any() else inside
        return _dark_in_slice(view)
    found = tissues(view)
    if found.contrast in BRIGHT_FLUID:
        result = _separated(view, found, 1)
        # on PD a cistern is parted from the rest as well; lateral ventricles are longer and higher
        wrong = found.contrast == "PD" and (
            _length(result, view) < 50.0 or _below_top(result, found.inside.mask, view) > LOWEST_MM
        )
        return empty(result) if wrong else result
    if found.contrast in DARK_FLUID:
        return _separated(view, found, -1)
    return empty(view.array)


def _below_top(mask: Mask, inside: Mask, view: RuleImage) -> float:
    """Return how far in mm the middle of a mask lies below the top of the brain; 0 if unknown."""
    if view.up is None or not mask.any():
        return 0.0
    axis, direction = view.up
    others = tuple(i for i in range(3) if i != axis)
    rows = np.flatnonzero(inside.any(axis=others))
    top = rows[-1] if direction > 0 else rows[0]
    return float(abs(top - np.nonzero(mask)[axis].mean()) * view.mm[axis])


def _length(mask: Mask, view: RuleImage) -> float:
    """Return the extent in mm along the axis where a mask is longest."""
    places = np.argwhere(mask)
    if not len(places):
        return 0.0
    return float(((np.ptp(places, axis=0) + 1) * np.array(view.mm)).max())


def _separated(view: RuleImage, found: Tissues, sign: int) -> Mask:
    """Return ventricles at the first level of fluid that parts them from cisterns."""
    fluid, inside = found.fluid, found.inside.mask
    if not fluid.any():
        return fluid
    array = sign * smooth(found.even, view.mm, 0.6)
    deep = fluid & (inward(inside, view.mm) > 25.0)
    if not deep.any():
        return empty(view.array)
    start, top = float(array[fluid].min()), float(np.percentile(array[deep], 95))
    usual = float(np.median(array[inside]))
    if top - usual < LEAST_FLUID * abs(usual):
        return empty(view.array)
    for share in (0.0, 0.2, 0.35, 0.5, 0.65, 0.8):
        deepest = deep_fluid(inside & (array >= start + share * (top - start)), inside, view.mm)
        if deepest.sum() * math.prod(view.mm) >= VENTRICLE_MM3:
            level = start + min(share, 0.35) * (top - start)
            if sign > 0:  # half fluid, half brain; dark fluid looks like bone at its darkest
                pure = float(np.percentile(array[fluid], 99))
                level = max(level, (pure + float(np.median(array[found.brain]))) / 2)
            return dilate(deepest, view.mm, 2.0) & (array >= level)
    return empty(view.array)


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


def grey_matter(view: RuleImage) -> Mask:
    """Return the grey matter of a volume, or of a T1-weighted slice."""
    if view.array.ndim == 3:
        return tissues(view).grey
    levels, whole = _slice_levels(view)
    array = smooth(view.array, view.mm, 0.5)
    if not levels:
        return empty(view.array)
    return drop_small(whole & (array >= levels[0]) & (array < levels[1]), 5.0, view.mm)


def white_matter(view: RuleImage) -> Mask:
    """Return the white matter of a volume, or of a T1-weighted slice."""
    if view.array.ndim == 3:
        return tissues(view).white
    levels, whole = _slice_levels(view)
    array = smooth(view.array, view.mm, 0.5)
    if not levels:
        return empty(view.array)
    return drop_small(whole & (array >= levels[1]), 5.0, view.mm)


def _slice_levels(view: RuleImage) -> tuple[tuple[float, ...], Mask]:
    whole, levels = classes_in_slice(view)
    other = view.contrast is not None and view.contrast not in WHITE_BRIGHTEST
    if not levels or other or white_is_darker(view, whole, levels):
        return (), whole
    return levels, whole


def hyperintensity(view: RuleImage) -> Mask:
    """Return brain far above what is usual in it, on FLAIR or a diffusion-weighted image."""
    if view.array.ndim == 2:
        array = smooth(view.array, view.mm, 0.5)
        if view.contrast not in (None, "FLAIR"):
            return empty(view.array)
        whole, levels = classes_in_slice(view)
        if not levels or not white_is_darker(view, whole, levels):
            return empty(view.array)
        return _far_above(array, whole, whole & (array >= levels[0]))
    found = tissues(view)
    if found.contrast not in ("FLAIR", "DWI"):
        return empty(view.array)
    array = smooth(found.even, view.mm, 0.5)
    # between skull and cortex bone marrow and fat are bright
    inner = found.inside.mask & (found.inside.distance_inside > 4.0)
    usual = found.brain if found.contrast == "FLAIR" else inner
    return _without_bulges(_far_above(array, inner, usual), found.inside.mask, view.mm)


def _without_bulges(mask: Mask, inside: Mask, mm: tuple[float, ...]) -> Mask:
    """Drop large objects that are not surrounded by the brain."""
    labels, _ = components(mask)
    result = mask.copy()
    for index, box in enumerate(ndimage.find_objects(labels), start=1):
        if (labels[box] == index).sum() * math.prod(mm) < BULGE_MM3:
            continue
        near = tuple(
            slice(max(0, part.start - width), part.stop + width)
            for part, width in zip(box, (math.ceil(SURROUND_MM[1] / s) for s in mm), strict=True)
        )
        part = labels[near] == index
        away = ndimage.distance_transform_edt(~part, mm)
        shell = (away > SURROUND_MM[0]) & (away <= SURROUND_MM[1])
        if shell.any() and inside[near][shell].mean() < 0.5:
            result[near][part] = False
    return result


def _far_above(array: np.typing.NDArray[np.float32], where: Mask, usual: Mask) -> Mask:
    if usual.sum() < 64:
        return empty(array)
    # percentiles, which a lesion hardly moves, in place of mean and standard deviation
    low, middle, high = np.percentile(array[usual], (16, 50, 84))
    level = max(middle + HYPERINTENSE * (high - low) / 2, LEAST_BRIGHTER * middle)
    return where & (array > level)


def bright_lesion(view: RuleImage) -> Mask:
    """Return what is bright on one side only: T2, FLAIR, DWI volumes and slices."""
    if view.array.ndim == 3:
        found = tissues(view)
        array = smooth(found.even, view.mm, 1.0)
        contrast, inside = found.contrast, found.inside.mask
        distance_inside = found.inside.distance_inside
    else:
        array = smooth(view.array, view.mm, 1.0)
        contrast, (inside, _) = view.contrast, brain_in_slice(view)
        inside = fill(closing(inside, view.mm, 8.0))
        distance_inside = inward(inside, view.mm)
    if contrast not in SHOWS_LESIONS or not inside.any():
        return empty(view.array)
    inner = inside & (distance_inside > 8.0)
    if inner.sum() < 64:
        return inner
    low, middle, high = (float(v) for v in np.percentile(array[inner], (16, 50, 84)))
    level = middle + 2.0 * min(high - middle, middle - low)
    if contrast == "T2" and view.array.ndim == 3:
        grey, fluid = tissues(view).grey & inner, tissues(view).fluid
        if grey.any() and fluid.any():  # above grey matter, towards fluid
            usual, brightest = float(np.median(array[grey])), float(np.median(array[fluid]))
            level = usual + 0.2 * (brightest - usual)
    axis = view.left_right[0] if view.left_right else view.array.ndim - 1
    other = mid_plane(array, inside, axis, view.mm).mirror_nearby(array, 16.0)
    seeds = inner & (array > level) & (array > BRIGHTER_SIDE * other)
    seeds = drop_small(opening(seeds, view.mm, 3.0), 9.0, view.mm)
    result = empty(view.array)
    labels, count = components(seeds)
    for index in range(1, count + 1):  # outlined half-way to each one's own brightness
        part = labels == index
        half = (middle + float(np.percentile(array[part], 75))) / 2
        result |= inside & (array > max(half, level)) & dilate(part, view.mm, 5.0)
    return result

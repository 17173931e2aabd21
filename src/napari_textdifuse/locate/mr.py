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
    dilate,
    drop_small,
    empty,
    fill,
    opening,
    smooth,
)
from .slices import brain_in_slice, classes_in_slice, fluid_in_slice, white_is_darker
from .symmetry import mid_plane
from .tissue import BRIGHT_FLUID, WHITE_BRIGHTEST, tissues
from .views import WHY_NOT, RuleImage

#: Standard deviations above the usual brain; chosen for this program.
HYPERINTENSE = 3.5
#: Noise is brighter than the brain too, but by less than this.
LEAST_BRIGHTER = 1.15
#: How much brighter than the mirrored place a lesion is; chosen for this program.
BRIGHTER_SIDE = 1.15
#: For objects larger than so many mm3, half of the surround at this distance must be brain, which
#: excludes an eye or another bulge behind a weak border.
BULGE_MM3, SURROUND_MM = 1000.0, (8.0, 12.0)
#: Contrasts on which lesions are bright.
SHOWS_LESIONS = ("T2", "FLAIR", "DWI")


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
        view.memo[WHY_NOT] = _not_on(found.contrast, ("FLAIR", "DWI"))
        return empty(view.array)
    array = smooth(found.even, view.mm, 0.5)
    # between skull and cortex bone marrow and fat are bright
    inner = found.inside.mask & (found.inside.distance_inside > 4.0)
    usual = found.brain if found.contrast == "FLAIR" else inner
    return _without_bulges(_far_above(array, inner, usual), found.inside.mask, view.mm)


def _not_on(contrast: str | None, looked_for: tuple[str, ...]) -> str:
    """Return why nothing is looked for on a contrast."""
    wanted = f"{', '.join(looked_for[:-1])} and {looked_for[-1]}"
    if contrast is None:
        return f"looked for on {wanted} only, and neither the file nor the values show the contrast"
    return f"looked for on {wanted} only, not on {contrast}"


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
    if contrast not in SHOWS_LESIONS:
        view.memo[WHY_NOT] = _not_on(contrast, SHOWS_LESIONS)
        return empty(view.array)
    if not inside.any():
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

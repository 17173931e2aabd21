"""Rules on tracer uptake (PET, SPECT): lesions, hot spots, perfusion deficits."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from .regions import (
    Floats,
    Mask,
    closed,
    components,
    drop_small,
    empty,
    shrink,
    size_of,
    smooth,
    touching,
)
from .views import View

#: Lesion to normal brain: 1.6 is the amino-acid PET limit of Law et al. 2019.
PET_RATIO = 1.6
#: Lesion to normal brain in SPECT: index of Black et al. 1989.
SPECT_RATIO = 1.5
#: Share of the way from background to the lesion's maximum: Boellaard et al. 2015.
CONTOUR = 0.41
#: A field of view with tissue over more than this in mm is no brain scan.
HEAD_MM = 300.0


def tissue(array: Floats) -> Mask:
    """Voxels above an eighth of the image's mean, as SPM takes them for a global mean."""
    return np.asarray(array > max(float(array.mean()) / 8, 0.0))


def reference_uptake(array: Floats) -> float:
    """Return the uptake of normal grey matter (or of the organ that fills most of the image).

    The upper end (90th percentile) of tissue above the tissue's mean, where what exceeds twice
    that tissue's median does not count, so that a large lesion does not become its own reference.
    """
    inside = array[tissue(array)]
    if inside.size < 16:
        return float("inf")
    high = inside[inside >= inside.mean()]
    return float(np.percentile(high[high <= 2 * np.median(high)], 90))


def is_whole_body(view: View) -> bool:
    """Tell a body scan in SUV from a brain scan by the extent of tissue."""
    if view.unit != "SUVbw" or view.spacing is None:
        return False
    inside = tissue(view.array)
    for axis in range(inside.ndim):
        others = tuple(i for i in range(inside.ndim) if i != axis)
        along = np.flatnonzero(inside.any(axis=others))
        if along.size and (along[-1] - along[0] + 1) * view.spacing[axis] > HEAD_MM:
            return True
    return False


def brain_lesion(view: View) -> Mask:
    """Uptake far above normal brain, outlined by a background-adapted 41 % contour."""
    return _above_reference(view, PET_RATIO, floor=2.5 if view.unit == "SUVbw" else 0.0)


def spect_lesion(view: View) -> Mask:
    """Uptake above normal brain by the thallium index, same contour."""
    return _above_reference(view, SPECT_RATIO, floor=0.0)


def _above_reference(view: View, ratio: float, floor: float) -> Mask:
    array = smooth(view.array, view.mm, 1.0)  # half a millimetre of noise is no lesion
    reference = reference_uptake(array)
    seeds = drop_small(array > max(ratio * reference, floor), 4.0, view.mm)
    return _contour(array, seeds, reference)


def body_lesion(view: View) -> Mask:
    """Uptake above SUV 4, outlined at 41 % of each lesion's maximum."""
    return _contour(view.array, drop_small(view.array > 4.0, 5.0, view.mm), 0.0)


def _contour(array: Floats, seeds: Mask, background: float) -> Mask:
    """Outline each seed region at 41 % between the background and its own maximum."""
    result = empty(array)
    labels, count = components(seeds)
    order = np.argsort(ndimage.maximum(array, labels, range(1, count + 1)))[::-1]
    for index in order + 1:
        region = labels == index
        if (region & result).any():  # already inside the outline of a hotter one
            continue
        # a high percentile is the maximum without its noise
        peak = float(np.percentile(array[region], 98))
        level = background + CONTOUR * (peak - background)
        result |= touching(array > level, region)
    return result


def hot_spot(view: View) -> Mask:
    """Values above mean + 2 standard deviations of the tissue around them."""
    array = smooth(view.array, view.mm, 1.0)
    inside = array[tissue(array - array.min())]
    if inside.size < 16:
        return empty(array)
    level = float(inside.mean() + 2 * inside.std())
    seeds = drop_small(array > level, 3.0, view.mm)
    if seeds.mean() > 0.25:  # a quarter of the image is no spot
        return empty(array)
    return seeds


def perfusion_deficit(view: View) -> Mask:
    """Brain with less than 70 % of the counts of the mirrored place."""
    array = smooth(view.array, view.mm, 4.0)
    axis = view.left_right[0] if view.left_right else array.ndim - 1
    brain = closed(array > 0.35 * reference_uptake(array), view.mm, 12.0)
    inner = shrink(brain, view.mm, 8.0)
    if inner.sum() < size_of(20.0, view.mm):
        return empty(array)
    mirrored = _mirror(array, brain, axis)
    reference = reference_uptake(array)
    low = inner & (array < 0.7 * mirrored) & (mirrored > 0.6 * reference)
    return drop_small(low, 9.0, view.mm)


def _mirror(array: Floats, brain: Mask, axis: int) -> Floats:
    """Reflect at the plane that makes the brain's outline overlap its own image best."""
    profile = np.flatnonzero(brain.any(axis=tuple(i for i in range(brain.ndim) if i != axis)))
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

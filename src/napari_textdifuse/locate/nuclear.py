"""Rules on tracer uptake (PET, SPECT): lesions, hot spots, perfusion deficits."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from .regions import (
    Floats,
    Mask,
    closing,
    components,
    dilate,
    drop_small,
    empty,
    erode,
    fill,
    largest,
    smooth,
    touching,
)
from .symmetry import mid_plane
from .views import RuleImage

#: Lesion to normal brain: 1.6 is the amino-acid PET limit of Law et al. 2019.
PET_RATIO = 1.6
#: Lesion to normal brain in SPECT: index of Black et al. 1989.
SPECT_RATIO = 1.5
#: An outline never goes below this multiple of normal uptake.
LOWEST = 1.15
#: Tissue is even, except for hot spots, if a smaller share of it exceeds its mean.
EVEN = 0.1
#: Share of the way from background to the lesion's maximum: Boellaard et al. 2015.
CONTOUR = 0.41
#: How far an outline may reach beyond the part that was well above normal.
REACH_MM = 30.0
#: Standard deviation of the weights by which a voxel sees the uptake around a lesion.
SURROUND_MM = 6.0
#: A hot spot is hotter than the upper quartile of the tissue by this factor.
LEAST_HOTTER = 1.15
#: A field of view with tissue over more than this in mm is not a brain scan.
HEAD_MM = 300.0


def tissue(array: Floats) -> Mask:
    """Voxels above an eighth of the image's mean, as SPM takes them for a global mean."""
    return np.asarray(array > max(float(array.mean()) / 8, 0.0))


def reference_uptake(array: Floats) -> float:
    """Return the uptake of normal grey matter (or of the organ that fills most of the image).

    The upper end (90th percentile) of tissue above the tissue's mean, where what exceeds twice
    that tissue's median does not count, so that a large lesion does not become its own reference.
    Where little exceeds the mean, all tissue is taken.
    """
    inside = array[tissue(array)]
    if inside.size < 16:
        return float("inf")
    high = inside[inside >= inside.mean()]
    if high.size < EVEN * inside.size:  # as in a phantom: only its hot spheres exceed the mean
        high = inside
    return float(np.percentile(high[high <= 2 * np.median(high)], 90))


def in_body_units(view: RuleImage) -> Floats:
    """Return SUV, or uptake over its mean in the body where the unit is another.

    Activity that spreads evenly over the body has SUV 1, so that the mean of what is in view stands
    for it.
    """
    if view.unit == "SUVbw":
        return view.array
    inside = view.array[tissue(view.array)]
    return view.array / float(inside.mean()) if inside.size else view.array


def is_whole_body(view: RuleImage) -> bool:
    """Distinguish a body scan from a brain scan by the extent of tissue."""
    if view.spacing is None:
        return False
    # 0.3 lies above the noise outside the body and below fat and muscle
    inside = largest(smooth(in_body_units(view), view.mm, 4.0) > 0.3)
    for axis in range(inside.ndim):
        others = tuple(i for i in range(inside.ndim) if i != axis)
        along = np.flatnonzero(inside.any(axis=others))
        if along.size and (along[-1] - along[0] + 1) * view.spacing[axis] > HEAD_MM:
            return True
    return False


def brain_lesion(view: RuleImage) -> Mask:
    """Uptake far above normal brain, outlined by a background-adapted 41 % contour."""
    # in SUV, uptake as low as in skin and muscle is not a lesion; near the vertex a single slice
    # has little else to be compared with
    floor = (3.0 if view.array.ndim == 2 else 2.0) if view.unit == "SUVbw" else 0.0
    return _above_reference(view, PET_RATIO, floor)


def spect_lesion(view: RuleImage) -> Mask:
    """Uptake above normal brain by the thallium index, same contour."""
    return _above_reference(view, SPECT_RATIO, floor=0.0)


def _above_reference(view: RuleImage, ratio: float, floor: float) -> Mask:
    array = smooth(view.array, view.mm, 1.0)
    reference = reference_uptake(array)
    seeds = drop_small(array > max(ratio * reference, floor), 5.0, view.mm)
    if array.ndim == 2 and seeds.any():
        # near the vertex one slice contains too little brain to estimate its normal uptake
        seeds = _one_sided(view, array, seeds, array > 0.3 * reference)
    return _contour(view, array, seeds, lowest=LOWEST * reference)


def _one_sided(view: RuleImage, array: Floats, seeds: Mask, brain: Mask) -> Mask:
    """Drop the seed regions whose uptake is much the same at the mirrored place."""
    axis = view.left_right[0] if view.left_right else seeds.ndim - 1
    plane = mid_plane(array, brain, axis, view.mm)
    labels, count = components(seeds)
    keep = np.zeros(count + 1, bool)
    width = [1 + 2 * round(6.0 / s) for s in view.mm]
    other = plane.mirror(ndimage.maximum_filter(array, width))
    for index in range(1, count + 1):
        region = labels == index
        crosses_middle = (plane.mirror(region)[region] > 0.5).mean() > 0.3
        keep[index] = crosses_middle or other[region].mean() < 0.75 * array[region].mean()
    return np.asarray(keep[labels])


def body_lesion(view: RuleImage) -> Mask:
    """Uptake above SUV 4 (or 4 times the body's mean), outlined at 41 % of each maximum."""
    array = in_body_units(view)
    return _contour(view, array, drop_small(array > 4.0, 5.0, view.mm), lowest=0.0)


def _contour(view: RuleImage, array: Floats, seeds: Mask, lowest: float) -> Mask:
    """Outline each seed region at 41 % between its surround, there, and its own maximum.

    `lowest` is a level the outline never goes below, so that it does not run into cortex.
    """
    result = empty(array)
    labels, count = components(seeds)
    if not count:
        return result
    peaks = ndimage.maximum(array, labels, range(1, count + 1))
    boxes = ndimage.find_objects(labels)
    for index in np.argsort(peaks)[::-1] + 1:
        near = tuple(
            slice(max(0, round(part.start - REACH_MM / mm)), round(part.stop + REACH_MM / mm))
            for part, mm in zip(boxes[index - 1], view.mm, strict=True)
        )
        region, values = labels[near] == index, array[near]
        if (region & result[near]).any():  # already inside the outline of a hotter one
            continue
        background = _surround(values, region, labels[near] > 0, view.mm)
        # a high percentile is the maximum without its noise
        peak = float(np.percentile(values[region], 98))
        level = background + CONTOUR * (peak - background)
        outline = np.minimum(np.maximum(level, lowest), 0.9 * peak)
        result[near] |= touching(values > outline, region)
    return result


def _surround(values: Floats, region: Mask, seeds: Mask, mm: tuple[float, ...]) -> Floats:
    """Return the uptake around a region, as seen from each voxel.

    A lesion often lies between cortex and white matter. One background for both would push its
    outline out into the cortex and back from the white matter.
    """
    away = ndimage.distance_transform_edt(~region, mm)
    shell = (away > 8) & (away <= 15) & (ndimage.distance_transform_edt(~seeds, mm) > 8)
    if not shell.any():
        return np.zeros_like(values)
    sigma = [SURROUND_MM / step for step in mm]
    weight = ndimage.gaussian_filter(shell.astype(np.float32), sigma)
    total = ndimage.gaussian_filter(np.where(shell, values, 0).astype(np.float32), sigma)
    usual = np.median(values[shell])
    return np.where(weight > 1e-4, total / np.maximum(weight, 1e-4), usual).astype(values.dtype)


def hot_spot(view: RuleImage) -> Mask:
    """Values above mean + 2 standard deviations of the tissue, and above its upper quarter."""
    array = smooth(view.array, view.mm, 1.0)
    low = max(float(array.min()), 0.0)  # below 0 is noise
    inside = array[tissue(array - low)]
    if inside.size < 16:
        return empty(array)
    usual = low + LEAST_HOTTER * (float(np.percentile(inside, 75)) - low)
    level = max(float(inside.mean() + 2 * inside.std()), usual)
    seeds = drop_small(array > level, 3.0, view.mm)
    if seeds.mean() > 0.25:  # a quarter of the image is not a spot
        return empty(array)
    return seeds


def perfusion_deficit(view: RuleImage) -> Mask:
    """Brain with less than 70 % of the counts of the mirrored place, outlined at 80 %."""
    array = smooth(view.array, view.mm, 2.0)
    axis = view.left_right[0] if view.left_right else array.ndim - 1
    reference = reference_uptake(array)
    brain = fill(closing(array > 0.4 * reference, view.mm, 15.0))
    inner = erode(brain, view.mm, 6.0)
    plane = mid_plane(array, brain, axis, view.mm)
    mirrored = plane.mirror(array)
    # no head is quite symmetric: the other side's lowest value nearby is what counts
    width = [1 + 2 * round(8.0 / s) for s in view.mm]
    expected = ndimage.minimum_filter(mirrored, width)
    seeds = drop_small(
        inner & (array < 0.7 * expected) & (expected > 0.5 * reference), 6.0, view.mm
    )
    return inner & dilate(seeds, view.mm, 8.0) & (array < 0.8 * mirrored)

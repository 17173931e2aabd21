"""Rules on Hounsfield units (HU)."""

from __future__ import annotations

import math

import numpy as np
from scipy import ndimage

from .intracranial import filled, inward
from .noise import noise_of, smoothed_until
from .regions import (
    Mask,
    closing,
    components,
    deep_fluid,
    dilate,
    drop_small,
    empty,
    fill,
    largest,
    opening,
    otsu,
    smooth,
    touching,
    with_blurred_edge,
)
from .skull import BONE_HU, cranial_cavity
from .symmetry import mid_plane
from .views import RuleImage

METAL_HU = 2500.0
#: Fluid is not denser; noise with a larger standard deviation is smoothed away before.
FLUID_HU, MOST_NOISE_HU = 17.0, 2.0
#: Rise in HU per mm of an edge; within clotted blood there is less.
STEEP_HU = 4.0
#: Nearer to the skull than this, blood must be so much denser than the other side.
DEEP_MM, ONE_SIDED_HU = 15.0, 10.0
#: Longest extent of what shows contrast agent; calcifications of the brain are shorter.
VESSEL_MM, VESSEL_SLICE_MM = 20.0, 6.0
#: Vessels outside a skull's cavity are smaller than a ball (in slices: a disc) of this diameter.
SKULL_PART_MM = 25.0
#: Calcium exceeds the first; contrast agent in vessels, where there is any, seldom the second.
CALCIUM_HU, MOST_AGENT_HU = 400.0, 600.0
#: A vessel proves contrast agent only so far from where the image ends.
END_MM = 12.0
AIR_HU = -900.0


def bone(view: RuleImage) -> Mask:
    """Return 300 HU and more within the body, below metal."""
    dense = (view.array >= BONE_HU) & (view.array < METAL_HU) & body(view)
    return drop_small(dense, 3.0, view.mm)


def bone_uncalibrated(view: RuleImage) -> Mask:
    """Return the brightest of three Otsu classes of a CT that is not in HU."""
    levels = otsu(view.array, 3)
    if not levels:
        return empty(view.array)
    return drop_small(view.array > levels[-1], 4.0, view.mm)


def metal(view: RuleImage) -> Mask:
    """2500 HU and more."""
    return view.array >= METAL_HU


def air(view: RuleImage) -> Mask:
    """Below -900 HU."""
    return view.array < AIR_HU


def lung(view: RuleImage) -> Mask:
    """-950 to -500 HU inside the body."""
    inside = body(view)
    return fill(opening(inside & (view.array < -500) & (view.array > -950), view.mm, 1.5))


def fat(view: RuleImage) -> Mask:
    """-190 to -30 HU."""
    # blurred edges of air pass through the same values, in a layer of a pixel or two
    return opening((view.array >= -190) & (view.array <= -30), view.mm, max(view.mm[-2:]))


def soft_tissue(view: RuleImage) -> Mask:
    """0 to 100 HU."""
    array = smooth(view.array, view.mm, 0.7)
    return (array >= 0) & (array <= 100)


def brain(view: RuleImage) -> Mask:
    """Return 15 to 60 HU inside the skull, after smoothing."""
    array = smooth(view.array, view.mm, 1.5)
    tissue = opening(cranial_cavity(view) & (array >= 15) & (array <= 60), view.mm, 2.0)
    return largest(tissue)


def ventricle(view: RuleImage) -> Mask:
    """-10 to 17 HU deep inside the skull, outlined half-way to the brain around."""
    cavity = cranial_cavity(view)
    if not cavity.any():
        return cavity
    noise = noise_of(view.array, cavity)
    array = smoothed_until(view.array, view.mm, noise, MOST_NOISE_HU, least_mm=1.2)
    found = deep_fluid((array >= -10) & (array <= FLUID_HU), cavity, view.mm)
    if not found.any():
        return found
    # the edge of a wide ventricle that is blurred with brain passes through fluid's values too
    around = cavity & dilate(found, view.mm, 8.0) & ~dilate(found, view.mm, 3.0)
    brain_around = view.array[around & (array > FLUID_HU) & (array <= 60)]
    if not brain_around.size:
        return found
    middle = (float(np.percentile(array[found], 10)) + float(np.median(brain_around))) / 2
    level = min(FLUID_HU, middle)
    return deep_fluid((array >= -10) & (array <= level), cavity, view.mm)


def haemorrhage(view: RuleImage) -> Mask:
    """52 to 90 HU inside the skull, off its inner edge and off vessels' blurred edges."""
    array = smooth(view.array, view.mm, 1.5)
    cavity = cranial_cavity(view)
    inner = cavity & (inward(cavity, view.mm) > 3.0) & ~with_blurred_edge(array > 110, view.mm, 3.0)
    dense = inner & (array >= 52) & (array <= 90)
    # bone blurred into the brain passes through the same values, but steeply
    wide = [axis for axis, size in enumerate(array.shape) if size > 1]
    squares = [np.square(np.gradient(array, view.mm[axis], axis=axis)) for axis in wide]
    even = np.sqrt(np.sum(squares, axis=0)) < STEEP_HU
    # bone of the base blurred into the brain looks alike on both sides, and lies near the edge
    axis = view.left_right[0] if view.left_right else view.array.ndim - 1
    other = mid_plane(array, cavity, axis, view.mm).mirror_nearby(array, 16.0)
    apart = (inward(cavity, view.mm) > DEEP_MM) | (array > other + ONE_SIDED_HU)
    seeds = opening(dense & even & apart, view.mm, 1.5)
    return opening(dense, view.mm, 1.5) & dilate(seeds, view.mm, 3.0)


def calcification(view: RuleImage) -> Mask:
    """130 HU and more, small, apart from the skeleton."""
    dense = view.array >= 130
    skeleton = drop_small(dense, 15.0, view.mm)
    small = dense & ~dilate(skeleton, view.mm, 2.0) & body(view)
    least = MOST_AGENT_HU if has_contrast_agent(view, _like_vessels(view)) else CALCIUM_HU
    return touching(drop_small(small, 1.5, view.mm), view.array > least)


def vessel(view: RuleImage) -> Mask:
    """Return 130 to 500 HU apart from bone, given evidence of contrast agent."""
    candidates = _like_vessels(view)
    if not has_contrast_agent(view, candidates):
        return empty(view.array)
    candidates &= ~_skull(view)
    core = candidates & ~with_blurred_edge(_hard(view), view.mm, 2.0)
    # a branch may come near bone: take back what lies next to a vessel's core
    near = touching(candidates & dilate(core, view.mm, 1.0), core)
    return touching(drop_small(near, 4.0, view.mm), smooth(view.array, view.mm, 0.6) > 160)


def _like_vessels(view: RuleImage) -> Mask:
    """Return 130 to 500 HU that neither is compact bone nor lies within bone."""
    array = smooth(view.array, view.mm, 0.6)
    return (array >= 130) & (array <= 500) & ~_hard(view) & ~_within_bone(view)


def _hard(view: RuleImage) -> Mask:
    """Return compact bone."""
    return drop_small(view.array > 550, 4.0, view.mm)


def _skull(view: RuleImage) -> Mask:
    """Return the bone around a cavity with its spongy parts, which are as dense as vessels."""
    cavity = cranial_cavity(view)
    if not cavity.any():
        return cavity
    dense = smooth(view.array, view.mm, 0.6) >= 130
    return with_blurred_edge(drop_small(dense & ~cavity, SKULL_PART_MM, view.mm), view.mm, 1.5)


def has_contrast_agent(view: RuleImage, candidates: Mask) -> bool:
    """Return whether there is a vessel that no bone or calcification explains.

    Blood without contrast agent stays below 90 HU. In a head, something of 130 to 500 HU must lie
    away from the skull; elsewhere it must be thick and away from bone. It is longer than a
    calcification (`VESSEL_MM`), and its peak is below 600 HU.
    """
    cavity = cranial_cavity(view)
    if cavity.any():
        away = candidates & cavity & (inward(cavity, view.mm) > 6.0) & _off_the_ends(view)
    else:
        hard = with_blurred_edge(_hard(view), view.mm, 5.0)
        away = opening(candidates & body(view) & ~hard, view.mm, 2.0)
    labels, _ = components(away)
    for index, box in enumerate(ndimage.find_objects(labels), start=1):
        extent = max((s.stop - s.start) * m for s, m in zip(box, view.mm, strict=True))
        part = labels[box] == index
        long_enough = extent >= (VESSEL_MM if view.array.ndim == 3 else VESSEL_SLICE_MM)
        if long_enough and view.array[box][part].max() < MOST_AGENT_HU:
            return True
    return False


def _off_the_ends(view: RuleImage) -> Mask:
    """Return a volume without its first and last mm, where a skull that is cut looks deep."""
    inner = empty(view.array)
    if view.array.ndim == 2:
        return ~inner
    widths = [math.ceil(END_MM / s) for s in view.mm]
    inner[tuple(slice(w, max(w, n - w)) for w, n in zip(widths, inner.shape, strict=True))] = True
    return inner


def _within_bone(view: RuleImage) -> Mask:
    """Return marrow: what bone encloses, but for the cavity of the skull."""
    dense = drop_small(view.array > 250, 4.0, view.mm)
    enclosed = filled(closing(dense, view.mm, 3.0)) if dense.any() else dense
    return np.asarray(enclosed & ~cranial_cavity(view))


def body(view: RuleImage) -> Mask:
    """Everything denser than -500 HU and what it encloses."""
    return fill(largest(opening(view.array > -500, view.mm, 1.5)))

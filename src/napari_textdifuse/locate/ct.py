"""Rules on Hounsfield units (HU)."""

from __future__ import annotations

import numpy as np

from .regions import (
    Mask,
    closed,
    deep_fluid,
    depth,
    drop_small,
    empty,
    fill,
    grow,
    largest,
    opened,
    otsu,
    rim,
    smooth,
    touching,
)
from .views import View

#: Compact and spongy bone, from here up.
BONE_HU = 300.0
METAL_HU = 2500.0
AIR_HU = -900.0


def bone(view: View) -> Mask:
    """300 HU and more."""
    dense = drop_small(view.array > BONE_HU, 4.0, view.mm)
    # an enhanced vessel above 300 HU has no dense cortex
    return touching(dense, view.array > 600) & (view.array < METAL_HU)


def bone_uncalibrated(view: View) -> Mask:
    """Return the brightest of three Otsu classes of a CT that is not in HU."""
    levels = otsu(view.array, 3)
    if not levels:
        return empty(view.array)
    return drop_small(view.array > levels[-1], 4.0, view.mm)


def metal(view: View) -> Mask:
    """2500 HU and more."""
    return view.array >= METAL_HU


def air(view: View) -> Mask:
    """Below -900 HU."""
    return view.array < AIR_HU


def lung(view: View) -> Mask:
    """-950 to -500 HU inside the body."""
    inside = body(view)
    return fill(opened(inside & (view.array < -500) & (view.array > -950), view.mm, 1.5))


def fat(view: View) -> Mask:
    """-190 to -30 HU."""
    # blurred edges of air pass through the same values, in a layer of a pixel or two
    return opened((view.array >= -190) & (view.array <= -30), view.mm, max(view.mm[-2:]))


def soft_tissue(view: View) -> Mask:
    """0 to 100 HU."""
    array = smooth(view.array, view.mm, 0.7)
    return (array >= 0) & (array <= 100)


def brain(view: View) -> Mask:
    """20 to 50 HU inside the skull."""
    array = smooth(view.array, view.mm, 1.5)
    tissue = opened(cranial_cavity(view) & (array >= 18) & (array <= 50), view.mm, 2.0)
    return largest(tissue)


def ventricle(view: View) -> Mask:
    """-10 to 17 HU deep inside the skull."""
    cavity = cranial_cavity(view)
    if not cavity.any():
        return cavity
    array = smooth(view.array, view.mm, 1.2)
    return deep_fluid((array >= -10) & (array <= 17), cavity, view.mm)


def haemorrhage(view: View) -> Mask:
    """52 to 90 HU inside the skull, off its inner edge and off vessels' blurred edges."""
    array = smooth(view.array, view.mm, 1.5)
    cavity = cranial_cavity(view)
    inner = cavity & (depth(cavity, view.mm) > 3.0) & ~rim(array > 110, view.mm, 3.0)
    return opened(inner & (array >= 52) & (array <= 90), view.mm, 1.5)


def calcification(view: View) -> Mask:
    """130 HU and more, small, apart from the skeleton."""
    dense = view.array >= 130
    skeleton = drop_small(dense, 15.0, view.mm)
    small = dense & ~grow(skeleton, view.mm, 2.0) & body(view)
    # contrast agent seldom exceeds 400 HU; calcium does
    return touching(drop_small(small, 1.5, view.mm), view.array > 400)


def vessel(view: View) -> Mask:
    """130 to 500 HU that is no rim of bone."""
    array = smooth(view.array, view.mm, 0.6)
    skeleton = drop_small(view.array > 550, 4.0, view.mm)
    candidates = (array >= 130) & (array <= 500) & ~skeleton
    core = candidates & ~rim(skeleton, view.mm, 2.0)
    # a branch may come near bone: take back what lies next to a vessel's core
    near = touching(candidates & grow(core, view.mm, 1.0), core)
    return touching(drop_small(near, 4.0, view.mm), array > 160)


def body(view: View) -> Mask:
    """Everything denser than -500 HU and what it encloses."""
    return fill(largest(opened(view.array > -500, view.mm, 1.5)))


def cranial_cavity(view: View) -> Mask:
    """Return what the skull encloses, slice by slice along the first axis; empty without one."""
    skull = bone(view)
    planes = skull[None] if skull.ndim == 2 else skull
    mm = view.mm[-2:]
    cavity = np.stack([fill(closed(plane, mm, 4.0)) & ~plane for plane in planes])
    inside = cavity.reshape(skull.shape) & (view.array < BONE_HU)
    # marrow and sinuses are enclosed too, but small
    return largest(opened(inside & (view.array > -100), view.mm, 3.0))

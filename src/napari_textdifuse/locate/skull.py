"""The cavity of the skull in a CT in Hounsfield units (HU)."""

from __future__ import annotations

import numpy as np

from .intracranial import HEIGHT_MM, below_vertex, coarse, fitted, inward
from .regions import (
    Floats,
    Mask,
    closing,
    dilate,
    drop_small,
    empty,
    fill,
    largest,
    opening,
    smooth,
)
from .views import RuleImage

#: Compact and spongy bone, from here up.
BONE_HU = 300.0
#: Brain, fluid and blood have values between these.
SOFT_HU = (-20.0, 110.0)
#: Below this is air, which is never brain.
AIR_HU = -200.0
#: Where brain is sure: so far inside the head and so far from everything that is not soft.
DEPTH_MM, THICK_MM = 20.0, 10.0
#: Skin, which is never brain; and skin and bone above the brain's vertex.
SKIN_MM, COVER_MM = 3.0, 10.0
#: A vessel with contrast agent lies deeper in the cavity than this; bone only nearer to its edge.
EDGE_MM, EDGE_HU = 8.0, 200.0


def cranial_cavity(view: RuleImage) -> Mask:
    """Return the interior of the skull, in volumes in three dimensions; empty without a skull."""
    if "cavity" not in view.memo:
        found = _cavity_in_slice(view) if view.array.ndim == 2 else _cavity(view)
        view.memo["cavity"] = found
    result: Mask = view.memo["cavity"]
    return result


def _cavity(view: RuleImage) -> Mask:
    if not (view.array > BONE_HU).any():
        return empty(view.array)
    space = _basin(view)
    if not space.any():
        return space
    edge = (inward(space, view.mm) <= EDGE_MM) & (view.array >= EDGE_HU)
    inside = largest(opening(space & ~edge & (view.array > -100), view.mm, 2.0))
    # a skull is around it on most sides
    shell = dilate(inside, view.mm, 15.0) & ~inside
    hard = dilate(drop_small(view.array > EDGE_HU, 4.0, view.mm), view.mm, 8.0)
    return inside if shell.any() and hard[shell].mean() > 0.6 else empty(space)


def _basin(view: RuleImage) -> Mask:
    """Flood from the depth of the head and from its skin; they meet on the ridge of the bone.

    The ridge also parts them where bone is thinner than a slice and blurred below any threshold.

    Notes
    -----
    Marker-controlled watershed: Meyer and Beucher 1990, J Vis Commun Image Represent 1:21.
    """
    from skimage.segmentation import watershed

    array, mm = coarse(np.clip(view.array, -1000, 1500), view.mm)
    head = fill(largest(opening(array > -500, mm, 3.0)))
    depth = inward(head, mm)
    region = below_vertex(head, mm, view.up, HEIGHT_MM + COVER_MM)
    soft = (array > SOFT_HU[0]) & (array < SOFT_HU[1]) & region & (depth > DEPTH_MM)
    deep = largest(inward(soft, mm) > THICK_MM)
    outside = ((depth <= SKIN_MM) | (array < AIR_HU) | ~region) & ~deep
    if not deep.any() or not outside.any():
        return empty(view.array)
    ridges: Floats = smooth(np.clip(array, -100, 400), mm, 1.0)
    found = watershed(ridges, markers=np.where(deep, 1, np.where(outside, 2, 0))) == 1
    return fitted(found, view.array.shape)


def _cavity_in_slice(view: RuleImage) -> Mask:
    skull = drop_small(view.array > BONE_HU, 4.0, view.mm)
    inside = fill(closing(skull, view.mm, 4.0)) & ~skull & (view.array < BONE_HU)
    # marrow and sinuses are enclosed too, but small
    return largest(opening(inside & (view.array > -100), view.mm, 3.0))

"""A single slice with a volume: brought to one number of axes, and found in the volume."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np

from ..arrays import load
from ..volume import Volume


def equal_axes(a: Volume, b: Volume) -> tuple[Volume, Volume]:
    """Give two images one number of axes, where a slice meets a volume.

    A volume of one slice becomes that slice, as other formats write it. A slice whose place is
    known becomes a volume of one slice, as thick as the file says.

    Parameters
    ----------
    a, b : Volume

    Returns
    -------
    a, b : Volume
        Unchanged where their axes are equal or the slice has no position.
    """
    if a.ndim == b.ndim:
        return a, b
    if 1 in (a.shape[0] * (a.ndim == 3), b.shape[0] * (b.ndim == 3)):
        volume = load(a if a.ndim == 3 else b)
        flat = replace(volume, array=volume.array[0])
        return (flat, b) if a.ndim == 3 else (a, flat)
    if a.affine is None or b.affine is None:
        return a, b
    slice_ = load(a if a.ndim == 2 else b)
    thick = replace(slice_, array=slice_.array[None])
    return (thick, b) if a.ndim == 2 else (a, thick)


def slice_holding(a: Volume, b: Volume, axis: int) -> int | None:
    """Return the slice of a volume in which another image of a single slice lies.

    Parameters
    ----------
    a, b : Volume
    axis : int
        Array axis that the slices of `a` follow each other along.

    Returns
    -------
    int or None
        None where `b` has several slices, is oblique to those of `a`, or lies outside of them.
    """
    if a.affine is None or b.affine is None or (a.ndim, b.ndim) != (3, 3):
        return None
    if 1 not in b.shape or a.shape[axis] == 1:
        return None
    corners = [(*c, 1) for c in product(*((0, n - 1) for n in b.shape[::-1]))]
    places = (np.linalg.solve(a.affine, b.affine) @ np.array(corners, float).T)[2 - axis]
    if np.ptp(places) > 1:
        return None
    place = round(float(places.mean()))
    return place if 0 <= place < a.shape[axis] else None

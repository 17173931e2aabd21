"""Single slices of a volume, with their place in space."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..errors import InputError
from ..volume import Volume


def slab(volume: Volume, axis: int, index: int) -> Volume:
    """Return one slice of a 3-D volume as a volume of thickness 1.

    Parameters
    ----------
    volume : Volume
        ``(Z, Y, X[, C])``.
    axis : int
        Array axis 0 (Z), 1 (Y) or 2 (X).
    index : int

    Returns
    -------
    Volume
        With the affine moved to the slice.
    """
    affine = volume.affine
    if affine is not None:
        shift = np.eye(4)
        shift[2 - axis, 3] = index  # affines take x, y, z
        affine = affine @ shift
    return replace(volume, array=volume.array.take([index], axis=axis), affine=affine)


def choose_slice(a: Volume, b: Volume, index: int) -> tuple[Volume, Volume]:
    """Cut slice `index` out of `a`, and out of `b` where no geometry says which slice that is.

    Raises
    ------
    InputError
        If `a` has no slices or not so many.
    """
    if a.ndim != 3:
        raise InputError("--slice needs a volume, but image A is a single picture; leave it out.")
    if index >= len(a.array):
        raise InputError(
            f"--slice {index} does not exist: image A has slices 0 to {len(a.array) - 1}."
        )
    by_index = a.affine is None or b.affine is None
    if by_index and b.shape == a.shape:
        b = slab(b, 0, index)
    return slab(a, 0, index), b

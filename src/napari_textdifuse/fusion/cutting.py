"""The chosen slices of images, masks and boxes, turned so that they follow the first axis.

Affines and coordinates follow; nothing is resampled. Lazy arrays (dask, zarr) are read only where
they are returned loaded.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from ..errors import InputError
from ..spatial.lazy import load
from ..volume import Array, Volume
from .selection import Selection


def cut(volume: Volume, selection: Selection) -> Volume:
    """Return the selected slices as a volume of its own, with the affine moved to them.

    Parameters
    ----------
    volume : Volume
        A two-dimensional one is returned as it is.
    selection : Selection

    Returns
    -------
    Volume
        Three-dimensional also for a single slice. A dask array stays lazy, an array in memory is
        not copied.
    """
    if volume.ndim == 2 or selection.whole:
        return volume
    affine = volume.affine
    if affine is not None:
        shift = np.eye(4)
        shift[2 - selection.axis, 3] = selection.start  # affines take x, y, z
        affine = affine @ shift
    return replace(volume, array=volume.array[selection.key], affine=affine)


def cut_pair(a: Volume, b: Volume, selection: Selection) -> tuple[Volume, Volume]:
    """Return the selected slices of both images, running along the first axis.

    Parameters
    ----------
    a : Volume
        The whole image that the selection was made on.
    b : Volume
        The other, uncut.
    selection : Selection

    Returns
    -------
    a : Volume
        Cut, turned and loaded.
    b : Volume
        With geometry on both sides `b` itself, perhaps lazy: `resample_to` reads what it needs.
        Without it, the slices of equal numbers.

    Raises
    ------
    InputError
        If only numbers could tell which slices belong together, and their shapes differ.
    """
    front = to_front(cut(a, selection), selection.axis)
    by_place = a.affine is not None and b.affine is not None
    if by_place or a.ndim == 2 or (selection.whole and selection.axis == 0):
        return front, b
    if b.ndim != a.ndim or b.shape[selection.axis] != selection.count:
        raise InputError(
            f"{b.name} of shape {b.shape} and {a.name} of shape {a.shape} have no common geometry, "
            "so nothing tells which slices belong together; fuse the whole volumes, or give both "
            "as DICOM or NIfTI."
        )
    return front, to_front(cut(b, selection), selection.axis)


def cut_points(points: Array, selection: Selection) -> Array:
    """Move points from the whole grid to the turned cut, inside or not.

    Parameters
    ----------
    points : ndarray, shape (N, 3)
        In voxels, x, y, z.
    selection : Selection
    """
    moved = points.astype(np.float64)
    moved[:, 2 - selection.axis] -= selection.start
    return moved[:, _columns(selection.axis)]


def cut_boxes(boxes: Array, selection: Selection) -> tuple[npt.NDArray[np.intp], Array]:
    """Move boxes from the whole grid to the turned cut.

    Parameters
    ----------
    boxes : ndarray, shape (N, 6)
        Voxel edges XYZXYZ.
    selection : Selection

    Returns
    -------
    rows : ndarray of int, shape (M,)
        Which boxes reach into the range.
    boxes : ndarray, shape (M, 6)
        Clipped to the range.
    """
    moved = cut_points(boxes.reshape(-1, 3), selection).reshape(-1, 6)
    moved[:, [2, 5]] = np.clip(moved[:, [2, 5]], 0, len(selection))
    rows = np.flatnonzero(moved[:, 5] > moved[:, 2])
    return rows, moved[rows]


def boxes_from_front(boxes: Array, axis: int) -> Array:
    """Turn boxes of a turned cut back onto the grid that it was cut from.

    Parameters
    ----------
    boxes : ndarray, shape (N, 6)
        Voxel edges XYZXYZ. Those of pictures, of shape (N, 4), are returned as they are.
    axis : int
        What `to_front` took to the front.
    """
    if boxes.shape[1] != 6:
        return boxes
    back = np.argsort(_columns(axis))
    return boxes.reshape(-1, 2, 3)[:, :, back].reshape(-1, 6)


def _columns(axis: int) -> list[int]:
    """Return which of x, y, z each of the turned grid's x, y, z was."""
    order = [axis, *(k for k in range(3) if k != axis)]
    return [2 - order[2 - k] for k in range(3)]


def to_front(volume: Volume, axis: int) -> Volume:
    """Turn an array axis to the front, with the affine; nothing is resampled.

    Parameters
    ----------
    volume : Volume
        Loaded into memory if it was lazy.
    axis : int

    Returns
    -------
    Volume
    """
    volume = load(volume)
    if volume.ndim == 2 or axis == 0:
        return volume
    affine = volume.affine
    if affine is not None:
        affine = affine[:, [*_columns(axis), 3]]  # affines take x, y, z
    return replace(volume, array=np.moveaxis(volume.array, axis, 0), affine=affine)


def from_front(array: Array, axis: int) -> Array:
    """Turn the first axis of a result back to where `to_front` took it from."""
    return np.ascontiguousarray(np.moveaxis(array, 0, axis)) if axis else array

"""The slices to fuse: choosing them, cutting them out and moving them to the first axis.

Affines and coordinates follow; nothing is resampled. Lazy arrays (dask, zarr) are read only where
they are returned loaded.
"""

from __future__ import annotations

import operator
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import InputError, size_of
from ..volume import Array, Volume

#: One slice, a half-open range (as in Python), or None for the whole volume.
Slices = int | slice | tuple[int | None, int | None] | None

#: The patient axis (x, y, z of RAS) along which the slices of a plane are stacked.
PLANES = {"sagittal": 0, "coronal": 1, "axial": 2}
#: Slices further than this from the named plane get a note, in degrees.
OBLIQUE = 5.0


@dataclass(frozen=True)
class Selection:
    """A range of slices.

    Parameters
    ----------
    axis : int
        Array axis along which the slices are stacked.
    start, stop : int
        Half-open range.
    count : int
        How many slices the volume has along that axis.
    notes : tuple of str
    """

    axis: int
    start: int
    stop: int
    count: int
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return self.stop - self.start

    @property
    def whole(self) -> bool:
        """Whether it is all of the volume."""
        return len(self) == self.count

    @property
    def key(self) -> tuple[slice, ...]:
        """Index of the range in an array."""
        return (slice(None),) * self.axis + (slice(self.start, self.stop),)

    def first(self, done: int) -> Selection:
        """Return the first `done` slices of the range."""
        return replace(self, stop=self.start + done)

    def to_dict(self) -> dict[str, int]:
        """Return the record's entry: axis of the array, first and last slice."""
        return {"axis": self.axis, "first": self.start, "last": self.stop - 1, "of": self.count}


def select(volume: Volume, slices: Slices = None, axis: int | str = 0) -> Selection:
    """Choose the slices of a volume to fuse.

    Parameters
    ----------
    volume : Volume
    slices : int, slice, (start, stop) or None
        One slice (negative: from the end), a half-open range without gaps, or everything.
    axis : {0, 1, 2, "axial", "coronal", "sagittal"}
        Array axis, or the plane of the slices; then the array axis closest to the
        plane's normal is used.

    Returns
    -------
    Selection

    Raises
    ------
    InputError
        If there are no such slices, or a plane is named and there is no geometry to find it.
    """
    if volume.ndim == 2:
        if slices not in (None, 0) or axis not in (0, "axial", "coronal", "sagittal"):
            raise InputError(
                f"{volume.name} is a 2-D image, so there are no slices to choose; leave "
                "slices and axis out."
            )
        return Selection(0, 0, 1, 1)
    number, notes = _axis(volume, axis)
    count = volume.shape[number]
    if isinstance(slices, slice):
        if slices.step not in (None, 1):
            raise InputError(f"slices cannot be skipped (step {slices.step!r}); give a range.")
        first, last = slices.start, slices.stop
    elif isinstance(slices, tuple):
        if len(slices) != 2:
            raise InputError(f"a range of slices is (start, stop), not {slices!r}.")
        first, last = slices
    elif slices is None:
        first = last = None
    else:
        index = _whole(slices)
        if not -count <= index < count:
            raise InputError(
                f"slice {index} does not exist: {volume.name} has slices 0 to {count - 1} along "
                f"axis {number}."
            )
        first = index % count
        last = first + 1
    start, stop, _ = slice(*(None if v is None else _whole(v) for v in (first, last))).indices(
        count
    )
    if stop <= start:
        raise InputError(
            f"the range of slices {first} to {last} is empty: {volume.name} has slices 0 to "
            f"{count - 1} along axis {number}."
        )
    return Selection(number, start, stop, count, notes)


def slice_with(a: Volume, b: Volume, axis: int) -> int | None:
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


def slabs(selection: Selection, size: int) -> Iterator[Selection]:
    """Yield the selection in parts of at most `size` slices."""
    for start in range(selection.start, selection.stop, size):
        yield replace(selection, start=start, stop=min(start + size, selection.stop))


def cut(volume: Volume, selection: Selection) -> Volume:
    """Return the selected slices as a new volume, with the affine moved to them.

    Parameters
    ----------
    volume : Volume
        A two-dimensional one is returned unchanged.
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
        If slices could be matched only by number, and the shapes differ.
    """
    axis = selection.axis
    by_place = a.affine is not None and b.affine is not None
    by_number = not (by_place or a.ndim == 2 or (selection.whole and axis == 0))
    if by_number and (b.ndim != a.ndim or b.shape[axis] != selection.count):
        raise InputError(
            f"{b.name} ({size_of(b.shape)}) and {a.name} ({size_of(a.shape)}) have no common "
            "geometry, so slices cannot be matched; fuse the whole volumes, or give both "
            "as DICOM or NIfTI."
        )
    part_a, part_b = cut(a, selection), cut(b, selection) if by_number else b
    return to_front(part_a, axis), to_front(part_b, axis) if by_number else b


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
    volume = volume.loaded()
    if volume.ndim == 2 or axis == 0:
        return volume
    affine = volume.affine
    if affine is not None:
        affine = affine[:, [*columns_from_front(axis), 3]]  # affines take x, y, z
    return replace(volume, array=np.moveaxis(volume.array, axis, 0), affine=affine)


def columns_from_front(axis: int) -> list[int]:
    """Return which of x, y, z each of the turned grid's x, y, z was."""
    order = [axis, *(k for k in range(3) if k != axis)]
    return [2 - order[2 - k] for k in range(3)]


def cut_points(points: Array, selection: Selection) -> Array:
    """Move points from the whole grid to the reoriented cut, inside or not.

    Parameters
    ----------
    points : ndarray, shape (N, 3)
        In voxels, x, y, z.
    selection : Selection
    """
    moved = points.astype(np.float64)
    moved[:, 2 - selection.axis] -= selection.start
    return moved[:, columns_from_front(selection.axis)]


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
        Voxel edges XYZXYZ. Those of 2-D images, of shape (N, 4), are returned as they are.
    axis : int
        What `to_front` took to the front.
    """
    if boxes.shape[1] != 6:
        return boxes
    back = np.argsort(columns_from_front(axis))
    return boxes.reshape(-1, 2, 3)[:, :, back].reshape(-1, 6)


def from_front(array: Array, axis: int) -> Array:
    """Turn the first axis of a result back to where `to_front` took it from."""
    return np.ascontiguousarray(np.moveaxis(array, 0, axis)) if axis else array


def _axis(volume: Volume, axis: int | str) -> tuple[int, tuple[str, ...]]:
    if isinstance(axis, str) and axis in PLANES:
        if volume.affine is None:
            raise InputError(
                f"{volume.name} has no geometry to find its {axis} slices; give axis "
                "as 0, 1 or 2 of the array."
            )
        directions = volume.affine[:3, :3] / np.linalg.norm(volume.affine[:3, :3], axis=0)
        number = _closest(volume, PLANES[axis])
        normal = np.cross(directions[:, number - 1], directions[:, number - 2])
        normal /= np.linalg.norm(normal)
        off = float(np.degrees(np.arccos(min(1.0, abs(normal[PLANES[axis]])))))
        notes = (
            (
                f"{axis.capitalize()} slices are those of the grid, {off:.0f} degrees from the "
                "plane.",
            )
            if off > OBLIQUE
            else ()
        )
        return 2 - number, notes
    if isinstance(axis, bool) or not isinstance(axis, (int, np.integer)) or not 0 <= axis <= 2:
        raise InputError(f"axis must be 0, 1, 2, {', '.join(PLANES)}, not {axis!r}.")
    return int(axis), ()


def _closest(volume: Volume, patient: int) -> int:
    """Return the index axis (x, y, z) closest to a patient axis; each is taken once."""
    from nibabel.orientations import io_orientation

    return int(np.flatnonzero(io_orientation(volume.affine)[:, 0] == patient)[0])


def _whole(value: Any) -> int:
    try:
        if isinstance(value, bool):
            raise TypeError
        return operator.index(value)
    except TypeError:
        raise InputError(f"slices must be integers, not {value!r}.") from None

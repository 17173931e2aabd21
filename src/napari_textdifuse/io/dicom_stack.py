"""The grid of DICOM slices: their order, time points, spacing and affine, checked in mm."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from pydicom.dataset import Dataset

from ..errors import GeometryError
from ..exports import RAS_LPS
from .dicom_numbers import number, vector
from .dicom_regrid import Regrid
from .dicom_times import Times, split_times

Floats = npt.NDArray[np.float64]

#: Slice distances may differ by this part of their median, or by rounding in the header: in mm,
#: but for small voxels at most this part of a pixel.
SPACING_RTOL, ROUNDING_MM, ROUNDING_PIXELS = 0.02, 0.01, 0.02
#: Uneven slices are resampled up to this ratio of the largest distance to the usual one, and up
#: to so many times more slices.
MAX_UNEVEN, MAX_MORE = 3.0, 4.0
#: Slices may shift in their plane, over the whole stack, by this part of a pixel.
MAX_SHIFT = 0.5
#: Largest difference of direction cosines within a series.
ORIENTATION_TOL = 1e-3
#: A gantry tilts by up to 30 degrees.
MAX_TILT = 45.0


def has_position(header: Dataset) -> bool:
    """Return whether a slice states its position in the patient."""
    return all(
        (values := vector(header, key)) is not None and len(values) == n
        for key, n in (
            ("ImagePositionPatient", 3),
            ("ImageOrientationPatient", 6),
            ("PixelSpacing", 2),
        )
    )


def plane(header: Dataset, label: str) -> tuple[Floats, Floats, Floats, Floats]:
    """Return origin, mm steps along x (columns) and y (rows), and the unit normal, in LPS.

    From ImagePositionPatient (0020,0032), ImageOrientationPatient (0020,0037) and PixelSpacing
    (0028,0030: between rows first), DICOM PS3.3 C.7.6.2.1.1.
    """
    position, cosines = (
        vector(header, "ImagePositionPatient"),
        vector(header, "ImageOrientationPatient"),
    )
    spacing = vector(header, "PixelSpacing")
    if position is None or cosines is None or spacing is None:
        raise GeometryError(f"{label}: a slice has no position, orientation or pixel spacing.")
    along_x, along_y = cosines[:3], cosines[3:]
    lengths = float(np.linalg.norm(along_x)), float(np.linalg.norm(along_y))
    if max(abs(n - 1) for n in lengths) > 0.01 or abs(along_x @ along_y) > 0.01:
        raise GeometryError(
            f"{label}: the orientation {np.round(cosines, 4).tolist()} is not two perpendicular "
            "unit vectors; the header is damaged."
        )
    if (spacing <= 0).any():
        raise GeometryError(
            f"{label}: a pixel spacing of {spacing.tolist()} mm is invalid; the header is damaged."
        )
    along_x, along_y = along_x / lengths[0], along_y / lengths[1]  # headers round
    normal = np.cross(along_x, along_y)
    return position, along_x * spacing[1], along_y * spacing[0], normal / np.linalg.norm(normal)


def ras_affine(origin: Floats, x: Floats, y: Floats, z: Floats) -> Floats:
    """Build the affine of voxel indices (x, y, z) in RAS mm from steps in DICOM's LPS mm."""
    lps = np.eye(4)
    lps[:3] = np.stack([x, y, z, origin], axis=1)
    return RAS_LPS @ lps


def slice_affine(header: Dataset, label: str) -> Floats:
    """Return the affine of one slice; its thickness is the third voxel size (1 mm if unknown)."""
    origin, x, y, normal = plane(header, label)
    sizes = (number(header, key) for key in ("SpacingBetweenSlices", "SliceThickness"))
    return ras_affine(origin, x, y, normal * next((abs(s) for s in sizes if s), 1.0))


@dataclass(frozen=True)
class Stack:
    """How the slices of a series form volumes.

    Parameters
    ----------
    times : Times
        The slices of each time point, in order along the normal.
    affine : ndarray, shape (4, 4)
        Voxel indices (x, y, z) to RAS mm, after `regrid`.
    regrid : Regrid or None
        For tilted or unevenly spaced slices.
    notes : tuple of str
        What was resampled or dropped, in sentences with numbers.
    """

    times: Times
    affine: Floats
    regrid: Regrid | None = None
    notes: tuple[str, ...] = ()


def arrange(headers: Sequence[Dataset], label: str) -> Stack:
    """Sort slices along their normal and find the regular grid that they form or are resampled to.

    Parameters
    ----------
    headers : sequence of Dataset
        Slices of one series with positions, in any order.
    label : str
        Name of the series in messages.

    Returns
    -------
    Stack

    Raises
    ------
    GeometryError
        If sizes or orientations differ, slices are missing, or too irregular to be resampled.
    InputError
        If several images share each position and cannot be distinguished.
    """
    _check_same_plane(headers, label)
    planes = [plane(h, label) for h in headers]
    _, x, y, normal = planes[0]
    pixel = float(min(np.linalg.norm(x), np.linalg.norm(y)))
    rounding = min(ROUNDING_MM, ROUNDING_PIXELS * pixel)
    origins = np.stack([p[0] for p in planes])
    distances = origins @ normal
    places = _places(distances, rounding)
    times = split_times(headers, places, label)
    first = times.members[0]
    for members in times.members[1:]:
        moved = float(np.linalg.norm(origins[members] - origins[first], axis=1).max())
        if moved > MAX_SHIFT * pixel:
            raise GeometryError(
                f"{label}: the {times.what} are up to {moved:.2f} mm apart, so they are not on one "
                "grid; keep the files of one of them in the folder."
            )
    if len(first) == 1:
        return Stack(times, slice_affine(headers[first[0]], label), None, times.notes)
    origins, distances = origins[first], distances[first]
    thickness = {number(headers[i], "SliceThickness") for i in first}
    uneven = _uneven(distances, rounding, label, one_thickness=len(thickness) == 1)
    step = (origins[-1] - origins[0]) / (len(first) - 1)
    tilt = _tilt(origins, distances, normal, pixel, label)
    if uneven is None and tilt is None:
        return Stack(times, ras_affine(origins[0], x, y, step), None, times.notes)

    depths = distances - distances[0]
    targets, note = (depths, "") if uneven is None else uneven
    steps = np.stack([y, x])
    shifts = (origins - origins[0]) @ steps.T / (steps**2).sum(axis=1)
    if tilt is None:
        shifts = np.zeros_like(shifts)
    regrid = Regrid(shifts, depths, targets)
    corner = origins[0] + regrid.first @ steps
    spacing = depths[-1] / (len(targets) - 1)
    notes = tuple(n for n in (tilt, note) if n)
    affine = ras_affine(corner, x, y, normal * spacing)
    return Stack(times, affine, regrid, (*times.notes, *notes))


def _places(distances: Floats, rounding: float) -> list[int]:
    """Return the number of each slice's position along the normal, allowing for rounding."""
    order = np.argsort(distances, kind="stable")
    new = np.diff(distances[order], prepend=distances[order[0]]) > rounding
    places = np.empty(len(distances), dtype=int)
    places[order] = np.cumsum(new)
    return [int(p) for p in places]


def _check_same_plane(headers: Sequence[Dataset], label: str) -> None:
    sizes = Counter((int(h.Rows), int(h.Columns)) for h in headers)
    if len(sizes) > 1:
        raise GeometryError(
            f"{label}: images of different size ({_tally(sizes)} rows x columns) are not one "
            "volume; keep the files of one size in the folder."
        )
    for key, name in (("ImageOrientationPatient", "orientation"), ("PixelSpacing", "pixel size")):
        values = [vector(h, key) for h in headers]
        first = values[0]
        differing = sum(
            first is None
            or v is None
            or float(np.abs(v - first).max()) > ORIENTATION_TOL * min(1.0, float(np.abs(v).max()))
            for v in values
        )
        if differing:
            raise GeometryError(
                f"{label}: {differing} of {len(headers)} images differ from the first in "
                f"{name}, so they are not one volume; keep the files of one stack in the folder."
            )


def _uneven(
    distances: Floats, rounding: float, label: str, *, one_thickness: bool
) -> tuple[Floats, str] | None:
    """Return the resampling of unevenly spaced slices, and a sentence about it."""
    gaps = np.diff(distances)
    typical = float(np.median(gaps))
    wrong = np.abs(gaps - typical) > max(rounding, SPACING_RTOL * typical)
    if not wrong.any():
        return None
    n = len(distances)
    where = int(np.argmax(np.abs(gaps - typical)))
    span = f"{distances[where]:.2f} and {distances[where + 1]:.2f} mm along the slice normal"
    multiples = gaps / gaps.min()
    whole = np.abs(multiples - np.rint(multiples)) <= SPACING_RTOL * multiples
    if one_thickness and whole.all():
        missing = int((np.rint(multiples) - 1).sum())
        raise GeometryError(
            f"{label}: {missing} of {n + missing} slices {'is' if missing == 1 else 'are'} missing "
            f"(spacing {gaps.min():.2f} mm, largest gap between {span}); export the series again."
        )
    range_ = (
        f"unevenly spaced, {gaps.min():.2f} to {gaps.max():.2f} mm apart "
        f"(typically {typical:.2f}, worst between {span})"
    )
    extent = distances[-1] - distances[0]
    count = round(float(extent / gaps.min())) + 1
    if gaps.max() > MAX_UNEVEN * typical or count > MAX_MORE * n:
        raise GeometryError(
            f"{label}: the slices are {range_}; that is too irregular to be resampled, so keep "
            "the files of one even stack in the folder."
        )
    spacing = extent / (count - 1)
    return (
        np.linspace(0.0, extent, count),
        f"The {n} slices are {range_}; they were resampled linearly to {count} slices "
        f"{spacing:.2f} mm apart.",
    )


def _tilt(
    origins: Floats, distances: Floats, normal: Floats, pixel: float, label: str
) -> str | None:
    """Return a sentence if the slices are sheared, as by a gantry tilt."""
    along = (distances - distances[0]) / (distances[-1] - distances[0])
    total = origins[-1] - origins[0]
    off = float(np.linalg.norm(origins - origins[0] - along[:, None] * total, axis=1).max())
    if off > MAX_SHIFT * pixel:
        raise GeometryError(
            f"{label}: a slice is {off:.2f} mm off the line of the others, so they are not one "
            "grid; keep the files of one stack in the folder."
        )
    sideways = float(np.linalg.norm(total - (total @ normal) * normal))
    if sideways <= MAX_SHIFT * pixel:
        return None
    angle = float(np.degrees(np.arctan2(sideways, total @ normal)))
    numbers = (
        f"sheared by {angle:.1f} degrees (gantry tilt), "
        f"{sideways / (len(origins) - 1):.2f} mm per slice"
    )
    if angle > MAX_TILT:
        raise GeometryError(
            f"{label}: the slices are {numbers}, more than any gantry can tilt; the positions in "
            "the "
            "headers are damaged, export the series again."
        )
    return f"The slices are {numbers}; they were resampled linearly to a rectangular grid."


def _tally(sizes: Counter[tuple[int, int]]) -> str:
    return ", ".join(f"{n} of {rows} x {columns}" for (rows, columns), n in sizes.most_common())

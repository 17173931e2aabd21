"""The grid of single-frame DICOM slices: their order, spacing and affine, checked in mm."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from pydicom.dataset import Dataset

from ..errors import GeometryError, InputError
from .dicom_numbers import number, vector

Floats = npt.NDArray[np.float64]

#: Slice distances may differ by this part of their median, or by rounding in the header (mm).
SPACING_RTOL, SPACING_ATOL = 0.02, 0.01
#: Slices may shift in their plane, over the whole stack, by this part of a pixel.
MAX_SHIFT = 0.5
#: Largest difference of direction cosines within a series.
ORIENTATION_TOL = 1e-3

_LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])


def has_position(header: Dataset) -> bool:
    """Tell whether a slice states where it lies in the patient."""
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
    lengths = np.linalg.norm(along_x), np.linalg.norm(along_y)
    if max(abs(n - 1) for n in lengths) > 0.01 or abs(along_x @ along_y) > 0.01:
        raise GeometryError(
            f"{label}: the orientation {np.round(cosines, 4).tolist()} is not two perpendicular "
            "unit vectors; the header is damaged."
        )
    if (spacing <= 0).any():
        raise GeometryError(
            f"{label}: a pixel spacing of {spacing.tolist()} mm is impossible; "
            "the header is damaged."
        )
    normal = np.cross(along_x, along_y)
    return position, along_x * spacing[1], along_y * spacing[0], normal / np.linalg.norm(normal)


def ras_affine(origin: Floats, x: Floats, y: Floats, z: Floats) -> Floats:
    """Build the affine of voxel indices (x, y, z) in RAS mm from steps in DICOM's LPS mm."""
    lps = np.eye(4)
    lps[:3] = np.stack([x, y, z, origin], axis=1)
    return _LPS_TO_RAS @ lps


def slice_affine(header: Dataset, label: str) -> Floats:
    """Return the affine of one slice; its thickness is the third voxel size (1 mm if unknown)."""
    origin, x, y, normal = plane(header, label)
    sizes = (number(header, key) for key in ("SpacingBetweenSlices", "SliceThickness"))
    return ras_affine(origin, x, y, normal * next((abs(s) for s in sizes if s), 1.0))


def order_slices(headers: Sequence[Dataset], label: str) -> tuple[list[int], Floats]:
    """Order slices along their normal and check that they form one regular grid.

    Parameters
    ----------
    headers : sequence of Dataset
        At least two slices of one series, in any order.
    label : str
        Name of the series in messages.

    Returns
    -------
    order : list of int
        ``headers[order[k]]`` is slice ``k``.
    affine : ndarray, shape (4, 4)
        Voxel indices (x, y, z) to RAS mm.

    Raises
    ------
    GeometryError
        If sizes or orientations differ, slices are missing, unevenly spaced or sheared.
    InputError
        If several images share each position (time points, echoes).
    """
    _check_same_plane(headers, label)
    planes = [plane(h, label) for h in headers]
    _, x, y, normal = planes[0]
    origins = np.stack([p[0] for p in planes])
    distances = origins @ normal
    order = [int(i) for i in np.argsort(distances, kind="stable")]
    origins, distances = origins[order], distances[order]
    gaps = np.diff(distances)
    _check_gaps(gaps, distances, label)
    step = (origins[-1] - origins[0]) / (len(order) - 1)
    _check_shift(origins, step, normal, min(np.linalg.norm(x), np.linalg.norm(y)), label)
    return order, ras_affine(origins[0], x, y, step)


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
            first is None or v is None or float(np.abs(v - first).max()) > ORIENTATION_TOL
            for v in values
        )
        if differing:
            raise GeometryError(
                f"{label}: {differing} of {len(headers)} images differ from the first in "
                f"{name}, so they are not one volume; keep the files of one stack in the folder."
            )


def _check_gaps(gaps: Floats, distances: Floats, label: str) -> None:
    n = len(distances)
    same = int((gaps < SPACING_ATOL).sum())
    if same:
        positions = n - same
        if n % positions == 0:
            raise InputError(
                f"{label}: {n} images share {positions} slice positions, {n // positions} at each "
                "(time points, echoes or b-values); keep the files of one of them in the folder."
            )
        raise GeometryError(
            f"{label}: {n} images share {positions} slice positions unevenly, so some are missing "
            "or double; export the series again."
        )
    typical = float(np.median(gaps))
    wrong = np.abs(gaps - typical) > max(SPACING_ATOL, SPACING_RTOL * typical)
    if not wrong.any():
        return
    where = int(np.argmax(np.abs(gaps - typical)))
    span = f"{distances[where]:.2f} and {distances[where + 1]:.2f} mm along the slice normal"
    multiples = gaps / typical
    whole = np.abs(multiples - np.rint(multiples)) <= SPACING_RTOL * multiples
    if whole.all() and multiples.min() > 0.5:
        missing = int((np.rint(multiples) - 1).sum())
        raise GeometryError(
            f"{label}: {missing} of {n + missing} slices {'is' if missing == 1 else 'are'} missing "
            f"(spacing {typical:.2f} mm, largest gap between {span}); export the series again."
        )
    raise GeometryError(
        f"{label}: the slices are unevenly spaced, {gaps.min():.2f} to {gaps.max():.2f} mm apart "
        f"(typically {typical:.2f}, worst between {span}); resample the series to even spacing."
    )


def _check_shift(
    origins: Floats, step: Floats, normal: Floats, pixel: np.floating[Any] | float, label: str
) -> None:
    """Refuse a stack whose slices move sideways: tilted, or not on a line."""
    sideways = step - (step @ normal) * normal
    if np.linalg.norm(sideways) * (len(origins) - 1) > MAX_SHIFT * pixel:
        angle = float(np.degrees(np.arctan2(np.linalg.norm(sideways), step @ normal)))
        raise GeometryError(
            f"{label}: the slices are sheared by {angle:.1f} degrees (gantry tilt), "
            f"{np.linalg.norm(sideways):.2f} mm per slice; resample the series without tilt first."
        )
    line = origins[0] + np.arange(len(origins))[:, None] * step
    off = float(np.linalg.norm(origins - line, axis=1).max())
    if off > MAX_SHIFT * pixel + SPACING_RTOL * float(np.linalg.norm(step)):
        raise GeometryError(
            f"{label}: a slice lies {off:.2f} mm off the line of the others, so they are not one "
            "regular grid; keep the files of one stack in the folder."
        )


def _tally(sizes: Counter[tuple[int, int]]) -> str:
    return ", ".join(f"{n} of {rows} x {columns}" for (rows, columns), n in sizes.most_common())

"""Siemens mosaics and grids of United Imaging: all slices of a volume as tiles of one image."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np
import numpy.typing as npt
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from ..errors import ReadError
from .dicom_numbers import integer, number, put, vector
from .dicom_stack import plane

#: A tile: its header, and its position in the image (frame, rows, columns).
Tile = tuple[Dataset, tuple[int | slice, ...]]
Floats = npt.NDArray[np.float64]

#: Private attributes of United Imaging (0065,xx..): slices in the image, normal, their positions.
_COUNT, _NORMAL, _FRAMES = 0x50, 0x14, 0x51


def is_grid(header: Dataset) -> bool:
    """Return whether an image consists of slices as tiles."""
    kind = header.get("ImageType") or ()
    return "MOSAIC" in kind or ("VFRAME" in kind and _uih_element(header, _COUNT) is not None)


def tiles(header: Dataset, label: str) -> tuple[list[Tile], tuple[str, ...]]:
    """Return the slices of a mosaic or grid.

    Siemens' private headers contain the number of slices and the direction of the stack. The
    position (0020,0032) is that of the corner of the whole image, as if one slice had its size. In
    grids of United Imaging it is that of the first slice.

    Parameters
    ----------
    header : Dataset
        Of the file, without pixels; `is_grid` holds.
    label : str
        For messages.

    Returns
    -------
    tiles : list of (Dataset, tuple)
        Each tile's header with its own position, and its index in the image.
    notes : tuple of str
        If the order of the slices had to be assumed.

    Raises
    ------
    ReadError
        If the private header or the slice spacing is missing, or does not fit the image.
    """
    siemens = "MOSAIC" in (header.get("ImageType") or ())
    if siemens:
        count, direction, note = _siemens(header, label)
        across = down = math.ceil(math.sqrt(count))
    else:
        count, direction, note = _uih_grid(header, label)
        across = math.ceil(math.sqrt(count))
        down = math.ceil(count / across)
    kind = "a Siemens mosaic" if siemens else "a grid"
    rows, columns = int(header.Rows) // down, int(header.Columns) // across
    if rows < 1 or columns < 1 or rows * down != header.Rows or columns * across != header.Columns:
        raise ReadError(
            f"{label}: {kind} of {header.Rows} x {header.Columns} pixels cannot contain "
            f"{count} slices in {down} x {across} tiles; export the series again."
        )
    corner, x, y, normal = plane(header, label)
    if siemens:  # the image was centred on the slice's centre
        corner = (
            corner + x * (int(header.Columns) - columns) / 2 + y * (int(header.Rows) - rows) / 2
        )
    positions = [] if siemens else _uih_positions(header)
    if len(positions) != count:
        spacing = number(header, "SpacingBetweenSlices") or number(header, "SliceThickness")
        if not spacing:
            raise ReadError(
                f"{label}: {kind} (all slices in one image) does not state the distance between "
                "its slices; export the series again."
            )
        step = normal * abs(spacing) * (1 if direction @ normal >= 0 else -1)
        positions = [corner + k * step for k in range(count)]
    else:
        note = None
    found: list[Tile] = []
    for k in range(count):
        tile = Dataset()
        tile.update(header)
        put(tile, Rows=rows, Columns=columns, ImagePositionPatient=positions[k].tolist())
        top, left = rows * (k // across), columns * (k % across)
        found.append((tile, (0, slice(top, top + rows), slice(left, left + columns))))
    return found, (() if note is None else (note,))


def _siemens(header: Dataset, label: str) -> tuple[int, Floats, str | None]:
    """Return the number of slices, and their direction with a sentence where it is assumed."""
    csa = _csa(header)
    count = integer(next(iter(csa.get("NumberOfImagesInMosaic", ())), 0)) or 0
    direction = _numbers(csa.get("SliceNormalVector", ()))
    if count < 1:
        block = _private(header, 0x0019, "SIEMENS MR HEADER", 0x0A)  # stays in some exports
        count = integer(block) or 0
    if count < 1:
        raise ReadError(
            f"{label}: a Siemens mosaic (all slices in one image) without the private header "
            "with their number and order (it was removed by anonymisation); export the series "
            "again with it, or convert it to NIfTI on the scanner's side."
        )
    if direction.shape == (3,):
        return count, direction, None
    normal = plane(header, label)[3]
    usual = normal * np.sign(normal[np.argmax(np.abs(normal))])
    towards = ("from right to left", "from front to back", "from feet to head")
    return (
        count,
        usual,
        "The order of the mosaic's slices was removed by anonymisation; Siemens' usual one was "
        "assumed, "
        f"{towards[int(np.argmax(np.abs(normal)))]}.",
    )


def _uih_grid(header: Dataset, label: str) -> tuple[int, Floats, str | None]:
    count = integer(_uih_element(header, _COUNT)) or 0
    if count < 1:
        raise ReadError(
            f"{label}: a grid (all slices in one image) that does not say how many slices it "
            "has (0065,1050); export the series again."
        )
    direction = _numbers(_uih_element(header, _NORMAL))
    if direction.shape == (3,):
        return count, direction, None
    note = "The order of the grid's slices is not stated; it was assumed to be along their normal."
    return count, plane(header, label)[3], note


def _numbers(values: Any) -> Floats:
    """Return private values as numbers; empty where they are none."""
    try:
        return np.array([float(v) for v in values])
    except (TypeError, ValueError):
        return np.zeros(0)


def _uih_positions(header: Dataset) -> list[Floats]:
    """Return the position of each slice of a grid, if all of them state one."""
    frames = _uih_element(header, _FRAMES)
    if not isinstance(frames, Sequence):  # of a file that does not state its type
        return []
    found = [vector(frame, "ImagePositionPatient") for frame in frames]
    return [p for p in found if p is not None and len(p) == 3]


def _uih_element(header: Dataset, element: int) -> Any:
    if not str(header.get("Manufacturer") or "").strip().upper().startswith(("UIH", "UNITED")):
        return None
    return _private(header, 0x0065, "Image Private Header", element)


def _private(header: Dataset, group: int, creator: str, element: int) -> Any:
    """Return a private value by its block's creator, wherever the block is."""
    try:
        value = header.private_block(group, creator)[element].value
    except KeyError:
        return None
    return value.decode("ascii", "ignore").strip("\0 ") if isinstance(value, bytes) else value


def _csa(header: Dataset) -> dict[str, list[Any]]:
    """Return the values of Siemens' private image header by name; empty where there is none."""
    with warnings.catch_warnings():  # nibabel calls its DICOM part experimental, on import
        warnings.simplefilter("ignore")
        from nibabel.nicom.csareader import CSAReadError, get_csa_header
    try:
        found = get_csa_header(header, "image") or {}
    except (CSAReadError, ValueError, KeyError, TypeError):
        return {}
    return {name: tag["items"] for name, tag in found.get("tags", {}).items()}

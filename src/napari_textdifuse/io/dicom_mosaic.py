"""Siemens mosaics: all slices of a time point as tiles of one picture."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np
from pydicom.dataset import Dataset

from ..errors import ReadError
from .dicom_numbers import number, put
from .dicom_stack import plane

#: A tile: its header, and where it lies in the picture (frame, rows, columns).
Tile = tuple[Dataset, tuple[int | slice, ...]]


def tiles(header: Dataset, label: str) -> list[Tile]:
    """Return the slices of a mosaic.

    The number of slices and the direction in which they follow each other are in Siemens' private
    CSA header (read by nibabel); the position (0020,0032) is that of the whole picture's corner,
    as if one slice had its size.

    Parameters
    ----------
    header : Dataset
        Of the file, without pixels.
    label : str
        For messages.

    Returns
    -------
    list of (Dataset, tuple)
        Each tile's header with its own position, and its index in the picture.

    Raises
    ------
    ReadError
        If the private header or the slice spacing is missing, or does not fit the picture.
    """
    csa = _csa(header)
    count = int(next(iter(csa.get("NumberOfImagesInMosaic", ())), 0))
    direction = np.array([float(v) for v in csa.get("SliceNormalVector", ())])
    spacing = number(header, "SpacingBetweenSlices") or number(header, "SliceThickness")
    if count < 1 or direction.shape != (3,) or not spacing:
        raise ReadError(
            f"{label}: a Siemens mosaic (all slices in one picture) without the private header "
            "with their number and order (it was removed by anonymisation); export the series "
            "again with it, or convert it to NIfTI on the scanner's side."
        )
    across = math.ceil(math.sqrt(count))
    rows, columns = int(header.Rows) // across, int(header.Columns) // across
    if (
        rows < 1
        or columns < 1
        or rows * across != header.Rows
        or columns * across != header.Columns
    ):
        raise ReadError(
            f"{label}: a Siemens mosaic of {header.Rows} x {header.Columns} pixels cannot hold "
            f"{count} slices in {across} x {across} tiles; export the series again."
        )
    corner, x, y, normal = plane(header, label)
    # the picture was centred on the slice's centre
    first = corner + x * (int(header.Columns) - columns) / 2 + y * (int(header.Rows) - rows) / 2
    step = normal * abs(spacing) * (1 if direction @ normal >= 0 else -1)
    found: list[Tile] = []
    for k in range(count):
        tile = Dataset()
        tile.update(header)
        position = (first + k * step).tolist()
        put(tile, Rows=rows, Columns=columns, ImagePositionPatient=position)
        top, left = rows * (k // across), columns * (k % across)
        found.append((tile, (0, slice(top, top + rows), slice(left, left + columns))))
    return found


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

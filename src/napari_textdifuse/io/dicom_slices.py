"""The slices in DICOM files: one in a classic file, many in a mosaic or multi-frame file."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

from pydicom.dataset import Dataset
from pydicom.uid import DeflatedExplicitVRLittleEndian, RLELossless

from ..volume import Array
from .dicom_find import ImageHeaders, frame_count, inflated_size
from .dicom_mosaic import is_grid, tiles
from .dicom_numbers import integer
from .dicom_pixels import decode, is_colour, rescale
from .limits import RATIO, RLE_RATIO, check_complete, check_held, check_plane, check_size

#: Attributes of files that describe their frames separately, whatever their number.
_FRAMED = (
    "SharedFunctionalGroupsSequence",
    "PerFrameFunctionalGroupsSequence",
    "DoseGridScaling",
)


@dataclass(frozen=True)
class Slice:
    """One slice, from any kind of file.

    Parameters
    ----------
    header : Dataset
        Position, orientation, pixel spacing, rescaling and times of this slice, at the top level.
    pixels : callable
        Decodes its measured values ``(rows, columns)``, or colours ``(rows, columns, 3)``.
    notes : tuple of str
        Assumptions about its position.
    """

    header: Dataset
    pixels: Callable[[], Array]
    notes: tuple[str, ...] = ()


def slices_of(found: ImageHeaders, label: str) -> list[Slice]:
    """Return the slices of the files of one series, in no particular order.

    Parameters
    ----------
    found : list of (Path, Dataset)
        Files with their headers.
    label : str
        For messages.

    Returns
    -------
    list of Slice

    Raises
    ------
    ReadError
        If a mosaic or multi-frame file does not say how its slices are arranged.
    """
    slices: list[Slice] = []
    for path, header in found:
        _check_claim(path, header)
        if is_grid(header):
            slices += _parts(path, *tiles(header, label))
        elif frame_count(header) > 1 or any(tag in header for tag in _FRAMED):
            from .dicom_frames import frame_headers

            headers, notes = frame_headers(header, label)
            slices += _parts(path, [(h, (k,)) for k, h in enumerate(headers)], notes)
        else:
            slices.append(Slice(header, partial(_whole, path)))
    return slices


def _check_claim(path: Path, header: Dataset) -> None:
    """Compare the frames that a header describes with the file, before memory is allocated."""
    frames = frame_count(header)
    samples = integer(header.get("SamplesPerPixel")) or 1
    bits = integer(header.get("BitsAllocated")) or 8
    shape = (frames, int(header.Rows), int(header.Columns), samples)
    size = math.prod(shape) * bits // 8
    meta = getattr(header, "file_meta", None)
    syntax = None if meta is None else meta.get("TransferSyntaxUID")
    deflated = syntax == DeflatedExplicitVRLittleEndian
    packed = deflated or (syntax is not None and syntax.is_encapsulated)
    ratio = RLE_RATIO if syntax == RLELossless else RATIO
    check_size(path.name, shape, bits / 8, path.stat().st_size if packed else None, ratio)
    if packed:
        check_plane(path.name, *shape[1:3], path.stat().st_size)
    if deflated:
        check_held(path.name, size, inflated_size(path))
    elif syntax == RLELossless:  # two bytes become 128 at most
        check_complete(path.name, size // 64, path)
    elif syntax is not None and syntax.is_encapsulated:
        if "MPEG" not in syntax.name.upper():  # else each frame is an item of its own
            check_complete(path.name, 8 * frames, path)
    elif header.get("PhotometricInterpretation") != "YBR_FULL_422":
        check_complete(path.name, size, path)


def _whole(path: Path) -> Array:
    array, dataset = decode(path)
    return array if is_colour(dataset) else rescale(array, dataset, path.name)


def _parts(
    path: Path, parts: list[tuple[Dataset, tuple[int | slice, ...]]], notes: tuple[str, ...]
) -> list[Slice]:
    """Split one file into slices; it stays decoded while one of them is in use."""

    @cache
    def stored() -> Array:
        array, dataset = decode(path)
        picture = array.ndim == 2 + is_colour(dataset)
        return array[None] if picture else array

    def pixels(header: Dataset, key: tuple[int | slice, ...]) -> Array:
        array = stored()[key]
        return array if is_colour(header) else rescale(array, header, path.name)

    return [Slice(header, partial(pixels, header, key), notes) for header, key in parts]

"""Find the DICOM images of a folder, by their headers."""

from __future__ import annotations

import zlib
from pathlib import Path

from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.filereader import _read_file_meta_info, read_preamble
from pydicom.uid import DeflatedExplicitVRLittleEndian

from ..errors import ReadError
from ._quiet import reason
from ._series import SeriesInfo
from .dicom_numbers import integer
from .limits import in_words, max_unpacked, unpacks_to_too_much

#: What this package reads; DICOM is tried last.
CAN_READ = (
    "NIfTI (.nii, .nii.gz), PNG, JPEG, TIFF, BMP, a DICOM file, or a folder with a DICOM series"
)
#: Suffixes under which DICOM files without the usual preamble are found.
SUFFIXES = ("", ".dcm", ".dicom", ".ima", ".img")
#: Derived from other series: not chosen when a folder is opened.
_DERIVED = ("SEG", "RTDOSE")
#: A deflated file may inflate to this much, whatever its size: pydicom takes it several times.
ANY_RATIO = 2**28

ImageHeaders = list[tuple[Path, Dataset]]


def image_header(path: Path) -> Dataset:
    """Return the header of one file that contains an image.

    Raises
    ------
    ReadError
        If it is not DICOM, damaged, or contains no image.
    """
    header = read_header(path)
    if header is None:
        raise ReadError(
            f"{path.name} is neither DICOM nor another image format that can be read; "
            f"use {CAN_READ}."
        )
    if "DirectoryRecordSequence" in header:
        raise ReadError(f"{path.name} is a DICOMDIR, an index; choose the folder of a series.")
    if not _is_image(header):
        raise ReadError(
            f"{path.name}: the DICOM file contains no image (truncated, or a document)."
        )
    return header


def series_of(folder: Path) -> list[tuple[SeriesInfo, ImageHeaders]]:
    """Group the images of a folder by series, the largest first.

    Raises
    ------
    ReadError
        If the folder cannot be opened, contains no DICOM images, or contains a damaged one.
    """
    groups: dict[str, dict[str, tuple[Path, Dataset]]] = {}
    try:
        paths = sorted(p for p in folder.iterdir() if p.is_file() and not p.name.startswith("."))
    except OSError as error:
        raise ReadError(f"{folder.name} cannot be opened: {error.strerror or error}.") from error
    for path in paths:
        header = read_header(path)
        if header is not None and _is_image(header):
            instance = str(header.get("SOPInstanceUID") or path.name)
            series = groups.setdefault(str(header.get("SeriesInstanceUID") or ""), {})
            series.setdefault(instance, (path, header))  # skip a second copy of a file
    if not groups:
        raise ReadError(
            f"{folder.name}: the folder contains no DICOM images (subfolders are not searched)."
        )
    found = [(series_info(list(group.values())), list(group.values())) for group in groups.values()]
    return sorted(
        found, key=lambda g: (g[0].modality in _DERIVED, -g[0].images, g[0].number or 0, g[0].uid)
    )


def read_header(path: Path) -> Dataset | None:
    """Read everything but pixels; None when the file is not DICOM."""
    try:
        with path.open("rb") as file:
            marked = file.read(132)[128:] == b"DICM"
    except OSError as error:
        raise ReadError(f"{path.name} cannot be opened: {error.strerror or error}.") from error
    suffix = path.suffix.lower()
    if not marked and suffix not in SUFFIXES and not suffix[1:].isdigit():
        return None
    if marked:
        inflated_size(path)  # pydicom inflates a whole file before it looks at it
    try:
        header = dcmread(path, stop_before_pixels=True, force=True)
        drop_empty(header)
        # accessing the values parses them, so damage is detected here
        real = marked or ("SOPClassUID" in header and "Modality" in header) or _is_image(header)
    except Exception as error:  # parsers raise anything on damaged files
        if not marked:
            return None
        raise ReadError(f"{path.name}: the DICOM file is damaged ({reason(error)}).") from error
    return header if real else None


def inflated_size(path: Path) -> int:
    """Return the size of a file's data set once it is inflated, without keeping it in memory.

    Parameters
    ----------
    path : Path
        A DICOM file with a preamble.

    Returns
    -------
    int
        The size of the file where its transfer syntax is not the deflated one (PS3.5 A.5).

    Raises
    ------
    ReadError
        If it is more than `limits.max_unpacked`.
    """
    stored = path.stat().st_size
    with path.open("rb") as file:
        # the file meta information is short and first
        if DeflatedExplicitVRLittleEndian.encode() not in file.read(4096):
            return stored
        file.seek(0)
        try:
            read_preamble(file, force=False)
            meta = _read_file_meta_info(file)
        except Exception:  # damage is reported when the file is read
            return stored
        if meta.get("TransferSyntaxUID") != DeflatedExplicitVRLittleEndian:
            return stored
        limit, size, inflate = (
            max_unpacked(stored, ANY_RATIO),
            0,
            zlib.decompressobj(-zlib.MAX_WBITS),
        )
        try:
            while data := inflate.unconsumed_tail or file.read(1 << 16):
                size += len(inflate.decompress(data, 1 << 22))
                if size > limit:
                    what = f"the data set would inflate to more than {in_words(limit)}"
                    raise unpacks_to_too_much(path.name, what, stored)
        except zlib.error:
            pass
    return size


#: Attributes that are absent when they are empty (PS3.5, 7.4: of unknown value).
_RESCALING = ("RescaleSlope", "RescaleIntercept", "RescaleType", "ModalityLUTSequence")


def drop_empty(header: Dataset) -> None:
    """Delete empty rescaling attributes."""
    for key in _RESCALING:
        if key not in header:
            continue
        value = header[key].value
        empty = value is None or (hasattr(value, "__len__") and len(value) == 0)
        if empty or str(value).strip() == "":
            del header[key]


def complete_rescaling(header: Dataset) -> None:
    """Delete empty rescaling attributes; add what one without the other implies."""
    drop_empty(header)
    if "RescaleSlope" in header and "RescaleIntercept" not in header:
        header.RescaleIntercept = 0
    elif "RescaleIntercept" in header and "RescaleSlope" not in header:
        header.RescaleSlope = 1


def series_info(found: ImageHeaders) -> SeriesInfo:
    """Describe the files of one series."""
    header = found[0][1]
    return SeriesInfo(
        uid=str(header.get("SeriesInstanceUID") or ""),
        modality=str(header.get("Modality") or "DICOM"),
        number=integer(header.get("SeriesNumber")),
        description=str(header.get("SeriesDescription") or ""),
        images=sum(frame_count(h) for _, h in found),
    )


def frame_count(header: Dataset) -> int:
    """Return NumberOfFrames (0028,0008), 1 where it is missing."""
    return max(1, integer(header.get("NumberOfFrames")) or 1)


def _is_image(header: Dataset) -> bool:
    try:
        return int(header.Rows) > 0 and int(header.Columns) > 0
    except (AttributeError, TypeError, ValueError):
        return False

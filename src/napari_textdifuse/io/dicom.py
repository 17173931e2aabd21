"""Read DICOM files and series folders into a `Volume`, without patient identity."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from pydicom import dcmread
from pydicom.dataset import Dataset

from ..errors import GeometryError, InputError, ReadError
from ..volume import MODALITIES, Array, Volume
from ._kinds import CAN_READ
from ._quiet import quiet, reason
from ._series import SeriesInfo
from .dicom_meaning import describe
from .dicom_numbers import number, vector
from .dicom_pixels import decode, load
from .dicom_stack import has_position, order_slices, slice_affine

#: Suffixes under which DICOM files without the usual preamble are found.
SUFFIXES = ("", ".dcm", ".dicom", ".ima", ".img")
#: Made from other series: not what one wants when a folder is opened.
_DERIVED = ("SEG", "RTDOSE")

_Found = list[tuple[Path, Dataset]]
_silently = quiet("pydicom", "highdicom", "PIL")


@_silently
def read_file(path: Path, series: str | None = None) -> Volume:
    """Read one DICOM file: a slice, a picture, or a multi-frame volume.

    Raises
    ------
    ReadError
        If it is not DICOM, damaged, or holds no image.
    """
    header = _header(path)
    if header is None:
        kind = path.suffix or "without an extension"
        raise ReadError(f"{path.name}: a file {kind} that is not DICOM; known are {CAN_READ}.")
    if "DirectoryRecordSequence" in header:
        raise ReadError(f"{path.name} is a DICOMDIR, an index; give the folder of a series.")
    if not _is_image(header):
        raise ReadError(f"{path.name}: the DICOM file holds no image (truncated, or a document).")
    if series is not None and str(header.get("SeriesInstanceUID")) != series:
        raise InputError(f"{path.name} does not belong to the series {series}.")
    return _read_series([(path, header)], _info([(path, header)]), [])


@_silently
def read_folder(folder: Path, series: str | None = None) -> Volume:
    """Read the chosen, or the largest, image series of a folder.

    Raises
    ------
    ReadError
        If there are no images or one is damaged.
    GeometryError
        If the slices are not one regular grid.
    InputError
        If `series` is not in the folder, or several images share each position.
    """
    groups = _series_of(folder)
    infos = [info for info, _ in groups]
    if series is None:
        chosen, *others = groups
    else:
        matching = [group for group in groups if group[0].uid == series]
        if not matching:
            raise InputError(
                f"{folder.name} has no series {series}; it has "
                + "; ".join(f"{i.uid} ({i.title}, {_images(i)})" for i in infos)
                + "."
            )
        chosen = matching[0]
        others = [group for group in groups if group is not chosen]
    info, found = chosen
    notes = []
    if series is None and others:
        notes.append(
            f"The folder holds {len(groups)} image series; the largest, {info.title} with "
            f"{_images(info)}, was read."
        )
    volume = _read_series(found, info, notes)
    if not others:
        return volume
    # without the descriptions: people write names into them
    listed = [
        {"uid": o.uid, "modality": o.modality, "number": o.number, "images": o.images}
        for o, _ in others
    ]
    return volume.with_array(volume.array, metadata={**volume.metadata, "other_series": listed})


@_silently
def list_series(folder: Path) -> list[SeriesInfo]:
    """List the image series of a folder, largest first."""
    return [info for info, _ in _series_of(folder)]


def _series_of(folder: Path) -> list[tuple[SeriesInfo, _Found]]:
    groups: dict[str, dict[str, tuple[Path, Dataset]]] = {}
    try:
        paths = sorted(p for p in folder.iterdir() if p.is_file() and not p.name.startswith("."))
    except OSError as error:
        raise ReadError(f"{folder} cannot be opened: {error.strerror or error}.") from error
    for path in paths:
        header = _header(path)
        if header is not None and _is_image(header):
            instance = str(header.get("SOPInstanceUID") or path.name)
            series = groups.setdefault(str(header.get("SeriesInstanceUID") or ""), {})
            series.setdefault(instance, (path, header))  # a second copy of a file is no image
    if not groups:
        raise ReadError(
            f"{folder}: the folder holds no DICOM images (subfolders are not searched)."
        )
    found = [(_info(list(group.values())), list(group.values())) for group in groups.values()]
    return sorted(
        found, key=lambda g: (g[0].modality in _DERIVED, -g[0].images, g[0].number or 0, g[0].uid)
    )


def _header(path: Path) -> Dataset | None:
    """Read everything but pixels; None when the file is not DICOM."""
    try:
        with path.open("rb") as file:
            marked = file.read(132)[128:] == b"DICM"
    except OSError as error:
        raise ReadError(f"{path} cannot be opened: {error.strerror or error}.") from error
    suffix = path.suffix.lower()
    if not marked and suffix not in SUFFIXES and not suffix[1:].isdigit():
        return None
    try:
        header = dcmread(path, stop_before_pixels=True, force=True)
        # touching the values parses them, so damage shows here and not later
        real = marked or ("SOPClassUID" in header and "Modality" in header) or _is_image(header)
    except Exception as error:  # parsers raise anything on damaged files
        if not marked:
            return None
        raise ReadError(f"{path.name}: the DICOM file is damaged ({reason(error)}).") from error
    return header if real else None


def _is_image(header: Dataset) -> bool:
    try:
        return int(header.Rows) > 0 and int(header.Columns) > 0
    except (AttributeError, TypeError, ValueError):
        return False


def _info(found: _Found) -> SeriesInfo:
    header = found[0][1]
    return SeriesInfo(
        uid=str(header.get("SeriesInstanceUID") or ""),
        modality=str(header.get("Modality") or "DICOM"),
        number=_integer(header.get("SeriesNumber")),
        description=str(header.get("SeriesDescription") or ""),
        images=sum(_frames(h) for _, h in found),
    )


def _read_series(found: _Found, info: SeriesInfo, notes: list[str]) -> Volume:
    label = info.title
    headers = [h for _, h in found]
    if any("MOSAIC" in (h.get("ImageType") or ()) for h in headers):
        raise ReadError(
            f"{label}: Siemens mosaics (all slices in one picture) cannot be read; convert the "
            "series to NIfTI with dcm2niix first."
        )
    framed = [(p, h) for p, h in found if _frames(h) > 1 or _is_enhanced(h)]
    if framed and len(found) > 1:
        raise ReadError(
            f"{label}: {len(framed)} of {len(found)} files have several frames each, so they are "
            "several volumes; give one of the files."
        )
    if framed:
        from .dicom_frames import read_frames

        array, affine, rgb = read_frames(*found[0], label)
    elif len(found) == 1:
        array, affine, rgb = _read_slice(*found[0], label, notes)
    else:
        array, affine, rgb, headers = _read_stack(found, label)
    meaning = describe(headers, array, rgb)
    return Volume(
        meaning.array,
        affine=affine,
        unit=meaning.unit,
        modality=info.modality if info.modality in MODALITIES else None,
        rgb=rgb,
        name=label,
        window=meaning.window,
        metadata=_facts(headers[0]) | meaning.facts | {"notes": (*notes, *meaning.notes)},
    )


def _read_slice(
    path: Path, header: Dataset, label: str, notes: list[str]
) -> tuple[Array, Any, bool]:
    array, rgb = decode(load(path), path.name)
    if has_position(header):
        return array, slice_affine(header, label), rgb
    notes.append("The image states no position in the patient, so it was read without geometry.")
    return array, None, rgb


def _read_stack(found: _Found, label: str) -> tuple[Array, Any, bool, list[Dataset]]:
    without = sum(not has_position(h) for _, h in found)
    if without:
        raise GeometryError(
            f"{label}: {without} of {len(found)} images state no position in the patient, so they "
            "cannot be stacked; give a single file."
        )
    order, affine = order_slices([h for _, h in found], label)
    found = [found[i] for i in order]
    slices = [decode(load(path), path.name) for path, _ in found]
    arrays = [a for a, _ in slices]
    if len({(a.shape, rgb) for a, rgb in slices}) > 1:
        raise ReadError(f"{label}: the series mixes grey and colour images.")
    if any(a.dtype.kind == "f" for a in arrays):  # a slope on some slices only
        arrays = [a.astype(np.float32, copy=False) for a in arrays]
    return np.stack(arrays), affine, slices[0][1], [h for _, h in found]


def _facts(header: Dataset) -> dict[str, Any]:
    """Facts about the acquisition; an allow-list, so that identity cannot slip in."""
    facts: dict[str, Any] = {}
    for key in ("Modality", "SeriesInstanceUID", "Manufacturer"):
        if header.get(key):
            facts[key] = str(header.get(key))
    if (series := _integer(header.get("SeriesNumber"))) is not None:
        facts["SeriesNumber"] = series
    if (thickness := number(header, "SliceThickness")) is not None:
        facts["SliceThickness"] = thickness
    if not has_position(header) and (spacing := vector(header, "PixelSpacing")) is not None:
        facts["PixelSpacing"] = spacing.tolist()
    return facts


def _frames(header: Dataset) -> int:
    return max(1, _integer(header.get("NumberOfFrames")) or 1)


def _is_enhanced(header: Dataset) -> bool:
    return "SharedFunctionalGroupsSequence" in header


def _integer(value: Any) -> int | None:
    try:
        return int(value)
    except (TypeError, ValueError):
        return None


def _images(info: SeriesInfo) -> str:
    return f"{info.images} image{'' if info.images == 1 else 's'}"

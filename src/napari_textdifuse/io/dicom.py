"""Read DICOM files and series folders, without patient identity."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from pydicom.dataset import Dataset

from ..errors import GeometryError, InputError, ReadError
from ..names import contrast_in
from ..optional import highdicom
from ..volume import LABEL_UNIT, MODALITIES, Array, Volume
from ._quiet import quiet, reason
from ._series import SeriesInfo, TimeSeries
from .dicom_derived import stored_record
from .dicom_find import ImageHeaders, image_header, series_info, series_of
from .dicom_meaning import describe
from .dicom_numbers import integer, number, vector
from .dicom_padding import without_padding
from .dicom_pixels import decompressed, is_colour
from .dicom_slices import Slice, slices_of
from .dicom_stack import arrange, has_position, ras_affine
from .gdcm_process import gdcm_process

_silently = quiet("pydicom", "highdicom", "PIL")


@_silently
def open_file(path: Path, series: str | None = None) -> TimeSeries:
    """Open one DICOM file: a slice, a 2-D image, or a multi-frame volume.

    Raises
    ------
    ReadError
        If it is not DICOM, damaged, or contains no image.
    InputError
        If it does not belong to `series`.
    """
    header = image_header(path)
    if series is not None and str(header.get("SeriesInstanceUID")) != series:
        raise InputError(f"{path.name} does not belong to the series {series}.")
    found = [(path, header)]
    return _open(found, series_info(found))


@_silently
def open_folder(folder: Path, series: str | None = None) -> TimeSeries:
    """Open the chosen, or the largest, image series of a folder.

    Raises
    ------
    ReadError
        If there are no images or one is damaged.
    GeometryError
        If the slices are not one regular grid, and cannot be resampled to one.
    InputError
        If `series` is not in the folder, or images of one position cannot be distinguished.
    """
    groups = series_of(folder)
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
    notes: tuple[str, ...] = ()
    if series is None and others:
        notes = (
            f"The folder contains {len(groups)} image series; the largest, {info.title} with "
            f"{_images(info)}, was read.",
        )
    opened = _open(found, info, notes)
    if not others:
        return opened
    # without the descriptions, which may contain names
    listed = [
        {"uid": o.uid, "modality": o.modality, "number": o.number, "images": o.images}
        for o, _ in others
    ]

    def load(time: int) -> Volume:
        volume = opened.load(time)
        return replace(volume, metadata={**volume.metadata, "other_series": listed})

    return replace(opened, load=load)


@_silently
def list_series(folder: Path) -> list[SeriesInfo]:
    """List the image series of a folder, largest first."""
    return [info for info, _ in series_of(folder)]


def _open(found: ImageHeaders, info: SeriesInfo, notes: tuple[str, ...] = ()) -> TimeSeries:
    label = info.title
    first = found[0][1]
    if info.modality == "SEG":
        if len(found) > 1:
            raise ReadError(
                f"{label}: {len(found)} segmentations share the series; give one of the files."
            )
        return TimeSeries(label, 1, lambda _: _silently(read_segments)(found[0][0], label))
    if "TotalPixelMatrixColumns" in first:
        raise ReadError(
            f"{label}: a whole-slide image in tiles, which this package does not read; export the "
            "required region as TIFF."
        )
    slices = slices_of(found, label)
    placed = sum(has_position(s.header) for s in slices)
    if placed == len(slices):
        return _placed(slices, info, notes)
    if placed or len(found) > 1:
        raise GeometryError(
            f"{label}: {len(slices) - placed} of {len(slices)} images state no position in the "
            "patient, so they cannot be stacked; give a single file."
        )
    lacking = "position in the patient"
    if slices and "ImagePositionPatient" in slices[0].header:
        lacking = "position with a pixel spacing"
    note = f"The image states no {lacking}, so it was read without geometry."
    what = "frames that are not stated to be slices of a volume (they may be times or angles)"
    return _series(label, slices, [[k] for k in range(len(slices))], what, info, (*notes, note))


def _placed(slices: Sequence[Slice], info: SeriesInfo, notes: tuple[str, ...]) -> TimeSeries:
    stack = arrange([s.header for s in slices], info.title)
    assumed = dict.fromkeys(note for s in slices for note in s.notes)
    return _series(
        info.title,
        slices,
        stack.times.members,
        stack.times.what,
        info,
        (*notes, *assumed, *stack.notes),
        affine=stack.affine,
        resample=None if stack.regrid is None else stack.regrid.apply,
    )


def _series(
    label: str,
    slices: Sequence[Slice],
    members: Sequence[Sequence[int]],
    what: str,
    info: SeriesInfo,
    notes: tuple[str, ...],
    *,
    affine: Any = None,
    resample: Callable[[Array], Array] | None = None,
) -> TimeSeries:
    """Make the series whose time points consist of the slices in `members`."""
    everything = [s.header for s in slices]

    @_silently
    def load(time: int) -> Volume:
        chosen = [slices[i] for i in members[time]]
        array = _stacked(chosen, label)
        headers = [s.header for s in chosen]
        rgb = is_colour(headers[0])
        padding: list[str] = []
        if not rgb:
            array, padding = without_padding(array, headers, label)
        if resample is not None:
            array = resample(array)
        meaning = describe(headers, everything, array, rgb, label)
        return Volume(
            meaning.array,
            affine=affine,
            unit=meaning.unit,
            modality=info.modality if info.modality in MODALITIES else None,
            contrast=_contrast(headers[0]) if info.modality == "MR" else None,
            rgb=rgb,
            name=label,
            window=meaning.window,
            metadata=_facts(headers[0])
            | meaning.facts
            | _record(headers[0])
            | {"notes": (*notes, *padding, *meaning.notes)},
        )

    return TimeSeries(label, len(members), load, what)


def _stacked(slices: Sequence[Slice], label: str) -> Array:
    with gdcm_process():  # one for all slices
        arrays = [s.pixels() for s in slices]
    if len({a.shape for a in arrays}) > 1:
        raise ReadError(f"{label}: the series mixes grey and colour images.")
    if any(a.dtype.kind == "f" for a in arrays):  # a slope on some slices only
        arrays = [a.astype(np.float32, copy=False) for a in arrays]
    return arrays[0] if len(arrays) == 1 else np.stack(arrays)


def _contrast(header: Dataset) -> str | None:
    """Return the stated contrast of an MR series; the description itself may identify a patient."""
    for key in ("SeriesDescription", "ProtocolName"):
        found = contrast_in(str(header.get(key) or ""))
        if found is not None:
            return "T1Gd" if found == "T1" and _agent(header) else found
    return None


def _agent(header: Dataset) -> bool:
    """Return whether a contrast agent was given (0018,0010)."""
    agent = str(header.get("ContrastBolusAgent") or "").strip().casefold()
    return agent not in ("", "no", "none", "n")


def _facts(header: Dataset) -> dict[str, Any]:
    """Facts about the acquisition; an allow-list, so that no identity is included."""
    facts: dict[str, Any] = {}
    for key in ("Modality", "Manufacturer"):
        if header.get(key):
            facts[key] = str(header.get(key))
    if (series := integer(header.get("SeriesNumber"))) is not None:
        facts["SeriesNumber"] = series
    times = ("EchoTime", "RepetitionTime", "InversionTime")
    for key in ("SliceThickness", *times, "DiffusionBValue"):
        if (value := number(header, key)) is not None:
            facts[key] = value
    for key in ("ScanningSequence", "SequenceVariant"):  # codes
        if header.get(key):
            value = header.get(key)
            facts[key] = value if isinstance(value, str) else "_".join(map(str, value))
    if _agent(header):
        facts["ContrastBolusAgent"] = "given"  # the text itself may contain anything
    if not has_position(header) and (spacing := vector(header, "PixelSpacing")) is not None:
        facts["PixelSpacing"] = spacing.tolist()
    return facts


def _record(header: Dataset) -> dict[str, Any]:
    """Return how this package made an image, as other formats keep it; empty for all others."""
    record = stored_record(header)
    return {} if record is None else {"record": record}


def _images(info: SeriesInfo) -> str:
    return f"{info.images} image{'' if info.images == 1 else 's'}"


def read_segments(path: Path, label: str) -> Volume:
    """Read a segmentation as labels, numbered as its segments are.

    Parameters
    ----------
    path : Path
    label : str
        For messages.

    Returns
    -------
    Volume
        (Z, Y, X) in the smallest unsigned type, with the unit of label images; the names of the
        segments are in ``metadata["objects"]``.

    Raises
    ------
    ReadError
        If it is damaged, fractional, or its segments overlap or form no regular grid.
    """
    hd = highdicom()

    try:
        segments = hd.seg.Segmentation.from_dataset(decompressed(path), copy=False)
        volume = segments.get_volume(combine_segments=True)
        names = {
            str(number): str(segments.get_segment_description(number).segment_label)
            for number in segments.segment_numbers
        }
    except ReadError:
        raise
    except Exception as error:  # highdicom raises anything
        raise ReadError(
            f"{label}: the segmentation cannot be read as one label image ({reason(error)}); "
            "export its segments as NIfTI."
        ) from error
    array, lps = volume.array, volume.affine  # for axes (slice, row, column)
    first, z, y, x = lps[:3, 3], lps[:3, 0], lps[:3, 1], lps[:3, 2]
    if np.cross(x, y) @ z < 0:  # highdicom counts slices downwards, images are read upwards
        array, first, z = array[::-1], first + (len(array) - 1) * z, -z
    return Volume(
        np.ascontiguousarray(array),
        affine=ras_affine(first, x, y, z),
        unit=LABEL_UNIT,
        name=label,
        metadata={"notes": (), "objects": names} | _record(segments),
    )

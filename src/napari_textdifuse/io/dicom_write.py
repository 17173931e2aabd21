"""Write a derived image as a DICOM series of secondary captures, placed in the patient."""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence as Items
from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage, generate_uid

from ..errors import WriteError, kind_of_values
from ..exports import RAS_LPS
from ..volume import NOTICE, Array, Volume
from ._files import write_bytes
from ._quiet import quiet
from .dicom_derived import add_record, common_header, instance, reference, source_headers
from .dicom_numbers import vector

Floats = npt.NDArray[np.float64]

#: Columns of an affine whose cosine is larger are not perpendicular.
_SHEARED = 1e-3


@quiet("pydicom")
def write_dicom(
    path: str | os.PathLike[str],
    volume: Volume,
    *,
    record: Mapping[str, Any] | None = None,
    source: str | os.PathLike[str] | None = None,
    series: str | None = None,
    identity: bool = False,
    description: str = "Fused image",
    written: Callable[[], None] | None = None,
) -> list[Path]:
    """Write an image as DICOM secondary captures: one file, or a folder with one per slice.

    The objects are marked as derived and not for diagnosis, have new UIDs, and carry the image
    plane (position, orientation, spacing), so that viewers place them in the patient. They are
    either linked (``identity=True``, which needs the source), with the source's patient, study and
    frame of reference and references to its images; or de-identified, with an anonymous patient,
    new UIDs and no reference to a source.

    Parameters
    ----------
    path : str or PathLike
        For a volume a folder, which is created or must be empty; for a single slice a file.
    volume : Volume
        Colours are written in 8 bits (floats are taken as [0, 1]), grey in 16 bits: integers as
        they are, others with a rescale slope and intercept over their range.
    record : mapping, optional
        How the image was made; kept as JSON in a private element of every file.
    source : str or PathLike, optional
        File or folder of the DICOM series that the image was made from, on the same grid.
    series : str, optional
        SeriesInstanceUID, to choose a series of the source's folder.
    identity : bool
        True to link the images to the patient, see above.
    description : str
        SeriesDescription (0008,103E), to which "(derived, not for diagnosis)" is added.
    written : callable, optional
        Called after every slice; what it raises ends the writing, and nothing is left behind.

    Returns
    -------
    list of Path
        The files, in the order of the slices.

    Raises
    ------
    WriteError
        If the grid is sheared, the values are not real numbers, the target exists, or it cannot be
        written; nothing is left behind.
    """
    path = Path(path).expanduser()
    headers = source_headers(source, series, identity=identity)
    common = common_header(
        headers,
        identity=identity,
        description=f"{description} (derived, not for diagnosis)"[:64],
        number=9000,
    )
    encoded = map(_encoded, _slices(volume, common, headers, record, path.name))
    if volume.ndim == 2:
        made = [write_bytes(path, next(encoded))]
        if written is not None:
            written()
        return made
    return _write_folder(path, encoded, volume.shape[0], written)


def _slices(
    volume: Volume,
    common: Dataset,
    source: Sequence[Dataset],
    record: Mapping[str, Any] | None,
    name: str,
) -> Iterator[Dataset]:
    stored, description = _stored(volume, name)
    steps = None if volume.affine is None else plane_of(volume, name)
    planes = stored if volume.ndim == 3 else stored[None]
    for k, plane in enumerate(planes):
        slice_ = Dataset()
        slice_.update(common)
        slice_.update(description)
        slice_.SOPClassUID = SecondaryCaptureImageStorage
        slice_.SOPInstanceUID = generate_uid()
        slice_.Modality = "OT"
        slice_.ConversionType = "WSD"
        slice_.ImageType = ["DERIVED", "SECONDARY"]
        slice_.DerivationDescription = NOTICE
        slice_.BurnedInAnnotation = "NO"
        slice_.InstanceNumber = k + 1
        slice_.PatientOrientation = slice_.Laterality = ""  # not known, which is allowed
        slice_.Rows, slice_.Columns = plane.shape[:2]
        if steps is not None:
            slice_.update(position_of(steps, k))
        if nearest := _source_of(slice_, source):
            slice_.SourceImageSequence = Items([instance(nearest)])
        reference(slice_, source)
        add_record(slice_, record)
        slice_.PixelData = np.ascontiguousarray(plane).tobytes()
        slice_["PixelData"].VR = "OB" if plane.dtype.itemsize == 1 else "OW"
        yield slice_


def _stored(volume: Volume, name: str) -> tuple[Array, Dataset]:
    """Return stored values and the attributes that describe them."""
    array = volume.array
    if array.dtype.kind not in "biuf":
        raise WriteError(f"{name}: {kind_of_values(array.dtype)} cannot be written as DICOM.")
    header = Dataset()
    if volume.rgb:
        array = array[..., :3]
        if array.dtype.kind == "f":
            array = np.rint(np.clip(np.nan_to_num(array), 0, 1) * 255)
        elif array.size and (array.min() < 0 or array.max() > 255):
            raise WriteError(
                f"{name}: colours from {array.min()} to {array.max()} do not fit into 8 bits; "
                "scale them to [0, 1] floats."
            )
        header.SamplesPerPixel, header.PlanarConfiguration = 3, 0
        header.PhotometricInterpretation = "RGB"
        _add_bits(header, 8, signed=False)
        return array.astype(np.uint8), header
    header.SamplesPerPixel = 1
    header.PhotometricInterpretation = "MONOCHROME2"
    slope, intercept, signed = 1.0, 0.0, False
    if array.dtype.kind == "f":
        finite = array[np.isfinite(array)].astype(np.float64)
        low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)
        slope, intercept = (high - low) / 65535 or 1.0, low
        if low >= 0 and high <= 1:
            low, high = 0.0, 1.0  # how a fused image is shown
        scaled = (np.nan_to_num(array.astype(np.float64), nan=intercept) - intercept) / slope
        stored = np.rint(np.clip(scaled, 0, 65535)).astype(np.uint16)
    else:
        low, high = int(array.min(initial=0)), int(array.max(initial=0))
        signed = low < 0
        limits = np.iinfo(np.int16 if signed else np.uint16)
        if low < limits.min or high > limits.max:
            raise WriteError(f"{name}: integers from {low} to {high} do not fit into 16 bits.")
        stored = array.astype(limits.dtype)
    header.RescaleSlope, header.RescaleIntercept = f"{slope:.10g}", f"{intercept:.10g}"
    header.RescaleType = "HU" if volume.unit == "HU" else "US"
    if volume.window is not None and volume.window[1] > volume.window[0]:
        low, high = volume.window
    if high > low:
        header.WindowCenter, header.WindowWidth = f"{(low + high) / 2:.10g}", f"{high - low:.10g}"
        header.VOILUTFunction = "LINEAR_EXACT"
    _add_bits(header, 16, signed=signed)
    return stored, header


def _add_bits(header: Dataset, bits: int, *, signed: bool) -> None:
    header.BitsAllocated = header.BitsStored = bits
    header.HighBit = bits - 1
    header.PixelRepresentation = int(signed)


def plane_of(volume: Volume, name: str) -> Floats:
    """Return the volume's affine in LPS, checked to be a rectangular grid."""
    lps: Floats = RAS_LPS @ volume.affine
    directions = lps[:3, :3] / np.linalg.norm(lps[:3, :3], axis=0)
    if np.abs(directions.T @ directions - np.eye(3)).max() > _SHEARED:
        raise WriteError(
            f"{name}: the grid is sheared, which DICOM slices cannot represent; write NIfTI, or "
            "resample the image to a rectangular grid."
        )
    return lps


def position_of(lps: Floats, k: int) -> Dataset:
    """Return the image plane of a slice (PS3.3 C.7.6.2)."""
    x, y, z = np.linalg.norm(lps[:3, :3], axis=0)
    header = Dataset()
    corner = lps[:3, 3] + k * lps[:3, 2]
    header.ImagePositionPatient = [_decimal(v) for v in corner]
    header.ImageOrientationPatient = [_decimal(v) for v in (*lps[:3, 0] / x, *lps[:3, 1] / y)]
    header.PixelSpacing = [_decimal(y), _decimal(x)]
    header.SliceThickness = header.SpacingBetweenSlices = _decimal(z)
    return header


def _decimal(value: float) -> str:
    """Return a decimal string of at most 16 characters, without a minus zero."""
    return f"{value + 0.0:.10g}" if abs(value) >= 1e-9 else "0"


def _source_of(slice_: Dataset, source: Sequence[Dataset]) -> Dataset | None:
    """Return the source image closest to a slice, or None without positions."""
    place = vector(slice_, "ImagePositionPatient")
    placed = [(p, h) for h in source if (p := vector(h, "ImagePositionPatient")) is not None]
    if place is None or not placed:
        return source[0] if len(source) == 1 else None
    return min(placed, key=lambda pair: float(np.linalg.norm(pair[0] - place)))[1]


def _encoded(dataset: Dataset) -> bytes:
    if len(dataset.PixelData) % 2:
        dataset.PixelData += b"\0"
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    buffer = BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def _write_folder(
    folder: Path, files: Iterator[bytes], count: int, written: Callable[[], None] | None
) -> list[Path]:
    """Create a folder with numbered files, completely or not at all."""
    if not folder.parent.is_dir():
        raise WriteError(f"{folder.name} cannot be created: its folder does not exist.")
    if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        raise WriteError(f"{folder.name} already exists; choose a new or empty folder.")
    temporary = folder.with_name(f".{uuid.uuid4().hex}.tmp")
    names = [f"{k + 1:04d}.dcm" for k in range(count)]
    try:
        temporary.mkdir()
        for name, data in zip(names, files, strict=True):
            write_bytes(temporary / name, data)
            if written is not None:
                written()
        if folder.exists():
            folder.rmdir()
        temporary.rename(folder)
    except OSError as error:
        raise WriteError(
            f"{folder.name} could not be written: {error.strerror or error}."
        ) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return [folder / name for name in names]

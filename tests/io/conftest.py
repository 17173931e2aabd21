"""Builders of small DICOM files with known geometry and values."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import UID, ExplicitVRLittleEndian, generate_uid

CLASSES = {
    "CT": "1.2.840.10008.5.1.4.1.1.2",
    "MR": "1.2.840.10008.5.1.4.1.1.4",
    "PT": "1.2.840.10008.5.1.4.1.1.128",
    "NM": "1.2.840.10008.5.1.4.1.1.20",
    "OT": "1.2.840.10008.5.1.4.1.1.7",
    "US": "1.2.840.10008.5.1.4.1.1.6.1",
}
#: What must never reach a Volume.
SECRETS = {
    "PatientName": "Doe^Secretive",
    "PatientID": "ID-Secretive",
    "PatientBirthDate": "19010203",
    "AccessionNumber": "ACC-Secretive",
    "StudyDate": "20190405",
    "InstitutionName": "Secretive Clinic",
    "SeriesDescription": "Secretive thorax",
}

Make = Callable[..., Dataset]


def dicom(array: np.ndarray, modality: str = "CT", **tags: Any) -> Dataset:
    """A dataset with the pixels of `array`; tags by keyword, None removes one."""
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SOPClassUID = UID(CLASSES[modality])
    dataset.SOPInstanceUID = generate_uid()
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    dataset.Modality = modality
    dataset.SeriesInstanceUID = "1.2.3.4"
    dataset.SeriesNumber = 3
    for key, value in SECRETS.items():
        setattr(dataset, key, value)
    colour = tags.get("SamplesPerPixel", 1) == 3
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = "RGB" if colour else "MONOCHROME2"
    if colour:
        dataset.PlanarConfiguration = 0
    plane = array.shape[:-1] if colour else array.shape
    dataset.Rows, dataset.Columns = plane[-2:]
    if len(plane) == 3:
        dataset.NumberOfFrames = plane[0]
    dataset.BitsAllocated = dataset.BitsStored = 8 * array.dtype.itemsize
    dataset.HighBit = dataset.BitsStored - 1
    dataset.PixelRepresentation = int(array.dtype.kind == "i")
    if modality == "CT":
        dataset.RescaleSlope, dataset.RescaleIntercept = 1, -1024
    dataset.PixelData = np.ascontiguousarray(array).tobytes()
    for key, value in tags.items():
        if value is None:
            delattr(dataset, key)
        else:
            setattr(dataset, key, value)
    return dataset


def save(dataset: Dataset, path: Path) -> Path:
    dataset.save_as(path, enforce_file_format=True)
    return path


@pytest.fixture
def make_dicom() -> Make:
    return dicom


@pytest.fixture
def save_dicom() -> Callable[[Dataset, Path], Path]:
    return save


@pytest.fixture
def secrets() -> dict[str, str]:
    return dict(SECRETS)


@pytest.fixture
def make_series() -> Callable[..., list[Dataset]]:
    """Slices of a (Z, Y, X) array: shuffled files, oblique or axial, known spacing."""

    def make(
        folder: Path,
        array: np.ndarray,
        modality: str = "CT",
        *,
        spacing: tuple[float, float, float] = (2.5, 1.5, 0.75),
        cosines: np.ndarray | None = None,
        origin: tuple[float, float, float] = (-10.0, -20.0, 30.0),
        skip: tuple[int, ...] = (),
        shift: Callable[[int], np.ndarray] = lambda k: np.zeros(3),
        each: Callable[[int], dict[str, Any]] = lambda k: {},
        prefix: str = "",
        **tags: Any,
    ) -> list[Dataset]:
        folder.mkdir(exist_ok=True)
        rows, columns = np.array([1.0, 0, 0]), np.array([0, 1.0, 0])
        if cosines is not None:
            rows, columns = cosines[:3], cosines[3:]
        normal = np.cross(rows, columns)
        made = []
        for k in range(len(array)):
            if k in skip:
                continue
            position = np.array(origin) + k * spacing[0] * normal + shift(k)
            slice_tags = {
                "ImagePositionPatient": [float(f"{v:.9f}") for v in position],
                "ImageOrientationPatient": [float(f"{v:.11f}") for v in (*rows, *columns)],
                "PixelSpacing": [spacing[1], spacing[2]],
                "SliceThickness": spacing[0],
                "InstanceNumber": k + 1,
                **tags,
                **each(k),
            }
            dataset = dicom(array[k], modality, **slice_tags)
            save(
                dataset, folder / f"{prefix}{(k * 7) % 11:02d}_{k}"
            )  # names say nothing of the order
            made.append(dataset)
        return made

    return make


def item(**tags: Any) -> Dataset:
    made = Dataset()
    for key, value in tags.items():
        setattr(made, key, value)
    return made


def macro(**tags: Any) -> Sequence:
    """A functional group, or any other sequence of one item."""
    return Sequence([item(**tags)])


@pytest.fixture
def make_enhanced() -> Make:
    """An enhanced multi-frame file; one dict of functional groups per frame."""

    def make(array: np.ndarray, frames: list[dict[str, Any]], **tags: Any) -> Dataset:
        shared = item(
            PixelMeasuresSequence=macro(PixelSpacing=[1.5, 0.75], SliceThickness=2.5),
            PlaneOrientationSequence=macro(ImageOrientationPatient=[1, 0, 0, 0, 1, 0]),
        )
        dataset = dicom(
            array,
            "MR",
            **{
                "SOPClassUID": UID("1.2.840.10008.5.1.4.1.1.4.1"),
                "SharedFunctionalGroupsSequence": Sequence([shared]),
                "PerFrameFunctionalGroupsSequence": Sequence([item(**f) for f in frames]),
                **tags,
            },
        )
        dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
        return dataset

    return make


def _csa(tags: dict[str, list[str]]) -> bytes:
    """Siemens' private image header, in its second format."""
    data = b"SV10\4\3\2\1" + struct.pack("<2I", len(tags), 77)
    for name, values in tags.items():
        data += struct.pack("<64si4s3i", name.encode(), len(values), b"DS", 3, len(values), 77)
        for value in values:
            text = value.encode() + b"\0"
            data += struct.pack("<4i", len(text), len(text), 77, len(text))
            data += text + bytes(-len(text) % 4)
    return data


@pytest.fixture
def make_mosaic() -> Make:
    """A Siemens mosaic of a (Z, Y, X) array; its position is that of the whole image."""

    def make(array: np.ndarray, normal: tuple[float, float, float], **tags: Any) -> Dataset:
        count, rows, columns = array.shape
        across = int(np.ceil(np.sqrt(count)))
        picture = np.zeros((across * rows, across * columns), array.dtype)
        for k, tile in enumerate(array):
            y, x = rows * (k // across), columns * (k % across)
            picture[y : y + rows, x : x + columns] = tile
        dataset = dicom(picture, "MR", ImageType=["ORIGINAL", "PRIMARY", "M", "MOSAIC"], **tags)
        numbers = {
            "NumberOfImagesInMosaic": [str(count)],
            "SliceNormalVector": [f"{v:.8f}" for v in normal],
        }
        block = dataset.private_block(0x0029, "SIEMENS CSA HEADER", create=True)
        block.add_new(0x10, "OB", _csa(numbers))
        return dataset

    return make


@pytest.fixture
def pet_tags() -> dict[str, Any]:
    """A PET header for which SUV can be computed by hand.

    70 kg, 350 MBq of F-18 (half-life taken as 6600 s) one half-life before the scan: 175 MBq are
    left, so 1 Bq/mL is 70000 g / 175e6 Bq = 0.0004 SUV.
    """
    tracer = Dataset()
    tracer.RadionuclideTotalDose = 350e6
    tracer.RadionuclideHalfLife = 6600
    tracer.RadiopharmaceuticalStartTime = "081000.00"
    return {
        "Units": "BQML",
        "CorrectedImage": ["NORM", "ATTN", "DECY"],
        "DecayCorrection": "START",
        "PatientWeight": 70,
        "SeriesDate": "20200102",
        "SeriesTime": "100000",
        "AcquisitionDate": "20200102",
        "AcquisitionTime": "100000",
        "RescaleSlope": 2,
        "RescaleIntercept": 0,
        "RadiopharmaceuticalInformationSequence": Sequence([tracer]),
    }

"""The simulated PET and T1 as DICOM series: one uncompressed file per slice, no real person."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import (
    ExplicitVRLittleEndian,
    MRImageStorage,
    PositronEmissionTomographyImageStorage,
)
from pydicom.valuerep import DSfloat

WEIGHT_KG = 75.0
DOSE_BQ = 250e6
HALF_LIFE_S = 6586.2  # F-18
INJECTED, SCANNED, WAITED_S = "090000", "100000", 3600.0
DATE = "20240102"
#: DICOM's patient axes run to the left and to the back.
RAS_TO_LPS = np.diag([-1.0, -1.0, 1.0])


def uid(*words: object) -> str:
    """Return a UID that depends on nothing but the words (PS3.5 B.2)."""
    name = "napari-textdifuse sample " + " ".join(map(str, words))
    return f"2.25.{uuid.uuid5(uuid.NAMESPACE_URL, name).int}"


def suv_factor() -> float:
    """SUVbw per Bq/mL at the start of the scan."""
    return WEIGHT_KG * 1000 / (DOSE_BQ * 2 ** (-WAITED_S / HALF_LIFE_S))


def write_pet(folder: Path, suv: npt.NDArray[np.float32], affine: npt.NDArray[np.float64]) -> None:
    """Write SUVbw as Bq/mL, with what is needed to compute SUV again.

    Parameters
    ----------
    folder : Path
    suv : ndarray, axes (x, y, z)
    affine : ndarray, shape (4, 4)
        Voxel to RAS mm; x must run to the left and y to the back.
    """
    activity = suv / suv_factor()
    for k in range(suv.shape[2]):
        data = _common("PT", k, suv.shape, affine)
        data.SOPClassUID = PositronEmissionTomographyImageStorage
        data.SeriesDescription = "Simulated FDG PET brain"
        data.SeriesType = ["STATIC", "IMAGE"]
        data.NumberOfSlices = suv.shape[2]
        data.ImageIndex = k + 1
        data.Units = "BQML"
        data.CountsSource = "EMISSION"
        data.CorrectedImage = ["DECY", "ATTN", "SCAT", "DTIM", "RAN", "NORM"]
        data.DecayCorrection = "START"
        data.DecayFactor = 1
        data.CollimatorType = "NONE"
        data.RandomsCorrectionMethod = "DLYD"
        data.AttenuationCorrectionMethod = "CT-derived"
        data.ScatterCorrectionMethod = "model-based"
        data.ReconstructionMethod = "simulated"
        data.ActualFrameDuration = 600000  # ms
        data.FrameReferenceTime = 300000
        data.PatientWeight = WEIGHT_KG
        data.RadiopharmaceuticalInformationSequence = [_tracer()]
        # a slope per slice, as scanners write it
        slope = DSfloat(max(float(activity[..., k].max()), 1.0) / 32000, auto_format=True)
        data.RescaleSlope, data.RescaleIntercept, data.RescaleType = slope, 0, "BQML"
        _save(data, np.rint(activity[..., k] / float(slope)), folder)


def write_mr(folder: Path, values: npt.NDArray[np.int16], affine: npt.NDArray[np.float64]) -> None:
    """Write a T1-weighted volume; parameters as in `write_pet`, values in arbitrary units."""
    for k in range(values.shape[2]):
        data = _common("MR", k, values.shape, affine)
        data.SOPClassUID = MRImageStorage
        data.SeriesDescription = "Simulated T1 brain"
        data.ScanningSequence = ["GR", "IR"]
        data.SequenceVariant = ["SP", "MP"]
        data.ScanOptions = ""
        data.MRAcquisitionType = "3D"
        data.MagneticFieldStrength = 3
        data.RepetitionTime, data.EchoTime, data.InversionTime = 2300, 3, 900
        data.FlipAngle = 9
        data.EchoTrainLength = 1
        data.WindowCenter, data.WindowWidth = 170, 340
        _save(data, values[..., k], folder)


def _tracer() -> Dataset:
    tracer = Dataset()
    tracer.Radiopharmaceutical = "Fluorodeoxyglucose F^18^"
    tracer.RadiopharmaceuticalRoute = "Intravenous route"
    tracer.RadiopharmaceuticalStartTime = f"{INJECTED}.00"
    tracer.RadiopharmaceuticalStartDateTime = f"{DATE}{INJECTED}.00"
    tracer.RadionuclideTotalDose = DOSE_BQ
    tracer.RadionuclideHalfLife = HALF_LIFE_S
    tracer.RadionuclidePositronFraction = 0.967
    tracer.RadionuclideCodeSequence = [_code("C-111A1", "SRT", "^18^Fluorine")]
    tracer.RadiopharmaceuticalCodeSequence = [_code("C-B1031", "SRT", "Fluorodeoxyglucose F^18^")]
    return tracer


def _code(value: str, scheme: str, meaning: str) -> Dataset:
    code = Dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = value, scheme, meaning
    return code


def _common(
    modality: str, k: int, shape: tuple[int, ...], affine: npt.NDArray[np.float64]
) -> Dataset:
    """Return patient, study, series, equipment and plane of one slice."""
    lps = RAS_TO_LPS @ affine[:3]
    spacing = np.linalg.norm(lps[:, :3], axis=0)
    along = lps[:, :3] / spacing
    normal = np.cross(along[:, 0], along[:, 1])
    if not np.allclose(normal, along[:, 2], atol=1e-4):
        raise ValueError("x to the left, y to the back and z up are needed for this DICOM writer")
    position = lps @ (0, 0, k, 1)
    data = Dataset()
    data.PatientName, data.PatientID = "SIMULATED^BRAIN", "SIMULATED"
    data.PatientBirthDate, data.PatientSex = "", "O"
    data.StudyInstanceUID = uid("study")
    data.StudyDate = data.SeriesDate = data.AcquisitionDate = data.ContentDate = DATE
    data.StudyTime = data.SeriesTime = data.AcquisitionTime = data.ContentTime = SCANNED
    data.StudyID, data.AccessionNumber, data.ReferringPhysicianName = "1", "", ""
    data.StudyDescription = "Simulated head"
    data.Modality = modality
    data.SeriesInstanceUID = uid("series", modality)
    data.SeriesNumber = {"PT": 1, "MR": 2}[modality]
    data.FrameOfReferenceUID = uid("frame of reference")  # one: the two are registered
    data.PositionReferenceIndicator = ""
    data.Manufacturer = "napari-textdifuse"
    data.ManufacturerModelName = "Simulated scanner"
    data.BodyPartExamined = "HEAD"
    data.PatientPosition = "HFS"
    data.ImageType = ["ORIGINAL", "PRIMARY"]
    data.SOPInstanceUID = uid("image", modality, k)
    data.InstanceNumber = k + 1
    data.AcquisitionNumber = 1
    data.BurnedInAnnotation = "NO"
    data.ImagePositionPatient = _numbers(position)
    data.ImageOrientationPatient = _numbers(np.concatenate([along[:, 0], along[:, 1]]))
    data.PixelSpacing = _numbers(spacing[[1, 0]].round(4))
    data.SliceThickness = DSfloat(round(float(spacing[2]), 4))
    data.SliceLocation = DSfloat(float(position @ normal), auto_format=True)
    data.Rows, data.Columns = shape[1], shape[0]
    return data


def _numbers(values: npt.NDArray[Any]) -> list[DSfloat]:
    return [DSfloat(float(v), auto_format=True) for v in values]


def _save(data: Dataset, pixels: npt.NDArray[Any], folder: Path) -> None:
    data.SamplesPerPixel, data.PhotometricInterpretation = 1, "MONOCHROME2"
    data.BitsAllocated, data.BitsStored, data.HighBit = 16, 16, 15
    data.PixelRepresentation = 0
    data.PixelData = np.ascontiguousarray(pixels.T.astype("<u2")).tobytes()
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = data.SOPClassUID
    meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.ImplementationClassUID = uid("implementation")
    meta.ImplementationVersionName = "TEXTDIFUSE_SIM"
    data.file_meta = meta
    folder.mkdir(parents=True, exist_ok=True)
    data.save_as(folder / f"{data.InstanceNumber:03d}.dcm", enforce_file_format=True)

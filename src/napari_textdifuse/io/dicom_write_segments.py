"""Write a label image as a DICOM segmentation."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence as Items
from pydicom.uid import (
    CTImageStorage,
    ExplicitVRLittleEndian,
    SegmentationStorage,
    generate_uid,
)

from .._version import __version__
from ..errors import WriteError, kind_of_values
from ..optional import highdicom as import_highdicom
from ..volume import NOTICE, Array, Volume
from ._files import check_target, write_bytes
from ._quiet import quiet
from .dicom_derived import SOFTWARE, add_record, common_header, source_headers
from .dicom_numbers import put
from .dicom_write import plane_of, position_of

if TYPE_CHECKING:
    import highdicom

#: Words of objects, and their category and type in pydicom's dictionary of SNOMED CT.
_CODES: dict[str, tuple[str, str]] = {
    **dict.fromkeys(
        ("tumour", "tumor", "neoplasm"), ("MorphologicallyAbnormalStructure", "Neoplasm")
    ),
    **dict.fromkeys(("lesion", "hyperintensity"), ("MorphologicallyAbnormalStructure", "Lesion")),
    **dict.fromkeys(
        ("haemorrhage", "hemorrhage", "bleeding"),
        ("MorphologicallyAbnormalStructure", "Hemorrhage"),
    ),
    **dict.fromkeys(
        ("infarct", "calcification"),  # without codes in that dictionary
        ("MorphologicallyAbnormalStructure", "MorphologicallyAbnormalStructure"),
    ),
    **dict.fromkeys(("oedema", "edema"), ("MorphologicallyAbnormalStructure", "Edema")),
    "cyst": ("MorphologicallyAbnormalStructure", "Cyst"),
    "mass": ("MorphologicallyAbnormalStructure", "Mass"),
    "bone": ("AnatomicalStructure", "Bone"),
    "skull": ("AnatomicalStructure", "Skull"),
    "ventricle": ("AnatomicalStructure", "BrainVentricle"),
    "vessel": ("AnatomicalStructure", "BloodVessel"),
    "lung": ("AnatomicalStructure", "Lung"),
    "liver": ("AnatomicalStructure", "Liver"),
    "kidney": ("AnatomicalStructure", "Kidney"),
    "heart": ("AnatomicalStructure", "Heart"),
    "bladder": ("AnatomicalStructure", "Bladder"),
    "thalamus": ("AnatomicalStructure", "Thalamus"),
    "brain": ("AnatomicalStructure", "Brain"),
    **dict.fromkeys(("grey matter", "gray matter"), ("Tissue", "GrayMatter")),
    "white matter": ("Tissue", "WhiteMatter"),
    "fat": ("Tissue", "AdiposeTissue"),
    "soft tissue": ("Tissue", "SoftTissue"),
    **dict.fromkeys(("fluid", "csf"), ("Substance", "CerebrospinalFluid")),
    "air": ("Substance", "Air"),
    "metal": ("PhysicalObject", "Implant"),
}
_EQUIPMENT = ("Manufacturer", "ManufacturerModelName", "DeviceSerialNumber", "SoftwareVersions")
#: The attributes needed for a segmentation's references.
_OF_SOURCE = (
    "SOPClassUID",
    "SOPInstanceUID",
    "SeriesInstanceUID",
    "StudyInstanceUID",
    "FrameOfReferenceUID",
    "Modality",
    "Rows",
    "Columns",
    "NumberOfFrames",
    "ImagePositionPatient",
    "ImageOrientationPatient",
    "PixelSpacing",
    "SliceThickness",
)


@quiet("pydicom", "highdicom")
def write_segmentation(
    path: str | os.PathLike[str],
    labels: Volume,
    *,
    names: Mapping[Any, str] | None = None,
    record: Mapping[str, Any] | None = None,
    source: str | os.PathLike[str] | None = None,
    series: str | None = None,
    identity: bool = False,
) -> Path:
    """Write labels as a binary DICOM segmentation (DICOM-SEG), one file with all segments.

    Parameters
    ----------
    path : str or PathLike
        Ends in ``.dcm``.
    labels : Volume
        Integers, 0 for the background, with geometry. DICOM numbers segments from 1 without
        gaps: labels with gaps are renumbered, in their order.
    names : mapping, optional
        Label (a number, or its text) to the name of the object.
    record : mapping, optional
        How the labels were made; kept as JSON in a private element. Its ``objects`` serve as
        `names` where these are not given, and its ``drawn`` says whether a person drew them.
    source, series, identity
        See `write_dicom`. With the identity of the source the segmentation refers to its images.

    Returns
    -------
    Path

    Raises
    ------
    WriteError
        If the labels are not integers, all background, or without a rectangular grid.
    """
    path = Path(path).expanduser()
    check_target(path)
    headers = source_headers(source, series, identity=identity)
    common = common_header(
        headers, identity=identity, description="Mask (derived, not for diagnosis)", number=9001
    )
    array = labels.array if labels.ndim == 3 else labels.array[None]
    found = _check(labels, path.name)
    lps = plane_of(labels, path.name)
    numbered = np.zeros(array.shape, np.uint16)
    for number, label in enumerate(found, start=1):
        numbered[array == label] = number
    facts = record or {}
    named = names or facts.get("label_names", facts.get("objects")) or {}  # before 0.2: "objects"
    known = {str(k): v for k, v in named.items()}
    titles = [known.get(str(label), f"label {label}") for label in found]
    place = position_of(lps, 0)
    place.Rows, place.Columns = array.shape[1:]
    # a segmentation gives patient and study, but has no image to refer to
    referred = [h for h in headers if h.get("SOPClassUID") != SegmentationStorage]
    images = _images(referred, common, place)
    made = _segmentation(numbered, lps, titles, images, facts.get("drawn"))
    if not referred:
        _forget_sources(made)
    for element in common:  # patient and study as everywhere, not as highdicom copied them
        made[element.tag] = element
    made.ContentDescription = NOTICE[:64]
    add_record(made, record)
    buffer = BytesIO()
    made.save_as(buffer, enforce_file_format=True)
    return write_bytes(path, buffer.getvalue())


def _check(labels: Volume, name: str) -> list[int]:
    """Return the labels that occur."""
    if labels.rgb or labels.array.dtype.kind not in "biu":
        raise WriteError(
            f"{name}: a segmentation needs integers, not "
            f"{kind_of_values(labels.array.dtype)}; write "
            "the image with write_dicom, or as NIfTI."
        )
    if labels.affine is None:
        raise WriteError(
            f"{name}: labels without geometry cannot be placed in a patient; write .tif or .png."
        )
    found = [int(v) for v in np.unique(labels.array) if v != 0]
    if not found:
        raise WriteError(f"{name}: the labels are all background, so there is no segment to write.")
    return found


def _segmentation(
    numbered: Array,
    lps: Array,
    titles: Sequence[str],
    source: Sequence[Dataset],
    drawn: str | None,
) -> highdicom.seg.Segmentation:
    hd = import_highdicom()
    from pydicom.sr.codedict import codes

    algorithm = hd.AlgorithmIdentificationSequence(
        name=SOFTWARE, family=codes.DCM.ArtificialIntelligence, version=__version__
    )
    # (0062,0008): a mask is a person's work; boxes, points and drawings are the start of ours
    how = "AUTOMATIC" if drawn is None else "MANUAL" if drawn == "mask" else "SEMIAUTOMATIC"
    descriptions = [
        hd.seg.SegmentDescription(
            segment_number=number,
            segment_label=title[:64],
            segmented_property_category=getattr(codes.SCT, coded(title)[0]),
            segmented_property_type=getattr(codes.SCT, coded(title)[1]),
            algorithm_type=hd.seg.SegmentAlgorithmTypeValues(how),
            algorithm_identification=None if how == "MANUAL" else algorithm,
        )
        for number, title in enumerate(titles, start=1)
    ]
    affine = lps[:, [2, 1, 0, 3]]  # highdicom's volumes count slice, row, column
    return hd.seg.Segmentation(
        source_images=list(source),
        pixel_array=hd.Volume(numbered, affine, "PATIENT", source[0].get("FrameOfReferenceUID")),
        segmentation_type=hd.seg.SegmentationTypeValues.BINARY,
        segment_descriptions=descriptions,
        series_instance_uid=generate_uid(),
        series_number=9001,
        sop_instance_uid=generate_uid(),
        instance_number=1,
        manufacturer=SOFTWARE,
        manufacturer_model_name=SOFTWARE,
        software_versions=__version__,
        device_serial_number="none",
        content_label="MASK",
        omit_empty_frames=False,  # otherwise the grid would shrink to the objects
    )


def coded(title: str) -> tuple[str, str]:
    """Return the SNOMED CT category and type of an object (PS3.16 CID 7150, 7151).

    Parameters
    ----------
    title : str
        Such as "tumour 2" or "left ventricle". The longest known word of it counts.

    Returns
    -------
    category, type : str
        Names in pydicom's dictionary of SNOMED CT. Objects without a code are tissue.
    """
    words = f" {' '.join(re.findall('[a-z]+', title.casefold()))} "
    known = [name for name in _CODES if f" {name} " in words or f" {name}s " in words]
    return _CODES[max(known, key=len)] if known else ("Tissue", "Tissue")


def _images(source: Sequence[Dataset], common: Dataset, place: Dataset) -> list[Dataset]:
    """Return what highdicom needs of the source images, or of a substitute if there are none.

    It copies the patient from them, so they get the one for the segmentation.
    """
    images = []
    for header in source or [Dataset()]:
        image = Dataset()
        image.update(common)
        image.update(place)
        for key in _EQUIPMENT:  # highdicom would take it for the scanner
            delattr(image, key)
        image.SOPClassUID, image.SOPInstanceUID = CTImageStorage, generate_uid()
        image.Modality = "CT"
        for key in _OF_SOURCE:
            if key in header:
                put(image, **{key: header[key].value})
        image.file_meta = FileMetaDataset()
        image.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        images.append(image)
    return images


def _forget_sources(made: Dataset) -> None:
    """Remove the references to a substitute; they are optional (PS3.3 C.7.6.16.2.6)."""
    for frame in made.PerFrameFunctionalGroupsSequence:
        frame.DerivationImageSequence = Items([])
    for key in ("ReferencedSeriesSequence", "SourceImageSequence"):
        if key in made:
            delattr(made, key)

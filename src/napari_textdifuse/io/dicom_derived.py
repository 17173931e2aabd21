"""Common attributes of all DICOM objects written by this package: origin and patient."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from pydicom.dataset import Dataset
from pydicom.sequence import Sequence as Items
from pydicom.uid import UID, generate_uid

from .._version import __version__
from ..errors import WriteError
from ..volume import NOTICE
from ._files import to_json
from .dicom_find import image_header, series_of

SOFTWARE = "napari-textdifuse"
#: The patient if the identity was not requested.
ANONYMOUS = {
    "PatientName": "TEXTDIFUSE^ANONYMOUS",
    "PatientID": "TEXTDIFUSE",
    "PatientBirthDate": "",
    "PatientSex": "",
    "StudyDate": "",
    "StudyTime": "",
    "StudyID": "",
    "AccessionNumber": "",
    "ReferringPhysicianName": "",
}
#: What identity=True copies in addition; patient and study modules (PS3.3 C.7.1.1, C.7.2.1).
_MORE_IDENTITY = (
    "IssuerOfPatientID",
    "PatientAge",
    "PatientSize",
    "PatientWeight",
    "PatientIdentityRemoved",  # a de-identified source stays one
    "DeidentificationMethod",
)
#: Group and creator of the private element that holds the record.
PRIVATE_GROUP = 0x0071


def source_headers(
    source: str | os.PathLike[str] | None, series: str | None, *, identity: bool
) -> list[Dataset]:
    """Return the headers of the series that is referred to: of a folder the chosen or largest one.

    There are none without `identity`, because references to a study identify a patient too.

    Raises
    ------
    WriteError
        If the chosen series does not exist.
    ReadError
        If there are no DICOM images.
    """
    if source is None:
        return []
    source = Path(source).expanduser()
    if not source.is_dir():
        return [image_header(source)] if identity else []
    for info, found in series_of(source):
        if series in (None, info.uid):
            return [header for _, header in found] if identity else []
    raise WriteError(f"{source.name} has no series {series} to refer to; omit it.")


def common_header(
    source: Sequence[Dataset], *, identity: bool, description: str, number: int
) -> Dataset:
    """Return patient, study, series and equipment of a derived object.

    Parameters
    ----------
    source : sequence of Dataset
        The series it was derived from; of the same patient and study with `identity`.
    identity : bool
        Copy the patient and study modules from `source`. Otherwise the patient is anonymous and
        nothing of the source is kept: a study under two patients is a conflict in every archive.
    description : str
        Of the series.
    number : int
        SeriesNumber (0020,0011).

    Returns
    -------
    Dataset
        Without an instance UID and without pixels.

    Raises
    ------
    WriteError
        If identity is requested without a source.
    """
    if identity and not source:
        raise WriteError("there is no patient to copy; pass the source series.")
    header = Dataset()
    for key, value in ANONYMOUS.items():
        setattr(header, key, source[0].get(key, value) if identity else value)
    if identity:
        for key in _MORE_IDENTITY:
            if key in source[0]:
                setattr(header, key, source[0].get(key))
    else:
        header.PatientIdentityRemoved = "YES"
        header.DeidentificationMethod = f"{SOFTWARE}: no identity, new UIDs"
    first = source[0] if identity else Dataset()
    header.StudyInstanceUID = first.get("StudyInstanceUID") or generate_uid()
    header.FrameOfReferenceUID = first.get("FrameOfReferenceUID") or generate_uid()
    header.PositionReferenceIndicator = ""
    header.SeriesInstanceUID = generate_uid()
    header.SeriesNumber = number
    header.SeriesDescription = description
    now = datetime.now()
    header.ContentDate = header.SeriesDate = f"{now:%Y%m%d}"
    header.ContentTime = header.SeriesTime = f"{now:%H%M%S}"
    header.Manufacturer = header.ManufacturerModelName = SOFTWARE
    header.SoftwareVersions = __version__
    header.DeviceSerialNumber = "none"
    header.ImageComments = NOTICE
    return header


def add_record(header: Dataset, record: Mapping[str, Any] | None) -> None:
    """Keep the record as JSON in a private element, (0071,xx01) of this package's block."""
    if record is not None:
        block = header.private_block(PRIVATE_GROUP, SOFTWARE, create=True)
        block.add_new(0x01, "UT", to_json(record, ascii_only=True))


def stored_record(header: Dataset) -> dict[str, Any] | None:
    """Return the record that `add_record` kept; None where there is none that can be read."""
    try:
        record = json.loads(header.private_block(PRIVATE_GROUP, SOFTWARE)[0x01].value)
    except (KeyError, TypeError, ValueError):
        return None
    return record if isinstance(record, dict) else None


def reference(header: Dataset, source: Sequence[Dataset]) -> None:
    """Name the source series in an object of the same study (PS3.3 C.12.2)."""
    if not source:
        return
    series = Dataset()
    series.SeriesInstanceUID = source[0].SeriesInstanceUID
    series.ReferencedInstanceSequence = Items(instance(h) for h in source)
    header.ReferencedSeriesSequence = Items([series])


def instance(header: Dataset) -> Dataset:
    """Return the reference to one instance."""
    item = Dataset()
    item.ReferencedSOPClassUID = UID(header.SOPClassUID)
    item.ReferencedSOPInstanceUID = UID(header.SOPInstanceUID)
    return item

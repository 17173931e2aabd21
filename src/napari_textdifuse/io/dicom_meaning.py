"""What DICOM values mean: unit, display window, and facts worth a note."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue

from ..volume import Array
from .dicom_numbers import number
from .suv import pet_scale

Window = tuple[float, float]


@dataclass
class Meaning:
    """Values in their unit, with what is known about them."""

    array: Array
    unit: str = "a.u."
    window: Window | None = None
    facts: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def describe(
    headers: Sequence[Dataset], series: Sequence[Dataset], array: Array, rgb: bool
) -> Meaning:
    """Find the unit of rescaled values and convert PET to SUV where it can be.

    Parameters
    ----------
    headers : sequence of Dataset
        Of the slices of one volume.
    series : sequence of Dataset
        Of all slices of the series: a dynamic PET is corrected to the start of the whole.
    array : ndarray
        Rescaled values, or colours.
    rgb : bool

    Returns
    -------
    Meaning
    """
    first = headers[0]
    meaning = Meaning(array)
    if str(first.get("BurnedInAnnotation") or "").upper() == "YES":
        meaning.notes.append(
            "Text is burned into the pixels (0028,0301) and may identify the patient."
        )
    if rgb:
        return meaning
    if first.get("PhotometricInterpretation") == "MONOCHROME1":
        meaning.facts["PhotometricInterpretation"] = "MONOCHROME1"
        meaning.notes.append(
            "The image is meant to be shown inverted (MONOCHROME1); its values were kept."
        )
    meaning.window = _common_window(headers)
    modality = str(first.get("Modality") or "")
    if modality == "CT":
        kind = str(first.get("RescaleType") or "HU").strip().upper()
        if kind == "HU" and "RescaleSlope" in first:
            meaning.unit = "HU"
        else:
            meaning.notes.append(
                "The CT values are not stated to be Hounsfield units, so they were read as "
                "arbitrary units."
            )
    elif modality == "RTDOSE":
        if str(first.get("DoseUnits") or "").upper() == "GY" and "DoseGridScaling" in first:
            meaning.unit = "Gy"
    elif modality == "PT":
        scale = pet_scale(series)
        meaning.unit = scale.unit
        if scale.facts:
            meaning.facts["suv"] = {"factor": scale.factor, **scale.facts}
        if scale.note:
            meaning.notes.append(scale.note)
        if scale.factor != 1:
            meaning.array = (array * np.float64(scale.factor)).astype(np.float32)
            meaning.window = None  # it belongs to the unit before the conversion
        else:
            meaning.array = array.astype(np.float32, copy=False)
    else:
        _real_world(headers, meaning)
    return meaning


#: Units of UCUM under the names used here.
_UCUM = {"{counts}": "counts", "bq/ml": "Bq/mL", "[hnsf'u]": "HU", "g/ml{suvbw}": "SUVbw"}


def _real_world(headers: Sequence[Dataset], meaning: Meaning) -> None:
    """Apply one linear Real World Value Mapping (0040,9096) of all slices, PS3.3 C.7.6.16.2.11."""
    found = set()
    for header in headers:
        items = header.get("RealWorldValueMappingSequence") or []
        slope = number(items[0], "RealWorldValueSlope") if len(items) == 1 else None
        if slope is None:
            return
        codes = items[0].get("MeasurementUnitsCodeSequence") or []
        code = str(codes[0].get("CodeValue") or "") if codes else ""
        found.add((slope, number(items[0], "RealWorldValueIntercept") or 0.0, code))
    rescaled = {(number(h, "RescaleSlope"), number(h, "RescaleIntercept")) for h in headers}
    if len(found) != 1 or not rescaled <= {(None, None), (1.0, 0.0)}:
        meaning.notes.append(
            "Real world values (0040,9096) were not applied: the file has several, or a rescaling "
            "as well."
        )
        return
    slope, intercept, code = found.pop()
    meaning.array = (meaning.array * slope + intercept).astype(np.float32)
    meaning.unit = _UCUM.get(code.lower(), "a.u." if code in ("", "1") else code)
    meaning.window = None  # it belongs to the stored values


def _common_window(headers: Sequence[Dataset]) -> Window | None:
    """Return the first window if every slice has the same; PS3.3 C.11.2.1.2."""
    windows = {_window(h) for h in headers}
    return windows.pop() if len(windows) == 1 else None


def _window(header: Dataset) -> Window | None:
    try:
        centre = float(_first(header.get("WindowCenter")))
        width = float(_first(header.get("WindowWidth")))
    except (TypeError, ValueError, IndexError):
        return None
    if not (np.isfinite(centre) and np.isfinite(width)):
        return None
    if str(header.get("VOILUTFunction") or "LINEAR").upper() == "LINEAR":
        centre, width = centre - 0.5, width - 1
    return (centre - width / 2, centre + width / 2) if width > 0 else None


def _first(value: Any) -> Any:
    return value[0] if isinstance(value, (MultiValue, list, tuple)) else value

"""The meaning of DICOM values: unit, display window, and facts to note."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue

from ..meaning import NOT_STATED_HU
from ..volume import Array
from .dicom_numbers import number
from .dicom_real_world import Meaning, Window, apply_real_world
from .enhanced_pet import is_enhanced
from .scaling import scaled
from .suv import PetScale, pet_scale

#: A CT that goes below this, in HU, has air or fat in it.
FAR_BELOW_WATER = -200.0


def describe(
    headers: Sequence[Dataset], series: Sequence[Dataset], array: Array, rgb: bool, label: str
) -> Meaning:
    """Find the unit of rescaled values and convert PET to SUV if possible.

    Parameters
    ----------
    headers : sequence of Dataset
        Of the slices of one volume.
    series : sequence of Dataset
        Of all slices of the series: a dynamic PET is corrected to the start of the whole.
    array : ndarray
        Rescaled values, or colours.
    rgb : bool
    label : str
        Of the image, for messages.

    Returns
    -------
    Meaning

    Raises
    ------
    ReadError
        If a conversion gives values that float32 cannot represent.
    """
    first = headers[0]
    meaning = Meaning(array)
    if str(first.get("BurnedInAnnotation") or "").upper() == "YES":
        meaning.notes.append(
            "Text is burned into the pixels (0028,0301) and may identify the patient."
        )
    if rgb:
        return meaning
    if any(number(header, "RescaleSlope") == 0 for header in headers):
        meaning.notes.append("A rescale slope (0028,1053) of 0 was ignored.")
    if first.get("PhotometricInterpretation") == "MONOCHROME1":
        meaning.facts["PhotometricInterpretation"] = "MONOCHROME1"
        meaning.notes.append(
            "The image is meant to be shown inverted (MONOCHROME1); its values were kept."
        )
    meaning.window = _common_window(headers)
    modality = str(first.get("Modality") or "")
    if modality == "CT":
        kind = str(first.get("RescaleType") or "HU").strip().upper()
        stated = kind == "HU" and "RescaleSlope" in first
        if stated and "RescaleIntercept" not in first:
            below = array.size > 0 and float(np.min(array)) < FAR_BELOW_WATER
            stated = below
            meaning.notes.append(
                "The CT states no rescale intercept (0028,1052), which was taken to be 0"
                + ("." if below else "; the values reach nowhere near air.")
            )
        if stated:
            meaning.unit = "HU"
        else:
            meaning.notes.append(NOT_STATED_HU)
    elif modality == "RTDOSE":
        if str(first.get("DoseUnits") or "").upper() == "GY" and "DoseGridScaling" in first:
            meaning.unit = "Gy"
    elif modality == "PT":
        _pet(headers, series, meaning, label)
    else:
        apply_real_world(headers, meaning, label)
    return meaning


def _pet(
    headers: Sequence[Dataset], series: Sequence[Dataset], meaning: Meaning, label: str
) -> None:
    """Convert PET to SUV where it can be; mappings of the file itself come first."""
    units = None
    if is_enhanced(headers[0]):  # the unit is that of the mapping
        if apply_real_world(headers, meaning, label, "SUVbw"):
            return
        units = "BQML" if apply_real_world(headers, meaning, label, "Bq/mL") else None
    scale = pet_scale(series, units)
    if units is None:
        if scale.unit != "SUVbw" and apply_real_world(headers, meaning, label, "SUVbw"):
            return
        if scale.unit == "a.u." and apply_real_world(headers, meaning, label, "Bq/mL"):
            meaning.notes.append(
                "SUV could not be computed because the unit of the stored values (0054,1001) is "
                "not given; they were read in Bq/mL, to which the file maps them."
            )
            return
    array, note = meaning.array, scale.note
    if scale.decay is not None:
        factors = np.array([scale.decay(header) for header in headers])
        if len(headers) == 1 or len(array) == len(headers):
            array = (array * factors.reshape(-1, *[1] * 2)).reshape(array.shape)
        else:
            scale = PetScale(1.0, "Bq/mL")
            note = (
                "SUV could not be computed because the slices were resampled before they could be "
                "corrected for decay; the values were left in Bq/mL."
            )
    meaning.unit = scale.unit
    if scale.facts:
        meaning.facts["suv"] = {"factor": scale.factor, **scale.facts}
    if note:
        meaning.notes.append(note)
    if scale.factor != 1:
        meaning.array = scaled(array, label, "the weight and dose of its header", scale.factor)
        meaning.window = None  # it belongs to the unit before the conversion
    else:
        meaning.array = scaled(array, label, "its values")


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

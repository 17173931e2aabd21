"""Real World Value Mapping (0040,9096): stored values in a unit, PS3.3 C.7.6.16.2.11."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
from pydicom.dataset import Dataset

from ..volume import Array
from .dicom_numbers import number
from .scaling import scaled

Window = tuple[float, float]

#: UCUM units under the names used here, the most informative first.
UCUM = {
    "g/ml{suvbw}": "SUVbw",
    "{suvbw}g/ml": "SUVbw",
    "[hnsf'u]": "HU",
    "bq/ml": "Bq/mL",
    "{counts}": "counts",
    "1": "a.u.",
    "": "a.u.",
}
_SOURCE = "the real world values of the file (0040,9096)"
_ORDER = tuple(dict.fromkeys(UCUM.values()))


@dataclass
class Meaning:
    """Values in their unit, with known facts."""

    array: Array
    unit: str = "a.u."
    window: Window | None = None
    facts: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class _Mapping:
    """Conversion of values to a unit: slope and intercept, or a table."""

    unit: str
    slope: float = 1.0
    intercept: float = 0.0
    first: float = 0.0
    table: tuple[float, ...] = ()

    def apply(self, array: Array, label: str) -> Array:
        if not self.table:
            return scaled(array, label, _SOURCE, self.slope, self.intercept)
        place = np.rint(array * self.slope + self.intercept - self.first).astype(np.intp)
        return scaled(np.asarray(self.table)[place], label, _SOURCE)


def apply_real_world(
    headers: Sequence[Dataset], meaning: Meaning, label: str, only: str | None = None
) -> bool:
    """Convert values to the unit of their mapping; with several, to the most informative unit.

    Parameters
    ----------
    headers : sequence of Dataset
        Of the slices of one volume.
    meaning : Meaning
        Its array is rescaled; changed in place.
    label : str
        Of the image, for messages.
    only : str, optional
        Take a mapping to this unit only.

    Returns
    -------
    bool
        Whether a mapping was applied. The choice among several, and mappings that cannot be
        applied, are noted.

    Raises
    ------
    ReadError
        If it gives values that float32 cannot represent.
    """
    stated = [header.get("RealWorldValueMappingSequence") or [] for header in headers]
    if not any(stated):
        return False
    array = meaning.array
    # resampled slices are no more those of the headers
    own = len(headers) > 1 and len(array) == len(headers)
    ends = [_ends(plane) for plane in array] if own else [_ends(array)] * len(headers)
    found = [
        {m for item in items if (m := _mapping(item, header, limits)) is not None}
        for header, items, limits in zip(headers, stated, ends, strict=True)
    ]
    units = set.intersection(*({m.unit for m in slice_} for slice_ in found))
    if only is not None:
        units &= {only}
    if not units:
        if only is None:
            meaning.notes.append(
                "The real world values of the file (0040,9096) have different units in different "
                "slices, or do not cover its values; they were not applied."
            )
        return False
    rank = {unit: place for place, unit in enumerate(_ORDER)}
    # other quantities (a perfusion, a diffusion coefficient) come before plain numbers
    unit = min(units, key=lambda u: (rank.get(u, 3.5), u))
    chosen = _of_each_slice(found, unit)
    if len(set(chosen)) == 1:
        meaning.array = chosen[0].apply(array, label)
    elif own:
        meaning.array = np.stack([m.apply(v, label) for m, v in zip(chosen, array, strict=True)])
    else:
        meaning.notes.append(
            "The real world values of the file (0040,9096) differ from slice to slice, and the "
            "slices were resampled; they were not applied."
        )
        return False
    meaning.unit = unit
    meaning.window = None  # it belongs to the stored values
    count = max(len(of) for of in found)
    if count > 1:
        others = sorted({m.unit for of in found for m in of} - {unit})
        meaning.notes.append(
            f"The file has {count} real world value mappings (0040,9096); that to {unit} was used"
            + (f", not {', '.join(others)}." if others else ", the first of them.")
        )
    return True


def _ends(array: Array) -> Window:
    return float(np.nanmin(array)), float(np.nanmax(array))


def _of_each_slice(found: Sequence[set[_Mapping]], unit: str) -> list[_Mapping]:
    """Return each slice's mapping to a unit; one that all slices have, if there is one."""
    common = [m for m in set.intersection(*found) if m.unit == unit]
    if common:
        return [min(common, key=_order)] * len(found)
    return [min((m for m in of if m.unit == unit), key=_order) for of in found]


def _order(mapping: _Mapping) -> tuple[float, float]:
    return mapping.slope, mapping.intercept


def _mapping(item: Dataset, header: Dataset, ends: Window) -> _Mapping | None:
    """Read an item that covers the image's values; it maps stored values, not rescaled ones."""
    codes = item.get("MeasurementUnitsCodeSequence") or []
    code = str(codes[0].get("CodeValue") or "") if codes else ""
    unit = UCUM.get(code.lower(), code)
    scale = number(header, "RescaleSlope") or 1.0
    offset = number(header, "RescaleIntercept") or 0.0
    to_stored = 1 / scale, -offset / scale
    stored = sorted(value * to_stored[0] + to_stored[1] for value in ends)
    limits = [
        next((v for k in keys if (v := number(item, k)) is not None), None)
        for keys in (
            ("RealWorldValueFirstValueMapped", "DoubleFloatRealWorldValueFirstValueMapped"),
            ("RealWorldValueLastValueMapped", "DoubleFloatRealWorldValueLastValueMapped"),
        )
    ]
    low, high = limits
    if (low is not None and stored[0] < low - 0.5) or (high is not None and stored[1] > high + 0.5):
        return None
    slope = number(item, "RealWorldValueSlope")
    if slope is not None:
        intercept = number(item, "RealWorldValueIntercept") or 0.0
        return _Mapping(unit, slope * to_stored[0], slope * to_stored[1] + intercept)
    values = _table(item)
    if low is None or high is None or len(values) != round(high - low) + 1:
        return None
    return _Mapping(unit, *to_stored, low, tuple(values.tolist()))


def _table(item: Dataset) -> npt.NDArray[np.float64]:
    data: Any = item.get("RealWorldValueLUTData")
    try:
        return np.atleast_1d(np.asarray(data, np.float64)) if data is not None else np.zeros(0)
    except (TypeError, ValueError):
        return np.zeros(0)

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

Window = tuple[float, float]

#: Units of UCUM under the names used here, the most telling first.
UCUM = {
    "g/ml{suvbw}": "SUVbw",
    "[hnsf'u]": "HU",
    "bq/ml": "Bq/mL",
    "{counts}": "counts",
    "1": "a.u.",
    "": "a.u.",
}
_ORDER = tuple(UCUM.values())


@dataclass
class Meaning:
    """Values in their unit, with what is known about them."""

    array: Array
    unit: str = "a.u."
    window: Window | None = None
    facts: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class _Mapping:
    """From values as they were rescaled to a unit: slope and intercept, or a table."""

    unit: str
    slope: float = 1.0
    intercept: float = 0.0
    first: float = 0.0
    table: tuple[float, ...] = ()

    def apply(self, array: Array) -> Array:
        if not self.table:
            return np.asarray((array * self.slope + self.intercept), np.float32)
        place = np.rint(array * self.slope + self.intercept - self.first).astype(np.intp)
        return np.asarray(self.table, np.float32)[place]


def apply_real_world(headers: Sequence[Dataset], meaning: Meaning, only: str | None = None) -> bool:
    """Bring values to the unit of their mapping; of several, to the most telling unit.

    Parameters
    ----------
    headers : sequence of Dataset
        Of the slices of one volume.
    meaning : Meaning
        Its array is rescaled; changed in place.
    only : str, optional
        Take a mapping to this unit only.

    Returns
    -------
    bool
        Whether a mapping was applied. Which of several was taken, and those that cannot be, are
        notes.
    """
    stated = [header.get("RealWorldValueMappingSequence") or [] for header in headers]
    if not any(stated):
        return False
    array = meaning.array
    ends = float(np.nanmin(array)), float(np.nanmax(array))
    found = [
        {m for item in items if (m := _mapping(item, header, ends)) is not None}
        for header, items in zip(headers, stated, strict=True)
    ]
    common = set.intersection(*found)
    if only is not None:
        common = {m for m in common if m.unit == only}
    if not common:
        if only is None:
            meaning.notes.append(
                "The real world values of the file (0040,9096) differ from slice to slice, or do "
                "not cover its values; they were not applied."
            )
        return False
    rank = {unit: place for place, unit in enumerate(_ORDER)}
    # other quantities (a perfusion, a diffusion coefficient) come before plain numbers
    chosen = min(common, key=lambda m: (rank.get(m.unit, 3.5), m.unit, m.slope, m.intercept))
    meaning.array = chosen.apply(array)
    meaning.unit = chosen.unit
    meaning.window = None  # it belongs to the stored values
    if len(common) > 1:
        others = sorted(m.unit for m in common if m is not chosen)
        meaning.notes.append(
            f"The file has {len(common)} real world value mappings (0040,9096); that to "
            f"{chosen.unit} was used, not {', '.join(others)}."
        )
    return True


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

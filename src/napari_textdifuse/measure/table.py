"""Tables of measured objects: columns, CSV, one line of text."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Mapping
from typing import Any

from ..volume import MODALITY_NAMES

#: Notice in every table.
NOTICE = "For research; not for diagnosis."
_STATISTICS = ("voxels", "mean", "sd", "min", "max", "median")
_UPTAKE = ("SUVmean", "SUVmax", "SUVpeak", "MTV_mL", "TLG")
#: Columns of a table, in order. Units are in the names, or in ``a_unit`` and ``b_unit``.
COLUMNS = (
    "label",
    "term",
    "found_in",
    "objects",
    "voxels",
    "slices",
    "volume_mL",
    "area_mm2",
    *(f"centroid_mm_{axis}" for axis in "xyz"),
    *(f"centroid_voxel_{axis}" for axis in "zyx"),
    *(f"{role}_{name}" for role in "ab" for name in ("modality", "unit", *_STATISTICS, *_UPTAKE)),
)


def flat(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row with one plain value per column of `COLUMNS`; None where there is none."""
    values = dict(row)
    for key, axes in (("centroid_mm", "xyz"), ("centroid_voxel", "zyx")):
        place = values.pop(key, None) or ()
        values |= {f"{key}_{a}": v for a, v in zip(axes[-len(place) :], place, strict=False)}
    return {name: values.get(name) for name in COLUMNS}


def columns_of(rows: Iterable[Mapping[str, Any]]) -> dict[str, list[Any]]:
    """Return rows as columns; columns without any value are left out.

    Parameters
    ----------
    rows : iterable of dict
        From `measure_objects`.

    Returns
    -------
    dict of str to list
        NaN marks a missing number.
    """
    table = [flat(row) for row in rows]
    columns = {}
    for name in COLUMNS:
        values = [row[name] for row in table]
        known = [v for v in values if v is not None]
        if known:
            gap: Any = "" if isinstance(known[0], str) else math.nan
            columns[name] = [gap if v is None else v for v in values]
    return columns


def to_csv(rows: Iterable[Mapping[str, Any]], before: Mapping[str, Any] | None = None) -> str:
    """Return rows as CSV (RFC 4180) with a header.

    Parameters
    ----------
    rows : iterable of dict
        From `measure_objects`. Keys that are not columns are written if `before` names them.
    before : mapping of str to value, optional
        First columns, with the value for rows that lack it.

    Returns
    -------
    str
        The last column, ``notice``, states that the numbers are not for diagnosis.
    """
    text = io.StringIO()
    before = before or {}
    table = csv.writer(text, lineterminator="\n")
    table.writerow([*before, *COLUMNS, "notice"])
    for row in rows:
        first = [row.get(name, default) for name, default in before.items()]
        table.writerow([*map(_cell, [*first, *flat(row).values()]), NOTICE])
    return text.getvalue()


def _cell(value: Any) -> Any:
    if isinstance(value, float):
        return f"{value:.6g}"
    return "" if value is None else value


def in_words(row: Mapping[str, Any]) -> str:
    """Return a row as one line: ``tumour: 1 object, 12 slices, 3.1 mL, SUVmax 9.8 (in PET)``.

    Parameters
    ----------
    row : dict
        From `measure_objects`.

    Returns
    -------
    str
        With the value in the image in which it was found, if that has a unit.
    """
    parts = [_with_plural(max(1, row["objects"]), "object")]
    if len(row["centroid_voxel"] or ()) == 3:
        parts.append(_with_plural(row["slices"], "slice"))
    if row["volume_mL"] is not None:
        parts.append(f"{row['volume_mL']:.{1 if row['volume_mL'] >= 1 else 2}f} mL")
    elif row["area_mm2"] is not None:
        parts.append(f"{row['area_mm2'] / 100:.1f} cm²")
    found = (row["found_in"] or "").split(", ")
    titles = {role: row.get(f"{role}_modality") for role in "ab"}
    roles = [role for role in "ba" if titles[role] in found] or ["b"]
    return f"{row['term']}: {', '.join([*parts, *_value(row, roles[0])])}"


def _value(row: Mapping[str, Any], role: str) -> list[str]:
    """Return the highest uptake, or the mean if the unit is not arbitrary."""
    unit, mean = row.get(f"{role}_unit"), row.get(f"{role}_mean")
    modality = row.get(f"{role}_modality")
    title = MODALITY_NAMES.get(modality, modality) if modality else f"image {role.upper()}"
    if mean is None or unit in (None, "a.u.", "label"):
        return []
    if (highest := row.get(f"{role}_SUVmax")) is not None:
        return [f"SUVmax {highest:.1f} (in {title})"]
    number = f"{mean:.0f}" if abs(mean) >= 100 else f"{mean:.3g}"
    return [f"mean {number} {unit} (in {title})"]


def _with_plural(number: int, word: str) -> str:
    return f"{number} {word}{'' if number == 1 else 's'}"

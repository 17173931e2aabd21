"""Figures of other methods, from a user's CSV file.

Columns: ``set``, ``method``, the nine metrics, and optionally ``name`` (the pair's stem),
``condition`` (default ``none``) and ``kind`` (``learned``, the default, ``classical`` or
``oracle``). Rows with a name are results per image and are ranked with ours if they cover the
same pairs. Rows without a name are means over unknown pairs: they are listed separately, never
ranked with the measured rows.
"""

from __future__ import annotations

import csv
import math
from dataclasses import dataclass
from pathlib import Path

from napari_textdifuse.errors import InputError
from napari_textdifuse.evaluation import METRICS
from napari_textdifuse.evaluation.baselines import BASELINES

from .measures import MEASURES
from .store import Row

_CLASSICAL = {*BASELINES, "max", "mean", "dwt", "nlm+laplacian"}


@dataclass(frozen=True)
class Published:
    """Means of one method over a set, measured elsewhere."""

    set_name: str
    condition: str
    method: str
    kind: str
    means: dict[str, float]


def read_table(path: Path) -> tuple[list[Row], list[Published]]:
    """Read rows per image and rows of means; see this module's text for the columns.

    Raises
    ------
    InputError
        If the file cannot be read, or a column or number is missing.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            lines = list(csv.DictReader(stream))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path} cannot be read as a CSV table ({error}).") from None
    rows: list[Row] = []
    means: list[Published] = []
    for number, line in enumerate(lines, 2):
        if not line.get("set") or not line.get("method"):
            raise InputError(f"{path}, line {number}: the columns set and method are needed.")
        values = {
            name: _number(line.get(name), f"{path}, line {number}, {name}") for name in METRICS
        }
        set_name, method = line["set"].strip(), line["method"].strip()
        condition = (line.get("condition") or "none").strip()
        kind = (line.get("kind") or _kind(method)).strip()
        if line.get("name"):
            every = dict.fromkeys(MEASURES, math.nan) | values
            rows.append(Row(set_name, line["name"], "", condition, method, kind, "table", every))
        else:
            means.append(Published(set_name, condition, method, kind, values))
    return rows, means


def _kind(method: str) -> str:
    if "oracle" in method:
        return "oracle"
    return "classical" if method in _CLASSICAL else "learned"


def _number(text: str | None, where: str) -> float:
    if text is None or not text.strip():  # degraded tables give some metrics only
        return math.nan
    try:
        return float(text)
    except ValueError:
        raise InputError(f"{where}: {text!r} is not a number.") from None

"""Results per image in a CSV file: a run that was stopped goes on where it was."""

from __future__ import annotations

import csv
import math
import os
from collections.abc import Iterable
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

from .measures import MEASURES

KEYS = ("set", "name", "case", "condition", "method", "kind", "version")
HEAD = (*KEYS, *MEASURES)
#: Set, stem, condition, method.
Key = tuple[str, str, str, str]


@dataclass(frozen=True)
class Row:
    """What was measured of one method on one pair under one condition."""

    set_name: str
    stem: str
    case: str
    condition: str
    method: str
    kind: str
    version: str
    values: dict[str, float]

    @property
    def key(self) -> Key:
        """What it is a result of."""
        return self.set_name, self.stem, self.condition, self.method


class Store:
    """A CSV file of rows that grows by one line per result.

    Parameters
    ----------
    path : Path
        Rows that are there already are kept; a line that was cut off, or that has other columns
        than today's, is dropped.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.rows: dict[Key, Row] = {row.key: row for row in _read(path)}
        self._rewrite()

    def holds(self, key: Key, version: str) -> bool:
        """Return whether a result of the same version of the method exists."""
        return key in self.rows and self.rows[key].version == version

    def add(self, row: Row) -> None:
        """Put a row in, on disk at once; a result of the same pair and method is replaced."""
        replaces = row.key in self.rows
        self.rows[row.key] = row
        if replaces:
            self._rewrite()
            return
        with self.path.open("a", newline="", encoding="utf-8") as stream:
            csv.writer(stream).writerow(_cells(row))

    def _rewrite(self) -> None:
        text = StringIO(newline="")
        table = csv.writer(text)
        table.writerow(HEAD)
        table.writerows(_cells(row) for row in self.rows.values())
        temporary = self.path.with_name(f".{self.path.name}.part")
        temporary.write_text(text.getvalue(), encoding="utf-8", newline="")
        os.replace(temporary, self.path)


def _cells(row: Row) -> list[str]:
    keys = (row.set_name, row.stem, row.case, row.condition, row.method, row.kind, row.version)
    values = (row.values[name] for name in MEASURES)
    return [*keys, *("" if math.isnan(value) else f"{value:.6g}" for value in values)]


def _read(path: Path) -> Iterable[Row]:
    if not path.is_file():
        return
    with path.open(newline="", encoding="utf-8") as stream:
        lines = csv.reader(stream)
        if next(lines, None) != list(HEAD):
            return
        for line in lines:
            if len(line) == len(HEAD):
                numbers = [float(cell) if cell else math.nan for cell in line[len(KEYS) :]]
                set_name, stem, case, condition, method, kind, version = line[: len(KEYS)]
                values = dict(zip(MEASURES, numbers, strict=True))
                yield Row(set_name, stem, case, condition, method, kind, version, values)

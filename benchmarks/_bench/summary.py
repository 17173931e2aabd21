"""Rows per image become means with intervals, per set, condition and method."""

from __future__ import annotations

import csv
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from .measures import MEASURES
from .statistics import bootstrap_interval, mean
from .store import Row


@dataclass(frozen=True)
class Block:
    """All that was measured on one set under one condition, on the same pairs by every method.

    Parameters
    ----------
    means : dict
        By method and measure.
    intervals : dict
        95 % bootstrap intervals, by method and measure.
    kinds : dict
        "ours", "learned", "classical" or "oracle" by method.
    left_out : dict
        Methods without a result for some of the pairs: how many they have.
    """

    set_name: str
    condition: str
    pairs: int
    cases: int
    means: dict[str, dict[str, float]]
    intervals: dict[str, dict[str, tuple[float, float]]]
    kinds: dict[str, str]
    left_out: dict[str, int]

    @property
    def ranked(self) -> list[str]:
        """Methods that are compared: all but oracles."""
        return [method for method, kind in self.kinds.items() if kind != "oracle"]


def summarise(rows: Sequence[Row]) -> list[Block]:
    """Gather rows by set and condition, in the order in which they come."""
    places = dict.fromkeys((row.set_name, row.condition) for row in rows)
    return [
        _block(place, [r for r in rows if (r.set_name, r.condition) == place]) for place in places
    ]


def write_summary(path: Path, blocks: Sequence[Block]) -> None:
    """Write one line per set, condition, method and measure; undefined ones are left out."""
    temporary = path.with_name(f".{path.name}.part")
    with temporary.open("w", newline="", encoding="utf-8") as stream:
        table = csv.writer(stream)
        table.writerow(["set", "condition", "pairs", "method", "measure", "mean", "low", "high"])
        for block in blocks:
            for method, means in block.means.items():
                for name, value in means.items():
                    if not math.isnan(value):
                        ends = (
                            "" if math.isnan(v) else f"{v:.6g}"
                            for v in block.intervals[method][name]
                        )
                        table.writerow(
                            [
                                block.set_name,
                                block.condition,
                                block.pairs,
                                method,
                                name,
                                f"{value:.6g}",
                                *ends,
                            ]
                        )
    os.replace(temporary, path)


def _block(place: tuple[str, str], rows: Sequence[Row]) -> Block:
    by_method: dict[str, list[Row]] = {}
    for row in rows:
        by_method.setdefault(row.method, []).append(row)
    stems = {row.stem for row in rows if row.version != "table"}
    covered = {m: {r.stem for r in of} & stems for m, of in by_method.items()}
    left_out = {m: len(have) for m, have in covered.items() if have != stems}
    same = {
        m: [r for r in of if r.stem in stems] for m, of in by_method.items() if m not in left_out
    }
    cases = {row.stem: row.case for row in rows if row.case}

    def column(of: Sequence[Row], name: str) -> list[float]:
        return [row.values[name] for row in of]

    return Block(
        *place,
        pairs=len(stems),
        cases=len({cases[stem] for stem in stems}),
        means={m: {n: mean(column(of, n)) for n in MEASURES} for m, of in same.items()},
        intervals={
            m: {n: bootstrap_interval(column(of, n), [cases[r.stem] for r in of]) for n in MEASURES}
            for m, of in same.items()
        },
        kinds={m: of[0].kind for m, of in same.items()},
        left_out=left_out,
    )

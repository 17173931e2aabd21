"""``textdifuse evaluate --a DIR --b DIR --fused DIR``."""

from __future__ import annotations

import argparse
import math
from dataclasses import replace

from ..evaluation import METRICS, Report, evaluate_folders
from ..results.folder import SUBFOLDERS
from .report import print_json, say


def run(options: argparse.Namespace) -> int:
    """Measure the fused images of a folder."""
    report = _without_subfolders(
        evaluate_folders(
            options.a,
            options.b,
            options.fused,
            modality={"a": options.modality_a, "b": options.modality_b},
            unit={"a": options.unit_a, "b": options.unit_b},
            metrics=_asked(options.metrics),
        )
    )
    if options.csv:
        report.to_csv(options.csv)
    if options.json:
        print_json(report.to_dict())
        return 0
    print(_table(report))
    for name, roles in report.missing.items():
        say(f"note: {name} is missing in {' and '.join(roles)} and was skipped")
    return 0


def _asked(names: list[str] | None) -> str | list[str]:
    """Return the metrics to compute: by default the ten standard ones."""
    if names is None:
        return list(METRICS)
    return "all" if "all" in names else names


def _without_subfolders(report: Report) -> Report:
    """Ignore the subfolders that ``batch`` makes; they are not DICOM series."""
    missing = {
        name: roles
        for name, roles in report.missing.items()
        if not (name in SUBFOLDERS and roles == ("a", "b"))
    }
    return replace(report, missing=missing)


def _table(report: Report) -> str:
    rows = [*report.images.items(), ("mean", report.mean)]
    width = max(len(name) for name, _ in rows)
    columns = {metric: max(9, len(metric) + 2) for metric in report.metrics}
    lines = [" " * width + "".join(f"{metric:>{size}}" for metric, size in columns.items())]
    for name, row in rows:
        cells = {m: "-" if math.isnan(row[m]) else f"{row[m]:.3f}" for m in columns}
        lines.append(name.ljust(width) + "".join(f"{cells[m]:>{columns[m]}}" for m in columns))
    return "\n".join(lines)

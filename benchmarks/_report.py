"""Rows of metrics become a CSV file and a Markdown table."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy.stats import rankdata

from napari_textdifuse.evaluation import METRICS

#: What a degraded pair is judged on: the others also reward noise that was kept.
FIDELITY = ("SCD", "VIF", "Qabf", "SSIM")


@dataclass(frozen=True)
class Row:
    """Metrics of one method on one pair."""

    set_name: str
    stem: str
    method: str
    seconds: float
    metrics: dict[str, float]


def write_csv(path: Path, rows: Sequence[Row]) -> None:
    with path.open("w", newline="", encoding="utf-8") as stream:
        table = csv.writer(stream)
        table.writerow(["set", "name", "method", *METRICS, "seconds"])
        for row in rows:
            values = [f"{row.metrics[name]:.5f}" for name in METRICS]
            table.writerow([row.set_name, row.stem, row.method, *values, f"{row.seconds:.4f}"])


def markdown(rows: Sequence[Row], title: str, degraded: bool) -> str:
    """Tables of means with 95 % intervals and mean ranks, one per set."""
    parts = [
        f"# {title}",
        "Mean over pairs (95 % bootstrap interval over pairs), the best in bold. Neighbouring "
        "slices of one case are alike, so intervals over cases would be wider. Rank: place of "
        "the method by its mean, averaged over the metrics; 1 is best.",
    ]
    for set_name in dict.fromkeys(row.set_name for row in rows):
        of_set = [row for row in rows if row.set_name == set_name]
        parts.append(f"## {set_name} ({len({row.stem for row in of_set})} pairs)")
        parts.append(_table(of_set, degraded))
    return "\n\n".join(parts) + "\n"


def mean_ranks(
    means: dict[str, dict[str, float]], metrics: Sequence[str] = METRICS
) -> dict[str, float]:
    """Average place of each method over the metrics; ties share a place, undefined comes last."""
    values = np.array([[means[method][name] for name in metrics] for method in means])
    places = rankdata(-np.nan_to_num(values, nan=-np.inf), axis=0)
    return dict(zip(means, places.mean(axis=1).tolist(), strict=True))


def bootstrap_interval(values: npt.NDArray[np.float64], samples: int = 2000) -> tuple[float, float]:
    """95 % percentile interval of the mean; the same for the same values."""
    values = values[~np.isnan(values)]
    if len(values) == 0:
        return np.nan, np.nan
    picks = np.random.default_rng(0).integers(0, len(values), (samples, len(values)))
    low, high = np.percentile(values[picks].mean(axis=1), (2.5, 97.5))
    return float(low), float(high)


def _table(rows: Sequence[Row], degraded: bool) -> str:
    columns = {
        method: {
            name: np.array([row.metrics[name] for row in rows if row.method == method])
            for name in METRICS
        }
        for method in dict.fromkeys(row.method for row in rows)
    }
    means = {
        method: {name: _mean(values[name]) for name in METRICS}
        for method, values in columns.items()
    }
    ranks = {f"rank ({len(METRICS)})": mean_ranks(means)}
    if degraded:
        ranks[f"rank ({' '.join(FIDELITY)})"] = mean_ranks(means, FIDELITY)
    head = ["method", *METRICS, *ranks, "s"]
    lines = [head, ["---"] * len(head)]
    best = {name: max((m[name] for m in means.values()), default=np.nan) for name in METRICS}
    for method in columns:
        cells = [method]
        for name in METRICS:
            mean = f"{means[method][name]:.2f}"
            low, high = bootstrap_interval(columns[method][name])
            strong = mean == f"{best[name]:.2f}"
            cells.append(f"{f'**{mean}**' if strong else mean} ({low:.2f} to {high:.2f})")
        cells += [f"{rank[method]:.1f}" for rank in ranks.values()]
        seconds = np.median([row.seconds for row in rows if row.method == method])
        lines.append([*cells, f"{seconds:.3f}"])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _mean(values: npt.NDArray[np.float64]) -> float:
    defined = values[~np.isnan(values)]
    return float(defined.mean()) if len(defined) else np.nan

"""The Markdown report."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

from napari_textdifuse.evaluation import (
    FURTHER_METRICS,
    LOWER_IS_BETTER,
    LUMINANCE_METRICS,
    METRICS,
)

from .conditions import GRID
from .measures import COLOUR, FIDELITY, PUBLISHED
from .published import Published
from .statistics import below_median, mean_ranks, wins
from .summary import Block

#: With more conditions than this, those of the grid get no chapter each.
FEW = 4

ABOUT = """\
Means over pairs; in brackets the 95 % bootstrap interval, drawn over whole cases in medical sets
(slices of one patient are alike) and over pairs elsewhere; none where there is a single case. The
best mean is bold. All rows of a table were measured on the same pairs, degraded or not always
against the clean sources.

- **rank**: place by the mean, averaged over the nine metrics; 1 is best, ties share. Oracles, which
  know how the pair was degraded, are not ranked.
- **first of 5**: on how many of EN, AG, SD, SCD and VIF the method is above every other row.
- **below median**: on how many metrics but EN it is below the median of the other rows.

EN, AG and SD also rise with noise, grey haze and stretched contrast. The second table of each set
shows these, in grey levels of 255:

- **flat**: high-frequency noise where both sources are flat (in brackets: the noisier source's).
- **black**: mean where both sources are black.
- **stretch**: how far darkest and brightest value lie beyond those of the sources.
- **new**: mean, 99th percentile of what no local mix of the sources explains (invented structure,
  noise).
- **outside**: mean, 99th percentile of the distance from the interval between the two sources.
- **hue**: median change of hue of a PET or SPECT colour map, degrees (of RGB, of CIELAB).

The third, for a colour cast, gives CIEDE2000 with brightness set equal. Against the clean visible
image: of the image with the cast, of the result, and of the result of the clean pair (what the
change of brightness costs by itself). Against the method's own result of the clean pair: of the
cast's colours carried through, and of the result.
"""

ABOUT_ELSEWHERE = """\
Rows from the given table are means over *other pairs*: they show the order of magnitude. They take
no part in the ranks above; the ranks here mix different pairs and are a hint only.
"""


def report(blocks: Sequence[Block], published: Sequence[Published], title: str) -> str:
    """Write everything up: one chapter per set."""
    parts = [f"# {title}", ABOUT]
    for set_name in dict.fromkeys(block.set_name for block in blocks):
        of_set = [block for block in blocks if block.set_name == set_name]
        parts.append(f"## {set_name}")
        for block in of_set:
            if block.condition in GRID and "cast" not in block.condition and len(of_set) > FEW:
                continue  # its line in the tables of all conditions will do
            parts += _chapter(block)
            rows = [
                row
                for row in published
                if (row.set_name, row.condition) == (set_name, block.condition)
            ]
            parts += _elsewhere(block, rows) if rows else []
        if len(of_set) > 1:
            parts += _grid(of_set)
    return "\n\n".join(part.strip() for part in parts) + "\n"


def table(head: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """Markdown table."""
    rows = [head, ["---"] * len(head), *lines]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _chapter(block: Block) -> list[str]:
    seen = "as they are" if block.condition == "none" else f"degraded: {block.condition}"
    cases = "" if block.cases == block.pairs else f" of {block.cases} case{'s' * (block.cases > 1)}"
    parts = [f"### {block.set_name}, {block.pairs} pairs{cases}, {seen}", _metrics(block)]
    if block.left_out:
        few = ", ".join(f"{method} ({count})" for method, count in block.left_out.items())
        parts.append(f"Left out, without a result for every pair: {few}.")
    if any(not math.isnan(means["CC"]) for means in block.means.values()):
        parts.append(_further(block))
    parts.append(_artefacts(block))
    if any(not math.isnan(means["cast_before"]) for means in block.means.values()):
        parts.append(_colour(block))
    return parts


def _metrics(block: Block) -> str:
    ranked = {method: block.means[method] for method in block.ranked}
    extra: dict[str, Mapping[str, str]] = {"rank": _ranks(ranked, LUMINANCE_METRICS)}
    if block.condition != "none":
        extra[f"rank ({' '.join(FIDELITY)})"] = _ranks(ranked, FIDELITY)
        extra["first of these 4"] = {
            m: str(wins(ranked, m, list(ranked), FIDELITY)) for m in ranked
        }
    rest = [name for name in LUMINANCE_METRICS if name != "EN"]
    extra["first of 5"] = {m: str(wins(ranked, m, list(ranked), PUBLISHED)) for m in ranked}
    extra["below median"] = {m: str(below_median(ranked, m, rest)) for m in ranked}
    best = {name: _best([m[name] for m in ranked.values()]) for name in METRICS}
    lines = []
    for method, means in block.means.items():
        cells = [method]
        for name in METRICS:
            text = f"{means[name]:.2f}"
            strong = method in ranked and text == f"{best[name]:.2f}" != "nan"
            low, high = block.intervals[method][name]
            spread = "" if math.isnan(low) else f" ({low:.2f} to {high:.2f})"
            cells.append((f"**{text}**" if strong else text) + spread)
        cells += [column.get(method, "") for column in extra.values()]
        lines.append([*cells, f"{means['seconds']:.3f}"])
    return table(["method", *METRICS, *extra, "s"], lines)


def _further(block: Block) -> str:
    """Table of the metrics that few articles give; of Nabf and Qcv the lowest is best."""
    lines = []
    best = {}
    for name in FURTHER_METRICS:
        values = [block.means[m][name] for m in block.ranked]
        best[name] = _best(values, low=name in LOWER_IS_BETTER)
    for method, means in block.means.items():
        cells = [method]
        for name in FURTHER_METRICS:
            digits = 0 if name == "Qcv" else 3
            text = f"{means[name]:.{digits}f}"
            strong = method in block.ranked and text == f"{best[name]:.{digits}f}" != "nan"
            cells.append(f"**{text}**" if strong else text)
        lines.append(cells)
    head = [f"{name} (low)" if name in LOWER_IS_BETTER else name for name in FURTHER_METRICS]
    return table(["method", *head], lines)


def _best(values: Iterable[float], *, low: bool = False) -> float:
    """Return the highest value, or the lowest, of those that are defined."""
    defined = [value for value in values if not math.isnan(value)]
    return (min if low else max)(defined, default=math.nan)


def _artefacts(block: Block) -> str:
    lines = []
    for method, m in block.means.items():
        sources = max(m["flat_a"], m["flat_b"])
        hue = _cell(m["hue_rgb"]) and f"{m['hue_rgb']:.2f}, {m['hue_lab']:.2f}"
        flat = _cell(m["flat"]) and f"{m['flat']:.2f} ({sources:.2f})"
        stretch = f"-{m['below']:.1f}, +{m['above']:.1f}"
        new = f"{m['new_mean']:.2f}, {m['new_p99']:.1f}"
        outside = f"{m['outside_mean']:.2f}, {m['outside_p99']:.1f}"
        lines.append([method, flat, _cell(m["black"]), stretch, new, outside, hue])
    return table(["method", "flat", "black", "stretch", "new", "outside", "hue"], lines)


def _colour(block: Block) -> str:
    head = [
        "method",
        "cast",
        "result",
        "clean result",
        "reduced",
        "own: cast",
        "own: result",
        "reduced",
    ]
    lines = []
    for method, m in block.means.items():
        if math.isnan(m["cast_before"]):
            continue
        before, after, floor, own_before, own_after = (m[name] for name in COLOUR)
        lines.append(
            [
                method,
                *(f"{before:.2f}", f"{after:.2f}", f"{floor:.2f}", _reduction(before, after)),
                *(f"{own_before:.2f}", f"{own_after:.2f}", _reduction(own_before, own_after)),
            ]
        )
    return table(head, lines)


def _elsewhere(block: Block, rows: Sequence[Published]) -> list[str]:
    measured = {m: block.means[m] for m in block.ranked if block.kinds[m] in ("ours", "learned")}
    names = {f"{row.method} (table)": row for row in rows if row.kind != "oracle"}
    metrics = [n for n in METRICS if any(not math.isnan(row.means[n]) for row in names.values())]
    means = {name: row.means for name, row in names.items()}
    learned = [name for name, row in names.items() if row.kind == "learned"]
    five = [name for name in PUBLISHED if name in metrics]
    head = ["method", *metrics, "rank", f"above every learned, of {len(five)}", "below median"]
    lines = []
    for name, row in means.items():
        lines.append([name, *(f"{row[n]:.2f}" for n in metrics), "", "", ""])
    for method, row in measured.items():
        among = {**means, method: row}
        lines.append(
            [
                method,
                *(f"{row[n]:.2f}" for n in metrics),
                f"{_place(among, method, metrics)}",
                str(wins(among, method, learned, five)),
                str(below_median(among, method, [n for n in metrics if n != "EN"])),
            ]
        )
    return [
        f"#### {block.set_name}: next to rows measured elsewhere",
        ABOUT_ELSEWHERE,
        table(head, lines),
    ]


def _place(among: Mapping[str, Mapping[str, float]], method: str, metrics: Sequence[str]) -> str:
    ranks = mean_ranks(among, metrics)
    best = min((rank, name) for name, rank in ranks.items() if name != method)
    return f"{ranks[method]:.1f} (best other: {best[1]} {best[0]:.1f})"


def _grid(blocks: Sequence[Block]) -> list[str]:
    """How the methods hold out from condition to condition."""
    parts = [f"### {blocks[0].set_name}, all conditions"]
    methods = list(dict.fromkeys(m for block in blocks for m in block.ranked))
    head = ["condition", *methods]
    parts.append(f"Rank over {' '.join(FIDELITY)}:")
    lines = []
    for block in blocks:
        ranks = _ranks({m: block.means[m] for m in block.ranked}, FIDELITY)
        lines.append([block.condition, *(ranks.get(m, "") for m in methods)])
    parts.append(table(head, lines))
    for name in (*FIDELITY, "flat", "new_mean"):
        what = {"flat": "Noise in flat regions", "new_mean": "New structure (mean)"}.get(name, name)
        parts.append(f"{what}:")
        parts.append(table(head, [[b.condition, *_across(b, methods, name)] for b in blocks]))
    return parts


def _across(block: Block, methods: Sequence[str], name: str) -> list[str]:
    return [_cell(block.means[m][name]) if m in block.means else "" for m in methods]


def _ranks(means: Mapping[str, Mapping[str, float]], metrics: Sequence[str]) -> dict[str, str]:
    return {method: f"{rank:.1f}" for method, rank in mean_ranks(means, metrics).items()}


def _reduction(before: float, after: float) -> str:
    return f"{1 - after / before:.0%}" if before > 0 else ""


def _cell(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.2f}"

"""How close each sampler comes to its own 25-step result in fewer steps; see README.md."""

from __future__ import annotations

import argparse
import csv
import math
import sys
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

import numpy as np
import numpy.typing as npt
from _bench.conditions import applies, conditions, degrade
from _bench.pairs import SPLITS, Floats, Pair, as_bytes, as_floats, load_pairs, selection
from _bench.report import table

from napari_textdifuse import FusionPipeline
from napari_textdifuse.colour import rgb_to_ycbcr
from napari_textdifuse.diffusion import SAMPLERS
from napari_textdifuse.errors import InputError, TextDiFuseError
from napari_textdifuse.evaluation import LUMINANCE_METRICS
from napari_textdifuse.evaluation.metrics import evaluate_luminance

RESULTS = Path(__file__).parent / "results"
TARGET = 25
STEPS = (1, 2, 4, 8)
#: Mean absolute and mean squared difference from the target, in grey levels of 255.
DISTANCES = ("MAD", "MSE")
#: Distance of the gradients' distribution from that of the clean sources, see `gradients_apart`.
PERCEPTUAL = "GH"
COLUMNS = (*DISTANCES, *LUMINANCE_METRICS, PERCEPTUAL, "seconds")

ABOUT = f"""\
Means over pairs, brightness only. **MAD**: mean absolute difference from the same sampler's
{TARGET}-step result, in grey levels of 255; **PSNR**: of that difference, in dB, from the squared
error over all pairs. The nine metrics are against the clean sources. **GH**: how far the
distribution of gradient magnitudes is from that of the clean sources' pixelwise strongest gradient
(earth mover's distance, grey levels per pixel; 0 is best: noise left over and detail smoothed away
both raise it). **s**: seconds per pair.
"""


@dataclass(frozen=True)
class Row:
    """One result: what was fused how, and its values by `COLUMNS`."""

    set_name: str
    stem: str
    condition: str
    sampler: str
    steps: int
    values: dict[str, float]


def main(arguments: list[str] | None = None) -> int:
    options = parse(arguments)
    try:
        run(options)
    except TextDiFuseError as error:
        print(f"samplers: {error}", file=sys.stderr)
        return 2
    return 0


def parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("--data", type=Path, required=True, help="folder of the sets")
    add("--sets", nargs="+", required=True, help="such as PET-MRI RoadScene")
    add("--split", choices=SPLITS, default="held-out")
    add("--limit", type=int, help="at most N pairs per set, evenly spread")
    add("--side", type=int, help="only the middle of each image, at most N pixels on a side")
    add("--degrade", nargs="+", default=["none"], help="none, metrics, grid, or noise20, ...")
    add("--samplers", nargs="+", choices=SAMPLERS, default=list(SAMPLERS))
    add("--steps", nargs="+", type=int, default=list(STEPS))
    add("--weights", help="name or folder")
    add("--device", default="auto")
    add("--out", type=Path, default=RESULTS / "samplers.md", help="Markdown; a CSV next to it")
    return parser.parse_args(arguments)


def run(options: argparse.Namespace) -> None:
    if options.side is not None and options.side < 16:
        raise InputError(f"--side must be at least 16 pixels, not {options.side}.")
    names = conditions(options.degrade)
    pipe = FusionPipeline.from_pretrained(options.weights, device=options.device)
    keep = selection(None, options.split)
    rows: list[Row] = []
    for set_name in options.sets:
        for pair in load_pairs(options.data, set_name, keep, options.limit):
            for condition in (name for name in names if applies(name, pair)):
                print(f"{set_name} {condition} {pair.stem}", file=sys.stderr, flush=True)
                rows += measure(pipe, pair, condition, options)
    if not rows:
        raise InputError("none of the conditions applies to these sets; check --degrade.")
    text = report(rows)
    write(options.out, text)
    write(options.out.with_suffix(".csv"), as_csv(rows))
    print(text)


def measure(
    pipe: FusionPipeline, pair: Pair, condition: str, options: argparse.Namespace
) -> list[Row]:
    """Fuse one pair with every sampler in every number of steps."""
    a, b = (middle(brightness(as_floats(v)), options.side) for v in degrade(pair, condition))
    clean = [middle(brightness(as_floats(v)), options.side) for v in (pair.a, pair.b)]
    clean_a, clean_b = (as_bytes(v) for v in clean)
    rows = []
    for sampler in options.samplers:
        target = None
        # the target first, so that the others can be compared with it
        for steps in (TARGET, *(n for n in options.steps if n != TARGET)):
            start = time.perf_counter()
            fused = pipe(a, b, steps=steps, sampler=sampler).fused
            seconds = time.perf_counter() - start
            target = fused if target is None else target
            values = evaluate_luminance(clean_a, clean_b, as_bytes(fused))
            values |= distances(fused, target) | {"seconds": seconds}
            values[PERCEPTUAL] = gradients_apart(fused, clean)
            rows.append(Row(pair.set_name, pair.stem, condition, sampler, steps, values))
    return rows


def brightness(picture: Floats) -> Floats:
    return rgb_to_ycbcr(picture)[0] if picture.ndim == 3 else picture


def middle(picture: Floats, side: int | None) -> Floats:
    if side is None:
        return picture
    top, left = (max(n - side, 0) // 2 for n in picture.shape)
    return picture[top : top + side, left : left + side]


def distances(fused: Floats, target: Floats) -> dict[str, float]:
    difference = 255 * (fused.astype(np.float64) - target)
    return {"MAD": float(np.abs(difference).mean()), "MSE": float(np.square(difference).mean())}


def gradients_apart(fused: Floats, sources: Sequence[Floats]) -> float:
    """Earth mover's distance between the gradient magnitudes of a result and of clean sources.

    This distribution distinguishes natural images from noisy and from smoothed ones (Huang &
    Mumford 1999). Equal numbers of values lie on each side, so the distance is that of the sorted
    ones.
    """
    strongest = np.maximum(*(gradient_magnitude(v) for v in sources))
    apart = np.sort(gradient_magnitude(fused), None) - np.sort(strongest, None)
    return float(np.abs(apart).mean())


def gradient_magnitude(image: Floats) -> npt.NDArray[np.float64]:
    along_y, along_x = np.gradient(255 * image.astype(np.float64))
    return np.hypot(along_y, along_x)


def report(rows: list[Row]) -> str:
    """Write one table per set and condition."""
    parts = ["# Samplers", ABOUT.strip()]
    for set_name, condition in dict.fromkeys((row.set_name, row.condition) for row in rows):
        groups: dict[tuple[str, int], list[Row]] = defaultdict(list)
        for row in rows:
            if (row.set_name, row.condition) == (set_name, condition):
                groups[row.sampler, row.steps].append(row)
        pairs = len({row.stem for group in groups.values() for row in group})
        parts.append(f"## {set_name}, {condition}, {pairs} pair{'s' * (pairs > 1)}")
        order = sorted(groups, key=lambda key: (SAMPLERS.index(key[0]), key[1]))
        lines = [line(sampler, steps, groups[sampler, steps]) for sampler, steps in order]
        parts.append(
            table(["sampler", "steps", "MAD", "PSNR", *LUMINANCE_METRICS, PERCEPTUAL, "s"], lines)
        )
    return "\n\n".join(parts) + "\n"


def line(sampler: str, steps: int, rows: list[Row]) -> list[str]:
    means = {name: math.fsum(row.values[name] for row in rows) / len(rows) for name in COLUMNS}
    psnr = 10 * math.log10(255**2 / means["MSE"]) if means["MSE"] > 0 else math.inf
    distance = ["", ""] if steps == TARGET else [f"{means['MAD']:.3f}", f"{psnr:.1f}"]
    metrics = [f"{means[name]:.3f}" for name in LUMINANCE_METRICS]
    gradients = f"{means[PERCEPTUAL]:.2f}"
    return [sampler, str(steps), *distance, *metrics, gradients, f"{means['seconds']:.2f}"]


def as_csv(rows: list[Row]) -> str:
    text = StringIO(newline="")
    lines = csv.writer(text)
    lines.writerow(["set", "name", "condition", "sampler", "steps", *COLUMNS])
    for row in rows:
        values = (f"{row.values[name]:.6g}" for name in COLUMNS)
        keys = row.set_name, row.stem, row.condition, row.sampler, row.steps
        lines.writerow([*keys, *values])
    return text.getvalue()


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.part")
    temporary.write_text(text, encoding="utf-8", newline="")
    temporary.replace(path)


if __name__ == "__main__":
    sys.exit(main())

"""Overhead of ``textdifuse batch`` beyond the fusions, locally and on a dask cluster.

    python benchmarks/batch_overhead.py [--pairs 100] [--side 64] [--cluster]

Small pairs are the worst case: what is constant per pair weighs most. Each pair's fusion is
compared with all else that the command does for it (reading, resume key, preview, writing, the line
it prints), by processor and by clock, and the median over the pairs is given, so that other work on
the machine hardly matters. The first pair, which loads network and libraries, does not count. The
report at the end, divided by the pairs, does.
``--cluster`` adds a run on a local cluster of one worker process: the time by the clock between two
pairs against what the worker itself counts.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import itertools
import json
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from napari_textdifuse.cli import fuse, main

Moment = tuple[float, float]


def make_pairs(root: Path, pairs: int, side: int) -> tuple[Path, Path]:
    """Write images of waves and noise."""
    rng = np.random.default_rng(0)
    folders = root / "a", root / "b"
    for folder in folders:
        folder.mkdir()
        for k in range(pairs):
            waves = np.add.outer(np.sin(np.arange(side) / 5 + k), np.cos(np.arange(side) / 4))
            grey = 120 + 40 * waves + rng.normal(0, 4, (side, side))
            picture = Image.fromarray(np.clip(grey, 0, 255).astype(np.uint8))
            picture.save(folder / f"{k:04}.png")
    return folders


def now() -> Moment:
    """Seconds of the processor and of the clock."""
    return time.process_time(), time.perf_counter()


def between(start: Moment, end: Moment) -> Moment:
    """Seconds from one moment to another."""
    return end[0] - start[0], end[1] - start[1]


class Stamps(io.StringIO):
    """Standard error that notes when each pair's line is written."""

    def __init__(self) -> None:
        super().__init__()
        self.moments: list[Moment] = []

    def write(self, line: str) -> int:
        """Note the moment."""
        if line.startswith("textdifuse: ["):
            self.moments.append(now())
        return len(line)


def batch(folders: tuple[Path, Path], out: Path, *options: str) -> tuple[list[Moment], list[float]]:
    """Run the command; when each pair and all was done, and the seconds it counts for each."""
    text, stamps = io.StringIO(), Stamps()
    with contextlib.redirect_stdout(text), contextlib.redirect_stderr(stamps):
        arguments = ["batch", *map(str, folders), "--out", str(out), "--device", "cpu", "--json"]
        if main([*arguments, *options]):
            raise SystemExit(text.getvalue())
    stamps.moments.append(now())
    return stamps.moments, [image["seconds"] for image in json.loads(text.getvalue())["images"]]


def here(folders: tuple[Path, Path], out: Path) -> tuple[list[Moment], list[Moment]]:
    """Return seconds of each pair but the first: in all, and of its fusion."""
    fusions: list[Moment] = []
    fuse_pair = fuse.fuse_pair

    def timed(*arguments: Any) -> Any:
        start = now()
        result = fuse_pair(*arguments)
        fusions.append(between(start, now()))
        return result

    fuse.fuse_pair = timed
    try:
        moments, _ = batch(folders, out)
    finally:
        fuse.fuse_pair = fuse_pair
    *steps, end = [between(*pair) for pair in itertools.pairwise(moments)]
    report = end[0] / len(moments), end[1] / len(moments)
    steps = [(step[0] + report[0], step[1] + report[1]) for step in steps]
    return steps, fusions[1:]


def on_cluster(folders: tuple[Path, Path], out: Path) -> None:
    """Print what the way to a worker and back costs."""
    from distributed import LocalCluster

    with LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=None) as cluster:
        moments, own = batch(folders, out, "--scheduler", cluster.scheduler_address)
    clock = (moments[-2][1] - moments[0][1]) / (len(moments) - 2)
    worker = sum(own[1:]) / (len(own) - 1)
    print(f"cluster, clock: {1000 * clock:.1f} ms per pair, {1000 * worker:.1f} of it the worker's")
    print(f"overhead of the cluster: {100 * (clock / worker - 1):.1f} %")


def run() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=100)
    parser.add_argument("--side", type=int, default=64)
    parser.add_argument("--cluster", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        folders = make_pairs(root, options.pairs, options.side)
        steps, fusions = here(folders, root / "here")
        print(f"{options.pairs} pairs of {options.side} x {options.side}, median, ms per pair")
        for k, what in enumerate(("processor", "clock")):
            pairs = list(zip(steps, fusions, strict=True))
            alone = statistics.median(fusion[k] for _, fusion in pairs)
            rest = statistics.median(step[k] - fusion[k] for step, fusion in pairs)
            share = 100 * rest / alone
            print(
                f"{what:10} fusion {1000 * alone:7.1f}  all else {1000 * rest:6.1f} ({share:.1f} %)"
            )
        if options.cluster:
            on_cluster(folders, root / "there")


if __name__ == "__main__":
    run()

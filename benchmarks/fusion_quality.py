"""Compare fusion methods on folders of registered pairs; see README.md beside this file."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from _methods import METHODS, make_methods
from _pairs import DEGRADATIONS, Bytes, Pair, degrade, load_pairs, spread
from _report import Row, markdown, write_csv
from _sheet import write_sheet

from napari_textdifuse.errors import TextDiFuseError
from napari_textdifuse.evaluation import evaluate
from napari_textdifuse.evaluation.baselines import Fusion

RESULTS = Path(__file__).parent / "results"


def main(arguments: list[str] | None = None) -> int:
    options = parse(arguments)
    try:
        run(options)
    except TextDiFuseError as error:
        print(f"fusion_quality: {error}", file=sys.stderr)
        return 2
    return 0


def parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of the sets")
    parser.add_argument("--sets", nargs="+", required=True, help="such as PET-MRI RoadScene")
    parser.add_argument("--methods", nargs="+", default=list(METHODS), help=" ".join(METHODS))
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--names", type=Path, help="file of stems (or SET/stem), one per line")
    which.add_argument("--split", choices=("all", "heldout", "train"), default="all")
    parser.add_argument("--limit", type=int, help="at most N pairs per set, evenly spread")
    parser.add_argument("--degrade", choices=DEGRADATIONS, default="none")
    parser.add_argument("--out", type=Path, default=RESULTS / "latest", help="without suffix")
    parser.add_argument("--rows", type=int, default=4, help="pairs per set on the sheet")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--steps", type=int, help="sampling steps of textdifuse")
    parser.add_argument("--weights", help="name or folder of textdifuse's weights")
    return parser.parse_args(arguments)


def run(options: argparse.Namespace) -> None:
    methods = make_methods(options.methods, options.device, options.steps, options.weights)
    keep = selection(options)
    rows: list[Row] = []
    sheet: list[tuple[str, list[Bytes]]] = []
    for set_name in options.sets:
        pairs = list(load_pairs(options.data, set_name, keep, options.limit))
        shown = set(spread([pair.stem for pair in pairs], options.rows))
        for number, pair in enumerate(pairs, 1):
            print(f"{set_name} {number}/{len(pairs)} {pair.stem}", flush=True)
            pictures = measure(pair, options.degrade, methods, rows)
            if pair.stem in shown:
                sheet.append((f"{set_name} {pair.stem}", pictures))
    options.out.parent.mkdir(parents=True, exist_ok=True)
    title = options.out.name + ("" if options.degrade == "none" else f" ({options.degrade})")
    text = markdown(rows, title, degraded=options.degrade != "none")
    write_csv(options.out.with_name(options.out.name + ".csv"), rows)
    options.out.with_name(options.out.name + ".md").write_text(text, encoding="utf-8")
    if sheet:
        write_sheet(options.out.with_name(options.out.name + ".png"), ["a", "b", *methods], sheet)
    print(text)


def measure(pair: Pair, how: str, methods: dict[str, Fusion], rows: list[Row]) -> list[Bytes]:
    """Fuse the (degraded) pair with every method and measure against the clean sources."""
    seen = degrade(pair, how)
    a, b = (image.astype(np.float32) / np.float32(255) for image in seen)
    pictures = list(seen)
    for method, fuse in methods.items():
        start = time.perf_counter()
        fused = fuse(a, b)
        seconds = time.perf_counter() - start
        picture = np.rint(np.clip(fused, 0, 1) * 255).astype(np.uint8)  # as it would be saved
        metrics = evaluate(pair.a, pair.b, picture)
        rows.append(Row(pair.set_name, pair.stem, method, seconds, metrics))
        pictures.append(picture)
    return pictures


def selection(options: argparse.Namespace) -> Callable[[str, str], bool]:
    """Which pairs to run, by set and stem."""
    if options.names is not None:
        names = set(options.names.read_text(encoding="utf-8").split())
        return lambda set_name, stem: stem in names or f"{set_name}/{stem}" in names
    if options.split == "all":
        return lambda set_name, stem: True
    from napari_textdifuse.training.split import is_held_out

    return lambda set_name, stem: is_held_out(set_name, stem) == (options.split == "heldout")


if __name__ == "__main__":
    sys.exit(main())

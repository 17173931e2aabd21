"""Compare fusion methods on folders of registered pairs; see README.md in this folder."""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path

from _bench.conditions import applies, conditions, degrade
from _bench.measures import cast_removal, measure
from _bench.methods import DEFAULT, METHODS, Method, make_methods, parse_others
from _bench.pairs import SPLITS, Bytes, Pair, load_pairs, load_picture, selection, spread
from _bench.published import read_table
from _bench.report import report
from _bench.sheet import Strip, structure_map, write_sheets
from _bench.store import Row, Store
from _bench.summary import summarise, write_summary
from PIL import Image

from napari_textdifuse.errors import InputError, TextDiFuseError

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
    add = parser.add_argument
    add("--data", type=Path, required=True, help="folder of the sets")
    add("--sets", nargs="+", required=True, help="such as PET-MRI RoadScene")
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--names", type=Path, help="file of stems (or SET/stem), one per line")
    which.add_argument("--split", choices=SPLITS, default="all")
    add("--limit", type=int, help="at most N pairs per set, evenly spread")
    add("--methods", nargs="*", default=list(DEFAULT), help=" ".join(METHODS))
    add("--others", nargs="+", default=[], metavar="NAME=DIR", help="results of other methods")
    add("--table", type=Path, help="CSV file of other methods' figures")
    add("--degrade", nargs="+", default=["none"], help="none, metrics, grid, or noise20, ...")
    add("--further", action="store_true", help="also MS-SSIM CC Nabf FMI Qcb Qcv; slow")
    add("--weights", help="name or folder of textdifuse's weights")
    add("--steps", help="sampling steps of textdifuse")
    add("--device", default="auto")
    add("--rows", type=int, default=10, help="pairs per set on a contact sheet; 0: no sheet")
    add("--write-inputs", type=Path, metavar="DIR", help="save what the methods see, as PNG")
    add("--out", type=Path, default=RESULTS / "latest", help="folder; a run in it is resumed")
    return parser.parse_args(arguments)


@dataclass(frozen=True)
class Task:
    """One pair under one condition."""

    pair: Pair
    condition: str
    shown: bool  # on the contact sheet


def run(options: argparse.Namespace) -> None:
    names = conditions(options.degrade)
    degraded = any(name != "none" for name in names)
    steps = int(options.steps) if options.steps and options.steps.isdigit() else options.steps
    others = parse_others(options.others)
    table_rows, published = read_table(options.table) if options.table else ([], [])
    methods = make_methods(
        options.methods, others, degraded, options.device, steps, options.weights
    )
    if not methods:
        raise InputError("there is no method to measure; give --methods or --others.")
    options.out.mkdir(parents=True, exist_ok=True)
    store = Store(options.out / "images.csv")
    keep = selection(options.names, options.split)
    measured: list[Row] = []
    for set_name in options.sets:
        pairs = list(load_pairs(options.data, set_name, keep, options.limit))
        shown = set(spread([pair.stem for pair in pairs], options.rows))
        for condition in names:
            tasks = [Task(p, condition, p.stem in shown) for p in pairs if applies(condition, p)]
            for number, task in enumerate(tasks, 1):
                place = f"{set_name} {condition} {number}/{len(tasks)} {task.pair.stem}"
                print(place, file=sys.stderr, flush=True)
                if options.write_inputs:
                    save_inputs(options.write_inputs, task)
                measured += [
                    row
                    for m in methods
                    if (row := result(task, m, store, options.out, options.further)) is not None
                ]
            sheet = f"sheet-{set_name}-{condition}.png"
            draw_sheet(options.out / sheet, [t for t in tasks if t.shown], methods, options.out)
    blocks = summarise([*measured, *matching(table_rows, measured)])
    write_summary(options.out / "summary.csv", blocks)
    text = report(blocks, published, options.out.name)
    (options.out / "report.md").write_text(text, encoding="utf-8")
    print(text)


def result(
    task: Task, method: Method, store: Store, out: Path, further: bool = False
) -> Row | None:
    """Take the row from the store, or fuse and measure; None if the method has no result."""
    pair = task.pair
    key = (pair.set_name, pair.stem, task.condition, method.name)
    version = method.version(pair, task.condition) + " further" * further
    picture = picture_path(out, task, method)
    if store.holds(key, version) and (not task.shown or picture.is_file()):
        return store.rows[key]
    seen = degrade(pair, task.condition)
    start = time.perf_counter()
    fused = method.run(pair, seen, task.condition)
    seconds = time.perf_counter() - start
    if fused is None:
        return None
    values = measure(pair, fused, further) | {"seconds": seconds}
    if "cast" in task.condition:
        clean = degrade(pair, "none")
        values |= cast_removal(pair, seen[0], fused, lambda: method.run(pair, clean, "none"))
    if task.shown:
        save(picture, fused)
    case, kind = pair.case, method.kind
    row = Row(key[0], key[1], case, task.condition, method.name, kind, version, values)
    store.add(row)
    return row


def matching(rows: list[Row], measured: list[Row]) -> list[Row]:
    """Rows per image of a table that belong to pairs of this run, with their case."""
    cases = {(row.set_name, row.stem): row.case for row in measured}
    places = {(row.set_name, row.stem, row.condition) for row in measured}
    return [
        replace(row, case=cases[row.set_name, row.stem])
        for row in rows
        if (row.set_name, row.stem, row.condition) in places
    ]


def draw_sheet(path: Path, tasks: list[Task], methods: list[Method], out: Path) -> None:
    """Show sources as seen, every method's result, and the map of new structure of ours."""
    methods = [m for m in methods if any(picture_path(out, t, m).is_file() for t in tasks)]
    strips = []
    for task in tasks:
        a, b = task.pair.a, task.pair.b
        files = [picture_path(out, task, method) for method in methods]
        results = [load_picture(file) if file.is_file() else 0 * b for file in files]
        maps = [
            structure_map(a, b, result)
            for method, result in zip(methods, results, strict=True)
            if method.kind == "ours"
        ]
        pictures = [*degrade(task.pair, task.condition), *results, *maps]
        strips.append(Strip(f"{task.pair.set_name} {task.pair.stem}, {task.condition}", pictures))
    if strips:
        ours = [f"new in {method.name}" for method in methods if method.kind == "ours"]
        write_sheets(path, ["a", "b", *(method.name for method in methods), *ours], strips)


def save_inputs(folder: Path, task: Task) -> None:
    """For other programs to fuse: ``DIR/<condition>/<set>/<a or b>/<stem>.png``."""
    for name, picture in zip("ab", degrade(task.pair, task.condition), strict=True):
        save(folder / task.condition / task.pair.set_name / name / f"{task.pair.stem}.png", picture)


def save(path: Path, picture: Bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".part")
    Image.fromarray(picture).save(temporary, "PNG")
    temporary.replace(path)


def picture_path(out: Path, task: Task, method: Method) -> Path:
    pair = task.pair
    return out / "pictures" / task.condition / pair.set_name / method.name / f"{pair.stem}.png"


if __name__ == "__main__":
    sys.exit(main())

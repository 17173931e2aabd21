"""Contribution of each part of the method: the rows of the paper's Table 6; see README.md."""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path

from _bench.conditions import applies, conditions
from _bench.methods import Method, pipeline_method
from _bench.pairs import SPLITS, load_pairs, selection
from _bench.report import report
from _bench.store import Row, Store
from _bench.summary import summarise, write_summary
from fusion_quality import Task, result

from napari_textdifuse import FusionPipeline
from napari_textdifuse.errors import InputError, TextDiFuseError
from napari_textdifuse.models import RULES
from napari_textdifuse.weights import WeightsFolder, open_folder

RESULTS = Path(__file__).parent / "results"
FULL, NO_DIFFUSION = "full", "no diffusion"


def main(arguments: list[str] | None = None) -> int:
    options = parse(arguments)
    try:
        run(options)
    except TextDiFuseError as error:
        print(f"ablation: {error}", file=sys.stderr)
        return 2
    return 0


def parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("--data", type=Path, required=True, help="folder of the sets")
    add("--sets", nargs="+", required=True, help="such as PET-MRI RoadScene")
    add("--split", choices=SPLITS, default="held-out")
    add("--limit", type=int, help="at most N pairs per set, evenly spread")
    add("--degrade", nargs="+", default=["none", "metrics"], help="as for fusion_quality.py")
    add("--weights", help="the full model, by name or folder; the fusion rules use it too")
    add("--rules", nargs="*", choices=RULES, default=list(RULES), help="instead of the FCM")
    add("--no-intensity", metavar="DIR", help="weights trained without the intensity loss")
    add("--no-gradient", metavar="DIR", help="weights trained without the gradient loss")
    add("--no-diffusion", metavar="DIR", help="weights of a network without diffusion")
    add("--steps", type=int)
    add("--device", default="auto")
    add("--out", type=Path, default=RESULTS / "ablation", help="folder; a run in it is resumed")
    return parser.parse_args(arguments)


def run(options: argparse.Namespace) -> None:
    names = conditions(options.degrade)
    methods = variants(options)
    options.out.mkdir(parents=True, exist_ok=True)
    store = Store(options.out / "images.csv")
    keep = selection(None, options.split)
    rows: list[Row] = []
    for set_name in options.sets:
        for pair in load_pairs(options.data, set_name, keep, options.limit):
            print(f"{set_name} {pair.stem}", file=sys.stderr, flush=True)
            for condition in (name for name in names if applies(name, pair)):
                task = Task(pair, condition, shown=False)
                found = (result(task, method, store, options.out) for method in methods)
                rows += [row for row in found if row is not None]
    if not rows:
        raise InputError("none of the conditions applies to these sets; check --degrade.")
    rows.sort(key=lambda row: (options.sets.index(row.set_name), names.index(row.condition)))
    blocks = summarise(rows)
    write_summary(options.out / "summary.csv", blocks)
    text = report(blocks, (), "Ablation")
    temporary = options.out / ".report.md.part"
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(options.out / "report.md")
    print(text)


def variants(options: argparse.Namespace) -> list[Method]:
    """Make one method per row of the table, the full model last.

    Raises
    ------
    InputError
        If weights are not those that a row is about.
    """
    full = light(options.weights)
    if full.config.get("fusion", "fcm") != "fcm" or not full.config.get("diffusion", True):
        raise InputError(f"--weights {full.path}: not the full model; see its config.json.")
    folders = {
        f"{rule}, no FCM": replace(full, config=full.config | {"fusion": rule})
        for rule in options.rules
    }
    trained = {
        "no L_int": options.no_intensity,
        "no L_grad": options.no_gradient,
        NO_DIFFUSION: options.no_diffusion,
    }
    folders |= {name: light(folder) for name, folder in trained.items() if folder}
    if NO_DIFFUSION in folders and folders[NO_DIFFUSION].config.get("diffusion", True):
        raise InputError(
            f"--no-diffusion {options.no_diffusion}: its config.json does not say "
            '"diffusion": false; name weights trained that way.'
        )
    folders[FULL] = full
    return [
        pipeline_method(name, FusionPipeline(folder, options.device), options.steps)
        for name, folder in folders.items()
    ]


def light(name: str | None) -> WeightsFolder:
    folder = open_folder(name)
    if not isinstance(folder, WeightsFolder):
        raise InputError(f"{name} holds the authors' released checkpoints, which have no variants.")
    return folder


if __name__ == "__main__":
    sys.exit(main())

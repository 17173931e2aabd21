"""Mutation testing: ``python scripts/mutation.py --sample 200 --out mutation.md``.

Draws mutants of the code that computes results (cosmic-ray's operators), runs each against the
tests of its own folder in a copy of the checkout, and lists those that no test notices. Needs the
extra ``dev``. A mutant costs a run of a folder's tests up to the first failure: half a minute.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from cosmic_ray.work_db import WorkDB, use_db
from cosmic_ray.work_item import WorkItem

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = Path("src/napari_textdifuse")
#: What is mutated, and what has to notice.
TARGETS = {
    "diffusion": "tests/diffusion",
    "fusion": "tests/fusion",
    "spatial": "tests/spatial",
    "io/suv.py": "tests/io/test_suv.py",
    "evaluation/metrics.py": "tests/evaluation",
}
#: ``X | None`` in annotations is never evaluated, so these mutants are the same program.
EQUIVALENT = "core/ReplaceBinaryOperator_BitOr"
CONFIG = """\
[cosmic-ray]
module-path = "{module}"
timeout = {timeout}
excluded-modules = []
test-command = "{python} -m pytest -x -q -p no:cacheprovider {tests}"

[cosmic-ray.distributor]
name = "local"
"""


@dataclass(frozen=True)
class Outcome:
    """One mutant that was tried."""

    target: str
    place: str
    killed: bool
    diff: str


def main() -> int:
    """Draw, run, report; status 1 if the score is below the floor."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sample", type=int, default=200, help="mutants in all")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--targets", nargs="+", choices=TARGETS, default=list(TARGETS))
    parser.add_argument("--timeout", type=float, default=600, help="seconds per mutant")
    parser.add_argument("--floor", type=float, default=0.8, help="least share to be killed")
    parser.add_argument("--out", type=Path, help="Markdown report; default: the terminal")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "checkout"
        ignored = shutil.ignore_patterns(".git", ".venv", "runs", "out", "site", ".*_cache")
        shutil.copytree(ROOT, copy, symlinks=True, ignore=ignored)
        drawn = draw(copy, options)
        outcomes = [o for target, items in drawn.items() for o in run(copy, target, items)]
    report = describe(outcomes, options.seed)
    if options.out:
        options.out.write_text(report, encoding="utf-8")
    print(report)
    return int(sum(o.killed for o in outcomes) < options.floor * len(outcomes))


def draw(copy: Path, options: argparse.Namespace) -> dict[str, list[WorkItem]]:
    """List the mutants of all targets and draw the sample, each with equal chance."""
    everything: list[tuple[str, WorkItem]] = []
    for target in options.targets:
        config = CONFIG.format(
            module=PACKAGE / target,
            timeout=options.timeout,
            python=sys.executable,
            tests=TARGETS[target],
        )
        (copy / config_name(target)).write_text(config, encoding="utf-8")
        call(copy, "init", config_name(target), session_name(target))
        with use_db(str(copy / session_name(target)), WorkDB.Mode.open) as database:
            everything += [(target, item) for item in database.work_items if counts(item)]
    everything.sort(key=lambda pair: (pair[0], str(pair[1].mutations)))
    chosen = random.Random(options.seed).sample(everything, min(options.sample, len(everything)))
    return {t: [item for name, item in chosen if name == t] for t in options.targets}


def counts(item: WorkItem) -> bool:
    """Whether a mutant differs from the program."""
    return not item.mutations[0].operator_name.startswith(EQUIVALENT)


def run(copy: Path, target: str, items: list[WorkItem]) -> list[Outcome]:
    """Try the drawn mutants of one target."""
    session = copy / session_name(target)
    with use_db(str(session), WorkDB.Mode.open) as database:
        database.clear()
        database.add_work_items(items)
    call(copy, "exec", config_name(target), session_name(target))
    outcomes = []
    with use_db(str(session), WorkDB.Mode.open) as database:
        results = dict(database.results)
        for item in items:
            mutation, result = item.mutations[0], results[item.job_id]
            place = f"{mutation.module_path.relative_to(PACKAGE)}:{mutation.start_pos[0]}"
            outcomes.append(Outcome(target, place, bool(result.is_killed), result.diff or ""))
    return outcomes


def config_name(target: str) -> str:
    """Name of a target's configuration file."""
    return target.replace("/", "-") + ".toml"


def session_name(target: str) -> str:
    """Name of a target's database."""
    return target.replace("/", "-") + ".sqlite"


def call(copy: Path, *arguments: str) -> None:
    """Run cosmic-ray in the copy, whose sources come before the installed ones."""
    environment = os.environ | {"PYTHONPATH": str(copy / "src"), "OMP_NUM_THREADS": "1"}
    command = [str(Path(sys.executable).with_name("cosmic-ray")), *arguments]
    subprocess.run(command, cwd=copy, env=environment, check=True)


def describe(outcomes: list[Outcome], seed: int) -> str:
    """Return the table of scores and the survivors."""
    lines = ["# Mutation score", "", f"{len(outcomes)} mutants, drawn with seed {seed}.", ""]
    lines += ["| code | mutants | killed | share |", "| --- | --- | --- | --- |"]
    for target in [*dict.fromkeys(o.target for o in outcomes), "all"]:
        mine = [o for o in outcomes if target in (o.target, "all")]
        killed = sum(o.killed for o in mine)
        lines.append(f"| {target} | {len(mine)} | {killed} | {killed / max(len(mine), 1):.0%} |")
    lines += ["", "## Survivors", ""]
    for outcome in outcomes:
        if not outcome.killed:
            changed = [
                line
                for line in outcome.diff.splitlines()
                if line[:1] in "+-" and line[:3] not in ("+++", "---")
            ]
            lines += [f"`{outcome.place}`", "", "```diff", *changed, "```", ""]
    return "\n".join(lines).rstrip() + "\n"


if __name__ == "__main__":
    sys.exit(main())

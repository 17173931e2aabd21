"""Mutation testing: ``python scripts/mutation.py --work /tmp/mutation --sample 200``.

Draws mutants of the code that computes results (cosmic-ray's operators) and runs each in a copy
of the checkout against the tests of its own folder. One run with coverage says which tests execute
which line: a mutant in a function meets these tests, quickest first, up to the first failure; one
in a statement that runs on import meets the whole folder. A test that never executes the line
cannot notice the mutant, so this is what the whole folder would say, except where a cached value
carries it into another test; then a kill may be missed, never gained.

Everything lies in ``--work``: a stopped run goes on where it was, and after new tests
``--retry`` copies them and tries the survivors again. Needs the extra ``dev``.
"""

from __future__ import annotations

import argparse
import compileall
import json
import os
import py_compile
import random
import shutil
import sys
from dataclasses import asdict, dataclass, replace
from itertools import accumulate
from pathlib import Path

import mutation_runner as runner
from mutants import Mutant, mutants_of
from mutation_report import describe

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = Path("src/napari_textdifuse")
#: What is mutated, and what has to notice.
TARGETS = {
    "diffusion": "tests/diffusion",
    "io/suv.py": "tests/io/test_suv.py",
    "evaluation": "tests/evaluation",
    "spatial": "tests/spatial",
    "fusion": "tests/fusion",
}


@dataclass(frozen=True)
class Outcome:
    """One mutant that was tried."""

    target: str
    mutant: Mutant
    #: The test that failed first, ``time`` if none ended in time, empty for a survivor.
    killer: str
    #: Tests that could notice.
    tests: int
    seconds: float
    #: 0 for the first run, then the number of the retry.
    attempt: int


@dataclass(frozen=True)
class Baseline:
    """The tests of a target on the unchanged code."""

    durations: dict[str, float]
    #: Tests that executed a line in a function, by file and line.
    by_line: dict[str, dict[int, list[str]]]

    def order(self, mutant: Mutant) -> list[str]:
        """Return the tests that can notice `mutant`, quickest first."""
        lines = self.by_line.get(mutant.path, {})
        if mutant.on_import:
            near = {test for tests in lines.values() for test in tests}
            chosen = list(self.durations)
        else:
            near = {t for line in range(*mutant.statement) for t in lines.get(line, ())}
            chosen = [test for test in near if test in self.durations]
        return sorted(chosen, key=lambda test: (test not in near, self.durations[test], test))


def main() -> int:
    """Draw, run, report; status 1 if the score is below the floor."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--sample", type=int, default=200, help="mutants in all")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--targets", nargs="+", choices=TARGETS, default=list(TARGETS))
    parser.add_argument("--work", type=Path, required=True, help="folder of the copy and results")
    parser.add_argument("--retry", action="store_true", help="survivors against the tests of now")
    parser.add_argument(
        "--budget", type=float, help="quickest tests per mutant, in seconds; may miss a kill"
    )
    parser.add_argument("--skip", nargs="*", default=[], help="patterns of slow test files to omit")
    parser.add_argument("--floor", type=float, default=0.8, help="least share to be killed")
    parser.add_argument("--out", type=Path, help="Markdown report; default: the terminal")
    options = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    work, out = options.work.resolve(), options.out and options.out.resolve()
    copy_checkout(work, options.retry)
    drawn = draw(work / "checkout", options)
    results = work / f"results-{options.seed}.jsonl"
    outcomes = read(results)
    try_all(work, drawn, outcomes, results, options)
    keys = {mutant.key for _, mutant in drawn}
    outcomes = [outcome for outcome in outcomes if outcome.mutant.key in keys]
    report = describe(outcomes, len(drawn), options.seed)
    if out:
        out.write_text(report, encoding="utf-8")
    print(report)
    last = {o.mutant.key: o for o in outcomes}
    return int(sum(bool(o.killer) for o in last.values()) < options.floor * len(last))


def copy_checkout(work: Path, again: bool) -> None:
    """Copy the checkout on the first run, the tests again on a retry.

    Compiled files are checked by content: a mutant of the same size and second as the original
    would be taken for it.
    """
    copy = work / "checkout"
    ignored = shutil.ignore_patterns(".git", ".venv", "runs", "out", "site", ".*_cache")
    if not copy.exists():
        shutil.copytree(ROOT, copy, symlinks=True, ignore=ignored)
    elif again:
        if (work / "tests before").exists():  # those of the first run are what counts as known
            shutil.rmtree(copy / "tests")
        else:
            (copy / "tests").rename(work / "tests before")
        shutil.copytree(ROOT / "tests", copy / "tests", symlinks=True, ignore=ignored)
    if (unchanged := work / "unchanged.json").exists():
        path, original = json.loads(unchanged.read_text(encoding="utf-8"))
        (copy / path).write_text(original, encoding="utf-8")
        unchanged.unlink()
    checked = py_compile.PycInvalidationMode.CHECKED_HASH
    compileall.compile_dir(copy / "src", quiet=2, force=True, invalidation_mode=checked)


def draw(copy: Path, options: argparse.Namespace) -> list[tuple[str, Mutant]]:
    """List the mutants of all targets and draw the sample, each with equal chance."""
    everything: list[tuple[str, Mutant]] = []
    for target in TARGETS:
        place = copy / PACKAGE / target
        files = [place] if place.is_file() else sorted(place.rglob("*.py"))
        everything += [(target, m) for file in files for m in mutants_of(copy, file)]
    chosen = random.Random(options.seed).sample(everything, len(everything))
    drawn = []
    for target, mutant in chosen:
        if len(drawn) == options.sample:
            break
        if target in options.targets and (compared := mutant.compared(copy)) is not None:
            drawn.append((target, compared))
    print(f"{len(drawn)} of about {len(everything)} mutants drawn", flush=True)
    return drawn


def read(results: Path) -> list[Outcome]:
    """Read what earlier runs found."""
    if not results.exists():
        return []
    lines = [json.loads(line) for line in results.read_text(encoding="utf-8").splitlines()]
    return [Outcome(**line | {"mutant": Mutant.of(line["mutant"])}) for line in lines]


def try_all(
    work: Path,
    drawn: list[tuple[str, Mutant]],
    outcomes: list[Outcome],
    results: Path,
    options: argparse.Namespace,
) -> None:
    """Try the mutants that have no outcome yet, on a retry those that survived."""
    again = options.retry
    last = {outcome.mutant.key: outcome for outcome in outcomes}
    attempt = 1 + max((o.attempt for o in outcomes), default=0) if again else 0
    due = [
        (target, mutant)
        for target, mutant in sorted(drawn, key=lambda pair: list(TARGETS).index(pair[0]))
        if (not last[mutant.key].killer if again and mutant.key in last else mutant.key not in last)
    ]
    if not due:
        return
    runner.warm(work / "checkout")
    base: tuple[str, Baseline] | None = None
    for number, (target, mutant) in enumerate(due, 1):
        if base is None or base[0] != target:
            base = target, baseline(work, target, options)
        outcome = replace(try_one(work, target, mutant, base[1], options.budget), attempt=attempt)
        outcomes.append(outcome)
        with results.open("a", encoding="utf-8") as file:
            file.write(json.dumps(asdict(outcome)) + "\n")
        verdict = outcome.killer or "SURVIVED"
        print(f"{number}/{len(due)} {outcome.seconds:.1f} s {mutant.place}: {verdict}", flush=True)


def try_one(
    work: Path, target: str, mutant: Mutant, base: Baseline, budget: float | None
) -> Outcome:
    """Run the tests that can notice a mutant."""
    order = base.order(mutant)
    if budget is not None:
        ends = accumulate(base.durations[test] for test in order)
        order = [
            test
            for k, (test, end) in enumerate(zip(order, ends, strict=True))
            if end <= budget or not k
        ]
    if not order:
        return Outcome(target, mutant, "", 0, 0.0, 0)
    path = work / "checkout" / mutant.path
    original = path.read_text(encoding="utf-8")
    # ten times what they took with coverage, and a minute: only a mutant that hangs takes longer
    limit = 60 + 10 * sum(base.durations[test] for test in order)
    files = list(dict.fromkeys(test.split("::")[0] for test in order))
    unchanged = work / "unchanged.json"  # for a run that is stopped here
    unchanged.write_text(json.dumps([mutant.path, original]), encoding="utf-8")
    try:
        path.write_text(mutant.apply(original), encoding="utf-8")
        run = runner.run(files, work / "run.json", order=order, options=["-x"], limit=limit)
    finally:
        path.write_text(original, encoding="utf-8")
        unchanged.unlink()
    killer = ""
    if run.status is None:
        killer = "time"
    elif run.status != 0:
        killer = run.failed[0] if run.failed else f"status {run.status}"
    return Outcome(target, mutant, killer, len(order), run.seconds, 0)


def baseline(work: Path, target: str, options: argparse.Namespace) -> Baseline:
    """Run the tests of a target on the unchanged code, with coverage by test.

    On a retry these are the files that are new or have changed: the others said all they can. A
    test that fails here is left out: it would count every mutant as killed.
    """
    name = target.replace("/", "-") + ("-retry" if options.retry else "")
    kept, data = work / f"baseline-{name}.json", work / f"coverage-{name}"
    if options.retry or not kept.exists():
        settings = work / "coverage.rc"
        settings.write_text("[run]\nsource = napari_textdifuse\n", encoding="utf-8")
        os.environ["COVERAGE_FILE"] = str(data)
        arguments = ["-p", "pytest_cov", "--cov", f"--cov-config={settings}", "--cov-report="]
        arguments += [
            "--cov-context=test",
            "--continue-on-collection-errors",
            *(f"--ignore-glob={glob}" for glob in options.skip),
        ]
        tests = changed(work, target) if options.retry else [TARGETS[target]]
        data.unlink(missing_ok=True)
        run = runner.run(tests, work / "run.json", options=arguments) if tests else runner.Run(0, 0)
        print(f"{target}: {len(run.durations)} tests, {run.seconds:.0f} s", flush=True)
        if run.failed or run.status != 0:
            print(f"  left out, they fail without a mutant: {run.failed}", flush=True)
        good = {test: t for test, t in run.durations.items() if test not in run.failed}
        kept.write_text(json.dumps([good, run.modules]), encoding="utf-8")
    names = [name] if options.retry else [name, f"{name}-retry"]  # of a fresh seed after a retry
    durations: dict[str, float] = {}
    by_line: dict[str, dict[int, list[str]]] = {}
    for stored in names:
        if (work / f"baseline-{stored}.json").exists():
            seconds, modules = json.loads((work / f"baseline-{stored}.json").read_text("utf-8"))
            durations |= seconds
            runner.learn(modules)
            add_tests_by_line(by_line, work, work / f"coverage-{stored}")
    return Baseline(durations, by_line)


def changed(work: Path, target: str) -> list[str]:
    """List the test files that the first run left out or that have changed since."""
    now, before = work / "checkout", work / "tests before"
    first = json.loads((work / f"baseline-{target.replace('/', '-')}.json").read_text("utf-8"))
    ran = {test.split("::")[0] for test in first[0]}
    place = now / TARGETS[target]
    files = [place] if place.is_file() else sorted(place.glob("test_*.py"))
    names = [str(file.relative_to(now)) for file in files]
    same = {n for n in names if _same(now / n, before / Path(n).relative_to("tests"))}
    return [name for name in names if name not in ran or name not in same]


def _same(one: Path, other: Path) -> bool:
    """Whether two files exist and are equal."""
    return other.exists() and one.read_bytes() == other.read_bytes()


def add_tests_by_line(by_line: dict[str, dict[int, list[str]]], work: Path, data: Path) -> None:
    """Add which tests executed which line."""
    from coverage import CoverageData

    if not data.exists():
        return
    stored = CoverageData(str(data))
    stored.read()
    for file in stored.measured_files():
        lines = by_line.setdefault(str(Path(file).relative_to(work / "checkout")), {})
        for line, contexts in stored.contexts_by_lineno(file).items():
            lines.setdefault(line, []).extend({c.rpartition("|")[0] for c in contexts if c})


if __name__ == "__main__":
    sys.exit(main())

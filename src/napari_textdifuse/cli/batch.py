"""``textdifuse batch DIR_A DIR_B --out DIR``: pairs by file name, resumes after an interruption."""

from __future__ import annotations

import argparse
import traceback
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from ..errors import InputError, PromptError, TextDiFuseError
from ..evaluation.folders import images_by_stem
from ..io.bids import find_pairs
from ..io.staging import sweep
from .batch_report import PAGE, TABLE, Case, short_notes, write_objects, write_report
from .layout import Layout, describe_dataset, layout_of
from .pair_fuser import PairFuser
from .report import in_options, print_json, say

DONE, UNEXPECTED, WRONG = 0, 1, 2

Pairs = tuple[dict[str, tuple[Path, Path]], dict[str, str], list[str]]


@dataclass
class Summary:
    """What happened to the pairs of two folders."""

    cases: dict[str, Case]
    unpaired: list[str]
    status: int = DONE

    def add_error(self, name: str, error: Exception) -> str:
        """Record that a pair was refused or failed, and return its one-line message."""
        case = self.cases[name]
        expected = isinstance(error, TextDiFuseError)
        line = str(error) if expected else f"unexpected {type(error).__name__}: {error}"
        case.error = in_options(" ".join(line.split()))
        case.state = "refused" if isinstance(error, PromptError) else "failed"
        if self.status != UNEXPECTED:
            self.status = WRONG if expected else UNEXPECTED
        return case.error

    def of(self, state: str) -> list[Case]:
        """Return the cases that are in one of `batch_report.STATES`."""
        return [case for case in self.cases.values() if case.state == state]

    def to_dict(self, out: Path) -> dict[str, Any]:
        """Return the object that ``--json`` prints."""
        fused = self.of("fused")
        seconds = [case.seconds for case in fused if case.seconds is not None]
        return {
            "done": len(fused),
            "skipped": len(self.of("already done")),
            "refused": [{"name": case.name, "error": case.error} for case in self.of("refused")],
            "failed": [{"name": case.name, "error": case.error} for case in self.of("failed")],
            "unpaired": self.unpaired,
            "seconds_per_image": round(sum(seconds) / len(seconds), 3) if seconds else None,
            "images": [{"name": case.name, "seconds": case.seconds} for case in fused],
            "cases": [case.to_dict() for case in self.cases.values()],
            "out": str(out),
            "report": {"page": PAGE, "table": TABLE},
        }


def run(options: argparse.Namespace) -> int:
    """Fuse every pair of two folders or a data set; a bad one does not stop the others."""
    if options.out is None:
        if not options.bids:
            raise InputError("--out is missing; give a folder for the results.")
        options.out = options.a / "derivatives" / "textdifuse"
        sweep(options.out)
    pairs, unclear, unpaired = _bids_pairs(options) if options.bids else _pairs(options)
    names = sorted([*pairs, *unclear])
    summary = Summary({name: Case(name) for name in names}, unpaired)
    refused = ((name, InputError(why)) for name, why in unclear.items())
    outcomes = chain(refused, _outcomes(options, pairs) if pairs else ())
    reached = 0
    try:
        for reached, (name, outcome) in enumerate(outcomes, start=1):
            layout = layout_of(options, name, *pairs[name]) if name in pairs else None
            _note(summary, options, f"[{reached}/{len(names)}]", name, outcome, layout)
    finally:  # also when cancelled: report what is done
        if reached:
            title = "Fusion" + (f" of '{options.prompt}'" if options.prompt else "")
            write_report(options.out, summary.cases.values(), summary.unpaired, title)
            done = [case for case in summary.cases.values() if case.done]
            rows = [{"name": case.name} | row for case in done for row in case.objects]
            write_objects(options.out, rows)
            if options.bids:
                describe_dataset(options)
    _conclude(summary, options)
    return summary.status


def _note(
    summary: Summary,
    options: argparse.Namespace,
    number: str,
    name: str,
    outcome: float | Exception | None,
    layout: Layout | None,
) -> None:
    """Record the outcome of a pair, and print it in one line."""
    case = summary.cases[name]
    if isinstance(outcome, Exception):
        if options.debug:
            traceback.print_exception(outcome)
        line = summary.add_error(name, outcome)
        if layout is not None and (options.out / layout.record).is_file():
            case.notes.append("A result of an earlier run with other settings has this name.")
        say(f"{number} {name}: {case.state}: {line}")
        return
    case.state = "already done" if outcome is None else "fused"
    case.seconds = None if outcome is None else round(outcome, 3)
    if layout is not None:
        case.load(options.out / layout.record, options.out / layout.preview)
    what = case.state if outcome is None else f"{outcome:.2f} s"
    notes = short_notes(case.notes)
    say(f"{number} {name}: {what}" + (f"; {notes}" if notes else ""))


def _outcomes(
    options: argparse.Namespace, pairs: Mapping[str, tuple[Path, Path]]
) -> Iterator[tuple[str, float | Exception | None]]:
    """Yield seconds, None (done before) or the error of every pair, here or on a cluster."""
    fuser = PairFuser(options)  # also checks options before anything is sent
    if options.scheduler is not None:
        from .cluster import fuse_on_cluster

        yield from fuse_on_cluster(options, pairs)
        return
    for number, (name, (a, b)) in enumerate(pairs.items(), start=1):
        try:
            yield name, fuser.fuse(name, a, b, f"[{number}/{len(pairs)}] {name}")
        except Exception as error:
            yield name, error


def _pairs(options: argparse.Namespace) -> Pairs:
    """Pair two folders by name; names without a partner are listed."""
    if options.b is None:
        raise InputError("batch needs two folders, or --bids with --a and --b.")
    if options.bids_a or options.bids_b:
        raise InputError("--a and --b choose images of a BIDS data set; give --bids as well.")
    a, b = _images(options.a, options.out), _images(options.b, options.out)
    names = sorted(a.keys() & b.keys())
    for folder, images in ((options.a, a), (options.b, b)):
        if not images:
            raise InputError(f"{folder} contains no images; choose a folder of images.")
    if not names:
        raise InputError(
            f"no image in {options.a} has the same name as one in {options.b}, without extensions; "
            "rename them so that pairs have the same name."
        )
    if all(a[name].samefile(b[name]) for name in names):
        raise InputError(
            f"the images of {options.a} and {options.b} are the same files, so each would be fused "
            "with itself; give two different folders."
        )
    return {name: (a[name], b[name]) for name in names}, {}, sorted(a.keys() ^ b.keys())


def _bids_pairs(options: argparse.Namespace) -> Pairs:
    if options.b is not None or not (options.bids_a and options.bids_b):
        raise InputError(
            "--bids takes one data set and both images by suffix, such as "
            "textdifuse batch DATASET --bids --a T1w --b pet."
        )
    if options.dicom is not None:
        raise InputError("BIDS derivatives are NIfTI files; omit --dicom, or fuse two folders.")
    if options.out.resolve() == options.a.resolve():
        raise InputError(f"{options.out} contains the input images; choose another --out.")
    found = find_pairs(options.a, options.bids_a, options.bids_b)
    return found.pairs, found.unclear, found.unpaired


def _images(folder: Path, out: Path) -> dict[str, Path]:
    """Images of an input folder, without the output folder if that is inside."""
    if out.resolve() == folder.resolve():
        raise InputError(f"{out} contains the input images; choose another --out.")
    images = images_by_stem(folder)
    return {name: path for name, path in images.items() if path.resolve() != out.resolve()}


def _conclude(summary: Summary, options: argparse.Namespace) -> None:
    content = summary.to_dict(options.out)
    refused, failed = summary.of("refused"), summary.of("failed")
    if options.json:
        print_json(content)
    else:
        pace = content["seconds_per_image"]
        print(
            f"{content['done']} fused, {content['skipped']} already done, {len(refused)} refused, "
            f"{len(failed)} failed, {len(summary.unpaired)} without a partner"
            + (f"; {pace:.2f} s per image" if pace is not None else "")
        )
        print(options.out / PAGE)
    noted = sum(bool(case.notes) for case in summary.cases.values())
    if noted:
        say(f"note: {noted} of {len(summary.cases)} cases have notes; read {PAGE}")
    if summary.unpaired:
        say(f"note: without a partner: {', '.join(summary.unpaired)}")
    for state, cases in (("the prompt was refused in", refused), ("could not be fused:", failed)):
        if cases:
            first = f"{cases[0].name}: {cases[0].error}"
            count = f"{len(cases)} of {len(summary.cases)} pairs"
            start = f"{state} {count}" if cases is refused else f"{count} {state[:-1]}"
            say(f"error: {start}, first {first}")

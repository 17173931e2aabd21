"""``textdifuse batch DIR_A DIR_B --out DIR``: pairs by equal name, resumes where it stopped."""

from __future__ import annotations

import argparse
import traceback
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import InputError, TextDiFuseError
from ..evaluation.folders import images_by_stem
from .objects_table import write_objects
from .pair_fuser import PairFuser
from .report import print_json, say

DONE, UNEXPECTED, WRONG = 0, 1, 2


@dataclass
class Summary:
    """What happened to the pairs of two folders."""

    pairs: int
    unpaired: list[str]
    skipped: int = 0
    images: list[dict[str, Any]] = field(default_factory=list)
    failed: list[dict[str, str]] = field(default_factory=list)
    status: int = DONE

    def add_failure(self, name: str, error: Exception) -> str:
        """Note a failure and return its one line."""
        expected = isinstance(error, TextDiFuseError)
        line = str(error) if expected else f"unexpected {type(error).__name__}: {error}"
        line = " ".join(line.split())
        self.failed.append({"name": name, "error": line})
        if self.status != UNEXPECTED:
            self.status = WRONG if expected else UNEXPECTED
        return line

    def to_dict(self, out: Path) -> dict[str, Any]:
        """Return the object that ``--json`` prints."""
        seconds = [image["seconds"] for image in self.images]
        return {
            "done": len(self.images),
            "skipped": self.skipped,
            "failed": self.failed,
            "unpaired": self.unpaired,
            "seconds_per_image": round(sum(seconds) / len(seconds), 3) if seconds else None,
            "images": self.images,
            "out": str(out),
        }


def run(options: argparse.Namespace) -> int:
    """Fuse every pair of two folders; a bad one does not stop the others."""
    a, b = _images(options.a, options.out), _images(options.b, options.out)
    names = sorted(a.keys() & b.keys())
    if not names:
        raise InputError(
            f"no image in {options.a} has the name of one in {options.b}, apart from the ending; "
            "rename them so that pairs have equal names."
        )
    summary = Summary(len(names), unpaired=sorted(a.keys() ^ b.keys()))
    outcomes = _outcomes(options, {name: (a[name], b[name]) for name in names})
    for number, (name, outcome) in enumerate(outcomes, start=1):
        title = f"[{number}/{len(names)}] {name}"
        if isinstance(outcome, Exception):
            if options.debug:
                traceback.print_exception(outcome)
            say(f"{title}: failed: {summary.add_failure(name, outcome)}")
        elif outcome is None:
            summary.skipped += 1
            say(f"{title}: already done")
        else:
            summary.images.append({"name": name, "seconds": round(outcome, 3)})
            say(f"{title}: {outcome:.2f} s")
    write_objects(options.out, names)
    _conclude(summary, options)
    return summary.status


def _outcomes(
    options: argparse.Namespace, pairs: Mapping[str, tuple[Path, Path]]
) -> Iterator[tuple[str, float | Exception | None]]:
    """Yield seconds, None (done before) or the error of every pair, here or on a cluster."""
    fuser = PairFuser(options)  # also checks options before anything is sent away
    if options.scheduler is not None:
        from .cluster import fuse_on_cluster

        yield from fuse_on_cluster(options, pairs)
        return
    for number, (name, (a, b)) in enumerate(pairs.items(), start=1):
        try:
            yield name, fuser.fuse(name, a, b, f"[{number}/{len(pairs)}] {name}")
        except Exception as error:
            yield name, error


def _images(folder: Path, out: Path) -> dict[str, Path]:
    """Images of an input folder, without the output folder where that lies inside."""
    if out.resolve() == folder.resolve():
        raise InputError(f"{out} holds the input images; choose another --out.")
    images = images_by_stem(folder)
    return {name: path for name, path in images.items() if path.resolve() != out.resolve()}


def _conclude(summary: Summary, options: argparse.Namespace) -> None:
    content = summary.to_dict(options.out)
    if options.json:
        print_json(content)
    else:
        pace = content["seconds_per_image"]
        print(
            f"{content['done']} fused, {content['skipped']} already done, "
            f"{len(content['failed'])} failed, {len(content['unpaired'])} without a partner"
            + (f"; {pace:.2f} s per image" if pace is not None else "")
        )
    if summary.unpaired:
        say(f"note: without a partner: {', '.join(summary.unpaired)}")
    if summary.failed:
        first = summary.failed[0]
        say(
            f"error: {len(summary.failed)} of {summary.pairs} pairs could not be fused, "
            f"first {first['name']}: {first['error']}"
        )

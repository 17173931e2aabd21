"""``textdifuse batch DIR_A DIR_B --out DIR``: pairs by equal name, resumes where it stopped."""

from __future__ import annotations

import argparse
import time
import traceback
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import InputError, TextDiFuseError
from ..evaluation.folders import images_by_stem
from ..io import read
from ..volume import Volume
from .locator_options import facts, make_locator
from .outputs import format_for, full_record, load_record, save
from .report import print_json, say
from .resume import resume_key

if TYPE_CHECKING:
    from ..fusion import FusionPipeline

DONE, UNEXPECTED, WRONG = 0, 1, 2
#: Where each image of a pair goes; see `outputs.SUBFOLDERS`.
_FOLDERS = {"fused": "", "mask": "masks/", "uncertainty": "uncertainty/"}


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


class PairFuser:
    """Fuses pairs one after the other; the network is loaded once, when first needed."""

    def __init__(self, options: argparse.Namespace) -> None:
        from ..weights import open_folder

        self.options = options
        self.weights = open_folder(options.weights)
        self.weights.verify()
        if options.device not in ("auto", "cpu"):
            from ..fusion.device import choose_device

            choose_device(options.device)  # a missing device is one error, not one per pair
        self.locator = make_locator(options)  # so are missing weights
        self.facts = facts(self.locator, options)
        self.pipeline: FusionPipeline | None = None
        by_name = options.mask is not None and options.mask.is_dir()
        self.masks = images_by_stem(options.mask) if by_name else None

    def fuse(self, name: str, path_a: Path, path_b: Path, title: str) -> float | None:
        """Fuse one pair and write it; return the seconds it took, None if it was done before."""
        started = time.perf_counter()
        a, b, mask = read(path_a), read(path_b), self._mask(name)
        ending = format_for(path_a, a)
        names = {role: f"{folder}{name}{ending}" for role, folder in _FOLDERS.items()}
        record_name = f"records/{name}.json"
        key = resume_key(self.options, self.weights.sha256, a, b, mask, self.facts)
        earlier = load_record(self.options.out / record_name)
        written = [self.options.out / names[r] for r in earlier.get("outputs", ()) if r in names]
        if earlier.get("resume_key") == key and all(path.is_file() for path in written):
            return None

        loading = time.perf_counter()
        from ..fusion import FusionPipeline
        from ..fusion.inputs import as_volume
        from .fuse import fuse_pair

        if self.pipeline is None:
            self.pipeline = FusionPipeline.from_pretrained(
                self.options.weights, self.options.device
            )
        started += time.perf_counter() - loading  # loading the network is no image's time
        a, b = as_volume(a, "image A"), as_volume(b, "image B")
        result = fuse_pair(self.pipeline, a, b, mask, self.locator, self.options, title)
        record = full_record(result) | {"resume_key": key}
        save(result, self.options.out, names, record_name, record)
        return time.perf_counter() - started

    def _mask(self, name: str) -> Volume | None:
        if self.options.mask is None:
            return None
        if self.masks is None:
            return read(self.options.mask)
        if name not in self.masks:
            raise InputError(f"there is no mask {name} in {self.options.mask}; add one.")
        return read(self.masks[name])


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

"""``textdifuse fuse A B --out DIR``."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..fusion import FusionPipeline, FusionResult
from ..fusion.inputs import as_volume
from ..locate import Locator
from ..volume import Volume
from .locator_options import make_locator
from .outputs import format_for, full_record, load_record, refuse_overwriting, save
from .preview import montage
from .report import ProgressLine, print_json, say
from .slices import choose_slice, slab

ROLES = ("fused", "mask", "contribution", "uncertainty")
RECORD, PREVIEW = "record.json", "preview.png"


def run(options: argparse.Namespace) -> int:
    """Fuse two images."""
    a = as_volume(options.a, "image A")
    ending = format_for(options.a, a)
    inputs = [options.a, options.b] + ([options.mask] if options.mask else [])
    outputs = [options.out / n for n in (*_names(ending).values(), RECORD, PREVIEW)]
    refuse_overwriting(outputs, inputs)
    fuse_into(options, a, as_volume(options.b, "image B"), ending)
    return 0


def fuse_into(options: argparse.Namespace, a: Volume, b: Volume, ending: str) -> None:
    """Fuse two volumes as the options say, write everything and tell about it.

    Parameters
    ----------
    options : argparse.Namespace
        With the fusion options, ``slice`` and ``json``.
    a, b : Volume
    ending : str
        Of the result files; see `format_for`.
    """
    mask: Any = options.mask
    if options.slice is not None:
        if mask is not None:
            mask = _cut_mask(mask, a, options.slice)
        a, b = choose_slice(a, b, options.slice)
    locator = make_locator(options)
    pipeline = FusionPipeline.from_pretrained(options.weights, options.device)
    result = fuse_pair(pipeline, a, b, mask, locator, options, "fusing")
    record = full_record(result)
    picture = montage(a, b, result, anatomical=ending == ".nii.gz")
    files = save(result, options.out, _names(ending), RECORD, record, (PREVIEW, picture))
    if options.json:
        names = {role: path.name for role, path in files.items()}
        written = load_record(files["record"])
        print_json({"out": str(options.out), "files": names, "record": written})
        return
    for note in record["warnings"]:
        say(f"note: {note}")
    for path in files.values():
        print(path)
    say(f"done in {record['seconds']:.1f} s; not for diagnosis")


def fuse_pair(
    pipeline: FusionPipeline,
    a: Volume,
    b: Volume,
    mask: Any,
    locator: Locator,
    options: argparse.Namespace,
    title: str,
) -> FusionResult:
    """Run the pipeline with the command's options and a line of progress.

    File names may carry a patient's identity, so the volumes lose theirs before anything is
    noted in the record.
    """
    with ProgressLine(title) as progress:
        return pipeline(
            replace(a, name="image A"),
            replace(b, name="image B"),
            options.prompt,
            mask,
            quality=options.quality,
            steps=options.steps,
            seed=options.seed,
            strength=options.strength,
            samples=options.samples,
            sampler=options.sampler,
            chroma=options.chroma,
            callback=progress,
            locator=locator,
        )


def _names(ending: str) -> dict[str, str]:
    return {role: role + ending for role in ROLES}


def _cut_mask(path: Path, a: Volume, index: int) -> Volume | Path:
    """Cut the slice out of a mask that has the first image's shape but no geometry."""
    from ..io import read

    mask = read(path)
    by_index = mask.affine is None or a.affine is None
    return slab(mask, 0, index) if by_index and mask.shape == a.shape and a.ndim == 3 else mask

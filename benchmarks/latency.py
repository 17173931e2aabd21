"""How long a user waits: for the first result, another prompt, a corrected mask, a new strength.

On a slice of the pet-mri sample brought to SIDE x SIDE pixels, as in the viewer: one session, whose
base chains are kept. Median of several runs; a Markdown table. With ``--locator owlvit-sam`` (its
weights must be on this machine) the rows of a prompt hold the detector's share.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from napari_textdifuse import FusionPipeline, Volume
from napari_textdifuse.fusion import FusionResult
from napari_textdifuse.intensity import default_window
from napari_textdifuse.locate import Locator, get_locator
from napari_textdifuse.samples import load_sample
from napari_textdifuse.spatial import resample_to


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--side", type=int, default=256)
    add("--quality", default="standard")
    add("--threads", type=int, default=os.cpu_count() or 1)
    add("--repeats", type=int, default=5)
    add("--locator", default="lexicon")
    add("--prompts", nargs=2, default=("tumour", "brain"))
    add("--weights")
    options = parser.parse_args(arguments)

    import torch

    torch.set_num_threads(options.threads)
    a, b = pair(options.side)
    locator = get_locator(options.locator)
    begun = time.perf_counter()
    pipeline = FusionPipeline.from_pretrained(options.weights)
    rows = {"load the weights": time.perf_counter() - begun}
    found: list[dict[str, float]] = []
    for _ in range(options.repeats):
        found.append(one_session(pipeline, a, b, locator, options))
    for name in found[0]:
        rows[name] = statistics.median(seconds[name] for seconds in found)
    print(
        f"{options.side} x {options.side}, quality {options.quality}, {options.threads} threads, "
        f"locator {options.locator}\n\n| what | s |\n| --- | --- |"
    )
    for name, seconds in rows.items():
        print(f"| {name} | {seconds:.3f} |")
    return 0


def pair(side: int) -> tuple[Volume, Volume]:
    """Return the slice with the lesion, of both images, on one grid, in whole-volume windows."""
    mri, pet = load_sample("pet-mri")
    pet = resample_to(pet, mri).volume
    index = int(pet.array.reshape(len(pet.array), -1).max(axis=1).argmax())
    slices = []
    for volume in (mri, pet):
        window = default_window(volume)
        picture = replace(
            volume,
            array=volume.array[index],
            affine=None,
            window=(window.low, window.high),
        )
        grid = Volume(np.zeros((side, round(side * picture.shape[1] / picture.shape[0]))))
        picture = resample_to(picture, grid).volume
        array = np.zeros((side, side), np.float32)
        array[:, : picture.shape[1]] = picture.array
        slices.append(replace(picture, array=array))
    return slices[0], slices[1]


def one_session(
    pipeline: FusionPipeline, a: Volume, b: Volume, locator: Locator, options: argparse.Namespace
) -> dict[str, float]:
    """Return the seconds of each thing that a user may do, in this order."""
    rows: dict[str, float] = {}

    def timed(name: str, work: Callable[[], FusionResult]) -> FusionResult:
        begun = time.perf_counter()
        result = work()
        rows[name] = time.perf_counter() - begun
        return result

    first, second = options.prompts
    session = pipeline.session(a, b, quality=options.quality)
    result = timed("first result, with a prompt", lambda: session.fuse(first, locator=locator))
    timed("another prompt", lambda: session.fuse(second, locator=locator))
    assert result.mask is not None
    mask = result.mask.copy()
    mask[20:30, 20:30] = 1  # a stroke of the brush
    timed("the mask was painted on", lambda: session.fuse(mask=mask))
    timed("another strength", lambda: session.fuse(mask=mask, strength=0.5))
    timed("nothing changed", lambda: session.fuse(mask=mask, strength=0.5))
    return rows


if __name__ == "__main__":
    raise SystemExit(main())

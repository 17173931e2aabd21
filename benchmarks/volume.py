"""A whole volume: time per slice, peak memory, and whether neighbouring slices agree.

The pet-mri sample is resampled to 256x256x128 voxels of about 1 mm (or two NIfTI files are given)
and fused. Printed, as a Markdown table:

- **time**: seconds per slice that holds anything, against one such slice fused alone as a 2-D
  image, in the same process (median of several; ratio of both).
- **memory**: peak resident memory of the process, with everything in it.
- **flicker**: ``mean |f[i-1] - 2 f[i] + f[i+1]|`` over neighbouring slices, inside the body
  (either source above 5 % of its window): what changes from a slice to the next and back again; a
  steady change drops out. Of the fused brightness, of both windowed sources and of their pixelwise
  maximum, in grey levels of 255.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from _bench.memory import peak_bytes

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from napari_textdifuse import FusionPipeline, Volume

SHAPE = (128, 256, 256)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--pair", nargs=2, metavar=("A", "B"), help="NIfTI files; default: the pet-mri sample")
    add("--slices", type=int, help="only so many slices from the middle")
    add("--threads", type=int, default=os.cpu_count() or 1)
    add("--repeats", type=int, default=5, help="2-D fusions; the median is shown")
    add("--weights")
    add("--quality", default="standard")
    options = parser.parse_args(arguments)

    import numpy as np
    import torch

    from napari_textdifuse import FusionPipeline
    from napari_textdifuse.colour import rgb_to_ycbcr
    from napari_textdifuse.fusion.prepare import brightness

    torch.set_num_threads(options.threads)
    a, b = pair(options)
    pipeline = FusionPipeline.from_pretrained(options.weights)
    half = (options.slices or a.shape[0]) // 2
    middle = a.shape[0] // 2
    chosen = (middle - half, middle + half) if options.slices else None

    session = pipeline.session(a, b, slices=chosen, quality=options.quality, memory=0)
    shown_a, shown_b = brightness(session.pair)
    busy = int(((shown_a + shown_b).reshape(len(shown_a), -1).max(axis=1) > 0).sum())
    alone = one_slice(pipeline, shown_a, shown_b, options)
    begun = time.perf_counter()
    result = session.fuse()
    seconds = (time.perf_counter() - begun) / busy
    alone = statistics.median([alone, one_slice(pipeline, shown_a, shown_b, options)])

    peak = peak_bytes() / 2**30
    luma = rgb_to_ycbcr(result.fused)[0] if result.rgb else result.fused
    inside = (shown_a > 0.05) | (shown_b > 0.05)
    print(
        f"{' x '.join(map(str, luma.shape))} voxels, {busy} slices that hold anything, "
        f"{options.threads} threads, quality {options.quality}\n"
    )
    print("| s per slice | s alone, 2-D | ratio | peak GiB | flicker fused | A | B | maximum |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    flickers = [flicker(v, inside) for v in (luma, shown_a, shown_b, np.maximum(shown_a, shown_b))]
    cells = [f"{seconds:.3f}", f"{alone:.3f}", f"{seconds / alone:.2f}", f"{peak:.2f}"]
    print("|", " | ".join(cells + [f"{255 * f:.2f}" for f in flickers]), "|")
    return 0


def pair(options: argparse.Namespace) -> tuple[Volume, Volume]:
    """Return the two images, the first on the grid that is fused."""
    import numpy as np

    from napari_textdifuse import read
    from napari_textdifuse.samples import load_sample
    from napari_textdifuse.spatial import resample_to

    if options.pair:
        a, b = (read(path) for path in options.pair)
        return a, b
    a, b = load_sample("pet-mri")
    assert a.affine is not None
    steps = np.array(a.shape) / np.array(SHAPE)
    scale = np.diag([*steps[::-1], 1.0])
    scale[:3, 3] = (steps[::-1] - 1) / 2  # edges on edges
    grid = replace(a, array=np.zeros(SHAPE, np.uint8), affine=a.affine @ scale)
    return resample_to(a, grid).volume, b


def one_slice(
    pipeline: FusionPipeline,
    a: npt.NDArray[np.float32],
    b: npt.NDArray[np.float32],
    options: argparse.Namespace,
) -> float:
    """Return the median seconds of the middle slice, fused as an image."""
    middle, seconds = len(a) // 2, []
    pipeline(a[middle], b[middle], quality=options.quality)
    for _ in range(options.repeats):
        begun = time.perf_counter()
        pipeline(a[middle], b[middle], quality=options.quality)
        seconds.append(time.perf_counter() - begun)
    return statistics.median(seconds)


def flicker(stack: npt.NDArray[np.float32], inside: npt.NDArray[np.bool_]) -> float:
    """Return the mean absolute second difference along the slices, inside the body."""
    import numpy as np

    bend = np.abs(stack[:-2] - 2 * stack[1:-1] + stack[2:])
    return float(bend[inside[1:-1]].mean())


if __name__ == "__main__":
    raise SystemExit(main())

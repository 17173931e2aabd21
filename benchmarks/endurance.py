"""Memory and open files over many fusions: nothing may grow.

    python benchmarks/endurance.py [--fusions 150] [--out FILE.md]

An image and a volume, each with and without a prompt, in turns in one process. Given are the
resident memory and the open files after the first round (which loads networks and libraries), after
50, 100 and all fusions.
"""

from __future__ import annotations

import argparse
import gc
import os
from pathlib import Path

import numpy as np

from napari_textdifuse import FusionPipeline
from napari_textdifuse.samples import load_sample


def resident() -> float:
    """Return the resident memory of this process in MB (Linux)."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def handles() -> int:
    """Return how many files this process has open (Linux)."""
    return len(list(Path("/proc/self/fd").iterdir()))


def main() -> int:
    """Fuse, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fusions", type=int, default=150)
    parser.add_argument("--out", type=Path, help="write the table here too")
    options = parser.parse_args()
    pipeline = FusionPipeline.from_pretrained(device="cpu")
    mri, pet = load_sample("pet-mri")
    street = [image.array[::2, ::2] for image in load_sample("street")]
    middle = slice(29, 31)

    def fuse(number: int) -> None:
        prompt = (None, "tumour")[number // 2 % 2]
        if number % 2:
            result = pipeline(mri, pet, prompt, slices=middle, quality="fast")
        else:
            named = None if prompt is None else "person"
            result = pipeline(*street, named, quality="fast")
        assert np.isfinite(result.fused).all()

    for number in range(4):
        fuse(number)
    lines = ["| fusions | resident memory, MB | open files |", "| --- | --- | --- |"]

    def note(number: int) -> None:
        gc.collect()
        lines.append(f"| {number} | {resident():.0f} | {handles()} |")
        print(lines[-1], flush=True)

    note(4)
    for number in range(5, options.fusions + 1):
        fuse(number)
        if number % 50 == 0 or number == options.fusions:
            note(number)
    if options.out:
        options.out.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

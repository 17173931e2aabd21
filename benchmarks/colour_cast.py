"""Correction of colour casts: decisions, and their effect on colours with and without a cast.

Half of the images, by a checksum of their names, chose the levels of `fusion.colour_cast`; the
figures of the other half are the ones that count. Images are thinned to about 240 (decisions) and
320 pixels a side (fused). Chroma is the mean CIELAB chroma; a cast is the mean of a* and of b* over
an image, as sizes, averaged over images.

    python benchmarks/colour_cast.py --data DIR --out benchmarks/results/colour_cast.md
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from zlib import crc32

import numpy as np
from PIL import Image
from skimage.color import rgb2lab

from napari_textdifuse import FusionPipeline
from napari_textdifuse.fusion.colour_cast import SIDE, find_cast

#: Name of the group, folder, and last letter of the stem (MSRS tells day and night).
GROUPS = (
    ("LLVIP (night, lamps)", "LLVIP", ""),
    ("MSRS day", "MSRS", "D"),
    ("MSRS night", "MSRS", "N"),
    ("RoadScene", "RoadScene", ""),
)
#: Gains of red, green and blue.
LIGHTS = {
    "yellow": (1.2, 1.0, 0.6),
    "blue": (0.6, 0.85, 1.25),
    "green": (0.75, 1.15, 0.75),
    "magenta": (1.15, 0.75, 1.15),
}
HALVES = ("chosen on", "measured on")
FUSED_SIDE = 320


def pictures(folder: Path, letter: str, half: int) -> list[Path]:
    """Return the images of one half."""
    found = [p for p in sorted(folder.iterdir()) if p.stem.endswith(letter)]
    return [p for p in found if crc32(p.stem.encode()) % 2 == half]


def thinned(path: Path, side: int, mode: str = "RGB") -> np.ndarray:
    """Return an image of every n-th pixel, 8 bits."""
    picture = np.asarray(Image.open(path).convert(mode))
    step = max(1, min(picture.shape[:2]) // side)
    return picture[::step, ::step]


def decisions(data: Path) -> Iterator[str]:
    yield "| images | half | number | corrected |"
    yield "| --- | --- | --- | --- |"
    for name, folder, letter in GROUPS:
        for half, title in enumerate(HALVES):
            paths = pictures(data / folder / "VIS", letter, half)
            hits = sum(
                find_cast(thinned(p, SIDE) / np.float32(255)).kind is not None for p in paths
            )
            yield f"| {name} | {title} | {len(paths)} | {hits} |"


def made_up(data: Path) -> Iterator[str]:
    yield "| images | light | chosen on | measured on |"
    yield "| --- | --- | --- | --- |"
    for name, folder, letter in GROUPS[1::2]:
        for light, gains in LIGHTS.items():
            cells = []
            for half in range(2):
                clean = hits = 0
                for path in pictures(data / folder / "VIS", letter, half):
                    rgb = thinned(path, SIDE) / np.float32(255)
                    if find_cast(rgb).kind is None:
                        clean += 1
                        lit = np.clip(rgb * np.float32(gains), 0, 1)
                        hits += find_cast(lit).kind is not None
                cells.append(f"{hits} of {clean}")
            yield f"| {name} | {light} {gains} | {' | '.join(cells)} |"


def fused(data: Path, count: int) -> Iterator[str]:
    """Compare the colours of fused images with those of the visible ones."""
    heads = "images, number, corrected, visible, chroma='keep', chroma='auto', auto against keep"
    heads += ", chroma of auto against visible, largest shift of a* or b* where uncorrected"
    yield f"| {heads.replace(', ', ' | ')} |"
    yield "| --- " * 9 + "|"
    pipeline = FusionPipeline.from_pretrained(device="cpu")
    stated = {"modality": {"a": "IR", "b": "VIS"}, "steps": 1}
    for name, folder, letter in GROUPS:
        paths = pictures(data / folder / "VIS", letter, 1)
        paths = paths[:: max(1, len(paths) // count)][:count]
        rows, corrected, shifts = [], 0, [0.0]
        for path in paths:
            infrared = next((data / folder / "IR").glob(f"{path.stem}.*"))
            seen = thinned(path, FUSED_SIDE)
            pair = thinned(infrared, FUSED_SIDE, "L"), seen
            auto = pipeline(*pair, **stated)
            found = bool(auto.record["chroma"]["restored"])
            keep = pipeline(*pair, chroma="keep", **stated) if found else auto
            labs = [rgb2lab(v)[..., 1:] for v in (seen, keep.fused, auto.fused)]
            means = [lab.mean((0, 1)) for lab in labs]
            rows.append([*np.abs(means).ravel(), *(np.hypot(*lab.T).mean() for lab in labs)])
            corrected += found
            if not found:
                shifts.append(float(np.abs(means[2] - means[0]).max()))
        m = np.mean(rows, axis=0)
        casts = [f"{m[i]:.2f}, {m[i + 1]:.2f}" for i in (0, 2, 4)]
        change = (m[4] + m[5]) / (m[2] + m[3]) - 1
        yield (
            f"| {name} | {len(paths)} | {corrected} | {' | '.join(casts)} | {100 * change:+.0f} % "
            f"| {m[8] / m[6]:.2f} | {max(shifts):.2f} |"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--fused", type=int, default=8, help="images fused of each group")
    options = parser.parse_args()
    started = time.monotonic()
    lines: list[str] = []
    for title, rows in (
        ("Decisions", decisions(options.data)),
        ("Made-up casts found, on images without one", made_up(options.data)),
        ("Fused images (|a*|, |b*|), second half", fused(options.data, options.fused)),
    ):
        lines += ["", f"## {title}", ""]
        for row in rows:
            lines.append(row)
            print(f"{time.monotonic() - started:6.0f} s {row}", file=sys.stderr, flush=True)
    body = "\n".join(lines)
    text = f"# Colour casts\n\n`python benchmarks/colour_cast.py --data DIR`\n{body}\n"
    print(text)
    if options.out:
        options.out.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()

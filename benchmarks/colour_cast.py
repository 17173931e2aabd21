"""Whether casts are corrected, and only casts: decisions and what they do to the colours.

Half of the pictures, by a checksum of their names, chose the levels of `fusion.colour_cast`; the
figures of the other half are the ones that count. Colours are those of the restored picture at the
brightness of the source: mean CIELAB chroma as a part of the source's, and shifts of a* and b*.

    python benchmarks/colour_cast.py --data DIR --out benchmarks/results/colour_cast.md
"""

from __future__ import annotations

import argparse
from pathlib import Path
from zlib import crc32

import numpy as np
from PIL import Image
from skimage.color import rgb2lab

from napari_textdifuse import FusionPipeline
from napari_textdifuse.colour import rgb_to_ycbcr, ycbcr_to_rgb
from napari_textdifuse.fusion.chrominance import ChromaEngine
from napari_textdifuse.fusion.colour_cast import find_cast

#: Name of the group, folder, and last letter of the stem (MSRS tells day and night).
GROUPS = (
    ("LLVIP (night, lamps)", "LLVIP", ""),
    ("MSRS day", "MSRS", "D"),
    ("MSRS night", "MSRS", "N"),
    ("RoadScene", "RoadScene", ""),
)
#: Gains of red, green and blue.
LIGHTS = {"yellow": (1.2, 1.0, 0.6), "blue": (0.6, 0.85, 1.25), "green": (0.75, 1.15, 0.75)}


def measure(rgb: np.ndarray, engine: ChromaEngine) -> tuple[bool, float, float, float, float]:
    """Return whether a picture is corrected, and chroma before, after, shifts of a* and b*."""
    luma, chroma = rgb_to_ycbcr(rgb)
    before = rgb2lab(rgb)[..., 1:]
    after, corrected = before, find_cast(rgb).kind is not None
    if corrected:
        restored = engine.restore(luma, chroma, 0, lambda: None)
        after = rgb2lab(ycbcr_to_rgb(luma, restored))[..., 1:]
    shift = (after - before).mean(axis=(0, 1))
    size = [float(np.hypot(ab[..., 0], ab[..., 1]).mean()) for ab in (before, after)]
    return corrected, size[0], size[1], float(shift[0]), float(shift[1])


def rows(folder: Path, letter: str, engine: ChromaEngine) -> list[str]:
    lines = []
    pictures = [p for p in sorted(folder.iterdir()) if p.stem.endswith(letter)]
    for half, name in ((0, "chosen on"), (1, "measured on")):
        found = []
        for path in pictures:
            if crc32(path.stem.encode()) % 2 == half:
                rgb = np.asarray(Image.open(path).convert("RGB"), np.float32) / 255
                found.append(measure(rgb, engine))
        corrected, before, after, a, b = np.mean(found, axis=0)
        lines.append(
            f"{name} | {len(found)} | {round(corrected * len(found))} | {after / before:.2f} "
            f"| {a:+.2f} | {b:+.2f} |"
        )
    return lines


def made_up(folder: Path, letter: str, gains: tuple[float, ...]) -> str:
    clean, hits = 0, 0
    for path in sorted(folder.iterdir()):
        if path.stem.endswith(letter) and crc32(path.stem.encode()) % 2:
            rgb = np.asarray(Image.open(path).convert("RGB"), np.float32) / 255
            if find_cast(rgb).kind is None:
                clean += 1
                hits += find_cast(np.clip(rgb * np.float32(gains), 0, 1)).kind is not None
    return f"{hits} of {clean}"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    backend = FusionPipeline.from_pretrained(device="cpu").backend
    engine = ChromaEngine(backend.chroma, backend.schedule, backend.device, "ddim")
    lines = [
        "| pictures | half | number | corrected | chroma, part of the source's | a* | b* |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for name, folder, letter in GROUPS:
        lines += [
            f"| {name} | {row}" for row in rows(options.data / folder / "VIS", letter, engine)
        ]
    lines += ["", "Made-up casts on pictures without one (the half that was not chosen on):", ""]
    lines += ["| pictures | light | found |", "| --- | --- | --- |"]
    for name, folder, letter in GROUPS[1::2]:
        for light, gains in LIGHTS.items():
            found = made_up(options.data / folder / "VIS", letter, gains)
            lines.append(f"| {name} | {light} {gains} | {found} |")
    text = "\n".join(lines)
    print(text)
    if options.out:
        options.out.write_text(f"{text}\n", encoding="utf-8")


if __name__ == "__main__":
    main()

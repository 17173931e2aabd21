"""Visibility of the MRI's soft tissue inside a brain-window CT, and of the CT's bone.

Mean local correlation (Gaussian window of 3 pixels) of the fused image

- with the MRI and with the CT where, inside the skull, the MRI has edges and the CT has none,
- with the CT within two pixels of bone (CT brightness above 0.85), and

the mean brightness of bone. `--peers` holds a folder of results per other method.

    python benchmarks/ct_mri.py --data DIR --peers DIR --out benchmarks/results/ct_mri.md
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image
from scipy import ndimage

from napari_textdifuse import FusionPipeline

Floats = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]


def read(path: Path) -> Floats:
    return np.asarray(Image.open(path).convert("L"), np.float32) / 255


def local_correlation(a: Floats, b: Floats, where: Mask, sigma: float = 3) -> float:
    """Return the mean correlation in Gaussian windows; NaN where there is no place for it."""

    def smooth(v: Floats) -> Floats:
        return ndimage.gaussian_filter(v, sigma)

    mean_a, mean_b = smooth(a), smooth(b)
    var_a, var_b = smooth(a * a) - mean_a**2, smooth(b * b) - mean_b**2
    shared = smooth(a * b) - mean_a * mean_b
    known = where & (var_a > 1e-5) & (var_b > 1e-5)
    if not known.any():
        return float("nan")
    return float((shared[known] / np.sqrt(var_a[known] * var_b[known])).mean())


def places(ct: Floats, mri: Floats) -> tuple[Mask, Mask, Mask]:
    """Return bone, its edges, and where only the MRI has edges inside the skull."""
    bone = ndimage.binary_opening(ct > 0.85)
    closed = ndimage.binary_fill_holes(ndimage.binary_closing(bone, iterations=4))
    inside = closed & ~ndimage.binary_dilation(bone, iterations=4)
    inside = ndimage.binary_erosion(inside, iterations=2)
    slope_ct, slope_mri = (ndimage.gaussian_gradient_magnitude(v, 1.0) for v in (ct, mri))
    soft = inside & (slope_mri > 0.02) & (slope_ct < 0.01)
    return bone, ndimage.binary_dilation(bone, iterations=2), soft


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="holds CT-MRI/CT and CT-MRI/MRI")
    parser.add_argument("--peers", type=Path, required=True, help="holds CT-MRI/METHOD")
    parser.add_argument("--pairs", type=int, default=10)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args(arguments)
    peers = sorted(p for p in (options.peers / "CT-MRI").iterdir() if p.is_dir())
    stems = sorted({f.stem for p in peers for f in p.glob("*.png")})[: options.pairs]
    pipeline = FusionPipeline.from_pretrained(device="cpu")
    found: dict[str, list[tuple[float, ...]]] = {}
    for stem in stems:
        ct, mri = (read(options.data / "CT-MRI" / m / f"{stem}.png") for m in ("CT", "MRI"))
        bone, edges, soft = places(ct, mri)
        pictures = {"this": pipeline(ct, mri, steps=1, modality={"a": "CT", "b": "MR"}).fused}
        pictures |= {p.name: read(p / f"{stem}.png") for p in peers}
        for name, picture in pictures.items():
            found.setdefault(name, []).append(
                (
                    local_correlation(picture, mri, soft),
                    local_correlation(picture, ct, soft),
                    local_correlation(picture, ct, edges),
                    float(picture[bone].mean()),
                )
            )
        print(stem, np.round(found["this"][-1], 2), file=sys.stderr, flush=True)
    lines = [f"{len(stems)} pairs, one step, weights `{pipeline.backend.weights.name}`.", ""]
    lines.append("| method | MRI in soft tissue (worst) | CT there | CT at bone | bone |")
    lines.append("| --- | --- | --- | --- | --- |")
    for name, rows in found.items():
        soft_mri, soft_ct, at_bone, level = np.nanmean(rows, axis=0)
        worst = np.nanmin(np.array(rows)[:, 0])
        cells = f"{soft_mri:.2f} ({worst:.2f}) | {soft_ct:.2f} | {at_bone:.2f} | {level:.2f}"
        lines.append(f"| {name} | {cells} |")
    text = "\n".join(lines)
    print(text)
    if options.out:
        options.out.write_text(text + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

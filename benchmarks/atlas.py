"""Accuracy of the atlas locator: Dice after known deformations.

The atlas is a T1 template (or a head made from its tissue maps, `_bench.made_heads`) with
synthetic structures: ellipsoids where deep grey matter lies, and parcels cut from the maps. The
subject is the same head stretched, turned, moved and bent by a random smooth field, with shading,
noise and another curve of brightness. The bend is the same for image and structures, so that the
truth is known.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from _bench.made_heads import _read, _world, made_head, tissue_maps
from scipy import ndimage

from napari_textdifuse import Volume
from napari_textdifuse.locate.atlas import AtlasLocator
from napari_textdifuse.spatial import resample_to

#: Middle and radii in RAS mm of the template, where these structures lie.
ELLIPSOIDS = {
    "Hippocampus": ((27, -22, -14), (8, 16, 8)),
    "Putamen": ((26, 3, 2), (7, 15, 10)),
    "Caudate": ((14, 12, 10), (6, 14, 9)),
    "Thalamus": ((12, -18, 8), (9, 13, 9)),
    "Amygdala": ((23, -4, -18), (9, 9, 9)),
}
#: Smaller structures are not judged, in mL.
SMALLEST_ML = 2.0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of NIfTI volumes")
    parser.add_argument("--heads", nargs="+", default=["template", "made"])
    parser.add_argument("--bends", type=float, nargs="+", default=[4.0, 8.0], help="mm, at most")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--out", type=Path, help="Markdown file")
    options = parser.parse_args()
    grey, white, _ = tissue_maps(options.data)
    labels, names = structures(grey, white)
    lines = ["| head | bend, mm | structure | mL | Dice |", "| --- " * 5 + "|"]
    for head in options.heads:
        if head == "template":
            image = resample_to(_read(options.data, "spm_T1"), grey).volume
        else:
            image, _ = made_head(options.data, "T1", lesion=False)
        with tempfile.TemporaryDirectory() as folder:
            atlas = Path(folder)
            image.to_nibabel().to_filename(atlas / "template_T1.nii.gz")
            labels.to_nibabel().to_filename(atlas / "dseg.nii.gz")
            table = "\n".join(f"{k}\t{name}" for k, name in names.items())
            (atlas / "names.tsv").write_text(table, encoding="utf-8")
            for bend in options.bends:
                for seed in range(options.seeds):
                    rows = compare(image, labels, names, atlas, bend, seed)
                    lines += [f"| {head} {seed} | {bend:g} | {row}" for row in rows]
                    print("\n".join(lines[-len(rows) :]), flush=True)
    if options.out:
        options.out.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return 0


def structures(grey: Volume, white: Volume) -> tuple[Volume, dict[int, str]]:
    """Return labels on the grid of the maps, and their names."""
    x, y, z = _world(grey)
    labels = np.zeros(grey.shape, np.int16)
    names: dict[int, str] = {}

    def add(name: str, mask: npt.NDArray[np.bool_]) -> None:
        names[len(names) + 1] = name
        labels[mask] = len(names)

    for side, sign in (("Left", -1), ("Right", 1)):
        half = sign * x > 0
        add(f"{side}-Frontal-Cortex", half & (grey.array > 0.5) & (y > 20) & (z > 0))
        add(f"{side}-Temporal-Cortex", half & (grey.array > 0.5) & (np.abs(x) > 40) & (z < 0))
        add(f"{side}-Parietal-White", half & (white.array > 0.5) & (y < -20) & (z > 20))
        for name, ((cx, cy, cz), (rx, ry, rz)) in ELLIPSOIDS.items():
            off = ((x - sign * cx) / rx) ** 2 + ((y - cy) / ry) ** 2 + ((z - cz) / rz) ** 2
            add(f"{side}-{name}", off < 1)
    return grey.with_array(labels, unit="label"), names


def compare(
    image: Volume, labels: Volume, names: dict[int, str], atlas: Path, bend: float, seed: int
) -> list[str]:
    """Locate every structure in a bent subject; return name, mL and Dice of each."""
    where = displaced(image, bend, seed)
    truth, values = sampled(labels, where, 0), sampled(image, where, 1)
    rng = np.random.default_rng(seed)
    values = 900 * (np.clip(values, 0, None) / values.max()) ** 0.85
    index = np.indices(values.shape)[2] / values.shape[2]
    values = values * (0.9 + 0.2 * index) + rng.normal(0, 12, values.shape)
    affine = np.asarray(image.affine).copy()
    affine[:3, 3] += (12, -20, 8)  # it lies elsewhere in its scanner
    subject = Volume(values.astype(np.float32), affine=affine, modality="MR", name="subject")
    found = AtlasLocator(atlas).locate([subject], ", ".join(names.values()))
    voxel = float(np.prod(subject.spacing or (1.0,))) / 1000
    rows = []
    for k, name in names.items():
        a, b = found.mask == k, truth == k
        if b.sum() * voxel > SMALLEST_ML:
            dice = 2 * (a & b).sum() / max(1, a.sum() + b.sum())
            rows.append(f"{name} | {b.sum() * voxel:.1f} | {dice:.3f} |")
    return rows


def displaced(volume: Volume, bend: float, seed: int) -> npt.NDArray[Any]:
    """Return for every voxel where it comes from, in voxels, shape (3, N)."""
    rng = np.random.default_rng(seed)
    spacing = np.array(volume.spacing)
    noise = [ndimage.gaussian_filter(rng.normal(size=volume.shape), 22 / spacing) for _ in "zyx"]
    field = [b / np.abs(b).max() * bend / s for b, s in zip(noise, spacing, strict=True)]
    c, s = np.cos(0.08), np.sin(0.08)
    turn = np.array([[1, 0, 0], [0, c, -s], [0, s, c]]) @ np.diag([1.04, 0.96, 1.05])
    matrix = np.diag(1 / spacing) @ turn @ np.diag(spacing)
    middle = (np.array(volume.shape) - 1) / 2
    index = np.indices(volume.shape).reshape(3, -1)
    where = matrix @ (index - middle[:, None]) + middle[:, None]
    return np.asarray(where + np.array([b.ravel() for b in field]))


def sampled(volume: Volume, where: npt.NDArray[Any], order: int) -> npt.NDArray[Any]:
    """Look a volume up at these places."""
    array = volume.array.astype(np.float32 if order else np.int16)
    made = ndimage.map_coordinates(array, where, order=order, mode="constant")
    return np.asarray(made.reshape(volume.shape))


if __name__ == "__main__":
    sys.exit(main())

"""Marks of the lexicon in head volumes that were rotated, resampled, shaded, noisy or cut.

    python benchmarks/volumes_variants.py --data DIR --out benchmarks/results/volumes_variants.md

One row a volume and variation: mL (and Dice where it is known) of each term, and which of these
limits are not kept: brain 900 to 1900 mL (at most 1900 where the field of view is cut), Dice of
grey and white matter 0.75 (T1) or 0.6, of bone 0.9, vessel below 5 mL, hyperintensity below 10 mL
and other findings empty in a healthy head, a lesion's Dice 0.6. Terms of a volume share one
classification, so that it takes seconds.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import nibabel as nib
import numpy as np
import numpy.typing as npt
from _bench.made_heads import made_head
from scipy import ndimage
from volumes_lexicon import CT_TERMS, MR_TERMS, VOLUMES, truth

from napari_textdifuse import Volume
from napari_textdifuse.locate.lexicon import _find, _usable
from napari_textdifuse.locate.prompt import parse
from napari_textdifuse.locate.views import views_of
from napari_textdifuse.locate.vocabulary import TERMS

Array = npt.NDArray[np.float32]
#: Turns an array (X, Y, Z) of an affine into another.
Warp = Callable[[Array], Array]
Geometry = Callable[
    [tuple[int, ...], npt.NDArray[np.float64]], tuple[Warp, npt.NDArray[np.float64]]
]
MADE = ("T1", "T2", "T2_lesion", "PD", "FLAIR", "FLAIR_lesion")


def voxels(*mm: float) -> Geometry:
    """Return voxels of another size, averaged where they grow."""

    def change(shape, affine):  # type: ignore[no-untyped-def]
        factor = np.array(mm) / np.linalg.norm(affine[:3, :3], axis=0)
        other = affine.copy()
        other[:3, :3] = affine[:3, :3] * factor
        other[:3, 3] += affine[:3, :3] @ ((factor - 1) / 2)
        size = tuple(int(np.ceil(n / k)) for n, k in zip(shape, factor, strict=True))
        blur = [0.42 * k if k > 1.2 else 0 for k in factor]
        return lambda a: _moved(ndimage.gaussian_filter(a, blur), affine, other, size), other

    return change


def turned(degrees: float, axis: int, tilted: bool = False) -> Geometry:
    """Return the head turned in its image, or (tilted) the image turned around the head."""

    def change(shape, affine):  # type: ignore[no-untyped-def]
        turn = np.eye(4)
        i, j = (k for k in range(3) if k != axis)
        cosine, sine = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
        turn[[i, j, i, j], [i, j, j, i]] = cosine, cosine, -sine, sine
        centre = affine[:3] @ np.r_[(np.array(shape) - 1) / 2, 1]
        turn[:3, 3] = centre - turn[:3, :3] @ centre
        other = turn @ affine
        return lambda a: _moved(a, affine, other, shape), other if tilted else affine

    return change


def shifted(mm: float) -> Geometry:
    """Return the head shifted sideways in its field of view."""

    def change(shape, affine):  # type: ignore[no-untyped-def]
        steps = mm / np.linalg.norm(affine[:3, 0])
        return lambda a: ndimage.shift(a, (steps, 0, 0), order=1, cval=float(a.min())), affine

    return change


def cut(low: float, high: float) -> Geometry:
    """Return a part of the field of view from feet to head."""

    def change(shape, affine):  # type: ignore[no-untyped-def]
        first, last = int(low * shape[2]), int(high * shape[2])
        other = affine.copy()
        other[:3, 3] += affine[:3, 2] * first
        return lambda a: a[:, :, first:last], other

    return change


def stored_otherwise(shape, affine):  # type: ignore[no-untyped-def]
    """Return the axes as anterior, superior, left: permuted and flipped."""
    other = affine[:, [1, 2, 0, 3]].copy()
    other[:, 3] += other[:, 2] * (shape[0] - 1)
    other[:, 2] *= -1
    return lambda a: np.ascontiguousarray(np.transpose(a, (1, 2, 0))[:, :, ::-1]), other


def _moved(array, affine, other, size):  # type: ignore[no-untyped-def]
    matrix = np.linalg.inv(affine) @ other
    lowest = float(array.min())
    return ndimage.affine_transform(array, matrix, output_shape=size, order=1, cval=lowest)


def shaded(array: Array) -> Array:
    x, y, z = np.meshgrid(*(np.linspace(-1, 1, n) for n in array.shape), indexing="ij")
    return np.asarray(array * (1 + 0.21 * x + 0.2 * y - 0.2 * z**2 + 0.15 * x * y), np.float32)


def coil(array: Array) -> Array:
    _, y, z = np.meshgrid(*(np.linspace(-1, 1, n) for n in array.shape), indexing="ij")
    return np.asarray(array * np.exp(0.35 * y + 0.2 * z), np.float32)


def noisy(share: float) -> Warp:
    def change(array: Array) -> Array:
        rng = np.random.default_rng(0)
        if array.min() < -500:  # HU
            return np.asarray(array + rng.normal(0, 8, array.shape), np.float32)
        draws = rng.normal(0, share * np.percentile(array, 98), (2, *array.shape))
        return np.asarray(np.hypot(array + draws[0], draws[1]), np.float32)  # Rician

    return change


def as_integers(array: Array) -> Array:
    slope = float(array.max()) / 3000
    return np.asarray(np.round(array / slope).astype(np.int16) * slope, np.float32)


PLACES: dict[str, Geometry | None] = {
    "as it is": None,
    "voxels 1.5 mm": voxels(1.5, 1.5, 1.5),
    "slices 3 mm": voxels(1, 1, 3),
    "slices 5 mm": voxels(1, 1, 5),
    "sagittal slices 3 mm": voxels(3, 1, 1),
    "turned 10 degrees": turned(10, 2),
    "nodding 10 degrees": turned(10, 0),
    "leaning 10 degrees": turned(10, 1),
    "turned 15 degrees": turned(15, 2),
    "leaning 15 degrees": turned(15, 1),
    "shifted 15 mm": shifted(15),
    "tilted image 25 degrees": turned(25, 0, tilted=True),
    "axes stored otherwise": stored_otherwise,
    "without neck": cut(0.25, 1),
    "without vertex": cut(0, 0.88),
}
#: Not for CT, but for noise and integers.
VALUES: dict[str, Warp] = {
    "shading 30 %": shaded,
    "surface coil": coil,
    "noise 3 %": noisy(0.03),
    "noise 5 %": noisy(0.05),
    "noise 9 %": noisy(0.09),
    "divided by 1000": lambda a: a / 1000,
    "int16 with slope": as_integers,
}
ON_CT = ("noise 5 %", "int16 with slope")
CUT = ("without neck", "without vertex")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of NIfTI volumes")
    parser.add_argument("--volumes", nargs="+", help="only these, such as spm_T1 or made_FLAIR")
    parser.add_argument("--variations", nargs="+", choices=[*PLACES, *VALUES], help="only these")
    parser.add_argument("--unknown", action="store_true", help="the contrast is not stated")
    parser.add_argument("--out", type=Path, help="Markdown file")
    options = parser.parse_args()
    lines = ["| volume | variation | mL/Dice | beyond a limit |", "| --- " * 4 + "|"]
    for volume, truths in _volumes(options.data, options.volumes or ()):
        for name in (*PLACES, *VALUES):
            asked = not options.variations or name in options.variations
            if asked and not (volume.modality == "CT" and name in set(VALUES) - set(ON_CT)):
                lines.append(row(volume, truths, name, options.unknown))
                print(lines[-1], flush=True)
    if options.out:
        options.out.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return 0


def _volumes(data: Path, asked: tuple[str, ...]) -> Iterator[tuple[Volume, dict[str, Array]]]:
    for name, modality, unit, contrast, _ in VOLUMES:
        path = data / f"{name}.nii.gz"
        if modality in ("MR", "CT") and path.exists() and (not asked or name in asked):
            image = nib.as_closest_canonical(nib.load(path))
            volume = Volume.from_nibabel(image, modality=modality, unit=unit, contrast=contrast)
            yield volume.with_array(volume.array, name=name), truth(data, name, volume)
    for made in MADE:
        if not asked or f"made_{made}" in asked:
            contrast = made.split("_")[0]
            volume, known = made_head(data, contrast, made.endswith("lesion"))
            yield volume.with_array(volume.array, name=f"made_{made}", contrast=contrast), known


def row(volume: Volume, truths: dict[str, Array], variation: str, unknown: bool) -> str:
    """Measure one volume in one variation."""
    assert volume.affine is not None
    array, affine = volume.array.astype(np.float32).T, volume.affine
    place = PLACES.get(variation)
    if place is not None:
        warp, affine = place(array.shape, affine)
        array = warp(array)
        truths = {k: (warp(m.T.astype(np.float32)) > 0.5).T for k, m in truths.items()}
    array = VALUES.get(variation, np.asarray)(array)
    if volume.modality == "CT":
        truths = {"bone": array.T >= 300}
    image = nib.Nifti1Image(np.asarray(array, np.float32), affine)
    stated = None if unknown else volume.contrast
    changed = Volume.from_nibabel(
        image, modality=volume.modality, unit=volume.unit, contrast=stated, name="image A"
    )
    views, litres = views_of([changed]), abs(np.linalg.det(affine[:3, :3])) / 1000
    said, wrong = [], []
    for term in CT_TERMS if volume.modality == "CT" else (*MR_TERMS, "infarct"):
        request = parse(term, TERMS)[0][0]
        if not _usable(request.term, views):
            continue
        mask, wanted = _find(request, views).mask, truths.get(term)
        amount = float(mask.sum() * litres)
        dice = None
        if wanted is not None:
            dice = float(2 * (mask & wanted).sum() / max(1, mask.sum() + wanted.sum()))
        text = f"{term} {amount:.1f}" + ("" if dice is None else f"/{dice:.2f}")
        said.append(text)
        if _beyond(volume, term, amount, dice, variation in CUT):
            wrong.append(text)
    return f"| {volume.name} | {variation} | {', '.join(said)} | {', '.join(wrong)} |"


def _beyond(volume: Volume, term: str, amount: float, dice: float | None, is_cut: bool) -> bool:
    if term == "brain":
        return amount > 1900 or (amount < 900 and not is_cut)
    if term in ("grey matter", "white matter"):
        return dice is not None and dice < (0.75 if volume.contrast == "T1" else 0.6)
    if term == "bone":
        return dice is not None and dice < 0.9
    if term == "ventricle":
        return dice is not None and dice == 0 and amount > 0  # elsewhere than the ventricles
    limits = {"vessel": 5.0, "hyperintensity": 10.0}
    return dice < 0.6 if dice is not None else amount > limits.get(term, 0.0)


if __name__ == "__main__":
    sys.exit(main())

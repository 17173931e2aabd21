"""Marks of the lexicon in head volumes: mL, and Dice against known structures.

The folder contains NIfTI volumes: SPM's templates (``spm_*``, probability maps ``spm_grey``,
``spm_white``, ``spm_csf``), a CT template in HU (``headhu_ct``, against 300 HU) and single scans. A
volume that is not there is left out. Tissue maps count from a probability of 0.5; of ventricles the
fluid between the hemispheres' middle and 40 mm to the side, where lateral and third ventricles lie.

Rows that begin with ``made`` are heads made from these maps (`_bench.made_heads`): other contrasts,
shading, noise, bright fat, and a lesion of 38 mL, with the contrast stated, only in the name, or
not known at all.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import numpy.typing as npt
from _bench.made_heads import CONTRASTS, known_masks, made_head, tissue_maps

from napari_textdifuse import Volume
from napari_textdifuse.errors import PromptError
from napari_textdifuse.locate import LexiconLocator

#: Name, modality, unit, contrast, terms.
MR_TERMS = ("brain", "grey matter", "white matter", "ventricle", "hyperintensity", "lesion")
CT_TERMS = ("bone", "brain", "ventricle", "vessel", "haemorrhage", "calcification", "metal")
VOLUMES: tuple[tuple[str, str, str, str | None, tuple[str, ...]], ...] = (
    ("spm_T1", "MR", "a.u.", "T1", MR_TERMS),
    ("spm_T2", "MR", "a.u.", "T2", MR_TERMS),
    ("spm_PD", "MR", "a.u.", "PD", MR_TERMS),
    ("nv_chris_PD", "MR", "a.u.", "PD", MR_TERMS),
    ("nv_MR_Gd", "MR", "a.u.", "T1Gd", MR_TERMS),
    ("headhu_ct", "CT", "HU", None, CT_TERMS),
    ("spm_PET", "PT", "a.u.", None, ("tumour", "lesion")),
    ("spm_SPECT", "NM", "counts", None, ("tumour", "perfusion deficit")),
)


#: How the contrast of a made head is known.
KNOWN = ("stated", "name", "unknown")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of NIfTI volumes")
    parser.add_argument("--volumes", nargs="+", help="only these, such as spm_T1 or made_FLAIR")
    parser.add_argument("--terms", nargs="+", help="only these")
    parser.add_argument("--known", nargs="+", choices=KNOWN, default=KNOWN)
    parser.add_argument("--out", type=Path, help="Markdown file")
    options = parser.parse_args()
    lines = ["| volume | term | mL | known mL | Dice | note |", "| --- " * 6 + "|"]
    for name, volume, truths, terms in _volumes(options):
        for term in terms:
            if not options.terms or term in options.terms:
                lines.append(row(name, volume, term, truths.get(term)))
                print(lines[-1], flush=True)
    if options.out:
        options.out.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return 0


def _volumes(
    options: argparse.Namespace,
) -> Iterator[tuple[str, Volume, dict[str, npt.NDArray[np.bool_]], tuple[str, ...]]]:
    """Yield name, volume, known masks and terms of all that was asked for."""

    def wanted(name: str) -> bool:
        return not options.volumes or name in options.volumes

    for name, modality, unit, contrast, terms in VOLUMES:
        path = options.data / f"{name}.nii.gz"
        if path.exists() and wanted(name):
            image = nib.as_closest_canonical(nib.load(path))
            volume = Volume.from_nibabel(image, modality=modality, unit=unit, contrast=contrast)
            yield name, volume, truth(options.data, name, volume), terms
    if not (options.data / "spm_csf.nii.gz").exists():
        return
    for contrast in CONTRASTS:
        for lesion in (False, True):
            name = f"made_{contrast}" + ("_lesion" if lesion else "")
            if not wanted(name):
                continue
            volume, truths = made_head(options.data, contrast, lesion)
            terms = (*MR_TERMS, "infarct") if lesion else MR_TERMS
            for known in options.known:
                stated = contrast if known == "stated" else None
                title = f"sub-01_{contrast}" if known == "name" else "image A"
                yield (
                    f"{name}, {known}",
                    replace(volume, contrast=stated, name=title),
                    truths,
                    terms,
                )


def truth(data: Path, name: str, volume: Volume) -> dict[str, npt.NDArray[np.bool_]]:
    """Return the masks that are known for a volume."""
    if name == "headhu_ct":
        return {"bone": volume.array >= 300}
    if not name.startswith("spm_") or volume.modality != "MR":
        return {}
    return known_masks(*tissue_maps(data))


def row(name: str, volume: Volume, term: str, wanted: npt.NDArray[np.bool_] | None) -> str:
    try:
        location = LexiconLocator().locate([volume], term)
    except PromptError as error:
        return f"| {name} | {term} | | | | refused: {str(error)[:60]} |"
    mask = location.mask > 0
    voxel = math.prod(volume.spacing or (1.0,)) / 1000
    millilitres = mask.sum() * voxel
    dice = ""
    if wanted is not None:
        dice = f"{2 * (mask & wanted).sum() / max(1, mask.sum() + wanted.sum()):.3f}"
    note = ""
    for said in location.notes:
        if "not plausible" in said:
            note = said.split("(")[-1].split(")")[0]
        elif "its contrast is not stated" in said:
            note = said.split("it was ")[-1].split(",")[0]
    known = "" if wanted is None else f"{wanted.sum() * voxel:.1f}"
    return f"| {name} | {term} | {millilitres:.1f} | {known} | {dice} | {note} |"


if __name__ == "__main__":
    sys.exit(main())

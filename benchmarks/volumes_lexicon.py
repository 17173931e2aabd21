"""What the lexicon marks in real head volumes: mL, and Dice against tissue maps.

The folder holds NIfTI volumes: SPM's templates (``spm_*`` with the probability maps ``spm_grey``,
``spm_white``), a CT template in HU (``headhu_ct``, against 300 HU) and single scans. A volume that
is not there is left out. Tissue maps count from a probability of 0.5.
"""

from __future__ import annotations

import argparse
import math
import sys
from pathlib import Path

import nibabel as nib
import numpy as np
import numpy.typing as npt

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


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of NIfTI volumes")
    parser.add_argument("--volumes", nargs="+", help="only these")
    parser.add_argument("--out", type=Path, help="Markdown file")
    options = parser.parse_args()
    lines = ["| volume | term | mL | Dice | note |", "| --- | --- | --- | --- | --- |"]
    for name, modality, unit, contrast, terms in VOLUMES:
        path = options.data / f"{name}.nii.gz"
        if not path.exists() or (options.volumes and name not in options.volumes):
            continue
        image = nib.as_closest_canonical(nib.load(path))
        volume = Volume.from_nibabel(image, modality=modality, unit=unit, contrast=contrast)
        truths = truth(options.data, name, volume)
        for term in terms:
            lines.append(row(name, volume, term, truths.get(term)))
            print(lines[-1], flush=True)
    if options.out:
        options.out.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return 0


def truth(data: Path, name: str, volume: Volume) -> dict[str, npt.NDArray[np.bool_]]:
    """Return the masks that are known for a volume."""
    if name == "headhu_ct":
        return {"bone": volume.array >= 300}
    if not name.startswith("spm_") or volume.modality != "MR":
        return {}
    maps = []
    for kind in ("grey", "white"):
        image = nib.as_closest_canonical(nib.load(data / f"spm_{kind}.nii.gz"))
        maps.append(Volume.from_nibabel(image).array)
    grey, white = maps
    return {"grey matter": grey > 0.5, "white matter": white > 0.5, "brain": grey + white > 0.5}


def row(name: str, volume: Volume, term: str, wanted: npt.NDArray[np.bool_] | None) -> str:
    try:
        location = LexiconLocator().locate([volume], term)
    except PromptError as error:
        return f"| {name} | {term} | | | refused: {str(error)[:60]} |"
    mask = location.mask > 0
    millilitres = mask.sum() * math.prod(volume.spacing or (1.0,)) / 1000
    dice = ""
    if wanted is not None:
        dice = f"{2 * (mask & wanted).sum() / max(1, mask.sum() + wanted.sum()):.3f}"
    unmarked = [note for note in location.notes if "not plausible" in note]
    note = unmarked[0].split("(")[-1].split(")")[0] if unmarked else ""
    return f"| {name} | {term} | {millilitres:.1f} | {dice} | {note} |"


if __name__ == "__main__":
    sys.exit(main())

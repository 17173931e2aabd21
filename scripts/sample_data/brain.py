"""The simulated head as NIfTI files."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from . import scanners
from .anatomy import build_head
from .files import write_nifti

#: Which truth is given on which grid.
MASKS = {
    "lesion": ("t1", "pet", "ct", "t1dicom"),
    "skull": ("t1", "ct"),
    "ventricle": ("t1", "ct"),
    "vessel": ("t1", "ct"),
    "deficit": ("t1", "spect"),
}
SEEDS = {"t1": 11, "pet": 12, "ct": 13, "spect": 14, "t1dicom": 15}


def make_brain(out: Path) -> dict[str, np.ndarray]:
    """Write ``brain/*.nii.gz`` and ``brain/masks/``; return what DICOM is written from.

    Parameters
    ----------
    out : Path
        The folder ``sample_data``.

    Returns
    -------
    dict of str to ndarray
        ``"pet"`` (SUVbw) and ``"t1dicom"``, axes (x, y, z), on their grids in `scanners.GRIDS`.
    """
    head = build_head()
    scans = {
        name: scan(head, scanners.GRIDS[name], SEEDS[name])
        for name, scan in (
            ("t1", scanners.scan_t1),
            ("pet", scanners.scan_pet),
            ("ct", scanners.scan_ct),
            ("spect", scanners.scan_spect),
        )
    }
    for name, values in scans.items():
        slope = float(np.float32(values.max() / 32000)) if name == "pet" else None
        write_nifti(
            out / "brain" / f"{name}.nii.gz",
            values,
            scanners.GRIDS[name].affine,
            scanners.SIDECARS[name],
            slope,
        )
    for name, grids in MASKS.items():
        for grid in grids:
            write_nifti(
                out / "brain" / "masks" / f"{name}_{grid}.nii.gz",
                scanners.mask_on(head, name, scanners.GRIDS[grid]),
                scanners.GRIDS[grid].affine,
            )
    grid = scanners.GRIDS["t1dicom"]
    return {"pet": scans["pet"], "t1dicom": scanners.scan_t1(head, grid, SEEDS["t1dicom"], 3.5)}

"""Small real files under the names that the commands of README and docs use."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest


@pytest.fixture(scope="session")
def documented_files(tmp_path_factory, tiny_weights) -> Path:
    """A folder with everything that the documented commands read, but for what they make."""
    from PIL import Image

    from napari_textdifuse import read
    from napari_textdifuse.io import write
    from napari_textdifuse.samples import sample_dir, sample_mask

    here = tmp_path_factory.mktemp("documented")
    brain = sample_dir() / "brain"
    for name, step in (("t1", 2), ("ct", 2), ("pet", 1)):
        _thinned(read(brain / f"{name}.nii.gz"), step, here / f"{name}.nii.gz")
    shutil.copy(here / "t1.nii.gz", here / "mri.nii.gz")
    suv = {"Units": "SUVbw"}
    (here / "pet.json").write_text(json.dumps(suv))
    mask = sample_mask("pet-mri", "tumour")
    for folder in ("mri", "pet", "masks", "visible", "infrared", "dataset", "ct_series"):
        (here / folder).mkdir()
    # neutral names, as in the documentation: the folders tell what is in them
    shutil.copy(here / "t1.nii.gz", here / "mri/case01.nii.gz")
    shutil.copy(here / "pet.nii.gz", here / "pet/case01.nii.gz")
    (here / "pet/case01.json").write_text(json.dumps(suv))
    thin = replace(mask, array=mask.array[4:45, ::2, ::2], affine=_stepped(mask.affine, 2))
    write(here / "masks/case01.nii.gz", thin)
    for kind in ("visible", "infrared"):
        with Image.open(sample_dir() / f"street/{kind}.png") as picture:
            for k in range(2):
                left = 60 + 140 * k
                picture.crop((left, 90, left + 120, 186)).save(here / kind / f"{k + 1:03}.png")
    for kind, datatype, suffix in (("mri", "anat", "T1w"), ("pet", "pet", "pet")):
        stem = here / f"dataset/sub-01/{datatype}/sub-01_{suffix}"
        stem.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(here / kind / "case01.nii.gz", f"{stem}.nii.gz")
        if kind == "pet":
            Path(f"{stem}.json").write_text(json.dumps(suv))
    _ct_series(here / "ct.nii.gz", here / "ct_series")
    for kind in ("us", "mr"):
        (here / "scans" / kind).mkdir(parents=True)
        shutil.copy(here / "infrared/001.png", here / "scans" / kind / "case0.png")
    shutil.copytree(tiny_weights, here / "runs/3")
    return here


def _stepped(affine, step):
    """Return the affine of every ``step``-th row and column of the slices from the fifth on."""
    matrix = np.diag([step, step, 1.0, 1])
    matrix[2, 3] = 4 if step > 1 else 0
    return affine @ matrix


def _thinned(volume, step, path):
    """Write every ``step``-th row and column, without a sidecar: the name is all that tells."""
    import nibabel as nib

    part = volume.array[4:45] if step > 1 else volume.array
    values = np.ascontiguousarray(part[:, ::step, ::step]).T
    if volume.unit == "HU":
        values = values.astype(np.int16)
    nib.save(nib.Nifti1Image(values, _stepped(volume.affine, step)), path)


def _ct_series(source, folder):
    """A DICOM CT as scanners write it, of a NIfTI file in HU."""
    import pydicom

    from napari_textdifuse import read
    from napari_textdifuse.io import write_dicom

    volume = read(source)
    write_dicom(folder, replace(volume, array=(volume.array + 1024).astype(np.uint16)))
    for file in folder.iterdir():
        data = pydicom.dcmread(file)
        data.Modality, data.RescaleType = "CT", "HU"
        data.RescaleSlope, data.RescaleIntercept = 1, -1024
        data.save_as(file)

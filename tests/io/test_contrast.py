"""How an MR image is weighted, from the times of its pulse sequence."""

from __future__ import annotations

import json

import nibabel as nib
import numpy as np
import pytest

from napari_textdifuse import io
from napari_textdifuse.meaning import contrast_of_times

ROWS = [
    # TE, TR, TI in ms, sequence, variant, agent
    ((10, 500, 0, "SE", "SK", None), "T1"),
    ((10, 500, 0, "SE", "SK", "Gadovist"), "T1Gd"),
    ((3, 2300, 900, ["GR", "IR"], ["SK", "SP", "MP"], None), "T1"),  # MPRAGE
    ((3, 8, 0, "GR", ["SP"], None), "T1"),  # spoiled gradient echo
    ((2, 5, 0, "GR", ["SS"], None), None),  # balanced steady state: T2 over T1
    ((20, 600, 0, "GR", ["SP"], None), "T2*"),
    ((95, 4500, 0, "SE", "SK", None), "T2"),
    ((15, 2500, 0, "SE", "SK", None), "PD"),
    ((120, 9000, 2500, ["SE", "IR"], "SK", None), "FLAIR"),
    ((90, 6000, 0, ["SE", "EP"], "SK", None), None),  # diffusion, perhaps
    ((50, 1200, 0, "SE", "SK", None), None),
]


@pytest.mark.parametrize(("row", "contrast"), ROWS)
def test_from_dicom(tmp_path, make_dicom, save_dicom, row, contrast):
    names = ("EchoTime", "RepetitionTime", "InversionTime", "ScanningSequence", "SequenceVariant")
    tags = {k: v for k, v in zip((*names, "ContrastBolusAgent"), row, strict=True) if v}
    made = make_dicom(np.arange(12, dtype=np.uint16).reshape(3, 4), "MR", **tags)
    folder = tmp_path / "T2"  # as a guess, it gives way to the file's times
    folder.mkdir()
    volume = io.read(save_dicom(made, folder / "x.dcm"))
    if contrast is None:
        assert (volume.contrast, volume.facts["contrast"].source) == ("T2", "folder name")
        return
    assert volume.contrast == contrast
    assert volume.facts["contrast"].source == "file"
    assert "Gadovist" not in str(volume.metadata)


@pytest.mark.parametrize(("row", "contrast"), ROWS)
def test_from_a_bids_sidecar(tmp_path, row, contrast):
    echo, repetition, inversion, sequence, variant, agent = row
    content = {"EchoTime": echo / 1000, "RepetitionTime": repetition / 1000, "Modality": "MR"}
    content |= {"InversionTime": inversion / 1000} if inversion else {}
    for key, value in (("ScanningSequence", sequence), ("SequenceVariant", variant)):
        content[key] = value if isinstance(value, str) else "_".join(value)  # as dcm2niix
    content |= {"ContrastBolusIngredient": "GADOLINIUM"} if agent else {}
    nib.save(nib.Nifti1Image(np.ones((3, 4, 5), np.int16), np.eye(4)), tmp_path / "case.nii.gz")
    (tmp_path / "case.json").write_text(json.dumps(content))
    volume = io.read(tmp_path / "case.nii.gz")
    assert volume.contrast == contrast
    assert volume.facts["contrast"].source == ("unknown" if contrast is None else "sidecar")


def test_times_that_are_missing_or_no_numbers_say_nothing():
    assert contrast_of_times({"EchoTime": 95}) is None
    assert contrast_of_times({"EchoTime": "long", "RepetitionTime": 4500}) is None

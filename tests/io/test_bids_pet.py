"""SUV of NIfTI with a PET2BIDS sidecar, each row against a calculation by hand."""

from __future__ import annotations

import json

import nibabel as nib
import numpy as np
import pytest

import napari_textdifuse

#: 370 MBq of F-18 in 74 kg, corrected to one half-life after injection.
PET = {
    "Modality": "PT",
    "Units": "Bq/mL",
    "InjectedRadioactivity": 370,
    "InjectedRadioactivityUnits": "MBq",
    "BodyWeight": 74,
    "TimeZero": "13:04:42",
    "InjectionStart": 0,
    "ScanStart": 6586.2,
    "ImageDecayCorrected": True,
    "ImageDecayCorrectionTime": 6586.2,
    "TracerRadionuclide": "F18",
    "AttenuationCorrection": "CT",
}


def read(tmp_path, changes=(), value=5000.0):
    values = np.full((3, 4, 5), value, np.float32)
    nib.save(nib.Nifti1Image(values, np.eye(4)), tmp_path / "sub-1_pet.nii.gz")
    content = {k: v for k, v in {**PET, **dict(changes)}.items() if v is not None}
    (tmp_path / "sub-1_pet.json").write_text(json.dumps(content))
    return napari_textdifuse.read(tmp_path / "sub-1_pet.nii.gz")


@pytest.mark.parametrize(
    ("changes", "suv"),
    [
        # 5000 Bq/mL x 74000 g / (370e6 Bq / 2)
        ({}, 2.0),
        ({"TracerRadionuclide": "18F"}, 2.0),
        ({"TracerRadionuclide": "[18F]"}, 2.0),
        # corrected to the time of injection: the dose does not decay
        ({"ImageDecayCorrectionTime": 0}, 1.0),
        # injected before time zero; no correction time: ScanStart counts
        ({"InjectionStart": -6586.2, "ScanStart": 0, "ImageDecayCorrectionTime": None}, 2.0),
        ({"InjectedRadioactivity": 10, "InjectedRadioactivityUnits": "mCi"}, 2.0),
        ({"InjectedRadioactivity": 3.7e8, "InjectedRadioactivityUnits": "Bq"}, 2.0),
        ({"Units": "kBq/mL"}, 2000.0),
        # C-11: two half-lives of 1221.8 s
        ({"TracerRadionuclide": "C11", "ImageDecayCorrectionTime": 2443.6}, 4.0),
        ({"BodyWeight": [74]}, 2.0),
        ({"BodyWeight": "74", "InjectionStart": "0"}, 2.0),
        ({"BodyWeight": 163.1421, "BodyWeightUnits": "lb"}, 2.0),
        ({"BodyWeight": 74000, "BodyWeightUnit": "g"}, 2.0),
        ({"Units": "kBq/cc"}, 2000.0),
        ({"Units": "nCi/mL"}, 74.0),
        ({"Units": "Bq/cm^3"}, 2.0),
    ],
)
def test_suv_by_hand(tmp_path, changes, suv):
    volume = read(tmp_path, changes)
    assert volume.unit == "SUVbw"
    assert volume.facts["unit"].source == "sidecar"
    np.testing.assert_allclose(volume.array, suv, rtol=1e-5)
    assert volume.array.dtype == np.float32


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"BodyWeight": None}, "no BodyWeight"),
        ({"BodyWeight": 74000}, "74000 kg is not plausible"),
        ({"BodyWeightUnits": "stone"}, "BodyWeightUnits is stone, not kg"),
        ({"InjectedRadioactivity": None}, "no InjectedRadioactivity"),
        ({"InjectedRadioactivityUnits": None}, "is missing, not MBq"),
        ({"InjectedRadioactivityUnits": "kBq"}, "not plausible"),
        ({"InjectedRadioactivity": 3.7e8}, "in another unit"),
        ({"ImageDecayCorrected": None}, "does not say that decay was corrected"),
        ({"ImageDecayCorrected": False}, "does not say that decay was corrected"),
        ({"AttenuationCorrection": "none"}, "attenuation was not corrected"),
        ({"TracerRadionuclide": "X1"}, "half-life of the radionuclide"),
        ({"ImageDecayCorrectionTime": -60}, "-1 minutes"),
        ({"InjectionStart": None}, "no InjectionStart"),
        ({"ImageDecayCorrectionTime": 4e5}, "not plausible for a half-life"),
    ],
)
def test_what_is_missing_or_implausible_leaves_activity(tmp_path, changes, said):
    volume = read(tmp_path, changes)
    assert volume.unit == "Bq/mL"
    assert (volume.array == 5000).all()
    (note,) = [n for n in volume.metadata["notes"] if "SUV could not be computed" in n]
    assert said in note


@pytest.mark.parametrize(("mode", "noted"), [("bolus-infusion", 1), ("infusion", 1), ("bolus", 0)])
def test_an_infusion_is_noted(tmp_path, mode, noted):
    volume = read(tmp_path, {"ModeOfAdministration": mode})
    assert volume.unit == "SUVbw"
    assert len([n for n in volume.metadata["notes"] if "tracer was infused" in n]) == noted


def test_values_that_are_suv_or_no_pet_are_left(tmp_path):
    assert (read(tmp_path, {"Units": "SUVbw"}, 3.0).array == 3).all()
    assert (read(tmp_path, {"Units": "g/mL"}, 3.0).array == 3).all()
    assert read(tmp_path, {"Modality": "MR", "Units": "arbitrary"}).unit == "a.u."


def test_units_that_are_no_text_are_ignored(tmp_path):
    assert read(tmp_path, {"Units": 5}).unit == "a.u."

"""What is known of an image, what is stated against it, and where guessing ends."""

import nibabel as nib
import numpy as np
import pytest

from napari_textdifuse import read
from napari_textdifuse.errors import InputError
from napari_textdifuse.meaning import by_role, facts_record, infer, state
from napari_textdifuse.volume import Volume


def save(path, array, **sidecar):
    path.parent.mkdir(parents=True, exist_ok=True)
    image = nib.Nifti1Image(np.asarray(array, np.float32), np.diag([2, 2, 3, 1.0]))
    nib.save(image, path)
    return path


def ct(low=-1000.0, high=1200.0, n=6):
    return np.linspace(low, high, n**3).reshape(n, n, n).astype(np.float32)


@pytest.mark.parametrize(
    ("low", "high", "unit"),
    [(-1000, 1200, "HU"), (-1024, 3071, "HU"), (-915, 800, "HU"), (0, 563, "a.u."),
     (-300, 900, "a.u."), (0, 1, "a.u."), (-1, 1, "a.u."), (-1000, 50, "a.u.")],
)  # fmt: skip
def test_a_ct_is_in_hu_only_where_it_reaches_air(tmp_path, low, high, unit):
    volume = read(save(tmp_path / "head_ct.nii.gz", ct(low, high)))
    assert volume.unit == unit
    assert volume.facts["unit"].source == ("values" if unit == "HU" else "unknown")
    assert any("Hounsfield" in n for n in volume.metadata["notes"]) == (unit == "HU")


@pytest.mark.parametrize("name", ["mri/case01.nii.gz", "pet/case01.nii.gz", "scan_T1w.nii.gz"])
def test_a_name_does_not_turn_a_ct_into_another_modality(tmp_path, name):
    volume = read(save(tmp_path / name, ct()))
    assert volume.modality is None
    assert "so no modality was assumed" in volume.metadata["notes"][-1]
    stated = state(volume, modality="CT")
    assert (stated.modality, stated.unit) == ("CT", "HU")
    assert not any("no modality was assumed" in note for note in stated.metadata["notes"])
    assert any("Hounsfield" in note for note in stated.metadata["notes"])
    assert not state(stated, unit="HU").metadata["notes"]
    other = read(save(tmp_path / name, ct(0, 900)))
    assert other.modality in ("MR", "PT")


def test_padding_below_air_is_not_a_value():
    array = ct(-1000)
    array[0, 0] = -3024
    assert infer(Volume(array, modality="CT")).unit == "HU"
    assert infer(Volume(array, modality="MR")).unit == "a.u."
    assert infer(Volume(ct(-2000), modality="CT")).unit == "a.u."


def test_facts_and_their_sources(tmp_path):
    path = save(tmp_path / "pet" / "case01.nii.gz", ct(0))
    facts = read(path).facts
    assert (facts["modality"].value, facts["modality"].source) == ("PT", "folder name")
    assert (facts["unit"].value, facts["unit"].source) == (None, "unknown")
    assert facts["space"].value == "3 x 2 x 2 mm, RAS, unit assumed"
    (path.parent / "case01.json").write_text('{"Units": "Bq/ml", "Modality": "PET"}')
    facts = read(path).facts
    assert (facts["modality"].source, str(facts["unit"])) == (
        "sidecar",
        "Bq/mL (from the sidecar file)",
    )
    assert facts_record(read(path))["contrast"] == {"value": None, "source": "unknown"}


def test_what_is_stated_wins(tmp_path):
    volume = read(save(tmp_path / "case_pet.nii.gz", ct(-1000)))
    stated = state(volume, modality="ct")
    assert (stated.modality, stated.unit) == ("CT", "HU")
    assert stated.facts["modality"].source == "stated"
    assert stated.facts["unit"].source == "values"
    assert not any("the file states" in n for n in stated.metadata["notes"])  # it was a guess


def test_a_statement_against_the_file_is_a_note():
    volume = Volume(ct(), unit="HU", modality="CT")
    stated = state(volume, modality="MRI")
    assert (stated.modality, stated.unit) == ("MR", "a.u.")  # HU belongs to CT
    assert stated.metadata["notes"] == ("Modality stated as MR; the file states CT.",)
    assert state(volume, modality="CT").metadata["notes"] == ()


def test_a_modality_that_follows_from_the_stated_unit_is_a_note(tmp_path):
    volume = read(save(tmp_path / "case_pet.nii.gz", ct(-3)))
    stated = state(volume, unit="HU")
    assert stated.modality == "CT"
    assert stated.metadata["notes"][-1:] == (
        "The unit was stated as HU, so the image is taken as CT, not as PT (from the file's name).",
    )
    assert not any("taken as" in note for note in state(volume, unit="SUV").metadata["notes"])


def test_words_of_modalities_and_units():
    volume = Volume(ct(0))
    flair = state(volume, modality="FLAIR")
    assert (flair.modality, flair.contrast) == ("MR", "FLAIR")
    assert state(volume, unit="suv").modality == "PT"
    assert state(volume, unit="suv").unit == "SUVbw"
    assert state(volume, unit="ms").unit == "ms"
    assert state(volume, modality="PET", unit="BQML").unit == "Bq/mL"
    for wrong in ({"modality": "banana"}, {"contrast": "banana"}, {"unit": " "},
                  {"modality": "MR", "unit": "HU"}):  # fmt: skip
        with pytest.raises(InputError):
            state(volume, **wrong)


def test_colour_is_distinguished():
    rng = np.random.default_rng(0)
    picture = rng.integers(40, 255, (50, 60, 3), np.uint8)
    assert Volume(picture, rgb=True).facts["colour"].value == "natural colour"
    picture[:5], picture[-5:], picture[:, :5], picture[:, -5:] = 0, 0, 0, 0
    assert Volume(picture, rgb=True).facts["colour"].value == "colours of measured values"
    assert Volume(picture, rgb=True, modality="VIS").facts["colour"].value == "natural colour"
    assert Volume(picture[..., 0]).facts["colour"].value == "grey"
    palette = Volume(picture, rgb=True, modality="IR").facts["colour"].value
    assert palette == "colours of measured values", "a thermal camera's palette"


def test_an_option_for_both_images():
    assert by_role(None, "modality") == {"a": None, "b": None}
    assert by_role("MR", "modality") == {"a": "MR", "b": "MR"}
    assert by_role({"b": "PT"}, "modality") == {"a": None, "b": "PT"}
    for wrong in ({"c": "MR"}, 3, {"a": 3}, ["MR"]):
        with pytest.raises(InputError, match="modality"):
            by_role(wrong, "modality")


def test_contrast_survives_nifti(tmp_path):
    from napari_textdifuse.io import write

    volume = Volume(ct(0), affine=np.eye(4), modality="MR", contrast="FLAIR")
    write(tmp_path / "x.nii.gz", volume)
    assert read(tmp_path / "x.nii.gz").contrast == "FLAIR"

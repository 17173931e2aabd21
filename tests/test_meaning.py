"""What is known of an image, what is stated against it, and where guessing ends."""

import nibabel as nib
import numpy as np
import pytest
from PIL import Image

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


@pytest.mark.parametrize(
    ("name", "suggested"),
    [("GM_T1.nii.gz", "MRI"), ("lesion_T1.nii.gz", "MRI"), ("mri/wm.nii.gz", "MRI"),
     ("PET_gtv.nii.gz", "PET"), ("ct_organs.nii.gz", "CT")],
)  # fmt: skip
def test_the_name_of_a_mask_or_map_gives_no_modality(tmp_path, name, suggested):
    volume = read(save(tmp_path / name, ct(0, 1)))
    assert (volume.modality, volume.contrast) == (None, None)
    (note,) = volume.metadata["notes"]
    assert f"suggests {suggested}, but '" in note
    assert note.endswith("so no modality was assumed; state the modality.")
    stated = state(volume, modality="T1")
    assert (stated.modality, stated.contrast, stated.metadata["notes"]) == ("MR", "T1", ())


def test_values_in_hu_prove_that_an_image_is_a_ct(tmp_path):
    volume = read(save(tmp_path / "CT_lesion.nii.gz", ct(-1000)))
    assert (volume.modality, volume.unit) == ("CT", "HU")


@pytest.mark.parametrize(
    ("labels", "numbers"), [([0, 1], "0 and 1"), ([0, 1, 2, 3], "the integers from 0 to 3")]
)
@pytest.mark.parametrize("name", ["pet/case01.nii.gz", "sub-01_T1w.nii.gz"])
def test_the_name_of_an_image_does_not_make_a_mask_one(tmp_path, name, labels, numbers):
    array = np.resize(labels, (6, 7, 8))
    volume = read(save(tmp_path / name, array))
    assert volume.modality is None
    assert f"its only values are {numbers}, as of a mask, so no" in volume.metadata["notes"][0]
    array[0, 0, 0] = 90
    assert read(save(tmp_path / name, array)).modality in ("MR", "PT")


def test_a_photograph_called_pet_is_no_pet(tmp_path):
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:80, :100]
    photograph = np.stack([40 + y, 90 + x, 200 - y - x // 2], -1) + rng.integers(
        0, 30, (80, 100, 1)
    )
    photograph = photograph.astype(np.uint8)
    black = photograph.copy()
    black[:9], black[-9:], black[:, :9], black[:, -9:] = 0, 0, 0, 0
    purple = np.where(black == 0, np.array([68, 1, 84], np.uint8), black)  # viridis
    white = np.where(black == 0, np.uint8(255), black)
    for array, modality in ((photograph, None), (white, None), (black, "PT"), (purple, "PT")):
        Image.fromarray(array).save(tmp_path / "my_pet.jpg", quality=95)
        volume = read(tmp_path / "my_pet.jpg")
        assert volume.modality == modality
        noted = any("has the colours of a photograph" in n for n in volume.metadata["notes"])
        assert noted == (modality is None)
    Image.fromarray(photograph).save(tmp_path / "my_ir.jpg", quality=95)
    assert read(tmp_path / "my_ir.jpg").modality == "IR"


@pytest.mark.parametrize("name", ["pet.jpg", "pet/case01.png", "case_spect.bmp"])
def test_a_grey_picture_called_pet_is_one_on_black_only(tmp_path, name):
    """Clinics display PET inverted, with hot lesions black."""
    y, x = np.mgrid[:80, :100]
    head = np.where(np.hypot(y - 40, x - 50) < 30, 90 + x, 0).astype(np.uint8)
    head[35:40, 55:60] = 250
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    for array, known in ((head, True), (255 - head, False), (head // 2 + 60, False)):
        Image.fromarray(array).save(path)
        volume = read(path)
        assert volume.modality == (("NM" if "spect" in name else "PT") if known else None)
        (*_, note) = volume.metadata["notes"] or ("",)
        assert ("no black background" in note and "state the modality" in note) == (not known)
        assert "no modality was assumed" not in str(state(volume, modality="PT").metadata["notes"])
    Image.fromarray(255 - head).save(tmp_path / "mri.png")
    assert read(tmp_path / "mri.png").modality == "MR"


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

"""``textdifuse info FILE ...``: what images are, and how that is known."""

from __future__ import annotations

import json

import nibabel as nib
import numpy as np
import pytest
from cli_images import write_colour, write_grey


def save_ct(path, affine=None):
    values = np.full((6, 5, 4), -1000, np.int16)
    values[2:4, 2:4, 1:3] = 900
    nib.save(nib.Nifti1Image(values, np.diag([1.0, 2, 3, 1]) if affine is None else affine), path)
    return path


def facts(image):
    return {name: (fact["value"], fact["source"]) for name, fact in image["facts"].items()}


def test_each_fact_says_how_it_is_known(textdifuse, tmp_path):
    ct = save_ct(tmp_path / "head_CT.nii.gz")
    image = json.loads(textdifuse("info", ct, "--json").out)["images"][0]
    known = facts(image)
    assert known["modality"] == ("CT", "file name")
    assert known["unit"] == ("HU", "values")
    assert known["contrast"] == (None, "unknown")
    assert known["colour"] == ("grey", "file")
    assert known["space"][1] == "file"
    assert known["time"] == (None, "unknown")
    assert image["path"] == str(ct)
    assert image["shape"] == [4, 5, 6]
    assert image["spacing_mm"] == [3, 2, 1]
    assert image["range"] == [-1000, 900]
    assert image["orientation"] == "RAS"
    assert image["affine"] == np.diag([1.0, 2, 3, 1]).tolist()
    assert "Hounsfield" in image["notes"][0]

    text = textdifuse("info", ct).out
    assert "CT (from the file's name)" in text
    assert "HU (inferred from the values)" in text
    assert "x, y, z point to R, A, S\n" in text
    assert "-1000 to 900 HU" in text
    assert "note: " in text


@pytest.mark.parametrize(("sidecar", "source"), [(True, "sidecar"), (False, "folder name")])
def test_sidecars_and_folders(textdifuse, tmp_path, sidecar, source):
    folder = tmp_path / "ct"
    folder.mkdir()
    save_ct(folder / "case01.nii.gz")
    if sidecar:
        (folder / "case01.json").write_text('{"Modality": "CT", "Units": "HU"}')
    image = json.loads(textdifuse("info", folder / "case01.nii.gz", "--json").out)["images"][0]
    assert facts(image)["modality"] == ("CT", source)
    assert facts(image)["unit"] == ("HU", "sidecar" if sidecar else "values")


def test_what_is_stated_wins_and_is_shown(textdifuse, tmp_path):
    path = save_ct(tmp_path / "x.nii.gz")
    assert facts(json.loads(textdifuse("info", path, "--json").out)["images"][0])["modality"] == (
        None,
        "unknown",
    )
    stated = json.loads(textdifuse("info", path, "--modality", "FLAIR", "--json").out)["images"][0]
    assert facts(stated)["modality"] == ("MR", "stated")
    assert facts(stated)["contrast"] == ("FLAIR", "stated")
    assert "FLAIR (stated by you)" in textdifuse("info", path, "--modality", "FLAIR").out
    ran = textdifuse("info", path, "--modality", "sonar")
    assert ran.status == 2
    assert "sonar" in ran.err
    assert textdifuse("info", "--unit", "HU").status == 2


def test_a_tilted_stack_and_a_series_over_time(textdifuse, tmp_path):
    turn = np.radians(20)
    affine = np.diag([-2.0, 2, 5, 1])  # x runs towards the patient's left
    tilt = np.eye(4)
    tilt[1:3, 1:3] = [[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]
    path = tmp_path / "run_bold.nii"
    values = np.random.default_rng(0).random((4, 5, 6, 7)).astype(np.float32)
    nib.save(nib.Nifti1Image(values, tilt @ affine), path)
    image = json.loads(textdifuse("info", path, "--json").out)["images"][0]
    assert image["orientation"] == "LAS"
    assert image["tilt_degrees"] == pytest.approx(20, abs=0.01)
    assert image["time_points"] == 7
    text = textdifuse("info", path).out
    assert "tilted by up to 20.0 degrees" in text
    assert "point 0 of 7" in text


def test_a_bad_file_does_not_hide_the_others(textdifuse, tmp_path):
    grey, colour = write_grey(tmp_path / "a.png"), write_colour(tmp_path / "b.png")
    (tmp_path / "empty.png").write_bytes(b"")
    files = (grey, tmp_path / "empty.png", tmp_path / "gone.nii", colour)
    ran = textdifuse("info", *files)
    assert ran.status == 2
    assert str(grey) in ran.out
    assert "natural colour (inferred from the values)" in ran.out
    assert [line.split(":")[1] for line in ran.err.splitlines()] == [" error"] * 2
    assert "empty.png is empty" in ran.err
    content = json.loads(textdifuse("info", *files, "--json").out)
    assert [image["path"] for image in content["images"]] == [str(grey), str(colour)]
    assert [bad["path"] for bad in content["failed"]] == list(map(str, files[1:3]))


def test_a_folder_shows_its_images_or_series(textdifuse, tmp_path):
    write_grey(tmp_path / "one.png")
    write_grey(tmp_path / "two.png")
    content = json.loads(textdifuse("info", tmp_path, "--json").out)
    assert [image["path"] for image in content["images"]] == [
        str(tmp_path / "one.png"),
        str(tmp_path / "two.png"),
    ]
    (tmp_path / "none").mkdir()
    ran = textdifuse("info", tmp_path / "none")
    assert ran.status == 2
    assert len(ran.err.splitlines()) == 1


def test_all_series_of_a_dicom_folder(textdifuse, tmp_path):
    import pydicom

    from napari_textdifuse import Volume
    from napari_textdifuse.io import write_dicom

    for number, modality in enumerate(("MR", "PT")):
        values = np.random.default_rng(number).random((3, 6, 7)).astype(np.float32) * 100
        write_dicom(tmp_path / modality, Volume(values, np.diag([1.0, 1, 2, 1])))
        for file in sorted((tmp_path / modality).iterdir()):
            data = pydicom.dcmread(file)
            data.Modality = modality
            data.save_as(tmp_path / f"{modality}{file.name}")
            file.unlink()
        (tmp_path / modality).rmdir()
    content = json.loads(textdifuse("info", tmp_path, "--json").out)
    known = sorted(facts(image)["modality"] for image in content["images"])
    assert known == [("MR", "file"), ("PT", "file")]
    assert all(" series" in image["path"] for image in content["images"])

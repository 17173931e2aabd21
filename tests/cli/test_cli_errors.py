"""Bad input and options: exit status 2, one line that says what is wrong, nothing written."""

from __future__ import annotations

import re
from pathlib import Path

import nibabel as nib
import numpy as np
import pydicom.data
import pytest
from cli_images import write_grey, write_nifti
from PIL import Image

from napari_textdifuse.cli import main
from napari_textdifuse.cli.report import say


def _nifti(path, data, affine=None):
    nib.save(nib.Nifti1Image(data, np.eye(4) if affine is None else affine), path)
    return path


def missing(folder):
    return folder / "nowhere.png"


def text_named_nifti(folder):
    path = folder / "text.nii.gz"
    path.write_text("this is no image")
    return path


def truncated_dicom(folder):
    whole = pydicom.data.get_testdata_file("CT_small.dcm", download=False)
    path = folder / "cut.dcm"
    path.write_bytes(Path(whole).read_bytes()[:20_000])
    return path


def empty_png(folder):
    path = folder / "empty.png"
    path.touch()
    return path


def empty_folder(folder):
    path = folder / "series"
    path.mkdir()
    return path


def all_nan(folder):
    return _nifti(folder / "nan.nii", np.full((8, 8, 3), np.nan, np.float32))


def all_zero(folder):
    Image.fromarray(np.zeros((9, 9), np.uint8)).save(folder / "zero.png")
    return folder / "zero.png"


def complex_nifti(folder):
    return _nifti(folder / "complex.nii", np.ones((8, 8, 3), np.complex64))


def five_axes(folder):
    return _nifti(folder / "five.nii", np.ones((4, 4, 4, 2, 3), np.float32))


@pytest.mark.parametrize("position", [0, 1])
@pytest.mark.parametrize(
    ("make", "words"),
    [
        (missing, "nowhere.png"),
        (text_named_nifti, "text.nii.gz"),
        (truncated_dicom, "cut.dcm"),
        (empty_png, "empty.png"),
        (empty_folder, "series"),
        (all_nan, "finite"),
        (all_zero, "0"),
        (complex_nifti, "complex"),
        (five_axes, "4 x 4 x 4 x 2 x 3"),
    ],
)
def test_bad_images(textdifuse, fast, tmp_path, make, words, position):
    inputs = [write_grey(tmp_path / "good.png"), make(tmp_path)]
    refused(textdifuse, tmp_path, words, *inputs[:: 1 if position else -1], *fast)


def test_images_without_overlap(textdifuse, fast, tmp_path):
    a = write_nifti(tmp_path / "a.nii.gz")
    b = write_nifti(tmp_path / "b.nii.gz", origin=(5000, 0, 0))
    refused(textdifuse, tmp_path, "overlap|mm", a, b, *fast)


def test_a_prompt_that_means_nothing(textdifuse, fast, pictures, tmp_path):
    refused(textdifuse, tmp_path, "gizmo", *pictures, "--prompt", "gizmo", *fast)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--steps", "0"), "--steps.*1 to 1000"),
        (("--steps", "many"), "--steps.*'many'"),
        (("--seed", "-1"), "--seed"),
        (("--strength", "nan"), "--strength"),
        (("--samples", "1.5"), "--samples"),
        (("--device", "abacus"), "--device.*cpu"),
        (("--device", "cuda:99"), "cuda"),
        (("--weights", "nowhere"), "nowhere"),
        (("--mask", "nowhere.png"), "--mask.*nowhere.png"),
        (("--slice", "1"), "2-D image"),
        (("--frobnicate",), "--frobnicate"),
    ],
)
def test_bad_options(textdifuse, tiny_weights, pictures, tmp_path, options, words):
    given = () if "--weights" in options else ("--weights", tiny_weights)
    refused(textdifuse, tmp_path, words, *pictures, *given, *options)


def test_slices_that_are_not_there(textdifuse, fast, volumes, tmp_path):
    refused(textdifuse, tmp_path, "0 to 5", *volumes, "--slice", "6", *fast)


def test_mask_of_another_shape(textdifuse, fast, pictures, tmp_path):
    mask = write_grey(tmp_path / "m.png", (10, 40))
    refused(textdifuse, tmp_path, "mask|aspect|shape|image", *pictures, "--mask", mask, *fast)


@pytest.mark.parametrize("below", ["", "deeper"])
def test_out_that_is_a_file(textdifuse, fast, pictures, tmp_path, below):
    file = tmp_path / "file"
    file.write_text("kept")
    ran = textdifuse("fuse", *pictures, "--out", file / below, *fast)
    one_line(ran, "--out.*is a file")
    assert file.read_text() == "kept"


def test_inputs_are_never_overwritten(textdifuse, fast, tmp_path):
    a, b = write_grey(tmp_path / "fused.png"), write_grey(tmp_path / "b.png", seed=2)
    before = a.read_bytes()
    one_line(textdifuse("fuse", a, b, "--out", tmp_path, *fast), "overwritten")
    assert a.read_bytes() == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["b.png", "fused.png"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "COMMAND"),
        (("melt",), "melt"),
        (("fuse", "one.png"), "one.png|B, --out|required"),
        (("batch", "nowhere", "nowhere", "--out", "x"), "nowhere.*not a folder"),
        (("evaluate", "--a", "nowhere"), "nowhere"),
        (("weights", "list", "light"), "no name"),
        (("weights", "verify", "nowhere"), "nowhere"),
        (("sample", "moon", "--out", "x"), "moon.*pet-mri"),
    ],
)
def test_bad_commands(textdifuse, tmp_path, monkeypatch, arguments, words):
    monkeypatch.chdir(tmp_path)
    one_line(textdifuse(*arguments), words)
    assert list(tmp_path.iterdir()) == []


def refused(textdifuse, folder, words, *arguments):
    before = sorted(folder.rglob("*"))
    one_line(textdifuse("fuse", *arguments, "--out", folder / "out"), words)
    assert sorted(folder.rglob("*")) == before


def one_line(ran, words):
    assert ran.status == 2
    assert ran.out == ""
    assert ran.err.startswith("textdifuse: error: ")
    assert len(ran.err.splitlines()) == 1
    assert re.search(words, ran.err), ran.err


@pytest.mark.parametrize("asked", [(), ("-v",), ("--debug",)])
@pytest.mark.parametrize("relative", [False, True])
def test_folders_are_named_only_when_asked(textdifuse, tmp_path, monkeypatch, relative, asked):
    """Their names may be those of patients, and errors get into logs."""
    monkeypatch.chdir(tmp_path)
    folder = (Path() if relative else tmp_path) / "Mustermann_Erika"
    folder.mkdir()
    image, other = folder / "a.png", folder / "b.png"
    write_grey(image, (32, 32))
    write_grey(other, (32, 32))
    (folder / "file").touch()
    broken = text_named_nifti(folder)
    commands = [
        ("fuse", folder / "none.png", other, "--out", folder / "out"),
        ("fuse", image, broken, "--out", folder / "out"),
        ("fuse", image, other, "--out", folder / "file" / "out"),
        ("fuse", image, other, "--out", folder / "out", "--mask", folder / "none.png"),
        ("fuse", image, other, "--out", folder / "out", "--weights", folder / "none"),
        ("fuse", image, other, "--out", folder / "out", "--register", folder / "none.tfm"),
        ("batch", image, folder, "--out", folder / "out"),
        ("batch", folder, folder, "--bids", "--a", "T1w", "--b", "pet"),
        ("evaluate", "--a", folder, "--b", folder, "--fused", tmp_path / "Mustermann_Erika"),
        ("register", image, folder / "nothing.nii", "--out", folder / "out"),
        ("train", "modulation", "--images", f"MR={folder / 'none'}", "--out", folder / "run"),
    ]
    for command in commands:
        ran = textdifuse(*map(str, command), *asked)
        assert ran.status == 2, command
        assert "error" in ran.err
        if not asked:
            assert "Mustermann" not in ran.err, command
    ran = textdifuse("fuse", str(folder / "none.png"), str(other), "--out", "out", *asked)
    assert ("Mustermann" in ran.err) is bool(asked)


def test_names_on_the_hub_are_kept():
    from napari_textdifuse.cli.report import without_folders

    said = "owner/name is not on the hub; and/or Bq/mL"
    assert without_folders(said, ["weights", "download", "owner/name"]) == said
    assert without_folders("/data/Doe/x.nii is bad", ["/data/Doe/x.nii"]) == "x.nii is bad"
    assert without_folders("no /data/Doe/run/a.pt", ["MR=/data/Doe/run"]) == "no run/a.pt"
    assert without_folders("/data/Doe/y.nii is bad", ["/data/Doe/x.nii"]) == "y.nii is bad"


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        ("'x' is unknown; pass mask= or boxes=.", "; pass a mask with --mask."),
        ("use device='auto' or 'cpu'.", "use --device auto or cpu."),
        ("choose one with time=0 to 3.", "choose one with --time 0 to 3."),
        (
            "a list such as noise=0,light=0.5,colour=1.",
            "a list such as noise=0,light=0.5,colour=1.",
        ),
        ("name a folder with weights= of the locator.", "--locator-weights."),
    ],
)
def test_messages_name_the_options_of_the_command_line(message, shown, capsys):
    say(message)
    assert capsys.readouterr().err.rstrip().endswith(shown)


def test_a_prompt_that_cannot_be_found_names_options_only(tmp_path, capsys):
    for name in ("x1.nii.gz", "x2.nii.gz"):
        nib.save(
            nib.Nifti1Image(np.eye(8, dtype=np.float32)[..., None], np.eye(4)), tmp_path / name
        )
    words = ["fuse", str(tmp_path / "x1.nii.gz"), str(tmp_path / "x2.nii.gz"), "--out"]
    assert main([*words, str(tmp_path / "out"), "--prompt", "tumour"]) == 2
    said = capsys.readouterr().err
    assert "--modality-a" in said
    assert "--mask" in said
    assert not re.search(r"\b\w+=|Python|panel", said)


def test_a_folder_without_images_is_named(tmp_path, capsys):
    (tmp_path / "mri").mkdir()
    (tmp_path / "pet").mkdir()
    words = ["batch", str(tmp_path / "mri"), str(tmp_path / "pet"), "--out", str(tmp_path / "out")]
    assert main(words) == 2
    assert "mri contains no images" in capsys.readouterr().err


NAME = "n" * 300


@pytest.mark.parametrize(
    "words",
    [
        ("info", NAME),
        ("fuse", NAME, NAME, "--out", "out"),
        ("fuse", "a.png", "a.png", "--out", NAME),
        ("fuse", "a.png", "a.png", "--out", "out", "--mask", f"{NAME}.png"),
        ("fuse", "a.png", "a.png", "--out", "out", "--atlas", NAME),
        ("batch", NAME, NAME, "--out", "out"),
        ("register", "a.png", "a.png", "--out", f"new/{NAME}"),
        ("evaluate", "--a", NAME, "--b", ".", "--fused", "."),
        ("evaluate", "--a", ".", "--b", ".", "--fused", ".", "--csv", f"{NAME}.csv"),
        ("train", "fcm", "--start", "light", "--pairs", f"MR={NAME}", "PT=.", "--out", "run"),
        ("train", "fcm", "--start", "light", "--data", NAME, "--out", "run"),
    ],
)
def test_a_name_that_no_file_can_have(words, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_grey(tmp_path / "a.png")
    assert main(list(words)) == 2
    said = capsys.readouterr().err
    assert f"{'n' * 40}...: the name is longer than 255 bytes; shorten it" in said
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("words", [("info",), ("fuse", "--out", "o", "a.png"), ("batch", ".")])
def test_folders_that_are_too_long_together(words, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_grey(tmp_path / "a.png")
    assert main([*words, "a/" * 2500 + "x.nii"]) == 2
    said = capsys.readouterr().err
    assert "x.nii: the names of its folders have more than 4095 bytes in all; move it" in said


@pytest.mark.parametrize("name", [NAME, f"owner/{NAME}", "é" * 200, "owner/name.", "owner-/name"])
def test_weights_of_a_name_that_neither_a_folder_nor_the_hub_can_have(name, tmp_path, capsys):
    image = str(write_grey(tmp_path / "a.png"))
    words = ["fuse", image, image, "--out", str(tmp_path / "out"), "--weights", name]
    assert main(words) == 2
    assert "No weights named" in capsys.readouterr().err


def test_an_error_beside_a_long_prompt_with_a_slash(tmp_path, capsys):
    image = str(write_grey(tmp_path / "a.png"))
    words = ["fuse", image, image, "--out", str(tmp_path / "out"), "--mask", image]
    assert main([*words, "--weights", str(tmp_path), "--prompt", f"{NAME}/{NAME}/x"]) == 2
    assert "not a weights folder" in capsys.readouterr().err

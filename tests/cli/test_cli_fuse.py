"""``textdifuse fuse`` with good input: the files, their geometry and the record."""

from __future__ import annotations

import csv
import json

import nibabel as nib
import numpy as np
import pytest
from PIL import Image

import napari_textdifuse.results.folder as outputs
from napari_textdifuse.cli import main
from napari_textdifuse.errors import WriteError


def files_in(folder):
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


def test_images_give_png_with_the_colour_of_the_source(textdifuse, fast, pictures, tmp_path):
    out = tmp_path / "made" / "out"
    ran = textdifuse("fuse", *pictures, "--out", out, *fast)
    assert ran.status == 0
    assert files_in(out) == ["contribution.png", "fused.png", "preview.png", "record.json"]
    assert list(out.parent.iterdir()) == [out]
    fused = np.asarray(Image.open(out / "fused.png")).astype(int)
    assert fused.shape == (37, 50, 3)
    red_minus_blue = fused[..., 0] - fused[..., 2]
    assert red_minus_blue[:, :25].mean() > 20
    assert red_minus_blue[:, 25:].mean() < -20
    assert np.asarray(Image.open(out / "contribution.png")).shape == (37, 50)
    assert str(out / "fused.png") in ran.out


def test_the_first_image_gives_the_size(textdifuse, fast, pictures, tmp_path):
    grey, colour = pictures
    Image.open(colour).resize((100, 74)).save(colour)
    assert textdifuse("fuse", grey, colour, "--out", tmp_path / "o", *fast).status == 0
    assert np.asarray(Image.open(tmp_path / "o/fused.png")).shape == (37, 50, 3)


def test_record_says_how_it_was_made_but_not_from_which_files(
    textdifuse, fast, pictures, tmp_path, tiny_weights
):
    out = tmp_path / "out"
    ran = textdifuse(
        *("fuse", *pictures, "--out", out, "--seed", "7", "--strength", "0.5", "--json", *fast)
    )
    record = json.loads((out / "record.json").read_text())
    config = json.loads((tiny_weights / "config.json").read_text())
    assert (record["seed"], record["steps"], record["strength"]) == (7, 1, 0.5)
    assert record["weights_sha256"] == config["sha256"]
    assert record["device"] == "cpu"
    assert record["outputs"] == ["fused", "contribution"]
    assert record["seconds"] > 0
    assert "not for diagnosis" in record["notice"]
    everything = b"".join((out / name).read_bytes() for name in files_in(out))
    assert b"Mustermann" not in everything
    assert str(tmp_path).encode() not in everything

    printed = json.loads(ran.out)
    assert set(printed) == {"out", "files", "record"}
    assert printed["files"]["fused"] == "fused.png"
    assert printed["record"] == record


def test_volumes_keep_the_geometry_of_the_first(textdifuse, fast, volumes, tmp_path):
    out = tmp_path / "out"
    assert textdifuse("fuse", *volumes, "--out", out, "--samples", "2", *fast).status == 0
    assert files_in(out) == [
        *("contribution.nii.gz", "fused.nii.gz", "preview.png", "record.json"),
        "uncertainty.nii.gz",
    ]
    first = nib.load(volumes[0])
    for name in ("fused", "contribution", "uncertainty"):
        made = nib.load(out / f"{name}.nii.gz")
        assert made.shape == first.shape
        np.testing.assert_allclose(made.affine, first.affine)
        assert np.isfinite(made.get_fdata()).all()
    assert nib.load(out / "uncertainty.nii.gz").get_fdata().max() > 0


def test_mask_file_becomes_labels_with_the_prompt_as_their_name(
    textdifuse, fast, volumes, tmp_path
):
    ball = np.zeros(nib.load(volumes[1]).shape, np.uint8)
    ball[5:9, 5:9, 3:6] = 255
    nib.save(nib.Nifti1Image(ball, nib.load(volumes[1]).affine), tmp_path / "m.nii.gz")
    ran = textdifuse(
        *("fuse", *volumes, "--out", tmp_path / "o", "--mask", tmp_path / "m.nii.gz"),
        *("--prompt", "my ball", "--json", *fast),
    )
    assert ran.status == 0, ran.err
    record = json.loads(ran.out)["record"]
    assert record["label_names"] == {"255": "my ball"}
    assert [d["label"] for d in record["detections"]] == ["my ball"]
    (row,) = csv.DictReader((tmp_path / "o/objects.csv").read_text().splitlines())
    assert (row["label"], row["term"]) == ("255", "my ball")
    assert float(row["b_mean"]) == pytest.approx(record["objects"][0]["b_mean"], rel=1e-5)
    assert "not for diagnosis" in row["notice"]
    mask = nib.load(tmp_path / "o/mask.nii.gz")
    np.testing.assert_allclose(mask.affine, nib.load(volumes[0]).affine)
    labels = np.asarray(mask.dataobj)
    assert set(np.unique(labels)) == {0, 255}
    # drawn on B's grid, found at the same place in mm on A's
    centre = nib.affines.apply_affine(mask.affine, np.argwhere(labels).mean(axis=0))
    drawn = nib.affines.apply_affine(nib.load(volumes[1]).affine, np.argwhere(ball).mean(axis=0))
    np.testing.assert_allclose(centre, drawn, atol=1.5)


def test_one_slice_of_a_volume(textdifuse, fast, volumes, tmp_path):
    out = tmp_path / "out"
    assert textdifuse("fuse", *volumes, "--out", out, "--slice", "4", *fast).status == 0
    fused, first = nib.load(out / "fused.nii.gz"), nib.load(volumes[0])
    assert fused.shape == (*first.shape[:2], 1)
    np.testing.assert_allclose(fused.affine[:3, 3], (first.affine @ [0, 0, 4, 1])[:3])


def test_equal_seeds_give_equal_files(textdifuse, fast, pictures, tmp_path):
    for name in ("one", "two"):
        textdifuse("fuse", *pictures, "--out", tmp_path / name, "--seed", "3", *fast)
    one, two = (np.asarray(Image.open(tmp_path / n / "fused.png")) for n in ("one", "two"))
    np.testing.assert_array_equal(one, two)


def test_a_new_run_leaves_no_image_of_the_old_one(textdifuse, fast, pictures, tmp_path):
    out = tmp_path / "out"
    mask = tmp_path / "mask-in.png"
    Image.fromarray(np.pad(np.full((9, 9), 255, np.uint8), ((9, 19), (9, 32)))).save(mask)
    assert textdifuse("fuse", *pictures, "--out", out, "--mask", mask, *fast).status == 0
    assert "mask.png" in files_in(out)
    assert set(np.unique(np.asarray(Image.open(out / "mask.png")))) == {0, 255}
    (out / "uncertainty.png").write_bytes(b"not ours")
    assert textdifuse("fuse", *pictures, "--out", out, *fast).status == 0
    assert "mask.png" not in files_in(out)
    assert (out / "uncertainty.png").read_bytes() == b"not ours"


@pytest.mark.parametrize("existing", [False, True])
def test_nothing_is_left_when_the_second_file_fails(
    textdifuse, fast, pictures, tmp_path, monkeypatch, existing
):
    out = tmp_path / "out"
    if existing:
        assert textdifuse("fuse", *pictures, "--out", out, *fast).status == 0
    before = {name: (out / name).read_bytes() for name in files_in(out)}
    calls = []

    def failing(path, volume, **options):
        calls.append(path.name)
        if len(calls) == 2:
            path.write_bytes(b"half")
            raise WriteError("The disk is full; free some space.")
        return write(path, volume, **options)

    write = outputs.write
    monkeypatch.setattr(outputs, "write", failing)
    ran = textdifuse("fuse", *pictures, "--out", out, "--seed", "1", *fast)
    assert ran.status == 2
    assert ran.err == "textdifuse: error: The disk is full; free some space.\n"
    assert {name: (out / name).read_bytes() for name in files_in(out)} == before
    assert out.exists() == existing
    assert not existing or not list(out.glob(".textdifuse-*"))


@pytest.mark.parametrize(
    ("error", "status", "words"),
    [
        (KeyboardInterrupt(), 130, "textdifuse: cancelled\n"),
        (RuntimeError("boom\nmore"), 1, "textdifuse: error: unexpected RuntimeError: boom more; "),
    ],
)
def test_interruption_and_the_unexpected(
    textdifuse, fast, pictures, tmp_path, monkeypatch, error, status, words
):
    def stop(*_, **__):
        raise error

    monkeypatch.setattr(outputs, "write_json", stop)  # at the very end
    ran = textdifuse("fuse", *pictures, "--out", tmp_path / "out", *fast)
    assert ran.status == status
    assert ran.err.startswith(words)
    assert len(ran.err.splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_debug_shows_the_traceback(pictures, tmp_path, capsys):
    text = tmp_path / "text.nii.gz"
    text.write_text("hello")
    assert main(["fuse", str(text), str(pictures[0]), "--out", str(tmp_path / "o"), "--debug"]) == 2
    err = capsys.readouterr().err
    assert "Traceback" in err
    assert err.splitlines()[-1].startswith("textdifuse: error: ")

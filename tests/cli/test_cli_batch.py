"""``textdifuse batch``: pairs by name, resumes, survives bad pairs."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest
from cli_images import scene, write_colour, write_grey, write_nifti
from PIL import Image

import napari_textdifuse.cli.fuse as fuse_module
import napari_textdifuse.fusion as fusion
from napari_textdifuse.results.preview import BAR


@pytest.fixture
def folders(tmp_path):
    """Pairs x (PNG with JPEG) and y (NIfTI); alone: only in A; zoo: only in B."""
    a, b = tmp_path / "A", tmp_path / "B"
    a.mkdir()
    b.mkdir()
    write_grey(a / "x.png")
    write_colour(b / "x.jpg")
    write_nifti(a / "y.nii.gz")
    write_nifti(b / "y.nii", (14, 16, 9), (3, 3, 2.5), (-18, -22, -11))
    write_grey(a / "alone.png")
    write_grey(b / "zoo.png")
    return a, b


@pytest.fixture
def batch(textdifuse, fast, folders, tmp_path):
    def run(*options):
        ran = textdifuse("batch", *folders, "--out", tmp_path / "out", *fast, *options, "--json")
        return ran, (json.loads(ran.out) if ran.out else None)

    return run


def files_in(folder):
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


def results_in(folder):
    return [p for p in files_in(folder) if not p.startswith(("previews/", "report."))]


def test_pairs_by_name(batch, tmp_path):
    ran, summary = batch()
    out = tmp_path / "out"
    assert ran.status == 0, ran.err
    assert files_in(out) == [
        *("previews/x.png", "previews/y.png", "records/x.json", "records/y.json"),
        *("report.csv", "report.html", "x.png", "y.nii.gz"),
    ]
    assert np.asarray(Image.open(out / "x.png")).shape == (37, 50, 3)
    assert list(summary) == [
        *("done", "skipped", "refused", "failed", "unpaired", "seconds_per_image", "images"),
        *("cases", "out", "report"),
    ]
    assert (summary["done"], summary["skipped"], summary["failed"]) == (2, 0, [])
    assert summary["unpaired"] == ["alone", "zoo"]
    assert [image["name"] for image in summary["images"]] == ["x", "y"]
    assert summary["seconds_per_image"] == pytest.approx(
        np.mean([image["seconds"] for image in summary["images"]]), abs=2e-3
    )
    assert "[1/2] x" in ran.err
    assert "alone, zoo" in ran.err


def test_same_result_as_a_single_fusion(batch, textdifuse, fast, folders, tmp_path):
    batch("--seed", "5")
    pair = folders[0] / "x.png", folders[1] / "x.jpg"
    textdifuse("fuse", *pair, "--out", tmp_path / "one", "--seed", "5", *fast)
    one, many = (np.asarray(Image.open(tmp_path / p)) for p in ("one/fused.png", "out/x.png"))
    np.testing.assert_array_equal(one, many)


def test_resumes(batch, folders, tmp_path, monkeypatch):
    batch()
    stamp = (tmp_path / "out/x.png").stat().st_mtime_ns
    with monkeypatch.context() as patch:  # what is done needs no network at all
        patch.setattr(fusion, "FusionPipeline", None)
        ran, summary = batch()
    assert ran.status == 0
    assert (summary["done"], summary["skipped"]) == (0, 2)
    assert summary["seconds_per_image"] is None
    assert (tmp_path / "out/x.png").stat().st_mtime_ns == stamp

    assert batch("--seed", "1")[1]["done"] == 2  # other settings
    assert batch("--seed", "1")[1]["skipped"] == 2

    Image.fromarray(scene((37, 50), 9)).save(folders[0] / "x.png")  # other input
    assert [i["name"] for i in batch("--seed", "1")[1]["images"]] == ["x"]

    (tmp_path / "out/y.nii.gz").unlink()  # lost result
    assert [i["name"] for i in batch("--seed", "1")[1]["images"]] == ["y"]

    (tmp_path / "out/records/x.json").write_text("{damaged")
    assert [i["name"] for i in batch("--seed", "1")[1]["images"]] == ["x"]


def test_a_changed_affine_is_another_input(batch, folders):
    batch()
    write_nifti(folders[1] / "y.nii", (14, 16, 9), (3, 3, 2.5), (-17, -22, -11))
    assert [i["name"] for i in batch()[1]["images"]] == ["y"]


def test_a_bad_pair_does_not_stop_the_others(batch, folders, tmp_path):
    (folders[1] / "x.jpg").write_bytes(b"")
    ran, summary = batch()
    assert ran.status == 2
    assert (summary["done"], [f["name"] for f in summary["failed"]]) == (1, ["x"])
    assert "x.jpg" in summary["failed"][0]["error"]
    assert files_in(tmp_path / "out") == [
        *("previews/y.png", "records/y.json", "report.csv", "report.html", "y.nii.gz"),
    ]
    assert ran.err.splitlines()[-1].startswith("textdifuse: error: 1 of 2 pairs ")

    write_colour(folders[1] / "x.jpg")
    ran, summary = batch()
    assert (ran.status, summary["done"], summary["skipped"]) == (0, 1, 1)


def test_an_unexpected_error_is_distinguished(batch, monkeypatch):
    def broken(*_):
        raise RuntimeError("boom")

    monkeypatch.setattr(fuse_module, "fuse_pair", broken)
    ran, summary = batch()
    assert ran.status == 1
    assert [f["error"] for f in summary["failed"]] == ["unexpected RuntimeError: boom"] * 2


def test_masks_by_name_and_uncertainty_in_folders_of_their_own(batch, folders, tmp_path):
    masks = tmp_path / "masks"
    masks.mkdir()
    drawn = np.zeros((37, 50), np.uint8)
    drawn[10:20, 10:20] = 1
    Image.fromarray(drawn).save(masks / "x.png")
    ran, summary = batch("--mask", masks, "--samples", "2")
    assert ran.status == 2  # y has no mask
    assert "no mask y" in summary["failed"][0]["error"]
    out = tmp_path / "out"
    assert results_in(out) == [
        *("masks/x.png", "objects.csv", "records/x.json", "uncertainty/x.png", "x.png"),
    ]
    (row,) = csv.DictReader((out / "objects.csv").read_text().splitlines())
    assert (row["name"], row["label"], row["voxels"]) == ("x", "1", "100")
    np.testing.assert_array_equal(np.asarray(Image.open(out / "masks/x.png")), drawn)

    (folders[0] / "y.nii.gz").unlink()
    assert batch("--mask", masks, "--samples", "2")[1]["skipped"] == 1
    Image.fromarray(drawn.T[:37, :37]).resize((50, 37)).save(masks / "x.png")  # another mask
    assert batch("--mask", masks, "--samples", "2")[1]["done"] == 1
    batch()
    assert results_in(out) == ["records/x.json", "x.png"]


def test_output_may_lie_inside_an_input_folder_but_not_be_one(textdifuse, fast, folders):
    a, b = folders
    ran = textdifuse("batch", a, b, "--out", a, *fast)
    assert ran.status == 2
    assert "choose another --out" in ran.err
    for _ in range(2):
        ran = textdifuse("batch", a, b, "--out", a / "fused", *fast, "--json")
        assert json.loads(ran.out)["unpaired"] == ["alone", "zoo"]


@pytest.mark.parametrize(
    ("options", "words"), [(("--device", "cuda:99"), "cuda"), (("--weights", "gone"), "gone")]
)
def test_errors_of_all_pairs_are_told_once(textdifuse, fast, folders, tmp_path, options, words):
    ran = textdifuse("batch", *folders, "--out", tmp_path / "out", *fast, *options)
    assert ran.status == 2
    assert len(ran.err.splitlines()) == 1
    assert words in ran.err
    assert not (tmp_path / "out").exists()


def test_folders_without_a_common_name(textdifuse, fast, folders, tmp_path):
    for path in folders[1].iterdir():
        path.unlink()
    ran = textdifuse("batch", *folders, "--out", tmp_path / "out", *fast)
    assert ran.status == 2
    assert len(ran.err.splitlines()) == 1


@pytest.mark.parametrize("kind", ["folder", "link to it", "links to its files"])
def test_a_folder_is_not_fused_with_itself(textdifuse, fast, folders, tmp_path, kind):
    a = folders[0]
    b = a if kind == "folder" else tmp_path / "C"
    if kind == "link to it":
        b.symlink_to(a)
    elif kind == "links to its files":
        b.mkdir()
        for path in a.iterdir():
            (b / path.name).symlink_to(path)
    ran = textdifuse("batch", a, b, "--out", tmp_path / "out", *fast)
    assert ran.status == 2
    assert "are the same files" in ran.err
    assert len(ran.err.splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_a_pair_of_one_image_is_noted(batch, folders, tmp_path):
    (folders[1] / "x.jpg").unlink()
    (folders[1] / "x.png").write_bytes((folders[0] / "x.png").read_bytes())
    ran, summary = batch()
    assert ran.status == 0
    notes = {case["name"]: case["notes"] for case in summary["cases"]}
    assert any("are the same image" in note for note in notes["x"])
    assert not any("are the same image" in note for note in notes["y"])


def test_ctrl_c_keeps_what_is_done(batch, tmp_path, monkeypatch):
    real, calls = fuse_module.fuse_pair, []

    def second_is_stopped(*arguments):
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return real(*arguments)

    monkeypatch.setattr(fuse_module, "fuse_pair", second_is_stopped)
    ran, _ = batch()
    assert ran.status == 130
    assert ran.err.splitlines()[-1] == "textdifuse: cancelled"
    assert results_in(tmp_path / "out") == ["records/x.json", "x.png"]
    assert batch()[1]["skipped"] == 1


def test_previews_have_one_byte_per_pixel_and_grey_ones_lose_nothing(batch, folders, tmp_path):
    """The first pair has a colour image, the new one is grey."""
    for k, folder in enumerate(folders):
        write_grey(folder / "grey.png", seed=k)
    assert batch()[0].status == 0
    modes = {}
    for name in ("x", "grey"):
        with Image.open(tmp_path / "out" / "previews" / f"{name}.png") as picture:
            modes[name] = picture.mode
    assert modes == {"x": "P", "grey": "L"}


def test_previews_enlarge_images_only_as_far_as_their_titles_need(batch, folders, tmp_path):
    """96 pixels at least and 160 at most for the longer side of a panel."""
    sides = {"small": (20, 40), "own": (128, 64), "large": (180, 200)}
    for name, shape in sides.items():
        for k, folder in enumerate(folders):
            write_grey(folder / f"{name}.png", shape, seed=k)
    assert batch()[0].status == 0
    sizes = {}
    for name in sides:
        with Image.open(tmp_path / "out" / "previews" / f"{name}.png") as picture:
            width, height = picture.size
            sizes[name] = height - 2 * BAR, width / 3
    assert sizes == {"small": (48, 96), "own": (128, 64), "large": (144, 160)}


@pytest.mark.parametrize(
    "text",
    [
        '{"outputs": 5}',
        '{"outputs": null}',
        '{"outputs": [["mask"]]}',
        '{"label_names": [1]}',
        '{"label_names": {"1": 2}, "outputs": ["mask"]}',
        '{"warnings": 5, "objects": 3}',
        "[]",
        "[" * 100_000,
    ],
)
def test_a_damaged_earlier_record_counts_as_none(batch, tmp_path, text):
    (tmp_path / "out/records").mkdir(parents=True)
    (tmp_path / "out/records/x.json").write_text(text)
    ran, summary = batch()
    assert ran.status == 0, ran.err
    assert summary["done"] == 2

"""Options that say what of the images is fused, where they lie and in which windows."""

from __future__ import annotations

import json
import os
import shutil
import signal
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from cli_images import write_nifti

from napari_textdifuse import FusionPipeline
from napari_textdifuse.cli.report import ProgressLine
from napari_textdifuse.io import list_series
from napari_textdifuse.samples import SAMPLES, sample_dir
from napari_textdifuse.spatial import Registration


def fused_in(out):
    return nib.load(out / "fused.nii.gz")


def test_a_range_along_a_plane(textdifuse, fast, volumes, tmp_path):
    options = ("--slices", "5:12", "--axis", "sagittal", *fast)
    ran = textdifuse("fuse", *volumes, "--out", tmp_path / "part", *options, "--json")
    assert ran.status == 0, ran.err
    record = json.loads(ran.out)["record"]
    assert record["slices"] == {"axis": 2, "first": 5, "last": 11, "of": 20}
    textdifuse("fuse", *volumes, "--out", tmp_path / "all", "--axis", "2", *fast)
    part, whole = (fused_in(tmp_path / name) for name in ("part", "all"))
    np.testing.assert_array_equal(np.asarray(part.dataobj), np.asarray(whole.dataobj)[5:12])
    np.testing.assert_allclose(part.affine[:3, 3], (whole.affine @ [5, 0, 0, 1])[:3])
    assert (tmp_path / "part/preview.png").is_file()


def test_the_last_slice(textdifuse, fast, volumes, tmp_path):
    ran = textdifuse("fuse", *volumes, "--out", tmp_path / "o", "--slices=-1", *fast, "--json")
    assert json.loads(ran.out)["record"]["slices"]["first"] == 5


def test_windows(textdifuse, fast, volumes, tmp_path):
    options = ("--window-a", "10:90", "--window-b=-5:200.5", *fast, "--json")
    ran = textdifuse("fuse", *volumes, "--out", tmp_path / "o", *options)
    inputs = json.loads(ran.out)["record"]["inputs"]
    assert inputs["a"]["window"] == [10, 90]
    assert inputs["b"]["window"] == [-5, 200.5]


def test_a_transform_file(textdifuse, fast, volumes, tmp_path):
    shift = np.eye(4)
    shift[:3, 3] = [2, 0, -4]
    file = Registration(shift, "rigid", None, float("nan"), 4.5, 0.0).save(tmp_path / "t.tfm")
    b = nib.load(volumes[1])
    moved = nib.Nifti1Image(np.asarray(b.dataobj), np.linalg.inv(shift) @ b.affine)
    nib.save(moved, tmp_path / "moved.nii.gz")
    options = ("--register", file, *fast, "--json")
    ran = textdifuse(
        "fuse", volumes[0], tmp_path / "moved.nii.gz", "--out", tmp_path / "o", *options
    )
    registration = json.loads(ran.out)["record"]["registration"]
    np.testing.assert_allclose(registration["matrix"], shift, atol=1e-6)
    textdifuse("fuse", *volumes, "--out", tmp_path / "plain", *fast)
    one, other = (np.asarray(fused_in(tmp_path / n).dataobj) for n in ("o", "plain"))
    np.testing.assert_allclose(one, other, atol=2e-3)


def test_a_time_point(textdifuse, fast, volumes, tmp_path):
    a = nib.load(volumes[0])
    still = np.asarray(a.dataobj)
    nib.save(nib.Nifti1Image(np.stack([still // 2, still], -1), a.affine), tmp_path / "4d.nii.gz")
    pair = (tmp_path / "4d.nii.gz", volumes[1])
    ran = textdifuse("fuse", *pair, "--out", tmp_path / "o", *fast)
    assert ran.status == 2
    assert "2 " in ran.err
    assert textdifuse("fuse", *pair, "--out", tmp_path / "o", "--time", "1", *fast).status == 0
    textdifuse("fuse", *volumes, "--out", tmp_path / "plain", *fast)
    one, other = (np.asarray(fused_in(tmp_path / n).dataobj) for n in ("o", "plain"))
    np.testing.assert_array_equal(one, other)


def test_a_batch_is_made_again_when_its_windows_change(textdifuse, fast, tmp_path):
    for side in "ab":
        (tmp_path / side).mkdir()
        write_nifti(tmp_path / side / "x.nii.gz")
    batch = ("batch", tmp_path / "a", tmp_path / "b", "--out", tmp_path / "o", *fast, "--json")
    assert json.loads(textdifuse(*batch).out)["done"] == 1
    assert json.loads(textdifuse(*batch).out)["skipped"] == 1
    changed = textdifuse(*batch, "--window-a", "0:50", "--slices", "1:4")
    assert json.loads(changed.out)["done"] == 1
    assert nib.load(tmp_path / "o/x.nii.gz").shape[2] == 3


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--slices", "a:b"), "such as 5, -1, 10:20"),
        (("--slices", "4:2"), "range of slices 4 to 2 is empty"),
        (("--axis", "oblique"), "axial, coronal or sagittal"),
        (("--window-a", "low:high"), "LOW:HIGH or the name of a preset"),
        (("--window-a", "9:1"), "empty"),
        (("--window-a", "brain"), "does not apply to values in"),
        (("--register", "elastic"), "rigid, affine or a transform file"),
        (("--series-a", "1.2.3"), "not DICOM"),
    ],
)
def test_one_sentence_for_what_cannot_be(textdifuse, fast, volumes, tmp_path, options, words):
    ran = textdifuse("fuse", *volumes, "--out", tmp_path / "o", *fast, *options)
    assert ran.status == 2
    assert words in ran.err
    assert ran.err.count("\n") == 1
    assert not (tmp_path / "o").exists()


def test_ctrl_c_keeps_the_finished_slices(textdifuse, fast, volumes, tmp_path, monkeypatch):
    shown = ProgressLine.__call__

    def press_at_the_third_slice(line, progress):
        if progress.slice_index == 2:
            os.kill(os.getpid(), signal.SIGINT)
        shown(line, progress)

    before = signal.getsignal(signal.SIGINT)
    with monkeypatch.context() as patch:
        patch.setattr(ProgressLine, "__call__", press_at_the_third_slice)
        ran = textdifuse("fuse", *volumes, "--out", tmp_path / "o", *fast)
    assert ran.status == 130
    assert "2 of 6 slices are finished" in ran.err
    assert signal.getsignal(signal.SIGINT) is before
    names = {path.name for path in (tmp_path / "o").iterdir()}
    assert names == {
        "fused.partial.nii.gz",
        "contribution.partial.nii.gz",
        "record.partial.json",
    }
    record = json.loads((tmp_path / "o/record.partial.json").read_text())
    assert record["complete"] is False
    textdifuse("fuse", *volumes, "--out", tmp_path / "all", *fast)
    part = np.asarray(nib.load(tmp_path / "o/fused.partial.nii.gz").dataobj)
    np.testing.assert_array_equal(part, np.asarray(fused_in(tmp_path / "all").dataobj)[..., :2])


def test_ctrl_c_before_the_first_slice_leaves_nothing(
    textdifuse, fast, volumes, tmp_path, monkeypatch
):
    pipeline_open = FusionPipeline.open

    def pressed(*arguments, **options):
        os.kill(os.getpid(), signal.SIGINT)
        return pipeline_open(*arguments, **options)

    monkeypatch.setattr(FusionPipeline, "open", pressed)
    ran = textdifuse("fuse", *volumes, "--out", tmp_path / "o", *fast)
    assert ran.status == 130
    assert not (tmp_path / "o").exists()


def test_a_series_of_a_folder(textdifuse, fast, tmp_path):
    folder = tmp_path / "both"
    folder.mkdir()
    sample = SAMPLES["pet-mri-dicom"]
    for name in (sample.a, sample.b):
        for file in sorted((sample_dir() / name).iterdir()):
            shutil.copy(file, folder / f"{Path(name).name}-{file.name}")
    numbers = {info.modality: info.number for info in list_series(folder)}
    options = ("--series-a", numbers["MR"], "--series-b", numbers["PT"], "--slices", "20")
    ran = textdifuse("fuse", folder, folder, "--out", tmp_path / "o", *options, *fast, "--json")
    inputs = json.loads(ran.out)["record"]["inputs"]
    assert (inputs["a"]["modality"], inputs["b"]["modality"]) == ("MR", "PT")
    ran = textdifuse("fuse", folder, folder, "--out", tmp_path / "o", "--series-a", "77", *fast)
    assert ran.status == 2
    assert "no series numbered 77" in ran.err
    assert "PT series" in ran.err

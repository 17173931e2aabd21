"""What the user states of images wins in every command that reads them."""

from __future__ import annotations

import json

import nibabel as nib
import numpy as np
import pytest

from napari_textdifuse import evaluate, read


@pytest.fixture
def scans(tmp_path):
    """Two volumes without a word about what they are; the second from 0 HU, so nothing says so."""
    z, y, x = np.mgrid[:6, :40, :40]
    ball = (y - 20) ** 2 + (x - 17) ** 2 + 4 * (z - 3) ** 2 < 90
    bright = np.where(ball, 1000, 40) + 3 * y
    paths = {}
    for name, values in (("one", 200 + 5 * x + 300 * ball), ("two", bright)):
        (tmp_path / name).mkdir()
        paths[name] = tmp_path / name / "x.nii.gz"
        image = nib.Nifti1Image(values.T.astype(np.int16), np.diag([2.0, 2, 4, 1]))
        nib.save(image, paths[name])
    return paths["one"], paths["two"]


def test_register(textdifuse, scans, tmp_path):
    pytest.importorskip("SimpleITK")
    out = tmp_path / "o"
    ran = textdifuse(
        "register", *scans, "--out", out, "--modality-a", "T2", "--unit-b", "HU", "--json"
    )
    assert ran.status == 0, ran.err
    moved = read(out / "moving.nii.gz")
    assert (moved.modality, moved.unit) == ("CT", "HU")
    ran = textdifuse("register", *scans, "--out", out, "--modality-b", "PT", "--unit-b", "HU")
    assert ran.status == 2
    assert "the file" not in ran.err
    assert "HU" in ran.err


def test_evaluate(textdifuse, scans, tmp_path):
    fused = tmp_path / "fused"
    fused.mkdir()
    grey = np.random.default_rng(0).random((6, 40, 40)).astype(np.float32)
    nib.save(nib.Nifti1Image(grey.T, np.diag([2.0, 2, 4, 1])), fused / "x.nii.gz")
    folders = ("--a", scans[0].parent, "--b", scans[1].parent, "--fused", fused, "--json")
    plain = json.loads(textdifuse("evaluate", *folders).out)["images"][0]
    stated = json.loads(textdifuse("evaluate", *folders, "--unit-b", "HU").out)["images"][0]
    assert stated["SSIM"] != plain["SSIM"]
    expected = evaluate(*scans, fused / "x.nii.gz", unit={"b": "HU"})
    assert stated["SSIM"] == pytest.approx(expected["SSIM"])
    assert stated["MI"] == pytest.approx(expected["MI"])


def test_training_states_what_its_options_name(scans):
    """A grey PET is shown through its colour map, as in a fusion, whatever its file says."""
    from napari_textdifuse.training.sources import Source, load_examples
    from napari_textdifuse.training.split import SplitRule

    rule = SplitRule(None, (), 5)
    images = {
        kind: load_examples([Source("s", (scans[0].parent,), (kind,))], rule)[3].images[0]
        for kind in ("MR", "PT")
    }
    assert np.ptp(images["MR"].astype(float) - images["PT"]) > 0.05

"""``textdifuse batch DATASET --bids``: pairs by entities, writes BIDS derivatives."""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from napari_textdifuse import read
from napari_textdifuse.errors import InputError
from napari_textdifuse.io.bids import BidsFile, find_pairs


def save(path, sidecar=None, hot=False):
    path.parent.mkdir(parents=True, exist_ok=True)
    z, y, x = np.mgrid[:6, :24, :24]
    ball = (y - 12) ** 2 + (x - 12) ** 2 + 4 * (z - 3) ** 2 < 80
    spot = (y - 13) ** 2 + (x - 9) ** 2 + 4 * (z - 3) ** 2 < 9
    values = (ball + 9.0 * spot if hot else 100.0 * ball + x * ball).astype(np.float32)
    image = nib.Nifti1Image(values.T, np.diag([2.0, 2, 3, 1]))
    image.header.set_xyzt_units("mm", "sec")
    nib.save(image, path)
    if sidecar is not None:
        path.with_name(path.name.removesuffix(".nii.gz") + ".json").write_text(json.dumps(sidecar))


@pytest.fixture
def dataset(tmp_path):
    root = tmp_path / "Study_Mustermann"
    root.mkdir()
    content = {"Name": "made up", "BIDSVersion": "1.10.0", "License": "CC0"}
    (root / "dataset_description.json").write_text(json.dumps(content))
    suv = {"Units": "g/ml"}
    save(root / "sub-01/anat/sub-01_acq-mprage_T1w.nii.gz")
    save(root / "sub-01/pet/sub-01_trc-FDG_pet.nii.gz", suv, hot=True)
    save(root / "sub-02/ses-1/anat/sub-02_ses-1_T1w.nii.gz")
    save(root / "sub-02/ses-1/pet/sub-02_ses-1_pet.nii.gz", suv, hot=True)
    save(root / "sub-02/ses-2/anat/sub-02_ses-2_T1w.nii.gz")
    return root


@pytest.fixture
def batch(textdifuse, fast, dataset):
    def run(*options, a="T1w", b="pet"):
        return textdifuse("batch", dataset, "--bids", "--a", a, "--b", b, *fast, *options)

    return run


def labels(path, value, shape=(6, 24, 24)):
    mask = np.zeros(shape, np.uint8)
    for k in range(value):
        mask[3, 10 + k, 10] = k + 1
    nib.save(nib.Nifti1Image(mask.T, np.diag([2.0, 2, 3, 1])), path)
    return path


def files_in(folder):
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


def test_derivatives(batch, dataset, tmp_path):
    mask = labels(tmp_path / "one.nii.gz", 1)
    ran = batch("--mask", mask, "--prompt", "my spot", "--samples", "2", "--json")
    assert ran.status == 0, ran.err
    content = json.loads(ran.out)
    assert [case["name"] for case in content["cases"]] == ["sub-01", "sub-02_ses-1"]
    assert content["unpaired"] == ["sub-02_ses-2 (no pet)"]
    out = dataset / "derivatives/textdifuse"
    stem = "sub-01/anat/sub-01_acq-mprage_desc-"
    own = [p for p in files_in(out) if p.startswith("sub-01")]
    assert own == [
        *(f"{stem}fused_T1w.json", f"{stem}fused_T1w.nii.gz"),
        *(f"{stem}mySpot_mask.json", f"{stem}mySpot_mask.nii.gz"),
        *(f"{stem}uncertainty_T1w.json", f"{stem}uncertainty_T1w.nii.gz"),
    ]
    assert (out / "sub-02/ses-1/anat/sub-02_ses-1_desc-fused_T1w.nii.gz").is_file()
    described = json.loads((out / "dataset_description.json").read_text())
    assert described["DatasetType"] == "derivative"
    assert described["GeneratedBy"][0]["Name"] == "napari-textdifuse"
    assert described["DatasetLinks"] == {"raw": "../.."}
    sidecar = json.loads((out / f"{stem}fused_T1w.json").read_text())
    assert sidecar["Sources"] == [
        "bids:raw:sub-01/anat/sub-01_acq-mprage_T1w.nii.gz",
        "bids:raw:sub-01/pet/sub-01_trc-FDG_pet.nii.gz",
    ]
    assert sidecar["inputs"]["b"]["unit"] == "SUVbw"
    assert sidecar["inputs"]["b"]["facts"]["unit"]["source"] == "sidecar"
    assert sidecar["inputs"]["a"]["modality"] == "MR"
    assert sidecar["weights_sha256"]
    assert json.loads((out / f"{stem}mySpot_mask.json").read_text())["Type"] == "ROI"
    source = nib.load(dataset / "sub-01/anat/sub-01_acq-mprage_T1w.nii.gz")
    np.testing.assert_allclose(read(out / f"{stem}fused_T1w.nii.gz").affine, source.affine)
    rows = list(csv.DictReader(io.StringIO((out / "report.csv").read_text())))
    assert [row["case"] for row in rows] == ["sub-01", "sub-02_ses-1", "sub-02_ses-2 (no pet)"]
    assert rows[0]["term"] == "my spot"
    for path in ("report.html", "report.csv", f"{stem}fused_T1w.json"):
        assert "Mustermann" not in (out / path).read_text("utf-8")

    # resumed; with other objects the old mask does not stay
    assert (
        json.loads(batch("--mask", mask, "--prompt", "my spot", "--samples", "2", "--json").out)[
            "skipped"
        ]
        == 2
    )
    two = labels(tmp_path / "two.nii.gz", 2)
    assert batch("--mask", two).status == 0
    own = [p for p in files_in(out) if p.startswith("sub-01")]
    assert not [p for p in own if "mySpot" in p or "uncertainty" in p]
    table = (out / f"{stem}objects_dseg.tsv").read_text().splitlines()
    assert table[0] == "index\tname"
    assert [line.split("\t")[0] for line in table[1:]] == ["1", "2"]
    _validate(dataset, out)


def _validate(dataset, out):
    """Every name and file, by the validators of BIDS."""
    validator = pytest.importorskip("bids_validator").BIDSValidator()
    below = f"/{out.relative_to(dataset).as_posix()}/"
    ignored = (out / ".bidsignore").read_text().split()
    names = [n for n in files_in(out) if not n.startswith(tuple(ignored))]
    assert [n for n in names if not validator.is_bids(below + n)] in ([], [".bidsignore"])
    program = shutil.which("bids-validator-deno") or shutil.which(
        "bids-validator-deno", path=str(Path(sys.executable).parent)
    )
    if program is None:
        return

    def errors():
        command = [program, "--format", "json", str(out)]
        ran = subprocess.run(command, capture_output=True, text=True, check=False)
        issues = json.loads(ran.stdout)["issues"]["issues"]
        return [issue for issue in issues if issue["severity"] == "error"]

    assert errors() == []
    (out / "sub-01/anat/fused.nii.gz").write_bytes(b"x")  # the validator does look
    assert errors()


def test_several_that_fit_are_not_guessed(batch, dataset):
    pet = dataset / "sub-01/pet"
    save(pet / "sub-01_trc-PIB_pet.nii.gz", {"Units": "g/ml"}, hot=True)
    ran = batch("--json")
    assert ran.status == 2
    (failed,) = json.loads(ran.out)["failed"]
    assert failed["name"] == "sub-01"
    assert "trc-FDG_pet, trc-PIB_pet" in failed["error"]
    assert "--b trc-FDG_pet" in failed["error"]
    assert json.loads(ran.out)["done"] == 1
    ran = batch("--json", b="trc-PIB_pet")
    assert ran.status == 0
    sidecar = dataset / "derivatives/textdifuse/sub-01/anat/sub-01_acq-mprage_desc-fused_T1w.json"
    assert "trc-PIB" in json.loads(sidecar.read_text())["Sources"][1]


def test_an_image_is_not_paired_with_itself(batch, dataset):
    """Two options that differ may select one image in some of the subjects."""
    save(dataset / "sub-03/anat/sub-03_run-1_T1w.nii.gz")
    save(dataset / "sub-03/anat/sub-03_run-2_T1w.nii.gz", hot=True)
    ran = batch("--json", a="acq-mprage_T1w", b="T1w")
    assert ran.status == 2
    content = json.loads(ran.out)
    assert [case["name"] for case in content["failed"]] == ["sub-01"]
    assert "both select sub-01_acq-mprage_T1w.nii.gz" in content["failed"][0]["error"]
    assert not (dataset / "derivatives/textdifuse/sub-01").exists()
    assert batch(a="run-1_T1w", b="run-2_T1w").status == 0
    for a, b in (("run-1_T1w", "run-01_t1w"), ("acq-x_run-1_T1w", "run-1_acq-x_T1w")):
        with pytest.raises(InputError, match="fused with itself"):
            find_pairs(dataset, a, b)


def test_what_is_asked_must_be_there(batch, textdifuse, fast, dataset, tmp_path):
    for options, words in (
        (("batch", dataset, "--bids", "--a", "T1w", "--b", "FLAIR"), "FLAIR"),
        (("batch", dataset, "--bids", "--a", "T1w"), "--b pet"),
        (("batch", dataset / "sub-01", "--bids", "--a", "T1w", "--b", "pet"), "not a BIDS"),
        (("batch", dataset, "--bids", "--a", "T1w", "--b", "t1w"), "fused with itself"),
        (("batch", dataset, dataset, "--a", "T1w", "--out", tmp_path / "o"), "--bids"),
        (("batch", dataset, "--out", tmp_path / "o"), "two folders"),
        (("batch", dataset, dataset), "--out"),
        (("batch", dataset, "--bids", "--a", "T1w", "--b", "pet", "--out", dataset), "--out"),
    ):
        ran = textdifuse(*options, *fast)
        assert ran.status == 2
        assert len(ran.err.splitlines()) == 1
        assert words in ran.err
    assert not (tmp_path / "o").exists()


def test_derivatives_elsewhere_name_no_folder(batch, tmp_path):
    assert batch("--out", tmp_path / "elsewhere").status == 0
    out = tmp_path / "elsewhere"
    assert "DatasetLinks" not in json.loads((out / "dataset_description.json").read_text())
    assert "Sources" not in json.loads(
        (out / "sub-01/anat/sub-01_acq-mprage_desc-fused_T1w.json").read_text()
    )


def test_names():
    image = BidsFile.parse(Path("x/sub-01/ses-2/anat/sub-01_ses-2_run-1_desc-x_T1w.nii.gz"))
    assert image is not None
    assert image.label == "run-1_desc-x_T1w"
    assert image.derived("white matter, left", "mask") == (
        "sub-01/ses-2/anat/sub-01_ses-2_run-1_desc-whiteMatterLeft_mask"
    )
    assert BidsFile.parse(Path("case01.nii.gz")) is None
    assert BidsFile.parse(Path("task-rest_bold.nii.gz")) is None
    with pytest.raises(InputError, match="not a BIDS data set"):
        find_pairs(Path(__file__).parent, "T1w", "pet")


def test_what_a_killed_run_left_is_removed_from_the_default_folder(batch, dataset):
    left = dataset / "derivatives/textdifuse/.textdifuse-old"
    left.mkdir(parents=True)
    os.utime(left, (0, 0))
    batch()
    assert not left.exists()


def test_the_case_of_a_suffix_and_zeros_before_an_index_do_not_matter(tmp_path):
    """A subject with another spelling is not left out without a word."""
    a = tmp_path / "sub-1/anat/sub-1_run-02_t1w.nii.gz"
    b = tmp_path / "sub-1/pet/sub-1_PET.nii.gz"
    for path in (a, b):
        path.parent.mkdir(parents=True)
        path.touch()
    assert find_pairs(tmp_path, "T1w", "pet").pairs == {"sub-1": (a, b)}
    assert find_pairs(tmp_path, "run-2_T1w", "pet").pairs == {"sub-1": (a, b)}
    with pytest.raises(InputError, match="no subject"):
        find_pairs(tmp_path, "run-20_T1w", "pet")

"""A batch tells what became of every case: on the terminal, in JSON and in one report."""

from __future__ import annotations

import base64
import csv
import io
import json
import re
import shutil

import nibabel as nib
import numpy as np
import pytest
from cli_images import write_grey
from PIL import Image

import napari_textdifuse.cli.fuse as fuse_module
from napari_textdifuse.cli.batch_report import Case, page_text


def save_pair(root, name, hot=True):
    """An MRI of a ball, and a PET with a hot spot in it."""
    z, y, x = np.mgrid[:8, :32, :32]
    ball = (y - 16) ** 2 + (x - 16) ** 2 + 4 * (z - 4) ** 2 < 150
    spot = (y - 18) ** 2 + (x - 12) ** 2 + 4 * (z - 4) ** 2 < 14
    for kind, values, unit in (
        ("mri", 100.0 * ball + 2 * x * ball, None),
        ("pet", ball + 9.0 * (spot & hot), "SUVbw"),
    ):
        (root / kind).mkdir(exist_ok=True)
        image = nib.Nifti1Image(values.T.astype(np.float32), np.diag([2.0, 2, 3, 1]))
        nib.save(image, root / kind / f"{name}.nii.gz")
        if unit:
            (root / kind / f"{name}.json").write_text(json.dumps({"Units": unit}))


@pytest.fixture
def cohort(tmp_path):
    root = tmp_path / "Mustermann_Erika"
    root.mkdir()
    save_pair(root, "case01")
    save_pair(root, "case02")
    return root


@pytest.fixture
def batch(textdifuse, fast, tmp_path):
    def run(root, *options):
        folders = root / "mri", root / "pet"
        return textdifuse("batch", *folders, "--out", tmp_path / "out", *fast, *options)

    return run


def table(folder):
    return list(csv.DictReader(io.StringIO((folder / "report.csv").read_text())))


def test_every_case_is_in_the_report(batch, cohort, tmp_path):
    (cohort / "mri/broken.nii.gz").write_bytes(b"")
    (cohort / "pet/broken.nii.gz").write_bytes(b"")
    write_grey(cohort / "mri/alone.png")
    options = ("--prompt", "tumour", "--modality-b", "PT", "--window-a", "0:150")
    ran = batch(cohort, *options, "--json")
    assert ran.status == 2
    content = json.loads(ran.out)
    states = {case["name"]: case["state"] for case in content["cases"]}
    assert states == {"broken": "failed", "case01": "fused", "case02": "fused"}
    assert content["report"] == {"page": "report.html", "table": "report.csv"}
    (case,) = (case for case in content["cases"] if case["name"] == "case01")
    record = json.loads((tmp_path / "out/records/case01.json").read_text())
    assert case["notes"] == record["warnings"]
    assert case["notes"]
    (line,) = (line for line in ran.err.splitlines() if "] case01: " in line and " s" in line)
    assert "note: " in line
    assert len(line) < 250

    page = (tmp_path / "out/report.html").read_text("utf-8")
    pictures = re.findall(r'src="data:image/png;base64,([^"]+)"', page)
    assert len(pictures) == 2
    with Image.open(io.BytesIO(base64.b64decode(pictures[0]))) as shown:
        assert shown.size[0] == 4 * 96  # A, B, fused, fused with its mask
    assert not re.findall(r'(?:src|href)="(?!data:|#)', page)  # nothing is loaded
    assert "not for diagnosis" in page
    assert "2 fused, 1 failed, 1 without a partner" in page
    assert "broken.nii.gz is empty" in page
    assert json.dumps(record["weights_sha256"])[1:-1] in page
    for note in record["warnings"]:
        assert note.replace("'", "&#x27;") in page

    rows = table(tmp_path / "out")
    assert [row["case"] for row in rows] == ["broken", "case01", "case02", "alone"]
    assert [row["state"] for row in rows][::3] == ["failed", "without a partner"]
    for text in (
        page,
        (tmp_path / "out/report.csv").read_text(),
        ran.out.replace(str(tmp_path), ""),
    ):
        assert "Mustermann" not in text  # folder names may name a patient

    # resumed: the report stays complete
    (cohort / "pet/case02.nii.gz").unlink()
    save_pair(cohort, "case02", hot=False)
    ran = batch(cohort, *options, "--json")
    states = {case["name"]: case["state"] for case in json.loads(ran.out)["cases"]}
    assert states == {"broken": "failed", "case01": "already done", "case02": "fused"}
    again = (tmp_path / "out/report.html").read_text("utf-8")
    assert len(re.findall(r"data:image/png;base64,", again)) == 2
    assert "1 fused, 1 already done, 1 failed" in again


def test_objects_are_in_the_table(batch, cohort, tmp_path):
    """One row per object, whatever the record holds of it."""
    assert batch(cohort, "--prompt", "tumour", "--modality-b", "PT").status == 0
    path = tmp_path / "out/records/case01.json"
    record = json.loads(path.read_text())
    rows = [
        {"label": 1, "term": "tumour", "volume_mL": 1.5, "centroid_mm": [1.0, 2.0, 3.0]},
        {"label": 2, "term": "<b>", "volume_mL": None},
    ]
    path.write_text(json.dumps(record | {"objects": rows}))
    assert batch(cohort, "--prompt", "tumour", "--modality-b", "PT").status == 0
    one, two, *_ = table(tmp_path / "out")
    assert (one["case"], one["term"], one["volume_mL"]) == ("case01", "tumour", "1.5")
    assert [one[f"centroid_mm_{n}"] for n in "xyz"] == ["1", "2", "3"]
    assert (two["case"], two["label"], two["volume_mL"]) == ("case01", "2", "")
    page = (tmp_path / "out/report.html").read_text("utf-8")
    assert "<th>volume mL</th>" in page
    assert "&lt;b&gt;" in page
    assert "<b>" not in page


def test_a_refused_prompt_is_a_class_of_its_own(textdifuse, fast, tmp_path):
    """Grey images of which nothing is known: a finding is refused, never searched for."""
    for k in range(4):
        for folder, seed in (("one", k), ("two", k + 10)):
            (tmp_path / folder).mkdir(exist_ok=True)
            write_grey(tmp_path / folder / f"s{k}.png", (48, 48), seed=seed)
    folders = tmp_path / "one", tmp_path / "two"
    out = tmp_path / "out"
    for prompt in ("tumour", "lesion"):
        ran = textdifuse("batch", *folders, "--out", out, *fast, "--prompt", prompt, "--json")
        assert ran.status == 2
        content = json.loads(ran.out)
        assert (content["done"], content["failed"]) == (0, [])
        assert [case["name"] for case in content["refused"]] == ["s0", "s1", "s2", "s3"]
        assert "--modality-a" in content["refused"][0]["error"]
        assert not list(out.glob("*.png"))
        assert {row["state"] for row in table(out)} == {"refused"}
        assert "4 refused" in (out / "report.html").read_text("utf-8")
        assert "the prompt was refused in 4 of 4 pairs, first s0: " in ran.err
    text = textdifuse("batch", *folders, "--out", out, *fast, "--prompt", "tumour")
    assert "0 fused, 0 already done, 4 refused, 0 failed" in text.out
    assert text.err.count(": refused: ") == 4

    plain = textdifuse("batch", *folders, "--out", out, *fast)
    assert plain.status == 0  # without a prompt nothing is refused
    again = textdifuse("batch", *folders, "--out", out, *fast, "--prompt", "tumour", "--json")
    case = json.loads(again.out)["cases"][0]
    assert case["state"] == "refused"
    assert "earlier run" in case["notes"][0]


def test_the_documented_call_finds_the_tumour_by_folder_names(textdifuse, fast, tmp_path):
    """``batch mri/ pet/ --prompt tumour`` with neutral names: the right organ, in the PET."""
    from napari_textdifuse import read
    from napari_textdifuse.samples import sample_dir, sample_mask

    for folder, file in (("mri", "t1.nii.gz"), ("pet", "pet.nii.gz")):
        (tmp_path / folder).mkdir()
        shutil.copy(sample_dir() / "brain" / file, tmp_path / folder / "case01.nii.gz")
    folders = tmp_path / "mri", tmp_path / "pet"
    options = ("--prompt", "tumour", "--slices", "16:40", "--json")
    ran = textdifuse("batch", *folders, "--out", tmp_path / "out", *fast, *options)
    assert ran.status == 0, ran.err
    record = json.loads((tmp_path / "out/records/case01.json").read_text())
    for role, modality in (("a", "MR"), ("b", "PT")):
        fact = record["inputs"][role]["facts"]["modality"]
        assert fact == {"value": modality, "source": "folder name"}
    found = read(tmp_path / "out/masks/case01.nii.gz").array > 0
    true = sample_mask("pet-mri", "tumour").array[16:40] > 0
    assert 2 * (found & true).sum() / (found.sum() + true.sum()) > 0.9
    assert json.loads(ran.out)["cases"][0]["notes"] == record["warnings"]


def test_a_cancelled_batch_leaves_a_report(batch, cohort, tmp_path, monkeypatch):
    real, calls = fuse_module.fuse_pair, []

    def second_is_stopped(*arguments):
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return real(*arguments)

    monkeypatch.setattr(fuse_module, "fuse_pair", second_is_stopped)
    assert batch(cohort).status == 130
    assert [row["state"] for row in table(tmp_path / "out")] == ["fused", "not reached"]
    assert "1 fused, 1 not reached" in (tmp_path / "out/report.html").read_text("utf-8")


def test_objects_on_the_page_fit_next_to_each_other():
    row = {
        "label": 2,
        "term": "tumour",
        "volume_mL": 3.6612345,
        "area_mm2": None,
        "centroid_mm": [-31.52254, -26.59221, 23.27049],
        "centroid_voxel": [2.0, 120.1, 123.0],
        "a_modality": "MR",
        "a_mean": 151.0778,
        "a_SUVmax": None,
        "b_modality": "PT",
        "b_mean": 10.41,
        "b_SUVmax": 14.320318,
    }
    page = page_text([Case("one", "fused", objects=[row])], [], "Fusion")
    what, values = page.split("<table>")[1:]
    assert "<th>label</th><th>term</th><th>volume mL</th><th>centroid mm</th>" in what
    assert "3.661</td>" in what
    assert "-31.52, -26.59, 23.27</td>" in what
    assert "voxel" not in page
    cells = [re.findall(r"<t[dh][^>]*>(.*?)</t[dh]>", line) for line in values.split("<tr>")[1:]]
    assert cells == [
        ["label", "image", "modality", "mean", "SUVmax"],
        ["2", "A", "MR", "151.1", ""],
        ["2", "B", "PT", "10.41", "14.32"],
    ]

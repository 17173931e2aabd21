"""``--dicom``: linked to the patient of image A, or de-identified."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from cli_images import write_grey, write_nifti
from pydicom import dcmread
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage, generate_uid

from napari_textdifuse import io
from napari_textdifuse.samples import sample_dir

STUDY, FRAME = generate_uid(), generate_uid()


def write_series(folder: Path, number: int = 3, slices: int = 5) -> str:
    """An MR series of 24 x 20 pixels of 2 mm, of a named patient; returns its UID."""
    folder.mkdir(exist_ok=True)
    uid = generate_uid()
    rows, columns = np.mgrid[:24, :20]
    for k in range(slices):
        image = Dataset()
        image.SOPClassUID, image.SOPInstanceUID = MRImageStorage, generate_uid()
        image.PatientName, image.PatientID = "Doe^Secretive", "S-77"
        image.StudyInstanceUID, image.SeriesInstanceUID = STUDY, uid
        image.FrameOfReferenceUID, image.SeriesNumber, image.Modality = FRAME, number, "MR"
        image.InstanceNumber = k + 1
        image.ImagePositionPatient = [-20.0, -24.0, -10.0 + 4 * k]
        image.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
        image.PixelSpacing, image.SliceThickness = [2, 2], 4
        image.Rows, image.Columns, image.SamplesPerPixel = 24, 20, 1
        image.PhotometricInterpretation, image.PixelRepresentation = "MONOCHROME2", 0
        image.BitsAllocated, image.BitsStored, image.HighBit = 16, 16, 15
        ball = (rows - 12) ** 2 + (columns - 12) ** 2 + (k - 2) ** 2 < 25
        image.PixelData = (100 + 5 * rows + 300 * ball).astype("<u2").tobytes()
        image.file_meta = FileMetaDataset()
        image.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        image.file_meta.MediaStorageSOPClassUID = MRImageStorage
        image.file_meta.MediaStorageSOPInstanceUID = image.SOPInstanceUID
        image.save_as(folder / f"{number}-{k}.dcm", enforce_file_format=True)
    return uid


@pytest.fixture
def pair(tmp_path) -> tuple[Path, Path, Path]:
    """A DICOM series, a NIfTI image that overlaps it, and a mask on the series' grid."""
    series = tmp_path / "mr"
    write_series(series)
    other = write_nifti(tmp_path / "b.nii.gz", (14, 16, 9), (3, 3, 2.5), (-18, -22, -11))
    grid = io.read(series)
    mask = np.zeros(grid.shape, np.uint8)
    mask[2, 8:16, 8:16] = 1
    io.write(tmp_path / "mask.nii.gz", grid.with_array(mask))
    return series, other, tmp_path / "mask.nii.gz"


def made_by(out: Path) -> list[Dataset]:
    return [dcmread(file) for file in sorted(out.rglob("*.dcm"))]


def test_linked(textdifuse, fast, pair, tmp_path):
    a, b, mask = pair
    out = tmp_path / "out"
    ran = textdifuse("fuse", a, b, "--out", out, "--mask", mask, "--dicom", "linked", *fast)
    assert ran.status == 0, ran.err
    made = made_by(out)
    assert sum(d.Modality == "SEG" for d in made) == 1
    fused = [d for d in made if "Fused" in d.get("SeriesDescription", "")]
    assert len(fused) == 5
    for one in made:
        assert (one.PatientName, one.PatientID) == ("Doe^Secretive", "S-77")
        assert (one.StudyInstanceUID, one.FrameOfReferenceUID) == (STUDY, FRAME)
    for one in fused:
        assert "DERIVED" in one.ImageType
    uids = {d.SOPInstanceUID for d in (dcmread(f) for f in a.iterdir())}
    named = {i.ReferencedSOPInstanceUID for d in fused for i in d.SourceImageSequence}
    assert named == uids
    image, segments = io.read(out / "fused"), io.read(out / "mask.dcm")
    np.testing.assert_allclose(image.affine, io.read(a).affine, atol=1e-6)
    assert segments.array.sum() == 64
    assert str(out / "fused") in ran.out
    assert "Secretive" not in (out / "record.json").read_text() + ran.out + ran.err
    assert json.loads((out / "record.json").read_text())["outputs"][0] == "fused"
    again = textdifuse("fuse", a, b, "--out", out, "--dicom", "linked", *fast)
    assert again.status == 2
    assert "fused already exists; choose another folder" in again.err


def test_de_identified(textdifuse, fast, pair, tmp_path):
    a, b, mask = pair
    out = tmp_path / "out"
    command = ("fuse", a, b, "--out", out, "--mask", mask, "--dicom", "de-identified", "--json")
    ran = textdifuse(*command, *fast)
    assert ran.status == 0, ran.err
    files = json.loads(ran.out)["files"]
    assert (files["fused"], files["mask"], files["record"]) == ("fused", "mask.dcm", "record.json")
    made = made_by(out)
    assert {d.PatientID for d in made} == {"TEXTDIFUSE"}
    assert len({d.StudyInstanceUID for d in made} | {STUDY}) == 2  # one new study
    assert "Secretive" not in "".join(map(str, made))


def test_a_nifti_pair_becomes_de_identified_dicom(textdifuse, fast, volumes, tmp_path):
    a, b = volumes
    command = ("fuse", a, b, "--out", tmp_path / "out", "--dicom", "de-identified")
    assert textdifuse(*command, *fast).status == 0
    fused = io.read(tmp_path / "out" / "fused")
    expected = nib.load(a)
    corner = expected.affine @ [0, 0, 0, 1]
    ends = [fused.affine @ [i, j, k, 1] for i in (0, 19) for j in (0, 23) for k in (0, 5)]
    assert min(np.linalg.norm(end - corner) for end in ends) < 1e-3


@pytest.mark.parametrize("kind", ["nifti", "picture"])
def test_linked_is_refused_without_dicom_before_anything_is_fused(
    textdifuse, fast, volumes, tmp_path, kind, monkeypatch
):
    monkeypatch.setattr("napari_textdifuse.cli.fuse.fuse_pair", None)
    a, b = volumes
    if kind == "picture":
        a = b = write_grey(tmp_path / "x.png")
    ran = textdifuse("fuse", a, b, "--out", tmp_path / "out", "--dicom", "linked", *fast)
    assert ran.status == 2
    needed = "no place in a patient" if kind == "picture" else "cannot be the source"
    assert needed in ran.err
    assert not (tmp_path / "out").exists()


def test_the_series_that_was_chosen_is_referred_to(textdifuse, fast, pair, tmp_path):
    """Two series on one grid, as of two echoes: the identity is the same, the images are not."""
    a, b, _ = pair
    second = write_series(a, number=7)
    out = tmp_path / "out"
    command = ("fuse", a, b, "--out", out, "--series-a", "7", "--dicom", "linked")
    assert textdifuse(*command, *fast).status == 0
    wanted = {d.SOPInstanceUID for d in map(dcmread, a.iterdir()) if d.SeriesInstanceUID == second}
    fused = [d for d in made_by(out) if "Fused" in d.get("SeriesDescription", "")]
    assert {i.ReferencedSOPInstanceUID for d in fused for i in d.SourceImageSequence} == wanted


def test_a_mask_that_appeared_meanwhile_is_not_replaced(
    textdifuse, fast, pair, tmp_path, monkeypatch
):
    monkeypatch.setattr("napari_textdifuse.cli.fuse.check_dicom", lambda *_, **__: None)
    a, b, mask = pair
    out = tmp_path / "out"
    out.mkdir()
    (out / "mask.dcm").write_text("mine")
    ran = textdifuse("fuse", a, b, "--out", out, "--mask", mask, "--dicom", "linked", *fast)
    assert ran.status == 2
    assert "mask.dcm already exists; choose another folder" in ran.err
    assert [p.name for p in out.iterdir()] == ["mask.dcm"]


def test_without_highdicom_only_a_mask_is_refused_and_before_the_fusion(
    textdifuse, fast, pair, tmp_path, monkeypatch
):
    """As on Python 3.14: its dependency pyjpegls has no wheel there."""
    monkeypatch.setitem(sys.modules, "highdicom", None)
    a, b, mask = pair
    out = tmp_path / "out"
    command = ("fuse", a, b, "--out", out, "--dicom", "linked", *fast)
    with monkeypatch.context() as patch:
        patch.setattr("napari_textdifuse.cli.fuse.fuse_pair", None)
        refused = textdifuse(*command, "--mask", mask)
    assert refused.status == 2
    assert "DICOM segmentations need highdicom" in refused.err
    assert "pip install highdicom" in refused.err
    assert not out.exists()
    assert textdifuse(*command).status == 0
    assert {d.Modality for d in made_by(out)} == {"OT"}  # no SEG


def test_only_what_will_be_written_is_in_the_way(textdifuse, fast, pair, tmp_path):
    """Another program's mask or single slice does not stop a volume without a prompt."""
    a, b, mask = pair
    out = tmp_path / "out"
    out.mkdir()
    for name in ("mask.dcm", "fused.dcm"):
        (out / name).write_text("mine")
    command = ("fuse", a, b, "--out", out, "--dicom", "linked", *fast)
    ran = textdifuse(*command, "--mask", mask)
    assert (ran.status, "mask.dcm already exists" in ran.err) == (2, True)
    assert textdifuse(*command).status == 0
    assert (out / "mask.dcm").read_text() == (out / "fused.dcm").read_text() == "mine"
    assert len(list((out / "fused").iterdir())) == 5


@pytest.fixture
def folders(pair, tmp_path) -> tuple[Path, Path, Path]:
    """Two cases in A: a DICOM series and a NIfTI image; their partners in B; masks."""
    a, b, masks = tmp_path / "A", tmp_path / "B", tmp_path / "masks"
    for folder in (a, b, masks):
        folder.mkdir()
    series, other, mask = pair
    series.rename(a / "case1")
    write_nifti(a / "case2.nii.gz")
    for name in ("case1", "case2"):
        (b / f"{name}.nii.gz").write_bytes(other.read_bytes())
    mask.rename(masks / "case1.nii.gz")
    grid = io.read(a / "case2.nii.gz")
    ones = np.zeros(grid.shape, np.uint8)
    ones[3, 8:16, 8:12] = 1
    io.write(masks / "case2.nii.gz", grid.with_array(ones))
    return a, b, masks


def test_a_batch_of_dicom(textdifuse, fast, folders, tmp_path):
    a, b, masks = folders
    out = tmp_path / "out"
    command = ("batch", a, b, "--out", out, *fast, "--json")
    ran = textdifuse(*command, "--mask", masks, "--dicom", "linked")
    content = json.loads(ran.out)
    assert (ran.status, content["done"]) == (2, 1)
    assert "case2.nii.gz cannot be the source of DICOM linked" in content["failed"][0]["error"]
    assert not (out / "case2").exists()
    files = {p.relative_to(out / "case1").as_posix() for p in (out / "case1").rglob("*.*")}
    slices = {f"000{k}.dcm" for k in range(1, 6)}
    series = {f"{role}/{name}" for role in ("fused", "contribution") for name in slices}
    rest = {"mask.dcm", "objects.csv", "preview.png", "record.json"}
    assert {f for f in files if not f.startswith("uncertainty")} == series | rest
    for one in made_by(out):
        assert (one.PatientID, one.StudyInstanceUID) == ("S-77", STUDY)
    page = (out / "report.html").read_text()
    assert "data:image/png;base64," in page
    assert "Secretive" not in page + ran.err + (out / "case1/record.json").read_text()
    assert "S-77" not in page
    stamp = (out / "case1/fused/0001.dcm").stat().st_mtime_ns

    again = json.loads(textdifuse(*command, "--mask", masks, "--dicom", "linked").out)
    assert (again["done"], again["skipped"]) == (0, 1)
    assert (out / "case1/fused/0001.dcm").stat().st_mtime_ns == stamp

    # another identity replaces the results; nothing of the patient is left
    ran = textdifuse(*command, "--dicom", "de-identified", "--slices", "1:3")
    assert ran.status == 0, ran.err
    assert json.loads(ran.out)["done"] == 2
    assert {one.PatientID for one in made_by(out)} == {"TEXTDIFUSE"}
    assert len({one.StudyInstanceUID for one in made_by(out)}) == 2
    assert sorted(p.name for p in (out / "case1/fused").iterdir()) == ["0001.dcm", "0002.dcm"]
    assert not (out / "case1/mask.dcm").exists()
    assert not (out / "case1/objects.csv").exists()

    # a single image: a file instead of a folder
    only = next((a / "case1").iterdir()).rename(tmp_path / "one.dcm")
    shutil.rmtree(a / "case1")
    only.rename(a / "case1.dcm")
    io.write(b / "case1.nii.gz", io.read(a / "case1.dcm"))
    assert textdifuse(*command, "--dicom", "de-identified").status == 0
    assert not (out / "case1/fused").exists()
    assert io.read(out / "case1/fused.dcm").shape == (24, 20)


def test_a_batch_does_not_replace_what_it_did_not_write(textdifuse, fast, folders, tmp_path):
    a, b, _ = folders
    out = tmp_path / "out"
    (out / "case1/fused").mkdir(parents=True)
    (out / "case1/fused/0001.dcm").write_text("mine")
    (out / "case1/record.json").write_text("{}")
    ran = textdifuse("batch", a, b, "--out", out, *fast, "--dicom", "de-identified", "--json")
    content = json.loads(ran.out)
    assert (content["done"], [f["name"] for f in content["failed"]]) == (1, ["case1"])
    assert "fused already exists" in content["failed"][0]["error"]
    assert (out / "case1/fused/0001.dcm").read_text() == "mine"


def test_bids_derivatives_are_not_dicom(textdifuse, fast, tmp_path):
    ran = textdifuse(
        "batch", tmp_path, "--bids", "--a", "T1w", "--b", "pet", *fast, "--dicom", "linked"
    )
    assert (ran.status, "omit --dicom" in ran.err) == (2, True)


def test_samples(textdifuse, fast, tmp_path):
    out = tmp_path / "out"
    options = ("--out", out, "--dicom", "linked", "--slices", "10", *fast)
    ran = textdifuse("sample", "pet-mri-dicom", *options)
    assert ran.status == 0, ran.err
    source = dcmread(next((sample_dir() / "brain/dicom/t1").iterdir()))
    assert {d.StudyInstanceUID for d in made_by(out)} == {source.StudyInstanceUID}
    ran = textdifuse("sample", "pet-mri", "--out", tmp_path / "other", *options[2:])
    assert (ran.status, "cannot be the source" in ran.err) == (2, True)

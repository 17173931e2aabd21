"""``textdifuse fuse --dicom``: linked to the patient of image A, or de-identified."""

from __future__ import annotations

import json
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
    monkeypatch.setattr("napari_textdifuse.cli.fuse.fuse_into", None)
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
    monkeypatch.setattr("napari_textdifuse.cli.fuse.check_dicom", lambda *given, mask: None)
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
        patch.setattr("napari_textdifuse.cli.fuse.fuse_into", None)
        refused = textdifuse(*command, "--mask", mask)
    assert refused.status == 2
    assert "DICOM segmentations need highdicom" in refused.err
    assert "pip install highdicom" in refused.err
    assert not out.exists()
    assert textdifuse(*command).status == 0
    assert {d.Modality for d in made_by(out)} == {"MR"}

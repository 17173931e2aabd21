"""What is written as DICOM says what it is, lies where it lay, and names nobody unasked."""

from __future__ import annotations

import json
import sys

import highdicom as hd
import numpy as np
import pytest
from pydicom import dcmread

from napari_textdifuse import Volume, io
from napari_textdifuse.errors import MissingDependencyError, WriteError

A, B = np.radians(20), np.radians(30)
TURN = np.array([[1, 0, 0], [0, np.cos(A), -np.sin(A)], [0, np.sin(A), np.cos(A)]]) @ np.array(
    [[np.cos(B), -np.sin(B), 0], [np.sin(B), np.cos(B), 0], [0, 0, 1]]
)
#: Oblique, with x running to the right and slices upwards.
OBLIQUE = np.eye(4)
OBLIQUE[:3, :3] = TURN * [0.8, 1.2, 2.5]
OBLIQUE[:3, 3] = [3, -7, 11]
RECORD = {"seed": 3, "prompt": "tumour", "objects": {"2": "tumour"}}


def values(shape=(4, 7, 5), seed=0):
    return np.random.default_rng(seed).random(shape).astype(np.float32)


def labels():
    array = np.zeros((4, 7, 5), np.uint8)
    array[1:3, 2:5, 1:4] = 2
    array[3, 0, 0] = 5
    return Volume(array, affine=OBLIQUE, unit="label")


@pytest.fixture
def source(tmp_path, make_series):
    tags = {
        "StudyInstanceUID": "1.2.77",
        "FrameOfReferenceUID": "1.2.78",
        "PatientWeight": 70,
        "ReferringPhysicianName": "Doe^Secretive",
    }
    make_series(tmp_path / "source", np.zeros((4, 7, 5), np.int16), **tags)
    return tmp_path / "source"


def test_grey_round_trip(tmp_path):
    volume = Volume(values(), affine=OBLIQUE)
    files = io.write_dicom(tmp_path / "out", volume, record=RECORD)
    assert [f.name for f in files] == ["0001.dcm", "0002.dcm", "0003.dcm", "0004.dcm"]
    back = io.read(tmp_path / "out")
    np.testing.assert_allclose(back.array, volume.array, atol=1 / 65535)
    np.testing.assert_allclose(back.affine, OBLIQUE, atol=1e-6)
    assert back.window == (0, 1)


def test_colours_round_trip(tmp_path):
    volume = Volume(values((3, 5, 3, 3)), affine=OBLIQUE, rgb=True)  # an odd number of bytes
    io.write_dicom(tmp_path / "out", volume)
    back = io.read(tmp_path / "out")
    assert back.rgb
    np.testing.assert_array_equal(back.array, np.rint(volume.array * 255).astype(np.uint8))
    np.testing.assert_allclose(back.affine, OBLIQUE, atol=1e-6)


@pytest.mark.parametrize("array", [[[-1000, 3000]], [[0, 65535]], [[0, 1]]])
def test_integers_are_written_as_they_are(tmp_path, array):
    io.write_dicom(tmp_path / "x.dcm", Volume(np.array(array)))
    back = io.read(tmp_path / "x.dcm")
    assert back.array.tolist() == array
    assert back.affine is None


def test_every_file_says_derived_and_holds_the_record(tmp_path):
    files = io.write_dicom(tmp_path / "out", Volume(values(), affine=OBLIQUE), record=RECORD)
    series = {dcmread(f).SeriesInstanceUID for f in files}
    assert len(series) == 1
    assert len({dcmread(f).SOPInstanceUID for f in files}) == 4
    for file in files:
        dataset = dcmread(file)
        assert list(dataset.ImageType) == ["DERIVED", "SECONDARY"]
        for key in ("SeriesDescription", "ImageComments", "DerivationDescription"):
            assert "not for diagnosis" in dataset[key].value
        block = dataset.private_block(0x0071, "napari-textdifuse")
        assert json.loads(block[0x01].value) == RECORD
        assert dataset.PatientID == "TEXTDIFUSE"
        assert dataset.PatientIdentityRemoved == "YES"


def uids_of(folder):
    """Every UID of a series that tells one patient's images from another's."""
    keys = ("StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID", "SOPInstanceUID")
    return {str(h[key].value) for h in map(dcmread, folder.iterdir()) for key in keys if key in h}


def all_values(dataset):
    return {str(e.value) for e in dataset.iterall() if e.VR != "SQ"}


def test_without_identity_nothing_of_the_source_is_kept(tmp_path, source, secrets):
    """A study's UIDs under another patient would be a conflict in an archive."""
    volume = Volume(values(), affine=io.read(source).affine)
    files = io.write_dicom(tmp_path / "out", volume, source=source)
    files.append(io.write_segmentation(tmp_path / "x.dcm", labels(), source=source))
    for file in files:
        dataset = dcmread(file)
        assert not uids_of(source) & all_values(dataset)
        assert not set(secrets.values()) & all_values(dataset)
        assert dataset.PatientIdentityRemoved == "YES"
        assert "ReferencedSeriesSequence" not in dataset


def test_a_linked_image_is_of_the_study_and_refers_to_it(tmp_path, source):
    volume = Volume(values(), affine=io.read(source).affine)
    for file in io.write_dicom(tmp_path / "out", volume, source=source, identity=True):
        dataset = dcmread(file)
        assert (dataset.StudyInstanceUID, dataset.FrameOfReferenceUID) == ("1.2.77", "1.2.78")
        assert dataset.ReferencedSeriesSequence[0].SeriesInstanceUID == "1.2.3.4"
        near = dataset.SourceImageSequence[0].ReferencedSOPInstanceUID
        (origin,) = (
            h for h in map(dcmread, source.iterdir()) if near == h.SOPInstanceUID
        )  # the slice at the same place
        np.testing.assert_allclose(
            np.array(origin.ImagePositionPatient, float),
            np.array(dataset.ImagePositionPatient, float),
        )


def test_what_is_read_carries_no_uid(source):
    assert "1.2.3.4" not in str(io.read(source).metadata)


@pytest.mark.parametrize(
    ("title", "category", "kind"),
    [
        ("tumour 2", "49755003", "108369006"),
        ("lesions", "49755003", "52988006"),
        ("left ventricle", "91723000", "35764002"),
        ("Grey matter", "85756007", "389081007"),
        ("soft tissue", "85756007", "87784001"),
        ("haemorrhage", "49755003", "50960005"),
        ("my object", "85756007", "85756007"),
    ],
)
def test_codes_of_snomed_ct(tmp_path, title, category, kind):
    file = io.write_segmentation(tmp_path / "x.dcm", labels(), names={2: title, 5: title})
    segment = dcmread(file).SegmentSequence[0]
    assert segment.SegmentLabel == title
    (found,) = segment.SegmentedPropertyCategoryCodeSequence
    assert (found.CodeValue, found.CodingSchemeDesignator) == (category, "SCT")
    assert segment.SegmentedPropertyTypeCodeSequence[0].CodeValue == kind


def test_the_patient_only_when_asked_for(tmp_path, source, secrets):
    volume = Volume(values(), affine=io.read(source).affine)
    file = io.write_dicom(tmp_path / "out", volume, source=source, identity=True)[0]
    dataset = dcmread(file)
    assert str(dataset.PatientName) == secrets["PatientName"]
    assert (dataset.PatientID, dataset.PatientWeight) == (secrets["PatientID"], 70)
    assert "PatientIdentityRemoved" not in dataset
    assert "InstitutionName" not in dataset
    with pytest.raises(WriteError, match="no patient to copy"):
        io.write_dicom(tmp_path / "other", volume, identity=True)


def test_labels_round_trip_in_highdicom(tmp_path, source, secrets):
    path = io.write_segmentation(
        tmp_path / "x.dcm", labels(), record=RECORD, source=source, identity=True
    )
    segments = hd.seg.segread(path)
    assert [d.segment_label for d in segments.SegmentSequence] == ["tumour", "label 5"]
    assert segments.segmentation_type.value == "BINARY"
    assert segments.FrameOfReferenceUID == "1.2.78"
    assert segments.PatientID == secrets["PatientID"]
    assert "not for diagnosis" in segments.SeriesDescription
    (series,) = segments.ReferencedSeriesSequence
    assert series.SeriesInstanceUID == "1.2.3.4"
    assert len(series.ReferencedInstanceSequence) == 4
    volume = segments.get_volume(combine_segments=True)
    lps = volume.affine @ [*np.argwhere(volume.array == 2)[0], 1]  # the single voxel
    np.testing.assert_allclose(lps[:3] * [-1, -1, 1], (OBLIQUE @ [0, 0, 3, 1])[:3], atol=1e-5)
    back = io.read(path)
    np.testing.assert_array_equal(back.array, np.array([0, 0, 1, 0, 0, 2])[labels().array])
    np.testing.assert_allclose(back.affine, OBLIQUE, atol=1e-5)
    assert back.unit == "label"
    assert back.metadata["objects"] == {"1": "tumour", "2": "label 5"}


def test_labels_without_a_source_refer_to_nothing(tmp_path):
    dataset = dcmread(io.write_segmentation(tmp_path / "x.dcm", labels(), names={5: "dot"}))
    assert "ReferencedSeriesSequence" not in dataset
    assert "SourceImageSequence" not in dataset
    assert [s.SegmentLabel for s in dataset.SegmentSequence] == ["label 2", "dot"]
    makers = [e.Manufacturer for e in dataset.get("ContributingEquipmentSequence", ())]
    assert "napari-textdifuse" not in makers  # it is no scanner
    flat = Volume(labels().array[1], affine=OBLIQUE)
    back = io.read(io.write_segmentation(tmp_path / "y.dcm", flat))
    np.testing.assert_array_equal(back.array[0] > 0, flat.array > 0)


@pytest.mark.parametrize(
    ("volume", "message"),
    [
        (Volume(values(), affine=OBLIQUE + np.diag([1.0, 1, 1, 0])[:, [1, 0, 2, 3]]), "sheared"),
        (Volume(np.array([[0, 70000]])), "from 0 to 70000 do not fit into 16 bits"),
        (Volume(np.full((2, 2, 3), 300), rgb=True), "300 do not fit into 8 bits"),
        (Volume(np.zeros((2, 2), complex)), "complex numbers cannot"),
    ],
)
def test_what_dicom_cannot_hold(tmp_path, volume, message):
    with pytest.raises(WriteError, match=message):
        io.write_dicom(tmp_path / "x", volume)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("volume", "message"),
    [
        (Volume(values(), affine=OBLIQUE), "integers, not floating-point numbers"),
        (Volume(labels().array), "without geometry"),
        (Volume(np.zeros((2, 2), int), affine=OBLIQUE), "all background"),
    ],
)
def test_what_is_not_a_segmentation(tmp_path, volume, message):
    with pytest.raises(WriteError, match=message):
        io.write_segmentation(tmp_path / "x.dcm", volume)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_with_files_is_left_alone(tmp_path, monkeypatch):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine").write_text("mine")
    volume = Volume(values(), affine=OBLIQUE)
    with pytest.raises(WriteError, match="already exists"):
        io.write_dicom(tmp_path / "out", volume)
    with pytest.raises(WriteError, match="does not exist"):
        io.write_dicom(tmp_path / "missing" / "out", volume)

    def full(self, *args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(WriteError, match="No space left"):
        io.write_dicom(tmp_path / "new", volume)
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize(
    ("drawn", "how"),
    [(None, "AUTOMATIC"), ("mask", "MANUAL"), ("boxes", "SEMIAUTOMATIC")],
)
def test_a_mask_by_hand_is_not_called_automatic(tmp_path, drawn, how):
    record = {**RECORD, "drawn": drawn}
    dataset = dcmread(io.write_segmentation(tmp_path / "x.dcm", labels(), record=record))
    for segment in dataset.SegmentSequence:
        assert segment.SegmentAlgorithmType == how
        assert ("SegmentAlgorithmName" in segment) == (how != "MANUAL")  # PS3.3 C.8.20.4, type 1C
        assert ("SegmentationAlgorithmIdentificationSequence" in segment) == (how != "MANUAL")


def test_a_segmentation_without_highdicom_names_the_package(tmp_path, monkeypatch):
    file = io.write_segmentation(tmp_path / "mask.dcm", labels())
    monkeypatch.setitem(sys.modules, "highdicom", None)
    with pytest.raises(MissingDependencyError, match="pip install highdicom"):
        io.read(file)
    with pytest.raises(MissingDependencyError, match="pip install highdicom"):
        io.write_segmentation(tmp_path / "again.dcm", labels())
    assert not (tmp_path / "again.dcm").exists()

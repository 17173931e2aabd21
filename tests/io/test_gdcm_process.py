"""GDCM decodes in a process of its own, because damaged files can end it."""

from __future__ import annotations

import os

import highdicom as hd
import numpy as np
import pydicom
import pytest
from pydicom.dataset import FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, JPEG2000Lossless, SecondaryCaptureImageStorage

from napari_textdifuse import io
from napari_textdifuse.errors import ReadError
from napari_textdifuse.io import dicom_pixels, gdcm_process


def write(path, values):
    """A losslessly compressed image."""
    image = pydicom.Dataset()
    image.file_meta = FileMetaDataset()
    image.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    image.SOPClassUID, image.SOPInstanceUID = SecondaryCaptureImageStorage, "1.2.3"
    image.SeriesInstanceUID, image.Modality = "1.2.4", "OT"
    image.Rows, image.Columns = values.shape[:2]
    image.SamplesPerPixel = 3 if values.ndim == 3 else 1
    image.PhotometricInterpretation = "RGB" if values.ndim == 3 else "MONOCHROME2"
    if values.ndim == 3:
        image.PlanarConfiguration = 0
    image.BitsAllocated = image.BitsStored = 8 * values.itemsize
    image.HighBit, image.PixelRepresentation = image.BitsStored - 1, int(values.dtype.kind == "i")
    image.PixelData = values.tobytes()
    image.compress(JPEG2000Lossless, encoding_plugin="pylibjpeg", generate_instance_uid=False)
    image.save_as(path, enforce_file_format=True)
    return path


def waves(dtype, colours=()):
    y, x, *c = np.indices((40, 56, *colours))
    return (90 + 60 * np.sin(x / 5) * np.cos(y / 7) + 9 * sum(c)).astype(dtype)


@pytest.fixture
def only_gdcm(monkeypatch):
    """Leave no other decoder, as with lossless JPEG."""

    class Decoder:
        is_available, available_plugins = True, ("gdcm",)

    monkeypatch.setattr(dicom_pixels, "get_decoder", lambda _: Decoder)


@pytest.fixture
def script(monkeypatch, tmp_path):
    """Replace the child's code."""

    def replace(text):
        path = tmp_path / "child.py"
        path.write_text(text)
        monkeypatch.setattr(gdcm_process, "SCRIPT", path)

    return replace


@pytest.mark.parametrize(
    ("dtype", "colours"), [(np.uint8, ()), (np.uint16, ()), (np.int16, ()), (np.uint8, (3,))]
)
def test_values_are_those_that_were_compressed(tmp_path, dtype, colours, only_gdcm):
    values = waves(dtype, colours)
    read = io.read(write(tmp_path / "x.dcm", values)).array
    np.testing.assert_array_equal(read, values)
    assert read.dtype == dtype
    assert read.flags.writeable


def test_one_process_decodes_all_slices(tmp_path, only_gdcm, monkeypatch):
    started = []

    class Counted(gdcm_process.subprocess.Popen):
        def __init__(self, *arguments, **options):
            started.append(self)
            super().__init__(*arguments, **options)

    monkeypatch.setattr(gdcm_process.subprocess, "Popen", Counted)
    for k in range(3):
        dataset = pydicom.dcmread(write(tmp_path / f"{k}.dcm", waves(np.uint8) + np.uint8(k)))
        dataset.SOPInstanceUID = f"1.2.3.{k}"
        dataset.ImagePositionPatient, dataset.PixelSpacing = [0, 0, 2 * k], [1, 1]
        dataset.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
        dataset.save_as(tmp_path / f"{k}.dcm")
    assert (np.diff(io.read(tmp_path).array.astype(int), axis=0) == 1).all()
    (child,) = started
    assert child.returncode is not None  # nothing runs on
    assert child.stdin.closed
    assert child.stdout.closed


@pytest.mark.parametrize(
    "text", ["import os; os.abort()", "raise SystemExit", "import no_gdcm_at_all"]
)
def test_the_end_of_the_process_is_an_error_of_the_file(tmp_path, only_gdcm, script, text):
    path = write(tmp_path / "x.dcm", waves(np.uint8))
    script(text)
    with pytest.raises(ReadError, match=r"^x\.dcm: .*the file is damaged, or another decoder"):
        io.read(path)


def test_a_new_process_follows_one_that_ended(tmp_path, script):
    good = write(tmp_path / "good.dcm", waves(np.uint8))
    with gdcm_process.gdcm_process() as gdcm:
        with pytest.raises(RuntimeError):
            gdcm.decode(tmp_path / "missing.dcm")
        os.kill(gdcm._child.pid, 9)
        with pytest.raises(RuntimeError, match="ended"):
            gdcm.decode(good)
        np.testing.assert_array_equal(gdcm.decode(good), waves(np.uint8))


def test_a_file_that_takes_too_long_is_given_up(tmp_path, script, monkeypatch):
    script("import time; time.sleep(600)")
    timers = []

    class AtOnce:
        def __init__(self, seconds, action):
            self.action = action
            timers.append(seconds)

        def start(self):
            self.action()

        def cancel(self):
            timers.append("cancelled")

    monkeypatch.setattr(gdcm_process.threading, "Timer", AtOnce)
    with gdcm_process.gdcm_process() as process, pytest.raises(RuntimeError, match="an answer"):
        process.decode(tmp_path / "any.dcm")
    assert timers == [gdcm_process.LIMIT, "cancelled"]


def test_gdcm_is_asked_last(tmp_path, script):
    script("import os; os.abort()")
    values = waves(np.uint16)
    np.testing.assert_array_equal(io.read(write(tmp_path / "x.dcm", values)).array, values)


def test_labels_are_decoded_in_the_process_too(tmp_path, make_series, only_gdcm, monkeypatch):
    """highdicom would decode them here."""
    source = make_series(tmp_path / "ct", np.zeros((4, 40, 44), np.int16))
    for header in source:
        header.StudyInstanceUID, header.FrameOfReferenceUID = "1.2.5", "1.2.6"
        for key in ("PatientID", "PatientName", "PatientBirthDate", "PatientSex", "StudyDate"):
            setattr(header, key, "")
        for key in ("StudyTime", "StudyID", "AccessionNumber", "ReferringPhysicianName"):
            setattr(header, key, "")
    labels = np.zeros((4, 40, 44), np.uint8)
    labels[1:3, 4:9, 5:15] = 1
    labels[2, 12:15, 3:7] = 2
    tumour = hd.sr.CodedConcept("108369006", "SCT", "Neoplasm")
    described = [
        hd.seg.SegmentDescription(number, name, tumour, tumour, "MANUAL")
        for number, name in enumerate(("one", "two"), start=1)
    ]
    path = tmp_path / "mask.dcm"
    hd.seg.Segmentation(
        *(source, labels, "LABELMAP", described, hd.UID(), 7, hd.UID(), 1, "m", "m", "1", "1"),
        transfer_syntax_uid=JPEG2000Lossless,
    ).save_as(path)
    decoder = pydicom.pixels.decoders.JPEG2000LosslessDecoder
    monkeypatch.setattr(decoder, "_available", {"gdcm": never})
    np.testing.assert_array_equal(io.read(path).array, labels[1:3])  # without empty slices


def never(*_):
    raise AssertionError("GDCM was called in this process")

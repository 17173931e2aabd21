"""What a header claims is checked before memory is taken."""

from __future__ import annotations

import gzip
import os
import struct
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from napari_textdifuse import io
from napari_textdifuse.errors import InputError, ReadError


def claimed(shape):
    header = nib.Nifti1Header()
    header.set_data_dtype(np.int16)
    header.set_data_shape(shape)
    header["vox_offset"] = 352
    header["magic"] = b"n+1"
    return header.binaryblock + bytes(4)


def test_a_compressed_claim_beyond_the_limit(tmp_path):
    (tmp_path / "x.nii.gz").write_bytes(gzip.compress(claimed((1500, 1500, 1500)) + bytes(1000)))
    with pytest.raises(ReadError, match=r"would take 6\.8 GB.*TEXTDIFUSE_MAX_BYTES"):
        io.read(tmp_path / "x.nii.gz")


def test_the_limit_can_be_changed(tmp_path, monkeypatch):
    nib.save(nib.Nifti1Image(np.ones((9, 9, 9), np.int16), np.eye(4)), tmp_path / "x.nii.gz")
    monkeypatch.setenv("TEXTDIFUSE_MAX_BYTES", "1000")
    with pytest.raises(ReadError, match="more than the limit"):
        io.read(tmp_path / "x.nii.gz")
    monkeypatch.setenv("TEXTDIFUSE_MAX_BYTES", "2000")
    assert io.read(tmp_path / "x.nii.gz").shape == (9, 9, 9)
    monkeypatch.setenv("TEXTDIFUSE_MAX_BYTES", "lots")
    with pytest.raises(InputError, match="must be a number of bytes"):
        io.read(tmp_path / "x.nii.gz")


def test_an_uncompressed_claim_beyond_the_file(tmp_path):
    (tmp_path / "x.nii").write_bytes(claimed((100, 100, 100)) + bytes(1000))
    with pytest.raises(ReadError, match=r"describes 2\.0 MB"):
        io.read(tmp_path / "x.nii")


@pytest.mark.parametrize("frames", [10**6, 10**9])
def test_frames_that_the_file_cannot_hold(tmp_path, make_dicom, save_dicom, frames):
    dataset = make_dicom(np.zeros((2, 8, 8), np.uint16), NumberOfFrames=frames)
    with pytest.raises(ReadError, match=r"more than the limit|but the file has"):
        io.read(save_dicom(dataset, tmp_path / "x.dcm"))


def test_what_is_not_a_file_is_refused(tmp_path):
    os.mkfifo(tmp_path / "x.nii")
    with pytest.raises(ReadError, match=r"^x\.nii is a pipe or a device"):
        io.read(tmp_path / "x.nii")
    (tmp_path / "y.nii").symlink_to(tmp_path / "nothing.nii")
    with pytest.raises(ReadError, match=r"^y\.nii is a link to a file that does not exist"):
        io.read(tmp_path / "y.nii")
    for name in ("z" * 300, "é" * 130):  # the limit is one of bytes
        with pytest.raises(ReadError, match="longer than 255 bytes"):
            io.read(tmp_path / f"{name}.nii")
    with pytest.raises(ReadError, match="more than 4095 bytes in all"):
        io.read(Path("a/" * 2500 + "x.nii"))
    (tmp_path / "round.nii").symlink_to(tmp_path / "round.nii")
    with pytest.raises(ReadError, match=r"^round\.nii "):
        io.read(tmp_path / "round.nii")
    (tmp_path / "series").symlink_to(tmp_path / "gone")
    with pytest.raises(ReadError, match=r"^series is a link to a file that does not exist"):
        io.read(tmp_path / "series")


def test_strips_that_the_file_does_not_list(tmp_path):
    """A length of 8,000,000 rows in strips of 1: tifffile would go through all of them."""
    import tifffile

    path = tmp_path / "x.tif"
    zeros = np.zeros((24, 20), np.uint8)
    tifffile.imwrite(path, zeros, compression="adobe_deflate", rowsperstrip=1)
    with tifffile.TiffFile(path, mode="r+") as file:
        file.pages[0].tags["ImageLength"].overwrite(8_000_000)
    with pytest.raises(ReadError, match="but the file has"):
        io.read(path)


def test_a_compressed_plane_larger_than_any_scanner_s(
    tmp_path, make_dicom, save_dicom, monkeypatch
):
    """Two bytes of RLE stand for 128: 14 MB would take 2.6 GB to decode."""
    from pydicom.encaps import encapsulate
    from pydicom.uid import RLELossless

    frame = struct.pack("<16I", 1, 64, *[0] * 14) + b"\x81\x00" * (15000 * 15000 // 128)
    dataset = make_dicom(np.zeros((2, 2), np.uint8))
    dataset.Rows = dataset.Columns = 15000
    dataset.PixelData = encapsulate([frame])
    dataset["PixelData"].VR = "OB"
    dataset.file_meta.TransferSyntaxUID = RLELossless
    path = save_dicom(dataset, tmp_path / "x.dcm")
    with pytest.raises(ReadError, match=r"15000 x 15000 pixels.*TEXTDIFUSE_MAX_BYTES"):
        io.read(path)
    monkeypatch.setenv("TEXTDIFUSE_MAX_BYTES", "100000000")  # lets planes through, up to itself
    with pytest.raises(ReadError, match=r"225 MB of memory, more than the limit of 100 MB"):
        io.read(path)


@pytest.mark.parametrize("ending", ["hdr", "img"])
def test_analyze_pairs_are_refused_with_what_converts_them(tmp_path, ending):
    nib.save(nib.AnalyzeImage(np.ones((4, 5, 6), np.int16), np.eye(4)), tmp_path / "x.img")
    with pytest.raises(ReadError, match=rf"^x\.{ending}: a pair of files.*nib-convert x\.img"):
        io.read(tmp_path / f"x.{ending}")

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from napari_textdifuse import io, read
from napari_textdifuse.errors import InputError, ReadError
from napari_textdifuse.volume import Volume


@pytest.mark.parametrize("name", ["x.nii.gz", "x.png", "x.dcm", "folder"])
def test_missing(tmp_path, name):
    with pytest.raises(ReadError, match="does not exist"):
        read(tmp_path / name)


@pytest.mark.parametrize(
    "name", ["x.nii", "x.nii.gz", "x.png", "x.jpg", "x.tif", "x.bmp", "x.dcm", "x"]
)
def test_empty(tmp_path, name):
    (tmp_path / name).touch()
    with pytest.raises(ReadError, match=r"is empty \(0 bytes\)"):
        read(tmp_path / name)


@pytest.mark.parametrize("name", ["x.xyz", "x", "x.txt", "x.mha", "x.dcm"])
def test_unknown_kinds_list_what_can_be_read(tmp_path, name):
    (tmp_path / name).write_text("plain text, longer than the preamble of DICOM\n" * 20)
    with pytest.raises(ReadError, match=r"NIfTI \(\.nii, \.nii\.gz\), PNG, JPEG, TIFF, BMP"):
        read(str(tmp_path / name))


def test_a_series_belongs_to_dicom(tmp_path):
    Image.fromarray(np.eye(3, dtype=np.uint8)).save(tmp_path / "x.png")
    with pytest.raises(InputError, match="not DICOM"):
        read(tmp_path / "x.png", series="1.2.3")


def test_dicom_under_any_name(tmp_path, make_dicom, save_dicom):
    path = save_dicom(make_dicom(np.eye(4, dtype=np.int16), "MR"), tmp_path / "x.png")
    assert read(path).modality == "MR"
    assert read(path, series="1.2.3.4").modality == "MR"
    with pytest.raises(InputError, match=r"does not belong to the series 1\.9"):
        read(path, series="1.9")


def test_messages_are_one_line(tmp_path):
    for name in ("a.png", "a.nii.gz", "a.tif", "a.dcm"):
        (tmp_path / name).write_bytes(b"\0" * 400)
        with pytest.raises(ReadError) as caught:
            io.read(tmp_path / name)
        assert "\n" not in str(caught.value)
        assert str(caught.value).endswith(".")


@pytest.mark.parametrize("kind", ["nii", "nii.gz", "tif", "png", "dcm"])
def test_damage_of_any_kind_is_a_read_error(tmp_path, make_dicom, save_dicom, kind):
    """Bytes changed at random: read or refused in one sentence, never a crash or a warning."""
    rng = np.random.default_rng(0)
    path = tmp_path / f"x.{kind}"
    values = rng.integers(0, 255, (12, 12), np.uint8)
    if kind == "dcm":
        save_dicom(make_dicom(values), path)
    else:
        io.write(path, Volume(values, affine=np.eye(4)))
    good = path.read_bytes()
    messages = []
    for _ in range(40):
        data = np.frombuffer(good, np.uint8).copy()
        where = rng.integers(0, min(len(data), 700), 8)
        data[where] = rng.integers(0, 256, 8)
        path.write_bytes(data.tobytes())
        try:
            io.read(path)
        except InputError as error:
            messages.append(str(error))
    assert messages
    assert not [m for m in messages if "\n" in m or not m.endswith(".")]


def test_lack_of_memory_is_said(tmp_path, monkeypatch):
    io.write(tmp_path / "x.nii", Volume(np.eye(3)))

    def fail(path):
        raise MemoryError

    monkeypatch.setattr("napari_textdifuse.io.nifti.open_nifti", fail)
    with pytest.raises(ReadError, match="more memory than available"):
        io.read(tmp_path / "x.nii")


def test_format_libraries_load_on_first_use():
    code = (
        "import sys, napari_textdifuse.io as io; "
        "print([m for m in ('nibabel', 'pydicom', 'highdicom', 'tifffile', 'PIL', 'torch', "
        "'napari', 'qtpy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"

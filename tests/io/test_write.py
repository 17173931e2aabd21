from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from napari_textdifuse import io
from napari_textdifuse.errors import WriteError
from napari_textdifuse.volume import Volume


def png(tmp_path, array, **fields):
    path = io.write(tmp_path / "x.png", Volume(array, **fields))
    return np.asarray(Image.open(path))


def test_png_takes_floats_as_zero_to_one(tmp_path):
    values = np.array([[0, 0.5, 1], [np.nan, 1.0005, -0.0005]], np.float32)
    assert png(tmp_path, values).tolist() == [[0, 128, 255], [0, 255, 0]]
    rgb = np.dstack([values] * 3)
    assert png(tmp_path, rgb, rgb=True)[0, 2].tolist() == [255, 255, 255]


def test_png_keeps_labels(tmp_path):
    labels = np.array([[0, 1], [2, 255]])
    assert png(tmp_path, labels).tolist() == labels.tolist()
    assert png(tmp_path, labels == 1).tolist() == [[0, 255], [0, 0]]


def test_png_holds_the_record(tmp_path):
    path = io.write(
        tmp_path / "x.png", Volume(np.eye(3, dtype=np.uint8)), record={"prompt": "Größe"}
    )
    text = Image.open(path).text
    assert json.loads(text["textdifuse"]) == {"prompt": "Größe"}
    assert "not for diagnosis" in text["Comment"]


@pytest.mark.parametrize(
    ("array", "rgb", "message"),
    [
        (np.zeros((3, 4, 5)), False, "3 x 4 x 5 cannot be a PNG"),
        (np.array([[0.0, 40.0]]), False, "from 0 to 40 do not fit"),
        (np.array([[0.0, np.inf]]), False, "inf"),
        (np.array([[0, 256]]), False, "from 0 to 256 do not fit"),
        (np.array([[-1, 2]]), False, "from -1 to 2 do not fit"),
        (np.zeros((3, 4), complex), False, "complex numbers cannot be written"),
    ],
)
def test_what_a_png_cannot_hold(tmp_path, array, rgb, message):
    with pytest.raises(WriteError, match=message):
        io.write(tmp_path / "x.png", Volume(array, rgb=rgb))
    assert list(tmp_path.iterdir()) == []


def test_deep_colour_is_not_wrapped_in_nifti(tmp_path):
    rgb = np.full((2, 2, 3), 300, np.uint16)
    with pytest.raises(WriteError, match="300 do not fit"):
        io.write(tmp_path / "x.nii", Volume(rgb, rgb=True))


@pytest.mark.parametrize("name", ["x.jpg", "x", "x.dcm", "x.gz"])
def test_unknown_extension(tmp_path, name):
    with pytest.raises(WriteError, match=r"use \.nii, \.nii\.gz, \.tif, \.tiff or \.png"):
        io.write(tmp_path / name, Volume(np.eye(3)))


@pytest.mark.parametrize("name", ["x.nii.gz", "x.png", "x.tif"])
def test_missing_folder(tmp_path, name):
    with pytest.raises(WriteError, match=r"folder does not exist"):
        io.write(tmp_path / "missing" / name, Volume(np.eye(3)))
    with pytest.raises(WriteError, match="does not exist"):
        io.write_json(tmp_path / "missing" / "x.json", {})


def test_target_is_a_folder(tmp_path):
    (tmp_path / "x.png").mkdir()
    with pytest.raises(WriteError, match="it is a folder"):
        io.write(tmp_path / "x.png", Volume(np.eye(3)))


@pytest.mark.parametrize("name", ["x.nii.gz", "x.png", "x.tif", "x.json"])
def test_an_interrupted_write_leaves_the_old_file(tmp_path, monkeypatch, name):
    target = tmp_path / name
    target.write_text("old")

    def full(self, *args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    write = io.write_json if name == "x.json" else io.write
    content = {"a": 1} if name == "x.json" else Volume(np.eye(3))
    with pytest.raises(WriteError, match="No space left on device"):
        write(target, content)
    assert [p.name for p in tmp_path.iterdir()] == [name]
    assert target.read_text() == "old"


def test_a_folder_without_permission(tmp_path, monkeypatch):
    def refuse(self, *args, **kwargs):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(WriteError, match="Permission denied"):
        io.write_json(tmp_path / "x.json", {})


def test_existing_files_are_replaced(tmp_path):
    io.write(tmp_path / "x.png", Volume(np.zeros((2, 2), np.uint8)))
    io.write(tmp_path / "x.png", Volume(np.ones((3, 3), np.uint8)))
    assert io.read(tmp_path / "x.png").array.shape == (3, 3)


def test_json_holds_plain_values(tmp_path):
    content = {
        "n": np.int64(3),
        "f": np.float32(0.5),
        "nan": float("nan"),
        "inf": np.float64("inf"),
        "list": (1, np.array([1.5, 2])),
        "path": Path("a") / "b",
        "text": "Größe",
        "none": None,
        "flag": np.bool_(True),
    }
    path = io.write_json(tmp_path / "x.json", content)
    assert json.loads(path.read_text(encoding="utf-8")) == {
        "n": 3,
        "f": 0.5,
        "nan": None,
        "inf": None,
        "list": [1, [1.5, 2]],
        "path": str(Path("a") / "b"),
        "text": "Größe",
        "none": None,
        "flag": True,
    }
    with pytest.raises(WriteError, match="type object"):
        io.write_json(tmp_path / "y.json", {"a": object()})
    assert not (tmp_path / "y.json").exists()

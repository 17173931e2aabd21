from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from napari_textdifuse.cli import main
from napari_textdifuse.io import read, write
from napari_textdifuse.spatial import Registration
from napari_textdifuse.volume import Volume

pytest.importorskip("SimpleITK", reason="registration is an extra")


@pytest.fixture
def pair(tmp_path):
    """Blobs in two contrasts, the second 6 mm further to the patient's right."""
    affine = np.diag([3.0, 3, 3, 1])
    z, y, x = np.indices((24, 26, 28)) * 3.0
    image = np.zeros((24, 26, 28), np.float32)
    for cz, cy, cx, r, value in ((36, 39, 42, 30, 50), (30, 50, 30, 9, 90), (45, 30, 55, 8, 10)):
        image[(z - cz) ** 2 + (y - cy) ** 2 + (x - cx) ** 2 < r**2] = value
    moved = affine.copy()
    moved[0, 3] = 6
    write(tmp_path / "fixed.nii.gz", Volume(image, affine=affine, modality="MR"))
    inverted = Volume(np.where(image > 0, 110 - image, 0).astype(np.float32), affine=moved)
    write(tmp_path / "Doe_moving.nii.gz", inverted)
    return tmp_path / "fixed.nii.gz", tmp_path / "Doe_moving.nii.gz"


def test_everything_is_written(pair, tmp_path, capsys):
    out = tmp_path / "out"
    assert main(["register", *map(str, pair), "--out", str(out)]) == 0
    assert sorted(p.name for p in out.iterdir()) == [
        "checkerboard.png",
        "moving.nii.gz",
        "transform.json",
        "transform.tfm",
    ]
    found = Registration.load(out / "transform.json")
    np.testing.assert_allclose(found.matrix[:3, 3], [-6, 0, 0], atol=1)
    np.testing.assert_allclose(
        Registration.load(out / "transform.tfm").matrix, found.matrix, atol=1e-9
    )
    moved, source = read(out / "moving.nii.gz"), read(pair[1])
    np.testing.assert_array_equal(moved.array, source.array)
    np.testing.assert_allclose(moved.affine, found.matrix @ source.affine, atol=1e-4)
    assert "Doe" not in (out / "transform.json").read_text()
    with Image.open(out / "checkerboard.png") as picture:
        assert picture.size[0] == 2 * 512
    assert "checkerboard.png" in capsys.readouterr().err


def test_json(pair, tmp_path, capsys):
    out = tmp_path / "out"
    assert main(["register", *map(str, pair), "--out", str(out), "--json"]) == 0
    content = json.loads(capsys.readouterr().out)
    assert content["files"]["moving"] == "moving.nii.gz"
    assert content["registration"]["kind"] == "rigid"
    assert content["registration"]["shift_mm"] == pytest.approx(6, abs=1)


def test_images_without_geometry_get_one_line(tmp_path, capsys):
    path = tmp_path / "a.png"
    Image.fromarray(np.arange(100, dtype=np.uint8).reshape(10, 10)).save(path)
    out = tmp_path / "out"
    assert main(["register", str(path), str(path), "--out", str(out)]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "no geometry" in error
    assert not out.exists()

from __future__ import annotations

import numpy as np
import pytest
import tifffile
from PIL import Image

from napari_textdifuse import io
from napari_textdifuse.errors import InputError, ReadError
from napari_textdifuse.volume import Volume

AFFINE = np.array([[-2, 0.1, 0, 30], [0, 1.5, 0.2, -20], [0.1, 0, 3, 7], [0, 0, 0, 1.0]])


def ramp(shape, dtype=np.uint16):
    return np.arange(np.prod(shape)).reshape(shape).astype(dtype)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int16, np.float32, ">u2"])
@pytest.mark.parametrize("shape", [(5, 6), (4, 5, 6), (3, 5, 6)])
def test_grey(tmp_path, shape, dtype):
    order = ">" if dtype == ">u2" else "<"
    tifffile.imwrite(
        tmp_path / "x.tif", ramp(shape, dtype), photometric="minisblack", byteorder=order
    )
    volume = io.read(tmp_path / "x.tif")
    np.testing.assert_array_equal(volume.array, ramp(shape, dtype))
    assert volume.array.dtype == np.dtype(dtype).newbyteorder("=")
    assert volume.array.dtype.isnative
    assert (volume.rgb, volume.affine, volume.modality) == (False, None, None)


@pytest.mark.parametrize("shape", [(5, 6, 3), (5, 6, 4), (2, 5, 6, 3)])
@pytest.mark.parametrize("planar", ["contig", "separate"])
def test_colour(tmp_path, shape, planar):
    values = ramp(shape, np.uint8)
    stored = np.moveaxis(values, -1, -3) if planar == "separate" else values
    tifffile.imwrite(tmp_path / "x.tiff", stored, photometric="rgb", planarconfig=planar)
    volume = io.read(tmp_path / "x.tiff")
    assert volume.rgb
    np.testing.assert_array_equal(volume.array, values)


def test_palette_and_one_bit(tmp_path):
    table = np.zeros((3, 256), np.uint16)
    table[:, 1] = [10 << 8, 20 << 8, 30 << 8]
    values = np.array([[0, 1], [1, 0]], np.uint8)
    tifffile.imwrite(tmp_path / "p.tif", values, photometric="palette", colormap=table)
    volume = io.read(tmp_path / "p.tif")
    assert volume.rgb
    assert volume.array[0, 1].tolist() == [10, 20, 30]
    Image.fromarray(np.eye(8, dtype=bool)).save(tmp_path / "b.tif")
    np.testing.assert_array_equal(io.read(tmp_path / "b.tif").array, np.eye(8) * 255)


def test_imagej_voxel_size(tmp_path):
    tifffile.imwrite(
        tmp_path / "x.tif",
        ramp((4, 5, 6)),
        imagej=True,
        resolution=(1 / 0.5, 1 / 0.25),  # pixels per unit, x then y
        metadata={"axes": "ZYX", "unit": "um", "spacing": 2.0},
    )
    volume = io.read(tmp_path / "x.tif")
    np.testing.assert_allclose(volume.spacing, (2e-3, 0.25e-3, 0.5e-3))


def test_ome_voxel_size(tmp_path):
    sizes = {"PhysicalSizeX": 0.5, "PhysicalSizeY": 0.25, "PhysicalSizeZ": 2}
    units = {f"{k}Unit": "mm" for k in sizes}
    metadata = {"axes": "ZYX", **sizes, **units}
    tifffile.imwrite(tmp_path / "x.ome.tif", ramp((4, 5, 6)), metadata=metadata)
    np.testing.assert_allclose(io.read(tmp_path / "x.ome.tif").spacing, (2, 0.25, 0.5))
    metadata |= {f"{k}Unit": "pixel" for k in sizes}
    tifffile.imwrite(tmp_path / "y.ome.tif", ramp((4, 5, 6)), metadata=metadata)
    assert io.read(tmp_path / "y.ome.tif").affine is None


def test_resolution_per_centimetre_counts_and_per_inch_does_not(tmp_path):
    for unit, spacing in (("CENTIMETER", (0.25, 0.5)), ("INCH", None), ("NONE", None)):
        tifffile.imwrite(tmp_path / "x.tif", ramp((5, 6)), resolution=(20, 40), resolutionunit=unit)
        volume = io.read(tmp_path / "x.tif")
        assert volume.spacing == (None if spacing is None else pytest.approx(spacing))


@pytest.mark.parametrize(
    ("axes", "shape", "message"),
    [("TYX", (7, 5, 6), "7 time points"), ("CYX", (2, 5, 6), "2 channels")],
)
def test_several_images_are_named(tmp_path, axes, shape, message):
    tifffile.imwrite(tmp_path / "x.tif", ramp(shape), imagej=True, metadata={"axes": axes})
    with pytest.raises(InputError, match=message):
        io.read(tmp_path / "x.tif")


def test_lzw(tmp_path):
    values = ramp((5, 6), np.uint8)
    Image.fromarray(values).save(tmp_path / "x.tif", compression="tiff_lzw")
    np.testing.assert_array_equal(io.read(tmp_path / "x.tif").array, values)


@pytest.mark.parametrize(
    ("array", "rgb"),
    [
        (ramp((5, 6), np.float32) / 7, False),
        (ramp((4, 5, 6), np.float32) / 7, False),
        (ramp((1, 5, 6), np.int16) - 9, False),
        (ramp((4, 5, 3), np.uint16), False),  # a narrow volume, not colour
        (ramp((5, 6, 3), np.uint8), True),
        (ramp((2, 5, 6, 3), np.float32) / 180, True),
        (ramp((5, 6, 4), np.uint8), True),
    ],
)
def test_round_trip(tmp_path, array, rgb):
    volume = Volume(array, affine=AFFINE, unit="HU", modality="CT", rgb=rgb, name="Doe")
    io.write(tmp_path / "x.tif", volume, record={"prompt": "Größe"})
    back = io.read(tmp_path / "x.tif")
    np.testing.assert_array_equal(back.array, array)
    assert back.array.dtype == array.dtype
    assert back.rgb == rgb
    np.testing.assert_array_equal(back.affine, AFFINE)
    assert (back.unit, back.modality) == ("HU", "CT")
    assert back.metadata["record"] == {"prompt": "Größe"}
    assert b"not for diagnosis" in (tmp_path / "x.tif").read_bytes()
    assert b"Doe" not in (tmp_path / "x.tif").read_bytes()


@pytest.mark.parametrize(
    "data", [b"II*\0", b"no picture at all" * 9, b"II*\0\x08\0\0\0" + b"\xff" * 40]
)
def test_damaged(tmp_path, data):
    (tmp_path / "x.tif").write_bytes(data)
    with pytest.raises(ReadError, match=r"x\.tif"):
        io.read(tmp_path / "x.tif")


@pytest.mark.parametrize("part", [0.05, 0.5, 0.95])
def test_cut_off(tmp_path, caplog, part):
    tifffile.imwrite(tmp_path / "x.tif", ramp((4, 50, 60)), photometric="minisblack")
    data = (tmp_path / "x.tif").read_bytes()
    (tmp_path / "x.tif").write_bytes(data[: int(len(data) * part)])
    with pytest.raises(ReadError, match=r"x\.tif"):
        io.read(tmp_path / "x.tif")
    assert not caplog.records


@pytest.mark.parametrize("rgb", [False, True])
def test_ome_tiff_tells_the_voxel_size_to_others_and_everything_to_us(tmp_path, rgb):
    affine = np.array([[0, 0, 3.0, 5], [-2.0, 0, 0, 7], [0, 1.5, 0, -9], [0, 0, 0, 1]])
    array = np.random.default_rng(0).random((3, 5, 4) + (3,) * rgb).astype(np.float32)
    volume = Volume(array, affine=affine, unit="HU", modality="CT", rgb=rgb)
    path = io.write(tmp_path / "x.ome.tif", volume, record={"prompt": "Größe <&>"})
    with tifffile.TiffFile(path) as file:
        assert file.is_ome
        pixels = file.ome_metadata
        for axis, size in (("X", 2.0), ("Y", 1.5), ("Z", 3.0)):
            assert f'PhysicalSize{axis}="{size}"' in pixels
        assert "not for diagnosis" in pixels
    back = io.read(path)
    np.testing.assert_array_equal(back.array, array)
    np.testing.assert_allclose(back.affine, affine)
    assert (back.unit, back.modality, back.rgb) == ("HU", "CT", rgb)
    assert back.metadata["record"] == {"prompt": "Größe <&>"}

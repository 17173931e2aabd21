from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from napari_textdifuse import io
from napari_textdifuse.errors import ReadError


def grey(shape=(3, 4), dtype=np.uint8):
    return (np.arange(np.prod(shape)) * 20).reshape(shape).astype(dtype)


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".PNG"])
def test_grey(tmp_path, suffix):
    Image.fromarray(grey()).save(tmp_path / f"x{suffix}")
    volume = io.read(tmp_path / f"x{suffix}")
    np.testing.assert_array_equal(volume.array, grey())
    assert (volume.affine, volume.modality, volume.rgb) == (None, None, False)
    assert volume.name == "x"


def test_sixteen_bits(tmp_path):
    values = grey(dtype=np.uint16) * 300
    Image.fromarray(values).save(tmp_path / "x.png")
    volume = io.read(tmp_path / "x.png")
    assert volume.array.dtype == np.uint16
    np.testing.assert_array_equal(volume.array, values)


def test_one_bit_is_black_and_white(tmp_path):
    Image.fromarray(np.eye(5, dtype=bool)).save(tmp_path / "x.png")
    np.testing.assert_array_equal(io.read(tmp_path / "x.png").array, np.eye(5) * 255)


@pytest.mark.parametrize("channels", [3, 4])
def test_colour(tmp_path, channels):
    values = grey((3, 4, channels))
    Image.fromarray(values).save(tmp_path / "x.png")
    volume = io.read(tmp_path / "x.png")
    assert volume.rgb
    np.testing.assert_array_equal(volume.array, values)


def test_palette_becomes_its_colours(tmp_path):
    image = Image.fromarray(np.array([[0, 1]], np.uint8), "L").convert("P")
    image.putpalette([10, 20, 30, 40, 50, 60])
    image.save(tmp_path / "x.png")
    assert io.read(tmp_path / "x.png").array.tolist() == [[[10, 20, 30], [40, 50, 60]]]


def test_grey_with_alpha_and_cmyk(tmp_path):
    Image.fromarray(np.full((2, 2, 2), 128, np.uint8), "LA").save(tmp_path / "x.png")
    assert io.read(tmp_path / "x.png").array.tolist() == [[128, 128], [128, 128]]
    Image.new("CMYK", (4, 4), (0, 255, 255, 0)).save(tmp_path / "x.jpg", quality=100)
    red = io.read(tmp_path / "x.jpg").array[0, 0].astype(int)
    assert np.abs(red - [255, 0, 0]).max() < 5


def test_exif_orientation_is_applied(tmp_path):
    values = np.zeros((16, 32), np.uint8)
    values[:8, :8] = 255  # bright at top left as stored
    exif = Image.Exif()
    exif[0x0112] = 6  # to be shown turned clockwise by 90 degrees
    Image.fromarray(values).save(tmp_path / "x.jpg", exif=exif, quality=95)
    array = io.read(tmp_path / "x.jpg").array
    assert array.shape == (32, 16)
    assert array[:8, 8:].mean() > 240  # now at top right
    assert array[:8, :8].mean() < 15


def test_deep_colour_is_noted(tmp_path):
    import struct
    import zlib

    def chunk(kind, data):
        crc = zlib.crc32(kind + data)
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", crc)

    png = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 16, 2, 0, 0, 0))
    png += chunk(b"IDAT", zlib.compress(b"\0\x12\x34\x56\x78\x9a\xbc")) + chunk(b"IEND", b"")
    (tmp_path / "x.png").write_bytes(png)
    volume = io.read(tmp_path / "x.png")
    assert volume.array.tolist() == [[[0x12, 0x56, 0x9A]]]
    assert "16 bits per colour" in volume.metadata["notes"][0]


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".bmp"])
@pytest.mark.parametrize("part", [0.02, 0.5, 0.9])
def test_cut_off(tmp_path, suffix, part):
    rng = np.random.default_rng(0)
    path = tmp_path / f"x{suffix}"
    Image.fromarray(rng.integers(0, 255, (64, 64), np.uint8)).save(path)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * part)])
    with pytest.raises(ReadError, match=rf"x\{suffix}: not an image, or a damaged one"):
        io.read(path)


def test_a_damaged_byte(tmp_path):
    Image.fromarray(grey((64, 64))).save(tmp_path / "x.png")
    data = bytearray((tmp_path / "x.png").read_bytes())
    data[60] ^= 0xFF
    (tmp_path / "x.png").write_bytes(bytes(data))
    with pytest.raises(ReadError, match="damaged"):
        io.read(tmp_path / "x.png")


def test_a_bomb_is_refused_in_one_sentence(tmp_path, monkeypatch):
    Image.fromarray(grey((64, 64))).save(tmp_path / "x.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 3000)  # warns from here, fails from twice that
    assert io.read(tmp_path / "x.png").array.shape == (64, 64)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    with pytest.raises(ReadError, match="4096 pixels"):
        io.read(tmp_path / "x.png")


def png(path, values, colour_type):
    """A PNG of 16 bits per sample, by the specification."""
    import struct
    import zlib

    def chunk(kind, data):
        crc = zlib.crc32(kind + data)
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", crc)

    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    head = struct.pack(">2I5B", values.shape[1], values.shape[0], 16, colour_type, 0, 0, 0)
    parts = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + parts)
    return path


@pytest.mark.parametrize("opaque", [True, False])
def test_sixteen_bit_grey_with_alpha_keeps_its_depth(tmp_path, opaque):
    values = grey((5, 7), np.uint16) * 90 + 3
    alpha = np.full_like(values, 65535)
    if not opaque:
        alpha[0] = 7
    volume = io.read(png(tmp_path / "x.png", np.stack([values, alpha], -1), 4))
    assert volume.array.dtype == np.uint16
    np.testing.assert_array_equal(volume.array, values)
    assert bool(volume.metadata["notes"]) == (not opaque)


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".jpg"])
def test_grey_saved_as_colours(tmp_path, suffix):
    y, x = np.mgrid[:48, :64]
    values = np.stack([2 * x + y] * 3, -1).astype(np.uint8)
    Image.fromarray(values).save(tmp_path / f"x{suffix}")
    volume = io.read(tmp_path / f"x{suffix}")
    assert not volume.rgb
    assert np.abs(volume.array.astype(int) - values[..., 0]).max() <= 3
    assert "equal" in volume.metadata["notes"][0]


def test_nearly_grey_and_faintly_coloured(tmp_path):
    rng = np.random.default_rng(0)
    base = rng.integers(60, 200, (40, 50, 1))
    near = (base + rng.integers(0, 3, (40, 50, 3)) * [1, 0, 0]).astype(np.uint8)
    Image.fromarray(near).save(tmp_path / "near.png")
    assert not io.read(tmp_path / "near.png").rgb
    faint = near.copy()
    faint[10:14, 10:14] += np.array([40, 0, 0], np.uint8)  # a small mark in colour
    Image.fromarray(faint).save(tmp_path / "faint.png")
    assert io.read(tmp_path / "faint.png").rgb


def test_temperatures_of_a_thermal_camera_are_said_to_be_unread(tmp_path):
    Image.fromarray(grey((16, 16))).save(tmp_path / "x.jpg")
    data = (tmp_path / "x.jpg").read_bytes()
    flir = b"FLIR\0\x01\0\0" + bytes(100)
    segment = b"\xff\xe1" + (len(flir) + 2).to_bytes(2, "big") + flir
    (tmp_path / "x.jpg").write_bytes(data[:2] + segment + data[2:])
    volume = io.read(tmp_path / "x.jpg")
    assert "temperatures were not read" in volume.metadata["notes"][0]
    assert volume.modality == "IR"


def test_a_level_called_transparent_is_noted(tmp_path):
    grey = np.arange(48, dtype=np.uint8).reshape(6, 8)
    Image.fromarray(grey).save(tmp_path / "grey.png", transparency=5)
    Image.fromarray(np.stack([grey, grey + 9, grey], -1)).save(
        tmp_path / "rgb.png", transparency=(5, 14, 5)
    )
    Image.fromarray(grey).save(tmp_path / "none.png", transparency=200)
    for name, shape in (("grey.png", (6, 8)), ("rgb.png", (6, 8, 3))):
        volume = io.read(tmp_path / name)
        assert volume.array.shape == shape
        assert volume.metadata["notes"] == (
            "1 pixels that the file marks as transparent were kept.",
        )
    assert io.read(tmp_path / "none.png").metadata["notes"] == ()

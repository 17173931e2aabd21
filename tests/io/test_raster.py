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
    assert io.read(tmp_path / "x.png").array.shape == (2, 2, 4)
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
    with pytest.raises(ReadError, match=rf"x\{suffix}: not a picture, or a damaged one"):
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

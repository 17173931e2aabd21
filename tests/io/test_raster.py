from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from napari_textdifuse import io
from napari_textdifuse.errors import ReadError
from napari_textdifuse.intensity import default_window


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


def png(path, values, colour_type, *, interlaced=False, more=()):
    """A PNG of 16 bits per sample, by the specification."""
    import struct
    import zlib

    def chunk(kind, data):
        crc = zlib.crc32(kind + data)
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", crc)

    # Adam7: first row and column, and steps, of each pass
    passes = [(0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2)]
    passes = [*passes, (1, 0, 2, 1)] if interlaced else [(0, 0, 1, 1)]
    parts = [values[y::down, x::right] for y, x, down, right in passes]
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for p in parts if p.size for row in p)
    height, width = values.shape[:2]
    head = struct.pack(">2I5B", width, height, 16, colour_type, 0, 0, interlaced)
    chunks = [(b"IHDR", head), *more, (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*c) for c in chunks))
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


@pytest.mark.parametrize("interlaced", [False, True])
@pytest.mark.parametrize("channels", [3, 4])
def test_sixteen_bit_colours_keep_their_depth(tmp_path, channels, interlaced):
    values = np.random.default_rng(0).integers(0, 65536, (9, 11, channels), np.uint16)
    path = png(tmp_path / "x.png", values, 2 if channels == 3 else 6, interlaced=interlaced)
    volume = io.read(path)
    assert volume.rgb
    assert volume.array.dtype == np.uint16
    np.testing.assert_array_equal(volume.array, values)
    assert volume.metadata["notes"] == ()
    assert (default_window(volume).low, default_window(volume).high) == (0, 65535)


def test_sixteen_bit_colours_of_a_camera_of_twelve_bits_are_not_black(tmp_path):
    values = np.random.default_rng(0).integers(0, 4096, (40, 50, 3), np.uint16)
    window = default_window(io.read(png(tmp_path / "x.png", values, 2)))
    assert 4000 < window.high < 4096


def test_sixteen_bit_colours_are_turned_simplified_and_clear_like_others(tmp_path):
    red = np.zeros((4, 6, 3), np.uint16)
    red[0, 0] = [0x1234, 7, 9]
    exif = b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"  # orientation 6
    clear = (0x1234, 7, 9)
    path = png(
        tmp_path / "x.png",
        red,
        2,
        more=((b"tRNS", np.array(clear, ">u2").tobytes()), (b"eXIf", exif)),
    )
    volume = io.read(path)
    assert volume.array.shape == (6, 4, 3)
    assert volume.array[0, 3].tolist() == [0x1234, 7, 9]
    assert volume.metadata["notes"] == ("1 pixels that the file marks as transparent were kept.",)
    grey = np.repeat(np.arange(24, dtype=np.uint16).reshape(4, 6, 1) * 2731, 3, axis=-1)
    volume = io.read(png(tmp_path / "y.png", grey, 2))
    assert not volume.rgb
    np.testing.assert_array_equal(volume.array, grey[..., 0])


def test_memory_of_sixteen_bit_colours_is_counted_in_full(tmp_path, monkeypatch):
    path = png(tmp_path / "x.png", np.zeros((10, 10, 3), np.uint16), 2)
    monkeypatch.setenv("TEXTDIFUSE_MAX_BYTES", "500")
    with pytest.raises(ReadError, match="600 bytes"):
        io.read(path)


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_further_images_of_a_file_are_noted(tmp_path, suffix):
    frames = [Image.new("RGB", (20, 20), (60 * i, 9, 9)) for i in range(3)]
    path = tmp_path / f"x{suffix}"
    kind = "PNG" if suffix == ".png" else "MPO"  # moving PNG; cameras with two lenses
    frames[0].save(path, kind, save_all=True, append_images=frames[1:])
    volume = io.read(path)
    assert volume.array.shape == (20, 20, 3)
    assert volume.metadata["notes"] == ("The file contains 3 images; the first was read.",)


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


def radiometric(path, *, make=None):
    """A JPEG as FLIR's cameras write it: EXIF, then raw data (FFF) over several APP1 segments."""
    exif = Image.Exif()
    if make:
        exif[0x010F] = make
    Image.fromarray(grey((16, 24))).save(path, exif=exif)
    data = path.read_bytes()
    raw = b"FFF\0" + b"MTX IR\0".ljust(16, b"\0") + bytes(range(256)) * 500
    parts = [raw[i : i + 65_000] for i in range(0, len(raw), 65_000)]
    segments = b""
    for i, part in enumerate(parts):
        flir = b"FLIR\0\x01" + bytes([i, len(parts) - 1]) + part
        segments += b"\xff\xe1" + (len(flir) + 2).to_bytes(2, "big") + flir
    at = 2  # behind JFIF and EXIF
    while data[at + 1] in (0xE0, 0xE1):
        at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    path.write_bytes(data[:at] + segments + data[at:])
    return path


@pytest.mark.parametrize("make", [None, "FLIR Systems AB", "Teledyne"])
def test_temperatures_of_a_thermal_camera_are_said_to_be_unread(tmp_path, make):
    volume = io.read(radiometric(tmp_path / "x.jpg", make=make))
    (note,) = volume.metadata["notes"]  # once, however many segments
    assert "(FLIR); the temperatures were not read" in note
    assert (volume.modality, volume.sources["modality"]) == ("IR", "file")
    assert volume.shape == (16, 24)


def test_an_image_about_heat_is_not_from_a_thermal_camera(tmp_path):
    Image.fromarray(grey((16, 16))).save(tmp_path / "x.jpg", comment=b"FLIR ThermalData")
    volume = io.read(tmp_path / "x.jpg")
    assert (volume.modality, volume.metadata["notes"]) == (None, ())


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

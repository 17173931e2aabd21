"""Colour models of TIFF, against Pillow's LittleCMS and libtiff, and values by hand."""

from __future__ import annotations

import numpy as np
import pytest
import tifffile
from PIL import Image, ImageCms

from napari_textdifuse import io
from napari_textdifuse.errors import InputError


def colours():
    """Colours of moderate strength: of strong ones, LittleCMS's profile rounds more."""
    rng = np.random.default_rng(0)
    return np.repeat(rng.integers(40, 220, (12, 15, 3), np.uint8), 2, axis=0)


def as_lab(rgb):
    """Pillow's: 8 bits, white point D50, a* and b* as signed bytes (CIELAB of TIFF)."""
    srgb, lab = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
    return np.array(ImageCms.profileToProfile(Image.fromarray(rgb), srgb, lab, outputMode="LAB"))


def white_point(x, y):
    return [(318, 5, 2, (int(x * 10000), 10000, int(y * 10000), 10000), True)]


@pytest.mark.parametrize("kind", ["cielab", "icclab"])
def test_lab_of_8_bits_equals_littlecms(tmp_path, kind):
    lab = as_lab(colours())
    if kind == "icclab":
        lab[..., 1:] ^= 0x80  # 128 is 0
    tifffile.imwrite(tmp_path / "x.tif", lab, photometric=kind)
    volume = io.read(tmp_path / "x.tif")
    assert volume.rgb
    assert volume.array.dtype == np.uint8
    assert np.abs(volume.array.astype(int) - colours()).max() <= 4  # steps of 8-bit L*a*b*
    assert "D50, which was assumed" in volume.metadata["notes"][0]


@pytest.mark.parametrize("kind", ["cielab", "icclab"])
def test_lab_of_16_bits(tmp_path, kind):
    lab = as_lab(colours()).astype(np.int32)
    deep = lab.copy()
    if kind == "cielab":
        deep[..., 0] = lab[..., 0] * 257
        deep[..., 1:] = lab[..., 1:] * 256
    else:
        deep[..., 0] = lab[..., 0] * 256
        deep[..., 1:] = (lab[..., 1:] ^ 0x80) * 256
    tifffile.imwrite(tmp_path / "x.tif", deep.astype(np.uint16), photometric=kind)
    volume = io.read(tmp_path / "x.tif")
    assert volume.array.dtype == np.uint16
    assert np.abs(volume.array / 257 - colours()).max() <= 4


def test_lab_is_relative_to_its_white(tmp_path):
    """L* 100 is white for every white point; the same a* is another colour."""
    lab = np.zeros((4, 4, 3), np.uint8)
    lab[..., 0] = 255
    lab[2:] = [128, 40, 0]
    red = []
    for x, y in ((0.3457, 0.3585), (0.3127, 0.3290)):
        tifffile.imwrite(tmp_path / "x.tif", lab, photometric="cielab", extratags=white_point(x, y))
        volume = io.read(tmp_path / "x.tif")
        assert volume.array[0, 0].min() >= 254
        assert "assumed" not in volume.metadata["notes"][0]
        red.append(volume.array[-1, -1].tolist())
    # by hand: L* 50.2 and a* 40 are X, Y, Z = 0.262, 0.186, 0.202 under D65
    assert np.abs(np.array(red[1]) - [181, 90, 121]).max() <= 1
    assert red[0] != red[1]


def test_colours_that_no_light_has_are_clipped_without_a_warning(tmp_path):
    lab = np.full((4, 4, 3), (40, 0, 120), np.uint8)  # Z would be negative
    tifffile.imwrite(tmp_path / "x.tif", lab, photometric="cielab")
    assert io.read(tmp_path / "x.tif").array[..., 2].max() == 0


def test_an_unusual_white_point_is_refused(tmp_path):
    lab = np.full((4, 4, 3), 90, np.uint8)
    tifffile.imwrite(
        tmp_path / "x.tif", lab, photometric="cielab", extratags=white_point(0.25, 0.25)
    )
    with pytest.raises(InputError, match=r"x = 0\.2500, y = 0\.2500 .*save it as RGB, in Fiji"):
        io.read(tmp_path / "x.tif")


@pytest.mark.parametrize("compression", [None, "zlib"])
def test_ycbcr_equals_libtiff(tmp_path, compression):
    stored = np.array(Image.fromarray(colours()).convert("YCbCr"))
    path = tmp_path / "x.tif"
    tifffile.imwrite(path, stored, photometric="ycbcr", compression=compression)
    array = io.read(path).array
    pillow = np.array(Image.fromarray(stored, "YCbCr").convert("RGB"))
    assert np.abs(array.astype(int) - pillow).max() <= 1
    if compression:
        with Image.open(path) as image:
            assert np.abs(array.astype(int) - np.asarray(image)[..., :3]).max() <= 1


def test_ycbcr_with_the_coefficients_and_range_of_the_file(tmp_path):
    """ITU-R BT.709 in the range of video: 16 is black, 235 white."""
    stored = np.array([[[16, 128, 128], [235, 128, 128], [63, 102, 240]]], np.uint8)
    tags = [
        (529, 5, 3, (2126, 10000, 7152, 10000, 722, 10000), True),
        (532, 5, 6, (16, 1, 235, 1, 128, 1, 240, 1, 128, 1, 240, 1), True),
    ]
    tifffile.imwrite(tmp_path / "x.tif", stored, photometric="ycbcr", extratags=tags)
    black, white, red = io.read(tmp_path / "x.tif").array[0].tolist()
    assert (black, white) == ([0, 0, 0], [255, 255, 255])
    assert np.abs(np.array(red) - [254, 1, 2]).max() <= 3


@pytest.mark.parametrize(
    ("kind", "tag"),
    [
        ("ycbcr", (529, 5, 2, (299, 1000, 587, 1000))),
        ("ycbcr", (529, 5, 3, (299, 1000, 587, 0, 114, 1000))),
        ("ycbcr", (529, 5, 3, (0, 1, 0, 1, 0, 1))),
        ("ycbcr", (529, 3, 1, 5)),
        ("ycbcr", (532, 5, 6, (16, 1, 16, 1, 128, 1, 128, 1, 128, 1, 128, 1))),
        ("ycbcr", (532, 5, 2, (0, 1, 255, 1))),
        ("cielab", (318, 5, 1, (3127, 10000))),
        ("cielab", (318, 2, 0, "white")),
    ],
)
def test_damaged_facts_of_colours_are_not_replaced_by_usual_ones(tmp_path, kind, tag):
    stored = np.full((8, 8, 3), 90, np.uint8)
    tifffile.imwrite(tmp_path / "x.tif", stored, photometric=kind, extratags=[(*tag, True)])
    with pytest.raises(InputError, match=rf"^x\.tif: TIFF tag {tag[0]}, .* is damaged; save it"):
        io.read(tmp_path / "x.tif")


def test_ycbcr_with_fewer_values_of_colour_is_refused(tmp_path):
    path = tmp_path / "x.tif"
    tifffile.imwrite(path, np.zeros((16, 16, 3), np.uint8), photometric="ycbcr")
    with tifffile.TiffFile(path, mode="r+") as file:
        file.pages[0].tags[530].overwrite((2, 2))
    with pytest.raises(InputError, match=r"^x\.tif: colours in YCbCr with fewer .*save it as RGB"):
        io.read(path)


def test_cmyk_keeps_its_depth(tmp_path):
    ink = np.zeros((3, 4, 4), np.uint16)
    ink[0] = [65535, 0, 0, 0]
    ink[1] = [0, 0, 0, 13107]  # a fifth of black
    tifffile.imwrite(tmp_path / "x.tif", ink, photometric="separated")
    volume = io.read(tmp_path / "x.tif")
    assert volume.array.dtype == np.uint16
    assert volume.array[0, 0].tolist() == [0, 65535, 65535]
    assert volume.array[1, 0].tolist() == [52428] * 3
    assert "CMYK without a colour profile" in volume.metadata["notes"][0]


def test_other_colour_models_are_refused(tmp_path):
    tifffile.imwrite(tmp_path / "x.tif", np.zeros((4, 4, 3), np.uint8), photometric="itulab")
    with pytest.raises(InputError, match=r"^x\.tif: its colours \(ITULAB\) cannot be read; save"):
        io.read(tmp_path / "x.tif")

from __future__ import annotations

import importlib
import struct

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


def test_imagej_does_not_write_a_distance_of_one(tmp_path):
    """ij.io.FileSaver leaves out ``spacing=1.0``."""
    for axes, shape in (("ZYX", (4, 5, 6)), ("TYX", (4, 5, 6)), ("YX", (5, 6))):
        tifffile.imwrite(
            tmp_path / "x.tif",
            ramp(shape),
            imagej=True,
            resolution=(1 / 0.5, 1 / 0.25),
            metadata={"axes": axes, "unit": "um"},
        )
        volume = io.read(tmp_path / "x.tif", time=0)
        np.testing.assert_allclose(volume.spacing[-2:], (0.25e-3, 0.5e-3))
        said = [n for n in volume.metadata["notes"] if "means 1 um" in n]
        assert len(said) == (axes == "ZYX")
    tifffile.imwrite(
        tmp_path / "y.tif",
        ramp((4, 5, 6)),
        imagej=True,
        resolution=(2, 4),
        metadata={"axes": "ZYX", "unit": "um"},
    )
    assert io.read(tmp_path / "y.tif").spacing[0] == pytest.approx(1e-3)


def test_a_stack_without_a_distance_between_slices_says_so(tmp_path):
    sizes = {"PhysicalSizeX": 0.5, "PhysicalSizeY": 0.25}
    tifffile.imwrite(tmp_path / "x.ome.tif", ramp((4, 5, 6)), metadata={"axes": "ZYX", **sizes})
    volume = io.read(tmp_path / "x.ome.tif")
    assert volume.spacing == pytest.approx((0.5e-3, 0.25e-3, 0.5e-3))  # um, OME's default
    assert "no distance between slices" in volume.metadata["notes"][0]
    tifffile.imwrite(tmp_path / "y.ome.tif", ramp((5, 6)), metadata={"axes": "YX", **sizes})
    assert not io.read(tmp_path / "y.ome.tif").metadata["notes"]


def test_ome_voxel_size(tmp_path):
    sizes = {"PhysicalSizeX": 0.5, "PhysicalSizeY": 0.25, "PhysicalSizeZ": 2}
    units = {f"{k}Unit": "mm" for k in sizes}
    metadata = {"axes": "ZYX", **sizes, **units}
    tifffile.imwrite(tmp_path / "x.ome.tif", ramp((4, 5, 6)), metadata=metadata)
    np.testing.assert_allclose(io.read(tmp_path / "x.ome.tif").spacing, (2, 0.25, 0.5))
    metadata |= {f"{k}Unit": "pixel" for k in sizes}
    tifffile.imwrite(tmp_path / "y.ome.tif", ramp((4, 5, 6)), metadata=metadata)
    assert io.read(tmp_path / "y.ome.tif").affine is None


@pytest.mark.parametrize("unit", ["CENTIMETER", "INCH", "NONE"])
def test_the_resolution_of_an_image_is_one_of_printing(tmp_path, unit):
    tifffile.imwrite(tmp_path / "x.tif", ramp((5, 6)), resolution=(20, 40), resolutionunit=unit)
    volume = io.read(tmp_path / "x.tif")
    assert volume.affine is None
    said = [
        n for n in volume.metadata["notes"] if "20 pixels per cm was assumed to be a print" in n
    ]
    assert len(said) == (unit == "CENTIMETER")


def test_imagej_s_scale_counts_unless_it_is_a_print_resolution(tmp_path):
    for per_cm, spacing in ((28.346, None), (20.0, (0.5, 0.5))):
        tifffile.imwrite(
            tmp_path / "x.tif",
            ramp((5, 6)),
            imagej=True,
            resolution=(per_cm, per_cm),
            metadata={"axes": "YX", "unit": "cm"},
        )
        volume = io.read(tmp_path / "x.tif")
        assert volume.spacing == (None if spacing is None else pytest.approx(spacing))
        assert bool(volume.metadata["notes"]) == (spacing is None)


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


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("colour", [False, True])
def test_orientation_equals_pillow_s(tmp_path, orientation, colour):
    values = ramp((5, 7, 3), np.uint8) * 2
    tag = (274, "H", 1, orientation, True)
    tifffile.imwrite(tmp_path / "c.tif", values, extratags=[tag])
    tifffile.imwrite(tmp_path / "x.tif", values if colour else values[..., 0], extratags=[tag])
    with Image.open(tmp_path / "c.tif") as image:
        image.load()  # Pillow turns colour on loading
        expected = np.array(image) if colour else np.array(image)[..., 0]
    np.testing.assert_array_equal(io.read(tmp_path / "x.tif").array, expected)
    assert expected.shape[0] == (5 if orientation < 5 else 7)


def test_orientation_turns_the_voxel_size(tmp_path):
    tifffile.imwrite(
        tmp_path / "x.tif",
        ramp((5, 6)),
        imagej=True,
        resolution=(2, 4),
        metadata={"axes": "YX", "unit": "mm"},
        extratags=[(274, "H", 1, 6, True)],
    )
    assert io.read(tmp_path / "x.tif").spacing == pytest.approx((0.5, 0.25))


LOWEST = float(np.finfo(np.float32).min)


@pytest.mark.parametrize(
    ("dtype", "text", "value"),
    [
        (np.float32, "-9999", -9999),
        (np.float32, "-9999.0\0", -9999),
        (np.float32, " -9999 ", -9999),
        (np.float32, "-9999,0", -9999),
        (np.float32, "-3.4028234663852886e+38", LOWEST),
        (np.float32, "-3.40282346638529e+38", LOWEST),
        (np.float32, "-3.4028235e+38", LOWEST),
        (np.float32, "-3.40282e+38", LOWEST),
        (np.float32, "-inf", -np.inf),
        (np.float32, "-1.#INF", -np.inf),
        (np.float64, "1e-10", 1e-10),
        (np.float32, "0.1", 0.1),
        (np.int16, "-32768", -32768),
        (np.int16, "-32768.0", -32768),
        (np.int8, "-128", -128),
        (np.uint8, "0", 0),
        (np.uint16, "65535", 65535),
        (np.uint32, "4294967295", 4294967295),
        (np.int32, "-2147483648", -2147483648),
    ],
)
def test_no_data_is_left_out(tmp_path, dtype, text, value):
    values = (np.arange(30).reshape(5, 6) + 1).astype(dtype)
    values[1, 2] = values[4, 0] = value
    tag = (42113, "s", 0, text, True)
    tifffile.imwrite(tmp_path / "x.tif", values, extratags=[tag])
    volume = io.read(tmp_path / "x.tif")
    assert volume.array.dtype.kind == "f"
    assert np.argwhere(np.isnan(volume.array)).tolist() == [[1, 2], [4, 0]]
    rest = ~np.isnan(volume.array)
    np.testing.assert_array_equal(volume.array[rest], values[rest])
    assert "2 of 30 pixels" in volume.metadata["notes"][0]


@pytest.mark.parametrize("text", ["nan", "NaN", "-1.#IND", "1.#QNAN", "-9999", "255.5"])
def test_no_data_that_no_pixel_has_changes_nothing(tmp_path, text):
    values = ramp((5, 6), np.uint8)
    tifffile.imwrite(tmp_path / "x.tif", values, extratags=[(42113, "s", 0, text, True)])
    volume = io.read(tmp_path / "x.tif")
    assert volume.array.dtype == np.uint8
    assert not volume.metadata["notes"]


def test_no_data_that_is_not_a_number_is_noted(tmp_path):
    tag = (42113, "s", 0, "none", True)
    tifffile.imwrite(tmp_path / "x.tif", ramp((5, 6)), extratags=[tag])
    note = io.read(tmp_path / "x.tif").metadata["notes"][0]
    assert "'none' (GDAL_NODATA), is not a number" in note


def bands(count, dtype=np.uint8):
    return np.random.default_rng(0).integers(0, 250, (20, 30, count)).astype(dtype)


@pytest.mark.parametrize(
    ("count", "photometric", "extra", "kept"),
    [
        (4, "rgb", ["unspecified"], [0, 1, 2]),  # near infrared
        (5, "rgb", ["unassalpha", "unspecified"], [0, 1, 2, 3]),
        (6, "rgb", ["unspecified"] * 3, [0, 1, 2]),
        (2, "minisblack", ["unassalpha"], 0),
        (2, "minisblack", ["unspecified"], 0),
        (4, "minisblack", ["unspecified"] * 3, 0),
    ],
)
@pytest.mark.parametrize("planar", ["contig", "separate"])
def test_extra_bands_are_left_out(tmp_path, count, photometric, extra, kept, planar):
    values = bands(count)
    stored = np.moveaxis(values, -1, 0) if planar == "separate" else values
    tifffile.imwrite(
        tmp_path / "x.tif", stored, photometric=photometric, extrasamples=extra, planarconfig=planar
    )
    volume = io.read(tmp_path / "x.tif")
    np.testing.assert_array_equal(volume.array, values[..., kept])
    assert bool(volume.metadata["notes"]) == (count > 2 or extra == ["unspecified"])


def test_grey_as_colours_and_opaque_alpha(tmp_path):
    grey = bands(1, np.uint16) * 257
    opaque = np.full_like(grey, 65535)
    for channels in ([grey] * 3, [grey] * 3 + [opaque]):
        tifffile.imwrite(
            tmp_path / "x.tif",
            np.concatenate(channels, axis=-1),
            photometric="rgb",
            extrasamples=["unassalpha"] * (len(channels) - 3),
        )
        volume = io.read(tmp_path / "x.tif")
        assert not volume.rgb
        np.testing.assert_array_equal(volume.array, grey[..., 0])
        assert "equal" in volume.metadata["notes"][0]


def compressed(path, values, **options):
    """Written by Pillow's libtiff, whose bytes tifffile cannot decode here."""
    image = Image.fromarray(values)
    image.save(path, **options)
    return path


@pytest.mark.parametrize(
    ("compression", "predictor", "tile", "dtype"),
    [
        ("tiff_lzw", 1, None, np.uint8),
        ("tiff_lzw", 2, None, np.uint16),
        ("tiff_lzw", 2, 16, np.int32),
        ("tiff_lzw", 3, None, np.float32),
        ("tiff_lzw", 1, 16, np.float32),
        ("packbits", 1, None, np.uint16),
        ("tiff_adobe_deflate", 2, None, np.uint16),
        ("tiff_adobe_deflate", 3, None, np.float32),
        ("zstd", 1, None, np.uint16),
    ],
)
def test_compressions(tmp_path, compression, predictor, tile, dtype):
    values = (np.random.default_rng(0).random((37, 53)) * 250).astype(dtype)
    info = {317: predictor} if predictor != 1 else {}
    if tile:
        info |= {322: tile, 323: tile}
    else:
        info[278] = 10
    path = compressed(tmp_path / "x.tif", values, compression=compression, tiffinfo=info)
    with tifffile.TiffFile(path) as file:
        assert file.pages[0].is_tiled == bool(tile) or tile  # Pillow may ignore the wish
    np.testing.assert_array_equal(io.read(path).array, values)


@pytest.mark.parametrize("colour", [False, True])
def test_jpeg_in_tiff(tmp_path, colour):
    y, x = np.mgrid[:40, :50]
    values = np.stack([4 * x, 5 * y, 200 - 4 * x], -1).astype(np.uint8)
    values = values if colour else values[..., 0]
    compressed(tmp_path / "x.tif", values, compression="jpeg", quality=98)
    volume = io.read(tmp_path / "x.tif")
    assert volume.rgb == colour
    assert np.abs(volume.array.astype(int) - values).mean() < 3


@pytest.fixture
def no_imagecodecs(monkeypatch):
    """Hide imagecodecs from tifffile where it is installed."""
    fallback = importlib.import_module("tifffile._imagecodecs")
    monkeypatch.setattr(tifffile.tifffile, "imagecodecs", fallback)
    monkeypatch.setattr(tifffile.TIFF.DECOMPRESSORS, "_codecs", {1: lambda data: data})


@pytest.mark.parametrize("axes", ["ZYX", "TYX"])
def test_a_compressed_stack_keeps_its_axes_and_voxel_size(tmp_path, axes, no_imagecodecs):
    values = ramp((3, 11, 13))
    sizes = {"PhysicalSizeX": 0.25, "PhysicalSizeY": 0.2, "PhysicalSizeZ": 2.0}
    units = {f"{k}Unit": "mm" for k in sizes}
    tifffile.imwrite(tmp_path / "n.ome.tif", values, metadata={"axes": axes, **sizes, **units})
    with tifffile.TiffFile(tmp_path / "n.ome.tif") as file:
        xml = file.ome_metadata
    path = tmp_path / "x.ome.tif"
    first, *rest = [Image.fromarray(v) for v in values]
    first.save(path, save_all=True, append_images=rest, compression="tiff_lzw", tiffinfo={270: xml})
    with tifffile.TiffFile(path) as file, pytest.raises(ValueError, match="imagecodecs"):
        file.asarray()  # or this test tests nothing
    volumes = io.read_times(path)
    assert len(volumes) == (3 if axes == "TYX" else 1)
    found = np.stack([v.array for v in volumes]) if axes == "TYX" else volumes[0].array
    np.testing.assert_array_equal(found, values)
    assert volumes[0].spacing[-2:] == pytest.approx((0.2, 0.25))
    if axes == "ZYX":
        assert volumes[0].spacing[0] == pytest.approx(2)


def test_the_largest_image_is_read_not_its_thumbnail(tmp_path):
    large, small = ramp((40, 60)), ramp((4, 6))
    with tifffile.TiffWriter(tmp_path / "x.tif") as file:
        file.write(small, subfiletype=1)
        file.write(large)
    np.testing.assert_array_equal(io.read(tmp_path / "x.tif").array, large)
    with tifffile.TiffWriter(tmp_path / "y.tif") as file:  # a pyramid of SubIFDs
        file.write(large, subifds=1)
        file.write(large[::2, ::2], subfiletype=1)
    np.testing.assert_array_equal(io.read(tmp_path / "y.tif").array, large)
    with tifffile.TiffWriter(tmp_path / "z.tif") as file:
        file.write(small)
        file.write(large)
    volume = io.read(tmp_path / "z.tif")
    np.testing.assert_array_equal(volume.array, large)
    assert "contains 2 images" in volume.metadata["notes"][0]


def test_int8(tmp_path):
    values = np.arange(-60, 60).reshape(10, 12).astype(np.int8)
    tifffile.imwrite(tmp_path / "x.tif", values)
    np.testing.assert_array_equal(io.read(tmp_path / "x.tif").array, values)


def test_a_missing_decoder_is_named(tmp_path, no_imagecodecs):
    tifffile.imwrite(tmp_path / "x.tif", ramp((5, 6)), compression="zlib")
    data = (tmp_path / "x.tif").read_bytes()
    with tifffile.TiffFile(tmp_path / "x.tif") as file:
        where = file.pages[0].tags["Compression"].valueoffset
    (tmp_path / "x.tif").write_bytes(
        data[:where] + (34887).to_bytes(2, "little") + data[where + 2 :]
    )
    with pytest.raises(ReadError, match=r"LERC.*pip install imagecodecs"):
        io.read(tmp_path / "x.tif")


def test_nothing_is_printed_by_libtiff(tmp_path, capfd):
    path = compressed(tmp_path / "x.tif", ramp((50, 60), np.uint8), compression="tiff_lzw")
    data = bytearray(path.read_bytes())
    with tifffile.TiffFile(path) as file:
        start = file.pages[0].dataoffsets[0]
    data[start + 40 : start + 90] = b"\xff" * 50
    path.write_bytes(bytes(data))
    with pytest.raises(ReadError):
        io.read(path)
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("compression", [None, "deflate"])
def test_imagej_s_calibration_of_the_values(tmp_path, compression):
    """Signed 16 bits are stored unsigned; ij.measure.Calibration adds c0."""
    hu = (np.arange(48).reshape(6, 8) * 40 - 1000).astype(np.int16)
    text = "ImageJ=1.54f\ncf=0\nc0=-32768.0\nc1=1.0\nvunit={}\n"
    for unit, expected in (("Gray Value", "a.u."), ("HU", "HU")):
        stored = (hu.astype(int) + 32768).astype(np.uint16)
        tifffile.imwrite(
            tmp_path / "x.tif",
            stored,
            description=text.format(unit),
            metadata=None,
            photometric="minisblack",
            compression=compression,
        )
        volume = io.read(tmp_path / "x.tif")
        np.testing.assert_array_equal(volume.array, hu)
        assert volume.unit == expected
        assert "1 x the stored ones - 32768" in volume.metadata["notes"][0]


def test_gdal_s_scale_and_offset_behind_no_data(tmp_path):
    stored = np.arange(48, dtype=np.uint16).reshape(6, 8)
    xml = (
        '<GDALMetadata><Item name="OFFSET" sample="0" role="offset">-10</Item>'
        '<Item name="SCALE" sample="0" role="scale">0.5</Item>'
        '<Item name="SCALE" sample="1" role="scale">7</Item></GDALMetadata>'
    )
    tags = [(42112, "s", 0, xml, True), (42113, "s", 0, "3", True)]
    tifffile.imwrite(tmp_path / "t.tif", stored, extratags=tags, photometric="minisblack")
    volume = io.read(tmp_path / "t.tif")
    assert np.isnan(volume.array[0, 3])
    assert volume.array[0, 4] == 4 * 0.5 - 10
    assert volume.array[5, 7] == 47 * 0.5 - 10


def test_a_calibration_that_is_not_a_line_is_noted(tmp_path):
    stored = np.arange(48, dtype=np.uint16).reshape(6, 8)
    text = "ImageJ=1.54f\ncf=1\nc0=0\nc1=1\nc2=0.1\nvunit=OD\n"
    tifffile.imwrite(
        tmp_path / "t.tif", stored, description=text, metadata=None, photometric="minisblack"
    )
    volume = io.read(tmp_path / "t.tif")
    np.testing.assert_array_equal(volume.array, stored)
    assert "not linear" in volume.metadata["notes"][0]


def test_an_inch_of_ome_is_one_of_the_object(tmp_path):
    sizes = {"PhysicalSizeX": 0.5, "PhysicalSizeXUnit": "in", "PhysicalSizeY": 2.0}
    metadata = {"axes": "YX", **sizes, "PhysicalSizeYUnit": "mm"}
    tifffile.imwrite(tmp_path / "x.ome.tif", ramp((5, 6)), metadata=metadata)
    assert io.read(tmp_path / "x.ome.tif").spacing == pytest.approx((2, 12.7))


def test_no_data_in_three_channels(tmp_path):
    tag = [(42113, "s", 0, "-9999", True)]
    grey = np.arange(48, dtype=np.float32).reshape(6, 8)
    grey[1, 2] = -9999
    tifffile.imwrite(
        tmp_path / "grey.tif", np.stack([grey] * 3, -1), photometric="rgb", extratags=tag
    )
    volume = io.read(tmp_path / "grey.tif")
    assert volume.rgb is False
    assert np.argwhere(np.isnan(volume.array)).tolist() == [[1, 2]]
    colour = np.stack([grey, grey + 20, grey * 2], -1)
    colour[1, 2] = -9999
    tifffile.imwrite(tmp_path / "colour.tif", colour, photometric="rgb", extratags=tag)
    volume = io.read(tmp_path / "colour.tif")
    assert volume.rgb is True
    assert volume.metadata["notes"][0].startswith("1 of 48 pixels have the value for no data")
    assert volume.metadata["notes"][0].endswith("(-9999, GDAL_NODATA) and were made black.")
    expected = colour.copy()
    expected[1, 2] = 0  # the lowest of the others
    np.testing.assert_array_equal(volume.array, expected)


@pytest.mark.parametrize(
    ("dtype", "value", "all_of", "one_of"),
    [(np.uint16, 65535, 3, 65535), (np.int16, -9999, 3, 3), (np.uint8, 0, 0, 0)],
)
def test_no_data_of_colours_does_not_stretch_their_range(tmp_path, dtype, value, all_of, one_of):
    colour = np.stack([ramp((6, 8)) + 3, ramp((6, 8)) * 2 + 5, 90 - ramp((6, 8))], -1).astype(dtype)
    colour[1, 2] = value
    colour[2, 2, 0] = value  # in one channel only: a colour, unless it is negative
    tag = [(42113, "s", 0, str(value), True)]
    tifffile.imwrite(tmp_path / "x.tif", colour, photometric="rgb", extratags=tag)
    found = io.read(tmp_path / "x.tif").array
    colour[1, 2] = all_of
    colour[2, 2] = one_of if value < 0 else colour[2, 2]
    np.testing.assert_array_equal(found, colour)


@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize(("pages", "back_to"), [(1, 0), (3, 1), (150, 0)])
def test_a_chain_of_pages_that_is_a_circle_is_refused(tmp_path, pages, back_to, big):
    path = tmp_path / "x.tif"
    with tifffile.TiffWriter(path, bigtiff=big) as file:
        for number in range(pages):  # of different shapes, so that each is looked at
            file.write(ramp((4, 5 + number % 2)), metadata=None)
    assert io.read(path).array.shape[-2] == 4
    with tifffile.TiffFile(path) as file:
        offsets = [page.offset for page in file.pages]
        layout = file.tiff
    data = bytearray(path.read_bytes())
    (tags,) = struct.unpack_from(layout.tagnoformat, data, offsets[-1])
    end = offsets[-1] + layout.tagnosize + tags * layout.tagsize
    struct.pack_into(layout.offsetformat, data, end, offsets[back_to])
    path.write_bytes(data)
    with pytest.raises(ReadError, match="points back to an earlier one"):
        io.read(path)


def test_complex_numbers_are_refused_while_reading(tmp_path):
    tifffile.imwrite(tmp_path / "x.tif", np.ones((8, 9), np.complex64))
    with pytest.raises(InputError, match=r"^x\.tif: complex numbers cannot be used"):
        io.read(tmp_path / "x.tif")

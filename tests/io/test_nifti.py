from __future__ import annotations

import gzip
import json
import struct

import nibabel as nib
import numpy as np
import pytest

from napari_textdifuse import io
from napari_textdifuse.errors import InputError, ReadError
from napari_textdifuse.volume import Volume

AFFINE = np.array([[-2, 0.1, 0, 30], [0, 1.5, 0.2, -20], [0.1, 0, 3, 7], [0, 0, 0, 1.0]])


def save(path, array, affine=AFFINE, **header):
    image = nib.Nifti1Image(array, affine)
    for key, value in header.items():
        image.header[key] = value
    nib.save(image, path)
    return path


def ramp(shape=(6, 5, 4), dtype=np.int16):
    return np.arange(np.prod(shape)).reshape(shape).astype(dtype)


@pytest.mark.parametrize("name", ["x.nii", "x.nii.gz", "X.NII.GZ"])
def test_axes_values_and_affine(tmp_path, name):
    path = save(tmp_path / name.lower(), ramp())
    path.rename(tmp_path / name)
    volume = io.read(tmp_path / name)
    assert volume.array.shape == (4, 5, 6)
    assert volume.array.dtype == np.int16
    assert volume.array[3, 2, 1] == ramp()[1, 2, 3]
    np.testing.assert_allclose(volume.affine, AFFINE, atol=1e-5)
    assert (volume.modality, volume.unit, volume.name) == (None, "a.u.", name[0])


def test_scaled_integers_become_float32(tmp_path):
    image = nib.Nifti1Image(ramp(), AFFINE)
    image.header.set_slope_inter(0.5, -1000)
    nib.save(image, tmp_path / "x.nii")
    raw = bytearray((tmp_path / "x.nii").read_bytes())
    raw[112:120] = np.array([0.5, -1000], "<f4").tobytes()  # scl_slope, scl_inter
    raw[352:] = ramp().tobytes(order="F")
    (tmp_path / "x.nii").write_bytes(bytes(raw))
    volume = io.read(tmp_path / "x.nii")
    assert volume.array.dtype == np.float32
    np.testing.assert_allclose(volume.array, ramp().transpose() * 0.5 - 1000)


@pytest.mark.parametrize(
    ("kind", "at", "form"), [(nib.Nifti1Image, 108, "<f"), (nib.Nifti2Image, 168, "<q")]
)
@pytest.mark.parametrize("offset", [0, 347, -5])
def test_values_do_not_begin_within_the_header(tmp_path, kind, at, form, offset):
    data = bytearray(kind(ramp(), AFFINE).to_bytes())
    struct.pack_into(form, data, at, offset)
    for name, content in (("x.nii", bytes(data)), ("x.nii.gz", gzip.compress(bytes(data)))):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ReadError, match=rf"begin at byte {offset}, within the header"):
            io.read(tmp_path / name)


def test_rgb_with_equal_channels_is_grey(tmp_path):
    pixels = np.zeros((6, 5, 4), [("R", "u1"), ("G", "u1"), ("B", "u1")])
    for channel in "RGB":
        pixels[channel] = ramp(dtype=np.uint8)
    nib.save(nib.Nifti1Image(pixels, AFFINE), tmp_path / "x.nii")
    volume = io.read(tmp_path / "x.nii")
    np.testing.assert_array_equal(volume.array, ramp(dtype=np.uint8).transpose())
    assert any("read as grey" in note for note in volume.metadata["notes"])


def test_big_endian_becomes_native(tmp_path):
    image = nib.Nifti1Image(ramp(dtype=">i2"), AFFINE, nib.Nifti1Header(endianness=">"))
    nib.save(image, tmp_path / "x.nii")
    volume = io.read(tmp_path / "x.nii")
    assert volume.array.dtype.isnative
    assert volume.array[3, 2, 1] == ramp()[1, 2, 3]


@pytest.mark.parametrize("time", [0, 8, 16, 24, 40, 64])  # unknown, s, ms, us, ppm, undefined
@pytest.mark.parametrize(("code", "factor"), [(1, 1000), (2, 1), (3, 0.001), (0, 1), (5, 1)])
def test_units_of_length(tmp_path, code, factor, time):
    volume = io.read(save(tmp_path / "x.nii", ramp(), xyzt_units=code + time))
    np.testing.assert_allclose(volume.affine[:3], AFFINE[:3] * factor, rtol=1e-5)
    assert ("unit assumed" in volume.facts["space"].value) == (code in (0, 5))
    assert volume.facts["space"].source == "file"


@pytest.mark.parametrize("code", [0, 1, 2, 3])
def test_the_library_s_own_conversion_knows_the_unit(tmp_path, code):
    image = nib.load(save(tmp_path / "x.nii", ramp(), xyzt_units=code))
    volume, read = Volume.from_nibabel(image), io.read(tmp_path / "x.nii")
    np.testing.assert_allclose(volume.affine, read.affine)
    assert volume.facts["space"] == read.facts["space"]


@pytest.mark.parametrize(
    ("code", "size", "noted"),
    [(0, 0.001, "0.006 mm long"), (0, 2000, "1.2e+04 mm long"), (0, 1, ""), (2, 0.001, "")],
)
def test_an_implausible_length_without_a_unit_is_noted(tmp_path, code, size, noted):
    """A head in metres, or a mouse in micrometres."""
    affine = np.diag([size, size, size, 1.0])
    volume = io.read(save(tmp_path / "x.nii", ramp(), affine, xyzt_units=code))
    notes = [note for note in volume.metadata["notes"] if "xyzt_units" in note]
    assert len(notes) == bool(noted)
    assert noted in "".join(notes)


def test_unknown_orientation_is_noted(tmp_path):
    image = nib.Nifti1Image(ramp(), None)
    image.header.set_zooms((2, 3, 4))
    nib.save(image, tmp_path / "x.nii")
    volume = io.read(tmp_path / "x.nii")
    np.testing.assert_allclose(volume.spacing, (4, 3, 2))
    assert "sform and qform codes are 0" in volume.metadata["notes"][0]
    stated = io.read(save(tmp_path / "y.nii", ramp()))
    assert not stated.metadata["notes"]


def test_several_time_points(tmp_path):
    path = save(tmp_path / "x.nii", ramp((3, 3, 3, 7)))
    with pytest.raises(InputError, match="has 7 time points; choose one"):
        io.read(path)
    single = io.read(save(tmp_path / "y.nii", ramp((3, 4, 5, 1))))
    assert single.array.shape == (5, 4, 3)


@pytest.mark.parametrize(
    ("name", "modality"),
    [
        ("sub-01_pet", "PT"),
        ("sub-01_T1w", "MR"),
        ("sub-01_CT", "CT"),
        ("x_spect", "NM"),
        ("pet", "PT"),
        ("flair", "MR"),
        ("t1", "MR"),
        ("carpet", None),
        ("pet_mask", None),
    ],
)
def test_modality_from_the_file_name(tmp_path, name, modality):
    volume = io.read(save(tmp_path / f"{name}.nii.gz", ramp()))
    assert volume.modality == modality
    assert volume.unit == "a.u."
    assert volume.facts["modality"].source == ("file name" if modality else "unknown")


def test_sidecar(tmp_path):
    path = save(tmp_path / "scan_T1w.nii.gz", ramp())
    sidecar = tmp_path / "scan_T1w.json"
    sidecar.write_text(json.dumps({"Modality": "PT", "Units": "suvbw", "PatientName": "Doe"}))
    volume = io.read(path)
    assert (volume.modality, volume.unit) == ("PT", "SUVbw")
    assert volume.facts["modality"].source == "sidecar"
    assert "Doe" not in repr(volume.metadata)
    sidecar.write_text("{ broken")
    volume = io.read(path)
    assert volume.modality == "MR"
    assert "not valid JSON" in volume.metadata["notes"][0]


@pytest.mark.parametrize(
    "array",
    [
        ramp((4, 5, 6), np.int16),
        ramp((4, 5, 6), np.uint8),
        ramp((4, 5, 6), np.float32) / 7,
        ramp((5, 6), np.float32) / 7,
        ramp((1, 5, 6), np.float32),
    ],
)
@pytest.mark.parametrize("name", ["x.nii", "x.nii.gz"])
def test_round_trip(tmp_path, array, name):
    volume = Volume(array, affine=AFFINE, unit="SUVbw", modality="PT", name="Doe")
    record = {"seed": 3, "seconds": np.float32(0.5)}
    assert io.write(tmp_path / name, volume, record=record) == tmp_path / name
    back = io.read(tmp_path / name)
    np.testing.assert_array_equal(back.array, array)
    assert back.array.dtype == array.dtype
    np.testing.assert_allclose(back.affine, AFFINE, atol=1e-5)
    assert (back.unit, back.modality) == ("SUVbw", "PT")
    assert back.metadata["record"] == {"seed": 3, "seconds": 0.5}
    header = nib.load(tmp_path / name).header
    assert b"derived; not for diagnosis" in header["descrip"].tobytes()
    assert int(header["sform_code"]) == 1
    assert header.get_xyzt_units()[0] == "mm"
    data = (tmp_path / name).read_bytes()
    assert b"Doe" not in (gzip.decompress(data) if name.endswith("gz") else data)


def test_colour_round_trip(tmp_path):
    rgb = (ramp((4, 5, 6, 3)) % 255).astype(np.uint8)
    io.write(tmp_path / "x.nii.gz", Volume(rgb, affine=AFFINE, rgb=True))
    back = io.read(tmp_path / "x.nii.gz")
    assert back.rgb
    np.testing.assert_array_equal(back.array, rgb)
    flat = rgb[0]
    io.write(tmp_path / "y.nii.gz", Volume(flat, affine=AFFINE, rgb=True))
    np.testing.assert_array_equal(io.read(tmp_path / "y.nii.gz").array, flat)


def test_no_geometry_stays_no_geometry(tmp_path):
    io.write(tmp_path / "x.nii", Volume(ramp((5, 6), np.uint8)))
    back = io.read(tmp_path / "x.nii")
    assert back.affine is None
    header = nib.load(tmp_path / "x.nii").header
    assert int(header["sform_code"]) == int(header["qform_code"]) == 0


def test_a_rotation_is_in_the_qform_too(tmp_path):
    a = np.radians(25)
    affine = np.diag([2.0, 3, 4, 1])
    affine[:2, :2] = np.array([[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]]) @ np.diag([2, 3])
    io.write(tmp_path / "x.nii", Volume(ramp(), affine=affine))
    image = nib.load(tmp_path / "x.nii")
    np.testing.assert_allclose(image.get_qform(), affine, atol=1e-5)
    assert int(image.header["qform_code"]) == 1
    sheared = affine.copy()
    sheared[0, 2] = 1
    io.write(tmp_path / "y.nii", Volume(ramp(), affine=sheared))
    assert int(nib.load(tmp_path / "y.nii").header["qform_code"]) == 0
    np.testing.assert_allclose(io.read(tmp_path / "y.nii").affine, sheared, atol=1e-5)


def test_same_volume_same_bytes(tmp_path):
    volume = Volume(ramp(), affine=AFFINE)
    first = io.write(tmp_path / "a.nii.gz", volume).read_bytes()
    assert io.write(tmp_path / "b.nii.gz", volume).read_bytes() == first


def test_complex_values(tmp_path):
    path = save(tmp_path / "x.nii", ramp().astype(np.complex64))
    with pytest.raises(InputError, match="complex numbers cannot be used"):
        io.read(path)


@pytest.mark.parametrize(
    "data",
    [
        b"this is not an image, it is text\n" * 30,
        gzip.compress(b"this is not an image, it is text\n" * 30),
        b"\x5c\x01\x00\x00",
    ],
    ids=["text", "packed text", "header alone"],  # the bytes hold the time
)
@pytest.mark.parametrize("name", ["x.nii", "x.nii.gz"])
def test_other_things_named_nifti(tmp_path, capfd, name, data):
    (tmp_path / name).write_bytes(data)
    with pytest.raises(ReadError, match=r"x\.nii"):
        io.read(tmp_path / name)
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("name", ["x.nii", "x.nii.gz"])
@pytest.mark.parametrize("part", [0.1, 0.5, 0.95])
def test_cut_off(tmp_path, name, part):
    rng = np.random.default_rng(0)
    path = save(tmp_path / name, rng.integers(0, 999, (20, 20, 20), np.int16))
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * part)])
    with pytest.raises(ReadError, match=r"x\.nii"):
        io.read(path)


def test_labels_say_so_to_others_and_are_known_from_others(tmp_path):
    path = io.write(tmp_path / "ours.nii", Volume(np.eye(3, dtype=np.uint8), unit="label"))
    header = nib.load(path).header
    assert header.get_intent()[0] == "label"
    assert b"not for diagnosis" in header["descrip"].tobytes()
    other = nib.Nifti1Image(np.ones((2, 2, 2), np.uint8), np.eye(4))
    other.header.set_intent("label")
    nib.save(other, tmp_path / "theirs.nii")
    assert io.read(tmp_path / "theirs.nii").unit == "label"


@pytest.mark.parametrize("axis", [4, 5, 7])
def test_a_length_of_0_of_a_later_axis_is_1(tmp_path, axis):
    path = save(tmp_path / "x.nii", ramp())
    data = bytearray(path.read_bytes())
    dims = np.frombuffer(data, "<i2", 8, 40).copy()
    dims[0], dims[axis] = 7, 0
    data[40:56] = dims.tobytes()
    path.write_bytes(bytes(data))
    volume = io.read(path)
    np.testing.assert_array_equal(volume.array, ramp().transpose())
    np.testing.assert_allclose(volume.affine, AFFINE, atol=1e-5)


def test_compression_is_known_by_the_bytes_not_the_name(tmp_path):
    plain = save(tmp_path / "x.nii", ramp()).read_bytes()
    (tmp_path / "raw.nii.gz").write_bytes(plain)
    (tmp_path / "packed.nii").write_bytes(gzip.compress(plain))
    for name in ("raw.nii.gz", "packed.nii"):
        np.testing.assert_array_equal(io.read(tmp_path / name).array, ramp().transpose())


def test_by_how_much_sform_and_qform_disagree_is_said(tmp_path):
    """A shift of 7 mm along x and no turn."""
    image = nib.Nifti1Image(ramp(), np.diag([2.0, 2, 2, 1]))
    moved = np.diag([2.0, 2, 2, 1])
    moved[0, 3] = 7
    image.set_sform(np.diag([2.0, 2, 2, 1]), 1)
    image.set_qform(moved, 1)
    nib.save(image, tmp_path / "x.nii")
    (note,) = io.read(tmp_path / "x.nii").metadata["notes"]
    assert "up to 7 mm and 0.0 degrees; the sform was used" in note


def _patched(path, edits):
    """Write a volume of 6 x 5 x 4 voxels of 2 x 3 x 4 mm with other bytes in its header."""
    image = nib.Nifti1Image(np.arange(120, dtype=np.int16).reshape(6, 5, 4), np.diag([2, 3, 4, 1]))
    image.set_qform(image.affine, 1)
    data = bytearray(image.to_bytes())
    for offset, form, values in edits:
        struct.pack_into("<" + form, data, offset, *values)
    path.write_bytes(data)
    return path


ROW_X, SFORM_CODE, PIXDIM_X, SLOPE, DIM = 280, 254, 80, 112, 40


@pytest.mark.parametrize("values", [[0.0] * 12, [np.nan] * 12])
def test_the_qform_stands_in_for_a_damaged_sform(tmp_path, values):
    volume = io.read(_patched(tmp_path / "x.nii", [(ROW_X, "12f", values)]))
    np.testing.assert_allclose(volume.affine, np.diag([2, 3, 4, 1]), atol=1e-6)
    assert volume.metadata["notes"] == ["The sform of the file is damaged; the qform was used."]


def test_mirrored_orientations_are_called_so(tmp_path):
    rows = [-2, 0, 0, 10, 0, 3, 0, 0, 0, 0, 4, 0]  # the middle of x stays where it was: 5 voxels
    volume = io.read(_patched(tmp_path / "x.nii", [(ROW_X, "12f", rows)]))
    assert volume.affine[0, 0] == -2
    (note,) = volume.metadata["notes"]
    assert "disagree by up to 10 mm and are mirrored; the sform was used" in note


def test_a_turn_between_the_orientations_is_given_in_degrees(tmp_path):
    cos, sin = np.cos(np.radians(10)), np.sin(np.radians(10))
    rows = [2 * cos, -3 * sin, 0, 0, 2 * sin, 3 * cos, 0, 0, 0, 0, 4, 0]
    volume = io.read(_patched(tmp_path / "x.nii", [(ROW_X, "12f", rows)]))
    far = np.hypot(2 * 5, 3 * 4) * 2 * np.sin(np.radians(5))  # the farthest corner's way
    assert f"up to {far:.3g} mm and 10.0 degrees" in volume.metadata["notes"][0]


@pytest.mark.parametrize(
    ("edits", "words"),
    [
        ([(SLOPE, "2f", (2.0, np.nan))], "invalid intercept nan"),
        ([(DIM, "h", (4,)), (DIM + 8, "h", (-1,))], "size of -1 along one axis"),
    ],
)
def test_impossible_headers_are_refused_for_what_they_are(tmp_path, edits, words):
    with pytest.raises(ReadError, match=words):
        io.read(_patched(tmp_path / "x.nii", edits))


@pytest.mark.parametrize("slope", [0.0, np.nan, np.inf])
def test_a_slope_that_is_none_scales_nothing(tmp_path, slope):
    volume = io.read(_patched(tmp_path / "x.nii", [(SLOPE, "2f", (slope, 5.0))]))
    assert volume.array.dtype == np.int16
    assert int(volume.array.max()) == 119


def test_zero_voxel_sizes_are_listed(tmp_path):
    edits = [(SFORM_CODE, "h", (0,)), (PIXDIM_X, "3f", (0.0, 0.0, 0.0))]
    volume = io.read(_patched(tmp_path / "x.nii", edits))
    assert "along x, y and z (pixdim is 0)" in volume.metadata["notes"][0]
    np.testing.assert_allclose(volume.spacing, (1, 1, 1))


@pytest.mark.parametrize(
    ("sizes", "size"), [((3, 0, 5, 6), 0), ((3, 4, 5, 0), 0), ((3, 4, 5, -1), -1), ((0,), 0)]
)
def test_headers_without_voxels_are_refused(tmp_path, sizes, size):
    path = tmp_path / "x.nii"
    nib.save(nib.Nifti1Image(np.zeros((4, 5, 6), np.int16), np.eye(4)), path)
    data = bytearray(path.read_bytes())
    struct.pack_into(f"<{len(sizes)}h", data, 40, *sizes)
    path.write_bytes(data)
    with pytest.raises(ReadError, match=rf"^x\.nii: its header gives a size of {size} along one"):
        io.read(path)


def test_a_file_cut_off_by_a_few_bytes_is_described_in_bytes(tmp_path):
    path = tmp_path / "x.nii"
    nib.save(nib.Nifti1Image(np.zeros((40, 50, 60), np.int16), np.eye(4)), path)
    path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(ReadError, match=r"describes 240352 bytes of values, .* has 240349 bytes"):
        io.read(path)

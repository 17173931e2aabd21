"""Every voxel lies where the headers say, whatever the orientation, and left stays left.

The phantom's values tell their own place, 30 x + 50 y + 70 z in LPS mm, so a flip, a swap of axes
or a shift cannot go unnoticed. The shapes and affines were compared with dcm2niix.
"""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from pydicom import dcmread
from scipy.spatial.transform import Rotation

from napari_textdifuse import Volume, io
from napari_textdifuse.errors import GeometryError

SHAPE = (9, 20, 24)
PLACE = np.array([30.0, 50.0, 70.0])  # per mm of L, P, S


@pytest.fixture
def place_phantom(make_series):
    """Write a CT series whose stored values tell where they are, in its headers' words."""

    def make(folder, **options):
        make_series(folder, np.zeros(SHAPE, np.int16), RescaleIntercept=0, **options)
        for path in folder.iterdir():
            slice_ = dcmread(path)
            position = np.array(slice_.ImagePositionPatient, float)
            cosines = np.array(slice_.ImageOrientationPatient, float)
            y, x = np.mgrid[: slice_.Rows, : slice_.Columns][..., None]
            row, column = slice_.PixelSpacing  # between rows comes first
            lps = position + x * column * cosines[:3] + y * row * cosines[3:]
            slice_.PixelData = np.rint(lps @ PLACE).astype(np.int16).tobytes()
            slice_.save_as(path)
        return io.read(folder)

    return make


def misplaced(volume: Volume) -> float:
    """Largest difference between a value and what its place in the world says."""
    index = np.indices(volume.shape)[::-1].reshape(3, -1)
    ras = volume.affine[:3, :3] @ index + volume.affine[:3, 3:]
    expected = PLACE * [-1, -1, 1] @ ras
    values = volume.array.reshape(-1).astype(float)
    inside = values > values.min() + 1  # where tilted slices do not reach, there is air
    return float(np.abs(values - expected)[inside].max())


AXES = np.vstack([np.eye(3), -np.eye(3)])
STRAIGHT = [
    np.r_[a, b] for a, b in itertools.product(AXES, AXES) if not a @ b and not (a == b).all()
]
OBLIQUE = [
    np.r_[m[:, 0], m[:, 1]]
    for m in Rotation.from_euler(
        "xyz", [(20, 0, 30), (-35, 50, 10), (70, -20, 160)], degrees=True
    ).as_matrix()
]


@pytest.mark.parametrize("cosines", STRAIGHT + OBLIQUE, ids=lambda c: str(np.round(c, 2)))
def test_every_orientation(tmp_path, place_phantom, cosines):
    volume = place_phantom(tmp_path / "s", cosines=cosines)
    assert volume.shape == SHAPE
    assert volume.metadata["notes"] == ()
    np.testing.assert_allclose(volume.spacing, (2.5, 1.5, 0.75), atol=1e-6)
    assert misplaced(volume) <= 0.51  # stored as integers: 0.01 mm


def test_there_are_24_straight_orientations():
    assert len(STRAIGHT) == 24


def test_left_is_left(tmp_path, make_series):
    """A dot near the patient's left ear, nose and crown, in a radiologist's axial slices."""
    array = np.zeros((5, 6, 7), np.int16)
    array[4, 0, 6] = 1000  # last slice, first row, last column
    make_series(tmp_path / "s", array, "MR", origin=(-2.0, -3.0, -5.0), spacing=(2.5, 1.5, 0.75))
    volume = io.read(tmp_path / "s")
    index = np.argwhere(volume.array == 1000)[0][::-1]
    right, front, up = (volume.affine @ [*index, 1])[:3]
    assert (right, front, up) == pytest.approx((-2.5, 3.0, 5.0))  # RAS: left is negative


def shear(degrees, towards=(0.0, 1.0, 0.0)):
    return lambda k: 2.5 * k * np.tan(np.radians(degrees)) * np.array(towards)


@pytest.mark.parametrize(
    ("degrees", "towards", "shape"),
    [
        (15, (0, 1, 0), (9, 24, 24)),
        (-12, (0, 1, 0), (9, 23, 24)),
        (10, (1, 0, 0), (9, 20, 29)),
    ],
)
def test_a_tilted_stack_becomes_rectangular(tmp_path, place_phantom, degrees, towards, shape):
    volume = place_phantom(tmp_path / "s", shift=shear(degrees, towards))
    assert volume.shape == shape
    axes = volume.affine[:3, :3]
    np.testing.assert_allclose(axes.T @ axes, np.diag([0.75, 1.5, 2.5]) ** 2, atol=1e-9)
    assert misplaced(volume) <= 0.51
    assert volume.array.dtype == np.float32
    (note,) = volume.metadata["notes"]
    assert f"sheared by {abs(degrees):.1f} degrees (gantry tilt)" in note
    assert "resampled linearly" in note


def test_a_tilted_gantry_over_a_straight_table(tmp_path, place_phantom):
    """As scanners write it: the orientation is tilted, the table moves along the patient."""
    t = np.radians(18)
    cosines = np.array([1, 0, 0, 0, np.cos(t), np.sin(t)])
    normal = np.cross(cosines[:3], cosines[3:])
    volume = place_phantom(
        tmp_path / "s",
        cosines=cosines,
        shift=lambda k: np.array([0, 0, 2.5 * k / normal[2]]) - 2.5 * k * normal,
    )
    assert volume.shape == (9, 25, 24)
    assert misplaced(volume) <= 0.51
    np.testing.assert_allclose(volume.spacing, (2.5, 1.5, 0.75), atol=1e-6)


def test_uneven_slices_are_put_on_the_finest_distance(tmp_path, place_phantom):
    at = np.cumsum([0, 1.5, 1.5, 2, 2.5, 2.5, 3, 2.5, 2])
    volume = place_phantom(tmp_path / "s", shift=lambda k: np.array([0, 0, at[k] - 2.5 * k]))
    assert volume.shape == (13, 20, 24)  # 17.5 mm in steps of nearly 1.5
    np.testing.assert_allclose(volume.spacing[0], 17.5 / 12)
    assert misplaced(volume) <= 0.51
    (note,) = volume.metadata["notes"]
    assert "The 9 slices are unevenly spaced, 1.50 to 3.00 mm apart" in note
    assert "to 13 slices 1.46 mm apart" in note


def test_thick_slices_below_thin_ones_are_not_a_gap(tmp_path, place_phantom):
    at = np.array([0, 2.5, 5, 7.5, 10, 15, 20, 25, 30])
    thickness = [2.5] * 5 + [5.0] * 4
    volume = place_phantom(
        tmp_path / "s",
        shift=lambda k: np.array([0, 0, at[k] - 2.5 * k]),
        each=lambda k: {"SliceThickness": thickness[k]},
    )
    assert volume.shape == (13, 20, 24)
    assert misplaced(volume) <= 0.51


def test_tilted_and_uneven_at_once(tmp_path, place_phantom):
    at = np.array([0, 2.5, 5, 7.5, 10, 12, 14, 16, 18])
    tilt = np.tan(np.radians(8))
    volume = place_phantom(
        tmp_path / "s", shift=lambda k: np.array([0, at[k] * tilt, at[k] - 2.5 * k])
    )
    assert misplaced(volume) <= 0.51
    assert len(volume.metadata["notes"]) == 2


def test_colours_of_a_tilted_stack_stay_colours(tmp_path, make_series):
    array = np.full((3, 20, 24, 3), (10, 200, 30), np.uint8)
    make_series(tmp_path / "s", array, "OT", shift=shear(10), SamplesPerPixel=3)
    volume = io.read(tmp_path / "s")
    assert volume.rgb
    assert volume.array.dtype == np.uint8
    assert volume.array[1, 10, 10].tolist() == [10, 200, 30]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"shift": shear(50)}, r"sheared by 50\.0 degrees .* more than any gantry can tilt"),
        (
            {"shift": lambda k: np.array([0, 0, 26.3 * (k > 4)])},
            r"2\.50 to 28\.80 mm apart .* too irregular",
        ),
        (
            {"shift": lambda k: np.array([0, 0, -2.3 * (k == 4)])},
            r"unevenly spaced, 0\.20 to 4\.80 mm apart .* too irregular",
        ),
    ],
)
def test_what_is_too_irregular_is_refused_with_numbers(tmp_path, place_phantom, options, message):
    with pytest.raises(GeometryError, match=message):
        place_phantom(tmp_path / "s", **options)


def test_one_of_three_slices_missing_is_not_interpolated(tmp_path, make_series):
    make_series(tmp_path / "s", np.zeros((4, 5, 6), np.int16), skip=(1,))
    with pytest.raises(GeometryError, match="1 of 4 slices is missing"):
        io.read(tmp_path / "s")


def test_micrometres_are_measured_as_well(tmp_path, place_phantom):
    volume = place_phantom(tmp_path / "s", spacing=(0.002, 0.001, 0.001), origin=(0, 0, 0))
    np.testing.assert_allclose(volume.spacing, (0.002, 0.001, 0.001))
    assert volume.shape == SHAPE


def test_cosines_that_were_rounded_do_not_change_the_size(tmp_path, make_series):
    turned = np.array([0.707, 0.707, 0, -0.707, 0.707, 0])  # not quite of length 1
    make_series(tmp_path / "s", np.zeros((3, 5, 6), np.int16), cosines=turned)
    np.testing.assert_allclose(io.read(tmp_path / "s").spacing[1:], (1.5, 0.75), rtol=1e-12)

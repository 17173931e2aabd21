from __future__ import annotations

import tracemalloc

import nibabel as nib
import numpy as np
import pytest

from napari_textdifuse import Volume
from napari_textdifuse.errors import InputError

AFFINE = np.array([[0, 0, 3.0, 5], [-2.0, 0, 0, 7], [0, 1.5, 0, -9], [0, 0, 0, 1]])


def test_nibabel_round_trip_keeps_values_axes_and_affine():
    array = np.arange(2 * 3 * 4, dtype=np.int16).reshape(2, 3, 4)
    image = Volume(array, affine=AFFINE).to_nibabel()
    assert image.shape == (4, 3, 2)
    assert np.asarray(image.dataobj)[3, 1, 0] == array[0, 1, 3]
    assert image.header.get_xyzt_units()[0] == "mm"
    back = Volume.from_nibabel(image, unit="HU", modality="CT")
    np.testing.assert_array_equal(back.array, array)
    np.testing.assert_allclose(back.affine, AFFINE)
    assert (back.unit, back.modality) == ("HU", "CT")


def test_colour_round_trip():
    rgb = np.random.default_rng(0).integers(0, 256, (2, 3, 4, 3), dtype=np.uint8)
    back = Volume.from_nibabel(Volume(rgb, affine=AFFINE, rgb=True).to_nibabel())
    assert back.rgb
    np.testing.assert_array_equal(back.array, rgb)


def test_slope_is_applied_and_single_time_points_are_volumes():
    image = nib.Nifti1Image(np.ones((4, 3, 2, 1), np.int16), AFFINE)
    image.header.set_slope_inter(2, -1)
    stored = nib.Nifti1Image.from_bytes(image.to_bytes())
    assert Volume.from_nibabel(stored).shape == (2, 3, 4)
    with pytest.raises(InputError, match="time points"):
        Volume.from_nibabel(nib.Nifti1Image(np.ones((4, 3, 2, 5), np.int16), AFFINE))


def test_spacing_is_in_array_order():
    assert Volume(np.ones((2, 3, 4)), affine=AFFINE).spacing == (3.0, 1.5, 2.0)
    assert Volume(np.ones((3, 4)), affine=np.diag([1, 2, 3, 1.0])).spacing == (2.0, 1.0)
    assert Volume(np.ones((3, 4))).spacing is None


@pytest.mark.parametrize(
    ("array", "fields", "words"),
    [
        (np.ones(3), {}, "not a 2-D image"),
        (np.ones((2, 2, 2, 2)), {}, "not a 2-D image"),
        (np.ones((4, 4, 5)), {"rgb": True}, "3 or 4 channels"),
        (np.ones((4, 4)), {"affine": np.eye(3)}, "4 x 4"),
        (np.ones((4, 4)), {"affine": np.diag([0, 1, 1, 1.0])}, "voxel size is 0"),
        (
            np.ones((4, 4)),
            {"affine": np.array([[1, 1, 0, 0], [1, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1.0]])},
            "axes are parallel",
        ),
    ],
)
def test_impossible_volumes_are_refused(array, fields, words):
    with pytest.raises(InputError, match=words):
        Volume(array, **fields)


def test_voxels_of_a_micrometre_are_not_a_flat_grid():
    fine = Volume(np.ones((2, 2, 2)), affine=np.diag([1e-5, 1e-5, 1e-5, 1]))
    assert fine.spacing == pytest.approx((1e-5, 1e-5, 1e-5))


def test_a_coloured_volume_is_converted_slice_by_slice():
    volume = Volume(np.full((16, 64, 64, 3), 0.5, np.float32), rgb=True)
    volume.to_nibabel()
    tracemalloc.start()
    try:
        image = volume.to_nibabel()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert np.asarray(image.dataobj)[5, 6, 7].tolist() == (128, 128, 128)
    assert peak < 0.8 * volume.array.nbytes  # two copies with a quarter of the size, and a slice


def test_deep_colours_are_not_wrapped_into_8_bits():
    with pytest.raises(InputError, match="colours from 300 to 300 do not fit"):
        Volume(np.full((2, 2, 3), 300, np.uint16), rgb=True).to_nibabel()
    fits = Volume(np.full((2, 2, 3), 200, np.uint16), rgb=True).to_nibabel()
    assert np.asarray(fits.dataobj)["R"].max() == 200

"""Geometry and values that cannot be computed with are refused in one sentence."""

from __future__ import annotations

import re

import nibabel as nib
import numpy as np
import pytest

from napari_textdifuse.errors import InputError
from napari_textdifuse.inputs import as_volume
from napari_textdifuse.spatial import resample_to
from napari_textdifuse.volume import Volume

VALUES = np.arange(60.0).reshape(3, 4, 5)


@pytest.mark.parametrize("row", [(0, 0, 0, 2), (0, 0, 0.1, 1), (0, 0, 0, 0)])
def test_an_affine_s_last_row_is_0_0_0_1(row):
    affine = np.eye(4)
    affine[3] = row
    with pytest.raises(InputError, match="last row of the affine"):
        Volume(VALUES, affine=affine)
    with pytest.raises(InputError, match="last row of the affine"):
        as_volume(nib.Nifti1Image(VALUES.astype(np.float32), affine), "image A")


@pytest.mark.parametrize(
    "affine",
    [
        np.full((4, 4), "a"),
        [[1], [1, 2]],
        np.eye(4) * (1 + 1j),
        np.eye(4).astype("datetime64[s]"),
        np.ma.masked_equal(np.eye(4), 1),
        np.diag([1e300, 1, 1, 1]),
        np.diag([np.nan, 1, 1, 1]),
    ],
)
def test_an_affine_is_of_real_numbers(affine):
    with pytest.raises(InputError, match="must be 4 x 4 finite numbers"):
        Volume(VALUES, affine=affine)


@pytest.mark.parametrize("value", [1e300, -1e300, 1e37])
def test_values_near_the_limit_of_floats(value):
    array = VALUES.copy()
    array[0, 0, 0] = value
    with pytest.raises(InputError, match="too large to be computed with"):
        as_volume(array, "image A")
    array[0, 0, 0] = np.inf  # not finite: the darkest value, noted
    as_volume(array, "image A")


@pytest.mark.parametrize("value", [1e20, np.finfo(np.float32).max, -np.finfo(np.float32).max])
def test_values_near_the_limit_of_floats_of_32_bits(value):
    """Such as the -3.4e38 of files that do not say that it means "no data"."""
    array = VALUES.astype(np.float32)
    array[0, 0, 0] = value
    with pytest.raises(InputError, match="set those that mean 'no value' to NaN"):
        as_volume(array, "image A")


#: What a user of a window or a terminal cannot do anything with.
JARGON = re.compile(
    r"dtype|ndarray|NoneType|Error|object has|float\d|u?int\d|datetime64|\(\d+,|<class"
    r"|inhomogeneous"
)


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (np.full((4, 5), "2020-01-01", "datetime64[s]"), "dates cannot be fused"),
        (np.zeros((4, 5), "timedelta64[s]"), "time spans cannot be fused"),
        (np.full((4, 5), None, object), "values of mixed kinds cannot be fused"),
        (np.zeros((4, 5), [("a", "i4"), ("b", "f4")]), "records of several values"),
        (np.zeros((4, 5), complex), "complex numbers cannot be fused; use real numbers"),
        (np.full((4, 5), "a"), "text cannot be fused"),
        ([[1, 2], [3]], "the rows differ in length"),
        (np.ma.masked_all((4, 5)), "no value is a finite number"),
        (np.zeros((2, 2, 2, 2, 2)), "(2 x 2 x 2 x 2 x 2) is not an image"),
        (np.float32(3), "(a single value) is not an image"),
        (np.zeros((0, 5)), "the image is empty (0 x 5)"),
        (np.zeros((7, 3, 4, 5)), "a series of 7 time points (7 x 3 x 4 x 5)"),
        (None, "nothing was given"),
    ],
)
def test_what_is_not_an_image_is_refused_in_plain_words(array, words):
    with pytest.raises(InputError) as refused:
        as_volume(array, "image A")
    assert words in str(refused.value)
    assert not JARGON.search(str(refused.value))


@pytest.mark.parametrize("kind", [np.float32, np.float64, np.int16, np.uint8])
def test_masked_values_are_left_out(kind):
    """Masked numbers, whatever they are, do not reach windows or the fused image."""
    masked = np.ma.array(VALUES.astype(kind), mask=np.zeros(VALUES.shape, bool))
    masked[1, 2, 3] = np.ma.masked
    volume = as_volume(masked, "image A")
    assert np.argwhere(np.isnan(volume.array)).tolist() == [[1, 2, 3]]
    rest = ~masked.mask
    np.testing.assert_array_equal(volume.array[rest], VALUES[rest])


def test_sizes_that_differ_are_given_in_words():
    a, b = Volume(VALUES[0], name="one"), Volume(np.ones((9, 4)), name="two")
    with pytest.raises(InputError) as refused:
        resample_to(b, a)
    assert "two (9 x 4) and one (4 x 5)" in str(refused.value)

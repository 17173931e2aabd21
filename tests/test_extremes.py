"""Geometry and values that cannot be computed with are refused in one sentence."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest

from napari_textdifuse.errors import InputError
from napari_textdifuse.fusion.inputs import as_volume
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


@pytest.mark.parametrize("value", [1e300, -1e300, 1e37])
def test_values_near_the_limit_of_floats(value):
    array = VALUES.copy()
    array[0, 0, 0] = value
    with pytest.raises(InputError, match="too large to be computed with"):
        as_volume(array, "image A")
    array[0, 0, 0] = np.inf  # not finite: the darkest value, noted
    as_volume(array, "image A")

"""Geometry and voxels against dcm2niix, on development data, not in the repository."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from napari_textdifuse import io

DATA = Path(__file__).parents[2].parent / "shared" / "data" / "dicom"

pytestmark = pytest.mark.skipif(
    not DATA.is_dir(), reason=f"development data, not in the repository: {DATA}"
)


@pytest.mark.parametrize(
    ("series", "reference"),
    [
        ("20180918Si/mr_0003", "EPI_PE=AP_3.nii"),  # Siemens mosaics
        ("20180918Si/mr_0005", "EPI_PE=RL_5.nii"),
        ("20180918GE/mr_0004", "DCM2NIIX_regression_test_4.nii"),  # 150 classic files
    ],
)
def test_equals_dcm2niix(series, reference):
    expected = nib.as_closest_canonical(nib.load(DATA / "Ref" / reference))
    found = [v.to_nibabel() for v in io.read_times(DATA / "In" / series)]
    assert len(found) == expected.shape[3]
    values = np.asanyarray(expected.dataobj)
    for time, image in enumerate(map(nib.as_closest_canonical, found)):
        np.testing.assert_allclose(image.affine, expected.affine, atol=1e-3)
        np.testing.assert_array_equal(np.asanyarray(image.dataobj), values[..., time])

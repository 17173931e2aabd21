"""On different grids, the lesion of the fused sample lies where it truly is."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from napari_textdifuse import FusionPipeline
from napari_textdifuse.colour import rgb_to_ycbcr
from napari_textdifuse.samples import load_sample, sample_mask
from napari_textdifuse.spatial import resample_to


def centre(weights, affine):
    """Centre of mass, RAS mm."""
    where = np.nonzero(weights)
    z, y, x = (np.array(where) * weights[where]).sum(axis=1) / weights.sum()
    return (affine @ [x, y, z, 1])[:3]


@pytest.fixture(scope="module")
def fused():
    """The lesion's slices, fused both ways round: on the MRI's grid and on the PET's."""
    pipeline = FusionPipeline.from_pretrained(device="cpu")
    mri, pet = load_sample("pet-mri")
    truth = sample_mask("pet-mri", "tumour")
    found = {}
    for name, fixed, moving in (("MR", mri, pet), ("PT", pet, mri)):
        inside = resample_to(truth, fixed, order=0).volume.array != 0
        slices = np.flatnonzero(inside.any(axis=(1, 2)))
        chosen = (int(slices[0]) - 2, int(slices[-1]) + 3)
        result = pipeline(fixed, moving, "tumour", slices=chosen, quality="fast")
        found[name] = result, inside[slice(*chosen)], np.array(fixed.spacing[::-1])
    return centre((truth.array != 0).astype(float), truth.affine), found


@pytest.mark.parametrize("grid", ["MR", "PT"])
def test_mask_and_brightness_lie_at_the_lesion(fused, grid):
    true, found = fused
    result, inside, spacing = found[grid]
    off = centre((result.mask != 0).astype(float), result.affine) - true

    assert (np.abs(off) <= spacing).all()
    luma = rgb_to_ycbcr(result.fused)[0]
    near = np.where(ndimage.binary_dilation(inside, iterations=4), luma, 0)
    hottest = np.where(near > 0.8 * near.max(), near, 0)
    off = centre(hottest, result.affine) - true
    assert (np.abs(off) <= found["PT"][2]).all()


def test_exchanging_the_images_gives_the_same_place(fused):
    _, found = fused
    one, two = (centre((r.mask != 0).astype(float), r.affine) for r, _, _ in found.values())
    np.testing.assert_allclose(one, two, atol=0.5)  # mm, half the finest voxel

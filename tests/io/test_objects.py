from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest

from napari_textdifuse.errors import InputError
from napari_textdifuse.io.objects import from_object, is_object, to_sitk
from napari_textdifuse.volume import Volume

A = np.radians(20)
TURN = np.array([[np.cos(A), -np.sin(A), 0], [np.sin(A), np.cos(A), 0], [0, 0, 1]])
AFFINE = np.eye(4)
AFFINE[:3, :3] = TURN * np.array([-2, 1.5, 3])
AFFINE[:3, 3] = 30, -20, 7
ARRAY = np.arange(120, dtype=np.float32).reshape(4, 5, 6)
VOLUME = Volume(ARRAY, affine=AFFINE)


def same(volume):
    np.testing.assert_array_equal(volume.array, ARRAY)
    np.testing.assert_allclose(volume.affine, AFFINE, atol=1e-5)


def test_nibabel():
    image = nib.Nifti1Image(ARRAY.transpose(2, 1, 0), AFFINE)
    assert is_object(image)
    same(from_object(image))


def test_simpleitk(tmp_path):
    """Against SimpleITK's own reading of the same NIfTI file."""
    sitk = pytest.importorskip("SimpleITK")
    nib.save(nib.Nifti1Image(ARRAY.transpose(2, 1, 0), AFFINE), tmp_path / "x.nii")
    image = sitk.ReadImage(str(tmp_path / "x.nii"))
    assert is_object(image)
    same(from_object(image))
    made = to_sitk(VOLUME)
    np.testing.assert_allclose(made.GetOrigin(), image.GetOrigin(), atol=1e-5)
    np.testing.assert_allclose(made.GetDirection(), image.GetDirection(), atol=1e-5)
    np.testing.assert_allclose(made.GetSpacing(), image.GetSpacing(), atol=1e-5)


def stand_in(torch, metatensor):
    tensor = torch.tensor(ARRAY.transpose(2, 1, 0).copy())[None]
    if not metatensor:
        return type("ScalarImage", (), {"tensor": tensor, "affine": AFFINE})()
    found = tensor.as_subclass(type("MetaTensor", (torch.Tensor,), {}))
    found.affine, found.meta = torch.tensor(AFFINE), {}
    return found


@pytest.mark.parametrize("metatensor", [False, True])
def test_tensors_with_an_affine(metatensor):
    """Stand-ins with the attributes of torchio.ScalarImage and monai.data.MetaTensor."""
    image = stand_in(pytest.importorskip("torch"), metatensor)
    assert is_object(image)
    same(from_object(image))


def test_others_are_refused_by_name():
    assert not is_object(ARRAY)
    assert not is_object("x.nii")
    with pytest.raises(InputError, match=r"builtins\.dict"):
        from_object({})


def test_a_fusion_takes_them():
    from napari_textdifuse.fusion.inputs import as_volume

    same(as_volume(nib.Nifti1Image(ARRAY.transpose(2, 1, 0), AFFINE), "image A"))

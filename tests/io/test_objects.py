"""Images of other libraries, in and out, with the real libraries (ITK: a stand-in)."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import nibabel as nib
import numpy as np
import pandas as pd
import PIL.Image
import pytest
import scipy.sparse
import SimpleITK
import torch
import torchio
import xarray
from monai.data import DataLoader, MetaTensor
from monai.transforms import EnsureChannelFirst, LoadImage, SpatialCrop, SqueezeDim

import napari_textdifuse
from napari_textdifuse.errors import InputError, MissingDependencyError
from napari_textdifuse.inputs import as_volume
from napari_textdifuse.io.objects import from_object, is_object
from napari_textdifuse.volume import Volume

# MONAI says at every reader it makes that it has no GPU decoder
pytestmark = pytest.mark.filterwarnings("ignore:NvImgCodec:UserWarning")

A = np.radians(20)
TURN = np.array([[np.cos(A), -np.sin(A), 0], [np.sin(A), np.cos(A), 0], [0, 0, 1]])
AFFINE = np.eye(4)
AFFINE[:3, :3] = TURN * np.array([-2, 1.5, 3])
AFFINE[:3, 3] = 30, -20, 7
ARRAY = np.arange(120, dtype=np.float32).reshape(4, 5, 6)
VOLUME = Volume(ARRAY, affine=AFFINE)
STRAIGHT = np.diag([-2, 1.5, 3, 1.0])
STRAIGHT[:3, 3] = 30, -20, 7
COLOURS = np.arange(90, dtype=np.uint8).reshape(5, 6, 3)


def same(volume, array=ARRAY, affine=AFFINE):
    np.testing.assert_array_equal(volume.array, array)
    if affine is None:
        assert volume.affine is None
    else:
        np.testing.assert_allclose(volume.affine, affine, atol=1e-5)


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "sub-01_T1w.nii.gz"
    nib.save(nib.Nifti1Image(ARRAY.transpose(2, 1, 0), AFFINE), path)
    return path


OPEN = {
    "path": lambda path: path,
    "nibabel": nib.load,
    "SimpleITK": SimpleITK.ReadImage,
    "TorchIO": torchio.ScalarImage,
    "MONAI": lambda path: LoadImage(image_only=True)(path),
    "MONAI, channel first": lambda path: LoadImage(image_only=True, ensure_channel_first=True)(
        path
    ),
}


@pytest.mark.parametrize("library", OPEN)
def test_the_same_file_by_each_library(file, library):
    image = OPEN[library](str(file))
    assert is_object(image) == (library != "path")
    volume = as_volume(image, "image A")
    same(volume)
    if library != "SimpleITK":  # which does not know its file
        assert (volume.modality, volume.contrast) == ("MR", "T1")


@pytest.mark.parametrize(("unit", "factor"), [("micron", 1e-3), ("meter", 1e3), ("unknown", 1)])
@pytest.mark.parametrize("library", OPEN)
def test_the_unit_of_length_by_each_library(tmp_path, library, unit, factor):
    image = nib.Nifti1Image(ARRAY.transpose(2, 1, 0), AFFINE)
    image.header.set_xyzt_units(unit)
    nib.save(image, tmp_path / "x.nii")
    volume = as_volume(OPEN[library](str(tmp_path / "x.nii")), "image A")
    same(volume, affine=np.diag([factor, factor, factor, 1]) @ AFFINE)
    if library not in ("SimpleITK", "TorchIO"):  # which convert it, and do not keep it
        assert ("unit assumed" in volume.facts["space"].value) == (unit == "unknown")


OUT_AND_IN = ["to_nibabel", "to_sitk", "to_monai", "to_torchio", "to_xarray"]


@pytest.mark.parametrize("method", OUT_AND_IN)
@pytest.mark.parametrize("affine", [AFFINE, STRAIGHT], ids=["oblique", "straight"])
def test_out_and_in_again(method, affine):
    same(from_object(getattr(Volume(ARRAY, affine=affine), method)()), affine=affine)


@pytest.mark.parametrize("method", OUT_AND_IN[1:])
def test_an_image_without_a_place(method):
    picture = Volume(ARRAY[0])
    assert from_object(getattr(picture, method)()).affine is None
    same(from_object(getattr(picture, method)()), ARRAY[0], None)


@pytest.mark.parametrize("method", OUT_AND_IN[1:])
def test_colours_out_and_in_again(method):
    volume = from_object(getattr(Volume(COLOURS, rgb=True), method)())
    assert volume.rgb
    same(volume, COLOURS, None)
    stack = np.stack([COLOURS, COLOURS[::-1]]) / np.float32(255)
    volume = from_object(getattr(Volume(stack, rgb=True, affine=AFFINE), method)())
    assert volume.rgb
    same(volume, stack)


def test_a_slice_keeps_its_place():
    """The first slice of the volume, as a plane in space."""
    flat = Volume(ARRAY[0], affine=AFFINE)
    for method in OUT_AND_IN:
        volume = from_object(getattr(flat, method)())
        np.testing.assert_array_equal(volume.array.reshape(5, 6), ARRAY[0])
        np.testing.assert_allclose(volume.affine, AFFINE, atol=1e-5)


@pytest.mark.parametrize(("dtype", "wider"), [(np.bool_, np.uint8), (np.float16, np.float32)])
def test_types_that_itk_lacks_become_wider(dtype, wider):
    volume = Volume((np.arange(24) % 2).reshape(2, 3, 4).astype(dtype), affine=AFFINE)
    found = as_volume(volume.to_sitk(), "image A")
    assert found.array.dtype == wider
    np.testing.assert_array_equal(found.array, volume.array.astype(wider))


def test_simpleitk_against_its_own_reader(file):
    read, made = SimpleITK.ReadImage(str(file)), VOLUME.to_sitk()
    for get in ("GetOrigin", "GetDirection", "GetSpacing", "GetSize"):
        np.testing.assert_allclose(getattr(made, get)(), getattr(read, get)(), atol=1e-5)


def test_torchio_and_monai_against_their_own_readers(file):
    tio, monai = torchio.ScalarImage(str(file)), OPEN["MONAI, channel first"](str(file))
    np.testing.assert_array_equal(VOLUME.to_torchio().tensor, tio.tensor)
    np.testing.assert_allclose(VOLUME.to_torchio().affine, tio.affine, atol=1e-5)
    np.testing.assert_array_equal(VOLUME.to_monai(), monai)
    np.testing.assert_allclose(VOLUME.to_monai().affine, monai.affine, atol=1e-5)
    labels = Volume(ARRAY.astype(np.uint8), affine=AFFINE, unit="label").to_torchio()
    assert isinstance(labels, torchio.LabelMap)


def test_a_slice_of_simpleitk_keeps_its_pixel_size():
    piece = VOLUME.to_sitk()[:, :, 1]
    volume = from_object(piece)
    assert volume.spacing == pytest.approx((1.5, 2.0))
    assert from_object(SimpleITK.GetImageFromArray(ARRAY[0])).affine is None


def test_monai_images_and_tensors_without_a_place(tmp_path):
    PIL.Image.fromarray(COLOURS).save(tmp_path / "vis.png")
    for first in (False, True):
        image = LoadImage(image_only=True, ensure_channel_first=first)(str(tmp_path / "vis.png"))
        volume = from_object(image)
        assert volume.rgb
        assert volume.modality == "VIS"
        same(volume, COLOURS, None)
    same(from_object(MetaTensor(torch.tensor(ARRAY.T.copy())[None])), affine=None)
    lps = MetaTensor(torch.tensor(ARRAY.T.copy())[None], affine=np.diag([-1.0, -1, 1, 1]) @ AFFINE)
    lps.meta["space"] = "LPS"
    same(from_object(lps))
    with pytest.raises(InputError, match="choose one channel"):
        from_object(EnsureChannelFirst(channel_dim=0)(MetaTensor(torch.zeros(4, 6, 5, 4))))


def test_nibabel_in_memory_as_its_file():
    """Notes of the header, units of length, and time points."""
    image = nib.Nifti1Image(ARRAY.T.copy(), AFFINE)
    image.header.set_xyzt_units("micron")
    volume = from_object(image)
    np.testing.assert_allclose(volume.affine[:3], AFFINE[:3] / 1000, atol=1e-9)
    image.set_qform(np.diag([2, 1.5, 3, 1]), code=1)
    image.set_sform(AFFINE, code=1)
    assert any("disagree" in note for note in from_object(image).metadata["notes"])
    series = nib.Nifti1Image(np.stack([ARRAY.T, ARRAY.T + 1], -1), AFFINE)
    same(from_object(series, time=1), ARRAY + 1)
    with pytest.raises(InputError, match="time=0 to 1"):
        from_object(series)


class Itk:
    """`itk.Image` as far as it is read here; its first index is not 0, as after a crop."""

    def GetImageDimension(self):
        return 3

    def GetNumberOfComponentsPerPixel(self):
        return 1

    def GetSpacing(self):
        return [2.0, 1.5, 3.0]

    def GetDirection(self):
        return np.diag([-1.0, 1, 1]) @ TURN @ np.diag([-1.0, 1, 1])

    def GetLargestPossibleRegion(self):
        return SimpleNamespace(GetIndex=lambda: (1, 0, 0))

    def TransformIndexToPhysicalPoint(self, index):
        return self.GetDirection() @ (np.array([2.0, 1.5, 3.0]) * index) + [5, 6, 7]


def test_itk(monkeypatch):
    fake = SimpleNamespace(array_from_image=lambda image: ARRAY, array_from_matrix=np.asarray)
    monkeypatch.setitem(sys.modules, "itk", fake)
    volume = from_object(Itk())
    direction = Itk().GetDirection()
    expected = np.eye(4)
    expected[:3, :3] = np.diag([-1, -1, 1]) @ direction @ np.diag([2, 1.5, 3])
    expected[:3, 3] = np.diag([-1, -1, 1]) @ (direction[:, 0] * 2 + [5, 6, 7])
    same(volume, affine=expected)


def test_xarray_by_names_and_coordinates():
    """Axes in another order, y downwards, micrometres; lazy values stay lazy."""
    coords = {
        "x": ("x", 10 + 2000.0 * np.arange(6), {"units": "um"}),
        "y": ("y", 500 - 1500.0 * np.arange(5), {"units": "um"}),
        "z": ("z", 3000.0 * np.arange(4), {"units": "um"}),
    }
    array = xarray.DataArray(ARRAY.transpose(2, 0, 1), dims=("x", "z", "y"), coords=coords)
    expected = np.diag([2, -1.5, 3, 1.0])
    expected[:3, 3] = 0.01, 0.5, 0
    same(from_object(array), affine=expected)
    cropped = from_object(array.isel(x=slice(2, None)))
    assert cropped.affine[0, 3] == pytest.approx(4.01)
    lazy = from_object(array.chunk())
    assert not isinstance(lazy.array, np.ndarray)


def test_coordinates_like_indices_count_where_others_are_in_millimetres():
    values = np.ones((3, 4, 5))
    coords = {"z": [4.0, 2, 0], "y": np.arange(4), "x": 10 + 1.5 * np.arange(5)}
    found = as_volume(xarray.DataArray(values, dims=("z", "y", "x"), coords=coords), "image A")
    expected = np.diag([1.5, 1, -2, 1])
    expected[:3, 3] = 10, 0, 4
    np.testing.assert_allclose(found.affine, expected)
    indices = {"z": range(3), "y": range(4), "x": range(5)}
    plain = xarray.DataArray(values, dims=("z", "y", "x"), coords=indices)
    assert as_volume(plain, "image A").affine is None
    del coords["y"]
    partly = as_volume(xarray.DataArray(values, dims=("z", "y", "x"), coords=coords), "image A")
    assert partly.affine is None
    assert "no coordinates along y" in partly.metadata["notes"][0]


def test_xarray_of_an_oblique_grid_survives_a_crop():
    part = VOLUME.to_xarray().isel(z=slice(1, 3), x=slice(2, None))
    moved = AFFINE.copy()
    moved[:3, 3] = (AFFINE @ [2, 0, 1, 1])[:3]
    same(from_object(part), ARRAY[1:3, :, 2:], moved)


@pytest.mark.parametrize("affine", [AFFINE, STRAIGHT], ids=["oblique", "straight"])
@pytest.mark.parametrize("axis", ["z", "y"])
def test_one_slice_of_an_xarray_keeps_its_position(affine, axis):
    """As a plane of a volume, and as a volume of one slice with the step of the others."""
    whole = Volume(ARRAY, affine=affine).to_xarray()
    index = [0, 2, 0, 1] if axis == "y" else [0, 0, 2, 1]
    moved = affine.copy()
    moved[:3, 3] = (affine @ index)[:3]
    kept = from_object(whole.isel({axis: [2]}))
    same(kept, ARRAY[:, 2:3] if axis == "y" else ARRAY[2:3], moved)
    assert not kept.metadata["notes"]
    if axis == "z":
        flat = from_object(whole.isel(z=2))
        same(flat, ARRAY[2], moved)


def test_xarray_as_itk_writes_it():
    """Origin as the first coordinate, direction in the order z, y, x, all in LPS."""
    lps = np.diag([-1.0, -1, 1, 1]) @ AFFINE
    direction = lps[:3, :3] / [2, 1.5, 3]
    coords = {
        name: (name, lps[k, 3] + step * np.arange(n))
        for name, k, step, n in (("x", 0, 2, 6), ("y", 1, 1.5, 5), ("z", 2, 3, 4))
    }
    array = xarray.DataArray(
        ARRAY, dims=("z", "y", "x"), coords=coords, attrs={"direction": np.flip(direction)}
    )
    same(from_object(array))
    moved = AFFINE.copy()
    moved[:3, 3] = (AFFINE @ [0, 0, 2, 1])[:3]
    np.testing.assert_allclose(from_object(array.isel(z=2)).affine[:3, 3], moved[:3, 3], atol=1e-5)


@pytest.mark.parametrize(
    ("unit", "size"), [("millimeters", 1), ("centimetres", 10), ("inches", 25.4)]
)
def test_units_in_the_plural(unit, size):
    coords = {
        d: (d, 3.0 * np.arange(n), {"units": unit}) for d, n in zip("yx", (5, 6), strict=True)
    }
    image = from_object(xarray.DataArray(ARRAY[0], dims=("y", "x"), coords=coords))
    assert image.spacing == pytest.approx((3 * size, 3 * size))


def test_one_coordinate_has_no_step():
    image = xarray.DataArray(
        ARRAY[:1], dims=("z", "y", "x"), coords={"z": [7.0], "y": 2 * np.arange(5)}
    )
    image = image.assign_coords(x=2.0 * np.arange(6))
    assert any("a step of 1 was assumed" in note for note in from_object(image).metadata["notes"])


def test_a_label_map_of_simpleitk_is_read_as_labels():
    """Its values cannot be asked for: SimpleITK ends the process."""
    labels = Volume((ARRAY > 60).astype(np.uint8), affine=AFFINE).to_sitk()
    volume = from_object(SimpleITK.LabelImageToLabelMap(labels))
    same(volume, (ARRAY > 60).astype(np.uint8))
    assert volume.unit == "label"


def test_a_slice_of_monai_is_an_image_and_a_batch_is_none():
    whole = VOLUME.to_monai()
    piece = SpatialCrop(roi_slices=[slice(0, 6), slice(0, 5), slice(2, 3)])(whole)
    volume = from_object(SqueezeDim(-1)(piece))
    np.testing.assert_array_equal(volume.array, ARRAY[2])
    np.testing.assert_allclose(volume.affine[:2, :2], AFFINE[:2, :2], atol=1e-5)
    with pytest.raises(InputError, match="decollate_batch"):
        from_object(whole[None])
    with pytest.raises(InputError, match="decollate_batch"):
        from_object(next(iter(DataLoader([whole], batch_size=1))))


def test_a_tensor_of_monai_that_was_cut_by_indexing_says_so():
    """MONAI keeps the position of the whole; its own crop moves it."""
    whole = VOLUME.to_monai()
    assert any("by indexing" in n for n in from_object(whole[:, 1:]).metadata["notes"])
    with pytest.raises(InputError, match="SpatialCrop"):
        from_object(whole[..., 2])
    cropped = from_object(SpatialCrop(roi_slices=[slice(1, 6), slice(0, 5), slice(0, 4)])(whole))
    moved = AFFINE.copy()
    moved[:3, 3] = (AFFINE @ [1, 0, 0, 1])[:3]
    same(cropped, ARRAY[..., 1:], moved)
    assert not cropped.metadata.get("notes")


def test_xarray_that_is_not_one_image():
    time = xarray.DataArray(np.stack([ARRAY, ARRAY + 1]), dims=("time", "z", "y", "x"))
    same(from_object(time, time=1), ARRAY + 1, None)
    dyes = xarray.DataArray(ARRAY[:3], dims=("c", "y", "x"), coords={"c": ["DAPI", "GFP", "RFP"]})
    with pytest.raises(InputError, match="select one along c"):
        from_object(dyes)
    with pytest.raises(InputError, match="cannot be distinguished"):
        from_object(xarray.DataArray(ARRAY, dims=("energy", "y", "x")))
    uneven = xarray.DataArray(ARRAY[0], dims=("y", "x"), coords={"x": [0, 1, 2, 3, 4, 9.0]})
    with pytest.raises(InputError, match="not evenly spaced"):
        from_object(uneven)
    degrees = {"x": ("x", np.arange(6.0), {"units": "degrees_east"})}
    map_ = from_object(xarray.DataArray(ARRAY[0], dims=("y", "x"), coords=degrees))
    assert map_.affine is None
    assert any("not a length" in note for note in map_.metadata["notes"])


def test_a_palette_is_colours_and_a_tensor_with_gradients_is_read():
    picture = PIL.Image.fromarray(COLOURS).quantize(8)
    volume = as_volume(picture, "image A")
    assert volume.rgb
    np.testing.assert_array_equal(volume.array, np.asarray(picture.convert("RGB")))
    same(as_volume(torch.tensor(ARRAY, requires_grad=True), "image A"), affine=None)


def test_masked_values_are_not_numbers():
    masked = np.ma.masked_greater(ARRAY.astype(np.int16), 100)
    array = as_volume(masked, "image A").array
    np.testing.assert_array_equal(np.isnan(array), ARRAY > 100)
    assert as_volume(np.ma.masked_array(ARRAY), "image A").array.dtype == np.float32


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ({"mri": ARRAY}, "a dictionary"),
        (None, "nothing was given"),
        (pd.DataFrame(ARRAY[0]), "a table"),
        (["a.png", "b.png"], "a list of 2 paths"),
        (b"\x89PNG", "bytes"),
        (xarray.Dataset({"a": ("x", [1.0])}), "one of its variables"),
        (np.zeros(3, "datetime64[s]"), "dates cannot be fused"),
        (len, "builtin_function_or_method"),
        ({1, 2}, "builtins.set"),
        (nib.Nifti1Header(), "Nifti1Header"),
        (nib.GiftiImage(), "GiftiImage"),
        (nib.Nifti1Image, "builtins.type"),
        (SimpleITK.Transform(), "SimpleITK.Transform"),
        (SimpleITK.ImageFileReader(), "ImageFileReader"),
        (torchio.Subject(a=torchio.ScalarImage(tensor=torch.zeros(1, 2, 2, 2))), "a subject"),
        (scipy.sparse.eye(4), "a sparse matrix"),
    ],
)
def test_others_are_refused_by_name(source, said):
    with pytest.raises(InputError, match=said):
        as_volume(source, "image A")


def test_a_missing_library_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "torchio", None)
    with pytest.raises(MissingDependencyError, match="pip install torchio"):
        VOLUME.to_torchio()


def test_a_result_as_objects():
    rng = np.random.default_rng(0)
    a, b = (Volume(rng.random((2, 24, 32), np.float32), affine=AFFINE) for _ in range(2))
    mask = np.zeros((2, 24, 32), np.uint8)
    mask[:, 4:9, 5:9] = 1
    result = napari_textdifuse.fuse(a.to_sitk(), b.to_nibabel(), mask=mask, steps=1)
    assert result.to_sitk("mask").GetSize() == (32, 24, 2)
    same(from_object(result.to_monai("contribution")), result.contribution)
    same(from_object(result.to_torchio("mask")), mask)
    same(from_object(result.to_nibabel("fused")), from_object(result.to_nibabel()).array)
    same(from_object(result.to_xarray("fused")), result.fused)
    with pytest.raises(ValueError, match="no image 'fusion'"):
        result.to_itk("fusion")


def test_tensors_of_any_precision():
    values = torch.arange(24.0).reshape(4, 6)
    for tensor in (values, values.bfloat16(), values.half(), values.requires_grad_()):
        np.testing.assert_array_equal(
            as_volume(tensor, "image A").array, np.arange(24).reshape(4, 6)
        )
    volume = torchio.ScalarImage(tensor=torch.ones(1, 3, 4, 5))
    volume.set_data(volume.data.bfloat16())
    assert as_volume(volume, "image A").array.dtype == np.float32


def test_tensors_without_dense_values_are_refused():
    for tensor in (torch.eye(4).to_sparse(), torch.empty(4, 4, device="meta")):
        with pytest.raises(InputError, match=r"^image A: a tensor that is sparse or has no values"):
            as_volume(tensor, "image A")


def test_a_label_map_of_torchio_has_labels():
    labels = torch.zeros(1, 3, 4, 5, dtype=torch.int16)
    assert as_volume(torchio.LabelMap(tensor=labels + 2), "image A").unit == "label"
    assert as_volume(torchio.ScalarImage(tensor=labels + 2), "image A").unit == "a.u."


def test_an_object_that_fails_to_give_an_array_is_refused():
    class Broken:
        def __array__(self, dtype=None, copy=None):
            raise RuntimeError("no data")

    with pytest.raises(InputError, match="Broken is not a supported image"):
        as_volume(Broken(), "image A")

from __future__ import annotations

import dask.array as da
import numpy as np
import pytest
from napari.layers import Image, Labels

from napari_textdifuse.errors import InputError
from napari_textdifuse.inputs import as_volume, as_volumes
from napari_textdifuse.napari_plugin.layers import to_layer
from napari_textdifuse.spatial import resample_to
from napari_textdifuse.volume import Volume

# napari shows oblique volumes as if they were not; their geometry is what counts here
pytestmark = pytest.mark.filterwarnings("ignore:Non-orthogonal slicing:UserWarning")

TURN = [[0.8, -0.6, 0], [0.6, 0.8, 0], [0, 0, 1]]


def values(shape=(4, 5, 6), seed=0):
    return np.random.default_rng(seed).random(shape).astype(np.float32) + 1


def world_of(layer, index):
    """RAS millimetres of a voxel, as napari places it in its LPS world (z, y, x)."""
    z, y, x = layer.data_to_world(index)
    return np.array([-x, -y, z])


@pytest.mark.parametrize(
    "place",
    [
        {"scale": (3, 2, 1), "translate": (5, 6, 7)},
        {"scale": (3, 2, 1), "rotate": TURN},
        {"scale": (3, 2, 1), "shear": (0.1, 0.2, 0.3), "translate": (1, 0, 0)},
        {"affine": [[2, 0.1, 0, 4], [0, 1, 0, 5], [0.2, 0, 1, 6], [0, 0, 0, 1]]},
    ],
)
def test_a_layer_lies_where_napari_shows_it(place):
    layer = Image(values(), units="mm", **place)
    volume = as_volume(layer, "image A")
    for z, y, x in ((0, 0, 0), (3, 4, 5), (1, 2, 3)):
        np.testing.assert_allclose(
            (volume.affine @ [x, y, z, 1])[:3], world_of(layer, (z, y, x)), atol=1e-9
        )
    assert volume.metadata["notes"] == []


def test_units_are_converted_and_two_units_meet():
    fine = Image(values((4, 50, 60)), scale=(3000, 200, 100), units="um")
    coarse = Image(values((4, 10, 6)), scale=(3, 1, 1), translate=(0, 0.4, 0.45), units="mm")
    a, b = as_volumes(fine, coarse)
    np.testing.assert_allclose(a.spacing, (3, 0.2, 0.1))
    assert resample_to(b, a).overlap == 1


def test_a_place_without_a_unit_is_said():
    volume = as_volume(Image(values(), scale=(3, 2, 1)), "image A")
    assert volume.spacing == (3, 2, 1)
    assert len(volume.metadata["notes"]) == 1
    assert "unit is pixel" in volume.metadata["notes"][0]


def test_an_image_in_pixels_has_no_geometry_and_no_note():
    volume = as_volume(Image(values((5, 6))), "image A")
    assert volume.affine is None
    assert volume.metadata["notes"] == []


def test_next_to_a_placed_layer_the_origin_is_a_place():
    plain, scaled = Image(values((20, 20))), Image(values((10, 10)), scale=(2, 2), translate=(5, 0))
    for pair in ((plain, scaled), (scaled, plain)):
        a, b = as_volumes(*pair)
        assert a.affine is not None
        assert b.affine is not None
        np.testing.assert_allclose(np.abs(np.diag(a.affine))[:2], pair[0].scale[::-1])


def test_what_the_reader_knew_survives_and_follows_a_move():
    turned = np.eye(4)
    turned[:3, :3] = [[0.8, -0.6, 0], [0.6, 0.8, 0], [0, 0, 2]]
    source = Volume(
        values(),
        affine=turned,
        unit="SUVbw",
        modality="PT",
        window=(0, 5),
        metadata={"notes": ["N"]},
    )
    data, attributes, _ = to_layer(source)
    layer = Image(data, **attributes)
    volume = as_volume(layer, "image A")
    assert (volume.unit, volume.modality, volume.window) == ("SUVbw", "PT", (0, 5))
    assert volume.metadata["notes"] == ["N"]
    true = np.asarray(layer.metadata["textdifuse"]["affine"])
    np.testing.assert_allclose(volume.affine, true)
    layer.translate = np.add(layer.translate, (2 * layer.scale[0], 0, 0))  # two slices on
    np.testing.assert_allclose(
        as_volume(layer, "image A").affine[:3, 3], (true @ [0, 0, 2, 1])[:3], atol=1e-9
    )


def test_labels_layers_are_read_too():
    layer = Labels(np.eye(5, dtype=np.uint8), scale=(2, 2), units="mm")
    assert as_volume(layer, "the mask").spacing == (2, 2)


def test_the_finest_level_of_a_pyramid():
    layer = Image([values((8, 8)), values((4, 4))], multiscale=True, scale=(2, 3), units="mm")
    volume = as_volume(layer, "image A")
    assert volume.shape == (8, 8)
    assert volume.spacing == (2, 3)


# time


def test_a_series_needs_a_time_point():
    series = values((3, 4, 5, 6))
    for source in (series, Image(series, name="dynamic"), da.from_array(series)):
        with pytest.raises(InputError, match=r"3 time points .* time=0 to 2"):
            as_volume(source, "image A")
        for time in (3, -1, True, 1.5):
            with pytest.raises(InputError, match="does not exist; there are 0 to 2"):
                as_volume(source, "image A", time=time)
        np.testing.assert_array_equal(as_volume(source, "image A", time=1).array, series[1])


def test_a_series_of_one_needs_none():
    series = values((1, 4, 5, 6))
    np.testing.assert_array_equal(as_volume(series, "image A").array, series[0])


def test_the_place_of_a_time_point():
    layer = Image(values((3, 4, 5, 6)), scale=(60, 3, 2, 1), units=("s", "mm", "mm", "mm"))
    volume = as_volume(layer, "image A", time=2)
    assert volume.spacing == (3, 2, 1)
    assert volume.metadata["notes"] == []


def test_times_of_both_images():
    a, b, still = values((3, 4, 5, 6)), values((2, 4, 5, 6), 1), values()
    both = as_volumes(a, b, time=(2, 0))
    np.testing.assert_array_equal(both[0].array, a[2])
    np.testing.assert_array_equal(both[1].array, b[0])
    one = as_volumes(still, b, time=1)
    np.testing.assert_array_equal(one[0].array, still)
    np.testing.assert_array_equal(one[1].array, b[1])


def test_files_with_and_without_time(tmp_path):
    import nibabel as nib

    series = values((3, 4, 5, 6))
    nib.save(nib.Nifti1Image(series.transpose(3, 2, 1, 0), np.eye(4)), tmp_path / "dynamic.nii.gz")
    nib.save(nib.Nifti1Image(series[0].transpose(2, 1, 0), np.eye(4)), tmp_path / "still.nii.gz")
    a, b = as_volumes(tmp_path / "dynamic.nii.gz", tmp_path / "still.nii.gz", time=2)
    np.testing.assert_array_equal(a.array, series[2])
    np.testing.assert_array_equal(b.array, series[0])
    for time in (None, 3):
        with pytest.raises(InputError, match="time"):
            as_volume(tmp_path / "dynamic.nii.gz", "image A", time=time)


# lazy arrays


def counted(shape, chunks):
    """A dask array that notes which slices were computed."""
    computed = set()

    def make(block_info=None):
        first, last = block_info[None]["array-location"][0]
        computed.update(range(first, last))
        return np.ones([b - a for a, b in block_info[None]["array-location"]], np.float32)

    return da.map_blocks(make, chunks=da.core.normalize_chunks(chunks, shape), dtype="f4"), computed


def test_a_lazy_image_is_read_whole_only_when_asked():
    array, computed = counted((100, 8, 8), (1, 8, 8))
    computed.clear()
    volume = as_volume(array, "image A", lazy=True)
    assert volume.shape == (100, 8, 8)
    assert len(computed) <= 32
    loaded = as_volume(array, "image A")
    assert isinstance(loaded.array, np.ndarray)


def test_a_lazy_series_reads_no_other_time_point():
    array, computed = counted((50, 4, 8, 8), (1, 4, 8, 8))
    computed.clear()
    volume = as_volume(Image(array, contrast_limits=(0, 2)), "image A", time=7, lazy=True)
    computed.clear()
    np.asarray(volume.array[2])
    np.asarray(volume.array)
    assert computed == {7}


def test_zeros_in_a_sample_prove_nothing():
    array = np.zeros((100, 4, 4), np.float32)
    array[50] = 1  # not among the slices that are looked at
    assert as_volume(da.from_array(array, chunks=(1, 4, 4)), "image A", lazy=True).array.any()
    with pytest.raises(InputError, match="every value is 0"):
        as_volume(da.zeros((10, 4, 4)), "image A", lazy=True)


def test_torch_tensors_are_arrays():
    import torch

    np.testing.assert_array_equal(as_volume(torch.ones(4, 5), "image A").array, np.ones((4, 5)))


def test_a_mask_layer_is_taken_where_it_lies(tiny_pipeline):
    """Labels drawn on a coarse layer mark the same place on the fine grid."""
    drawn = np.zeros((10, 10), np.uint8)
    drawn[2:4, 6:9] = 1
    image = Image(values((20, 20)), units="mm")
    mask = Labels(drawn, scale=(2, 2), translate=(0.5, 0.5), units="mm")
    plain = Image(values((20, 20), 1), units="mm")
    for layer in (image, plain):
        layer.translate = (1, 1)
    mask.translate = (1.5, 1.5)
    found = tiny_pipeline(image, plain, mask=mask, steps=2).mask
    np.testing.assert_array_equal(found, np.kron(drawn, np.ones((2, 2))))

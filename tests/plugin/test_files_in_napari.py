"""Files become layers and layers files; left stays left."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pydicom
import pytest
from napari.layers import Image, Labels, Layer

from napari_textdifuse import Volume, read, write
from napari_textdifuse.errors import ReadError, TextDiFuseError, WriteError
from napari_textdifuse.napari_plugin.layers import KEY, Placement, to_layer
from napari_textdifuse.napari_plugin.reader import napari_get_reader
from napari_textdifuse.napari_plugin.writer import (
    write_dicom,
    write_nifti,
    write_together,
    write_together_dicom,
)
from napari_textdifuse.spatial.layers import read_layer

FLIPPED = np.array([[-2.0, 0, 0, 40], [0, 0, 3, -10], [0, -1.5, 0, 7], [0, 0, 0, 1]])


def open_layers(path) -> list[Layer]:
    reader = napari_get_reader(path)
    assert reader is not None
    return [Layer.create(*data) for data in reader(path)]


def save(layer: Layer, path) -> nib.Nifti1Image:
    assert write_nifti(str(path), *layer.as_layer_data_tuple()[:2]) == [str(path)]
    return nib.load(path)


def assert_values_are_where_they_were(image, atol: float = 1e-3) -> None:
    """Compare voxels with the phantom's rule: each value tells its own place in RAS mm."""
    index = np.indices(image.shape).reshape(3, -1)
    x, y, z = image.affine[:3, :3] @ index + image.affine[:3, 3:]
    np.testing.assert_allclose(
        image.get_fdata().reshape(-1), 1000 + x + 0.1 * y + 0.01 * z, atol=atol
    )


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_left_stays_left_from_file_to_layer_to_file(phantom, tmp_path, suffix):
    volume = phantom(FLIPPED, modality="PT", unit="SUVbw")
    source = tmp_path / f"source{suffix}"
    nib.save(volume.to_nibabel(), source)
    assert_values_are_where_they_were(nib.load(source))

    (layer,) = open_layers(str(source))
    assert (layer.scale > 0).all()
    index = (1, 2, 3)
    lps = np.array(layer.data_to_world(index))[::-1]
    assert layer.data[index] == pytest.approx(
        1000 - lps[0] - 0.1 * lps[1] + 0.01 * lps[2], abs=1e-3
    )
    assert_values_are_where_they_were(save(layer, tmp_path / f"again{suffix}"))


def test_a_moved_layer_is_saved_where_it_lies(phantom, tmp_path):
    layer = Layer.create(*to_layer(phantom(FLIPPED)))
    before = save(layer, tmp_path / "before.nii").affine
    layer.translate = layer.translate + np.array([2.0, 0, 0])  # 2 mm to the head
    after = save(layer, tmp_path / "after.nii").affine
    np.testing.assert_allclose(after[:3, 3] - before[:3, 3], (0, 0, 2), atol=1e-5)


def test_unit_modality_record_and_labels_survive(tmp_path):
    record = {"seed": 3, "objects": {"1": "tumour"}}
    known = {"affine": FLIPPED.tolist(), "record": record, "modality": "PT", "unit": "SUVbw"}
    image = Image(np.ones((3, 4, 5), np.float32), metadata={KEY: known}, name="image")
    labels = Labels(np.eye(4, dtype=int)[None], metadata={KEY: known}, name="mask")
    save(image, tmp_path / "image.nii.gz")
    assert save(labels, tmp_path / "mask.nii.gz").get_data_dtype() == np.uint8

    (image_again,) = open_layers(tmp_path / "image.nii.gz")
    assert isinstance(image_again, Image)
    assert image_again.metadata[KEY]["unit"] == "SUVbw"
    assert image_again.metadata[KEY]["modality"] == "PT"
    assert image_again.metadata[KEY]["record"] == record
    (labels_again,) = open_layers(tmp_path / "mask.nii.gz")
    assert isinstance(labels_again, Labels)
    assert labels_again.metadata[KEY]["objects"] == {"1": "tumour"}
    assert list(labels_again.features["object"]) == ["background", "tumour"]


def test_a_layer_that_came_from_elsewhere_is_saved_with_its_scale(tmp_path):
    image = save(Image(np.zeros((3, 4, 5)), scale=(3, 2, 1)), tmp_path / "plain.nii")
    np.testing.assert_allclose(np.abs(np.diag(image.affine)), (1, 2, 3, 1))


def test_colour_and_single_slices_survive(tmp_path):
    rgb = np.random.default_rng(0).integers(0, 255, (4, 5, 3), dtype=np.uint8)
    layer = Layer.create(*to_layer(Volume(rgb, rgb=True, affine=np.diag([-1.0, -1, 1, 1]))))
    save(layer, tmp_path / "colour.nii.gz")
    (again,) = open_layers(tmp_path / "colour.nii.gz")
    assert again.rgb
    np.testing.assert_array_equal(again.data, rgb)


def test_the_writer_refuses_in_one_sentence(tmp_path):
    with pytest.raises(WriteError, match=r"\.nii\.gz"):
        write_nifti(str(tmp_path / "a.png"), np.ones((3, 3)), {})
    with pytest.raises(WriteError, match="does not exist"):
        write_nifti(str(tmp_path / "no" / "a.nii"), np.ones((3, 3)), {})
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_read_is_left_to_others(tmp_path):
    (tmp_path / "notes.dcm").write_text("no DICOM")
    (tmp_path / "empty").mkdir()
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "a.txt").write_text("text")
    for path in (tmp_path / "notes.dcm", tmp_path / "gone.nii", tmp_path / "texts", "a\0b"):
        assert napari_get_reader(str(path)) is None
    assert napari_get_reader(tmp_path / "empty") is None
    assert napari_get_reader([]) is None
    assert napari_get_reader(None) is None


def test_a_damaged_file_is_one_sentence(tmp_path):
    (tmp_path / "broken.nii.gz").write_text("text")
    with pytest.raises(ReadError, match=r"broken\.nii\.gz"):
        open_layers(str(tmp_path / "broken.nii.gz"))


def test_several_files_at_once(phantom, tmp_path):
    for name in ("one", "two"):
        write(tmp_path / f"{name}.nii", phantom(FLIPPED))
    layers = open_layers([str(tmp_path / "one.nii"), str(tmp_path / "two.nii")])
    assert [layer.name for layer in layers] == ["one", "two"]


def test_all_series_of_a_dicom_folder_are_opened(tmp_path):
    import shutil

    from napari_textdifuse.samples import sample_dir

    folders = sorted(p for p in (sample_dir() / "brain" / "dicom").iterdir() if p.is_dir())
    for folder in folders:
        for file in folder.iterdir():
            shutil.copy(file, tmp_path / f"{folder.name}_{file.name}")
    layers = open_layers(str(tmp_path))
    assert len(layers) == len(folders) == 2
    for folder in folders:
        expected = Layer.create(*to_layer(read(folder)))
        (same,) = (layer for layer in layers if layer.data.shape == expected.data.shape)
        np.testing.assert_array_equal(same.data, expected.data)
        np.testing.assert_array_equal(same.extent.world, expected.extent.world)

    files = sorted(map(str, tmp_path.iterdir()))
    assert len(open_layers(files)) == 2  # all files marked and dropped as a stack
    with pytest.raises(ReadError, match="open the folder"):
        open_layers(files[:3])


def test_one_series_that_cannot_be_read_does_not_hide_the_others(tmp_path, notifications):
    import shutil

    from napari_textdifuse.samples import sample_dir

    whole, gap = sorted(p for p in (sample_dir() / "brain" / "dicom").iterdir() if p.is_dir())
    for file in whole.iterdir():
        shutil.copy(file, tmp_path / f"whole_{file.name}")
    for number, file in enumerate(sorted(gap.iterdir())):
        if number != 5:
            shutil.copy(file, tmp_path / f"gap_{file.name}")
    (layer,) = open_layers(str(tmp_path))
    np.testing.assert_array_equal(layer.data, to_layer(read(whole))[0])
    assert len(notifications) == 1
    assert "was skipped" in notifications[0]


def test_a_series_over_time_is_one_layer_with_a_time_axis(tmp_path):
    array = np.arange(4 * 5 * 6 * 3, dtype=np.int16).reshape(4, 5, 6, 3)  # x, y, z, t
    nib.save(nib.Nifti1Image(array, FLIPPED), tmp_path / "x.nii")
    (layer,) = open_layers(tmp_path / "x.nii")
    assert layer.data.shape[0] == 3
    assert tuple(layer.axis_labels) == ("t", "z", "y", "x")
    nib.save(nib.Nifti1Image(array[..., 2], FLIPPED), tmp_path / "third.nii")
    (third,) = open_layers(tmp_path / "third.nii")
    np.testing.assert_array_equal(layer.data[2], third.data)
    np.testing.assert_array_equal(layer.extent.world[:, 1:], third.extent.world)

    copy, expected = read_layer(layer, "A", 2), read_layer(third, "A")
    np.testing.assert_array_equal(copy.array, expected.array)
    np.testing.assert_allclose(copy.affine, expected.affine)
    result = Image(expected.array, **Placement.of(layer, 2).geometry)  # what a fusion's result gets
    np.testing.assert_array_equal(result.extent.world, third.extent.world)


def test_a_series_over_time_is_fused_by_time_point(tmp_path):
    from napari_textdifuse.inputs import as_volume

    array = np.arange(4 * 5 * 6 * 3, dtype=np.int16).reshape(4, 5, 6, 3)
    nib.save(nib.Nifti1Image(array, FLIPPED), tmp_path / "x.nii")
    (layer,) = open_layers(tmp_path / "x.nii")
    layer.translate = layer.translate + np.array([0, 2.0, 0, 0])  # 2 mm to the head
    volume = as_volume(layer, "image A", time=1)
    file = read(tmp_path / "x.nii", time=1)
    assert sorted(volume.array.ravel()) == sorted(file.array.ravel())
    index = np.array([1, 2, 3])
    value = volume.array[tuple(index)]
    (place,) = np.argwhere(file.array == value)
    here = volume.affine @ [*index[::-1], 1]
    there = file.affine @ [*place[::-1], 1]
    np.testing.assert_allclose(here - there, (0, 0, 2, 0), atol=1e-6)


def test_volumes_and_labels_are_saved_as_dicom(tmp_path, phantom):
    volume = phantom(FLIPPED, shape=(4, 5, 6))
    layer = Layer.create(*to_layer(volume))
    files = write_dicom(str(tmp_path / "fused.dcm"), *layer.as_layer_data_tuple()[:2])
    assert len(files) == layer.data.shape[0]
    (again,) = open_layers(tmp_path / "fused")
    np.testing.assert_allclose(again.data, layer.data, atol=0.01)
    np.testing.assert_allclose(again.extent.world, layer.extent.world, atol=1e-5)

    known = layer.metadata[KEY] | {"objects": {"1": "tumour"}}
    mask = Labels((layer.data > layer.data.mean()).astype(int), metadata={KEY: known})
    mask.scale, mask.translate, mask.units = layer.scale, layer.translate, layer.units
    (file,) = write_dicom(str(tmp_path / "mask.dcm"), *mask.as_layer_data_tuple()[:2])
    (mask_again,) = open_layers(file)
    assert isinstance(mask_again, Labels)
    np.testing.assert_array_equal(mask_again.data, mask.data)
    np.testing.assert_allclose(mask_again.extent.world, mask.extent.world, atol=1e-5)
    assert list(mask_again.features["object"]) == ["background", "tumour"]
    with pytest.raises(WriteError, match=r"writes \.dcm"):
        write_dicom("x.nii", *layer.as_layer_data_tuple()[:2])


def test_no_patient_in_layers(tmp_path, caplog):
    from pydicom.data import get_testdata_file

    dataset = pydicom.dcmread(get_testdata_file("CT_small.dcm"))
    for key in ("PatientName", "PatientID", "SeriesDescription", "InstitutionName"):
        setattr(dataset, key, "Secretive")
    dataset.save_as(tmp_path / "x.dcm")
    (layer,) = open_layers(tmp_path / "x.dcm")
    assert "Secretive" not in repr(layer.as_layer_data_tuple()[1])
    assert "Secretive" not in caplog.text


def test_a_fused_image_and_its_mask_are_saved_together(make_napari_viewer, tmp_path):
    viewer = make_napari_viewer()
    affine = np.diag([-2.0, 2, 3, 1])
    image = Volume(np.random.default_rng(0).random((3, 4, 5)).astype(np.float32), affine=affine)
    labels = Volume(np.eye(4, 5, dtype=np.uint8)[None].repeat(3, 0), affine=affine, unit="label")
    viewer._add_layer_from_data(*to_layer(image, "Fused: t1 + pet, tumour"))
    viewer._add_layer_from_data(*to_layer(labels, "Mask: tumour (t1 + pet)", "labels"))
    written = viewer.layers.save(str(tmp_path / "both.nii.gz"))
    names = ["Fused t1 + pet, tumour.nii.gz", "Mask tumour (t1 + pet).nii.gz"]
    assert written == [str(tmp_path / "both" / name) for name in names]
    again = viewer.open(written, plugin="napari-textdifuse")
    assert [layer.name for layer in again] == [name[:-7] for name in names]
    np.testing.assert_allclose(again[0].data, viewer.layers[0].data)
    np.testing.assert_array_equal(again[1].data, viewer.layers[1].data)
    viewer.layers.selection = {viewer.layers[0]}
    alone = viewer.layers.save(str(tmp_path / "one.nii.gz"), selected=True)
    assert alone == [str(tmp_path / "one.nii.gz")]


@pytest.mark.parametrize("suffix", [".nii.gz", ".dcm"])
@pytest.mark.parametrize("kinds", [("image", "image"), ("labels", "labels", "labels")])
def test_layers_of_one_kind_are_saved_together(make_napari_viewer, tmp_path, suffix, kinds):
    """A result without a mask, with the share of an image: napari found no writer for the two."""
    viewer = make_napari_viewer()
    for k, kind in enumerate(kinds, start=1):
        values = np.zeros((3, 4, 5), np.uint8 if kind == "labels" else np.float32)
        values[1, :k] = 1
        volume = Volume(values, affine=np.diag([-2.0, -2, 3, 1]))
        viewer._add_layer_from_data(*to_layer(volume, f"layer {k}", kind))
    written = viewer.layers.save(str(tmp_path / f"all{suffix}"))
    series = sorted(
        {Path(p) if kinds[0] == "labels" or suffix != ".dcm" else Path(p).parent for p in written}
    )
    assert len(series) == len(kinds)
    if suffix == ".dcm":
        assert len({str(pydicom.dcmread(path).StudyInstanceUID) for path in written}) == 1
    for path, before in zip(series, viewer.layers, strict=True):
        (after,) = (Layer.create(*data) for data in napari_get_reader(str(path))(str(path)))
        np.testing.assert_allclose(after.data, before.data, atol=1e-4)


@pytest.mark.parametrize("save_all", [write_together, write_together_dicom])
@pytest.mark.parametrize("there", [False, True])
def test_several_layers_are_saved_all_or_none(tmp_path, save_all, there):
    suffix = ".dcm" if save_all is write_together_dicom else ".nii.gz"
    target, folder = str(tmp_path / f"both{suffix}"), tmp_path / "both"
    affine = np.diag([-2.0, -2, 3, 1])
    values = Volume(np.ones((3, 4, 5), np.float32), affine=affine)
    image = Layer.create(*to_layer(values, "fused")).as_layer_data_tuple()
    good, empty = (
        Layer.create(*to_layer(replace(values, array=labels), "m", "labels")).as_layer_data_tuple()
        for labels in np.array([[[[1]]], [[[0]]]], np.uint8).repeat(3, 1).repeat(4, 2).repeat(5, 3)
    )
    bad = empty if suffix == ".dcm" else (empty[0] + 1j, *empty[1:])  # DICOM has no empty mask
    if there:
        folder.mkdir()
        (folder / "notes.txt").write_text("mine")
    with pytest.raises(TextDiFuseError, match="m"):
        save_all(target, [image, bad])
    assert [path.name for path in tmp_path.rglob("*")] == (["both", "notes.txt"] if there else [])
    written = save_all(target, [image, good])
    assert len(written) == (4 if suffix == ".dcm" else 2)
    assert all(Path(path).is_file() for path in written)
    before = sorted(path.name for path in tmp_path.rglob("*"))
    assert not any(name.startswith(".") for name in before)
    if suffix == ".dcm":
        with pytest.raises(WriteError, match="fused already exists; choose another name"):
            save_all(target, [image, good])
    else:
        assert save_all(target, [image, good]) == written
    assert sorted(path.name for path in tmp_path.rglob("*")) == before

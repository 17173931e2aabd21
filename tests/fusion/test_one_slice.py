"""A single slice, as one format or another writes it, fused with a slice or a volume."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage, generate_uid

from napari_textdifuse.fusion.slices import slice_with
from napari_textdifuse.inputs import as_volumes
from napari_textdifuse.volume import Volume

AFFINE = np.diag([0.75, 1.5, 2.5, 1.0])


def volume(slices=6, seed=0, affine=AFFINE):
    values = np.random.default_rng(seed).random((slices, 24, 20)).astype(np.float32)
    return Volume(values, affine=affine, modality="MR", name=f"volume of {slices}")


def slice_of(whole, k, ndim=2):
    affine = whole.affine.copy()
    affine[:3, 3] += affine[:3, 2] * k
    array = whole.array[k] if ndim == 2 else whole.array[k : k + 1]
    return Volume(array, affine=affine, modality="MR", name=f"slice {k}")


def save_dicom_slice(path, place):
    """A DICOM slice that lies on slice `place` of `volume()`: LPS is RAS with x and y negated."""
    made = Dataset()
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    made.SOPClassUID = made.file_meta.MediaStorageSOPClassUID = MRImageStorage
    made.SOPInstanceUID = made.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    made.SeriesInstanceUID, made.Modality = generate_uid(), "MR"
    made.Rows, made.Columns, made.SamplesPerPixel = 24, 20, 1
    made.PhotometricInterpretation, made.PixelRepresentation = "MONOCHROME2", 0
    made.BitsAllocated = made.BitsStored = 16
    made.HighBit = 15
    made.PixelSpacing, made.SliceThickness = [1.5, 0.75], 2.5
    made.ImageOrientationPatient = [-1, 0, 0, 0, -1, 0]
    made.ImagePositionPatient = [0, 0, 2.5 * place]
    values = np.random.default_rng(5).integers(0, 4000, (24, 20), np.uint16)
    made.PixelData = values.tobytes()
    made.save_as(path, enforce_file_format=True)
    return path


@pytest.mark.parametrize("affine", [AFFINE, None])
def test_a_volume_of_one_slice_is_that_slice(affine):
    picture = Volume(volume(1).array[0], affine=affine)
    for pair in ((picture, volume(1, 1, affine)), (volume(1, 1, affine), picture)):
        assert [v.shape for v in as_volumes(*pair)] == [(24, 20)] * 2


def test_without_a_place_a_slice_stays_a_slice():
    a, b = as_volumes(volume(affine=None), volume().array[0])
    assert (a.ndim, b.ndim) == (3, 2)


def test_one_slice_in_dicom_and_the_volume_in_nifti(tmp_path, tiny_pipeline):
    """The slice of the volume at the DICOM's position is what is fused with it."""
    whole = volume()
    nib.save(whole.to_nibabel(), tmp_path / "mr.nii.gz")
    path = save_dicom_slice(tmp_path / "one.dcm", place=4)
    pair = tiny_pipeline.session(path, tmp_path / "mr.nii.gz", steps=1).pair
    assert pair.reoriented_shape == (1, 24, 20)
    _, b = pair.on_one_grid()
    np.testing.assert_array_equal(b.array[0], whole.array[4])


def test_a_volume_with_one_slice_of_the_other_is_fused_in_that_slice(tiny_pipeline):
    whole = volume()
    for ndim in (2, 3):
        result = tiny_pipeline(whole, slice_of(volume(seed=1), 4, ndim), steps=1)
        assert result.fused.shape[:3] == (1, 24, 20)
        np.testing.assert_allclose(result.affine[:3, 3], [0, 0, 10])
        assert any("only slice 4 of image A" in note for note in result.record["warnings"])
        chosen = tiny_pipeline(whole, slice_of(volume(seed=1), 4, ndim), slices=(3, 6), steps=1)
        assert len(chosen.fused) == 3


def test_which_slice_holds_another():
    whole = volume()
    assert slice_with(whole, slice_of(whole, 2, 3), 0) == 2
    assert slice_with(whole, slice_of(whole, 2, 3), 1) is None  # crosses all of these
    assert slice_with(whole, whole, 0) is None
    long = AFFINE.copy()
    long[2, 3] = -2.5  # begins one slice below
    long = volume(8, affine=long)
    places = [slice_with(whole, slice_of(long, k, 3), 0) for k in (0, 1, 6, 7)]
    assert places == [None, 0, 5, None]
    turn = np.eye(4)
    turn[1:3, 1:3] = [[0.8, -0.6], [0.6, 0.8]]
    oblique = slice_of(volume(affine=turn @ AFFINE), 2, 3)
    assert slice_with(whole, oblique, 0) is None

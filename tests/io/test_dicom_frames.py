"""All slices in one file: grids, and frames without functional groups."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import generate_uid

from napari_textdifuse import io
from napari_textdifuse.errors import ReadError
from napari_textdifuse.samples import sample_dir

PLACE = {
    "ImagePositionPatient": [-10, -20, 30],
    "ImageOrientationPatient": [1, 0, 0, 0, 1, 0],
    "PixelSpacing": [1.5, 0.75],
    "SliceThickness": 2.5,
}
FRAMES = np.arange(5 * 8 * 6, dtype=np.int16).reshape(5, 8, 6)


def check_place(volume, step):
    """Every frame lies `step` mm above the last; the affine maps x, y, z to RAS."""
    for k, y, x in [(0, 0, 0), (4, 7, 5), (2, 3, 1)]:
        world = [10 - 0.75 * x, 20 - 1.5 * y, 30 + step * k, 1]
        index = np.rint(np.linalg.solve(volume.affine, world)[:3]).astype(int)
        assert volume.array[tuple(index[::-1])] == FRAMES[k, y, x]


@pytest.mark.parametrize(
    ("tags", "step"),
    [({}, 2.5), ({"SpacingBetweenSlices": 3}, 3), ({"SpacingBetweenSlices": -3}, 3)],
)
def test_a_ct_in_one_file_without_groups(tmp_path, make_dicom, save_dicom, tags, step):
    """As dcm2niix v1.0 places it, checked by hand; the assumption is said."""
    made = make_dicom(FRAMES, "CT", **PLACE, **tags, RescaleIntercept=0)
    (volume,) = io.read_times(save_dicom(made, tmp_path / "x.dcm"))
    check_place(volume, step)
    assert any(f"slices {step:g} mm apart" in note for note in volume.metadata["notes"])


@pytest.mark.parametrize("modality", ["CT", "OT"])
def test_frames_at_stated_locations(tmp_path, make_dicom, save_dicom, modality):
    locations = [30, 34, 38, 42, 46]
    made = make_dicom(FRAMES, modality, **PLACE, SliceLocationVector=locations)
    if modality == "CT":
        made.RescaleIntercept = 0
    (volume,) = io.read_times(save_dicom(made, tmp_path / "x.dcm"))
    check_place(volume, 4)
    assert any("slice locations (0018,2005)" in note for note in volume.metadata["notes"])


@pytest.mark.parametrize("tags", [{"FrameTime": 40}, {"Modality": "MR"}, {"SliceThickness": None}])
def test_frames_that_may_be_times_are_not_a_stack(tmp_path, make_dicom, save_dicom, tags):
    place = {k: v for k, v in PLACE.items() if k not in tags}
    made = make_dicom(FRAMES, "CT", **place, **{k: v for k, v in tags.items() if v is not None})
    found = io.read_times(save_dicom(made, tmp_path / "x.dcm"))
    assert len(found) == 5
    assert found[0].affine is None


def grid(make_dicom, positions=True, **tags):
    """United Imaging's grid: 5 slices in 2 x 3 tiles, corner of the first slice."""
    picture = np.zeros((2 * 8, 3 * 6), np.int16)
    for k, frame in enumerate(FRAMES):
        y, x = 8 * (k // 3), 6 * (k % 3)
        picture[y : y + 8, x : x + 6] = frame
    kind = ["ORIGINAL", "PRIMARY", "M", "VFRAME"]
    made = make_dicom(picture, "MR", ImageType=kind, Manufacturer="UIH", **{**PLACE, **tags})
    block = made.private_block(0x65, "Image Private Header", create=True)
    block.add_new(0x50, "DS", "5")
    items = []
    for k in range(5):
        items.append(Dataset())
        items[-1].ImagePositionPatient = [-10, -20, 30 + 4 * k]
    if positions:
        block.add_new(0x51, "SQ", Sequence(items))
    return made, block


def test_a_grid_with_the_position_of_each_slice(tmp_path, make_dicom, save_dicom):
    made, _ = grid(make_dicom)
    (volume,) = io.read_times(save_dicom(made, tmp_path / "x.dcm"))
    check_place(volume, 4)
    assert volume.metadata["notes"] == ()


@pytest.mark.parametrize("sign", [1, -1])
def test_a_grid_with_the_direction_of_its_slices(tmp_path, make_dicom, save_dicom, sign):
    made, block = grid(make_dicom, positions=False, SpacingBetweenSlices=3)
    block.add_new(0x14, "DS", ["0", "0", str(sign)])
    (volume,) = io.read_times(save_dicom(made, tmp_path / "x.dcm"))
    check_place(volume, 3 * sign)
    assert volume.metadata["notes"] == ()


def test_a_grid_without_a_direction_says_so(tmp_path, make_dicom, save_dicom):
    made, _ = grid(make_dicom, positions=False)
    (volume,) = io.read_times(save_dicom(made, tmp_path / "x.dcm"))
    check_place(volume, 2.5)
    assert any("assumed to be along their normal" in n for n in volume.metadata["notes"])


def test_a_grid_that_does_not_fit_is_refused(tmp_path, make_dicom, save_dicom):
    made, _ = grid(make_dicom, Rows=15)
    with pytest.raises(ReadError, match="15 x 18 pixels cannot contain 5 slices in 2 x 3"):
        io.read(save_dicom(made, tmp_path / "x.dcm"))


@pytest.mark.parametrize(
    ("cosines", "axis", "words"),
    [
        ([1, 0, 0, 0, 1, 0], 2, "from feet to head"),
        ([0, 1, 0, 0, 0, -1], 0, "from right to left"),  # against the plane's normal
        ([1, 0, 0, 0, 0, -1], 1, "from front to back"),
    ],
)
def test_an_anonymised_mosaic_in_its_usual_order(
    tmp_path, make_mosaic, save_dicom, cosines, axis, words
):
    mosaic = make_mosaic(FRAMES, (0, 0, 1), **{**PLACE, "ImageOrientationPatient": cosines})
    del mosaic[0x00291010]
    mosaic.private_block(0x19, "SIEMENS MR HEADER", create=True).add_new(0x0A, "US", 5)
    (volume,) = io.read_times(save_dicom(mosaic, tmp_path / "x.dcm"))
    assert any(words in note for note in volume.metadata["notes"])
    along = np.diag([-1, -1, 1]) @ volume.affine[:3, 2]  # LPS
    first = volume.array[0, 0, 0] == FRAMES[0, 0, 0]
    assert along[axis] * (1 if first else -1) == pytest.approx(2.5)


@pytest.mark.parametrize("kind", ["PET", "MR", "CT"])
@pytest.mark.filterwarnings("ignore")  # of highdicom and pydicom
def test_a_series_that_highdicom_made_one_file_of_is_that_series(tmp_path, kind):
    """Its slices have slopes of their own in PET, which dcm2niix 1.0.20260724 overlooks."""
    legacy = pytest.importorskip("highdicom.legacy")
    if kind == "CT":
        root = Path(pydicom.data.__file__).parent / "test_files"
        files = [found for name in ("17136", "17166", "17196") for found in root.rglob(name)]
    else:
        files = sorted((sample_dir() / "brain/dicom" / {"PET": "pet", "MR": "t1"}[kind]).iterdir())
    (tmp_path / "series").mkdir()
    for file in files:
        shutil.copy(file, tmp_path / "series")
    make = getattr(legacy, f"LegacyConvertedEnhanced{kind}Image")
    made = make(
        legacy_datasets=[pydicom.dcmread(file) for file in files],
        series_instance_uid=generate_uid(),
        series_number=9,
        sop_instance_uid=generate_uid(),
        instance_number=1,
    )
    made.save_as(tmp_path / "one.dcm")
    series, one = io.read(tmp_path / "series"), io.read(tmp_path / "one.dcm")
    np.testing.assert_array_equal(one.array, series.array)
    np.testing.assert_allclose(one.affine, series.affine, atol=1e-9)
    assert (one.modality, one.unit) == (series.modality, series.unit)
    assert one.unit == {"PET": "SUVbw", "MR": "a.u.", "CT": "HU"}[kind]

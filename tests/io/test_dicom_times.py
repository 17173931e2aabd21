"""Images over time, echoes and b-values: sorted, chosen by number, on one grid."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from napari_textdifuse import io
from napari_textdifuse.errors import GeometryError, InputError, ReadError

SHAPE = (3, 5, 6)


def volumes(count, shape=SHAPE):
    """Time point t holds 1000 t and the voxel's number."""
    return [
        np.arange(np.prod(shape), dtype=np.int16).reshape(shape) + 1000 * t for t in range(count)
    ]


@pytest.fixture
def write_times(tmp_path, make_series):
    """Write volumes as one classic series; `tags` takes the time point and the slice."""

    def write(arrays, tags, **options):
        for t, array in enumerate(arrays):
            make_series(
                tmp_path / "s",
                array,
                "MR",
                prefix=f"{len(arrays) - t}_",  # names say nothing of the time
                each=lambda k, t=t: tags(t, k),
                **options,
            )
        return tmp_path / "s"

    return write


@pytest.mark.parametrize(
    "tags",
    [
        lambda t, k: {"InstanceNumber": 3 * t + k + 1},  # volume by volume
        lambda t, k: {"InstanceNumber": 4 * k + t + 1},  # position by position
        lambda t, k: {"InstanceNumber": 99 - t, "TemporalPositionIdentifier": t + 1},
        lambda t, k: {"InstanceNumber": 99 - t, "TriggerTime": 100 * t + 7 * k},
        lambda t, k: {"InstanceNumber": 99 - t, "AcquisitionTime": f"1000{10 * t + k:02d}.5"},
        lambda t, k: {"InstanceNumber": 1, "FrameReferenceTime": 1000.0 * t},
    ],
)
def test_time_points_follow_each_other(write_times, tags):
    folder = write_times(volumes(4), tags)
    found = io.read_times(folder)
    assert len(found) == 4
    for t, (volume, expected) in enumerate(zip(found, volumes(4), strict=True)):
        np.testing.assert_array_equal(volume.array, expected)
        assert (volume.metadata["time"], volume.metadata["time_points"]) == (t, 4)
        np.testing.assert_array_equal(volume.affine, found[0].affine)
    np.testing.assert_array_equal(io.read(folder, time=2).array, volumes(4)[2])


@pytest.mark.parametrize("time", [4, -1, 1.5, True, "1"])
def test_a_time_point_must_exist(write_times, time):
    folder = write_times(volumes(4), lambda t, k: {"InstanceNumber": 3 * t + k})
    with pytest.raises(
        InputError, match="MR series 3: the series has 4 time points, numbered 0 to 3"
    ):
        io.read(folder, time=time)


def test_several_time_points_ask_for_one(write_times):
    folder = write_times(volumes(4), lambda t, k: {"InstanceNumber": 3 * t + k})
    with pytest.raises(InputError, match="has 4 time points; choose one with time=0 to 3"):
        io.read(folder)


def test_a_single_image_has_no_time_points(tmp_path, make_series):
    make_series(tmp_path / "s", volumes(1)[0])
    volume = io.read(tmp_path / "s", time=3)  # as the partner of an image over time
    assert volume.shape == SHAPE
    assert "time" not in volume.metadata


def test_echoes_and_b_values_are_called_so(write_times, tmp_path):
    folder = write_times(
        volumes(2), lambda t, k: {"InstanceNumber": 9 - 3 * t + k, "EchoTime": 10.0 * (t + 1)}
    )
    with pytest.raises(InputError, match="has 2 echo times"):
        io.read(folder)
    assert [v.metadata["EchoTime"] for v in io.read_times(folder)] == [10, 20]
    assert io.read(folder, time=0).array.max() < 1000
    shutil.rmtree(folder)
    write_times(
        volumes(2), lambda t, k: {"InstanceNumber": 3 * t + k, "DiffusionBValue": 1000.0 * (1 - t)}
    )
    with pytest.raises(InputError, match="has 2 b-values"):
        io.read(folder)
    # in the order of acquisition
    assert [v.metadata["DiffusionBValue"] for v in io.read_times(folder)] == [1000, 0]


def test_a_scan_that_was_stopped_keeps_its_complete_time_points(write_times):
    folder = write_times(
        volumes(4), lambda t, k: {"InstanceNumber": 3 * t + k, "TemporalPositionIdentifier": t + 1}
    )
    next(folder.glob("1_*_2")).unlink()  # the last slice of the last time point
    found = io.read_times(folder)
    assert len(found) == 3
    assert "1 of 4 time points is incomplete and was dropped: 2 images." in str(
        found[0].metadata["notes"]
    )


def test_slices_that_nothing_tells_apart_are_refused(write_times):
    folder = write_times(volumes(2), lambda t, k: {"InstanceNumber": k})
    with pytest.raises(
        InputError, match="6 images share 3 slice positions, 2 at each, and their headers"
    ):
        io.read(folder)


def test_echoes_that_do_not_form_volumes_are_refused(write_times):
    folder = write_times(
        volumes(2),
        lambda t, k: {"InstanceNumber": 3 * t + k, "EchoTime": 10.0 * (t + 1) + 5 * (k == 1)},
    )
    with pytest.raises(GeometryError, match="their echo times cannot be sorted into 2 volumes"):
        io.read(folder)


def test_a_time_point_elsewhere_is_refused(tmp_path, make_series):
    make_series(tmp_path / "s", volumes(1)[0], prefix="a")
    make_series(
        tmp_path / "s",
        volumes(1)[0],
        prefix="b",
        shift=lambda k: np.array([4.0, 0, 0]),
        each=lambda k: {"InstanceNumber": 10 + k},
    )
    with pytest.raises(GeometryError, match=r"time points are up to 4\.00 mm apart"):
        io.read(tmp_path / "s")


def test_a_moving_slice_is_two_dimensional(write_times):
    found = io.read_times(write_times(volumes(5, (1, 5, 6)), lambda t, k: {"TriggerTime": t}))
    assert [v.array.shape for v in found] == [(5, 6)] * 5
    np.testing.assert_allclose(found[0].spacing, (1.5, 0.75))


def test_a_dynamic_pet_is_corrected_to_the_start_of_the_whole_scan(tmp_path, make_series, pet_tags):
    """The series time is wrong for every frame but the first; each frame gets one factor."""
    for t in range(2):
        make_series(
            tmp_path / "s",
            np.full(SHAPE, 1000, np.uint16),
            "PT",
            prefix=str(t),
            **pet_tags | {"AcquisitionTime": f"10{t:02d}00", "InstanceNumber": None},
            each=lambda k, t=t: {"InstanceNumber": 3 * t + k},
        )
    found = io.read_times(tmp_path / "s")
    assert [v.array.max() for v in found] == [pytest.approx(0.8)] * 2


def test_frames_of_an_enhanced_file(tmp_path, make_enhanced, save_dicom):
    def macro(**tags):
        made = Dataset()
        for key, value in tags.items():
            setattr(made, key, value)
        return Sequence([made])

    arrays = volumes(2)
    frames, pixels = [], []
    for k in (2, 0, 1):  # stored in any order
        for t in (1, 0):
            frames.append(
                {
                    "PlanePositionSequence": macro(ImagePositionPatient=[-10, -20, 30 + 2.5 * k]),
                    "FrameContentSequence": macro(
                        DimensionIndexValues=[1, k + 1, t + 1], TemporalPositionIndex=t + 1
                    ),
                    "PixelValueTransformationSequence": macro(
                        RescaleSlope=t + 1, RescaleIntercept=5
                    ),
                }
            )
            pixels.append(arrays[t][k])
    dataset = make_enhanced(np.array(pixels), frames)
    # as Philips does: a private group that repeats the position, with other values
    private = dataset.PerFrameFunctionalGroupsSequence[0].private_block(0x2005, "X", create=True)
    private.add_new(0x0F, "SQ", macro(ImagePositionPatient=[0, 0, 0]))
    path = save_dicom(dataset, tmp_path / "x")
    with pytest.raises(InputError, match="2 time points"):
        io.read(path)
    for t, volume in enumerate(io.read_times(path)):
        np.testing.assert_array_equal(volume.array, arrays[t] * (t + 1) + 5)
        np.testing.assert_allclose((volume.affine @ [1, 2, 1, 1])[:3], (9.25, 17, 32.5))


def test_a_gated_tomogram(tmp_path, make_dicom, save_dicom):
    detector = Dataset()
    detector.ImagePositionPatient = [0, 0, 0]
    detector.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    array = np.arange(6, dtype=np.uint16)[:, None, None] * np.ones((4, 5), np.uint16)
    dataset = make_dicom(
        array,
        "NM",
        ImageType=["ORIGINAL", "PRIMARY", "RECON GATED TOMO", "EMISSION"],
        NumberOfSlices=3,
        SliceVector=[1, 2, 3, 1, 2, 3],
        TimeSlotVector=[1, 1, 1, 2, 2, 2],
        SpacingBetweenSlices=4,
        PixelSpacing=[2, 2],
        DetectorInformationSequence=Sequence([detector]),
    )
    found = io.read_times(save_dicom(dataset, tmp_path / "x"))
    assert [v.array[:, 0, 0].tolist() for v in found] == [[0, 1, 2], [3, 4, 5]]
    np.testing.assert_allclose(found[0].spacing, (4, 2, 2))


def test_a_dose_is_scaled_to_gray(tmp_path, make_dicom, save_dicom):
    dataset = make_dicom(
        np.arange(3, dtype=np.uint16)[:, None, None] * np.ones((4, 5), np.uint16),
        "OT",
        Modality="RTDOSE",
        DoseUnits="GY",
        DoseGridScaling="0.5",
        GridFrameOffsetVector=[0, 3, 6],
        ImagePositionPatient=[1, 2, 3],
        ImageOrientationPatient=[1, 0, 0, 0, 1, 0],
        PixelSpacing=[2, 2],
    )
    volume = io.read(save_dicom(dataset, tmp_path / "x"))
    assert volume.unit == "Gy"
    assert volume.array[:, 0, 0].tolist() == [0, 0.5, 1]
    np.testing.assert_allclose((volume.affine @ [0, 0, 2, 1])[:3], (-1, -2, 9))


def test_images_of_a_cine_have_no_geometry(tmp_path, make_dicom, save_dicom):
    array = np.arange(4 * 5 * 6 * 3, dtype=np.uint8).reshape(4, 5, 6, 3)
    cine = make_dicom(array, "OT", SamplesPerPixel=3, ImagePositionPatient=[0, 0, 0])
    found = io.read_times(save_dicom(cine, tmp_path / "x"))
    assert len(found) == 4
    assert found[3].rgb
    np.testing.assert_array_equal(found[3].array, array[3])
    assert found[3].affine is None


@pytest.mark.parametrize("sign", [1, -1])
def test_siemens_mosaics(tmp_path, make_mosaic, save_dicom, sign):
    """The image's corner is where one slice of the image's size would begin."""
    (tmp_path / "s").mkdir()
    arrays = volumes(2, (5, 8, 6))  # 5 slices in 3 x 3 tiles
    for t, array in enumerate(arrays):
        mosaic = make_mosaic(
            array,
            (0, 0, sign),
            ImagePositionPatient=[-100 - 2 * 6 * 6 / 2, -80 - 3 * 8 * 2 / 2, 10],
            ImageOrientationPatient=[1, 0, 0, 0, 1, 0],
            PixelSpacing=[3, 6],
            SpacingBetweenSlices=4.5,
            AcquisitionNumber=t + 1,
            InstanceNumber=9 - t,
        )
        save_dicom(mosaic, tmp_path / "s" / str(t))
    found = io.read_times(tmp_path / "s")
    assert len(found) == 2
    for volume, array in zip(found, arrays, strict=True):
        assert volume.shape == (5, 8, 6)
        for x, y, z in [(0, 0, 0), (5, 7, 4), (1, 2, 3)]:
            world = [100 - 6 * x, 80 - 3 * y, 10 + sign * 4.5 * z, 1]
            i, j, k, _ = np.rint(np.linalg.solve(volume.affine, world)).astype(int)
            assert volume.array[k, j, i] == array[z, y, x]


def test_a_mosaic_that_does_not_fit_is_refused(tmp_path, make_mosaic, save_dicom):
    mosaic = make_mosaic(
        np.zeros((5, 8, 6), np.uint16),
        (0, 0, 1),
        ImagePositionPatient=[0, 0, 0],
        ImageOrientationPatient=[1, 0, 0, 0, 1, 0],
        PixelSpacing=[3, 6],
        SpacingBetweenSlices=4.5,
        Rows=23,
    )
    with pytest.raises(ReadError, match="23 x 18 pixels cannot contain 5 slices in 3 x 3"):
        io.read(save_dicom(mosaic, tmp_path / "x"))


def test_nifti_and_tiff_over_time(tmp_path):
    import nibabel as nib
    import tifffile

    array = np.arange(7 * 4 * 3 * 2, dtype=np.int16).reshape(2, 3, 4, 7)  # x, y, z, t
    for name in ("x.nii", "x.nii.gz"):
        image = nib.Nifti1Image(array, np.diag([2, 3, 4, 1]))
        image.header.set_slope_inter(0.5, 1)
        nib.save(image, tmp_path / name)
        found = io.read_times(tmp_path / name)
        assert len(found) == 7
        np.testing.assert_array_equal(found[5].array, array[..., 5].T * 0.5 + 1)
        assert found[5].array.dtype == np.float32
        np.testing.assert_array_equal(io.read(tmp_path / name, time=5).array, found[5].array)
    pages = np.arange(7 * 5 * 6, dtype=np.uint8).reshape(7, 5, 6)
    tifffile.imwrite(tmp_path / "x.tif", pages, metadata={"axes": "TYX"})
    np.testing.assert_array_equal(io.read(tmp_path / "x.tif", time=3).array, pages[3])

from __future__ import annotations

import shutil

import numpy as np
import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import JPEGLosslessSV1

from napari_textdifuse import io
from napari_textdifuse.errors import GeometryError, InputError, ReadError
from napari_textdifuse.intensity import default_window


def ramp(shape=(4, 5, 6), dtype=np.int16):
    return np.arange(np.prod(shape)).reshape(shape).astype(dtype)


def rotation():
    """Cosines of an oblique plane: turned about x by 20 and about z by 30 degrees."""
    a, b = np.radians(20), np.radians(30)
    about_x = np.array([[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]])
    about_z = np.array([[np.cos(b), -np.sin(b), 0], [np.sin(b), np.cos(b), 0], [0, 0, 1]])
    turn = about_z @ about_x
    return np.concatenate([turn[:, 0], turn[:, 1]])


SAGITTAL = np.array([0, 1.0, 0, 0, 0, -1.0])
FEET_FIRST = np.array([-1.0, 0, 0, 0, 1.0, 0])


@pytest.mark.parametrize("cosines", [None, rotation(), SAGITTAL, FEET_FIRST])
def test_every_voxel_lies_where_dicom_says(tmp_path, make_series, cosines):
    array = ramp()
    slices = make_series(tmp_path / "s", array, cosines=cosines)
    volume = io.read(tmp_path / "s")
    assert volume.array.shape == (4, 5, 6)
    assert (volume.unit, volume.modality) == ("HU", "CT")
    np.testing.assert_array_equal(volume.array, array.astype(np.float32) - 1024)
    assert volume.array.dtype == np.float32
    np.testing.assert_allclose(volume.spacing, (2.5, 1.5, 0.75))
    for k, header in enumerate(slices):
        cosine = np.array(header.ImageOrientationPatient)
        # PS3.3 C.7.6.2.1.1: column 4, row 2 of slice k; then LPS to RAS
        lps = np.array(header.ImagePositionPatient) + 4 * 0.75 * cosine[:3] + 2 * 1.5 * cosine[3:]
        np.testing.assert_allclose((volume.affine @ [4, 2, k, 1])[:3], lps * [-1, -1, 1], atol=1e-5)


def test_slices_are_ordered_along_the_normal_whatever_the_numbers_say(tmp_path, make_series):
    make_series(tmp_path / "s", ramp(), each=lambda k: {"InstanceNumber": 9 - k})
    array = io.read(tmp_path / "s").array
    assert (np.diff(array[:, 0, 0]) > 0).all()


def test_each_pet_slice_has_its_own_slope(tmp_path, make_series, pet_tags):
    values = np.full((3, 2, 2), 1000, np.uint16)
    make_series(
        tmp_path / "s",
        values,
        "PT",
        each=lambda k: {**pet_tags, "RescaleSlope": k + 1},
        WindowCenter=5000,
        WindowWidth=10000,
    )
    volume = io.read(tmp_path / "s")
    assert (volume.unit, volume.modality) == ("SUVbw", "PT")
    np.testing.assert_allclose(volume.array[:, 0, 0], [0.4, 0.8, 1.2], rtol=1e-6)
    assert volume.window is None  # it was one of Bq/mL
    assert volume.metadata["suv"]["factor"] == pytest.approx(0.0004)


def test_pet_without_weight_stays_in_activity_and_says_so(tmp_path, make_series, pet_tags):
    tags = {k: v for k, v in pet_tags.items() if k != "PatientWeight"}
    make_series(
        tmp_path / "s",
        np.full((3, 2, 2), 1000, np.uint16),
        "PT",
        WindowCenter=500.5,
        WindowWidth=1001,
        **tags,
    )
    volume = io.read(tmp_path / "s")
    assert volume.unit == "Bq/mL"
    assert volume.array.max() == 2000
    assert volume.window == (0, 1000)
    assert sum("weight" in note for note in volume.metadata["notes"]) == 1


def test_window_only_when_all_slices_agree(tmp_path, make_series):
    make_series(tmp_path / "a", ramp(), WindowCenter=[40, 300], WindowWidth=[400, 2000])
    assert io.read(tmp_path / "a").window == (-160, 239)  # linear: 40 - 0.5 -+ 399 / 2
    make_series(
        tmp_path / "e",
        ramp(),
        WindowCenter=40,
        WindowWidth=400,
        VOILUTFunction="LINEAR_EXACT",
    )
    assert io.read(tmp_path / "e").window == (-160, 240)
    make_series(tmp_path / "b", ramp(), WindowWidth=400, each=lambda k: {"WindowCenter": 40 + k})
    assert io.read(tmp_path / "b").window is None


def test_integers_without_rescaling_stay_as_stored(tmp_path, make_series):
    make_series(tmp_path / "s", ramp() - 50, "MR")
    volume = io.read(tmp_path / "s")
    assert volume.array.dtype == np.int16
    assert volume.array.min() == -50
    assert (volume.unit, volume.modality) == ("a.u.", "MR")


def test_twelve_bits_with_sign(tmp_path, make_dicom, save_dicom):
    stored = np.array([[-2048, -1], [0, 2047]], np.int16)
    dataset = make_dicom(stored & 0x0FFF, "MR", BitsStored=12, HighBit=11, PixelRepresentation=1)
    volume = io.read(save_dicom(dataset, tmp_path / "x"))
    np.testing.assert_array_equal(volume.array, stored)


@pytest.mark.parametrize(("modality", "found"), [("US", None), ("OT", "MR"), ("PT", "PT")])
def test_a_name_does_not_contradict_the_modality_of_the_file(
    tmp_path, make_dicom, save_dicom, modality, found
):
    (tmp_path / "mri").mkdir()
    path = save_dicom(make_dicom(ramp((5, 6)), modality), tmp_path / "mri" / "x.dcm")
    volume = io.read(path)
    assert volume.modality == found
    noted = any("states the modality US" in note for note in volume.metadata["notes"])
    assert noted == (found is None)


def test_monochrome1_keeps_values(tmp_path, make_dicom, save_dicom):
    dataset = make_dicom(ramp((2, 3)), "OT", PhotometricInterpretation="MONOCHROME1")
    volume = io.read(save_dicom(dataset, tmp_path / "x"))
    np.testing.assert_array_equal(volume.array, ramp((2, 3)))
    assert volume.metadata["PhotometricInterpretation"] == "MONOCHROME1"


def test_colour_and_palette(tmp_path, make_dicom, save_dicom):
    rgb = ramp((4, 5, 3), np.uint8)
    volume = io.read(save_dicom(make_dicom(rgb, "OT", SamplesPerPixel=3), tmp_path / "rgb"))
    assert volume.rgb
    np.testing.assert_array_equal(volume.array, rgb)
    table = {
        f"{c}PaletteColorLookupTable{k}": v
        for c, data in {"Red": [10, 20], "Green": [30, 40], "Blue": [50, 60]}.items()
        for k, v in {
            "Descriptor": [2, 0, 16],
            "Data": (np.array(data, np.uint16) << 8).tobytes(),
        }.items()
    }
    dataset = make_dicom(
        np.array([[0, 1]], np.uint8), "OT", PhotometricInterpretation="PALETTE COLOR", **table
    )
    volume = io.read(save_dicom(dataset, tmp_path / "p"))
    assert volume.rgb
    assert volume.array.tolist() == [[[10, 30, 50], [20, 40, 60]]]


def test_a_single_slice_is_two_dimensional_with_geometry(tmp_path, make_series):
    make_series(tmp_path / "s", ramp((1, 5, 6)))
    volume = io.read(next((tmp_path / "s").iterdir()))
    assert volume.array.shape == (5, 6)
    np.testing.assert_allclose(np.diag(volume.affine), [-0.75, -1.5, 2.5, 1])
    np.testing.assert_allclose(volume.affine[:3, 3], [10, 20, 30])
    assert io.read(tmp_path / "s").array.shape == (5, 6)


def test_no_position_no_geometry(tmp_path, make_dicom, save_dicom):
    dataset = make_dicom(ramp((4, 4)), "NM", PixelSpacing=[2, 3])
    volume = io.read(save_dicom(dataset, tmp_path / "x"))
    assert volume.affine is None
    assert volume.metadata["PixelSpacing"] == [2, 3]
    assert "without geometry" in volume.metadata["notes"][0]


def test_reconstructed_spect(tmp_path, make_dicom, save_dicom):
    from pydicom.dataset import Dataset
    from pydicom.sequence import Sequence

    detector = Dataset()
    detector.ImagePositionPatient = [-10, -20, 30]
    detector.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    tags = {
        "ImageType": ["ORIGINAL", "PRIMARY", "RECON TOMO", "EMISSION"],
        "NumberOfSlices": 4,
        "PixelSpacing": [4, 5],
        "DetectorInformationSequence": Sequence([detector]),
    }
    dataset = make_dicom(ramp(), "NM", SpacingBetweenSlices=-6, **tags)
    volume = io.read(save_dicom(dataset, tmp_path / "x"))
    assert volume.modality == "NM"
    for x, y, z in [(0, 0, 0), (1, 2, 3), (5, 4, 2)]:
        index = np.linalg.solve(volume.affine, [10 - 5 * x, 20 - 4 * y, 30 - 6 * z, 1])
        i, j, k, _ = np.rint(index).astype(int)
        assert volume.array[k, j, i] == ramp()[z, y, x]
    dataset = make_dicom(
        ramp(),
        "NM",
        SpacingBetweenSlices=6,
        **tags | {"ImageType": ["ORIGINAL", "PRIMARY", "TOMO"]},
    )
    path = save_dicom(dataset, tmp_path / "projections")
    with pytest.raises(InputError, match=r"4 frames that are not stated to be slices.*=0 to 3"):
        io.read(path)
    frame = io.read(path, time=2)
    np.testing.assert_array_equal(frame.array, ramp()[2])
    assert frame.affine is None


def test_enhanced_ct(tmp_path, make_dicom, save_dicom):
    from pydicom.dataset import Dataset
    from pydicom.sequence import Sequence

    def item(**tags):
        made = Dataset()
        for key, value in tags.items():
            setattr(made, key, value)
        return made

    def macro(**tags):
        return Sequence([item(**tags)])

    order = [2, 0, 3, 1]  # frames are stored in any order
    shared = item(
        PixelMeasuresSequence=macro(PixelSpacing=[1.5, 0.75], SliceThickness=2.5),
        PlaneOrientationSequence=macro(ImageOrientationPatient=[1, 0, 0, 0, 1, 0]),
        PixelValueTransformationSequence=macro(
            RescaleSlope=2, RescaleIntercept=-1024, RescaleType="HU"
        ),
    )
    frames = [
        item(PlanePositionSequence=macro(ImagePositionPatient=[-10, -20, 30 + 2.5 * k]))
        for k in order
    ]
    dataset = make_dicom(
        ramp(dtype=np.uint16)[order],
        "CT",
        SOPClassUID="1.2.840.10008.5.1.4.1.1.2.1",
        RescaleSlope=None,
        RescaleIntercept=None,
        SharedFunctionalGroupsSequence=Sequence([shared]),
        PerFrameFunctionalGroupsSequence=Sequence(frames),
        StudyInstanceUID="1.2.3",
        FrameOfReferenceUID="1.2.5",
    )
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    volume = io.read(save_dicom(dataset, tmp_path / "x"))
    assert (volume.unit, volume.modality) == ("HU", "CT")
    for x, y, z in [(0, 0, 0), (4, 2, 1), (5, 4, 3)]:
        world = [10 - 0.75 * x, 20 - 1.5 * y, 30 + 2.5 * z, 1]
        i, j, k, _ = np.rint(np.linalg.solve(volume.affine, world)).astype(int)
        assert volume.array[k, j, i] == ramp()[z, y, x] * 2 - 1024


def test_no_identity_anywhere(tmp_path, make_series, secrets, pet_tags):
    make_series(tmp_path / "s", ramp(dtype=np.uint16), "PT", **pet_tags)
    volume = io.read(tmp_path / "s")
    text = repr((volume.name, volume.metadata))
    assert volume.name == "PT series 3"
    for secret in secrets.values():
        assert secret not in text
    assert "Secretive" not in text


def test_several_series(tmp_path, make_series):
    folder = tmp_path / "s"
    make_series(folder, ramp((3, 5, 6)), "CT")
    for path in list(folder.iterdir()):
        path.rename(folder / f"ct_{path.name}")
    make_series(folder, ramp(), "MR", SeriesInstanceUID="1.2.3.5", SeriesNumber=7)
    (folder / "notes.txt").write_text("not an image")
    largest, other = io.list_series(folder)
    assert (largest.uid, largest.modality, largest.images) == ("1.2.3.5", "MR", 4)
    assert (other.uid, other.title, other.description) == (
        "1.2.3.4",
        "CT series 3",
        "Secretive thorax",
    )
    volume = io.read(folder)
    assert volume.modality == "MR"
    assert volume.metadata["other_series"] == [
        {"uid": "1.2.3.4", "modality": "CT", "number": 3, "images": 3}
    ]
    assert "2 image series" in volume.metadata["notes"][0]
    chosen = io.read(folder, series="1.2.3.4")
    assert chosen.modality == "CT"
    assert chosen.metadata["notes"] == ()
    with pytest.raises(InputError, match=r"has no series 9\.9; it has 1\.2\.3\.5 \(MR series 7, 4"):
        io.read(folder, series="9.9")


def test_a_second_copy_of_a_file_is_ignored(tmp_path, make_series):
    make_series(tmp_path / "s", ramp())
    first = next((tmp_path / "s").iterdir())
    shutil.copy(first, tmp_path / "s" / "copy.dcm")
    assert io.read(tmp_path / "s").array.shape == (4, 5, 6)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"skip": (2,)}, GeometryError, r"1 of 6 slices is missing.*32\.50 and 37\.50 mm"),
        ({"skip": (1, 2)}, GeometryError, r"2 of 6 slices are missing"),
        (
            {"shift": lambda k: np.array([3.0 * (k == 2), 0, 0])},
            GeometryError,
            r"a slice is 3\.00 mm off the line",
        ),
        (
            {"shift": lambda k: np.array([0, 0, -2.5 * (k // 2 * 2 - k // 2)])},
            GeometryError,
            r"6 images share 4 slice positions unevenly",
        ),
        (
            {"each": lambda k: {"PixelSpacing": [1.5, 0.75 + (k == 3)]}},
            GeometryError,
            "1 of 6 images differ from the first in pixel size",
        ),
        (
            {"each": lambda k: {"ImageOrientationPatient": SAGITTAL.tolist()} if k == 3 else {}},
            GeometryError,
            "1 of 6 images differ from the first in orientation",
        ),
        (
            {"each": lambda k: {"PixelSpacing": [0, 0]}},
            GeometryError,
            "is invalid",
        ),
        (
            {"ImageOrientationPatient": [1, 0, 0, 0.5, 0.5, 0]},
            GeometryError,
            "not two perpendicular unit vectors",
        ),
        (
            {"ImageType": ["ORIGINAL", "PRIMARY", "M", "MOSAIC"]},
            ReadError,
            "mosaic .* without the private header",
        ),
    ],
)
def test_irregular_series_are_refused_with_numbers(tmp_path, make_series, options, error, message):
    make_series(tmp_path / "s", ramp((6, 5, 6)), **options)
    with pytest.raises(error, match=message):
        io.read(tmp_path / "s")


def test_images_of_other_size_are_named(tmp_path, make_series, make_dicom, save_dicom):
    make_series(tmp_path / "s", ramp())
    scout = make_dicom(
        ramp((8, 9)),
        ImagePositionPatient=[0, 0, 0],
        ImageOrientationPatient=[1, 0, 0, 0, 1, 0],
        PixelSpacing=[1, 1],
    )
    save_dicom(scout, tmp_path / "s" / "scout")
    with pytest.raises(GeometryError, match="4 of 5 x 6, 1 of 8 x 9"):
        io.read(tmp_path / "s")


def test_small_rounding_in_the_header_is_forgiven(tmp_path, make_series):
    make_series(tmp_path / "s", ramp(), shift=lambda k: np.array([0, 0, 0.004 * (-1) ** k]))
    assert io.read(tmp_path / "s").spacing[0] == pytest.approx(2.5, abs=0.01)


def test_truncated_pixels(tmp_path, make_series):
    make_series(tmp_path / "s", ramp())
    path = sorted((tmp_path / "s").iterdir())[1]
    path.write_bytes(path.read_bytes()[:-20])
    for source in (path, tmp_path / "s"):
        with pytest.raises(ReadError, match=path.name):
            io.read(source)


@pytest.mark.parametrize("kept", [140, 200, 400, 700])
def test_truncated_header(tmp_path, make_dicom, save_dicom, kept):
    path = save_dicom(make_dicom(ramp((5, 6))), tmp_path / "x.dcm")
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(ReadError, match=r"x\.dcm"):
        io.read(path)


def test_compression_without_decoder(tmp_path, make_dicom, save_dicom, monkeypatch):
    from pydicom.encaps import encapsulate

    from napari_textdifuse.io import dicom_pixels

    class NoDecoder:
        is_available = False

    monkeypatch.setattr(dicom_pixels, "get_decoder", lambda uid: NoDecoder())
    dataset = make_dicom(ramp((5, 6)))
    dataset.file_meta.TransferSyntaxUID = JPEGLosslessSV1
    dataset.PixelData = encapsulate([b"\xff\xd8\xff\xd9"])
    dataset["PixelData"].is_undefined_length = True
    path = save_dicom(dataset, tmp_path / "x")
    with pytest.raises(ReadError, match=r"compressed as JPEG Lossless.*dicom-codecs"):
        io.read(path)


def test_folders_without_images(tmp_path, make_dicom, save_dicom):
    with pytest.raises(ReadError, match="no DICOM images"):
        io.read(tmp_path)
    report = make_dicom(ramp((2, 2)), "OT", Rows=None, Columns=None, PixelData=None)
    path = save_dicom(report, tmp_path / "report.dcm")
    with pytest.raises(ReadError, match="no DICOM images"):
        io.read(tmp_path)
    with pytest.raises(ReadError, match="contains no image"):
        io.read(path)
    with pytest.raises(ReadError, match="not a folder"):
        io.list_series(tmp_path / "missing")


def test_files_without_preamble(tmp_path, make_dicom):
    dataset = make_dicom(ramp((5, 6)), "MR")
    del dataset.file_meta
    path = tmp_path / "old.dcm"
    dataset.save_as(path, implicit_vr=True, little_endian=True)
    assert path.read_bytes()[128:132] != b"DICM"
    np.testing.assert_array_equal(io.read(path).array, ramp((5, 6)))


def test_broken_numbers_do_not_stop_reading(tmp_path, make_dicom, save_dicom, recwarn, caplog):
    """Hospital files hold invalid values; they must neither warn nor crash."""
    dataset = make_dicom(ramp((5, 6)), "MR")
    path = save_dicom(dataset, tmp_path / "x")
    data = path.read_bytes()
    assert data.count(b"IS\x02\x003 ") == 1  # the series number
    path.write_bytes(data.replace(b"IS\x02\x003 ", b"IS\x02\x00x "))
    volume = io.read(path)
    assert volume.name == "MR series"
    assert not recwarn.list
    assert not caplog.records


@pytest.mark.parametrize(("low", "unit"), [(-900, "HU"), (0, "a.u.")])
def test_a_ct_without_an_intercept(tmp_path, make_dicom, save_dicom, low, unit):
    """Half the stored values; where nothing is near air, they are no Hounsfield units."""
    stored = np.arange(2 * low, 2 * low + 40, 2, dtype=np.int16).reshape(4, 5)
    dataset = make_dicom(stored, RescaleSlope=0.5, RescaleIntercept=None)
    volume = io.read(save_dicom(dataset, tmp_path / "x.dcm"))
    np.testing.assert_allclose(volume.array, stored / 2)
    assert volume.unit == unit
    notes = " ".join(volume.metadata["notes"])
    assert "no rescale intercept" in notes
    assert ("not stated to be Hounsfield" in notes) == (unit == "a.u.")


def test_a_unit_taken_from_the_values_replaces_that_none_is_stated(
    tmp_path, make_dicom, save_dicom
):
    stored = np.arange(-1000, 1000, 10, dtype=np.int16).reshape(10, 20)
    path = save_dicom(make_dicom(stored, RescaleType="US", RescaleIntercept=0), tmp_path / "x.dcm")
    volume = io.read(path)
    assert volume.unit == "HU"
    (note,) = [n for n in volume.metadata["notes"] if "Hounsfield" in n]
    assert "were taken as Hounsfield units" in note


def macro(**tags):
    made = Dataset()
    for key, value in tags.items():
        setattr(made, key, value)
    return Sequence([made])


def test_a_slope_of_zero_is_ignored(tmp_path, make_dicom, save_dicom, make_enhanced):
    stored = np.arange(24, dtype=np.uint16).reshape(4, 6)
    made = make_dicom(stored, RescaleSlope=0, RescaleIntercept=-1000)
    frames = [
        {
            "PlanePositionSequence": macro(ImagePositionPatient=[0, 0, float(k)]),
            "PixelValueTransformationSequence": macro(RescaleSlope=0, RescaleIntercept=-1000),
        }
        for k in range(2)
    ]
    enhanced = make_enhanced(np.stack([stored] * 2), frames)
    for dataset, expected in ((made, stored), (enhanced, np.stack([stored] * 2))):
        volume = io.read(save_dicom(dataset, tmp_path / "x.dcm"))
        np.testing.assert_allclose(volume.array, expected - 1000.0)
        assert any("slope (0028,1053) of 0 was ignored" in n for n in volume.metadata["notes"])


@pytest.mark.parametrize(
    ("signed", "padding", "tags", "replaced"),
    [
        (False, 63536, {}, True),  # -2000 written without a sign
        (False, 63536, {"PixelPaddingRangeLimit": 63530}, True),
        (False, 0, {}, False),  # darker than all
        (True, -2000, {}, False),
        (True, 32767, {}, True),
        (False, 200, {}, False),  # among the measured values
    ],
)
def test_padding_brighter_than_the_image_becomes_its_lowest_value(
    tmp_path, make_series, signed, padding, tags, replaced
):
    values = np.random.default_rng(0).integers(24, 3000, (4, 8, 9))
    outside = np.zeros(values.shape, bool)
    outside[:, :2, :3] = True
    stored = np.where(outside, padding, values).astype(np.int16 if signed else np.uint16)
    if "PixelPaddingRangeLimit" in tags:
        stored[:, 0] = np.where(outside[:, 0], 63533, stored[:, 0])
    each = {"PixelPaddingValue": padding, **tags}
    make_series(tmp_path, stored, each=lambda k: {"RescaleSlope": 1 + k, **each})
    volume = io.read(tmp_path)
    slope = np.arange(1, 5).reshape(4, 1, 1)
    expected = stored * slope.astype(float) - 1024
    if replaced:
        expected[outside] = expected[~outside].min()
    np.testing.assert_allclose(volume.array, expected)
    noted = any("24 of 288 pixels are padding" in n for n in volume.metadata["notes"])
    assert noted == replaced


@pytest.mark.parametrize(("modality", "padding", "kept"), [
    ("MR", -32768, False), ("PT", -2000, False), ("CT", -32768, True), ("MR", 0, True)
])  # fmt: skip
def test_padding_far_below_the_image_does_not_stretch_its_display_range(
    tmp_path, make_series, modality, padding, kept
):
    values = np.random.default_rng(0).integers(24, 3000, (4, 8, 9)).astype(np.int16)
    outside = np.zeros(values.shape, bool)
    outside[:, :2, :3] = True
    stored = np.where(outside, padding, values).astype(np.int16)
    facts = {"Modality": modality, "PixelPaddingValue": padding, "RescaleIntercept": 0}
    make_series(tmp_path, stored, each=lambda k: facts)
    volume = io.read(tmp_path)
    lowest = values[~outside].min()
    np.testing.assert_allclose(volume.array, stored if kept else np.where(outside, lowest, values))
    if modality == "MR":
        assert default_window(volume).low >= 0

"""Slopes that float32 cannot follow are refused, in every format; never read as infinite."""

from __future__ import annotations

import json
import struct

import nibabel as nib
import numpy as np
import pytest
import tifffile
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from napari_textdifuse import io
from napari_textdifuse.errors import ReadError
from napari_textdifuse.inputs import as_volume
from napari_textdifuse.io.scaling import scaled

STORED = np.arange(24, dtype=np.int16).reshape(2, 3, 4) * 100
LARGE, SMALL = "too large to be computed with", "too small to be computed with"


def nifti(path, slope, intercept, kind=np.int16):
    nib.save(nib.Nifti1Image(STORED.astype(kind), np.eye(4)), path)
    data = bytearray(path.read_bytes())
    data[112:120] = struct.pack("<2f", slope, intercept)
    path.write_bytes(data)
    return path


@pytest.mark.parametrize(
    ("slope", "intercept", "message"),
    [
        (1e38, 0, f"scl_slope and scl_inter give values that are {LARGE}"),
        (-1e38, 0, LARGE),
        (3e38, 3e38, LARGE),
        (1e-44, 0, SMALL),
        (2, np.inf, "intercept inf"),
        (2, np.nan, "intercept nan"),
    ],
)
@pytest.mark.parametrize("ending", [".nii", ".nii.gz"])
def test_a_nifti_whose_scaling_overflows_is_refused(tmp_path, slope, intercept, message, ending):
    path = nifti(tmp_path / "x.nii", slope, intercept)
    if ending == ".nii.gz":
        import gzip

        path = path.rename(tmp_path / "y")
        (tmp_path / "x.nii.gz").write_bytes(gzip.compress(path.read_bytes()))
        path = tmp_path / "x.nii.gz"
    with pytest.raises(ReadError, match=message) as error:
        io.read(path)
    assert str(error.value).startswith(path.name)


@pytest.mark.parametrize(("slope", "intercept"), [(np.nan, 0), (0, 5), (np.nan, np.nan)])
@pytest.mark.parametrize("kind", [np.int16, np.float32])
def test_a_nifti_without_scaling_is_not_scaled(tmp_path, slope, intercept, kind):
    """nifti1.h: scl_slope 0 means no scaling; nibabel writes NaN for it."""
    volume = io.read(nifti(tmp_path / "x.nii", slope, intercept, kind))
    np.testing.assert_array_equal(volume.array, STORED.transpose(2, 1, 0))


@pytest.mark.parametrize("slope", [np.inf, -np.inf])
def test_an_infinite_slope_is_ignored_with_a_note(tmp_path, slope):
    path = nifti(tmp_path / "x.nii", slope, 0)
    for volume in (io.read(path), as_volume(nib.load(path), "a")):
        np.testing.assert_array_equal(volume.array, STORED.transpose(2, 1, 0))
        assert "scl_slope is infinite and was ignored" in " ".join(volume.metadata["notes"])


def test_a_scaled_float64_overflow_is_refused_and_its_own_infinity_kept(tmp_path):
    values = np.zeros((2, 3, 4))
    values[0, 0, 0], values[1, 1, 1] = np.inf, 3.0
    nib.save(nib.Nifti1Image(values, np.eye(4)), tmp_path / "x.nii")
    data = bytearray((tmp_path / "x.nii").read_bytes())
    data[112:120] = struct.pack("<2f", 2, 1)
    (tmp_path / "x.nii").write_bytes(data)
    array = io.read(tmp_path / "x.nii").array
    assert np.isinf(array).sum() == 1
    assert array[1, 1, 1] == 7
    values[1, 1, 1] = 1e300
    data[-values.nbytes :] = values.tobytes(order="F")
    data[112:120] = struct.pack("<2f", 1e38, 0)
    (tmp_path / "x.nii").write_bytes(data)
    with pytest.raises(ReadError, match=LARGE):
        io.read(tmp_path / "x.nii")


def test_a_time_series_is_checked_as_well(tmp_path):
    nib.save(nib.Nifti1Image(STORED[..., None].repeat(2, -1), np.eye(4)), tmp_path / "x.nii")
    data = bytearray((tmp_path / "x.nii").read_bytes())
    data[112:120] = struct.pack("<2f", 1e38, 0)
    (tmp_path / "x.nii").write_bytes(data)
    with pytest.raises(ReadError, match=LARGE):
        io.read(tmp_path / "x.nii", time=1)


@pytest.mark.parametrize(
    ("tags", "message"),
    [
        ({"RescaleSlope": "1e38", "RescaleIntercept": "0"}, LARGE),
        ({"RescaleSlope": "1", "RescaleIntercept": "1e39"}, LARGE),
        ({"RescaleSlope": "1e300", "RescaleIntercept": "0"}, LARGE),
        ({"RescaleSlope": "1e-44", "RescaleIntercept": "0"}, SMALL),
    ],
)
@pytest.mark.parametrize("modality", ["CT", "MR", "PT"])
def test_a_dicom_rescale_that_overflows_is_refused(tmp_path, make_series, tags, message, modality):
    make_series(tmp_path / "d", STORED, modality, **tags)
    with pytest.raises(ReadError, match=f"rescale slope and intercept give .*{message}"):
        io.read(tmp_path / "d")


def test_real_world_values_that_overflow_are_refused(tmp_path, make_series):
    item, unit = Dataset(), Dataset()
    unit.CodeValue, unit.CodingSchemeDesignator, unit.CodeMeaning = "ms", "UCUM", "ms"
    item.MeasurementUnitsCodeSequence = Sequence([unit])
    item.RealWorldValueSlope, item.RealWorldValueIntercept = 1e300, 0.0
    make_series(tmp_path / "d", STORED, "MR", RealWorldValueMappingSequence=Sequence([item]))
    with pytest.raises(ReadError, match=rf"real world values .*0040,9096.* {LARGE}"):
        io.read(tmp_path / "d")


def test_a_pet_sidecar_whose_dose_is_almost_nothing(tmp_path):
    nib.save(nib.Nifti1Image(STORED.astype(np.float32), np.eye(4)), tmp_path / "x.nii")
    facts = {
        "Modality": "PT",
        "Units": "Bq/mL",
        "InjectedRadioactivity": 1e-300,
        "InjectedRadioactivityUnits": "Bq",
        "BodyWeight": 70,
        "TracerRadionuclide": "F18",
        "InjectionStart": 0,
        "ScanStart": 0,
        "ImageDecayCorrected": True,
        "ImageDecayCorrectionTime": 0,
    }
    (tmp_path / "x.json").write_text(json.dumps(facts))
    try:
        volume = io.read(tmp_path / "x.nii")
    except ReadError as error:
        assert LARGE in str(error)  # noqa: PT017
    else:
        assert np.isfinite(volume.array).all()


@pytest.mark.parametrize(("line", "message"), [("c0=0\nc1=1e38", LARGE), ("c0=0\nc1=1e-44", SMALL)])
def test_an_imagej_calibration_that_overflows_is_refused(tmp_path, line, message):
    text = f"ImageJ=1.54f\ncf=0\n{line}\nvunit=OD\n"
    tifffile.imwrite(
        tmp_path / "t.tif",
        STORED[0].astype(np.uint16),
        description=text,
        metadata=None,
        photometric="minisblack",
    )
    with pytest.raises(ReadError, match=f"ImageJ's scale and offset give .*{message}"):
        io.read(tmp_path / "t.tif")


@pytest.mark.parametrize("line", ["c0=inf\nc1=2", "c0=3\nc1=0"])
def test_an_imagej_calibration_that_cannot_be_used_is_noted(tmp_path, line):
    text = f"ImageJ=1.54f\ncf=0\n{line}\nvunit=OD\n"
    stored = STORED[0].astype(np.uint16)
    tifffile.imwrite(
        tmp_path / "t.tif", stored, description=text, metadata=None, photometric="minisblack"
    )
    volume = io.read(tmp_path / "t.tif")
    np.testing.assert_array_equal(volume.array, stored)
    assert "were ignored; the values are as stored" in volume.metadata["notes"][0]


def test_infinite_values_of_the_image_itself_are_kept():
    given = np.array([np.inf, -np.inf, np.nan, 2.0], np.float32)
    np.testing.assert_array_equal(scaled(given, "x", "y", 3, 1), [np.inf, -np.inf, np.nan, 7])


def test_a_slope_that_is_not_finite_is_refused():
    with pytest.raises(ReadError, match="x: the dose and weight are not finite numbers"):
        scaled(STORED, "x", "the dose and weight", np.nan)


def test_scaling_is_computed_in_double_precision():
    value = scaled(np.array([16777217], np.int32), "x", "y", 1, -16777216)
    assert value.dtype == np.float32
    assert value[0] == 1

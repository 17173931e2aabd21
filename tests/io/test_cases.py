"""Inputs from public reports, each with its right value; not in the repository."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from napari_textdifuse import io

CASES = Path(__file__).parents[2].parent / "shared" / "cases"

pytestmark = pytest.mark.skipif(
    not CASES.is_dir(), reason=f"cases for development, not in the repository: {CASES}"
)


def test_grey_saved_as_rgb():
    grey, rgb = (io.read(CASES / "01_grey_saved_as_rgb" / f"ir_{k}.png") for k in ("grey", "rgb"))
    assert not rgb.rgb
    np.testing.assert_array_equal(rgb.array, grey.array)


def test_geotiff_no_data():
    nodata, nan = (io.read(CASES / "02_geotiff_nodata" / f"deg_{k}.tif") for k in ("nodata", "nan"))
    np.testing.assert_array_equal(nodata.array, nan.array)
    assert np.nanmin(nodata.array) > -9999


@pytest.mark.parametrize("name", ["ir", "vis"])
def test_print_resolution(name):
    cm, inch = (io.read(CASES / "04_tiff_px_per_cm" / f"{name}_{u}.tif") for u in ("cm", "in"))
    assert cm.affine is None
    assert inch.affine is None
    np.testing.assert_array_equal(cm.array, inch.array)


@pytest.mark.parametrize("name", ["{}.ome.tif", "{}_i8.tif", "{}_time.ome.tif"])
def test_compressed_tiff(name):
    lzw, none = (
        io.read_times(CASES / "05_tiff_lzw_vs_none" / name.format(k)) for k in ("lzw", "none")
    )
    assert len(lzw) == len(none)
    for a, b in zip(lzw, none, strict=True):
        np.testing.assert_array_equal(a.array, b.array)
        assert a.array.dtype == b.array.dtype
        assert a.spacing == b.spacing


def test_thumbnail_and_zstd():
    folder = CASES / "05_tiff_lzw_vs_none"
    assert io.read(folder / "lzw_thumb.tif").shape == (96, 128)
    assert io.read(folder / "zstd.tif").shape == (96, 128)


@pytest.mark.parametrize("name", ["07_dicom_empty_rescale", "08_dicom_empty_intercept"])
def test_empty_rescaling(name):
    import pydicom

    volume = io.read(CASES / name)
    assert volume.shape[0] == 6
    stored = pydicom.dcmread(CASES / name / "i0.dcm").pixel_array
    assert any(np.array_equal(slice_, stored) for slice_ in volume.array)


def test_enhanced_with_everything_per_frame():
    (volume,) = io.read_times(CASES / "10_enhanced_per_frame_only" / "mf.dcm")
    assert volume.shape == (6, 16, 20)
    assert volume.affine is not None


def test_nifti_headers():
    folder = CASES / "12_nifti_headers"
    plain = io.read(folder / "x.nii")
    for name in ("dim4_zero.nii", "raw_named.nii.gz"):
        volume = io.read(folder / name)
        np.testing.assert_array_equal(volume.array, plain.array)
        np.testing.assert_allclose(volume.affine, plain.affine)
    notes = io.read(folder / "sq_disagree.nii").metadata["notes"]
    assert any("20.0 degrees; the sform was used" in n for n in notes)
    notes = io.read(folder / "pixdim_zero.nii").metadata["notes"]
    assert any("1 mm was assumed" in n for n in notes)


def test_real_world_values():
    import pydicom

    path = CASES / "13_spect_rwvm" / "nm.dcm"
    volume = io.read(path)
    assert volume.unit == "counts"
    stored = pydicom.dcmread(path).pixel_array
    assert float(volume.array.max()) == pytest.approx(0.0375 * float(stored.max()))


def test_one_slice_in_nifti_and_dicom():
    from napari_textdifuse.inputs import as_volumes

    folder = CASES / "11_one_slice_nifti_and_dicom"
    for names in (("slice.dcm", "slice.nii"), ("slice.nii", "slice.dcm")):
        a, b = as_volumes(*(folder / name for name in names))
        assert a.shape == b.shape == (16, 20)
        np.testing.assert_allclose(a.affine, b.affine, atol=1e-5)
        np.testing.assert_array_equal(a.array, b.array)


def test_ct_in_nifti():
    """Air is at -1000, so the values are HU, noted; a bone window has a meaning (400, 1800)."""
    from napari_textdifuse.intensity import choose_windows

    folder = CASES / "16_ct_nifti_not_hu"
    t1, plain, stated = (io.read(folder / f"{k}.nii.gz") for k in ("t1", "ct", "hu_ct"))
    assert (plain.modality, plain.unit) == ("CT", "HU")
    assert any("taken as Hounsfield units" in n for n in plain.metadata["notes"])
    assert (stated.unit, stated.facts["unit"].source) == ("HU", "sidecar")
    np.testing.assert_array_equal(plain.array, stated.array)
    for ct in (plain, stated):
        windows, _ = choose_windows(t1, ct, {"b": "bone"})
        assert (windows["b"].low, windows["b"].high) == (-500, 1300)

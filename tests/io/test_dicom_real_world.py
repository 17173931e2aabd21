"""Real world values: which mapping is used, and what it makes of stored values."""

from __future__ import annotations

import numpy as np
import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from napari_textdifuse import io

STORED = np.array([[0, 10, 20], [30, 40, 50]], np.uint16)


def mapping(code="", slope=None, intercept=0.0, **tags):
    item = Dataset()
    if slope is not None:
        item.RealWorldValueSlope, item.RealWorldValueIntercept = slope, intercept
    if code:
        unit = Dataset()
        unit.CodeValue, unit.CodingSchemeDesignator, unit.CodeMeaning = code, "UCUM", code
        item.MeasurementUnitsCodeSequence = Sequence([unit])
    for key, value in tags.items():
        if key == "RealWorldValueLUTData":
            item.add_new(0x00409212, "FD", value)
        else:
            item.add_new(key, "US", value)
    return item


@pytest.fixture
def read_mapped(tmp_path, make_dicom, save_dicom):
    def read(*items, modality="MR", **tags):
        made = make_dicom(
            STORED, modality, RealWorldValueMappingSequence=Sequence(list(items)), **tags
        )
        return io.read(save_dicom(made, tmp_path / "x.dcm"))

    return read


def test_one_mapping(read_mapped):
    volume = read_mapped(mapping("mm2/s", 2.0, 5.0))
    np.testing.assert_allclose(volume.array, 2.0 * STORED + 5)
    assert volume.unit == "mm2/s"
    assert not any("real world" in n for n in volume.metadata["notes"])


def test_it_maps_stored_values_whatever_the_rescaling(read_mapped):
    volume = read_mapped(mapping("{counts}", 0.5, 1.0), RescaleSlope=4, RescaleIntercept=-7)
    np.testing.assert_allclose(volume.array, 0.5 * STORED + 1, rtol=1e-6)
    assert volume.unit == "counts"


def test_of_several_the_most_telling_unit_is_taken_and_said(read_mapped):
    items = mapping("1", 1.0), mapping("Bq/ml", 3.0), mapping("{counts}", 2.0)
    volume = read_mapped(*items, modality="NM")
    assert volume.unit == "Bq/mL"
    np.testing.assert_allclose(volume.array, 3.0 * STORED)
    (note,) = [n for n in volume.metadata["notes"] if "real world" in n]
    assert note.endswith("that to Bq/mL was used, not a.u., counts.")


def test_a_pet_whose_suv_is_stated_as_a_mapping(read_mapped):
    """Neither weight nor dose are known; the file states SUV itself."""
    items = mapping("Bq/ml", 3.0), mapping("g/ml{SUVbw}", 0.25)
    volume = read_mapped(*items, modality="PT", Units="BQML")
    assert volume.unit == "SUVbw"
    np.testing.assert_allclose(volume.array, 0.25 * STORED)


def test_a_table(read_mapped):
    ends = {"RealWorldValueFirstValueMapped": 0, "RealWorldValueLastValueMapped": 50}
    table = np.sqrt(np.arange(51.0))
    volume = read_mapped(mapping("ms", RealWorldValueLUTData=table.tolist(), **ends))
    np.testing.assert_allclose(volume.array, np.sqrt(STORED), rtol=1e-6)
    assert volume.unit == "ms"


def test_a_mapping_of_other_values_is_left_alone_and_said(read_mapped):
    ends = {"RealWorldValueFirstValueMapped": 0, "RealWorldValueLastValueMapped": 40}
    volume = read_mapped(mapping("ms", 2.0, **ends))
    np.testing.assert_array_equal(volume.array, STORED)
    assert any("do not cover its values" in n for n in volume.metadata["notes"])


@pytest.mark.parametrize("rescaled", [False, True])
def test_slices_with_mappings_of_their_own(tmp_path, make_series, rescaled):
    """As NM and PET have them: each slice fills its 16 bits."""
    array = np.arange(24, dtype=np.uint16).reshape(2, 3, 4)
    slopes = (0.1, 0.7)

    def each(k):
        tags = {"RealWorldValueMappingSequence": Sequence([mapping("Bq/ml", slopes[k], k)])}
        return tags | ({"RescaleSlope": 3 + k, "RescaleIntercept": -k} if rescaled else {})

    make_series(tmp_path / "s", array, "NM", each=each)
    volume = io.read(tmp_path / "s")
    assert volume.unit == "Bq/mL"
    np.testing.assert_allclose(volume.array[0], 0.1 * array[0], rtol=1e-5)
    np.testing.assert_allclose(volume.array[1], 0.7 * array[1] + 1, rtol=1e-5)
    assert not any("real world" in n for n in volume.metadata["notes"])


def test_slices_with_different_units_are_left_alone_and_said(tmp_path, make_series):
    array = np.arange(24, dtype=np.uint16).reshape(2, 3, 4)

    def each(k):
        code = ("Bq/ml", "{counts}")[k]
        return {"RealWorldValueMappingSequence": Sequence([mapping(code, 2.0)])}

    make_series(tmp_path / "s", array, "NM", each=each)
    volume = io.read(tmp_path / "s")
    np.testing.assert_array_equal(volume.array, array)
    assert any("different units in different slices" in n for n in volume.metadata["notes"])


def test_mappings_in_the_functional_groups(tmp_path, make_enhanced, save_dicom):
    array = np.arange(24, dtype=np.uint16).reshape(2, 3, 4)
    frames = []
    for k in range(2):
        place = Dataset()
        place.ImagePositionPatient = [0, 0, 2.5 * k]
        frames.append(
            {
                "PlanePositionSequence": Sequence([place]),
                "RealWorldValueMappingSequence": Sequence(
                    [mapping("1", 1.0), mapping("mm2/s", 2.0 + k)]
                ),
            }
        )
    volume = io.read(save_dicom(make_enhanced(array, frames), tmp_path / "x.dcm"))
    assert volume.unit == "mm2/s"
    np.testing.assert_allclose(volume.array, array * np.reshape([2.0, 3.0], (2, 1, 1)))

from __future__ import annotations

import math

import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from napari_textdifuse.io.suv import pet_scale


@pytest.fixture
def header(pet_tags):
    dataset = Dataset()
    for key, value in pet_tags.items():
        setattr(dataset, key, value)
    return dataset


def tracer(header):
    return header.RadiopharmaceuticalInformationSequence[0]


def test_start_decays_the_dose_to_the_scan(header):
    scale = pet_scale([header])
    assert scale.unit == "SUVbw"
    assert scale.factor == pytest.approx(0.0004)
    assert scale.facts["injection_to_scan_s"] == 6600
    assert scale.note is None


def test_admin_is_not_decayed_twice(header):
    header.DecayCorrection = "ADMIN"
    assert pet_scale([header]).factor == pytest.approx(70000 / 350e6)


def test_a_full_injection_date_is_preferred(header):
    tracer(header).RadiopharmaceuticalStartDateTime = "20200102061000.000000+0100"
    assert pet_scale([header]).factor == pytest.approx(0.0004 * 2 ** (7200 / 6600))


def test_a_scan_past_midnight(header):
    header.SeriesDate = header.AcquisitionDate = "20200103"
    header.SeriesTime = header.AcquisitionTime = "003000"
    tracer(header).RadiopharmaceuticalStartTime = "224000"
    assert pet_scale([header]).factor == pytest.approx(0.0004)


def test_a_series_made_later_uses_the_frame_times(header):
    """Acquired at 10:10 with a reference time of 10 min + the moment of the mean rate."""
    header.SeriesTime = "120000"
    header.AcquisitionTime = "101000"
    header.ActualFrameDuration = 120_000
    decay = math.log(2) / 6600
    mean_rate = math.log(decay * 120 / (1 - math.exp(-decay * 120))) / decay
    assert 59 < mean_rate < 60  # a little before the middle of the frame
    header.FrameReferenceTime = (600 + mean_rate) * 1000
    assert pet_scale([header]).factor == pytest.approx(0.0004, rel=1e-6)


def test_a_series_made_later_uses_ge_s_scan_time(header):
    header.SeriesTime = "120000"
    block = header.private_block(0x0009, "GEMS_PETD_01", create=True)
    block.add_new(0x0D, "DT", "20200102100000.00")
    assert pet_scale([header]).factor == pytest.approx(0.0004)


def test_the_earliest_slice_counts(header):
    """A bed position later in the scan does not change the reference."""
    later = Dataset()
    later.update(header)
    later.AcquisitionTime = "102000"
    assert pet_scale([later, header]).factor == pytest.approx(0.0004)


@pytest.mark.parametrize(
    ("suv_type", "unit"), [(None, "SUVbw"), ("BW", "SUVbw"), ("LBM", "SUVlbm"), ("BSA", "SUVbsa")]
)
def test_values_that_are_suv_already(header, suv_type, unit):
    header.Units = "GML"
    if suv_type:
        header.SUVType = suv_type
    scale = pet_scale([header])
    assert (scale.factor, scale.unit) == (1.0, unit)


def philips(header, element, value, vr="DS"):
    block = header.private_block(0x7053, "Philips PET Private Group", create=True)
    block.add_new(element, vr, value)


@pytest.mark.parametrize(("value", "vr"), [("0.00025", "DS"), (b"0.00025 ", "UN")])
def test_philips_counts_to_suv(header, value, vr):
    header.Units = "CNTS"
    header.add_new(0x70530010, "LO", "Philips PET Private Group")
    header.add_new(0x70531000, vr, value)
    scale = pet_scale([header])
    assert (scale.factor, scale.unit) == (pytest.approx(0.00025), "SUVbw")


def test_philips_counts_to_activity_to_suv(header):
    header.Units = "CNTS"
    philips(header, 0x09, "3.5")
    assert pet_scale([header]).factor == pytest.approx(3.5 * 0.0004)
    header.PatientWeight = None
    scale = pet_scale([header])
    assert (scale.factor, scale.unit) == (3.5, "Bq/mL")


def test_counts_without_a_factor_stay_counts(header):
    header.Units = "CNTS"
    scale = pet_scale([header])
    assert (scale.factor, scale.unit) == (1.0, "counts")
    assert "SUV could not be computed" in scale.note


def broken(key, value):
    return lambda header: setattr(header, key, value)


def in_tracer(key, value):
    return lambda header: setattr(tracer(header), key, value)


@pytest.mark.parametrize(
    ("damage", "word"),
    [
        (broken("PatientWeight", None), "weight"),
        (broken("PatientWeight", 0), "weight"),
        (broken("CorrectedImage", ["ATTN"]), "decay"),
        (broken("CorrectedImage", "DECY"), "attenuation"),
        (broken("DecayCorrection", "NONE"), "NONE"),
        (broken("DecayCorrection", None), "missing"),
        (broken("RadiopharmaceuticalInformationSequence", Sequence()), "dose"),
        (in_tracer("RadionuclideTotalDose", None), "dose"),
        (in_tracer("RadionuclideTotalDose", 350), "350 Bq"),
        (in_tracer("RadionuclideHalfLife", None), "half-life"),
        (in_tracer("RadiopharmaceuticalStartTime", None), "time of injection"),
        (in_tracer("RadiopharmaceuticalStartTime", "110000"), "minutes"),  # 23 h for 1.8 h
        (in_tracer("RadiopharmaceuticalStartDateTime", "20200102110000"), "-60 minutes"),
        (in_tracer("RadiopharmaceuticalStartDateTime", "20190102081000"), "minutes"),
        (broken("AcquisitionTime", None), "acquisition time"),
        (broken("SeriesTime", "120000"), "series time"),
    ],
)
def test_nothing_is_guessed(header, damage, word):
    damage(header)
    scale = pet_scale([header])
    assert (scale.factor, scale.unit) == (1.0, "Bq/mL")
    assert word in scale.note
    assert scale.note.startswith("SUV could not be computed because")
    assert scale.note.endswith("the values were left in Bq/mL.")


def test_other_units_are_named(header):
    header.Units = "PROPCPS"
    scale = pet_scale([header])
    assert scale.unit == "a.u."
    assert "PROPCPS" in scale.note


def test_a_utc_offset_is_honoured(header):
    """Injected at 07:10 UTC, which is 08:10 on the scanner's clock: one half-life before 10:00."""
    header.TimezoneOffsetFromUTC = "+0100"
    tracer(header).RadiopharmaceuticalStartDateTime = "20200102071000.000000+0000"
    assert pet_scale([header]).factor == pytest.approx(0.0004)


def test_a_utc_offset_in_the_acquisition_tells_the_zone(header):
    header.AcquisitionDateTime = "20200102100000.000000-0500"
    tracer(header).RadiopharmaceuticalStartDateTime = "20200102131000+0000"
    assert pet_scale([header]).factor == pytest.approx(0.0004)


@pytest.mark.parametrize(
    ("damage", "word"),
    [
        (broken("PatientWeight", 70000), "70000 kg"),
        (broken("PatientWeight", 0.07), "another unit"),
        (in_tracer("RadionuclideTotalDose", 350e3), "another unit"),
        (in_tracer("RadionuclideTotalDose", 350e9), "another unit"),
    ],
)
def test_implausible_weight_or_dose_is_refused(header, damage, word):
    damage(header)
    scale = pet_scale([header])
    assert (scale.factor, scale.unit) == (1.0, "Bq/mL")
    assert word in scale.note


def test_weights_that_differ_between_slices_are_refused(header):
    other = Dataset()
    other.update(header)
    del other.PatientWeight  # or the element is shared
    other.PatientWeight = 80
    scale = pet_scale([header, other])
    assert (scale.factor, scale.unit) == (1.0, "Bq/mL")
    assert "differs between the slices" in scale.note


@pytest.mark.parametrize("reference", [0, -60000])
def test_a_reference_time_that_is_none_is_refused(header, reference):
    header.SeriesTime = "120000"
    header.ActualFrameDuration = 120_000
    header.FrameReferenceTime = reference
    scale = pet_scale([header])
    assert (scale.factor, scale.unit) == (1.0, "Bq/mL")


def test_private_factors_are_found_by_their_creator(header):
    """Another vendor's block comes first, so that of Philips is the second of the group."""
    header.Units = "CNTS"
    header.private_block(0x7053, "Someone else", create=True).add_new(0x00, "DS", "99")
    philips(header, 0x00, "0.00025")
    assert pet_scale([header]).factor == pytest.approx(0.00025)

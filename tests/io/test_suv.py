from __future__ import annotations

import copy
import math

import pytest
from pydicom.dataelem import DataElement
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
    header.TimezoneOffsetFromUTC = "+0100"
    tracer(header).RadiopharmaceuticalStartDateTime = "20200102061000.000000+0100"
    del tracer(header).RadiopharmaceuticalStartTime
    assert pet_scale([header]).factor == pytest.approx(0.0004 * 2 ** (7200 / 6600))


def test_a_scan_past_midnight(header):
    header.SeriesDate = header.AcquisitionDate = "20200103"
    header.SeriesTime = header.AcquisitionTime = "003000"
    tracer(header).RadiopharmaceuticalStartTime = "224000"
    scale = pet_scale([header])
    assert scale.factor == pytest.approx(0.0004)
    assert "stated for 22:40 without a date, the scan for 00:30" in scale.note
    tracer(header).RadiopharmaceuticalStartDateTime = "20200102224000"
    assert pet_scale([header]).note is None, "the day is stated"


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
        (in_tracer("RadiopharmaceuticalStartDateTime", "20200102061000+0100"), "two time zones"),
        (in_tracer("RadiopharmaceuticalStartDateTime", "20190102081000"), "minutes"),
        (in_tracer("RadiopharmaceuticalStartDateTime", "20200103081000"), "-1330 minutes"),
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
    assert scale.note.endswith("the values were kept in Bq/mL.")


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


@pytest.mark.parametrize(
    ("key", "value", "of_tracer"),
    [
        ("PatientWeight", 80, False),
        ("PatientWeight", None, False),
        ("Units", "CNTS", False),
        ("DecayCorrection", "ADMIN", False),
        ("RadionuclideTotalDose", 300e6, True),
        ("RadionuclideHalfLife", 6586.2, True),
        ("RadiopharmaceuticalStartTime", "082000", True),
    ],
)
def test_facts_that_differ_between_slices_are_refused(header, key, value, of_tracer):
    other = copy.deepcopy(header)
    setattr(tracer(other) if of_tracer else other, key, value)
    scale = pet_scale([header, other])
    assert (scale.factor, scale.unit) == (1.0, "Bq/mL")
    assert "differs between the slices" in scale.note


def test_two_injections_are_refused(header):
    header.RadiopharmaceuticalInformationSequence.append(copy.deepcopy(tracer(header)))
    assert "2 injections" in pet_scale([header]).note


def test_an_offset_without_the_scanner_s_zone_is_refused(header):
    """08:10 may be UTC or the clock on the wall; an hour is 46 % for F-18."""
    tracer(header).RadiopharmaceuticalStartDateTime = "20200102081000+0000"
    assert pet_scale([header]).factor == pytest.approx(0.0004)  # both statements agree
    del tracer(header).RadiopharmaceuticalStartTime
    scale = pet_scale([header])
    assert (scale.factor, scale.unit) == (1.0, "Bq/mL")
    assert "offset from UTC" in scale.note


@pytest.mark.parametrize("private", [False, True])
def test_the_stated_moment_of_the_decay_correction_wins(header, private):
    """Series made at noon; corrected to 10:00, one half-life after the injection at 08:10."""
    header.SeriesTime = "120000"
    header.AcquisitionTime = "103000"
    if private:
        block = header.private_block(0x0071, "SIEMENS MED PT", create=True)
        block.add_new(0x22, "DT", "20200102100000.00")
    else:
        header.DecayCorrectionDateTime = "20200102100000.00"
    assert pet_scale([header]).factor == pytest.approx(70000 / (350e6 / 2))
    other = Dataset()
    other.update(header)
    if private:
        other.add_new(0x00711022, "DT", "20200102101000.00")
    else:
        del other.DecayCorrectionDateTime  # or the element is shared
        other.DecayCorrectionDateTime = "20200102101000.00"
    assert "decay correction (0018,9701) differs" in pet_scale([header, other]).note


@pytest.mark.parametrize("creator", ["Someone else", "GEMS_PETD_02"])
def test_ge_s_scan_time_counts_in_ge_s_block_only(header, creator):
    header.SeriesTime = "120000"
    header.private_block(0x0009, creator, create=True).add_new(0x0D, "DT", "20200102100000.00")
    assert "series time" in pet_scale([header]).note


def test_philips_factors_that_are_zero_are_none(header):
    """Philips writes 0 where weight or dose were not entered."""
    header.Units = "CNTS"
    philips(header, 0x00, "0")
    assert pet_scale([header]).unit == "counts"
    philips(header, 0x09, "3.5")
    assert pet_scale([header]).factor == pytest.approx(3.5 * 70000 / (350e6 / 2))


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


@pytest.mark.parametrize("kg", [0.01, 500])
def test_weights_at_the_limits_count(header, kg):
    header.PatientWeight = kg
    tracer(header).RadionuclideTotalDose = 1e6 if kg < 1 else 350e6
    dose = 1e6 if kg < 1 else 350e6
    assert pet_scale([header]).factor == pytest.approx(kg * 1000 / (dose / 2))


@pytest.mark.parametrize(("kg", "dose"), [(0.01, 2e7), (2, 1e5), (70, 3.5e6)])
def test_doses_at_the_limits_count(header, kg, dose):
    """The most and the least per kg, and the least of all."""
    header.PatientWeight = kg
    tracer(header).RadionuclideTotalDose = dose
    assert pet_scale([header]).factor == pytest.approx(kg * 1000 / (dose / 2))


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (broken("PatientWeight", -70), "the patient's weight (0010,1030) is missing"),
        (broken("PatientWeight", 501), "a patient's weight of 501 kg (0010,1030) is not plausible"),
        (broken("PatientWeight", 0.009), "a patient's weight of 0.009 kg"),
        (broken("PatientWeight", 300), "350 Bq"),
        (in_tracer("RadionuclideTotalDose", -350e6), "the injected dose (0018,1074) is missing"),
        (in_tracer("RadionuclideTotalDose", 9e4), "an injected dose of 90000 Bq (0018,1074) is"),
        (in_tracer("RadionuclideTotalDose", 3e6), "an injected dose of 3e+06 Bq (0018,1074) for"),
        (in_tracer("RadionuclideTotalDose", 1.5e11), "for 70 kg (0010,1030) is not plausible; one"),
        (in_tracer("RadionuclideHalfLife", -1), "the half-life of the tracer (0018,1075) is"),
        (
            in_tracer("RadiopharmaceuticalStartDateTime", "20200102110000"),
            "-60 minutes from injection to scan are not plausible for a half-life of 110 minutes",
        ),
        (broken("CorrectedImage", None), "not marked as corrected for attenuation (0028,0051)"),
        (broken("CorrectedImage", "ATTN"), "not marked as corrected for decay (0028,0051)"),
    ],
)
def test_the_sentence_names_what_is_wrong(header, damage, sentence):
    if sentence == "350 Bq":
        tracer(header).RadionuclideTotalDose = 350
    damage(header)
    assert sentence in pet_scale([header]).note


def test_injection_at_the_scan_and_ten_half_lives_before_count(header):
    tracer(header).RadiopharmaceuticalStartDateTime = "20200102100000"
    assert pet_scale([header]).factor == pytest.approx(70000 / 350e6)
    tracer(header).RadiopharmaceuticalStartDateTime = "20200101154000"  # 18 h 20 min = 10 x 110 min
    assert pet_scale([header]).factor == pytest.approx(70000 / 350e6 * 2**10)
    tracer(header).RadiopharmaceuticalStartDateTime = "20200101153959"
    assert "1100 minutes from injection to scan" in pet_scale([header]).note


def test_a_time_of_day_at_the_scan_is_not_a_day_before(header):
    tracer(header).RadiopharmaceuticalStartTime = "100000"
    assert pet_scale([header]).factor == pytest.approx(70000 / 350e6)


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("2020010209", 3600),
        ("202001020930", 1800),
        ("20200102093015", 1785),
        ("20200102093015.5", 1784.5),
        ("20200102093015.", 1785),
        ("20200102093015.x", 1785),
        ("20200102083000-0130", 5400),  # the header states no zone: taken as its own
        ("202001020", 6600),  # no hour: the time of day 08:10 counts
        ("20200102256100", 6600),
        ("2020-01-02 09", 6600),
    ],
)
def test_dates_are_read_to_the_fraction_of_a_second(header, written, seconds):
    tracer(header)["RadiopharmaceuticalStartDateTime"] = DataElement(0x00181078, "LO", written)
    scale = pet_scale([header])
    assert scale.facts["injection_to_scan_s"] == seconds
    assert scale.factor == pytest.approx(0.0002 * 2 ** (seconds / 6600))


@pytest.mark.parametrize("time", ["08:10:00", "081000", "081000.000"])
def test_times_with_colons(header, time):
    tracer(header)["RadiopharmaceuticalStartTime"] = DataElement(0x00181072, "LO", time)
    assert pet_scale([header]).facts["injection_to_scan_s"] == 6600


def test_the_zone_of_the_header_counts_before_that_of_the_acquisition(header):
    header.AcquisitionDateTime = "20200102100000-0500"  # 15:00 UTC
    header.TimezoneOffsetFromUTC = "-0530"  # 09:30 there
    header.SeriesTime = "093000"
    tracer(header).RadiopharmaceuticalStartDateTime = "20200102131000+0000"  # 07:40 there
    assert pet_scale([header]).facts["injection_to_scan_s"] == 6600


def test_a_series_that_starts_before_the_acquisition_is_the_reference(header):
    header.AcquisitionTime = "103000"
    assert pet_scale([header]).facts["injection_to_scan_s"] == 6600


def test_without_a_series_time_the_frame_counts(header):
    del header.SeriesTime
    header.ActualFrameDuration = 120_000
    header.FrameReferenceTime = 60_000
    waited = pet_scale([header]).facts["injection_to_scan_s"]
    decay = math.log(2) / 6600
    mean_rate = math.log(decay * 120 / (1 - math.exp(-decay * 120))) / decay
    assert waited == pytest.approx(6600 - 60 + mean_rate, abs=1e-5)


@pytest.mark.parametrize("key", ["ActualFrameDuration", "FrameReferenceTime"])
@pytest.mark.parametrize("value", [None, -1, 0])
def test_a_frame_without_duration_or_reference_is_refused(header, key, value):
    header.SeriesTime = "120000"
    header.ActualFrameDuration = header.FrameReferenceTime = 60_000
    setattr(header, key, value)
    assert "the series time (0008,0031) is not the start" in pet_scale([header]).note


def test_the_date_of_the_series_stands_in_for_that_of_the_acquisition(header):
    del header.AcquisitionDate
    assert pet_scale([header]).factor == pytest.approx(0.0004)


@pytest.mark.parametrize(
    ("units", "kind", "unit"),
    [
        ("gml ", "lbmjanma", "SUVlbm"),
        ("GML", "LBMJAMES128", "SUVlbm"),
        ("GML", "IBW", "SUVibw"),
        ("GML", "OTHER", "SUV OTHER"),
        ("CM2ML", None, "SUVbsa"),
    ],
)
def test_kinds_of_suv(header, units, kind, unit):
    header["Units"] = DataElement(0x00541001, "LO", units)
    if kind:
        header["SUVType"] = DataElement(0x00541006, "LO", kind)
    scale = pet_scale([header])
    assert (scale.factor, scale.unit, scale.note) == (1.0, unit, None)
    assert scale.facts == {"stored_as": units.strip().upper()}


def test_facts_of_the_factor(header):
    assert pet_scale([header]).facts == {
        "decay_correction": "START",
        "injected_dose_bq": 350e6,
        "half_life_s": 6600,
        "injection_to_scan_s": 6600,
    }
    header.Units = "CNTS"
    philips(header, 0x00, "0.00025")
    assert pet_scale([header]).facts == {"philips_suv_factor": 0.00025}


def test_two_times_of_injection_that_differ_are_noted(header):
    """The full date wins; 08:30 is 20 minutes later than the time of day, 08:10."""
    tracer(header).RadiopharmaceuticalStartDateTime = "20200102083000"
    scale = pet_scale([header])
    assert scale.factor == pytest.approx(70000 / (350e6 * 2 ** (-5400 / 6600)))
    assert "differ by 20 minutes" in scale.note
    tracer(header).RadiopharmaceuticalStartDateTime = "20200102081000"
    assert pet_scale([header]).note is None

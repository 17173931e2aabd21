"""SUV of enhanced PET against hand calculations: 70 kg, half-life 6600 s, injected at 08:10."""

from __future__ import annotations

import math

import numpy as np
import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import EnhancedPETImageStorage

from napari_textdifuse import io

STORED = np.arange(3 * 4 * 5, dtype=np.uint16).reshape(3, 4, 5)
#: Bq/mL per stored value, by frame.
SLOPES = (1.5, 2.0, 4.0)
#: SUV per Bq/mL of 350 MBq as they were injected.
AT_INJECTION = 70_000 / 350e6


def item(**tags):
    made = Dataset()
    for key, value in tags.items():
        setattr(made, key, value)
    return made


def mapping(slope, code="Bq/ml"):
    unit = item(CodeValue=code, CodingSchemeDesignator="UCUM", CodeMeaning=code)
    return item(
        RealWorldValueSlope=slope,
        RealWorldValueIntercept=0.0,
        MeasurementUnitsCodeSequence=Sequence([unit]),
    )


def tracer(**tags):
    """In MBq, as PS3.3 C.8.22.4 has it."""
    facts = {
        "RadiopharmaceuticalAgentNumber": 1,
        "RadionuclideTotalDose": 350,
        "RadionuclideHalfLife": 6600,
        "RadiopharmaceuticalStartDateTime": "20200102081000",
    }
    return item(**facts | tags)


@pytest.fixture
def read_pet(tmp_path, make_enhanced, save_dicom):
    def read(content=None, each=lambda k: {}, maps=None, **tags):
        frames = [
            {
                "PlanePositionSequence": Sequence([item(ImagePositionPatient=[0, 0, 2.5 * k])]),
                "FrameContentSequence": Sequence([item(**(content(k) if content else {}))]),
                "RealWorldValueMappingSequence": Sequence(
                    [mapping(SLOPES[k])] if maps is None else maps(k)
                ),
                **each(k),
            }
            for k in range(3)
        ]
        facts = {
            "SOPClassUID": EnhancedPETImageStorage,
            "Modality": "PT",
            "PatientWeight": 70,
            "AttenuationCorrected": "YES",
            "DecayCorrected": "YES",
            "DecayCorrectionDateTime": "20200102100000",
            "RadiopharmaceuticalInformationSequence": Sequence([tracer()]),
        }
        made = make_enhanced(STORED, frames, **facts | tags)
        return io.read(save_dicom(made, tmp_path / "pet.dcm"))

    return read


def activity():
    """Bq/mL."""
    return STORED * np.reshape(SLOPES, (3, 1, 1))


def test_corrected_to_the_start_of_the_scan(read_pet):
    """One half-life after the injection: 175 MBq are left."""
    volume = read_pet()
    assert (volume.modality, volume.unit) == ("PT", "SUVbw")
    np.testing.assert_allclose(volume.array, activity() * 70_000 / 175e6, rtol=1e-6)
    assert volume.metadata["suv"]["injection_to_scan_s"] == 6600
    assert volume.metadata["suv"]["injected_dose_bq"] == 350e6
    assert volume.metadata["notes"] == ()


def test_corrected_to_the_injection(read_pet):
    volume = read_pet(DecayCorrectionDateTime="20200102081000")
    np.testing.assert_allclose(volume.array, activity() * AT_INJECTION, rtol=1e-6)


@pytest.mark.parametrize(
    "moments", [("100000", "115000", "100000"), ("081000", "081000.00", "100000")]
)
def test_frames_that_are_not_corrected_decay_to_their_own_reference(read_pet, moments):
    volume = read_pet(
        content=lambda k: {"FrameReferenceDateTime": f"20200102{moments[k]}"},
        DecayCorrected="NO",
        DecayCorrectionDateTime="",
    )
    halves = {"100000": 1, "115000": 2, "081000": 0, "081000.00": 0}
    grown = np.reshape([2.0 ** halves[m] for m in moments], (3, 1, 1))
    np.testing.assert_allclose(volume.array, activity() * grown * AT_INJECTION, rtol=1e-6)
    assert volume.unit == "SUVbw"


def test_without_a_reference_the_mean_rate_of_the_frame_counts(read_pet):
    """Mean of exp(-L t) over the frame, by integration, in place of the closed form."""
    seconds = 1320.0
    volume = read_pet(
        content=lambda k: {
            "FrameAcquisitionDateTime": "20200102100000",
            "FrameAcquisitionDuration": 1000 * seconds,
        },
        DecayCorrected="NO",
    )
    t = (np.arange(100_000) + 0.5) * seconds / 100_000
    left = float(np.mean(np.exp(-math.log(2) / 6600 * t))) / 2  # 1/2 at the start of the frame
    np.testing.assert_allclose(volume.array, activity() / left * AT_INJECTION, rtol=1e-6)


def test_the_frame_s_own_tracer_counts(read_pet):
    usage = {"RadiopharmaceuticalUsageSequence": Sequence([item(RadiopharmaceuticalAgentNumber=2)])}
    volume = read_pet(
        each=lambda k: usage,
        RadiopharmaceuticalInformationSequence=Sequence(
            [tracer(), tracer(RadiopharmaceuticalAgentNumber=2, RadionuclideTotalDose=700)]
        ),
    )
    np.testing.assert_allclose(volume.array, activity() * 70_000 / 350e6, rtol=1e-6)


def test_a_dose_in_becquerel_is_one_all_the_same(read_pet):
    dose = Sequence([tracer(RadionuclideTotalDose=350e6)])
    volume = read_pet(RadiopharmaceuticalInformationSequence=dose)
    np.testing.assert_allclose(volume.array, activity() * 70_000 / 175e6, rtol=1e-6)


@pytest.mark.parametrize("code", ["g/ml{SUVbw}", "{SUVbw}g/ml"])
def test_suv_that_the_file_states_comes_first(read_pet, code):
    volume = read_pet(maps=lambda k: [mapping(SLOPES[k]), mapping(0.25 * (k + 1), code)])
    assert volume.unit == "SUVbw"
    expected = STORED * np.reshape([0.25, 0.5, 0.75], (3, 1, 1))
    np.testing.assert_allclose(volume.array, expected, rtol=1e-6)


@pytest.mark.parametrize(
    ("tags", "words"),
    [
        ({"DecayCorrected": None}, "not marked as corrected for decay (0018,9758 and 9759)"),
        ({"AttenuationCorrected": "NO"}, "not marked as corrected for attenuation"),
        ({"DecayCorrectionDateTime": None}, "DecayCorrection (0054,1102) is missing"),
        ({"PatientWeight": None}, "weight (0010,1030) is missing"),
        ({"DecayCorrected": "NO"}, "states neither its reference time (0018,9151)"),
        (
            {"RadiopharmaceuticalInformationSequence": Sequence([tracer(), tracer()])},
            "2 injections are listed",
        ),
    ],
)
def test_nothing_is_guessed(read_pet, tags, words):
    volume = read_pet(**{key: value or "" for key, value in tags.items()})
    assert volume.unit == "Bq/mL"
    np.testing.assert_allclose(volume.array, activity(), rtol=1e-6)
    (note,) = volume.metadata["notes"]
    assert note.startswith("SUV could not be computed because ")
    assert words in note

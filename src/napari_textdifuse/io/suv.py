"""Standardised uptake values (SUV) of PET from DICOM headers.

The recipe is the vendor-neutral one of the Quantitative Imaging Biomarkers Alliance (QIBA, "SUV
vendor-neutral pseudo-code"). If a fact is missing or implausible nothing is guessed: the values
are not converted and a sentence says why.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydicom.dataset import Dataset
from pydicom.tag import BaseTag

from .dicom_numbers import number
from .enhanced_pet import PER_FRAME, as_classic, is_enhanced
from .suv_times import (
    Missing,
    contradiction,
    day_before,
    seconds_from_injection,
    seconds_of_frame,
    zone_of,
)

#: Below this an injected dose in Bq is surely in another unit; diagnostic doses are 1e6 to 1e9.
MIN_DOSE_BQ = 1e5
#: From a mouse to the heaviest people; outside, the weight has another unit.
MIN_KG, MAX_KG = 0.01, 500.0
#: Injected per kg: 0.3 MBq in studies of antibodies to 1000 MBq in mice.
MIN_BQ_PER_KG, MAX_BQ_PER_KG = 5e4, 2e9

#: SUVType (0054,1006) to the name of the unit; absent means body weight.
_SUV_UNITS = {
    "BW": "SUVbw",
    "LBM": "SUVlbm",
    "LBMJAMES128": "SUVlbm",
    "LBMJANMA": "SUVlbm",
    "BSA": "SUVbsa",
    "IBW": "SUVibw",
}


@dataclass(frozen=True)
class PetScale:
    """Conversion of rescaled PET values to `unit`.

    Parameters
    ----------
    factor : float
        Multiply rescaled values (stored value x slope + intercept) by this.
    unit : str
        ``"SUVbw"``, ``"Bq/mL"``, ``"counts"`` ...
    note : str or None
        Why SUV could not be computed, or a choice that was made for it, in one sentence.
    facts : mapping
        Acquisition facts that the factor was made from.
    decay : callable or None
        Gives the further factor of a slice, by its header, where the values are those of the time
        at which each was acquired.
    """

    factor: float
    unit: str
    note: str | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)
    decay: Callable[[Dataset], float] | None = None


def pet_scale(headers: Sequence[Dataset], units: str | None = None) -> PetScale:
    """Find the factor from rescaled PET values to SUV by body weight.

    Parameters
    ----------
    headers : sequence of Dataset
        Headers of all slices of one PET series, or of the frames of enhanced PET.
    units : str, optional
        What the values are in, if not in what Units (0054,1001) says.

    Returns
    -------
    PetScale
        ``unit`` is ``"SUVbw"`` when it can be computed, otherwise the unit the file has.

    Notes
    -----
    By Units (0054,1001): ``BQML`` uses dose, weight, half-life and times; ``GML`` already is an
    SUV; ``CNTS`` needs Philips' private factors (7053,1000) to SUV or (7053,1009) to Bq/mL.
    """
    first = headers[0]
    units = units or str(first.get("Units") or "").strip().upper()
    if units in ("GML", "CM2ML"):
        kind = str(first.get("SUVType") or ("BSA" if units == "CM2ML" else "BW")).strip().upper()
        return PetScale(1.0, _SUV_UNITS.get(kind, f"SUV {kind}"), facts={"stored_as": units})
    factor = 1.0
    if units == "CNTS":
        to_suv = _philips(first, 0x00)
        if to_suv:
            return PetScale(to_suv, "SUVbw", facts={"philips_suv_factor": to_suv})
        to_activity = _philips(first, 0x09)
        if not to_activity:
            return PetScale(
                1.0,
                "counts",
                "SUV could not be computed because the values are counts without a factor to "
                "activity; they were kept as counts.",
            )
        factor = to_activity
    elif units != "BQML":
        return PetScale(
            1.0,
            "a.u.",
            f"SUV could not be computed because the unit of the PET values is "
            f"{units or 'not given'} (0054,1001), not BQML; they were not converted.",
        )
    try:
        to_suv, facts = _from_activity(headers)
    except Missing as missing:
        return PetScale(
            factor,
            "Bq/mL",
            f"SUV could not be computed because {missing}; the values were kept in Bq/mL.",
        )
    note, decay = facts.pop("note", None), facts.pop("decay", None)
    return PetScale(factor * to_suv, "SUVbw", note, facts, decay)


def _from_activity(headers: Sequence[Dataset]) -> tuple[float, dict[str, Any]]:
    """Return SUVbw per Bq/mL: weight in g over the dose at the time of decay correction."""
    tag = "0028,0051"
    if is_enhanced(headers[0]):
        headers, tag = [as_classic(h) for h in headers], "0018,9758 and 9759"
    header = headers[0]
    corrected = [str(c).upper() for c in _values(header.get("CorrectedImage"))]
    for word, meaning in (("ATTN", "attenuation"), ("DECY", "decay")):
        if word not in corrected:
            raise Missing(f"the images are not marked as corrected for {meaning} ({tag})")
    weight = number(header, "PatientWeight")
    if not weight or weight <= 0:
        raise Missing("the patient's weight (0010,1030) is missing")
    _check_same(headers)
    if not MIN_KG <= weight <= MAX_KG:
        raise Missing(f"a patient's weight of {weight:g} kg (0010,1030) is not plausible")
    sequence = header.get("RadiopharmaceuticalInformationSequence")
    if not sequence:
        raise Missing("the injected dose (0054,0016) is missing")
    if len(sequence) > 1:
        raise Missing(f"{len(sequence)} injections are listed (0054,0016)")
    tracer: Dataset = sequence[0]
    dose = number(tracer, "RadionuclideTotalDose")
    if not dose or dose <= 0:
        raise Missing("the injected dose (0018,1074) is missing")
    if dose < MIN_DOSE_BQ:
        raise Missing(f"an injected dose of {dose:g} Bq (0018,1074) is not plausible")
    if not MIN_BQ_PER_KG <= dose / weight <= MAX_BQ_PER_KG:
        raise Missing(
            f"an injected dose of {dose:g} Bq (0018,1074) for {weight:g} kg (0010,1030) is not "
            "plausible; one of them is in another unit"
        )
    correction = str(header.get("DecayCorrection") or "").strip().upper()
    facts: dict[str, Any] = {"decay_correction": correction, "injected_dose_bq": dose}
    if correction == "ADMIN":  # already at the time of injection: decaying the dose would be twice
        return weight * 1000 / dose, facts
    if correction == PER_FRAME:
        return weight * 1000 / dose, facts | _decay_of_frames(headers, tracer)
    if correction != "START":
        raise Missing(
            f"DecayCorrection (0054,1102) is {correction or 'missing'}, not START or ADMIN"
        )
    half_life = _half_life(tracer)
    waited = seconds_from_injection(headers, tracer, half_life)
    facts |= {"half_life_s": half_life, "injection_to_scan_s": waited}
    notes = (contradiction(tracer, zone_of(header)), day_before(headers, tracer, half_life))
    if any(notes):
        facts["note"] = " ".join(filter(None, notes))
    return weight * 1000 / (dose * 2 ** (-waited / half_life)), facts


def _half_life(tracer: Dataset) -> float:
    half_life = number(tracer, "RadionuclideHalfLife")
    if not half_life or half_life <= 0:
        raise Missing("the half-life of the tracer (0018,1075) is missing")
    return half_life


def _decay_of_frames(headers: Sequence[Dataset], tracer: Dataset) -> dict[str, Any]:
    """Return what brings each frame's values back to the injection, and facts about it."""
    half_life = _half_life(tracer)
    waited = [seconds_of_frame(header, tracer, half_life) for header in headers]
    return {
        "half_life_s": half_life,
        "injection_to_scan_s": min(waited),
        "decay": lambda frame: 2 ** (seconds_of_frame(frame, tracer, half_life) / half_life),
    }


#: Facts that must be the same in a whole series, and those of its tracer.
_ONE_FOR_ALL = {
    "Units": "the unit (0054,1001)",
    "DecayCorrection": "DecayCorrection (0054,1102)",
    "PatientWeight": "the patient's weight (0010,1030)",
}
_ONE_TRACER = {
    "RadionuclideTotalDose": "the injected dose (0018,1074)",
    "RadionuclideHalfLife": "the half-life (0018,1075)",
    "RadiopharmaceuticalStartTime": "the time of injection (0018,1072)",
    "RadiopharmaceuticalStartDateTime": "the time of injection (0018,1078)",
}


def _check_same(headers: Sequence[Dataset]) -> None:
    """Refuse a series whose slices differ in the facts for SUV."""
    tracers = [h.get("RadiopharmaceuticalInformationSequence") or [Dataset()] for h in headers]
    for of, names in ((headers, _ONE_FOR_ALL), ([t[0] for t in tracers], _ONE_TRACER)):
        for key, name in names.items():
            if len({str(dataset.get(key) or "") for dataset in of}) > 1:
                raise Missing(f"{name} differs between the slices")


def _philips(header: Dataset, element: int) -> float | None:
    """Return one of Philips' factors, wherever its private block is in the group 7053."""
    try:
        block = header.private_block(0x7053, "Philips PET Private Group")
        return number(header, BaseTag(block.get_tag(element)))
    except KeyError:
        return None


def _values(value: Any) -> list[Any]:
    if value is None:
        return []
    return [value] if isinstance(value, str) else list(value)

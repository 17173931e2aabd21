"""Standardised uptake values (SUV) of PET from DICOM headers.

The recipe is the vendor-neutral one of the Quantitative Imaging Biomarkers Alliance (QIBA, "SUV
vendor-neutral pseudo-code"). When a fact is missing or implausible nothing is guessed: the values
stay as they are and one sentence says why.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, cast

from pydicom.dataset import Dataset
from pydicom.tag import BaseTag

from .dicom_numbers import number

#: Beyond this many half-lives between injection and scan the times cannot be right.
MAX_HALF_LIVES = 10.0
#: Below this an injected dose in Bq is surely in another unit; diagnostic doses are 1e6 to 1e9.
MIN_DOSE_BQ = 1e5
#: From a mouse to the heaviest people; outside, the weight is in grams or tonnes.
MIN_KG, MAX_KG = 0.01, 500.0
#: Two statements of one moment may differ by this, in s.
SAME_MOMENT = 60.0
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
    """How rescaled PET values become values in `unit`.

    Parameters
    ----------
    factor : float
        Multiply rescaled values (stored value x slope + intercept) by this.
    unit : str
        ``"SUVbw"``, ``"Bq/mL"``, ``"counts"`` ...
    note : str or None
        Why SUV could not be computed, or what had to be chosen for it, in one sentence.
    facts : mapping
        Acquisition facts that the factor was made from.
    """

    factor: float
    unit: str
    note: str | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)


class _Missing(Exception):
    """A fact that SUV needs is missing or implausible; the text completes a sentence."""


def pet_scale(headers: Sequence[Dataset]) -> PetScale:
    """Find the factor from rescaled PET values to SUV by body weight.

    Parameters
    ----------
    headers : sequence of Dataset
        Headers of all slices of one PET series.

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
    units = str(first.get("Units") or "").strip().upper()
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
                "activity; they were left as counts.",
            )
        factor = to_activity
    elif units != "BQML":
        return PetScale(
            1.0,
            "a.u.",
            f"SUV could not be computed because the unit of the PET values is "
            f"{units or 'not given'} (0054,1001), not BQML; they were left as they are.",
        )
    try:
        to_suv, facts = _from_activity(headers)
    except _Missing as missing:
        return PetScale(
            factor,
            "Bq/mL",
            f"SUV could not be computed because {missing}; the values were left in Bq/mL.",
        )
    return PetScale(factor * to_suv, "SUVbw", facts.pop("note", None), facts)


def _from_activity(headers: Sequence[Dataset]) -> tuple[float, dict[str, Any]]:
    """Return SUVbw per Bq/mL: weight in g over the dose at the time of decay correction."""
    header = headers[0]
    corrected = [str(c).upper() for c in _values(header.get("CorrectedImage"))]
    for word, meaning in (("ATTN", "attenuation"), ("DECY", "decay")):
        if word not in corrected:
            raise _Missing(f"the images are not marked as corrected for {meaning} (0028,0051)")
    weight = number(header, "PatientWeight")
    if not weight or weight <= 0:
        raise _Missing("the patient's weight (0010,1030) is missing")
    _check_same(headers)
    if not MIN_KG <= weight <= MAX_KG:
        raise _Missing(f"a patient's weight of {weight:g} kg (0010,1030) is not plausible")
    sequence = header.get("RadiopharmaceuticalInformationSequence")
    if not sequence:
        raise _Missing("the injected dose (0054,0016) is missing")
    if len(sequence) > 1:
        raise _Missing(f"{len(sequence)} injections are listed (0054,0016)")
    tracer: Dataset = sequence[0]
    dose = number(tracer, "RadionuclideTotalDose")
    if not dose or dose <= 0:
        raise _Missing("the injected dose (0018,1074) is missing")
    if dose < MIN_DOSE_BQ:
        raise _Missing(f"an injected dose of {dose:g} Bq (0018,1074) is not plausible")
    if not MIN_BQ_PER_KG <= dose / weight <= MAX_BQ_PER_KG:
        raise _Missing(
            f"an injected dose of {dose:g} Bq (0018,1074) for {weight:g} kg (0010,1030) is not "
            "plausible; one of them is in another unit"
        )
    correction = str(header.get("DecayCorrection") or "").strip().upper()
    facts: dict[str, Any] = {"decay_correction": correction, "injected_dose_bq": dose}
    if correction == "ADMIN":  # already at the time of injection: decaying the dose would be twice
        return weight * 1000 / dose, facts
    if correction != "START":
        raise _Missing(
            f"DecayCorrection (0054,1102) is {correction or 'missing'}, not START or ADMIN"
        )
    half_life = number(tracer, "RadionuclideHalfLife")
    if not half_life or half_life <= 0:
        raise _Missing("the half-life of the tracer (0018,1075) is missing")
    waited = _seconds_from_injection(headers, tracer, half_life)
    facts |= {"half_life_s": half_life, "injection_to_scan_s": waited}
    if (note := _contradiction(tracer, _zone(header))) is not None:
        facts["note"] = note
    return weight * 1000 / (dose * 2 ** (-waited / half_life)), facts


#: What holds for a whole series, and the same of its tracer.
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
    """Refuse a series whose slices differ in what SUV is made from."""
    tracers = [h.get("RadiopharmaceuticalInformationSequence") or [Dataset()] for h in headers]
    for of, names in ((headers, _ONE_FOR_ALL), ([t[0] for t in tracers], _ONE_TRACER)):
        for key, name in names.items():
            if len({str(dataset.get(key) or "") for dataset in of}) > 1:
                raise _Missing(f"{name} differs between the slices")


def _seconds_from_injection(headers: Sequence[Dataset], tracer: Dataset, half_life: float) -> float:
    scan = _decay_reference(headers, half_life)
    injected, dated = _injection(tracer, scan, _zone(headers[0]))
    if injected > scan and not dated:  # only a time of day is known: the scan ran past midnight
        injected -= timedelta(days=1)
    waited = (scan - injected).total_seconds()
    if not 0 <= waited <= MAX_HALF_LIVES * half_life:
        raise _Missing(
            f"{waited / 60:.0f} minutes from injection to scan are not plausible for a half-life "
            f"of {half_life / 60:.0f} minutes"
        )
    return waited


def _injection(tracer: Dataset, scan: datetime, zone: timedelta | None) -> tuple[datetime, bool]:
    """Return the moment of injection on the scanner's clock, and whether its day is stated.

    It may be given twice, as a date-time (0018,1078) that may have an offset from UTC, and as a
    time of day (0018,1072), which is always on the scanner's clock.
    """
    whole = tracer.get("RadiopharmaceuticalStartDateTime")
    dated = _moment(whole, zone=zone)
    timed = _moment(f"{scan:%Y%m%d}", tracer.get("RadiopharmaceuticalStartTime"))
    if dated is None and timed is None:
        raise _Missing("the time of injection (0018,1072) is missing")
    if dated is None or timed is None:
        if dated is not None and zone is None and _offset(whole) is not None:
            raise _Missing(
                "the time of injection (0018,1078) has an offset from UTC, and the scanner's own "
                "(0008,0201) is not stated"
            )
        return (timed, False) if timed is not None else (cast(datetime, dated), True)
    if _apart(dated, timed) > SAME_MOMENT and zone is None and _offset(whole) is not None:
        quarters = _apart(dated, timed) / 900
        if abs(quarters - round(quarters)) * 900 <= SAME_MOMENT:  # zones differ by quarters of 1 h
            raise _Missing(
                "the two times of injection, (0018,1072) and (0018,1078), may be in two time "
                "zones, and the scanner's own (0008,0201) is not stated"
            )
    return dated, True


def _apart(one: datetime, other: datetime) -> float:
    """Return by how many seconds two clocks differ, whatever the day."""
    seconds = abs((one - other).total_seconds()) % 86400
    return min(seconds, 86400 - seconds)


def _contradiction(tracer: Dataset, zone: timedelta | None) -> str | None:
    """Return a sentence if the injection's date-time, which is used, and time of day differ."""
    dated = _moment(tracer.get("RadiopharmaceuticalStartDateTime"), zone=zone)
    if dated is None:
        return None
    timed = _moment(f"{dated:%Y%m%d}", tracer.get("RadiopharmaceuticalStartTime"))
    if timed is None or _apart(dated, timed) <= SAME_MOMENT:
        return None
    return (
        f"The two times of injection, (0018,1072) and (0018,1078), differ by "
        f"{_apart(dated, timed) / 60:.0f} minutes; SUV was computed with the second, the full date."
    )


def _decay_reference(headers: Sequence[Dataset], half_life: float) -> datetime:
    """Return the moment that ``START`` refers to.

    That is the stated moment of the decay correction, (0018,9701) or Siemens' private (0071,1022);
    else the series time, unless the series was made after the acquisition; then GE's private scan
    time (0009,100D), or the acquisition time less the frame's reference time.
    """
    stated = {
        _moment(h.get("DecayCorrectionDateTime"), zone=_zone(h))
        or _private_moment(h, 0x0071, "SIEMENS MED PT", 0x22)
        for h in headers
    }
    if len(stated) > 1:
        raise _Missing("the time of the decay correction (0018,9701) differs between the slices")
    only = stated.pop()
    if only is not None:
        return only
    acquired = [(m, h) for h in headers if (m := _acquisition(h)) is not None]
    series = _moment(headers[0].get("SeriesDate"), headers[0].get("SeriesTime"))
    if not acquired:
        raise _Missing("the acquisition time (0008,0032) is missing")
    earliest, header = min(acquired, key=lambda pair: pair[0])
    if series is not None and series <= earliest:
        return series
    private = _private_moment(header, 0x0009, "GEMS_PETD_01", 0x0D)
    if private is not None:
        return private
    reference = number(header, "FrameReferenceTime")
    duration = number(header, "ActualFrameDuration")
    if reference is None or reference <= 0 or not duration or duration <= 0:
        raise _Missing("the series time (0008,0031) is not the start of the scan")
    decay = math.log(2) / half_life
    during = decay * duration / 1000
    # the moment within the frame at which the count rate equals the frame's mean
    mean_rate = math.log(during / -math.expm1(-during)) / decay
    return earliest - timedelta(seconds=reference / 1000 - mean_rate)


def _private_moment(header: Dataset, group: int, creator: str, element: int) -> datetime | None:
    """Return a private date-time by its block's creator."""
    try:
        value = header.private_block(group, creator)[element].value
    except KeyError:
        return None
    text = value.decode("ascii", "ignore").strip("\0 ") if isinstance(value, bytes) else value
    return _moment(text, zone=_zone(header))


def _philips(header: Dataset, element: int) -> float | None:
    """Return one of Philips' factors, wherever its private block lies in the group 7053."""
    try:
        block = header.private_block(0x7053, "Philips PET Private Group")
        return number(header, BaseTag(block.get_tag(element)))
    except KeyError:
        return None


def _acquisition(header: Dataset) -> datetime | None:
    whole = _moment(header.get("AcquisitionDateTime"), zone=_zone(header))
    if whole is not None:
        return whole
    date = header.get("AcquisitionDate") or header.get("SeriesDate")
    return _moment(date, header.get("AcquisitionTime"))


_OFFSET = re.compile(r"([+-])(\d{2}):?(\d{2})$")


def _offset(value: Any) -> timedelta | None:
    """Return the offset from UTC that ends a DT, or that Timezone Offset From UTC holds."""
    found = _OFFSET.search(str(value or "").strip())
    if found is None:
        return None
    size = timedelta(hours=int(found[2]), minutes=int(found[3]))
    return -size if found[1] == "-" else size


def _zone(header: Dataset) -> timedelta | None:
    """Return the zone of the header's dates and times (0008,0201), None if it is not stated."""
    stated = _offset(header.get("TimezoneOffsetFromUTC"))
    return _offset(header.get("AcquisitionDateTime")) if stated is None else stated


def _moment(date: Any, time: Any = "", zone: timedelta | None = None) -> datetime | None:
    """Parse DT, or DA and TM, to the clock of the header's other times.

    A DT with an offset from UTC is brought to `zone`; without a zone it is taken to be that of the
    other times.
    """
    if date is None or time is None:
        return None
    text = str(date).strip()
    moved = timedelta()
    if time != "":
        text += str(time).strip()
    elif (own := _offset(text)) is not None:
        text = _OFFSET.sub("", text)
        moved = timedelta() if zone is None else zone - own
    whole, _, fraction = text.replace(":", "").partition(".")
    if not whole.isdigit() or len(whole) < 10:  # at least the hour
        return None
    try:
        moment = datetime.strptime(whole[:14].ljust(14, "0"), "%Y%m%d%H%M%S")
    except ValueError:
        return None
    return moment + moved + timedelta(seconds=float(f"0.{fraction}") if fraction.isdigit() else 0)


def _values(value: Any) -> list[Any]:
    if value is None:
        return []
    return [value] if isinstance(value, str) else list(value)

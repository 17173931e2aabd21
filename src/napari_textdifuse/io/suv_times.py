"""Moments in PET headers: injection, scan, decay correction, on the scanner's clock."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, cast

from pydicom.dataset import Dataset

from .dicom_numbers import number

#: Beyond this many half-lives between injection and scan the times cannot be right.
MAX_HALF_LIVES = 10.0
#: Two statements of one moment may differ by this, in s.
SAME_MOMENT = 60.0


class Missing(Exception):
    """A fact that SUV needs is missing or implausible; the text completes a sentence."""


def seconds_from_injection(headers: Sequence[Dataset], tracer: Dataset, half_life: float) -> float:
    """Return the time from injection to the moment that the values are decay-corrected to."""
    return _plausible(_decay_reference(headers, half_life), tracer, zone_of(headers[0]), half_life)


def _plausible(scan: datetime, tracer: Dataset, zone: timedelta | None, half_life: float) -> float:
    injected, dated = _injection(tracer, scan, zone)
    if injected > scan and not dated:  # only a time of day is known: the scan ran past midnight
        injected -= timedelta(days=1)
    waited = (scan - injected).total_seconds()
    if not 0 <= waited <= MAX_HALF_LIVES * half_life:
        raise Missing(
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
    dated = moment_of(whole, zone=zone)
    timed = moment_of(f"{scan:%Y%m%d}", tracer.get("RadiopharmaceuticalStartTime"))
    if dated is None and timed is None:
        raise Missing("the time of injection (0018,1072) is missing")
    if dated is None or timed is None:
        if dated is not None and zone is None and _offset(whole) is not None:
            raise Missing(
                "the time of injection (0018,1078) has an offset from UTC, and the scanner's own "
                "(0008,0201) is not stated"
            )
        return (timed, False) if timed is not None else (cast(datetime, dated), True)
    if _apart(dated, timed) > SAME_MOMENT and zone is None and _offset(whole) is not None:
        quarters = _apart(dated, timed) / 900
        if abs(quarters - round(quarters)) * 900 <= SAME_MOMENT:  # zones differ by quarters of 1 h
            raise Missing(
                "the two times of injection, (0018,1072) and (0018,1078), may be in two time "
                "zones, and the scanner's own (0008,0201) is not stated"
            )
    return dated, True


def _apart(one: datetime, other: datetime) -> float:
    """Return by how many seconds two clocks differ, whatever the day."""
    seconds = abs((one - other).total_seconds()) % 86400
    return min(seconds, 86400 - seconds)


def contradiction(tracer: Dataset, zone: timedelta | None) -> str | None:
    """Return a sentence if the injection's date-time, which is used, and time of day differ."""
    dated = moment_of(tracer.get("RadiopharmaceuticalStartDateTime"), zone=zone)
    if dated is None:
        return None
    timed = moment_of(f"{dated:%Y%m%d}", tracer.get("RadiopharmaceuticalStartTime"))
    if timed is None or _apart(dated, timed) <= SAME_MOMENT:
        return None
    return (
        f"The two times of injection, (0018,1072) and (0018,1078), differ by "
        f"{_apart(dated, timed) / 60:.0f} minutes; SUV was computed with the second, the full date."
    )


def day_before(headers: Sequence[Dataset], tracer: Dataset, half_life: float) -> str | None:
    """Return a sentence if only a time of day of the injection is known, later than the scan's."""
    scan = _decay_reference(headers, half_life)
    injected, dated = _injection(tracer, scan, zone_of(headers[0]))
    if dated or injected <= scan:
        return None
    return (
        f"The injection is stated for {injected:%H:%M} without a date, the scan for {scan:%H:%M}; "
        "the injection was assumed to be on the day before, and SUV was computed so."
    )


def _decay_reference(headers: Sequence[Dataset], half_life: float) -> datetime:
    """Return the moment that ``START`` refers to.

    That is the stated moment of the decay correction, (0018,9701) or Siemens' private (0071,1022);
    else the series time, unless the series was made after the acquisition; then GE's private scan
    time (0009,100D), or the acquisition time less the frame's reference time.
    """
    stated = {
        moment_of(h.get("DecayCorrectionDateTime"), zone=zone_of(h))
        or _private_moment(h, 0x0071, "SIEMENS MED PT", 0x22)
        for h in headers
    }
    if len(stated) > 1:
        raise Missing("the time of the decay correction (0018,9701) differs between the slices")
    only = stated.pop()
    if only is not None:
        return only
    acquired = [(m, h) for h in headers if (m := _acquisition(h)) is not None]
    series = moment_of(headers[0].get("SeriesDate"), headers[0].get("SeriesTime"))
    if not acquired:
        raise Missing("the acquisition time (0008,0032) is missing")
    earliest, header = min(acquired, key=lambda pair: pair[0])
    if series is not None and series <= earliest:
        return series
    private = _private_moment(header, 0x0009, "GEMS_PETD_01", 0x0D)
    if private is not None:
        return private
    reference = number(header, "FrameReferenceTime")
    duration = number(header, "ActualFrameDuration")
    if reference is None or reference <= 0 or not duration or duration <= 0:
        raise Missing("the series time (0008,0031) is not the start of the scan")
    into = seconds_to_mean_rate(duration / 1000, half_life)
    return earliest - timedelta(seconds=reference / 1000 - into)


def seconds_to_mean_rate(duration: float, half_life: float) -> float:
    """Return after how many s of a frame the count rate equals the frame's mean."""
    decay = math.log(2) / half_life
    during = decay * duration
    return math.log(during / -math.expm1(-during)) / decay


def frame_moment(frame: Dataset, half_life: float) -> datetime:
    """Return the moment whose activity an enhanced frame without decay correction shows.

    That is the frame's reference date-time (0018,9151); else, from its acquisition date-time
    (0018,9074) and duration (0018,9220), when the count rate was the frame's mean.
    """
    zone = zone_of(frame)
    stated = moment_of(frame.get("FrameReferenceDateTime"), zone=zone)
    if stated is not None:
        return stated
    begun = moment_of(frame.get("FrameAcquisitionDateTime"), zone=zone)
    duration = number(frame, "FrameAcquisitionDuration")
    if begun is None or not duration or duration <= 0:
        raise Missing(
            "a frame that is not corrected for decay states neither its reference time (0018,9151) "
            "nor its acquisition time and duration (0018,9074 and 9220)"
        )
    return begun + timedelta(seconds=seconds_to_mean_rate(duration / 1000, half_life))


def seconds_of_frame(frame: Dataset, tracer: Dataset, half_life: float) -> float:
    """Return the time from injection to `frame_moment`."""
    return _plausible(frame_moment(frame, half_life), tracer, zone_of(frame), half_life)


def _private_moment(header: Dataset, group: int, creator: str, element: int) -> datetime | None:
    """Return a private date-time by its block's creator."""
    try:
        value = header.private_block(group, creator)[element].value
    except KeyError:
        return None
    text = value.decode("ascii", "ignore").strip("\0 ") if isinstance(value, bytes) else value
    return moment_of(text, zone=zone_of(header))


def _acquisition(header: Dataset) -> datetime | None:
    whole = moment_of(header.get("AcquisitionDateTime"), zone=zone_of(header))
    if whole is not None:
        return whole
    date = header.get("AcquisitionDate") or header.get("SeriesDate")
    return moment_of(date, header.get("AcquisitionTime"))


_OFFSET = re.compile(r"([+-])(\d{2}):?(\d{2})$")


def _offset(value: Any) -> timedelta | None:
    """Return the offset from UTC that ends a DT, or that Timezone Offset From UTC holds."""
    found = _OFFSET.search(str(value or "").strip())
    if found is None:
        return None
    size = timedelta(hours=int(found[2]), minutes=int(found[3]))
    return -size if found[1] == "-" else size


def zone_of(header: Dataset) -> timedelta | None:
    """Return the zone of the header's dates and times (0008,0201), None if it is not stated."""
    stated = _offset(header.get("TimezoneOffsetFromUTC"))
    return _offset(header.get("AcquisitionDateTime")) if stated is None else stated


def moment_of(date: Any, time: Any = "", zone: timedelta | None = None) -> datetime | None:
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

"""SUV of PET in NIfTI from a BIDS sidecar, as PET2BIDS writes it.

The facts are those of BEP009 (BIDS specification, "Positron Emission Tomography"). What is missing
or implausible is a note, and the values stay in Bq/mL.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .suv import MAX_BQ_PER_KG, MAX_KG, MIN_BQ_PER_KG, MIN_DOSE_BQ, MIN_KG
from .suv_times import MAX_HALF_LIVES

#: Half-lives in s by the radionuclide's usual spelling (DICOM PS3.16 CID 4020; NUBASE2020).
HALF_LIVES = {
    "F18": 6586.2,
    "C11": 1221.8,
    "N13": 597.9,
    "O15": 122.2,
    "GA68": 4062.6,
    "RB82": 76.4,
    "CU64": 45723.6,
    "ZR89": 282276.0,
    "I124": 360806.4,
    "Y86": 53064.0,
}
_BECQUEREL = {
    **{"bq": 1.0, "kbq": 1e3, "mbq": 1e6, "gbq": 1e9},
    **{"nci": 37.0, "uci": 3.7e4, "µci": 3.7e4, "mci": 3.7e7, "ci": 3.7e10},
}
_BQ_PER_ML = {
    f"{unit}/{volume}": factor
    for unit, factor in _BECQUEREL.items()
    for volume in ("ml", "cc", "cm3", "cm^3")
}
#: BIDS has no unit but kg; other programs add one.
_KILOGRAMS = {
    **dict.fromkeys(("kg", "kilogram", "kilograms"), 1.0),
    **dict.fromkeys(("g", "gram", "grams"), 1e-3),
    **dict.fromkeys(("lb", "lbs", "pound", "pounds"), 0.45359237),
}


@dataclass(frozen=True)
class SidecarScale:
    """Conversion of PET values to `unit`; see `suv.PetScale`."""

    factor: float
    unit: str
    note: str | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)


class _Missing(Exception):
    """A fact that SUV needs is missing or implausible; the text completes a sentence."""


def is_pet_sidecar(content: Mapping[str, Any]) -> bool:
    """Return whether a sidecar describes a measurement of activity."""
    unit = str(content.get("Units") or "").strip().casefold()
    return unit in _BQ_PER_ML and (str(content.get("Modality") or "PT").upper() in ("PT", "PET"))


def sidecar_scale(content: Mapping[str, Any]) -> SidecarScale:
    """Return the factor from a PET's values to SUV by body weight.

    Parameters
    ----------
    content : mapping
        The sidecar, for which `is_pet_sidecar` holds.

    Returns
    -------
    SidecarScale

    Notes
    -----
    SUV is activity times weight over dose, both at one moment: that to which the image is
    decay-corrected (``ImageDecayCorrectionTime``, else ``ScanStart``; seconds from ``TimeZero``),
    to which the dose decays from ``InjectionStart``.
    """
    to_activity = _BQ_PER_ML[str(content["Units"]).strip().casefold()]
    try:
        factor, facts = _to_suv(content)
    except _Missing as missing:
        return SidecarScale(
            to_activity,
            "Bq/mL",
            f"SUV could not be computed because {missing}; the values are in Bq/mL.",
        )
    note = None
    if "infusion" in str(content.get("ModeOfAdministration") or "").casefold():
        note = (
            "The tracer was infused (ModeOfAdministration); SUV counts all of it from "
            "InjectionStart on."
        )
    return SidecarScale(to_activity * factor, "SUVbw", note, facts)


def _to_suv(content: Mapping[str, Any]) -> tuple[float, dict[str, Any]]:
    if content.get("AttenuationCorrection") in (False, "none", "None", "NONE"):
        raise _Missing("attenuation was not corrected, according to the sidecar")
    if content.get("ImageDecayCorrected") is not True:
        raise _Missing("the sidecar does not say that decay was corrected (ImageDecayCorrected)")
    weight = _number(content, "BodyWeight")
    if weight is None or weight <= 0:
        raise _Missing("the sidecar has no BodyWeight")
    for key in ("BodyWeightUnits", "BodyWeightUnit"):
        word = str(content.get(key) or "kg").strip().casefold()
        if word not in _KILOGRAMS:
            raise _Missing(f"{key} is {word}, not kg")
        weight *= _KILOGRAMS[word]
    if not MIN_KG <= weight <= MAX_KG:
        raise _Missing(f"a BodyWeight of {weight:g} kg is not plausible")
    dose = _number(content, "InjectedRadioactivity")
    if dose is None or dose <= 0:
        raise _Missing("the sidecar has no InjectedRadioactivity")
    word = str(content.get("InjectedRadioactivityUnits") or "").strip().casefold()
    if word not in _BECQUEREL:
        raise _Missing(f"InjectedRadioactivityUnits is {word or 'missing'}, not MBq")
    dose *= _BECQUEREL[word]
    if dose < MIN_DOSE_BQ or not MIN_BQ_PER_KG <= dose / weight <= MAX_BQ_PER_KG:
        raise _Missing(
            f"an injected activity of {dose / 1e6:g} MBq for {weight:g} kg is not plausible; one "
            "of them is in another unit"
        )
    facts: dict[str, Any] = {"injected_dose_bq": dose, "weight_kg": weight}
    injected = _number(content, "InjectionStart")
    corrected = _number(content, "ImageDecayCorrectionTime")
    if corrected is None:
        corrected = _number(content, "ScanStart")
    if injected is None or corrected is None:
        raise _Missing("the sidecar has no InjectionStart, or no time of the decay correction")
    waited = corrected - injected
    if waited == 0:
        return weight * 1000 / dose, facts | {"injection_to_scan_s": 0.0}
    half_life = _half_life(content)
    if not 0 <= waited <= MAX_HALF_LIVES * half_life:
        raise _Missing(
            f"{waited / 60:.0f} minutes from injection to the time of the decay correction are not "
            f"plausible for a half-life of {half_life / 60:.0f} minutes"
        )
    facts |= {"half_life_s": half_life, "injection_to_scan_s": waited}
    return weight * 1000 / (dose * 2 ** (-waited / half_life)), facts


def _half_life(content: Mapping[str, Any]) -> float:
    stated = _number(content, "RadionuclideHalfLife")
    if stated is not None and stated > 0:
        return stated
    word = str(content.get("TracerRadionuclide") or "").upper()
    letters, digits = "".join(re.findall("[A-Z]+", word)), "".join(re.findall(r"\d+", word))
    name = letters + digits
    if name not in HALF_LIVES:
        raise _Missing(f"the half-life of the radionuclide ({word or 'not given'}) is not known")
    return HALF_LIVES[name]


def _number(content: Mapping[str, Any], key: str) -> float | None:
    """Return a finite number, also if it is written as text; of a list with one value, that."""
    value = content.get(key)
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        number = float(value)
    except ValueError:
        return None
    return number if np.isfinite(number) else None

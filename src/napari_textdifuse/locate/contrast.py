"""How an MR image is weighted: said by its maker, its name, or (last) by its own values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..names import contrast_in
from ..volume import Volume

_SOURCE_WORDS = {
    "stated": "what you stated",
    "sidecar": "its sidecar file",
    "file name": "its file's name",
    "folder name": "its folder's name",
}


def stated_contrast(volume: Volume) -> tuple[str | None, str]:
    """Return an MR image's contrast as far as anything outside its values says it.

    In order: ``volume.contrast``, facts about the acquisition (a contrast agent, series or
    protocol description, echo, repetition and inversion time), the image's name.

    Parameters
    ----------
    volume : Volume

    Returns
    -------
    contrast : {"T1", "T1Gd", "T2", "PD", "FLAIR", "DWI", "ADC", "T2*", "MRA"} or None
    source : str
        What said so, for a note.
    """
    if volume.contrast:
        return (
            volume.contrast,
            f"by {_SOURCE_WORDS.get(volume.sources.get('contrast', ''), 'its file')}",
        )
    facts = dict(volume.metadata)
    nested = facts.get("acquisition")
    if isinstance(nested, Mapping):
        facts |= nested
    for key in ("contrast", "suffix", "SeriesDescription", "ProtocolName"):
        if (found := contrast_in(str(facts.get(key) or ""))) is not None:
            agent = facts.get("ContrastBolusAgent")
            return ("T1Gd" if found == "T1" and agent else found), f"by its {key}"
    if (found := _from_times(facts)) is not None:
        return found, "by its echo, repetition and inversion times"
    if (found := contrast_in(volume.name)) is not None:
        return found, "by its name"
    return None, ""


def _from_times(facts: Mapping[str, Any]) -> str | None:
    """Read spin-echo times in ms (or in s, as in BIDS sidecars)."""
    try:
        echo, repetition = float(facts["EchoTime"]), float(facts["RepetitionTime"])
        inversion = float(facts.get("InversionTime") or 0)
    except (KeyError, TypeError, ValueError):
        return None
    if repetition < 30 and echo < 1:  # seconds
        echo, repetition, inversion = 1000 * echo, 1000 * repetition, 1000 * inversion
    if inversion > 1500 and echo > 60:
        return "FLAIR"
    if echo < 30 and (repetition < 1000 or 0 < inversion < 1500):
        return "T1Gd" if facts.get("ContrastBolusAgent") else "T1"
    if repetition > 1500 and echo > 60:
        return "T2"
    if repetition > 1500 and echo < 40:
        return "PD"
    return None

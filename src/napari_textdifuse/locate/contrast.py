"""How an MR image is weighted: said by its maker, its name, or (last) by its own values."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ..volume import Volume

#: Contrasts that rules are written for. "T1Gd" is T1 weighting after gadolinium.
CONTRASTS = ("T1", "T1Gd", "T2", "PD", "FLAIR", "DWI", "ADC", "T2*", "MRA")
#: In this order: "T1 FLAIR post Gd" is looked at from the most special word on.
_WORDS: tuple[tuple[str, str], ...] = (
    ("ADC", r"adc|apparent.?diffusion"),
    ("DWI", r"dwi|dti|diffusion|tracew"),
    ("MRA", r"mra|tof|angio\w*"),
    ("T2*", r"t2\*|t2star\w*|swi|swan|bold|gre.?t2|epi"),
    ("FLAIR", r"flair|t2.?flair"),
    ("T1Gd", r"t1c|t1ce|t1.?gd|t1.?(?:post|km)|ce.?t1w?|gd.?t1w?|gd|gadolinium|mr.?gd"),
    ("PD", r"pd|pdw|proton.?density"),
    ("T2", r"t2|t2w"),
    ("T1", r"t1|t1w|mprage|mp.?rage|spgr|bravo|tfl"),
)


def canonical(text: str) -> str | None:
    """Return the contrast that a word, suffix or series name stands for.

    Examples
    --------
    >>> canonical("sub-01_T1w"), canonical("ax T2 FLAIR fs"), canonical("localiser")
    ('T1', 'FLAIR', None)
    """
    spaced = re.sub(r"[_/+]", " ", text).casefold()
    for name, words in _WORDS:
        if re.search(rf"(?<![a-z0-9])(?:{words})(?![a-z0-9*])", spaced):
            return name
    return None


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
    given = getattr(volume, "contrast", None)
    if given:
        return canonical(str(given)) or str(given), "as stated"
    facts = dict(volume.metadata)
    nested = facts.get("acquisition")
    if isinstance(nested, Mapping):
        facts |= nested
    for key in ("contrast", "suffix", "SeriesDescription", "ProtocolName"):
        if (found := canonical(str(facts.get(key) or ""))) is not None:
            agent = facts.get("ContrastBolusAgent")
            return ("T1Gd" if found == "T1" and agent else found), f"by its {key}"
    if (found := _from_times(facts)) is not None:
        return found, "by its echo, repetition and inversion times"
    if (found := canonical(volume.name)) is not None:
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

"""How an MR image is weighted: said by its maker, its name, or (last) by its own values."""

from __future__ import annotations

from collections.abc import Mapping

from ..names import contrast_in, contrast_of_times
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
    if (found := contrast_of_times(facts)) is not None:
        return found, "by its echo, repetition and inversion times"
    if (found := contrast_in(volume.name)) is not None:
        return found, "by its name"
    return None, ""

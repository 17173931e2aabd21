"""Which pairs are never trained on. Chosen before the first training run, by case."""

from __future__ import annotations

from zlib import crc32

#: Harvard case numbers kept out of every training set: a case may appear under several
#: modalities, so a number is held out everywhere.
HELD_OUT_CASES = frozenset({"11", "28", "40", "41"})


def case_of(stem: str) -> str:
    """Case number of a Harvard Whole Brain Atlas name: all but the last three digits."""
    return stem[:-3]


def is_held_out(set_name: str, stem: str) -> bool:
    """Tell whether a pair belongs to the held-out part.

    Parameters
    ----------
    set_name : str
        ``"CT-MRI"``, ``"PET-MRI"``, ``"SPECT-MRI"`` (split by case), or any other set (one file
        in five, by a checksum of its name).
    stem : str
        File name without its extension.

    Returns
    -------
    bool
    """
    if set_name in ("CT-MRI", "PET-MRI", "SPECT-MRI"):
        return case_of(stem) in HELD_OUT_CASES
    return crc32(stem.encode()) % 5 == 0

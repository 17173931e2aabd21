"""The held-out images: whole cases, chosen before the first step."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from zlib import crc32

from ..errors import InputError

#: Harvard case numbers held out of every training set: a case may exist in several
#: modalities, so a number is held out everywhere.
HELD_OUT_CASES = frozenset({"11", "28", "40", "41"})
#: Held-out frame numbers of MSRS: the drives are filmed, so neighbouring frames look alike.
HELD_OUT_FRAMES = ((310, 350), (695, 760), (1195, 1260))
#: Sets that are named by Harvard case number.
HARVARD = ("CT-MRI", "PET-MRI", "SPECT-MRI")
#: The set that is named by frame number, such as ``00311D``.
FILMED = "MSRS"


def case_of(stem: str) -> str:
    """Case number of a Harvard Whole Brain Atlas name: all but the last three digits."""
    return stem[:-3]


def in_held_out_block(stem: str) -> bool:
    """Return whether an MSRS name is a frame of a held-out block."""
    digits = re.match(r"\d+", stem)
    return digits is not None and any(
        low <= int(digits.group()) <= high for low, high in HELD_OUT_FRAMES
    )


def is_held_out(set_name: str, stem: str) -> bool:
    """Return whether a pair belongs to the held-out part of the published split.

    Parameters
    ----------
    set_name : str
        ``"CT-MRI"``, ``"PET-MRI"``, ``"SPECT-MRI"`` (split by case), ``"MSRS"`` (by blocks of
        frames), or any other set (one file in five, by a checksum of its name).
    stem : str
        File name without its extension.

    Returns
    -------
    bool
    """
    if set_name in HARVARD:
        return case_of(stem) in HELD_OUT_CASES
    if set_name == FILMED:
        return in_held_out_block(stem)
    return crc32(stem.encode()) % 5 == 0


@dataclass(frozen=True)
class SplitRule:
    """Rule for the case of an image and for the held-out cases.

    Parameters
    ----------
    pattern : str, optional
        Regular expression with one group, searched in the file name without extension; by default
        the Harvard rule for its sets, and the whole name for others.
    held_out : tuple of str
        Cases to hold out; empty for the published rule, or one case in `every`.
    every : int
        Hold out one case in this many, by a checksum of its name.
    """

    pattern: str | None = None
    held_out: tuple[str, ...] = ()
    every: int = 5

    def case(self, set_name: str, stem: str) -> str:
        """Return the case of an image.

        Raises
        ------
        InputError
            If the pattern does not have exactly one group, or does not match the name.
        """
        if self.pattern is None:
            return case_of(stem) if set_name in HARVARD else stem
        try:
            expression = re.compile(self.pattern)
        except re.error as error:
            raise InputError(
                f"--case-pattern {self.pattern!r} is not a regular expression: {error}."
            ) from None
        if expression.groups != 1:
            raise InputError(
                f"--case-pattern {self.pattern!r} needs one group in parentheses, the case; "
                f"it has {expression.groups}."
            )
        match = expression.search(stem)
        if match is None or match.group(1) is None:
            raise InputError(
                f"--case-pattern {self.pattern!r} does not match the image name {stem}."
            )
        return match.group(1)

    def choose(self, cases: Iterable[tuple[str, str]]) -> frozenset[str]:
        """Choose the cases to hold out.

        Parameters
        ----------
        cases : iterable of (str, str)
            Names of set and case.

        Raises
        ------
        InputError
            If a named case does not exist, or no case is left for training or validation.
        """
        known = {case: name for name, case in cases}
        if len(known) < 2:
            raise InputError(
                f"there is only the case {', '.join(known)}, but one for training and one to hold "
                "out "
                "are needed; add images, or define the cases with --case-pattern."
            )
        if self.held_out:
            absent = sorted(set(self.held_out) - known.keys())
            if absent:
                raise InputError(
                    f"--held-out names cases that do not exist: {', '.join(absent)}; "
                    f"choose from {', '.join(sorted(known)[:8])}{' ...' if len(known) > 8 else ''}."
                )
            chosen = frozenset(self.held_out)
        else:
            chosen = frozenset(c for c, name in known.items() if self._by_rule(name, c))
            # so few cases that the rule selects none or all: hold out one
            if len(chosen) in (0, len(known)):
                chosen = frozenset(sorted(known, key=_checksum)[:1])
        if len(chosen) == len(known):
            raise InputError("--held-out names every case; leave some for training.")
        return chosen

    def _by_rule(self, set_name: str, case: str) -> bool:
        if set_name in HARVARD and self.pattern is None:
            return case in HELD_OUT_CASES
        if set_name == FILMED and self.pattern is None:
            return in_held_out_block(case)
        return _checksum(case) % self.every == 0


def _checksum(case: str) -> int:
    return crc32(case.encode())

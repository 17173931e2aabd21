"""Options for the part of the images to fuse, their alignment and their windows."""

from __future__ import annotations

import argparse
import re
from pathlib import Path

from .numbers import whole

Range = int | tuple[int | None, int | None]


def add_extent(parser: argparse.ArgumentParser) -> None:
    """Add the options to a command's parser."""
    add = parser.add_argument_group("images").add_argument
    text = "one slice of A, or a range START:STOP without STOP; from 0, negative from the end"
    add("--slices", "--slice", type=slices, metavar="N|START:STOP", help=text)
    text = "axis of the slices: 0 (default), 1 or 2 of the array, or axial, coronal, sagittal"
    add("--axis", type=axis, default=0, help=text)
    add("--time", type=whole(0, 10**6), metavar="N", help="time point of 4-D images, from 0")
    text = "align B with A: rigid, affine, or a transform saved by 'textdifuse register'"
    add("--register", type=register, metavar="KIND|FILE", help=text)
    for role in "ab":
        text = (
            f"window of {role.upper()} in its unit, or a preset such as brain or bone; "
            "default: by unit"
        )
        add(f"--window-{role}", type=window, metavar="LOW:HIGH|PRESET", help=text)


def slices(text: str) -> Range:
    """Parse ``5``, ``-1``, ``10:20``, ``10:`` or ``:20``."""
    number = r"-?\d{1,9}"
    if re.fullmatch(number, text):
        return int(text)
    found = re.fullmatch(rf"({number})?:({number})?", text)
    if found is None:
        raise argparse.ArgumentTypeError(f"must be such as 5, -1, 10:20 or 10:, not {text!r}")
    first, last = (None if part is None else int(part) for part in found.groups())
    return first, last


def axis(text: str) -> int | str:
    """Parse an array axis or the name of a plane."""
    if text in ("axial", "coronal", "sagittal"):
        return text
    if text in ("0", "1", "2"):
        return int(text)
    raise argparse.ArgumentTypeError(f"must be 0, 1, 2, axial, coronal or sagittal, not {text!r}")


def register(text: str) -> str | Path:
    """Parse a kind of registration or the path of a transform."""
    if text in ("rigid", "affine"):
        return text
    path = Path(text)
    if path.suffix not in (".json", ".tfm") or not path.is_file():
        raise argparse.ArgumentTypeError(
            f"must be rigid, affine or a transform file (.json, .tfm), not {text!r}"
        )
    return path


def window(text: str) -> str | tuple[float, float]:
    """Parse ``-100:900`` or a preset's name, which is checked when its image's unit is known."""
    low, colon, high = text.rpartition(":")
    if not colon:
        return text
    try:
        return float(low), float(high)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"must be LOW:HIGH or the name of a preset, not {text!r}"
        ) from None

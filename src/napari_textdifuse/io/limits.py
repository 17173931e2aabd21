"""How large an image may be, checked against its header before memory is taken."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable
from pathlib import Path

from ..errors import InputError, ReadError

#: Environment variable with another limit, in bytes.
VARIABLE = "TEXTDIFUSE_MAX_BYTES"
#: A whole-body CT of 2000 slices takes 1 GiB.
DEFAULT_MAX_BYTES = 4 * 2**30


def max_bytes() -> int:
    """Return how many bytes of pixel values an image may take in memory.

    Returns
    -------
    int
        The environment variable ``TEXTDIFUSE_MAX_BYTES`` (a whole number; ``0`` is no limit), else
        4 GiB.

    Raises
    ------
    InputError
        If the variable is not a whole number.
    """
    text = os.environ.get(VARIABLE, "").strip()
    if not text:
        return DEFAULT_MAX_BYTES
    try:
        limit = int(float(text)) if "e" in text.lower() else int(text)
    except (ValueError, OverflowError):
        limit = -1
    if limit < 0:
        raise InputError(
            f"the environment variable {VARIABLE} must be a number of bytes, such as 8000000000, "
            f"not {text!r}."
        )
    return limit or 2**63 - 1


def check_size(name: str, shape: Iterable[int], itemsize: float) -> int:
    """Refuse an image that would take more memory than allowed.

    Parameters
    ----------
    name : str
        For the message.
    shape : iterable of int
        As the header says.
    itemsize : float
        Bytes of one value once it is read.

    Returns
    -------
    int
        Bytes of the values.

    Raises
    ------
    ReadError
        If they are more than `max_bytes`.
    """
    shape = [int(n) for n in shape]
    size = math.ceil(math.prod(shape) * itemsize)
    limit = max_bytes()
    if size > limit:
        raise ReadError(
            f"{name}: the image of {' x '.join(map(str, shape))} values would take "
            f"{in_words(size)} of memory, more than the limit of {in_words(limit)}; crop or "
            f"downsample it, or raise the limit with the environment variable {VARIABLE} "
            "(in bytes)."
        )
    return size


def check_complete(name: str, needed: int, path: Path) -> None:
    """Refuse a file that is shorter than its header says.

    Parameters
    ----------
    name : str
        For the message.
    needed : int
        Bytes that the header speaks of.
    path : Path

    Raises
    ------
    ReadError
        If the file has fewer.
    """
    there = path.stat().st_size
    if needed > there:
        raise ReadError(
            f"{name}: the header describes {in_words(needed)} of values, but the file has "
            f"{in_words(there)}; it is damaged or cut off, so download or export it again."
        )


def in_words(size: float) -> str:
    """Return a number of bytes with a decimal prefix, such as ``"6.8 GB"``."""
    for unit in ("bytes", "kB", "MB", "GB", "TB"):
        if size < 1000 or unit == "TB":
            return f"{size:.0f} {unit}" if unit == "bytes" or size >= 100 else f"{size:.1f} {unit}"
        size /= 1000
    raise AssertionError  # pragma: no cover

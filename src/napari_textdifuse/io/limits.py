"""Limits on the size of an image, checked against its header before memory is allocated."""

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
#: A compressed file may expand to this much, whatever its own size.
ANY_RATIO = 2**30
#: Above that, to so many times its own size: measurements compress to a hundredth at most, but a
#: file of zeros made to fill the memory compresses to a thousandth.
RATIO = 250
#: For DICOM's run-length code, in which 2 bytes become 128 at most; measurements reach a few times.
RLE_RATIO = 32
#: Pixels of one plane in a compressed file; Pillow's own limit for PNG and JPEG. Scanners make 30
#: million at most, and decoders take several times the memory of what they decode.
PLANE = 178_956_970


def max_bytes() -> int:
    """Return how many bytes of pixel values an image may take in memory.

    Returns
    -------
    int
        The environment variable ``TEXTDIFUSE_MAX_BYTES`` (an integer; ``0`` means no limit), else
        4 GiB.

    Raises
    ------
    InputError
        If the variable is not an integer.
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


def max_unpacked(stored: int, any_ratio: int = ANY_RATIO, ratio: int = RATIO) -> int:
    """Return how many bytes a compressed file may expand to.

    Parameters
    ----------
    stored : int
        Its own size.
    any_ratio : int
        Limit for any file, however small.
    ratio : int
        Above that, so many times its own size.

    Returns
    -------
    int
        `max_bytes` where that was set by the user, else less for small files.
    """
    limit = max_bytes()
    if os.environ.get(VARIABLE, "").strip():
        return limit
    return min(limit, max(any_ratio, ratio * stored))


def check_size(
    name: str,
    shape: Iterable[int],
    itemsize: float,
    stored: int | None = None,
    ratio: int = RATIO,
) -> int:
    """Refuse an image that would take more memory than allowed.

    Parameters
    ----------
    name : str
        For the message.
    shape : iterable of int
        From the header.
    itemsize : float
        Bytes of one value once it is read.
    stored : int, optional
        Size of the file, if it is compressed.
    ratio : int
        See `max_unpacked`.

    Returns
    -------
    int
        Bytes of the values.

    Raises
    ------
    ReadError
        If they are more than `max_bytes`, or more than `max_unpacked`.
    """
    shape = [int(n) for n in shape]
    size = math.ceil(math.prod(shape) * itemsize)
    what = (
        f"the image of {' x '.join(map(str, shape))} values would take {in_words(size)} of memory"
    )
    if size > (limit := max_bytes()):
        raise ReadError(
            f"{name}: {what}, more than the limit of {in_words(limit)}; crop or downsample it, or "
            f"raise the limit with the environment variable {VARIABLE} (in bytes)."
        )
    if stored is not None and size > max_unpacked(stored, ratio=ratio):
        raise unpacks_to_too_much(name, what, stored)
    return size


def check_plane(name: str, rows: int, columns: int, stored: int) -> None:
    """Refuse a compressed plane that is larger than any that is measured.

    Parameters
    ----------
    name : str
        For the message.
    rows, columns : int
        From the header.
    stored : int
        Size of the file.

    Raises
    ------
    ReadError
        If it has more than `PLANE` pixels, and the user has not set a limit of memory.
    """
    if rows * columns > PLANE and not os.environ.get(VARIABLE, "").strip():
        raise unpacks_to_too_much(name, f"one plane would have {rows} x {columns} pixels", stored)


def unpacks_to_too_much(name: str, what: str, stored: int) -> ReadError:
    """Refuse a small compressed file that would fill the memory."""
    return ReadError(
        f"{name}: {what}, from a compressed file of {in_words(stored)}, which no measurement does; "
        f"if this is intended, set a limit with the environment variable {VARIABLE} (in bytes)."
    )


def check_complete(name: str, needed: int, path: Path) -> None:
    """Refuse a file that is shorter than stated in its header.

    Parameters
    ----------
    name : str
        For the message.
    needed : int
        Bytes stated in the header.
    path : Path

    Raises
    ------
    ReadError
        If the file has fewer.
    """
    check_held(name, needed, path.stat().st_size)


def check_held(name: str, needed: int, there: int) -> None:
    """Refuse a file with fewer bytes of values, decompressed, than stated in its header.

    Raises
    ------
    ReadError
    """
    if needed > there:
        words = [in_words(needed), in_words(there)]
        if words[0] == words[1]:
            words = [f"{size} bytes" for size in (needed, there)]
        raise ReadError(
            f"{name}: the header describes {words[0]} of values, but the file has {words[1]}; it "
            "is damaged or cut off, so download or export it again."
        )


def in_words(size: float) -> str:
    """Return a number of bytes with a decimal prefix, such as ``"6.8 GB"``."""
    for unit in ("bytes", "kB", "MB", "GB", "TB"):
        if size < 1000 or unit == "TB":
            return f"{size:.0f} {unit}" if unit == "bytes" or size >= 100 else f"{size:.1f} {unit}"
        size /= 1000
    raise AssertionError  # pragma: no cover

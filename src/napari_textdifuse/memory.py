"""Large arrays with little memory: in parts, and in files that the system may page out."""

from __future__ import annotations

import hashlib
import math
import mmap
import os
import tempfile
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

#: Values that are computed at once; their temporary copies take a few MB.
PART = 2**20
#: Bytes from which a result lies in a temporary file instead of memory.
IN_FILE = 2**28


def parts(shape: tuple[int, ...], size: int | None = None) -> Iterator[slice]:
    """Yield slices of the first axis that contain about `size` values each.

    Parameters
    ----------
    shape : tuple of int
    size : int, optional
        Each part has at least one row of the first axis. Default: `PART`.
    """
    rows = max(1, (size or PART) // max(1, math.prod(shape[1:])))
    for start in range(0, shape[0], rows):
        yield slice(start, min(start + rows, shape[0]))


def sha256_of(array: npt.NDArray[Any], *before: bytes) -> str:
    """Return the SHA-256 of an array's values in C order, without a copy of the whole.

    Parameters
    ----------
    array : ndarray
    *before : bytes
        What is hashed before them.
    """
    digest = hashlib.sha256(b"".join(before))
    rows = array if array.ndim else array[np.newaxis]
    for part in parts(rows.shape):
        digest.update(np.ascontiguousarray(rows[part]).reshape(-1).view(np.uint8).data)
    return digest.hexdigest()


def empty(shape: tuple[int, ...], dtype: npt.DTypeLike) -> npt.NDArray[Any]:
    """Return an array like `numpy.empty`; a large one lies in a temporary file.

    The file has no name that another program could open (on Windows, it is deleted when the array
    is). It is in the folder that the environment variable ``TMPDIR`` names. Without room for it,
    the array is in memory.

    Parameters
    ----------
    shape : tuple of int
    dtype : dtype
    """
    size = math.prod(shape) * np.dtype(dtype).itemsize
    reserve = getattr(os, "posix_fallocate", None)
    if size < IN_FILE or reserve is None:  # without room reserved, a full disk would be fatal
        return np.empty(shape, dtype)
    try:
        with tempfile.TemporaryFile() as file:
            reserve(file.fileno(), 0, size)
            return np.asarray(np.memmap(file, dtype, "r+", shape=shape))
    except OSError:
        return np.empty(shape, dtype)


def page_out(array: npt.NDArray[Any]) -> None:
    """Take the values of an array in a file out of memory; they are read again when needed.

    Does nothing for any other array, and where the system does not support it.

    Parameters
    ----------
    array : ndarray
        From `empty`, or a view of a `numpy.memmap`.
    """
    owner: Any = array
    while isinstance(owner, np.ndarray):
        # a private copy of a file ("c") may hold changes that the file does not have
        if isinstance(owner, np.memmap) and owner.mode == "c":
            return
        owner = owner.base
    if isinstance(owner, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):
        owner.madvise(mmap.MADV_DONTNEED)

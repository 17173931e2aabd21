"""Reading and writing numbers in DICOM headers, whatever their type."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
from pydicom.dataset import Dataset
from pydicom.tag import BaseTag


def number(header: Dataset, key: str | BaseTag) -> float | None:
    """Return a finite number of a header, or None if it is missing or not a number."""
    try:
        value = header[key].value
        if isinstance(value, bytes):  # a private tag whose type is unknown
            value = value.decode("ascii").strip("\0 ")
        result = float(value)
    except (KeyError, TypeError, ValueError, OverflowError):
        return None
    return result if math.isfinite(result) else None


def vector(header: Dataset, key: str) -> npt.NDArray[np.float64] | None:
    """Return the finite numbers of a multi-valued attribute, None if it has none."""
    try:
        values = np.asarray([float(v) for v in header[key].value], dtype=np.float64)
    except (KeyError, TypeError, ValueError):
        return None
    return values if values.size and np.isfinite(values).all() else None


def integer(value: object) -> int | None:
    """Return a value as an integer, None if it is not one."""
    try:
        return int(value)  # type: ignore[call-overload]
    except (TypeError, ValueError):
        return None


def put(header: Dataset, **values: Any) -> None:
    """Set attributes of a header that shares its elements with others, without changing those."""
    for key, value in values.items():
        if key in header:
            del header[key]  # or pydicom would write into the shared element
        setattr(header, key, value)


def changed(header: Dataset, **values: Any) -> Dataset:
    """Return a header with other attributes; `copy.copy` would share them with the first."""
    made = Dataset()
    made.update(header)
    put(made, **values)
    return made

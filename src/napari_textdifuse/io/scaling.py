"""Stored values become measured ones, in float32."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ..errors import ReadError
from ..volume import Array

_TINY = float(np.finfo(np.float32).tiny)


def scaled(
    array: Array,
    label: str,
    fields: str,
    slope: npt.ArrayLike = 1.0,
    intercept: npt.ArrayLike = 0.0,
) -> Array:
    """Return ``array * slope + intercept`` in float32; refuse what float32 cannot represent.

    Parameters
    ----------
    array : ndarray
        Values; infinite ones and NaN stay what they are.
    label : str
        Of the image, for messages.
    fields : str
        Where slope and intercept come from, such as "the rescale slope and intercept"; a plural.
    slope, intercept : array-like
        Broadcast against `array`.

    Returns
    -------
    ndarray of float32

    Raises
    ------
    ReadError
        If slope or intercept is not finite, a finite value becomes infinite, or all values are too
        small to be distinguished.
    """
    line = np.asarray(slope, np.float64), np.asarray(intercept, np.float64)
    if not all(np.isfinite(part).all() for part in line):
        raise ReadError(
            f"{label}: {fields} are not finite numbers; correct the header or export the image "
            "again."
        )
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        unchanged = (line[0] == 1).all() and not line[1].any()
        exact = array if unchanged else np.multiply(array, line[0], dtype=np.float64) + line[1]
        values = exact.astype(np.float32)
    _check(array, values, exact, label, fields)
    return values


def _check(before: Array, after: Array, exact: Array, label: str, fields: str) -> None:
    given = np.isinf(before) if before.dtype.kind == "f" else np.False_
    if (np.isinf(after) & ~given).any():
        size = "large"
    else:
        largest = float(np.max(np.abs(exact), initial=0, where=np.isfinite(exact)))
        if not 0 < largest < _TINY:
            return
        size = "small"
    raise ReadError(
        f"{label}: {fields} give values that are too {size} to be computed with; correct the "
        "header or export the image again."
    )

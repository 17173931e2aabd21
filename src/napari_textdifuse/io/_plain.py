"""Anything a record holds, as plain JSON values."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from ..errors import WriteError


def to_json(obj: Any, *, indent: int | None = None, ascii_only: bool = False) -> str:
    """Return `obj` as JSON text; NumPy values become numbers, NaN and infinity become null.

    Raises
    ------
    WriteError
        If `obj` holds something that has no form in JSON.
    """
    return json.dumps(_plain(obj), indent=indent, allow_nan=False, ensure_ascii=ascii_only)


def _plain(obj: Any) -> Any:
    if isinstance(obj, Mapping):
        return {str(key): _plain(value) for key, value in obj.items()}
    if isinstance(obj, (list, tuple, set, frozenset)):
        return [_plain(value) for value in obj]
    if isinstance(obj, np.ndarray):
        return _plain(obj.tolist())
    if isinstance(obj, np.generic):
        return _plain(obj.item())
    if isinstance(obj, float):
        return obj if math.isfinite(obj) else None
    if obj is None or isinstance(obj, (str, bool, int)):
        return obj
    if isinstance(obj, os.PathLike):
        return os.fspath(obj)
    raise WriteError(f"a value of type {type(obj).__name__} cannot be written as JSON.")

"""Helpers of all writers: files that appear complete or not at all, and records as JSON."""

from __future__ import annotations

import json
import math
import os
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import WriteError
from .staging import own_prefix


def write_bytes(path: Path, data: bytes) -> Path:
    """Write `data` to a temporary file in the same folder, then rename it.

    Parameters
    ----------
    path : Path
        An existing file is replaced.
    data : bytes

    Returns
    -------
    Path
        `path`.

    Raises
    ------
    WriteError
        If the folder is missing or cannot be written to; nothing is left behind.
    """
    check_target(path)
    temporary = path.with_name(f"{own_prefix()}{uuid.uuid4().hex}.tmp")
    try:
        # not tempfile: its files are private, results should follow the user's umask
        with temporary.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        raise WriteError(f"{path.name} could not be written: {error.strerror or error}.") from error
    finally:
        temporary.unlink(missing_ok=True)
    return path


def check_target(path: Path) -> None:
    """Fail early when `path` cannot become a file."""
    if not path.parent.is_dir():
        raise WriteError(f"{path.name} cannot be written: its folder does not exist.")
    if path.is_dir():
        raise WriteError(f"{path.name} cannot be written: it is a folder; give a file name.")


def to_json(obj: Any, *, indent: int | None = None, ascii_only: bool = False) -> str:
    """Return `obj` as JSON text; NumPy values become numbers, NaN and infinity become null.

    Raises
    ------
    WriteError
        If `obj` contains something that cannot be written as JSON.
    """
    return json.dumps(_plain(obj), indent=indent, allow_nan=False, ensure_ascii=ascii_only)


def _plain(obj: Any) -> Any:
    if isinstance(obj, (str, bool, int)) or obj is None:  # most of a record
        return obj
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
    if isinstance(obj, os.PathLike):
        return os.fspath(obj)
    raise WriteError(f"a value of type {type(obj).__name__} cannot be written as JSON.")

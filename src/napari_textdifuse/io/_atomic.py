"""Files appear whole or not at all."""

from __future__ import annotations

import os
import uuid
from pathlib import Path

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
        raise WriteError(f"{path} could not be written: {error.strerror or error}.") from error
    finally:
        temporary.unlink(missing_ok=True)
    return path


def check_target(path: Path) -> None:
    """Fail early when `path` cannot become a file."""
    if not path.parent.is_dir():
        raise WriteError(f"{path} cannot be written: the folder {path.parent} does not exist.")
    if path.is_dir():
        raise WriteError(f"{path} cannot be written: it is a folder; give a file name.")

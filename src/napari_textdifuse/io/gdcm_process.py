"""Decode with GDCM in a process of its own.

GDCM raises exceptions in C++ on some damaged files, which end the process that called it: the
command line, or napari with everything that is open in it.
"""

from __future__ import annotations

import json
import os
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

SCRIPT = Path(__file__).with_name("_gdcm_child.py")
#: Seconds for one file, of which a damaged one may take any number.
LIMIT = 120.0


class GdcmProcess:
    """A child process, started by the first file, which decodes one file after the other.

    A request is the length of a path and the path; an answer is the lengths of a header in JSON and
    of the values, the header (``dtype`` and ``shape``, or ``error``), and the values.
    """

    def __init__(self) -> None:
        self._child: subprocess.Popen[bytes] | None = None

    def decode(self, path: Path) -> Array:
        """Return the stored values, or colours, of a file.

        Raises
        ------
        RuntimeError
            If GDCM cannot decode it, or not within `LIMIT`.
        """
        child = self._child or self._start()
        name = os.fsencode(path.absolute())
        late = threading.Timer(LIMIT, child.kill)
        late.daemon = True
        late.start()
        try:
            assert child.stdin is not None
            assert child.stdout is not None
            child.stdin.write(struct.pack("<Q", len(name)) + name)
            child.stdin.flush()
            sizes = struct.unpack("<QQ", _exactly(child.stdout, 16))
            header, values = (_exactly(child.stdout, size) for size in sizes)
        except (OSError, EOFError):
            self.close()  # the next file gets a new process
            raise RuntimeError("GDCM ended without an answer") from None
        finally:
            late.cancel()
        described = json.loads(header)
        if "error" in described:
            raise RuntimeError(described["error"])
        return np.frombuffer(values, described["dtype"]).reshape(described["shape"])

    def _start(self) -> subprocess.Popen[bytes]:
        # -P: the modules next to the script are not its own
        self._child = subprocess.Popen(
            [sys.executable, "-P", str(SCRIPT)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        return self._child

    def close(self) -> None:
        """End the process, if there is one."""
        if self._child is None:
            return
        child, self._child = self._child, None
        child.kill()
        child.communicate()  # closes the pipes and waits


_CURRENT: ContextVar[GdcmProcess | None] = ContextVar("gdcm_process", default=None)


@contextmanager
def gdcm_process() -> Iterator[GdcmProcess]:
    """Give the files that are decoded inside one process; it ends with the outermost block."""
    if (current := _CURRENT.get()) is not None:
        yield current
        return
    process = GdcmProcess()
    token = _CURRENT.set(process)
    try:
        yield process
    finally:
        _CURRENT.reset(token)
        process.close()


def _exactly(stream: IO[bytes], size: int) -> bytearray:
    """Read so many bytes, into memory that may be written to."""
    data = bytearray(size)
    read = 0
    while read < size:
        part = stream.read(min(size - read, 2**24))
        if not part:
            raise EOFError
        data[read : read + len(part)] = part
        read += len(part)
    return data

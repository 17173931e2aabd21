"""Decode DICOM files with GDCM, one after the other, until the standard input ends.

Run as a script by `gdcm_process`, which describes what is sent both ways; it imports nothing of
this package.
"""

from __future__ import annotations

import json
import os
import signal
import struct
import sys
from typing import BinaryIO


def main() -> None:
    """Answer every request."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent
    requests = sys.stdin.buffer
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what C libraries print is not an answer
    while len(size := requests.read(8)) == 8:
        path = os.fsdecode(requests.read(*struct.unpack("<Q", size)))
        answer(path, answers)


def answer(path: str, answers: BinaryIO) -> None:
    """Decode a file and write its array, or what is wrong."""
    from pydicom import dcmread
    from pydicom.pixels.utils import pixel_array

    try:
        array = pixel_array(dcmread(path, force=True), decoding_plugin="gdcm")
        array = array.astype(array.dtype.newbyteorder("<"), order="C", copy=False)
        header, values = {"dtype": array.dtype.str, "shape": array.shape}, array.tobytes()
    except Exception as error:  # decoders raise anything on damaged pixels
        header, values = {"error": str(error)}, b""
    head = json.dumps(header).encode()
    answers.write(struct.pack("<QQ", len(head), len(values)) + head)
    answers.write(values)
    answers.flush()


if __name__ == "__main__":
    main()

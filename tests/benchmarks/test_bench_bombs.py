"""Small files that claim or unpack to far more are refused without much work or memory."""

from __future__ import annotations

import pytest
from _bench.bombs import BOMBS
from bombs import measure

#: These are whole images, only odd ones; they are read, or ask for a time point.
READ = {"DICOM, 39,000 frames of one pixel": "39000 frames", "DICOM, RLE, 30080 x 30080": ""}


@pytest.mark.parametrize("name", [name for name in BOMBS if name not in READ])
def test_bombs_are_refused(name):
    found = measure(name, timeout=600)
    assert found.answer.startswith("ReadError: "), found
    assert found.answer.count(": ") <= 2
    assert found.seconds < 60
    assert found.megabytes < 300


def test_as_many_frames_as_bytes_are_listed_quickly():
    found = measure("DICOM, 39,000 frames of one pixel", timeout=600)
    assert "39000 frames" in found.answer
    assert found.megabytes < 100

"""Damaged files are read or refused in one sentence for people; nothing else comes of them.

The seeds of the corpus gave faults once. `benchmarks/fuzz.py` does the same for longer.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from napari_textdifuse.errors import TextDiFuseError
from napari_textdifuse.io._quiet import reason

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

import fuzz as fuzz_module
from _bench.corpus import kinds
from fuzz import Counts, fuzz, one_input

#: Kinds and seeds that gave: a folder's name, numpy's and zlib's own words, the end of the process
#: (by GDCM, in C++).
CORPUS = (
    ("grey.png", 0),
    ("colour.png", 1),
    ("rle.dcm", 48),
    ("grey.png", 68),
    ("volume.nii.gz", 277),
    ("jpeg.dcm", 355),
    ("volume.nii.gz", 379),
    ("jpeg.dcm", 1765),
)


@pytest.fixture(autouse=True)
def patience(monkeypatch):
    """Slow is what takes minutes anywhere, not what takes seconds on a slow machine."""
    monkeypatch.setattr(fuzz_module, "SLOW", 120.0)


@pytest.mark.parametrize(("kind", "seed"), CORPUS)
def test_cases_that_once_gave_faults(kind, seed, tmp_path, capfd):
    counts = Counts()
    one_input(tmp_path, kind, seed, counts)
    assert counts.faults == []
    assert capfd.readouterr() == ("", "")


def test_some_seconds_of_damaged_files(tmp_path, capfd):
    counts = fuzz(tmp_path, range(1_000_000, 1_000_400))
    assert counts.faults == []
    assert counts.outcomes["refused"]
    assert counts.outcomes["read"]
    assert capfd.readouterr() == ("", "")


def test_a_fault_would_be_seen(tmp_path, monkeypatch):
    def broken(path):
        raise KeyError("Rows")

    import _bench.corpus as module

    monkeypatch.setattr(module.io, "read_times", broken)
    counts = Counts()
    one_input(tmp_path, "grey.png", 7, counts)
    assert counts.faults == ["foreign: grey.png, seed 7: KeyError: 'Rows'"]


def test_every_whole_input_is_read_or_refused_for_what_it_is(tmp_path):
    """Nothing is learned from damage to what is refused whole."""
    refused = {}
    for name, kind in kinds().items():
        place = tmp_path / name
        for file, data in kind.files.items():
            (place / file).parent.mkdir(parents=True, exist_ok=True)
            (place / file).write_bytes(data)
        try:
            kind.use(place if kind.as_folder else place / kind.damaged[0])
        except TextDiFuseError as error:
            refused[name] = str(error)
    assert set(refused) == {"Analyze header", "Analyze image"}
    assert all("nib-convert" in message for message in refused.values())


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ValueError("cannot identify image file '/home/Doe John/x y.png'"), "file 'x y.png'"),
        (ValueError(r"C:\Users\Doe\x.png is bad"), "x.png is bad"),
        (ValueError("the ratio a/b is 0."), "the ratio a/b is 0"),
        (FileNotFoundError(2, "No such file or directory", "/Doe"), "No such file or directory"),
        (ValueError("image file is truncated (3 bytes not processed)"), "image file is truncated"),
        (KeyError("Rows"), "it contains invalid values"),
        (ValueError(), "it contains invalid values"),
        (ValueError("ufunc 'add' did not contain a loop"), "it contains invalid values"),
        (IndexError("list index out of range"), "it contains invalid values"),
        (ValueError("invalid literal for int() with base 10: 'a'"), "it contains invalid values"),
        (TypeError("'NoneType' object is not iterable"), "it contains invalid values"),
    ],
)
def test_reasons_are_for_people(error, words):
    assert words in reason(error)
    assert "Doe" not in reason(error)

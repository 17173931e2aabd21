"""The cluster is a fake that runs everything here, but sends it through pickle."""

from __future__ import annotations

import pickle
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image


class Future:
    def __init__(self, function, arguments):
        function, arguments = pickle.loads(pickle.dumps((function, arguments)))
        self.outcome, self.error = None, None
        try:
            self.outcome = function(*arguments)
        except Exception as error:
            self.error = error

    def exception(self):
        return self.error

    def result(self):
        return self.outcome

    def release(self):
        pass


class Client:
    addresses: list[str] = []  # noqa: RUF012

    def __init__(self, address, timeout):
        if "nowhere" in address:
            raise OSError("timed out")
        self.addresses.append(address)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def submit(self, function, *arguments, pure):
        assert pure is False
        return Future(function, arguments)

    def cancel(self, futures):
        pass


@pytest.fixture
def distributed(monkeypatch):
    fake = SimpleNamespace(Client=Client, as_completed=lambda futures: reversed(futures))
    monkeypatch.setitem(sys.modules, "distributed", fake)
    Client.addresses.clear()


@pytest.fixture
def folders(tmp_path):
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        for k, name in enumerate(("one", "two")):
            picture = np.random.default_rng(k).integers(1, 255, (12, 14)).astype(np.uint8)
            Image.fromarray(picture).save(tmp_path / folder / f"{name}.png")
    (tmp_path / "a" / "bad.png").write_bytes(b"")
    (tmp_path / "b" / "bad.png").write_bytes(b"")
    return tmp_path


def test_the_cluster_makes_what_this_machine_makes(distributed, folders, textdifuse, fast):
    pairs = (folders / "a", folders / "b")
    here = textdifuse("batch", *pairs, "--out", folders / "here", *fast)
    there = textdifuse(
        "batch", *pairs, "--out", folders / "there", *fast, "--scheduler", "tcp://host:8786"
    )
    assert Client.addresses == ["tcp://host:8786"]
    assert there.status == here.status == 2  # the bad pair
    for name in ("one.png", "two.png"):
        assert (folders / "there" / name).read_bytes()
        with Image.open(folders / "here" / name) as a, Image.open(folders / "there" / name) as b:
            np.testing.assert_array_equal(np.asarray(a), np.asarray(b))
    assert "bad" in there.err
    again = textdifuse(
        "batch", *pairs, "--out", folders / "there", *fast, "--scheduler", "tcp://host:8786"
    )
    assert again.err.count("already done") == 2


def test_a_silent_scheduler_gets_one_line(distributed, folders, textdifuse, fast):
    ran = textdifuse(
        "batch", folders / "a", folders / "b", "--out", folders / "out", *fast,
        "--scheduler", "tcp://nowhere:1",
    )  # fmt: skip
    assert ran.status == 2
    assert "no dask scheduler answers at 'tcp://nowhere:1'" in ran.err


def test_without_the_extra_its_name_is_said(monkeypatch, folders, textdifuse, fast):
    monkeypatch.setitem(sys.modules, "distributed", None)
    ran = textdifuse(
        "batch", folders / "a", folders / "b", "--out", folders / "out", *fast,
        "--scheduler", "tcp://host:1",
    )  # fmt: skip
    assert ran.status == 2
    assert "napari-textdifuse[cluster]" in ran.err

"""Several files appear together, signals wait for it, and dead runs leave nothing for long."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from napari_textdifuse.errors import WriteError
from napari_textdifuse.io import staging
from napari_textdifuse.io.staging import own_prefix, publish, sweep


@pytest.fixture
def moves(tmp_path):
    """Two new files next to older ones; `gone` belongs to the older result only."""
    (tmp_path / "staged").mkdir()
    found = []
    for name in ("image", "record"):
        (tmp_path / name).write_text("old")
        (tmp_path / "staged" / name).write_text("new")
        found.append((tmp_path / "staged" / name, tmp_path / name))
    (tmp_path / "gone").write_text("old")
    return found


def contents(folder):
    return {p.name: p.read_text() for p in sorted(folder.iterdir()) if p.is_file()}


def test_files_are_replaced_and_stale_ones_removed(moves, tmp_path):
    publish(moves, [tmp_path / "gone", tmp_path / "never"])
    assert contents(tmp_path) == {"image": "new", "record": "new"}
    assert not any((tmp_path / "staged").iterdir())


@pytest.mark.parametrize("failing", range(5))
def test_when_a_move_fails_everything_is_as_before(moves, tmp_path, monkeypatch, failing):
    calls, real = [], os.replace

    def replace(source, target):
        calls.append(source)
        if len(calls) == failing + 1:
            raise PermissionError(13, "Permission denied")
        real(source, target)

    monkeypatch.setattr(staging.os, "replace", replace)
    with pytest.raises(PermissionError):
        publish(moves, [tmp_path / "gone"])
    assert contents(tmp_path) == {"gone": "old", "image": "old", "record": "old"}


@pytest.mark.parametrize("killed", range(1, 6))
def test_a_killed_process_leaves_no_mixture(moves, tmp_path, killed):
    """Killed after any of its moves; the record is there only next to all of its images."""
    program = f"""
import os, signal
from pathlib import Path
from napari_textdifuse.io import staging
real, count = os.replace, 0
def replace(a, b):
    global count
    real(a, b)
    count += 1
    if count == {killed}:
        os.kill(os.getpid(), signal.SIGKILL)
staging.os.replace = replace
out = Path({str(tmp_path)!r})
moves = [(out / "staged" / n, out / n) for n in ("image", "record")]
staging.publish(moves, [out / "gone"])
"""
    assert subprocess.run([sys.executable, "-c", program]).returncode == -signal.SIGKILL
    left = contents(tmp_path)
    assert len(set(left.values())) <= 1
    if "record" in left:
        assert left == {"image": "new", "record": "new"}


def test_signals_wait_for_the_last_file(moves, tmp_path, monkeypatch):
    real = os.replace

    def replace(source, target):
        signal.raise_signal(signal.SIGINT)
        real(source, target)

    monkeypatch.setattr(staging.os, "replace", replace)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored in the background
    try:
        with pytest.raises(KeyboardInterrupt):
            publish(moves, [tmp_path / "gone"])
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)
    assert contents(tmp_path) == {"image": "new", "record": "new"}


def test_only_what_the_dead_left_is_swept(tmp_path):
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    machine = own_prefix().removeprefix(staging.PREFIX).split("-")[0]
    names = {
        f"{staging.PREFIX}{machine}-{dead.pid}-a": False,
        f"{own_prefix()}b": True,
        f"{staging.PREFIX}{machine}-1-c": True,  # init lives
        f"{staging.PREFIX}00000000-{dead.pid}-d": True,  # of another machine, new
        f"{staging.PREFIX}00000000-{dead.pid}-e": False,  # and old
        f"{staging.PREFIX}old": False,
        "images": True,
    }
    for name in names:
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text("x")
        if name.endswith(("-e", "old")):
            os.utime(tmp_path / name, (time.time() - 2 * staging.DAY,) * 2)
    (tmp_path / f"{staging.PREFIX}{machine}-{dead.pid}-f.tmp").write_text("x")
    sweep(tmp_path)
    assert {p.name for p in tmp_path.iterdir()} == {name for name, kept in names.items() if kept}
    sweep(tmp_path / "nowhere")


def test_a_folder_that_was_made_for_nothing_vanishes(tmp_path):
    with pytest.raises(ValueError, match="stop"), staging.staging(tmp_path / "out"):
        raise ValueError("stop")
    assert not (tmp_path / "out").exists()
    (tmp_path / "file").touch()
    with pytest.raises(WriteError, match="cannot be written"), staging.staging(tmp_path / "file"):
        pass


def test_saving_a_result_sweeps(tmp_path, tiny_pipeline):
    from napari_textdifuse.results.folder import save_result

    left = tmp_path / f"{staging.PREFIX}old"
    left.mkdir()
    os.utime(left, (time.time() - 2 * staging.DAY,) * 2)
    a, b = np.random.default_rng(0).random((2, 16, 16))
    save_result(tiny_pipeline(a, b, steps=1), tmp_path, ".png")
    assert not left.exists()

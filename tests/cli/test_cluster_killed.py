"""A real cluster of two worker processes; one is killed while it fuses, and nothing is lost."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import ExitStack, contextmanager

import numpy as np
import pytest
from cli_images import write_grey
from PIL import Image

from napari_textdifuse.cli import cluster as cluster_module

PAIRS = 8
#: Seconds until the test gives up, many times what it takes.
PATIENCE = 600

pytest.importorskip("distributed")
pytestmark = [
    pytest.mark.skipif(sys.platform == "win32", reason="processes are killed by POSIX signals"),
    # distributed's own, about connections to a worker that is gone
    pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::DeprecationWarning"),
]


#: One worker stops before or after its first pair, for good; the other one waits after its first
#: pair until that has happened.
GATE = """
import os, time
from pathlib import Path
from napari_textdifuse.cli.pair_fuser import PairFuser
doomed, stopped = os.environ["DOOMED"], Path(os.environ["STOPPED"])
def wait_for(condition):
    while not condition():
        time.sleep(0.02)
def gated(real):
    def fuse(self, *pair):
        if doomed == "before":
            stopped.touch()
            wait_for(lambda: False)
        seconds = real(self, *pair)
        if doomed == "after":
            stopped.touch()
            wait_for(lambda: False)
        wait_for(stopped.exists)
        return seconds
    return fuse
if not hasattr(PairFuser, "gated"):  # dask imports this more than once
    PairFuser.fuse, PairFuser.gated = gated(PairFuser.fuse), True
"""


@contextmanager
def running(module, *arguments, **variables):
    """A process of dask, ended at the end."""
    command = [sys.executable, "-m", f"distributed.cli.{module}", *arguments]
    process = subprocess.Popen(
        command,
        env=os.environ | variables,
        stderr=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def wait_for(condition, what):
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, f"no {what} in {PATIENCE} s"
        time.sleep(0.05)


@pytest.fixture(params=["before", "after"])
def cluster(tmp_path, request):
    """Address of a scheduler, and the worker that stops, before or after it fused a pair."""
    from distributed import Client

    place, gate = tmp_path / "scheduler.json", tmp_path / "gate.py"
    gate.write_text(GATE)
    with ExitStack() as stack:
        stack.enter_context(
            running(
                "dask_scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard",
                "--scheduler-file", str(place),
            )
        )  # fmt: skip
        wait_for(lambda: place.is_file() and place.read_text().rstrip().endswith("}"), "scheduler")
        address = json.loads(place.read_text())["address"]
        _, doomed = [
            stack.enter_context(
                running(
                    "dask_worker", address, "--no-nanny", "--nthreads", "1", "--no-dashboard",
                    "--local-directory", str(tmp_path / f"worker{k}"), "--preload", str(gate),
                    DOOMED=(("", request.param)[k]), STOPPED=str(tmp_path / "stopped"),
                )
            )
            for k in range(2)
        ]  # fmt: skip
        with Client(address, timeout=PATIENCE) as client:
            client.wait_for_workers(2, timeout=PATIENCE)
        yield address, doomed, request.param


def test_killed_worker_loses_nothing(textdifuse, fast, tmp_path, cluster, monkeypatch):
    address, doomed, moment = cluster
    monkeypatch.setattr(cluster_module, "PATIENCE", PATIENCE)
    for k in range(PAIRS):
        for folder, seed in (("a", k), ("b", k + 10)):
            (tmp_path / folder).mkdir(exist_ok=True)
            write_grey(tmp_path / folder / f"{k}.png", (24, 28), seed=seed)
    folders, out = (tmp_path / "a", tmp_path / "b"), tmp_path / "out"

    def kill() -> None:
        wait_for((tmp_path / "stopped").exists, "pair of the worker")
        wait_for(lambda: any(out.glob("records/*.json")), "first result")
        doomed.kill()

    killer = threading.Thread(target=kill, daemon=True)
    killer.start()
    ran = textdifuse("batch", *folders, "--out", out, *fast, "--scheduler", address, "--json")
    killer.join(PATIENCE)

    assert doomed.wait(PATIENCE) == -signal.SIGKILL
    assert ran.status == 0, ran.err
    states = [case["state"] for case in json.loads(ran.out)["cases"]]
    assert len(states) == PAIRS
    # a pair that was written just before its worker died is found done by the other one
    done = int(moment == "after")
    assert sorted(states) == ["already done"] * done + ["fused"] * (PAIRS - done)
    here = textdifuse("batch", *folders, "--out", tmp_path / "here", *fast)
    assert here.status == 0
    for k in range(PAIRS):
        images = [np.asarray(Image.open(o / f"{k}.png")) for o in (out, tmp_path / "here")]
        np.testing.assert_array_equal(*images)
    again = textdifuse("batch", *folders, "--out", out, *fast)
    assert again.err.count("already done") == PAIRS

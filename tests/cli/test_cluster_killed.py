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

PAIRS = 8
#: Seconds until the test gives up, many times what it takes.
PATIENCE = 240

pytest.importorskip("distributed")
pytestmark = [
    pytest.mark.skipif(sys.platform == "win32", reason="processes are killed by POSIX signals"),
    # distributed's own, about connections to a worker that is gone
    pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::DeprecationWarning"),
]


@contextmanager
def running(module, *arguments):
    """A process of dask, ended at the end."""
    command = [sys.executable, "-m", f"distributed.cli.{module}", *arguments]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
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


@pytest.fixture
def cluster(tmp_path):
    """Address of a scheduler, and its two workers once they are there."""
    from distributed import Client

    place = tmp_path / "scheduler.json"
    with ExitStack() as stack:
        stack.enter_context(
            running(
                "dask_scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard",
                "--scheduler-file", str(place),
            )
        )  # fmt: skip
        wait_for(lambda: place.is_file() and place.read_text(), "scheduler")
        address = json.loads(place.read_text())["address"]
        workers = [
            stack.enter_context(
                running(
                    "dask_worker", address, "--no-nanny", "--nthreads", "1", "--no-dashboard",
                    "--local-directory", str(tmp_path / f"worker{k}"),
                )
            )
            for k in range(2)
        ]  # fmt: skip
        with Client(address, timeout=PATIENCE) as client:
            client.wait_for_workers(2, timeout=PATIENCE)
        yield address, workers


def test_killed_worker_loses_nothing(textdifuse, fast, tmp_path, cluster):
    address, (_, doomed) = cluster
    for k in range(PAIRS):
        for folder, seed in (("a", k), ("b", k + 10)):
            (tmp_path / folder).mkdir(exist_ok=True)
            write_grey(tmp_path / folder / f"{k}.png", (24, 28), seed=seed)
    folders, out = (tmp_path / "a", tmp_path / "b"), tmp_path / "out"
    ended = threading.Event()
    alive_when_killed: list[bool] = []

    def kill() -> None:
        """Freeze a worker with its pairs when the first result is there, and kill it later."""
        wait_for(lambda: any(out.glob("records/*.json")), "first result")
        os.kill(doomed.pid, signal.SIGSTOP)
        time.sleep(1)
        alive_when_killed.append(not ended.is_set())
        os.kill(doomed.pid, signal.SIGKILL)

    killer = threading.Thread(target=kill, daemon=True)
    killer.start()
    ran = textdifuse("batch", *folders, "--out", out, *fast, "--scheduler", address, "--json")
    ended.set()
    killer.join(PATIENCE)

    assert alive_when_killed == [True]  # pairs were waiting for the frozen worker
    assert ran.status == 0, ran.err
    cases = json.loads(ran.out)["cases"]
    assert len(cases) == PAIRS
    # a pair that was written just before its worker died is found done by the next one
    assert {case["state"] for case in cases} <= {"fused", "already done"}
    here = textdifuse("batch", *folders, "--out", tmp_path / "here", *fast)
    assert here.status == 0
    for k in range(PAIRS):
        images = [np.asarray(Image.open(o / f"{k}.png")) for o in (out, tmp_path / "here")]
        np.testing.assert_array_equal(*images)
    again = textdifuse("batch", *folders, "--out", out, *fast)
    assert again.err.count("already done") == PAIRS

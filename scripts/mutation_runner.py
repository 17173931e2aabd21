"""Runs pytest in forked processes that already hold the large libraries.

A parent imports torch, SciPy and the like once. Each run forks it and imports the package and the
tests again, so that it starts in a fraction of a second and nothing of one run reaches the next.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import signal
import sys
import sysconfig
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

#: Imported in the parent at once; it learns the rest from the first runs.
WARM = ("coverage", "numpy", "pytest_cov.plugin", "torch")
#: Never imported there: the code under test, and what opens windows.
FRESH = frozenset({"napari_textdifuse", "napari", "PySide6", "qtpy", "shiboken6", "vispy"})
OPTIONS = ("-q", "-p", "no:cacheprovider")


@dataclass
class Run:
    """What a run of pytest reported."""

    #: Exit status of pytest; None if the time was up.
    status: int | None
    seconds: float
    #: Seconds of each test, with its fixtures.
    durations: dict[str, float] = field(default_factory=dict)
    failed: list[str] = field(default_factory=list)
    #: Modules of libraries that were loaded at the end.
    modules: list[str] = field(default_factory=list)


class Reporter:
    """A pytest plugin: runs the given tests in the given order and writes down what happened."""

    def __init__(self, report: Path, order: Sequence[str] | None) -> None:
        self.report, self.order = report, order
        self.durations: dict[str, float] = {}
        self.failed: list[str] = []

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Keep the tests of the order."""
        if self.order is not None:
            place = {name: index for index, name in enumerate(self.order)}
            items[:] = sorted(
                (item for item in items if item.nodeid in place), key=lambda i: place[i.nodeid]
            )

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Note a file that cannot be imported."""
        if report.failed:
            self.failed.append(report.nodeid)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Add up the phases of a test."""
        name = report.nodeid
        self.durations[name] = self.durations.get(name, 0.0) + report.duration
        if report.failed:
            self.failed.append(name)

    def pytest_sessionfinish(self) -> None:
        """Hand the result to the parent."""
        self.report.write_text(
            json.dumps([self.durations, self.failed, libraries()]), encoding="utf-8"
        )


def libraries() -> list[str]:
    """Return the loaded modules of installed libraries, in the order of loading."""
    places = tuple({sysconfig.get_path(name) for name in ("purelib", "platlib", "stdlib")})
    return [
        name
        for name, module in list(sys.modules.items())
        if name.partition(".")[0] not in FRESH
        and str(getattr(module, "__file__", None)).startswith(places)
    ]


def warm(checkout: Path) -> None:
    """Make `checkout` the place that the package comes from, and import the first libraries."""
    os.chdir(checkout)
    # pytest loads no plugin but those that a run names: they cost a second each time
    os.environ |= {"PYTHONPATH": str(checkout / "src"), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    sys.path.insert(0, str(checkout / "src"))
    learn(WARM)


def learn(names: Sequence[str]) -> None:
    """Import what the tests need into the parent."""
    for name in names:
        with contextlib.suppress(Exception):
            importlib.import_module(name)
    if "napari_textdifuse" in sys.modules:
        raise RuntimeError("the parent must not hold the package under test")
    gc.collect()
    gc.freeze()  # a collection in a child would copy the memory


def run(
    tests: Sequence[str],
    report: Path,
    *,
    order: Sequence[str] | None = None,
    options: Sequence[str] = (),
    limit: float | None = None,
) -> Run:
    """Run pytest on `tests` in a fork, at most `limit` seconds; its output goes next to `report`.

    Without an order, the run leaves compiled files for the others, which must leave none.
    """
    report.unlink(missing_ok=True)
    start = time.monotonic()
    process = _fork(lambda: _pytest([*OPTIONS, *options, *tests], Reporter(report, order), report))
    status = _wait(process, None if limit is None else start + limit)
    found: list[Any] = []
    if report.exists():
        found = json.loads(report.read_text(encoding="utf-8"))
    return Run(status, time.monotonic() - start, *found)


def _pytest(arguments: list[str], reporter: Reporter, report: Path) -> int:
    """Run pytest with its output in a file."""
    if reporter.order is not None:
        sys.dont_write_bytecode = True
        os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
    with report.with_suffix(".log").open("w", encoding="utf-8") as log:
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
        return int(pytest.main(arguments, plugins=[reporter]))


def _fork(work: Callable[[], int]) -> int:
    """Run `work` in a child with its own process group; returns the process id."""
    process = os.fork()
    if process:
        return process
    status = 70
    try:
        os.setsid()
        status = work()
        sys.stdout.flush()
    finally:
        os._exit(status)


def _wait(process: int, until: float | None) -> int | None:
    """Return the exit status of a child, or None if it had to be ended."""
    while True:
        done, status = os.waitpid(process, os.WNOHANG)
        if done:
            break
        if until is not None and time.monotonic() > until:
            os.killpg(process, signal.SIGKILL)
            os.waitpid(process, 0)
            return None
        time.sleep(0.05)
    with contextlib.suppress(ProcessLookupError):  # what a test left running
        os.killpg(process, signal.SIGKILL)
    return os.waitstatus_to_exitcode(status)

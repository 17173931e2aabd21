"""A piece of work in a worker thread: progress comes out, a stop goes in."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from napari.qt.threading import create_worker
from qtpy.QtCore import QObject, Signal

from ..errors import Cancelled, TextDiFuseError

#: Called with what is done, what there is to do, and a few words; False means stop.
Report = Callable[[int, int, str], bool]
#: Least seconds between two reports that reach the panel: a download reports every block.
INTERVAL = 0.05

_log = logging.getLogger(__name__)


class Task(QObject):  # type: ignore[misc]
    """Run a job once, in napari's thread pool.

    Signals arrive in the thread that made this object. ``progressed`` carries per mille and a few
    words; ``finished`` carries what the job returned or the exception, and comes exactly once,
    after the work has really stopped.

    Parameters
    ----------
    job : callable
        Takes a `Report`; must touch no Qt object and no layer.
    """

    progressed = Signal(int, str)
    finished = Signal(object)

    def __init__(self, job: Callable[[Report], Any]) -> None:
        super().__init__()
        self._job = job
        self._outcome: Any = None
        self._last = 0.0
        self._worker: Any = create_worker(self._work, _start_thread=False)
        self._worker.finished.connect(self._hand_over)

    def start(self) -> None:
        """Start the work."""
        self._worker.start()

    def cancel(self) -> None:
        """Ask the work to stop; ``finished`` comes when it has."""
        self._worker.quit()

    def abandon(self) -> None:
        """Stop the work and ignore its result."""
        with suppress(RuntimeError):  # at the end of the program, Qt may have gone first
            self.blockSignals(True)
        self.cancel()

    def _work(self) -> None:
        # napari also asks workers to quit when it closes, so its flag is the one to watch
        try:
            self._outcome = self._job(self._report)
        except Exception as error:  # handed over, whatever it is: a thread has nobody to catch it
            self._outcome = error

    def _report(self, done: int, total: int, words: str) -> bool:
        now = time.monotonic()
        if now - self._last >= INTERVAL or done >= total:
            self._last = now
            self.progressed.emit(1000 * done // max(total, 1), words)
        return not self._worker.abort_requested

    def _hand_over(self) -> None:
        outcome = self._outcome
        self._job = self._outcome = None  # type: ignore[assignment]  # lets go of the images
        self.finished.emit(outcome)


def message_of(error: Exception, what: str) -> str:
    """Put an error into one sentence; the details of an unexpected one go to the log.

    Parameters
    ----------
    error : Exception
    what : str
        What failed, such as ``"The download"``.

    Returns
    -------
    str
        Empty if the user asked for the stop.
    """
    if isinstance(error, Cancelled):
        return ""
    if isinstance(error, TextDiFuseError):
        return str(error)
    _log.error("%s failed.", what, exc_info=error)
    reason = (str(error).strip().splitlines() or [""])[0]
    return f"{what} failed unexpectedly ({type(error).__name__}: {reason})."

"""Work in a worker thread, with progress reports and cancellation."""

from __future__ import annotations

import atexit
import gc
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, ClassVar

from napari.qt.threading import WorkerBase, create_worker
from qtpy.QtCore import QCoreApplication, QEvent, QObject, QTimer, Signal
from qtpy.QtWidgets import QApplication, QWidget

from ..errors import Cancelled, TextDiFuseError
from ..stopping import stop_when

if TYPE_CHECKING:
    from ..fusion import FusionResult, Progress

#: Called with the amount done, the total, and a few words; False means stop.
Report = Callable[[int, int, str], bool]
#: Runs a fusion; calls its argument after every step and stops when that returns False.
FusionCall = Callable[[Callable[["Progress"], bool]], "FusionResult"]
#: Takes the number of a slice and its estimate.
Colour = Callable[[int, Any], Any]
#: Minimum seconds between two reports to the panel: a download reports every block.
INTERVAL = 0.05
#: Minimum seconds between two previews.
PREVIEW_INTERVAL = 0.1
#: Milliseconds between two collections of garbage while work runs.
COLLECT_INTERVAL = 1000

_log = logging.getLogger(__name__)

# napari waits for its workers where an event loop ends. Where a script ends without one, Qt would
# delete the signals of a worker that has not stopped yet.
atexit.register(WorkerBase.await_workers)


class _Named:
    """A call with the name that napari displays if its window is closed meanwhile."""

    def __init__(self, call: Callable[[], None], name: str) -> None:
        self._call, self._name = call, name

    def __call__(self) -> None:
        self._call()

    def __str__(self) -> str:
        return self._name


@contextmanager
def _current_window(panel: QWidget | None) -> Iterator[None]:
    """Let napari take a panel's window for the current one meanwhile.

    A new worker belongs to napari's current window, the one activated last, and is cancelled when
    that window closes. Queued work of a panel may begin while another window is in use.
    """
    changed, top = QEvent(QEvent.Type.ZOrderChange), panel  # as napari gets it from a raised window
    while top is not None and top.parentWidget() is not None:
        top = top.parentWidget()
    if top is not None:
        QCoreApplication.sendEvent(top, changed)
    try:
        yield
    finally:
        active = QApplication.activeWindow()
        if active is not None and active is not top:
            QCoreApplication.sendEvent(active, changed)


class Work(QObject):  # type: ignore[misc]
    """Run a job once, in napari's thread pool.

    Signals arrive in the thread that made this object. ``finished`` carries what the job returned
    or the exception, and is emitted exactly once, after the work has stopped.

    Python collects cyclic garbage in whatever thread allocates memory. If that is a worker, Qt
    objects of a closed window are deleted outside the main thread, which crashes. While work runs,
    garbage is therefore collected by a timer of the main thread.

    Parameters
    ----------
    job : callable
        Takes this object's ``_report``; must touch no Qt object and no layer.
    name : str
        What is done, for napari's question before it closes a window.
    panel : QWidget, optional
        Whose window that is.
    """

    finished = Signal(object)
    _running: ClassVar[set[Work]] = set()
    _collecting: ClassVar[bool] = True
    _released_at_end: ClassVar[bool] = False

    def __init__(self, job: Callable[[Any], Any], name: str, panel: QWidget | None = None) -> None:
        super().__init__()
        self._job = job
        self._outcome: Any = None
        self._last = 0.0
        with _current_window(panel):
            self._worker: Any = create_worker(_Named(self._work, name), _start_thread=False)
        self._worker.finished.connect(self._hand_over)
        self._timer = QTimer(self)
        self._timer.timeout.connect(_collect)

    def start(self) -> None:
        """Start the work."""
        if not Work._running:
            Work._collecting = gc.isenabled()
            gc.disable()
        Work._running.add(self)
        program = QCoreApplication.instance()
        if program is not None and not Work._released_at_end:
            # after napari's own connection, which waits for the workers
            program.aboutToQuit.connect(_release)
            Work._released_at_end = True
        if Work._collecting:
            self._timer.start(COLLECT_INTERVAL)
        self._worker.start()

    def cancel(self) -> None:
        """Ask the work to stop; ``finished`` comes when it has."""
        self._worker.quit()

    @property
    def cancelled(self) -> bool:
        """Whether the work was asked to stop."""
        return bool(self._worker.abort_requested)

    def _work(self) -> None:
        # Qt may begin it after napari has closed its windows and waited for all workers
        if self._worker.abort_requested:
            self._outcome = Cancelled("It was cancelled before it began.")
            return
        # napari also asks workers to quit when it closes, so its flag is the one to watch
        try:
            with stop_when(lambda: self._worker.abort_requested):
                self._outcome = self._job(self._report)
        except Exception as error:  # passed on, whatever it is: nothing can catch it in the thread
            self._outcome = error

    def _report(self, *state: Any) -> bool:
        """Report the progress; return False if the job is to stop."""
        raise NotImplementedError

    def _due(self, interval: float) -> bool:
        """Return whether so many seconds have passed since this was last true."""
        now = time.monotonic()
        due = now - self._last >= interval
        if due:
            self._last = now
        return due

    def _hand_over(self) -> None:
        self._timer.stop()
        Work._running.discard(self)
        if Work._collecting and not Work._running:
            gc.enable()
        outcome = self._outcome
        self._job = self._outcome = None  # type: ignore[assignment]  # lets go of the images
        self.finished.emit(outcome)


def _collect() -> None:
    gc.collect(1)  # the oldest generation takes too long for a responsive window


def _release() -> None:
    """Collect garbage as before: without an event loop no work reports its end."""
    if Work._running and Work._collecting:
        gc.enable()
    Work._running.clear()


class Task(Work):
    """Any piece of work; ``progressed`` carries per mille and a few words.

    Parameters
    ----------
    job : callable
        Takes a `Report`; must touch no Qt object and no layer.
    name : str
        What is done, for napari's question before it closes a window.
    panel : QWidget, optional
        Whose window that is.
    """

    progressed = Signal(int, str)

    def __init__(
        self,
        job: Callable[[Report], Any],
        name: str = "a check by Text-DiFuse",
        panel: QWidget | None = None,
    ) -> None:
        super().__init__(job, name, panel)

    def abandon(self) -> None:
        """Stop the work, and ignore its signals."""
        with suppress(RuntimeError):  # at the end of the program, Qt may have gone first
            self.blockSignals(True)
        self.cancel()

    def _report(self, done: int, total: int, words: str) -> bool:
        if self._due(INTERVAL) or done >= total:
            self.progressed.emit(1000 * done // max(total, 1), words)
        return not self._worker.abort_requested


class FusionRun(Work):
    """A fusion.

    ``progressed`` carries steps done, steps in all, slices done, slices in all; ``registering`` the
    per cent of a registration; ``previewed``, at most ten times a second, the slice and its running
    estimate; ``finished`` the `FusionResult` or the exception.

    Parameters
    ----------
    job : callable
        Must touch no Qt object and no layer.
    colour : callable, optional
        Adds colours to the estimate of a slice; called in the worker.
    panel : QWidget, optional
        Whose window napari asks about this work before it closes.
    """

    progressed = Signal(int, int, int, int)
    registering = Signal(int)
    previewed = Signal(int, object)

    def __init__(
        self, job: FusionCall, colour: Colour | None = None, panel: QWidget | None = None
    ) -> None:
        super().__init__(job, "a fusion by Text-DiFuse", panel)
        self._colour = colour

    def _report(self, progress: Progress) -> bool:
        if progress.stage == "registration":
            self.registering.emit(progress.step)
            return not self._worker.abort_requested
        self.progressed.emit(progress.step, progress.total, progress.slice_index, progress.slices)
        if progress.estimate is not None and self._due(PREVIEW_INTERVAL):
            estimate = progress.estimate
            if self._colour is not None:
                estimate = self._colour(progress.slice_index, estimate)
            self.previewed.emit(progress.slice_index, estimate)
        return not self._worker.abort_requested

    def _hand_over(self) -> None:
        if self._worker.abort_requested and not isinstance(self._outcome, Exception):
            self._outcome = Cancelled("The fusion was cancelled; no result was created.")
        self._colour = None  # lets go of the session
        super()._hand_over()


def message_of(error: Exception, what: str) -> str:
    """Describe an error in one sentence; the details of an unexpected one go to the log.

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

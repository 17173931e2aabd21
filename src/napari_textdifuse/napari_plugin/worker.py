"""A fusion in a worker thread: progress comes out, a stop goes in."""

from __future__ import annotations

import time
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from napari.qt.threading import create_worker
from qtpy.QtCore import QEvent, QObject, QTimer, Signal
from qtpy.QtWidgets import QDockWidget, QMainWindow, QWidget

from ..errors import Cancelled
from ..stopping import stop_when

if TYPE_CHECKING:
    from ..fusion import FusionResult, Progress

#: Does the work; calls its argument after every step and stops when that returns False.
FusionTask = Callable[[Callable[["Progress"], bool]], "FusionResult"]
#: Takes the number of a slice and its estimate.
Colour = Callable[[int, Any], Any]
#: Least seconds between two previews.
PREVIEW_INTERVAL = 0.1


class FusionRun(QObject):  # type: ignore[misc]
    """Run a job once, in napari's thread pool.

    Signals arrive in the thread that made this object. ``progressed`` carries steps done, steps in
    all, slices done, slices in all; ``registering`` the per cent of a registration; ``previewed``,
    at most ten times a second, the slice and its running estimate; ``finished`` carries the
    `FusionResult` or the exception, and comes exactly once, after the work has really stopped.

    Parameters
    ----------
    job : callable
        Must touch no Qt object and no layer.
    colour : callable, optional
        Gives the estimate of a slice its colours; called in the worker.
    """

    progressed = Signal(int, int, int, int)
    registering = Signal(int)
    previewed = Signal(int, object)
    finished = Signal(object)

    def __init__(self, job: FusionTask, colour: Colour | None = None) -> None:
        super().__init__()
        self._job = job
        self._colour = colour
        self._outcome: FusionResult | Exception | None = None
        self._shown = 0.0
        self._worker: Any = create_worker(self._work, _start_thread=False)
        self._worker.finished.connect(self._hand_over)

    def start(self) -> None:
        """Start the work."""
        self._worker.start()

    def cancel(self) -> None:
        """Ask the work to stop; ``finished`` comes when it has."""
        self._worker.quit()

    def _work(self) -> None:
        # napari also asks workers to quit when it closes, so its flag is the one to watch
        try:
            with stop_when(lambda: self._worker.abort_requested):
                self._outcome = self._job(self._report)
        except Exception as error:  # handed over, whatever it is: a thread has nobody to catch it
            self._outcome = error

    def _report(self, progress: Progress) -> bool:
        if progress.stage == "registration":
            self.registering.emit(progress.step)
            return not self._worker.abort_requested
        self.progressed.emit(progress.step, progress.total, progress.slice_index, progress.slices)
        now = time.monotonic()
        if progress.estimate is not None and now - self._shown >= PREVIEW_INTERVAL:
            self._shown = now
            estimate = progress.estimate
            if self._colour is not None:
                estimate = self._colour(progress.slice_index, estimate)
            self.previewed.emit(progress.slice_index, estimate)
        return not self._worker.abort_requested

    def _hand_over(self) -> None:
        outcome, worker = self._outcome, self._worker
        if worker.abort_requested and not isinstance(outcome, Exception):
            outcome = Cancelled("The fusion was cancelled; no result was made.")
        self._job = self._outcome = self._colour = None  # type: ignore[assignment]  # lets go
        self.finished.emit(outcome)


#: Name of every panel of this plugin, as a Qt object.
PANEL = "textdifuse-panel"


class Watch(QObject):  # type: ignore[misc]
    """Put a panel behind the plugin's others when it is docked; call a function when it goes.

    Closing a dock in napari only takes the panel out; hiding it leaves it in, and is no reason to
    stop anything.

    Parameters
    ----------
    panel : QWidget
    closed : callable
        Called when the panel is taken out of its window, or destroyed with it.
    """

    def __init__(self, panel: Any, closed: Callable[[], None]) -> None:
        super().__init__()
        self._closed = closed
        self._docked = QTimer(self)  # once the dock has its place
        self._docked.setSingleShot(True)
        weak = weakref.ref(panel)  # the timer must not keep the panel alive
        self._docked.timeout.connect(lambda: tabify(weak()))
        panel.setObjectName(PANEL)
        panel.installEventFilter(self)
        panel.destroyed.connect(closed)
        panel.destroyed.connect(self._docked.stop)

    def eventFilter(self, panel: Any, event: QEvent) -> bool:
        """See what happens to the panel; hinder nothing."""
        if event.type() == QEvent.Type.ParentChange:
            if panel.parent() is None:
                self._docked.stop()
                self._closed()
            else:
                self._docked.start(0)
        return False


def tabify(panel: Any) -> None:
    """Let a docked panel share its place with the plugin's other panels, as a tab in front."""
    dock = None if panel is None else panel.parent()
    while dock is not None and not isinstance(dock, QDockWidget):
        dock = dock.parent()
    if dock is None or not isinstance(dock.parent(), QMainWindow):
        return
    window = dock.parent()
    area = window.dockWidgetArea(dock)
    for other in window.findChildren(QDockWidget):
        ours = other is not dock and other.findChild(QWidget, PANEL) is not None
        if ours and not other.isFloating() and window.dockWidgetArea(other) == area:
            if other not in window.tabifiedDockWidgets(dock):
                window.tabifyDockWidget(other, dock)
            dock.raise_()
            return

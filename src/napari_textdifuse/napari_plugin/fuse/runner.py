"""Runs jobs one after the other, each in a worker thread and with a preview."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from qtpy.QtCore import QObject, QTimer, Signal
from qtpy.QtWidgets import QWidget

from ...errors import Cancelled
from ..results import at_once
from ..task import FusionRun
from .job import Job
from .preview import Preview

if TYPE_CHECKING:
    from napari.components import LayerList

    from ...fusion import FusionResult

Floats = npt.NDArray[np.float32]


class Runner(QObject):  # type: ignore[misc]
    """A queue of jobs.

    ``began`` is emitted with each job, ``progressed`` and ``registering`` as by `FusionRun`,
    and ``finished`` once for each, with the job and its `FusionResult` or exception.

    Parameters
    ----------
    layers : LayerList
        Where previews are shown.
    """

    began = Signal(object)
    progressed = Signal(int, int, int, int)
    registering = Signal(int)
    finished = Signal(object, object)

    def __init__(self, layers: LayerList) -> None:
        super().__init__()
        self._layers = layers
        #: The panel, whose window the work belongs to.
        self.panel: QWidget | None = None
        self._waiting: deque[Job] = deque()
        self._job: Job | None = None
        self._run: FusionRun | None = None
        self._preview: Preview | None = None
        #: Cancelled while they were loading; their workers have not stopped yet.
        self._left: set[FusionRun] = set()

    @property
    def busy(self) -> bool:
        """Whether a job is running (also while it is being cancelled) or waiting."""
        return self._run is not None or bool(self._waiting)

    @property
    def waiting(self) -> int:
        """How many jobs wait."""
        return len(self._waiting)

    def put(self, job: Job) -> None:
        """Run a job after those already queued."""
        self._waiting.append(job)
        if self._run is None:
            self._next()

    @property
    def job(self) -> Job | None:
        """The running job."""
        return self._job

    def has(self, job: Job) -> bool:
        """Return whether a job with the same result runs or waits."""
        running = [] if self._run is None or self._run.cancelled else [self._job]
        return any(other is not None and job.repeats(other) for other in (*running, *self._waiting))

    def drop(self, unwanted: Callable[[Job], bool]) -> None:
        """Drop the waiting jobs."""
        self._waiting = deque(job for job in self._waiting if not unwanted(job))

    def cancel(self) -> bool:
        """Ask the running job to stop; False if there is none."""
        run, job = self._run, self._job
        if run is None or job is None:
            return False
        run.cancel()
        if job.session is None:  # still loading: nothing is kept, and imports cannot be stopped
            QTimer.singleShot(0, self, lambda: self._leave(run))
        return True

    def abandon(self) -> None:
        """Stop everything without emitting a signal."""
        self._waiting.clear()
        run, self._run = self._run, None
        with suppress(RuntimeError):  # at the end of the program, Qt may have gone first
            # signals that the run has already emitted may still be queued
            self.blockSignals(True)
            if run is not None:
                run.finished.disconnect()
        if run is not None:
            run.cancel()
        if self._preview is not None:
            self._preview.close()
            self._preview = None

    def _next(self) -> None:
        self._job = job = self._waiting.popleft()
        self._run = run = FusionRun(job.run, job.in_colour, self.panel)
        self._preview = None if job.in_place else Preview(self._layers, job)
        run.progressed.connect(self.progressed)
        run.registering.connect(self.registering)
        run.previewed.connect(self._show_preview)
        run.finished.connect(self._finish)
        self.began.emit(job)
        run.start()

    def _finish(self, outcome: FusionResult | Exception) -> None:
        job, self._run, self._job = self._job, None, None
        preview, self._preview = self._preview, None
        try:
            with at_once(self._layers):
                try:
                    if preview is not None:
                        preview.close()
                finally:  # whatever follows layers in napari or in another plugin
                    self.finished.emit(job, outcome)
        finally:
            if self._waiting and self._run is None:
                self._next()

    def _leave(self, run: FusionRun) -> None:
        """Finish a cancelled job at once; its worker stops as soon as it can."""
        if run is not self._run:
            return
        for signal in (run.progressed, run.registering, run.previewed, run.finished):
            signal.disconnect()
        self._left.add(run)
        run.finished.connect(lambda _: self._left.discard(run))
        self._finish(Cancelled("The fusion was cancelled; no result was created."))

    def _show_preview(self, index: int, estimate: Floats) -> None:
        if self._preview is not None:
            self._preview.show(index, estimate)

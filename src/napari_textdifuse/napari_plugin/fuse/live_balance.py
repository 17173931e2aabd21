"""The balance updates the displayed result: the current slice first, then all of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QTimer

from ...errors import Cancelled
from .extent_box import displayed_slice
from .outcome import Message
from .runner import Runner
from .show import show_slice
from .shown_results import ShownResults

if TYPE_CHECKING:
    from ...fusion import FusionResult
    from .job import Job

#: Milliseconds after the last movement of the slider before a fusion begins.
PATIENCE = 250


class LiveBalance:
    """Fuses again when the slider moves.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
    slider : FloatSlider
        Of the balance.
    shown : ShownResults
    runner : Runner
    put : callable
        Passes a job to the runner.
    say : callable
        Shows a `Message`.
    """

    def __init__(
        self,
        viewer: Any,
        slider: Any,
        shown: ShownResults,
        runner: Runner,
        put: Callable[[Job], None],
        say: Callable[[Message], None],
    ) -> None:
        self._viewer, self._slider, self._shown = viewer, slider, shown
        self._runner, self._put, self._say = runner, put, say
        self._quiet = False
        self._outdated = False
        self._timer = QTimer(slider.native)
        self._timer.setSingleShot(True)
        self._timer.setInterval(PATIENCE)
        self._timer.timeout.connect(self._act)
        slider.changed.connect(self._moved)

    def set_quietly(self, change: Callable[[], None]) -> None:
        """Change the slider without a fusion."""
        self._quiet = True
        try:
            change()
        finally:
            self._quiet = False

    def takes(self, job: Job, outcome: FusionResult | Exception) -> bool:
        """Handle the outcome of a preview or of a stopped update; False if it is neither.

        Parameters
        ----------
        job : Job
        outcome : FusionResult or Exception
        """
        if job.replaces is None:
            return False
        found = self._shown.displayed_result()
        fused = found[0] if found else None
        if isinstance(outcome, Exception):
            self._runner.drop(lambda other: other.replaces is not None)
            if self._outdated and isinstance(outcome, Cancelled):
                self._timer.start(0)
            else:
                self._restore_previous(job, outcome)
            self._outdated = False
            return True
        if job.only is None:
            return False
        if fused is not None:
            show_slice(self._viewer.layers, outcome, job, fused)
            self._say(Message(f"Slice {job.only} shows the new balance; the others follow."))
        return True

    def _restore_previous(self, job: Job, outcome: Exception) -> None:
        found = self._shown.displayed_result()
        if found is not None:
            fused, last = found
            self._shown.restore(fused)
            before = float(last.options.get("balance", 0.0))
            self.set_quietly(lambda: setattr(self._slider, "value", before))
        cancelled = isinstance(outcome, Cancelled)
        text = "Cancelled: the result keeps its previous balance."
        self._say(Message(text) if cancelled else job.describe(outcome))

    def _moved(self, _: float) -> None:
        if not self._quiet and self._shown.displayed_result() is not None:
            self._timer.start()

    def _act(self) -> None:
        found = self._shown.displayed_result()
        if found is None:
            return
        fused, last = found
        balance = float(self._slider.value)
        if self._runner.busy:
            job = self._runner.job
            if job is not None and job.replaces is not None:
                if job.options.get("balance") != balance:
                    self._outdated = True  # the running job is out of date
                    self._runner.cancel()
            else:
                self._timer.start()  # after the running job
            return
        if balance == last.options.get("balance", 0.0):
            self._shown.restore(fused)
            return
        place = self._displayed_slice(last)
        if place is not None:
            self._put(self._shown.rebalanced(fused, balance, place))
        self._put(self._shown.rebalanced(fused, balance))

    def _displayed_slice(self, job: Job) -> int | None:
        """Return the current slice of image A if the result has it and others; else None."""
        image = job.layers[0]() if job.layers else None
        result = job.result
        if image is None or result is None or result.contribution.ndim != 3:
            return None
        axis, first = job.start
        count = result.contribution.shape[axis]
        place = displayed_slice(self._viewer, image, axis)
        return place if count > 1 and first <= place < first + count else None

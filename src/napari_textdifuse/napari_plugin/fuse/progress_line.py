"""Progress bar and the buttons that start and stop."""

from __future__ import annotations

import time
from typing import Any

from .runner import Runner
from .saver import Saver


class ProgressLine:
    """Shows the progress of the running job.

    Parameters
    ----------
    form : Form
        Has ``fuse``, ``cancel`` and ``progress``.
    runner : Runner
    saver : Saver
        Its progress is shown, and Cancel stops it, while no job runs.
    """

    def __init__(self, form: Any, runner: Runner, saver: Saver) -> None:
        self._form, self._runner, self._saver = form, runner, saver
        self._begun = 0.0
        form.cancel.changed.connect(self._cancel)
        runner.began.connect(self._begin)
        runner.progressed.connect(self._progress)
        runner.registering.connect(self._registering)
        saver.began.connect(lambda: self._saving(0, 0))
        saver.progressed.connect(self._saving)
        saver.ended.connect(self._saved)

    def show_waiting(self) -> None:
        """Say how many jobs wait."""
        waiting = self._runner.waiting
        self._form.fuse.text = f"Fuse ({waiting} waiting)" if waiting else "Fuse"

    def finish(self, done: bool) -> None:
        """Reset the controls.

        Parameters
        ----------
        done : bool
            Whether the job was finished.
        """
        form = self._form
        form.cancel.enabled, form.cancel.text = self._saver.busy, "Cancel"
        self._show(int(done), 1, "")
        self.show_waiting()

    def _begin(self, _: Any) -> None:
        self._form.cancel.enabled = True
        self.show_waiting()
        self._show(0, 0, "")  # busy until the first step: loading takes a moment
        self._begun = time.monotonic()

    def _cancel(self) -> None:
        if self._runner.cancel():
            self._form.cancel.enabled = False
            self._form.cancel.text = "Cancelling..."
        else:
            self._saver.cancel()

    def _saving(self, done: int, total: int) -> None:
        if self._runner.job is None:
            self._form.cancel.enabled = True
            self._show(done, total, f"Saving, {100 * done // total} %" if total else "Saving")

    def _saved(self) -> None:
        if self._runner.job is None:
            self._form.cancel.enabled = False
            self._show(0, 1, "")

    def _registering(self, percent: int) -> None:
        self._show(percent, 100, f"Registering, {percent} %")

    def _progress(self, step: int, total: int, index: int, slices: int) -> None:
        if step == 1:
            self._begun = time.monotonic()
        left = (time.monotonic() - self._begun) / max(step - 1, 1) * (total - step)
        rest = f", {left:.0f} s left" if step > 3 and left >= 1 else ""
        self._show(step, total, f"Slice {index + 1} of {slices}{rest}")

    def _show(self, value: int, most: int, text: str) -> None:
        """Set all properties of the bar at once.

        Qt's progress bar paints the window, canvas and all, at once and with every change.
        """
        bar = self._form.progress
        bar.native.setUpdatesEnabled(False)
        bar.max = most
        bar.value = value
        bar.native.setFormat(text)
        bar.native.setUpdatesEnabled(True)

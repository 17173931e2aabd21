"""Saves a result in a worker thread, with progress and Cancel."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from threading import Lock
from typing import Any

from qtpy.QtCore import QObject, Signal

from ...errors import Cancelled, name_of
from ..task import Task, message_of
from .job import Job, SaveChoice
from .outcome import Message, in_panel_words
from .save_dialog import SaveDialog
from .shown_results import ShownResults


class Saver(QObject):  # type: ignore[misc]
    """Saves one result at a time.

    ``began`` and ``ended`` come once for each, ``progressed`` with the parts written and all parts.

    Parameters
    ----------
    parent : QWidget
    shown : ShownResults
    say : callable
        Shows a message in the panel.
    """

    began = Signal()
    progressed = Signal(int, int)
    ended = Signal()

    def __init__(self, parent: Any, shown: ShownResults, say: Callable[[Message], None]) -> None:
        super().__init__()
        self._parent, self._shown, self._say = parent, shown, say
        self._task: Task | None = None
        self._writing = _Writing()

    @property
    def busy(self) -> bool:
        """Whether a result is being written."""
        return self._task is not None

    def ask(self) -> None:
        """Ask where and how, then write the selected or latest result."""
        job = self._shown.savable()
        if job is not None and job.result is not None:
            SaveDialog.ask(self._parent, job.result, job.opened, lambda c: self.save(c, job))

    def save(self, choice: SaveChoice, job: Job | None = None) -> None:
        """Write a result; by default the selected or latest one."""
        asked = job or self._shown.savable()
        if asked is None or asked.result is None:
            return
        if self._task is not None:
            self._say(
                Message("The previous result is still being saved; save this one afterwards.")
            )
            return
        self._say(Message(f"Saving in {name_of(choice.folder)} ..."))
        self._writing = writing = _Writing()

        def write(report: Callable[[int, int, str], bool]) -> dict[str, Path]:
            return asked.save(
                choice, lambda done, total: report(done, total, "") and writing.goes_on(done, total)
            )

        self._task = Task(write, "saving a fused image", self._parent)
        self._task.progressed.connect(lambda share, _: self.progressed.emit(share, 1000))
        self._task.finished.connect(lambda outcome: self._saved(choice.folder, outcome))
        self.began.emit()
        self._task.start()

    def cancel(self) -> bool:
        """Stop writing; False if there is nothing to stop.

        The panel does not wait for the worker, which stops at the next part and removes what it
        wrote. Only while the files are moved to their final names is it too late.
        """
        if self._task is None or not self._writing.cancel():
            return False
        self.end()
        self._say(Message("Cancelled: nothing was saved."))
        return True

    def end(self) -> None:
        """Stop, and say nothing more."""
        task, self._task = self._task, None
        if task is not None:
            task.abandon()
            self.ended.emit()

    def _saved(self, folder: Path, outcome: Any) -> None:
        self._task = None
        self.ended.emit()
        if isinstance(outcome, Cancelled):  # napari closes
            return
        if isinstance(outcome, Exception):
            text = message_of(outcome, "Saving")
            self._say(Message(in_panel_words(text[:1].upper() + text[1:]), "error"))
        else:
            names = ", ".join(path.name for path in outcome.values())
            self._say(Message(f"Saved in {name_of(folder)}: {names}."))


class _Writing:
    """Decides between Cancel and the last step of writing: one of the two comes first."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._cancelled = self._placed = False

    def cancel(self) -> bool:
        """Cancel; False if the files are being moved to their final names."""
        with self._lock:
            self._cancelled = not self._placed
            return self._cancelled

    def goes_on(self, done: int, total: int) -> bool:
        """Return whether to continue; see `results.counter.Report`."""
        with self._lock:
            self._placed = done >= total and not self._cancelled
            return not self._cancelled

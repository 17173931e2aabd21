"""What finds things by words and can be used here; the rest is greyed, with the reason."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Qt

from ..task import Task
from .outcome import in_panel_words

if TYPE_CHECKING:
    from ...locate import LocatorInfo


class Availability:
    """Asks every locator in a worker thread what it lacks, whenever the panel comes into sight.

    Parameters
    ----------
    box : ComboBox
        The choice of the locator.
    shown : Signal
        Comes when the panel is shown.
    remembered : str, optional
        What is chosen once it is known: locators of other packages are found by the worker.
    """

    def __init__(self, box: Any, shown: Any, remembered: str | None = None) -> None:
        self._box, self._remembered = box, remembered
        self._task: Task | None = None
        shown.connect(self.ask)

    def ask(self) -> None:
        """Look again: models may have been downloaded or deleted."""
        from ...locate import describe_locators

        self.end()
        self._task = Task(lambda _: describe_locators())
        self._task.finished.connect(self._show)
        self._task.start()

    def end(self) -> None:
        """Stop asking."""
        task, self._task = self._task, None
        if task is not None:
            task.abandon()

    def _show(self, outcome: Any) -> None:
        self._task = None
        if isinstance(outcome, Exception):
            return
        names, value = [info.name for info in outcome], self._box.value
        if names != list(self._box.choices):
            self._box.choices = names
            wanted, self._remembered = self._remembered, None
            self._box.value = wanted if wanted in names else value
        grey_out(self._box, outcome)


def grey_out(box: Any, infos: Sequence[LocatorInfo]) -> None:
    """Disable the choices that lack something; their tooltips say what.

    Parameters
    ----------
    box : ComboBox
    infos : sequence of LocatorInfo
    """
    model = box.native.model()
    known = {info.name: info for info in infos}
    for row, name in enumerate(box.choices):
        info = known.get(name)
        if info is None:
            continue
        reason = info.problem or " ".join(info.missing)
        item = model.item(row)
        item.setEnabled(not reason)
        tip = in_panel_words(reason) if reason else f"{info.summary}. Good at: {info.good_at}"
        item.setData(tip, Qt.ItemDataRole.ToolTipRole)

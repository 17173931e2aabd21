"""Which locators and settings can be used; the others are greyed out with the reason."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QComboBox, QStyledItemDelegate

from ...errors import TextDiFuseError
from ..models.store import chosen_weights
from ..task import Task
from .outcome import in_panel_words

if TYPE_CHECKING:
    from ...locate import LocatorInfo
    from .restore_box import RestoreBox


#: Role of the few words that say why an item of a box is disabled.
SHORT_REASON = int(Qt.ItemDataRole.UserRole) + 16


class Availability:
    """Queries locators and weights in a worker thread, whenever the panel is shown.

    Parameters
    ----------
    box : ComboBox
        The choice of the locator.
    restoration : RestoreBox
    shown : Signal
        Emitted when the panel is shown.
    remembered : str, optional
        The choice to restore: locators of other packages are known only after the worker ran.
    """

    def __init__(
        self, box: Any, restoration: RestoreBox, shown: Any, remembered: str | None = None
    ) -> None:
        self._box, self._restoration, self._remembered = box, restoration, remembered
        self._task: Task | None = None
        shown.connect(self.ask)

    def ask(self) -> None:
        """Query again: models may have been downloaded or deleted."""
        from ...locate import describe_locators

        self.end()
        weights = chosen_weights()
        self._task = Task(
            lambda _: (describe_locators(), always_restored(weights)), panel=self._box.native
        )
        self._task.finished.connect(self._show)
        self._task.start()

    def end(self) -> None:
        """Stop querying."""
        task, self._task = self._task, None
        if task is not None:
            task.abandon()

    def _show(self, outcome: Any) -> None:
        self._task = None
        if isinstance(outcome, Exception):
            return
        locators, reasons = outcome
        self._restoration.follow(reasons)
        names, value = [info.name for info in locators], self._box.value
        if names != list(self._box.choices):
            self._box.choices = names
            wanted, self._remembered = self._remembered, None
            self._box.value = wanted if wanted in names else value
        grey_out(self._box, locators)


def always_restored(weights: str | None) -> dict[str, str]:
    """Return what weights always correct, with the reason.

    Parameters
    ----------
    weights : str or None
        A folder; None for the embedded weights.
    """
    from ...weights import WeightsFolder, open_folder

    try:
        folder = open_folder(weights)
    except TextDiFuseError:
        return {}  # reported when they are used
    light = folder.config if isinstance(folder, WeightsFolder) else {}
    reason = f"The weights {folder.name} always correct this fully; the embedded ones do not."
    kinds = [] if light.get("unet", {}).get("restore") else ["noise", "light"]
    return dict.fromkeys([*kinds, *([] if "chroma" in light else ["colour"])], reason)


def grey_out(box: Any, infos: Sequence[LocatorInfo]) -> None:
    """Disable the choices that lack something, with the reason.

    Parameters
    ----------
    box : ComboBox
    infos : sequence of LocatorInfo
    """
    known = {info.name: info for info in infos}
    for row, name in enumerate(box.choices):
        info = known.get(name)
        if info is None:
            continue
        reason = in_panel_words(info.problem or " ".join(info.missing)).strip()
        short = "models missing" if "Models panel" in reason else "not set up"
        grey_item(box.native, row, "cannot be loaded" if info.problem else short, reason)
        if not reason:
            tip = f"{info.summary}. Good at: {info.good_at}"
            box.native.setItemData(row, tip, Qt.ItemDataRole.ToolTipRole)


def grey_item(box: QComboBox, row: int, short: str, reason: str) -> None:
    """Disable an item of a box, with the reason next to it; enable it where there is none.

    Parameters
    ----------
    box : QComboBox
    row : int
    short : str
        A few words, displayed behind the item.
    reason : str
        A sentence for the tooltip; empty if the item can be chosen.
    """
    if not isinstance(box.itemDelegate(), ReasonDelegate):
        box.setItemDelegate(ReasonDelegate(box))
        # what is displayed in the list makes the box itself no wider
        box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        box.setMinimumContentsLength(10)
    box.model().item(row).setEnabled(not reason)
    box.setItemData(row, short if reason else None, SHORT_REASON)
    box.setItemData(row, reason or None, Qt.ItemDataRole.ToolTipRole)
    view = box.view()
    view.setMinimumWidth(view.sizeHintForColumn(0) + 40)


class ReasonDelegate(QStyledItemDelegate):  # type: ignore[misc]
    """Displays why an item is disabled; the text of the item itself does not change."""

    def initStyleOption(self, option: Any, index: Any) -> None:
        """Add the reason to the displayed text."""
        super().initStyleOption(option, index)
        if short := index.data(SHORT_REASON):
            option.text = f"{option.text} ({short})"

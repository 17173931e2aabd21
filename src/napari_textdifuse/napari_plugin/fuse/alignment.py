"""A badge that says, before anything is fused, whether two images are aligned."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import Qt, QTimer, Signal
from qtpy.QtGui import QShowEvent
from qtpy.QtWidgets import QHBoxLayout, QLabel, QPushButton, QSizePolicy, QWidget

from ...errors import TextDiFuseError
from ...spatial.layers import read_layer
from ..compare.composed import CheckerboardMode
from ..task import Task

if TYPE_CHECKING:
    from ...spatial.agreement import Alignment
    from ...volume import Volume

#: Milliseconds after the last change of the pair before it is checked.
PATIENCE = 300
#: Squares of the checkerboard along the longest side.
SQUARES = 8
_COLOURS = {"good": "#3fa34d", "look": "#c98a00", "": ""}


class AlignmentBadge(QWidget):  # type: ignore[misc]
    """One line with a mark, and a button for the checkerboard. ``shown`` comes with the panel."""

    shown = Signal()

    def __init__(self) -> None:
        super().__init__()
        self._label = QLabel()
        self._label.setTextFormat(Qt.TextFormat.PlainText)
        self.button = QPushButton("Checkerboard")
        self.button.setCheckable(True)
        self.button.setToolTip(
            "Image A and image B in alternating squares: edges that continue are aligned."
        )
        layout = QHBoxLayout(self)
        layout.setContentsMargins(6, 0, 0, 0)
        self._label.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        layout.addWidget(self._label, 1)
        layout.addWidget(self.button)
        self.level = ""
        self.show_state("", "")

    @property
    def text(self) -> str:
        """What the badge says."""
        return str(self._label.text())

    @property
    def details(self) -> str:
        """The details behind it."""
        return str(self._label.toolTip())

    def show_state(self, text: str, details: str, level: str = "") -> None:
        """Show a state.

        Parameters
        ----------
        text, details : str
        level : {"", "good", "look"}
        """
        mark = {"good": "✓ ", "look": "⚠ "}.get(level, "")
        self.level = level
        self._label.setText(mark + text)
        self._label.setToolTip(details)
        colour = _COLOURS[level]
        self._label.setStyleSheet(f"color: {colour}" if colour else "")

    def showEvent(self, event: QShowEvent) -> None:
        """Note that the panel is visible."""
        super().showEvent(event)
        self.shown.emit()


class AlignmentCheck:
    """Checks the chosen pair in a worker thread, while the panel is visible.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
    badge : AlignmentBadge
    images : callable
        Returns image A and image B, or None.
    time_of : callable
        Returns the time point of a layer that the viewer shows.
    """

    def __init__(
        self,
        viewer: Any,
        badge: AlignmentBadge,
        images: Callable[[], tuple[Any, Any]],
        time_of: Callable[[Any], int],
    ) -> None:
        self._viewer, self._badge = viewer, badge
        self._images, self._time_of = images, time_of
        self._task: Task | None = None
        self._checked: Any = None
        self._board: CheckerboardMode | None = None
        self._timer = QTimer(badge)
        self._timer.setSingleShot(True)
        self._timer.setInterval(PATIENCE)
        self._timer.timeout.connect(self._check)
        badge.shown.connect(self.follow)
        badge.button.clicked.connect(self._clicked)
        viewer.layers.events.removed.connect(self._removed)
        viewer.dims.events.ndisplay.connect(self._display_changed)

    def follow(self) -> None:
        """Check the pair again, once the changes have stopped."""
        a, b = self._images()
        pair = a is not None and b is not None and a is not b
        self._badge.button.setEnabled(pair and self._viewer.dims.ndisplay == 2)
        self._timer.start()

    def end(self) -> None:
        """Stop all work, restore everything, and disconnect from the viewer."""
        self._timer.stop()
        self._abandon()
        self.stop_board()
        self._viewer.layers.events.removed.disconnect(self._removed)
        self._viewer.dims.events.ndisplay.disconnect(self._display_changed)

    def stop_board(self) -> None:
        """Remove the checkerboard."""
        board, self._board = self._board, None
        self._badge.button.setChecked(False)
        if board is not None:
            board.stop()

    def _check(self) -> None:
        from ...inputs import share_world

        if not self._badge.isVisible():
            return
        a, b = self._images()
        if a is None or b is None or a is b:
            self._abandon()
            self._checked = None
            self._badge.show_state("", "Choose image A and image B.")
            return
        try:
            first, second = share_world(
                *(read_layer(layer, layer.name, self._time_of(layer)) for layer in (a, b))
            )
        except TextDiFuseError as error:
            self._badge.show_state("Not comparable", str(error), "look")
            return
        key = [
            (id(layer.data), volume.name, np.asarray(volume.affine).tobytes(), volume.unit)
            for layer, volume in ((a, first), (b, second))
        ]
        if key == self._checked:
            return
        self._abandon()
        self._checked = key
        if first.is_lazy or second.is_lazy:
            text = "A lazy image is not checked; use the checkerboard."
            self._badge.show_state("Position not checked", text)
            return
        self._badge.show_state("Checking the position ...", "")
        self._task = Task(lambda _: _checked(first, second), panel=self._badge)
        self._task.finished.connect(self._show)
        self._task.start()

    def _show(self, outcome: Alignment | Exception) -> None:
        self._task = None
        self._badge.show_state(*in_words(outcome))

    def _abandon(self) -> None:
        task, self._task = self._task, None
        if task is not None:
            task.abandon()

    def _clicked(self, on: bool) -> None:
        a, b = self._images()
        if not on or a is None or b is None or a is b:
            self.stop_board()
            return
        self._board = CheckerboardMode(self._viewer, [a, b], lambda _: None)
        self._board.start(SQUARES)

    def _removed(self, event: Any) -> None:
        if self._board is not None and self._board.uses(event.value):
            self.stop_board()

    def _display_changed(self) -> None:
        if self._viewer.dims.ndisplay == 3:
            self.stop_board()
        self.follow()


def _checked(first: Volume, second: Volume) -> Alignment:
    """Check a pair; in the worker, which also loads what is needed."""
    from ...spatial.agreement import check_alignment

    return check_alignment(first, second)


def in_words(outcome: Alignment | Exception) -> tuple[str, str, str]:
    """Return a line, the details and the level of a check.

    Parameters
    ----------
    outcome : Alignment or Exception
    """
    if isinstance(outcome, Exception):
        return "Not comparable", str(outcome), "look"
    if outcome.message is None and outcome.overlap == 0:
        return "Position not checked", "The images have different numbers of axes.", ""
    covers = f"Image B covers {outcome.overlap:.0%} of image A."
    if outcome.message is None:
        details = (
            f"Small shifts were tried, and none improves the agreement (rotations were not "
            f"tried). {covers}"
        )
        return "A and B are aligned", details, "good"
    length = sum(v * v for v in outcome.shift) ** 0.5
    if length:
        return f"B fits better {length:.0f} {outcome.unit} away", outcome.message, "look"
    if outcome.overlap > 0:
        return f"B covers {outcome.overlap:.0%} of A", outcome.message, "look"
    return "A and B are not aligned", outcome.message, "look"

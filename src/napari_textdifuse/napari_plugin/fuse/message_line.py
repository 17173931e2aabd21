"""One line at the bottom of the panel that says what happened."""

from __future__ import annotations

import re

from qtpy.QtCore import QRect, Qt
from qtpy.QtGui import QFontMetrics, QResizeEvent
from qtpy.QtWidgets import QHBoxLayout, QLabel, QMessageBox, QToolButton, QWidget

from .outcome import Message

#: Lines of the panel that a message may take; the rest of it is among the details.
LINES = 2
#: Where a long message may be cut.
_ENDS = re.compile(r"(?<=[.!?])(?= )|(?=[;:(]? )")
#: Colours that can be read on napari's dark and light themes.
_COLOURS = {"info": "", "warning": "#c98a00", "error": "#e0483e"}


class MessageLine(QWidget):  # type: ignore[misc]
    """Shows a `Message`, and its details on demand.

    What does not fit into `LINES` lines is cut at the end of a sentence or of a word, and shown in
    full with the details.
    """

    def __init__(self) -> None:
        super().__init__()
        self._label = QLabel()
        self._label.setWordWrap(True)
        self._label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self._button = QToolButton()
        self._button.setText("Details")
        self._button.clicked.connect(self._show_details)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._label, 1)
        layout.addWidget(self._button, 0, Qt.AlignmentFlag.AlignTop)
        self.show_message(Message(""))

    @property
    def text(self) -> str:
        """The whole message."""
        return self._message.text

    @property
    def shown(self) -> str:
        """What of it fits."""
        return str(self._label.text())

    @property
    def level(self) -> str:
        """How serious it is: "info", "warning" or "error"."""
        return self._message.level

    @property
    def details(self) -> tuple[str, ...]:
        """What the button shows."""
        return self._message.details

    def show_message(self, message: Message) -> None:
        """Show a message instead of the previous one."""
        self._message = message
        colour = _COLOURS[message.level]
        self._label.setToolTip(message.text)
        self._label.setStyleSheet(f"color: {colour}" if colour else "")
        self._fit()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Show as much as now fits."""
        super().resizeEvent(event)
        self._fit()

    def _fit(self) -> None:
        text, metrics = self._message.text, self._label.fontMetrics()
        # always the same height, so that nothing jumps when a message comes
        height = max(LINES * metrics.lineSpacing(), self._button.sizeHint().height())
        self.setFixedHeight(height + 4)
        beside = self._button.sizeHint().width() + self.layout().spacing()
        whole = not self._message.details and fitted(text, self.width(), metrics) == text
        self._label.setText(text if whole else fitted(text, self.width() - beside, metrics))
        self._button.setVisible(not whole)

    def _show_details(self) -> None:
        box = QMessageBox(self)
        box.setWindowTitle("Details")
        box.setText(self._message.text)
        box.setInformativeText("\n\n".join(self._message.details))
        box.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        box.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        box.open()


def fitted(text: str, width: int, metrics: QFontMetrics) -> str:
    """Return as much of a text as fits into `LINES` lines: sentences, clauses or words.

    Parameters
    ----------
    text : str
    width : int
        Of a line, in pixels.
    metrics : QFontMetrics
    """

    def fits(part: str) -> bool:
        place = QRect(0, 0, max(width, 1), 10_000)
        box = metrics.boundingRect(place, int(Qt.TextFlag.TextWordWrap), part)
        # half a line more: heights are rounded where the screen is scaled
        return bool(box.height() < (LINES + 0.5) * metrics.lineSpacing() and box.width() <= width)

    if width <= 0 or fits(text):
        return text
    ends = [match.start() for match in _ENDS.finditer(text)] or [len(text)]
    longest = next((end for end in reversed(ends) if fits(f"{text[:end]} ...")), ends[0])
    for marks, rest in ((".!?", ""), (";", " ...")):
        parts = [end for end in ends if text[end - 1] in marks or text[end : end + 1] in (*marks,)]
        best = max((end for end in parts if fits(text[:end] + rest)), default=0)
        if best > longest / 2:
            return text[:best] + rest
    return f"{text[:longest]} ..."

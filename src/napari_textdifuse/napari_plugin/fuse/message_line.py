"""One line at the bottom of the panel that says what happened."""

from __future__ import annotations

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QHBoxLayout, QLabel, QMessageBox, QToolButton, QWidget

from .outcome import Message

#: Colours that can be read on napari's dark and light themes.
_COLOURS = {"info": "", "warning": "#c98a00", "error": "#e0483e"}


class MessageLine(QWidget):  # type: ignore[misc]
    """Shows a `Message`, and its details on demand."""

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
        height = 2 * self._label.fontMetrics().lineSpacing() + 4
        self.setMinimumHeight(height)  # two lines, so that nothing jumps when a message comes
        self.show_message(Message(""))

    @property
    def text(self) -> str:
        """The line."""
        return self._message.text

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
        self._label.setText(message.text)
        self._label.setToolTip(message.text)
        self._label.setStyleSheet(f"color: {colour}" if colour else "")
        self._button.setVisible(bool(message.details))

    def _show_details(self) -> None:
        box = QMessageBox(self)
        box.setWindowTitle("What was done")
        box.setText(self._message.text)
        box.setInformativeText("\n\n".join(self._message.details))
        box.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        box.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        box.open()

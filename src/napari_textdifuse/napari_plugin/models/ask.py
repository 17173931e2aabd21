"""A question before something that costs or cannot be undone."""

from __future__ import annotations

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QMessageBox, QWidget


def confirm(parent: QWidget, verb: str, question: str) -> bool:
    """Ask, and wait for the answer.

    Parameters
    ----------
    parent : QWidget
    verb : str
        What the button that agrees says.
    question : str
        Plain text.

    Returns
    -------
    bool
        Only a click on that button is one; Cancel is what Enter and Escape mean.
    """
    box = QMessageBox(parent)
    box.setIcon(QMessageBox.Icon.Question)
    box.setWindowTitle(verb)
    box.setTextFormat(Qt.TextFormat.PlainText)
    box.setText(question)
    box.setStandardButtons(QMessageBox.StandardButton.Yes | QMessageBox.StandardButton.Cancel)
    box.setDefaultButton(QMessageBox.StandardButton.Cancel)
    box.button(QMessageBox.StandardButton.Yes).setText(verb)
    answer = box.exec()
    box.deleteLater()
    return bool(answer == QMessageBox.StandardButton.Yes)

"""Completion of the lexicon's words in a line of several."""

from __future__ import annotations

from typing import Any

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QCompleter

from ...locate import term_names


class PromptCompleter(QCompleter):  # type: ignore[misc]
    """Completes the last of several words with commas between them."""

    def splitPath(self, path: str) -> list[str]:
        """Return what is to be completed."""
        return [path.rpartition(",")[2].lstrip()]

    def pathFromIndex(self, index: Any) -> str:
        """Return the whole line, completed."""
        before, comma, _ = self.widget().text().rpartition(",")
        word = super().pathFromIndex(index)
        return f"{before}{comma} {word}" if comma else word


def complete_prompts(line: Any) -> None:
    """Let a line complete the lexicon's words, in all languages.

    Parameters
    ----------
    line : QLineEdit
    """
    completer = PromptCompleter(term_names(), line)
    completer.setCaseSensitivity(Qt.CaseSensitivity.CaseInsensitive)
    completer.setFilterMode(Qt.MatchFlag.MatchContains)
    line.setCompleter(completer)

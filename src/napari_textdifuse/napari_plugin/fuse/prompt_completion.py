"""Completion of the lexicon's words, and of those about restoration, inside a sentence."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
from qtpy.QtCore import QLocale, Qt, QTimer
from qtpy.QtGui import QStandardItem, QStandardItemModel
from qtpy.QtWidgets import QCompleter

from ...volume import Volume
from ..layers import KEY

#: Where the word that is being typed begins.
_BREAK = re.compile(r"[,;.:\s]+")
#: Most words of a term before the one that is being typed.
_LONGEST = 3
#: Displayed behind a word that these images cannot show, and the tooltip.
SHORT = "not in these images"
UNABLE = "These two images cannot show this; draw it, or choose another way under Find with."
LANGUAGES = ("en", "de", "fr", "es", "zh")


class PromptCompleter(QCompleter):  # type: ignore[misc]
    """Completes the last words of a line; words that begin like them come first.

    Parameters
    ----------
    line : QLineEdit
    """

    def __init__(self, line: Any) -> None:
        super().__init__(line)
        self._find: Callable[[], tuple[Sequence[str], Iterable[str]]] | None = None
        self._words: list[str] = []
        self._unable: frozenset[str] = frozenset()
        self._before = self._after = ""
        self._style: str | None = None
        self._model = QStandardItemModel(self)
        self.setModel(self._model)
        self.setCompletionMode(QCompleter.CompletionMode.UnfilteredPopupCompletion)
        self.setCaseSensitivity(Qt.CaseSensitivity.CaseInsensitive)
        self.setMaxVisibleItems(8)
        self._line = line
        line.textEdited.connect(self._rank)
        self.highlighted.connect(self._stay)
        self.activated.connect(self._stay)

    def offer(self, find: Callable[[], tuple[Sequence[str], Iterable[str]]]) -> None:
        """Set the words to complete.

        Parameters
        ----------
        find : callable
            Returns the words, and those of them that the images cannot show, which are greyed.
            Called when the user begins to type: the lexicon takes a moment to load.
        """
        self._find = find

    @property
    def choosing(self) -> bool:
        """Whether a word of the list is selected; Qt passes Enter to the line all the same."""
        popup = self.popup()
        return bool(popup.isVisible() and popup.currentIndex().isValid())

    def splitPath(self, path: str) -> list[str]:
        """Accept every word of the model: they were selected for the typed text."""
        return [""]

    def pathFromIndex(self, index: Any) -> str:
        """Return the whole line, completed where the cursor is."""
        return self._before + str(index.data()) + self._after

    def _follow_theme(self) -> None:
        """Give the list, which is a window of its own, the style of the line's window."""
        style = self._line.window().styleSheet()
        if style != self._style:
            self._style = style
            self.popup().setStyleSheet(f"{style}\nQListView {{ border: 1px solid gray; }}")

    def _rank(self, text: str) -> None:
        self._follow_theme()
        if self._find is not None:
            words, unable = self._find()
            self._find, self._words, self._unable = None, list(words), frozenset(unable)
        place = self._line.cursorPosition()
        self._after = text[place:]
        start, found = ranked(text[:place], self._words)
        found.sort(key=self._unable.__contains__)  # what can be chosen comes first
        self._before = text[:start]
        self._model.clear()
        for word in found:
            item = QStandardItem(word)
            if word in self._unable:
                item.setText(f"{word} ({SHORT})")
                item.setEnabled(False)
                item.setToolTip(UNABLE)
            self._model.appendRow(item)

    def _stay(self, completed: str) -> None:
        """Leave the cursor behind the completed word, not at the end of the line."""
        if self._after:
            place = len(completed) - len(self._after)
            QTimer.singleShot(0, self, lambda: self._line.setCursorPosition(place))


def ranked(text: str, words: Sequence[str]) -> tuple[int, list[str]]:
    """Return where the completed part begins, and the possible completions, best first.

    Parameters
    ----------
    text : str
        The line up to the cursor.
    words : sequence of str
    """
    starts = [0, *(match.end() for match in _BREAK.finditer(text))]
    for start in starts[-_LONGEST:]:  # "grey ma" before "ma"
        typed = text[start:].casefold()
        if not typed:
            continue
        first = [word for word in words if word.casefold().startswith(typed)]
        inside = [
            word
            for word in words
            if word not in first
            and any(part.startswith(typed) for part in _BREAK.split(word.casefold()))
        ]
        found = [word for word in first + inside if word.casefold() != typed]
        if found:
            return start, found
    return len(text), []


def user_language() -> str:
    """Return the language of the user's computer, English where the lexicon does not have it."""
    # Python's locale is "German_Germany" on Windows, and English on a Mac's desktop
    name = QLocale.system().name()[:2].lower()
    return name if name in LANGUAGES else "en"


def complete_prompts(line: Any) -> PromptCompleter:
    """Let a line complete the words that it is offered.

    Parameters
    ----------
    line : QLineEdit
    """
    completer = PromptCompleter(line)
    line.setCompleter(completer)
    return completer


def terms_for(layers: Sequence[Any]) -> tuple[list[str], list[str]]:
    """Return words, those that a pair can show first, and those of them that it cannot show.

    Parameters
    ----------
    layers : sequence of Image or None
    """
    from ...locate import term_names
    from ...locate.restoration_words import EXAMPLES

    language = user_language()
    images = []
    for layer in layers:
        known = {} if layer is None else layer.metadata.get(KEY, {})
        if known.get("modality") is not None:
            unit = known.get("unit", "a.u.")
            images.append(Volume(np.zeros((2, 2)), modality=known["modality"], unit=unit))
    everything, phrases = term_names(language=language), list(EXAMPLES[language])
    if not images:
        return everything + phrases, []
    able = term_names(images, language)
    unable = [name for name in everything if name not in able]
    return able + phrases + unable, unable

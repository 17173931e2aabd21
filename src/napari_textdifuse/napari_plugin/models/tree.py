"""The list of weights, locators and models."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QHeaderView, QTreeWidget, QTreeWidgetItem

from .entries import GROUPS, Entry, is_chosen

_ENTRY = Qt.ItemDataRole.UserRole


class ModelTree(QTreeWidget):  # type: ignore[misc]
    """Entries under their headings, each with its state."""

    def __init__(self) -> None:
        super().__init__()
        self.setHeaderLabels(["Model", "State"])
        self.header().setStretchLastSection(False)
        self.header().setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        self.header().setSectionResizeMode(1, QHeaderView.ResizeMode.ResizeToContents)
        self.setRootIsDecorated(False)
        self.setItemsExpandable(False)
        self.setIndentation(10)

    @property
    def entry(self) -> Entry | None:
        """What is selected."""
        item = self.currentItem()
        return None if item is None else item.data(0, _ENTRY)

    def show_entries(self, entries: Iterable[Entry], chosen: Path | None) -> None:
        """Fill the list; the selection is kept.

        Parameters
        ----------
        entries : iterable of Entry
        chosen : Path or None
            Weights in use; None for the default ones.
        """
        selected = self.entry
        self.clear()
        groups: dict[str, QTreeWidgetItem] = {}
        for entry in entries:
            title = GROUPS[entry.kind]
            if title not in groups:
                groups[title] = group = QTreeWidgetItem(self, [title])
                group.setFlags(Qt.ItemFlag.ItemIsEnabled)  # a heading cannot be chosen
                group.setFirstColumnSpanned(True)
                bold = group.font(0)
                bold.setBold(True)
                group.setFont(0, bold)
                group.setExpanded(True)
            state = "in use" if is_chosen(entry, chosen) else entry.state
            item = QTreeWidgetItem(groups[title], [entry.name, state])
            item.setData(0, _ENTRY, entry)
            for column in (0, 1):
                item.setToolTip(column, entry.problem or item.text(column))
            if selected is None or (selected.kind, selected.name) == (entry.kind, entry.name):
                selected = entry
                self.setCurrentItem(item)

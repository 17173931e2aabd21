"""A list of layers to choose one from."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from qtpy.QtWidgets import QComboBox, QSizePolicy


class LayerBox(QComboBox):  # type: ignore[misc]
    """Choose one of some layers, or none.

    Parameters
    ----------
    empty : str
        What to show for no layer.
    tip : str
    """

    def __init__(self, empty: str, tip: str) -> None:
        super().__init__()
        self._empty = empty
        self.setToolTip(tip)
        # long names are cut here rather than widening the panel
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.setMinimumWidth(120)

    @property
    def layer(self) -> Any:
        """The chosen layer, or None."""
        return self.currentData()

    @layer.setter
    def layer(self, layer: Any) -> None:
        rows = (row for row in range(self.count()) if self.itemData(row) is layer)
        self.setCurrentIndex(next(rows, 0))

    def offer(self, layers: Iterable[Any]) -> None:
        """List layers; the chosen one stays chosen while it is among them."""
        before = self.layer
        changed = self.blockSignals(True)
        self.clear()
        self.addItem(self._empty, None)
        for layer in layers:
            self.addItem(layer.name, layer)
        self.layer = before
        self.blockSignals(changed)
        if self.layer is not before:
            self.currentIndexChanged.emit(self.currentIndex())

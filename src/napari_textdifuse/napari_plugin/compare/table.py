"""The metrics as a table that can be sorted."""

from __future__ import annotations

import math
from typing import Any

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QAbstractItemView, QHeaderView, QTableWidget, QTableWidgetItem

from .measure import REGION_METRICS, WHOLE, Measurement

#: What each metric measures, in a line; higher is better for all.
MEANINGS = {
    "EN": "Entropy: information in the histogram, bits.",
    "AG": "Average gradient: sharpness.",
    "SD": "Standard deviation: contrast.",
    "SCD": "Sum of correlations of differences: what each source contributed, -2 to 2.",
    "VIF": "Visual information fidelity, summed over both sources.",
    "SF": "Spatial frequency: fine detail.",
    "MI": "Mutual information with both sources, nats.",
    "Qabf": "Preservation of the sources' edges, 0 to 1.",
    "SSIM": "Structural similarity, summed over both sources.",
    "readback": "How well each source can be predicted from the fused colours (the lower of "
    "both), up to 1.",
}


#: What the columns contain.
HEADERS = (
    "The whole image, or an object of the chosen Labels layer.",
    "Hover over a name to read what it measures.",
    "Higher is better for all of them. Compare only results of one pair.",
)


class MetricsTable(QTableWidget):  # type: ignore[misc]
    """One line per region and metric; a click on a heading sorts."""

    def __init__(self) -> None:
        super().__init__(0, 3)
        self.setHorizontalHeaderLabels(["Region", "Metric", "Value"])
        for column, tip in enumerate(HEADERS):
            self.horizontalHeaderItem(column).setToolTip(tip)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.verticalHeader().hide()
        self.setWordWrap(False)
        self.verticalHeader().setDefaultSectionSize(self.fontMetrics().height() + 8)
        self.horizontalHeader().setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        for column in (1, 2):
            self.setColumnWidth(column, 70)
        self.setSortingEnabled(True)
        self.setToolTip(
            f"Higher is better. For an object only {', '.join(REGION_METRICS)} are measured: the "
            "others compare neighbouring pixels and would include its surround."
        )

    def show_rows(self, measurement: Measurement | None) -> None:
        """Fill the table, in the order of the regions.

        Parameters
        ----------
        measurement : Measurement or None
            None empties it.
        """
        cells = [] if measurement is None else _cells(measurement)
        self.setSortingEnabled(False)  # rows would move while they are filled
        self.setRowCount(len(cells))
        for line, row in enumerate(cells):
            for column, cell in enumerate(row):
                self.setItem(line, column, cell)
        self.horizontalHeader().setSortIndicator(0, Qt.SortOrder.AscendingOrder)
        self.setSortingEnabled(True)


class _Cell(QTableWidgetItem):  # type: ignore[misc]
    """A cell with its position in the order."""

    def __init__(self, text: str, place: tuple[Any, ...], tip: str) -> None:
        super().__init__(text)
        self.place = place
        self.setToolTip(tip)

    def __lt__(self, other: QTableWidgetItem) -> bool:
        return isinstance(other, _Cell) and self.place < other.place


def _cells(measurement: Measurement) -> list[tuple[_Cell, _Cell, _Cell]]:
    from ...evaluation import METRICS

    lines = []
    for number, row in enumerate(measurement.rows):
        where = f"{row.region}: {row.pixels:,} pixels"
        names = METRICS if row.region == WHOLE and number == 0 else REGION_METRICS
        for rank, name in enumerate(names):
            value = row.values[name]
            undefined = math.isnan(value)
            digits = _Cell(
                "-" if undefined else f"{value:.3f}",
                (-math.inf if undefined else value, number, rank),
                "Not defined: the image is too small or too uniform." if undefined else repr(value),
            )
            digits.setTextAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
            lines.append(
                (
                    _Cell(row.region, (number, rank), where),
                    _Cell(name, (rank, number), MEANINGS[name]),
                    digits,
                )
            )
    return lines

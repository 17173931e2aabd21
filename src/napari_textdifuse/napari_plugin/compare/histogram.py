"""A small histogram of brightness."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
from qtpy.QtCore import QPointF, QRectF, QSize, Qt
from qtpy.QtGui import QColor, QPainter, QPaintEvent, QPalette, QPen, QPolygonF
from qtpy.QtWidgets import QSizePolicy, QWidget

#: For A, B and the fused image; distinct on dark and light backgrounds and to colour-blind users.
COLOURS = ("#3d8fd1", "#d08a1e", "#2fa37c")
_STYLES = (Qt.PenStyle.DashLine, Qt.PenStyle.DotLine, Qt.PenStyle.SolidLine)
_GROUP = 4  # brightness levels per point of a line


class Histogram(QWidget):  # type: ignore[misc]
    """Lines of the share of pixels per brightness, on a square-root scale.

    The square root keeps rare values visible next to a large dark background.
    """

    def __init__(self) -> None:
        super().__init__()
        self._counts: dict[str, npt.NDArray[np.float64]] = {}
        self.setMinimumHeight(150)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setToolTip(
            "Share of pixels per brightness, 0 (black) to 255, on a square-root scale; a dark "
            "background may exceed the top."
        )

    def sizeHint(self) -> QSize:
        """Return the preferred size."""
        return QSize(300, 150)

    @property
    def titles(self) -> tuple[str, ...]:
        """Names of the displayed lines."""
        return tuple(self._counts)

    def show_counts(self, counts: Mapping[str, npt.NDArray[np.int64]]) -> None:
        """Draw histograms.

        Parameters
        ----------
        counts : mapping of str to ndarray, shape (256,)
            By name, at most three; an empty mapping clears the plot.
        """
        self._counts = {}
        for name, count in counts.items():
            grouped = count.reshape(-1, _GROUP).sum(axis=1)
            self._counts[name] = np.sqrt(grouped / max(int(grouped.sum()), 1))
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw the lines and their names."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        text = self.palette().color(QPalette.ColorRole.WindowText)
        line = painter.fontMetrics().height()
        names = QRectF(6, 2, self.width() - 12, 3 * line)
        area = QRectF(6, names.bottom() + 4, names.width(), self.height() - names.height() - 12)
        painter.setPen(QPen(text, 1))
        painter.drawLine(area.bottomLeft(), area.bottomRight())
        if not self._counts:
            painter.drawText(area, Qt.AlignmentFlag.AlignCenter, "Brightness, once measured")
            return
        highest = max(float(count[1:].max()) for count in self._counts.values()) or 1.0
        for number, (name, count) in enumerate(self._counts.items()):
            painter.setPen(QPen(QColor(COLOURS[number]), 1.8, _STYLES[number]))
            steps = area.width() / (len(count) - 1)
            points = [
                QPointF(
                    area.left() + i * steps,
                    area.bottom() - min(share / highest, 1.0) * area.height(),
                )
                for i, share in enumerate(count.tolist())
            ]
            painter.drawPolyline(QPolygonF(points))
            middle = names.top() + (number + 0.5) * line
            painter.drawLine(QPointF(6, middle), QPointF(30, middle))
            painter.setPen(text)
            place = QRectF(36, names.top() + number * line, names.width() - 36, line)
            shown = painter.fontMetrics().elidedText(
                name, Qt.TextElideMode.ElideMiddle, int(place.width())
            )
            painter.drawText(place, Qt.AlignmentFlag.AlignVCenter, shown)

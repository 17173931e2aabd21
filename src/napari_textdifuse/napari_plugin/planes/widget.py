"""The dock widget: three linked planes through one point."""

from __future__ import annotations

import weakref
from typing import Any

import napari
import numpy as np
from qtpy.QtCore import QPointF, QRectF, QSize, Qt, QTimer, Signal
from qtpy.QtGui import (
    QColor,
    QImage,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPen,
    QResizeEvent,
    QShowEvent,
    QWheelEvent,
)
from qtpy.QtWidgets import QBoxLayout, QSizePolicy, QWidget

from ..docking import Watch, unwrapped
from .picture import DOWN_RIGHT, NAMES, Bytes, Field, draw, field_of, shown_layers

#: Milliseconds in which changes are collected before the planes are redrawn.
PATIENCE = 20
#: What of a layer changes its image.
_APPEARANCE = {"visible", "opacity", "blending", "contrast_limits", "colormap", "gamma", "contour"}
_APPEARANCE |= {"data", "set_data", "labels_update", "paint", "inserted", "removed", "reordered"}
_APPEARANCE |= {"scale", "translate", "rotate", "shear", "affine"}
#: Colours of the lines, by axis; the same in all planes.
_LINES = (QColor(90, 170, 255, 150), QColor(110, 220, 110, 150), QColor(255, 120, 120, 150))


class PlaneView(QWidget):  # type: ignore[misc]
    """An image of one plane, with lines at the positions of the other two.

    ``pointed`` carries an axis (of the last three of the world) and a coordinate along it;
    ``stepped`` the axis and +1 or -1.

    Parameters
    ----------
    axis : {0, 1, 2}
        Perpendicular to the plane.
    """

    pointed = Signal(int, float)
    stepped = Signal(int, int)

    def __init__(self, axis: int) -> None:
        super().__init__()
        self.axis = axis
        self.picture: Bytes | None = None
        self._field: Field | None = None
        self._point = np.zeros(3)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setMinimumSize(90, 90)

    def sizeHint(self) -> QSize:
        """Return the preferred size."""
        return QSize(180, 180)

    def show_plane(self, picture: Bytes | None, field: Field | None, point: Any) -> None:
        """Show an image; None where there is no volume."""
        self.picture = None if picture is None else np.ascontiguousarray(picture)
        self._field, self._point = field, np.asarray(point, float)[-3:]
        self.update()

    def area(self) -> QRectF:
        """Return the rectangle of the image in the widget."""
        if self.picture is None:
            return QRectF()
        height, width = self.picture.shape[:2]
        scale = min(self.width() / width, self.height() / height)
        size = width * scale, height * scale
        return QRectF((self.width() - size[0]) / 2, (self.height() - size[1]) / 2, *size)

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw the image, the lines and the letters."""
        painter = QPainter(self)
        painter.fillRect(self.rect(), QColor(0, 0, 0))
        painter.setPen(QColor(200, 200, 200))
        if self.picture is None or self._field is None:
            painter.drawText(self.rect(), Qt.AlignmentFlag.AlignCenter, "No volume is visible")
            return
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        height, width = self.picture.shape[:2]
        image = QImage(self.picture.data, width, height, 3 * width, QImage.Format.Format_RGB888)
        area = self.area()
        painter.drawImage(area, image)
        down, right = DOWN_RIGHT[self.axis]
        y = area.top() + area.height() * self._field.share(down, self._point[down])
        x = area.left() + area.width() * self._field.share(right, self._point[right])
        painter.setPen(QPen(_LINES[down], 1))
        painter.drawLine(QPointF(area.left(), y), QPointF(area.right(), y))
        painter.setPen(QPen(_LINES[right], 1))
        painter.drawLine(QPointF(x, area.top()), QPointF(x, area.bottom()))
        painter.setPen(QColor(235, 235, 235))
        box = QRectF(self.rect()).adjusted(3, 2, -3, -2)
        middle, centre = Qt.AlignmentFlag.AlignVCenter, Qt.AlignmentFlag.AlignHCenter
        (top, bottom), (left, far) = self._field.ends(down), self._field.ends(right)
        painter.drawText(box, Qt.AlignmentFlag.AlignTop | centre, top)
        painter.drawText(box, Qt.AlignmentFlag.AlignBottom | centre, bottom)
        painter.drawText(box, middle | Qt.AlignmentFlag.AlignLeft, left)
        painter.drawText(box, middle | Qt.AlignmentFlag.AlignRight, far)
        if self._field.patient:
            corner = Qt.AlignmentFlag.AlignTop | Qt.AlignmentFlag.AlignLeft
            painter.drawText(box, corner, NAMES[self.axis])

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Move the point to where the user clicks."""
        self._point_at(event.position())

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Move the point with the mouse."""
        if event.buttons() & Qt.MouseButton.LeftButton:
            self._point_at(event.position())

    def wheelEvent(self, event: QWheelEvent) -> None:
        """Step through the slices of this plane."""
        if event.angleDelta().y():
            self.stepped.emit(self.axis, 1 if event.angleDelta().y() > 0 else -1)

    def _point_at(self, where: QPointF) -> None:
        area = self.area()
        if self._field is None or not area.width() or not area.height():
            return
        down, right = DOWN_RIGHT[self.axis]
        shares = (where.y() - area.top()) / area.height(), (where.x() - area.left()) / area.width()
        for axis, share in zip((down, right), shares, strict=True):
            self.pointed.emit(axis, self._field.place(axis, share))


class PlanesWidget(QWidget):  # type: ignore[misc]
    """Show the visible layers in three planes through the viewer's point.

    Parameters
    ----------
    napari_viewer : napari.viewer.Viewer
    """

    def __init__(self, napari_viewer: napari.viewer.Viewer) -> None:
        super().__init__()
        self._viewer: Any = unwrapped(napari_viewer)
        self._closed = False
        self.views = tuple(PlaneView(axis) for axis in range(3))
        self._layout = QBoxLayout(QBoxLayout.Direction.LeftToRight, self)
        self._layout.setContentsMargins(0, 0, 0, 0)
        self._layout.setSpacing(2)
        for view in self.views:
            self._layout.addWidget(view, 1)
            view.pointed.connect(self._go_to)
            view.stepped.connect(self._step)
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self._draw_next)
        self._waiting: list[PlaneView] = []
        self._events = (self._viewer.layers.events, self._viewer.dims.events.point)
        self._events[0].connect(self._changed)
        self._events[1].connect(self._moved)
        me = weakref.ref(self)  # the connection must keep neither the panel nor the viewer alive
        self._watch = Watch(self, lambda: _close(me()))
        self.draw()

    def draw(self) -> None:
        """Draw all planes now."""
        self._waiting = list(self.views)
        while self._waiting and not self._closed:
            self._draw_next()
        self._timer.stop()

    def _draw_next(self) -> None:
        """Draw one plane; events are processed before the next one."""
        if self._closed or not self._waiting:
            return
        view = self._waiting.pop(0)
        layers = shown_layers(self._viewer.layers)
        field, point = field_of(layers), self._viewer.dims.point
        picture = None if field is None else draw(layers, field, point, view.axis)
        view.show_plane(picture, field, point if len(point) >= 3 else np.zeros(3))
        if self._waiting:
            self._timer.start(0)

    def end(self) -> None:
        """Disconnect from the viewer."""
        self._closed = True
        self._timer.stop()
        self._events[0].disconnect(self._changed)
        self._events[1].disconnect(self._moved)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Put the planes side by side if there is enough width, else one below the other."""
        wide = self.width() >= self.height()
        way = QBoxLayout.Direction.LeftToRight if wide else QBoxLayout.Direction.TopToBottom
        self._layout.setDirection(way)
        super().resizeEvent(event)

    def showEvent(self, event: QShowEvent) -> None:
        """Draw what changed while the panel was hidden."""
        self._ask()
        super().showEvent(event)

    def _changed(self, event: Any) -> None:
        if event.type in _APPEARANCE:
            self._moved()

    def _moved(self, _: Any = None) -> None:
        if self.isVisible():
            self._ask()

    def _ask(self) -> None:
        self._waiting = list(self.views)
        if not self._timer.isActive():
            self._timer.start(PATIENCE)

    def _go_to(self, axis: int, place: float) -> None:
        dims = self._viewer.dims
        dims.set_point(dims.ndim - 3 + axis, place)

    def _step(self, axis: int, way: int) -> None:
        dims = self._viewer.dims
        number = dims.ndim - 3 + axis
        dims.set_current_step(number, dims.current_step[number] + way)


def _close(widget: PlanesWidget | None) -> None:
    if widget is not None and not widget._closed:
        widget.end()

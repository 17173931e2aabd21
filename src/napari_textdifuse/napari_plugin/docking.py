"""How the plugin's panels are docked in napari's window, and what happens when one is closed."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

from qtpy.QtCore import QEvent, QObject, QSize, Qt, QTimer
from qtpy.QtGui import QShowEvent
from qtpy.QtWidgets import (
    QDockWidget,
    QFrame,
    QLabel,
    QMainWindow,
    QScrollArea,
    QSlider,
    QStyle,
    QWidget,
)

#: Name of every panel of this plugin, as a Qt object.
PANEL = "textdifuse-panel"
#: Display name of this plugin, as in the manifest.
PLUGIN = "Text-DiFuse"
#: Pixels below which no scroll area of a panel shrinks. Until a new panel becomes a tab it stands
#: below the others: were they higher, the window would grow, and it would stay so.
LEAST = 120


class Watch(QObject):  # type: ignore[misc]
    """Dock a panel as a tab of the plugin's others; call a function when it is closed.

    Closing a dock in napari removes the panel. Hiding it does not, and stops nothing.

    Parameters
    ----------
    panel : QWidget
    closed : callable
        Called when the panel is removed from its window, or destroyed with it.
    """

    def __init__(self, panel: Any, closed: Callable[[], None]) -> None:
        super().__init__()
        self._closed = closed
        self._docked = QTimer(self)  # once the dock has its position
        self._docked.setSingleShot(True)
        weak = weakref.ref(panel)  # the timer must not keep the panel alive
        self._docked.timeout.connect(lambda: tabify(weak()))
        panel.setObjectName(PANEL)
        panel.installEventFilter(self)
        panel.destroyed.connect(closed)
        panel.destroyed.connect(self._docked.stop)

    def eventFilter(self, panel: Any, event: QEvent) -> bool:
        """Observe the panel's events without consuming them."""
        if event.type() == QEvent.Type.ParentChange:
            if panel.parent() is None:
                self._docked.stop()
                self._closed()
            else:
                self._docked.start(0)
        return False


def tabify(panel: Any) -> None:
    """Let a docked panel share the dock area of the plugin's other panels, as the front tab."""
    dock = None if panel is None else panel.parent()
    while dock is not None and not isinstance(dock, QDockWidget):
        dock = dock.parent()
    if dock is None or not isinstance(dock.parent(), QMainWindow):
        return
    window = dock.parent()
    area = window.dockWidgetArea(dock)
    others = [
        other
        for other in window.findChildren(QDockWidget)
        if other is not dock
        and other.findChild(QWidget, PANEL) is not None
        and not other.isFloating()
        and window.dockWidgetArea(other) == area
    ]
    if not others:
        return
    first, *rest = others
    for part in (dock, *rest):  # all: several may have been opened at once
        if part not in window.tabifiedDockWidgets(first):
            window.tabifyDockWidget(first, part)
    dock.raise_()


def open_panel(viewer: Any, title: str, make: Callable[[Any], Any]) -> Any:
    """Show a panel, which is the one that napari's menu shows; there is at most one.

    napari's own `add_plugin_dock_widget` names it after the distribution, but the menu after the
    plugin's display name, and each would add a panel of its own.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
    title : str
        As in the manifest.
    make : callable
        Takes the viewer; called if there is no such panel yet.

    Returns
    -------
    Container or QWidget
    """
    name = f"{title} ({PLUGIN})"
    panel = viewer.window.dock_widgets.get(name)
    if panel is None:
        panel = make(viewer)
        viewer.window.add_dock_widget(panel, name=name)
        return panel
    dock = getattr(panel, "native", panel)
    while dock is not None and not isinstance(dock, QDockWidget):
        dock = dock.parent()
    if dock is not None:
        dock.show()
        dock.raise_()
    return panel


def stop_comparisons(viewer: Any) -> None:
    """End what the panels of a viewer show in place of its layers.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
    """
    window = getattr(viewer, "window", None)
    for panel in () if window is None else list(window.dock_widgets.values()):
        if (stop := getattr(panel, "stop_comparing", None)) is not None:
            stop()


class Scroll(QScrollArea):  # type: ignore[misc]
    """Rows of a panel, which scroll where the window is low and are never cut at the sides.

    Parameters
    ----------
    content : QWidget
    """

    def __init__(self, content: QWidget) -> None:
        super().__init__()
        self.setWidget(content)
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)

    def minimumSizeHint(self) -> QSize:
        """Ask for the content's least width, and for `LEAST` pixels of height."""
        bar = self.verticalScrollBar()
        style, metric = self.style(), QStyle.PixelMetric
        beside = max(
            bar.sizeHint().width(), style.pixelMetric(metric.PM_ScrollBarExtent, None, bar)
        )
        beside += max(0, style.pixelMetric(metric.PM_ScrollView_ScrollBarSpacing, None, self))
        return QSize(self.widget().minimumSizeHint().width() + beside, LEAST)

    def showEvent(self, event: QShowEvent) -> None:
        """Ask again: what changed behind other tabs did not reach the window."""
        super().showEvent(event)
        self.updateGeometry()

    def eventFilter(self, content: QObject, event: QEvent) -> bool:
        """See that the content has become wider or narrower."""
        if event.type() == QEvent.Type.LayoutRequest:
            self.updateGeometry()
        return bool(super().eventFilter(content, event))


def align_labels(*containers: Any) -> None:
    """Make the labels of the containers' rows equally wide.

    magicgui measures them in the application's font; napari writes them in a larger one.

    Parameters
    ----------
    *containers : magicgui.widgets.Container
        With labels.
    """
    texts = {field.label for container in containers for field in container}
    layouts = [container.native.layout() for container in containers]
    parts = [v.itemAt(k).widget() for v in layouts for k in range(v.count())]
    rows = [part.layout() for part in parts if part is not None]
    first = [row.itemAt(0).widget() for row in rows if row is not None]
    labels = [label for label in first if isinstance(label, QLabel) and label.text() in texts]
    widest = max((label.sizeHint().width() for label in labels), default=0)
    for label in labels:
        label.setMinimumWidth(widest)


def wait_for_numbers(*boxes: Any) -> None:
    """Let number fields change only once a number is complete: with Enter, Tab or a click.

    Parameters
    ----------
    *boxes : magicgui.widgets.SpinBox or FloatSpinBox
    """
    for box in boxes:
        box.native.setKeyboardTracking(False)


def take_typed(*boxes: Any) -> None:
    """Take the numbers that are still being typed in such fields."""
    for box in boxes:
        box.native.stepBy(0)  # Qt's `interpretText` does nothing in superqt's fields of integers


def set_page_step(*sliders: Any) -> None:
    """Let a click next to the handle, and Page Up and Page Down, move sliders by four steps.

    magicgui leaves Qt's page of ten units, of which it makes a million.

    Parameters
    ----------
    *sliders : magicgui.widgets.FloatSlider
    """
    for slider in sliders:
        native = slider.native
        bar = native if isinstance(native, QSlider) else native.findChild(QSlider)
        bar.setPageStep(4 * bar.singleStep())


def tab_after(before: QWidget, added: QWidget) -> None:
    """Let the Tab key go from one widget to those of another that was added later.

    Parameters
    ----------
    before, added : QWidget
    """
    for widget in added.findChildren(QWidget):
        popup = widget.window() is not added.window()
        if not popup and widget.focusPolicy() & Qt.FocusPolicy.TabFocus:
            QWidget.setTabOrder(before, widget)
            before = widget


def unwrapped(viewer: Any) -> Any:
    """Return the viewer itself where napari hands a panel a proxy.

    A proxy makes new proxies of the layers with every access: they are not the layers (``is``),
    and weak references to them die at once. Only public attributes are used all the same.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        Or a proxy of it.
    """
    return getattr(viewer, "__wrapped__", viewer)

"""How the plugin's panels lie in napari's window, and what happens when one is closed."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

from qtpy.QtCore import QEvent, QObject, Qt, QTimer
from qtpy.QtWidgets import QDockWidget, QFrame, QMainWindow, QScrollArea, QWidget

#: Name of every panel of this plugin, as a Qt object.
PANEL = "textdifuse-panel"
#: Pixels below which no scroll area of a panel shrinks. Until a new panel becomes a tab it stands
#: below the others: were they higher, the window would grow, and it would stay so.
LEAST = 120


class Watch(QObject):  # type: ignore[misc]
    """Put a panel behind the plugin's others when it is docked; call a function when it goes.

    Closing a dock in napari only takes the panel out; hiding it leaves it in, and is no reason to
    stop anything.

    Parameters
    ----------
    panel : QWidget
    closed : callable
        Called when the panel is taken out of its window, or destroyed with it.
    """

    def __init__(self, panel: Any, closed: Callable[[], None]) -> None:
        super().__init__()
        self._closed = closed
        self._docked = QTimer(self)  # once the dock has its place
        self._docked.setSingleShot(True)
        weak = weakref.ref(panel)  # the timer must not keep the panel alive
        self._docked.timeout.connect(lambda: tabify(weak()))
        panel.setObjectName(PANEL)
        panel.installEventFilter(self)
        panel.destroyed.connect(closed)
        panel.destroyed.connect(self._docked.stop)

    def eventFilter(self, panel: Any, event: QEvent) -> bool:
        """See what happens to the panel; hinder nothing."""
        if event.type() == QEvent.Type.ParentChange:
            if panel.parent() is None:
                self._docked.stop()
                self._closed()
            else:
                self._docked.start(0)
        return False


def tabify(panel: Any) -> None:
    """Let a docked panel share its place with the plugin's other panels, as a tab in front."""
    dock = None if panel is None else panel.parent()
    while dock is not None and not isinstance(dock, QDockWidget):
        dock = dock.parent()
    if dock is None or not isinstance(dock.parent(), QMainWindow):
        return
    window = dock.parent()
    area = window.dockWidgetArea(dock)
    for other in window.findChildren(QDockWidget):
        ours = other is not dock and other.findChild(QWidget, PANEL) is not None
        if ours and not other.isFloating() and window.dockWidgetArea(other) == area:
            if other not in window.tabifiedDockWidgets(dock):
                window.tabifyDockWidget(other, dock)
            dock.raise_()
            return


def scrolling(content: QWidget, width: int) -> QScrollArea:
    """Put the rows of a panel into an area that scrolls where the window is low.

    Parameters
    ----------
    content : QWidget
    width : int
        Least width in pixels; the content is never cut at the sides.

    Returns
    -------
    QScrollArea
        At least `LEAST` pixels high, with no bar for scrolling sideways.
    """
    area = QScrollArea()
    area.setWidget(content)
    area.setWidgetResizable(True)
    area.setFrameShape(QFrame.Shape.NoFrame)
    area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    area.setMinimumSize(width, LEAST)
    return area

"""The dock widget: compare images, and measure a fused one."""

from __future__ import annotations

import weakref
from typing import Any

import napari
from qtpy.QtWidgets import QTabWidget, QVBoxLayout, QWidget

from ..docking import Scroll, Watch, unwrapped
from .metrics_panel import MetricsPanel
from .view_panel import ViewPanel


class CompareWidget(QWidget):  # type: ignore[misc]
    """Compare image layers of the viewer; never changes their data.

    Parameters
    ----------
    napari_viewer : napari.viewer.Viewer
    """

    def __init__(self, napari_viewer: napari.viewer.Viewer) -> None:
        super().__init__()
        self._closed = False
        napari_viewer = unwrapped(napari_viewer)
        self.view = ViewPanel(napari_viewer)
        self.metrics = MetricsPanel(napari_viewer)
        self.tabs = QTabWidget()
        self.tabs.addTab(Scroll(self.view), "Look")
        self.tabs.addTab(Scroll(self.metrics), "Measure")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.tabs)
        # of a docked widget, napari also calls `reset_choices` itself; that does no harm
        events = napari_viewer.layers.events
        self._events = (events.inserted, events.removed, events.reordered, events.renamed)
        for event in self._events:
            event.connect(self.reset_choices)
        me = weakref.ref(self)  # the connection must keep neither the panel nor the viewer alive
        self._watch = Watch(self, lambda: _close(me()))

    def reset_choices(self, *_: Any) -> None:
        """Update the lists of layers."""
        if not self._closed:
            self.view.refresh()
            self.metrics.refresh()

    def stop_comparing(self) -> None:
        """Show the layers as they were; what is chosen stays."""
        self.view.stop()

    def end(self) -> None:
        """Restore everything, stop all work and disconnect from the viewer."""
        self._closed = True
        for event in self._events:
            event.disconnect(self.reset_choices)
        self.view.end()
        self.metrics.stop()


def _close(widget: CompareWidget | None) -> None:
    if widget is not None and not widget._closed:
        widget.end()

"""Flicker, blend and side by side: the user's own layers, displayed differently."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from napari.layers import Image
from qtpy.QtCore import QTimer

from .mode import Mode

#: Smallest and largest size of a caption, in points; the latter is napari's own.
SMALLEST, LARGEST = 5.0, 10.0
#: Width of an average character of one point, in pixels.
PIXELS = 0.95


class FlickerMode(Mode):
    """One image after the other in the same place."""

    name: ClassVar[str] = "Flicker"
    explanation: ClassVar[str] = "The images alternate in the same place: what jumps differs."
    #: At most 2.5 flashes a second: three and more can trigger seizures (WCAG 2.2, 2.3.1).
    setting = ("Changes", 0.5, 5, 1.5, "per s")

    def __init__(self, viewer: Any, layers: Sequence[Image], show: Callable[[str], None]) -> None:
        super().__init__(viewer, layers, show)
        self.timer = QTimer()
        self.timer.timeout.connect(self._next)
        self._turn = 0

    def start(self, value: float) -> None:
        """See `Mode`."""
        self.hide_other_images()
        for layer in self.layers:
            self.changes.set(layer, "opacity", 1.0)
        self._show_one()
        self.set_value(value)
        self.timer.start()

    def set_value(self, value: float) -> None:
        """See `Mode`."""
        self.timer.setInterval(round(1000 / value))

    def stop(self) -> None:
        """See `Mode`."""
        self.timer.stop()
        super().stop()

    def _next(self) -> None:
        self._turn = (self._turn + 1) % len(self.layers)
        self._show_one()

    def _show_one(self) -> None:
        for number, layer in enumerate(self.layers):
            self.changes.set(layer, "visible", number == self._turn)
        self.show(f"Shown: {self.layers[self._turn].name}")


class BlendMode(Mode):
    """One image fades into the next."""

    name: ClassVar[str] = "Blend"
    explanation: ClassVar[str] = "Fade from the first image to the last."
    setting = ("Mix", 0, 100, 50, "%")

    def start(self, value: float) -> None:
        """See `Mode`."""
        self.hide_other_images()
        self.set_value(value)

    def set_value(self, value: float) -> None:
        """See `Mode`."""
        place = value / 100 * (len(self.layers) - 1)
        first = min(int(place), len(self.layers) - 2)
        share = place - first
        pair = {self.layers[first]: 1 - share, self.layers[first + 1]: share}
        lower, upper = sorted(pair, key=self.viewer.layers.index)
        for layer in self.layers:
            self.changes.set(layer, "visible", layer in pair)
        self.changes.set(lower, "opacity", 1.0)
        self.changes.set(upper, "opacity", pair[upper])
        self.changes.set(upper, "blending", "translucent")
        self.show(", ".join(f"{layer.name} {weight:.0%}" for layer, weight in pair.items()))


class SideBySideMode(Mode):
    """All images at once, in the viewer's own grid: one camera and one slice for all."""

    name: ClassVar[str] = "Side by side"
    explanation: ClassVar[str] = "All images with one camera and one slice (napari's grid)."

    def start(self, value: float) -> None:
        """See `Mode`."""
        for layer in self.viewer.layers:
            self.changes.set(layer, "visible", layer in self.layers)
        for layer in self.layers:  # napari's own captions
            self.changes.set(layer.name_overlay, "visible", True)
            self.changes.set(layer.name_overlay, "box", True)
            size = caption_size(layer.name, self._field_width())
            self.changes.set(layer.name_overlay, "font_size", size)
        grid = _part(self.viewer, "canvas", "grid")
        self.changes.set(grid, "stride", 1)
        self.changes.set(grid, "shape", (-1, -1))
        self.changes.set(grid, "enabled", True)
        self._fit()
        self.show("Row by row: " + ", ".join(layer.name for layer in self.layers))

    def _field_width(self) -> float:
        """Return the width of a field of napari's grid, in pixels."""
        canvas = getattr(self.viewer, "canvas", None)
        size = getattr(canvas, "size", None) or self.viewer._canvas_size  # before napari 0.9
        return float(size[1]) / math.ceil(math.sqrt(len(self.layers)))

    def _fit(self) -> None:
        """Show all of every image: the grid's fields are smaller than the whole canvas."""
        camera = _part(self.viewer, "scene", "camera")
        for step in (self.viewer.reset_view, None):
            for name in ("zoom", "center"):
                self.changes.set(camera, name, getattr(camera, name))
            if step is not None:
                step(reset_camera_angle=False)


def caption_size(name: str, width: float) -> float:
    """Return the size in points at which a caption fits into its field.

    Parameters
    ----------
    name : str
    width : float
        Pixels that there are; napari cuts what is longer at its end, where the terms are.
    """
    fitting = width / (PIXELS * max(1, len(name)))
    return max(SMALLEST, min(LARGEST, fitting))


def _part(viewer: Any, home: str, name: str) -> Any:
    """Return a part of the viewer where napari 0.9 has it, or where it was before."""
    return getattr(getattr(viewer, home, viewer), name)

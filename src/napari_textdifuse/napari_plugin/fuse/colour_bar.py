"""napari's colour bar for the functional image, with its unit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ...volume import FUNCTIONAL, MODALITY_NAMES
from ..compare.mode import Changes
from ..layers import KEY
from .values import unit_words

#: Pixels: width of the bar, and its possible lengths.
WIDTH, LENGTHS = 25, (60, 90, 120, 150)
#: Height of what is above and below the bar, and width of it all, in pixels.
ROOM = (55, 120)


class ColourBar:
    """Shows the bar of the functional image of a pair while the box is checked.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
    box : CheckBox
    images : callable
        Returns image A and image B, or None.
    """

    def __init__(self, viewer: Any, box: Any, images: Callable[[], Sequence[Any | None]]) -> None:
        self._viewer, self._box, self._images = viewer, box, images
        self._changes = Changes()
        self._layer: Any | None = None
        self._hears: tuple[Any, ...] = ()
        self._shows_text = False
        box.changed.connect(self.follow)
        self.follow()

    def follow(self, *_: Any) -> None:
        """Show the bar of the current pair."""
        layer = functional(self._images())
        self._box.enabled = layer is not None
        self._box.tooltip = (
            "Neither image is functional (PET, SPECT); use State... if the modality is unknown."
            if layer is None
            else f"Colours of {layer.name}, with the unit of its values."
        )
        wanted = layer if self._box.value else None
        text = "" if wanted is None else caption(wanted)
        if wanted is self._layer and text == self._text():
            return
        self.end()
        self._layer = wanted
        if wanted is None:
            return
        change = self._changes.set
        change(wanted.colorbar, "position", "top_right")
        change(wanted.colorbar, "visible", True)
        overlay = self._overlay()
        self._shows_text = overlay is not None and not overlay.visible
        if self._shows_text:  # the user's own text stays
            change(overlay, "text", text)
            change(overlay, "position", "top_right")
            change(overlay, "visible", True)
            # above the bar: next to it, it would push the bar out of the corner
            change(self._viewer.canvas.overlay_tiling, "top_right", "vertical")
        grid = self._grid()
        if grid is not None:
            dims, camera = self._viewer.dims.events, self._viewer.scene.camera.events
            view = dims.order, dims.ndisplay, camera.zoom, camera.center
            size = self._viewer.canvas.events.size
            self._hears = (wanted.events.visible, grid.events.enabled, size, *view)
            for event in self._hears:
                event.connect(self._follow_layer)
            self._follow_layer()

    def end(self) -> None:
        """Remove the bar."""
        for event in self._hears:
            event.disconnect(self._follow_layer)
        self._hears = ()
        self._changes.undo()
        self._layer = None

    def _follow_layer(self, _: Any = None) -> None:
        """Show the unit with the bar; both would cover the fields of its grid."""
        if self._layer is None:
            return
        self._changes.set(self._layer.colorbar, "size", (WIDTH, length_outside(self._viewer)))
        grid = bool(self._grid().enabled)
        self._changes.set(self._layer.colorbar, "visible", not grid)
        if self._shows_text:
            self._changes.set(self._overlay(), "visible", bool(self._layer.visible and not grid))

    def _grid(self) -> Any:
        """Return napari's grid; None without a canvas."""
        return getattr(getattr(self._viewer, "canvas", None), "grid", None)

    def _overlay(self) -> Any:
        """Return napari's text on the canvas."""
        canvas = getattr(self._viewer, "canvas", None)
        return getattr(getattr(canvas, "overlays", None), "text", None)

    def _text(self) -> str:
        overlay = self._overlay()
        return "" if overlay is None or self._layer is None else str(overlay.text)


def length_outside(viewer: Any) -> int:
    """Return the length at which the bar in the upper right corner lies outside of the images.

    Parameters
    ----------
    viewer : napari.viewer.Viewer

    Returns
    -------
    int
        Pixels, one of `LENGTHS`; the shortest where the images fill the canvas, and in 3-D.
    """
    if viewer.dims.ndisplay == 3:
        return LENGTHS[0]
    canvas, camera = np.array(viewer.canvas.size), viewer.scene.camera
    low, high = viewer.layers.extent.world[:, list(viewer.dims.order[-2:])]
    centre = np.array(camera.center[-2:])
    above = (canvas / 2 - camera.zoom * (centre - low))[0]
    right = (canvas / 2 - camera.zoom * (high - centre))[1]
    fitting = [length for length in LENGTHS if right >= ROOM[1] or length + ROOM[0] <= above]
    return max(fitting, default=LENGTHS[0])


def functional(images: Sequence[Any | None]) -> Any | None:
    """Return the functional layer among some layers; None without any."""
    for layer in images:
        if layer is None or layer.rgb:
            continue
        if layer.metadata.get(KEY, {}).get("modality") in FUNCTIONAL:
            return layer
    return None


def caption(layer: Any) -> str:
    """Name what the colours stand for, such as ``PET, SUV``."""
    known = layer.metadata.get(KEY, {})
    name = MODALITY_NAMES.get(known.get("modality", ""), str(layer.name))
    unit = known.get("unit", "a.u.")
    return f"{name}, {'no unit' if unit == 'a.u.' else unit_words(unit)}"

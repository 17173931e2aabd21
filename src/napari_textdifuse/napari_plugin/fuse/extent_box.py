"""What of a volume is fused: all of it, a range, or the slice on show."""

from __future__ import annotations

from typing import Any

import numpy as np
from magicgui.widgets import ComboBox, Container, SpinBox

WHOLE, CURRENT, RANGE = "whole volume", "current slice", "range"
#: As the viewer shows it: slices follow the axis that it has a slider for.
AS_SHOWN = "as shown"
AXES = {AS_SHOWN: None, "axis 0 (z)": 0, "axis 1 (y)": 1, "axis 2 (x)": 2}


class ExtentBox(Container):  # type: ignore[type-arg]
    """Choose slices of image A."""

    def __init__(self) -> None:
        self.what = ComboBox(choices=(WHOLE, CURRENT, RANGE), value=WHOLE)
        self.axis = ComboBox(
            choices=tuple(AXES), value=AS_SHOWN, tooltip="The axis that slices follow."
        )
        self.first = SpinBox(value=0, min=0, max=10**6, tooltip="First slice of the range, from 0.")
        self.last = SpinBox(value=0, min=0, max=10**6, tooltip="Last slice of the range.")
        super().__init__(
            widgets=[self.what, self.axis, self.first, self.last],
            layout="horizontal",
            labels=False,
            label="Fuse",
        )
        self.margins = (0, 0, 0, 0)
        self._layer: Any | None = None
        self.what.changed.connect(self._show)
        self._show()

    def follow(self, layer: Any | None) -> None:
        """Offer what image A has."""
        self._layer = layer
        self._show()

    def selection(self, viewer: Any) -> dict[str, Any]:
        """Return ``slices`` and ``axis`` as `fuse` takes them; empty for the whole volume.

        Parameters
        ----------
        viewer : napari.Viewer
            Its point and order of axes say which slice is on show.
        """
        layer = self._layer
        if layer is None or not self._deep:
            return {}
        axis = AXES[self.axis.value]
        if axis is None:
            sliced = [d for d in viewer.dims.order if d not in viewer.dims.displayed]
            spatial = [d - (viewer.dims.ndim - 3) for d in sliced]
            axis = next((d for d in reversed(spatial) if d >= 0), 0)
        chosen: dict[str, Any] = {"axis": axis} if axis else {}
        if self.what.value == CURRENT:
            count = _shape(layer)[axis]
            place = layer.world_to_data(viewer.dims.point)[-3:][axis]
            return chosen | {"slices": int(np.clip(round(float(place)), 0, count - 1))}
        if self.what.value == RANGE:
            return chosen | {"slices": (self.first.value, self.last.value + 1)}
        return chosen

    @property
    def shape(self) -> tuple[int, ...]:
        """Roughly the shape of what is fused; empty without an image."""
        if self._layer is None:
            return ()
        shape = _shape(self._layer)
        if len(shape) == 3 and self.what.value != WHOLE:
            count = 1 if self.what.value == CURRENT else self.last.value - self.first.value + 1
            return (max(1, count), *shape[1:])
        return shape

    @property
    def _deep(self) -> bool:
        return self._layer is not None and len(_shape(self._layer)) == 3

    def _show(self, *_: Any) -> None:
        deep = self._deep
        reason = "" if deep else "Image A is a single picture."
        for box in (self.what, self.axis):
            box.enabled = deep
            box.tooltip = reason or "Slices go through the network one by one."
        for number in (self.first, self.last):
            number.visible = deep and self.what.value == RANGE


def _shape(layer: Any) -> tuple[int, ...]:
    """Return the spatial shape of an image layer, without time and colours."""
    data = layer.data[0] if getattr(layer, "multiscale", False) else layer.data
    shape = data.shape[:-1] if getattr(layer, "rgb", False) else data.shape
    return tuple(int(n) for n in shape[-3:])

"""Which slices of a volume are fused: all, a range, or the current one; and the memory needed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from magicgui.widgets import ComboBox, Container, SpinBox

from ..docking import take_typed, wait_for_numbers

WHOLE, CURRENT, RANGE = "whole volume", "current slice", "range"
#: Slices along the axis that has a slider in the viewer.
AS_SHOWN = "as shown"
AXES = {AS_SHOWN: None, "axis 0 (z)": 0, "axis 1 (y)": 1, "axis 2 (x)": 2}
GIB = 2**30
#: Measured with ``benchmarks/speed.py`` and ``benchmarks/volume.py`` on a CPU: libraries and
#: weights, a pixel that goes through the network (in tiles of `TILE`), a pixel of all results.
FIXED, IN_NETWORK, IN_RESULT = 0.3 * GIB, 1000, 80
TILE = 1024**2


class ExtentBox(Container):  # type: ignore[type-arg]
    """Choose slices of image A."""

    def __init__(self) -> None:
        self.what = ComboBox(choices=(WHOLE, CURRENT, RANGE), value=WHOLE)
        self.axis = ComboBox(
            label="Slices along",
            choices=tuple(AXES),
            value=AS_SHOWN,
            tooltip="The axis along which slices are taken.",
        )  # the form places it among the settings that are seldom changed
        self.first = SpinBox(value=0, min=0, max=10**6, tooltip="First slice of the range, from 0.")
        self.last = SpinBox(value=0, min=0, max=10**6, tooltip="Last slice of the range.")
        self._range: Container[Any] = Container(
            widgets=[self.first, self.last], layout="horizontal", labels=False
        )
        self._range.margins = (0, 0, 0, 0)
        super().__init__(widgets=[self.what, self._range], labels=False, label="Fuse")
        self.margins = (0, 0, 0, 0)
        wait_for_numbers(self.first, self.last)  # half a number must not move the other end
        self._layer: Any | None = None
        self._sliced: int = 0
        self.what.changed.connect(self._show)
        self.axis.changed.connect(self._limit)
        self.first.changed.connect(self._push_last)
        self.last.changed.connect(self._push_first)
        self._show()

    def follow(self, layer: Any | None) -> None:
        """Offer the axes of image A."""
        changed = layer is not self._layer
        self._layer = layer
        self._show()
        if changed and self._deep:
            self.first.value, self.last.value = 0, int(self.last.max)

    def follow_view(self, viewer: Any) -> None:
        """Note which axis the viewer has a slider for."""
        self._sliced = _axis_with_slider(viewer)
        self._limit()

    def selection(self, viewer: Any) -> dict[str, Any]:
        """Return ``slices`` and ``axis`` as `fuse` takes them; empty for the whole volume.

        Parameters
        ----------
        viewer : napari.Viewer
            Its point and order of axes determine the displayed slice.
        """
        layer = self._layer
        if layer is None or not self._deep:
            return {}
        axis = AXES[self.axis.value]
        if axis is None:
            axis = _axis_with_slider(viewer)
        chosen: dict[str, Any] = {"axis": axis} if axis else {}
        if self.what.value == CURRENT:
            return chosen | {"slices": displayed_slice(viewer, layer, axis)}
        if self.what.value == RANGE:
            take_typed(self.first, self.last)
            return chosen | {"slices": (self.first.value, self.last.value + 1)}
        return chosen

    def displayed_slice(self, viewer: Any) -> int | None:
        """Return the current slice along the chosen axis; None for a 2-D image."""
        if self._layer is None or not self._deep:
            return None
        axis = AXES[self.axis.value]
        return displayed_slice(viewer, self._layer, self._sliced if axis is None else axis)

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

    def _limit(self, *_: Any) -> None:
        """Keep the range within the image."""
        if self._layer is None or not self._deep:
            return
        chosen = AXES[self.axis.value]
        most = _shape(self._layer)[self._sliced if chosen is None else chosen] - 1
        for number, which in ((self.first, "First"), (self.last, "Last")):
            number.value = min(number.value, most)
            number.max = most
            number.tooltip = f"{which} slice of the range, 0 to {most}."

    def _push_last(self, first: int) -> None:
        self.last.value = max(self.last.value, first)

    def _push_first(self, last: int) -> None:
        self.first.value = min(self.first.value, last)

    def _show(self, *_: Any) -> None:
        deep = self._deep
        reason = "" if deep else "Image A is 2-D."
        for box in (self.what, self.axis):
            box.enabled = deep
            box.tooltip = reason or "Slices are fused one by one."
        self._range.visible = deep and self.what.value == RANGE
        self._limit()


def displayed_slice(viewer: Any, layer: Any, axis: int) -> int:
    """Return which slice of a layer along an array axis the viewer shows."""
    place = layer.world_to_data(viewer.dims.point)[-3:][axis]
    return int(np.clip(round(float(place)), 0, _shape(layer)[axis] - 1))


def estimate(shape: Sequence[int], slices: int | None = None, samples: int = 1) -> float:
    """Return how much memory a fusion will take, roughly, in GiB.

    Parameters
    ----------
    shape : sequence of int
        Spatial shape of image A.
    slices : int, optional
        How many of a volume's slices are fused; default all.
    samples : int
    """
    plane = shape[-1] * shape[-2]
    count = 1 if len(shape) < 3 else slices if slices is not None else shape[0]
    kept = plane * count * (IN_RESULT + 8 * (samples - 1))
    return (FIXED + IN_NETWORK * min(plane, TILE) + kept) / GIB


def _axis_with_slider(viewer: Any) -> int:
    dims = viewer.dims
    sliced = [d - (dims.ndim - 3) for d in dims.order if d not in dims.displayed]
    return next((d for d in reversed(sliced) if d >= 0), 0)


def _shape(layer: Any) -> tuple[int, ...]:
    """Return the spatial shape of an image layer, without time and colours."""
    data = layer.data[0] if getattr(layer, "multiscale", False) else layer.data
    shape = data.shape[:-1] if getattr(layer, "rgb", False) else data.shape
    return tuple(int(n) for n in shape[-3:])

"""Curtain and checkerboard: one derived layer in which every pixel is one of the images."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from typing import Any, ClassVar

from napari.layers import Image

from ..layers import KEY
from ..results import take_out
from .composite import Checkerboard, Composite, Curtain
from .mode import MARK, Mode
from .sampling import common_grid, same_world

_GEOMETRY = ("data", "scale", "translate", "rotate", "shear", "affine", "units")
#: Largest distance at which the mouse grabs the line, in widths of the image.
GRIP = 0.03
_APPEARANCE = ("contrast_limits", "gamma", "colormap")


class _Composed(Mode):
    """One derived layer in which every pixel is one of the images."""

    flat: ClassVar[bool] = True
    pattern: Any

    def __init__(self, viewer: Any, layers: Sequence[Image], show: Callable[[str], None]) -> None:
        super().__init__(viewer, layers, show)
        self.layer: Image | None = None
        self._data: Composite

    def start(self, value: float) -> None:
        """See `Mode`."""
        self._set(value)
        layers, kept = self.viewer.layers, set(self.viewer.layers.selection)
        active = layers.selection.active
        layer = self.layer = self._make()
        layers.insert(1 + max(layers.index(layer) for layer in self.layers), layer)
        self._select(kept, active)
        for other in layers:
            if isinstance(other, Image) and other is not layer:
                self.changes.set(other, "visible", False)
        self._connect(True)
        self._show_order()

    def set_value(self, value: float) -> None:
        """See `Mode`."""
        self._set(value)
        if self.layer is not None:
            self.layer.refresh()

    def stop(self) -> None:
        """See `Mode`."""
        layer, self.layer = self.layer, None
        if layer is not None:
            self._connect(False)
            layers = self.viewer.layers
            if layer in layers:
                kept, active = set(layers.selection) - {layer}, layers.selection.active
                take_out(layers, layer)
                self._select(kept, active)
        super().stop()

    def uses(self, layer: Any) -> bool:
        """See `Mode`."""
        return layer is self.layer or super().uses(layer)

    def _set(self, value: float) -> None:
        raise NotImplementedError

    def _show_order(self) -> None:
        self.show("")

    def _compose(self) -> Composite:
        views, units = same_world(self.layers)
        self._data = Composite(views, common_grid(views, units), self.pattern)
        self._turn()
        return self._data

    def _make(self) -> Image:
        grid = self._compose().grid
        return Image(
            self._data,
            rgb=True,
            name=f"{self.name}: {' | '.join(layer.name for layer in self.layers)}",
            scale=grid.scale,
            translate=grid.translate,
            units=grid.units,
            axis_labels=max(self.layers, key=lambda layer: layer.ndim).axis_labels,
            metadata={KEY: {MARK: [layer.name for layer in self.layers]}},
        )

    def _select(self, layers: set[Any], active: Any) -> None:
        selection = self.viewer.layers.selection
        selection.clear()
        selection.update(layer for layer in layers if layer in self.viewer.layers)
        if active in selection:
            selection.active = active

    def _connect(self, on: bool) -> None:
        """Follow the user's changes to the layers and to the displayed axes."""
        wanted = [(self.viewer.dims.events.order, self._axes_changed)]
        for layer in self.layers:
            wanted += [(getattr(layer.events, name), self._geometry_changed) for name in _GEOMETRY]
            wanted += [
                (getattr(layer.events, name), self._appearance_changed) for name in _APPEARANCE
            ]
        for emitter, callback in wanted:
            (emitter.connect if on else emitter.disconnect)(callback)

    def _turn(self) -> None:
        dims, n = self.viewer.dims, len(self._data.grid.shape)
        right = int(dims.order[-1]) - (dims.ndim - n)
        self._data.horizontal = right if right >= 0 else n - 1

    def _axes_changed(self) -> None:
        self._turn()
        if self.layer is not None:
            self.layer.refresh()

    def _appearance_changed(self) -> None:
        if self.layer is not None:
            self._data.forget()
            self.layer.refresh()

    def _geometry_changed(self) -> None:
        if self.layer is not None:
            grid = self._compose().grid
            self.layer.data = self._data
            self.layer.scale, self.layer.translate = grid.scale, grid.translate


class CurtainMode(_Composed):
    """Images side by side in one composite."""

    name: ClassVar[str] = "Curtain"
    explanation: ClassVar[str] = (
        "Drag the line in the image: one image is left of it, the next is right of it."
    )
    setting = ("Line at", 0, 100, 50, "%")

    def __init__(self, viewer: Any, layers: Sequence[Image], show: Callable[[str], None]) -> None:
        super().__init__(viewer, layers, show)
        self.pattern = Curtain()

    def start(self, value: float) -> None:
        """See `Mode`."""
        super().start(value)
        self.viewer.mouse_drag_callbacks.append(self._drag)

    def stop(self) -> None:
        """See `Mode`."""
        if self._drag in self.viewer.mouse_drag_callbacks:
            self.viewer.mouse_drag_callbacks.remove(self._drag)
        super().stop()

    def _drag(self, viewer: Any, event: Any) -> Generator[None, None, None]:
        """Move the line while the mouse drags it; elsewhere the image moves."""
        count = len(self.layers)
        line, away = self.pattern.nearest(self._share(event.position), count)
        if away > GRIP:
            return
        camera = getattr(viewer, "scene", viewer).camera
        before, camera.mouse_pan = camera.mouse_pan, False
        try:
            yield
            while event.type == "mouse_move":
                place = self._share(event.position)
                value = 100 * self.pattern.position_of(line, place, count)
                self.set_value(value)
                self.moved(value)
                yield
        finally:
            camera.mouse_pan = before

    def _share(self, world: Any) -> float:
        """Return where a point of the world lies across the image, 0 (left) to 1."""
        grid, axis = self._data.grid, self._data.horizontal
        place = float(world[len(world) - len(grid.shape) + axis])
        step = float(grid.scale[axis])
        return (place - float(grid.translate[axis]) + step / 2) / (step * grid.shape[axis])

    def _set(self, value: float) -> None:
        self.pattern.position = value / 100

    def _show_order(self) -> None:
        self.show(
            "Drag the line in the image. From left to right: "
            + ", ".join(layer.name for layer in self.layers)
        )


class CheckerboardMode(_Composed):
    """Images in alternating squares."""

    name: ClassVar[str] = "Checkerboard"
    explanation: ClassVar[str] = "Edges that continue from square to square are aligned."
    setting = ("Squares", 2, 32, 8, "")

    def __init__(self, viewer: Any, layers: Sequence[Image], show: Callable[[str], None]) -> None:
        super().__init__(viewer, layers, show)
        self.pattern = Checkerboard()

    def _set(self, value: float) -> None:
        self.pattern.squares = round(value)

    def _show_order(self) -> None:
        self.show("From the top left: " + ", ".join(layer.name for layer in self.layers))

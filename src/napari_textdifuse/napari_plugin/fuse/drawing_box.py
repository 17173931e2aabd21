"""Buttons that create the layer to draw a prompt on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from magicgui.widgets import Container, PushButton
from napari.layers import Image, Labels, Layer, Points, Shapes

from ...spatial.layers import read_layer, stored_facts
from ...volume import LABEL_UNIT
from ..layers import KEY, Placement
from ..results import is_result

if TYPE_CHECKING:
    from napari.components import ViewerModel

#: Colours of points on the object, and of points that are not part of it.
_SIGNS = {1: "lime", 0: "red"}


class DrawingBox(Container):  # type: ignore[type-arg]
    """Add a box, points or a brush; start again."""

    def __init__(self) -> None:
        self.box = PushButton(text="Box", tooltip="Draw a rectangle around the object.")
        self.points = PushButton(
            text="Points +",
            tooltip="Click on the object. Press again to click on what is not part of it.",
        )
        self.paint = PushButton(text="Paint", tooltip="Paint the object.")
        self.clear_drawing = PushButton(
            text="Clear", tooltip="Delete what was drawn on the chosen layer (Ctrl+Z undoes paint)."
        )
        super().__init__(
            widgets=[self.box, self.points, self.paint, self.clear_drawing],
            layout="horizontal",
            labels=False,
            label="Draw",
        )
        self.margins = (0, 0, 0, 0)
        for button in (self.box, self.points, self.paint, self.clear_drawing):
            button.native.setMinimumWidth(46)
        self.points.native.setMinimumWidth(68)

    def follow(self, drawn: Any | None) -> None:
        """Show what the buttons do now that a layer is chosen."""
        signed = isinstance(drawn, Points) and "label" in drawn.features
        sign = int(drawn.feature_defaults["label"].iloc[0]) if signed and drawn is not None else 0
        self.points.text = "Points -" if sign else "Points +"
        self.clear_drawing.enabled = drawn is not None

    def draw(self, tool: str, viewer: ViewerModel, image: Image, drawn: Any | None) -> Any:
        """Return the layer to draw on, with the tool in hand.

        Parameters
        ----------
        tool : {"box", "points", "paint"}
        viewer : ViewerModel
        image : Image
        drawn : Layer or None
            The layer that is chosen; it is drawn on again if it fits the tool.
        """
        if drawn is not None and _fits(tool, drawn, image):
            viewer.dims.ndisplay = 2
            viewer.layers.selection.active, drawn.visible = drawn, True
            if tool == "points":
                next_sign(drawn)
            else:
                drawn.mode = "add_rectangle" if tool == "box" else "paint"
            return drawn
        add = {"box": add_boxes, "points": add_points, "paint": add_paint}[tool]
        return add(viewer, image)


def add_boxes(viewer: ViewerModel, image: Image) -> Shapes:
    """Add a layer for rectangles on the image's grid, ready to draw."""
    layer = Shapes(
        ndim=_spatial_axes(image),
        name=f"Box on {image.name}",
        edge_color="yellow",
        face_color="transparent",
        edge_width=_line_width(image),
        **Placement.of(image).geometry,  # other steps would renumber the slices of the viewer
    )
    _put(viewer, layer)
    layer.mode = "add_rectangle"
    return layer


def add_points(viewer: ViewerModel, image: Image) -> Points:
    """Add a layer for points on the image's grid, ready to click on the object."""
    layer = Points(
        np.zeros((0, _spatial_axes(image))),
        ndim=_spatial_axes(image),
        name=f"Points on {image.name}",
        features={"label": np.zeros(0, int)},
        size=6 * _line_width(image),
        face_color=_SIGNS[1],
        **Placement.of(image).geometry,
    )
    layer.feature_defaults = {"label": 1}
    layer.current_face_color = _SIGNS[1]
    _put(viewer, layer)
    layer.mode = "add"
    return layer


def next_sign(layer: Points) -> int:
    """Switch the label of the next points; return it, 1 (object) or 0 (not part of it)."""
    before = int(layer.feature_defaults["label"].iloc[0])
    layer.selected_data = set()
    layer.feature_defaults = {"label": 1 - before}
    layer.current_face_color = _SIGNS[1 - before]
    layer.mode = "add"
    return 1 - before


def add_paint(viewer: ViewerModel, image: Image) -> Labels:
    """Add a labels layer on the image's grid, with the brush in hand."""
    volume, known = read_layer(image, image.name, 0), stored_facts(image)
    placed = {key: known[key] for key in ("affine", "placed") if key in known}
    layer = Labels(
        np.zeros(volume.shape, np.uint8),
        name=f"Paint on {image.name}",
        metadata={KEY: placed | {"unit": LABEL_UNIT}},
        opacity=0.5,
        **Placement.of(image).geometry,
    )
    layer.selected_label = 1
    layer.brush_size = max(3, round(min(volume.shape[-2:]) / 25))
    _put(viewer, layer)
    layer.mode = "paint"
    return layer


def clear(layer: Any) -> None:
    """Delete the drawing; painted labels can be restored with undo."""
    if layer is None:
        return
    if isinstance(layer, Labels):
        where = np.nonzero(layer.data)
        if len(where[0]):
            layer.data_setitem(where, 0)
    else:
        layer.selected_data = set()  # napari would highlight what is no longer there
        layer.data = [] if isinstance(layer, Shapes) else np.zeros((0, layer.ndim))


def _fits(tool: str, drawn: Any, image: Image) -> bool:
    """Return whether a tool can continue on a layer: the user's own, with the axes of the image."""
    if is_result(drawn) or drawn.ndim != _spatial_axes(image):
        return False
    if tool == "points":
        return isinstance(drawn, Points) and "label" in drawn.features
    if tool == "box":
        return isinstance(drawn, Shapes)
    return isinstance(drawn, Labels) and np.allclose(drawn.extent.world, _place(image))


def _place(image: Image) -> Any:
    """Return the extent of an image without a time axis, in the world."""
    return image.extent.world[:, -_spatial_axes(image) :]


def _put(viewer: ViewerModel, layer: Layer) -> None:
    viewer.dims.ndisplay = 2  # nothing can be drawn in 3-D
    viewer.add_layer(layer)
    viewer.layers.selection.active = layer


def _spatial_axes(image: Image) -> int:
    return min(3, int(image.ndim))


def _line_width(image: Image) -> float:
    """Return about half a per cent of the image's height, in pixels of the image."""
    return float(np.ptp(image.extent.data[:, -2]) + 1) / 200

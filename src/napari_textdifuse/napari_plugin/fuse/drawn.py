"""A Shapes, Points or Labels layer as a prompt, in image A's pixels."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from napari.layers import Labels, Points, Shapes

from ...errors import InputError
from ...spatial.layers import read_on
from ..results import is_result

Floats = npt.NDArray[np.float64]
#: Corners of an ellipse.
CORNERS = 48


def drawings_among(layers: Iterable[Any]) -> list[Any]:
    """Return the layers that can be a prompt: drawn ones, and masks, also of results."""
    return [
        layer
        for layer in layers
        if isinstance(layer, Labels)
        or (isinstance(layer, (Shapes, Points)) and not is_result(layer))
    ]


def prompt_of(
    layer: Any, image: Any, *, follow: bool = False, point: Sequence[float] = ()
) -> dict[str, Any]:
    """Convert a drawn layer to options of `FusionSession.fuse`.

    Rectangles become boxes, other shapes their outline, and points mark the object below them (a
    feature ``label`` of 0 marks what is not part of it). Labels are used unchanged. The layers
    are not changed. Everything is placed where the user sees it on the image.

    Parameters
    ----------
    layer : Shapes, Points or Labels
    image : napari.layers.Image
        Image A.
    follow : bool
        In volumes, follow what was drawn in one slice through its neighbours.
    point : sequence of float
        The viewer's position in the world, for a drawing with fewer axes than the image.

    Raises
    ------
    InputError
        If there is nothing on the layer.
    """
    from ...locate.drawn import Drawing

    if _is_empty(layer):
        raise InputError(f"Layer {layer.name!r} is empty; draw on it, or choose no layer.")
    if isinstance(layer, Labels):
        return {"mask": read_on(layer, image)}
    if isinstance(layer, Points):
        points = _pixels(layer, image, np.asarray(layer.data), point)
        signs = layer.features.get("label")
        labels = None if signs is None else [int(bool(v)) for v in signs]
        return {"drawing": Drawing(points=points, point_labels=labels, follow=follow)}
    boxes, polygons = [], []
    for corners, kind in zip(layer.data, layer.shape_type, strict=True):
        placed = _pixels(layer, image, np.asarray(_outline(corners, kind)), point)
        if kind == "rectangle":
            boxes.append(_box(placed))
        else:
            polygons.append(placed)
    return {"drawing": Drawing(boxes=boxes or None, polygons=polygons, follow=follow)}


def _is_empty(layer: Any) -> bool:
    """Return whether nothing is drawn; lazy labels are not read."""
    if isinstance(layer, Labels):
        return isinstance(layer.data, np.ndarray) and not layer.data.any()
    return not len(layer.data)


def _pixels(layer: Any, image: Any, points: Floats, where: Sequence[float] = ()) -> Floats:
    """Return points in image A's pixels, x first; pixel 0 reaches from 0 to 1."""
    n = 3 if image.ndim >= 3 else 2
    placed = []
    missing = max(0, image.ndim - layer.ndim)
    before = np.r_[np.zeros(image.ndim), np.asarray(where, float)][-image.ndim :][:missing]
    for point in points:
        world = np.asarray(layer.data_to_world(point), float)
        world = np.r_[before, world][-image.ndim :]
        index = np.asarray(image.world_to_data(world), float)
        index[:missing] = np.round(index[:missing])  # the displayed slice
        placed.append(index[-n:])
    # a slice's number is a whole one; what remains is rounding
    return np.asarray(np.round(np.array(placed), 6)[:, ::-1] + 0.5)


def _box(corners: Floats) -> Floats:
    low, high = corners.min(axis=0), corners.max(axis=0)
    flat = high - low < 1e-3  # drawn in a slice: as thick as it
    low = np.where(flat, np.floor(low), low)
    return np.r_[low, np.where(flat, low + 1, high)]


def _outline(corners: npt.NDArray[Any], kind: str) -> Floats:
    corners = np.asarray(corners, float)
    if kind != "ellipse":
        return corners
    centre = corners.mean(axis=0)
    across, down = (corners[1] - corners[0]) / 2, (corners[3] - corners[0]) / 2
    angle = np.linspace(0, 2 * np.pi, CORNERS, endpoint=False)[:, None]
    return np.asarray(centre + np.cos(angle) * across + np.sin(angle) * down)

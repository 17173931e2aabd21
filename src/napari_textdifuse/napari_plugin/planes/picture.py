"""A plane through the visible layers, as an image."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from napari.layers import Image, Labels

from ..compare.sampling import LayerView
from ..layers import KEY

Floats = npt.NDArray[np.float64]
Bytes = npt.NDArray[np.uint8]

#: Pixels along the longest side of the common field of view.
SIDE = 256
#: For each normal axis: the axes that point down and to the right.
DOWN_RIGHT = ((1, 2), (0, 2), (0, 1))
#: Letters at the start and the end of the viewer's axes in LPS: z to the head, y back, x left.
ENDS = (("I", "S"), ("A", "P"), ("R", "L"))
NAMES = ("axial", "coronal", "sagittal")


@dataclass(frozen=True)
class Field:
    """The field of view of all visible layers, along the last three axes of the world.

    Parameters
    ----------
    low, high : ndarray, shape (3,)
        Edges, in the world's units.
    patient : bool
        Whether the axes are those of a patient; then the head is shown at the top.
    """

    low: Floats
    high: Floats
    patient: bool

    @property
    def pixel(self) -> float:
        """Side of a pixel of the images."""
        return float((self.high - self.low).max()) / SIDE or 1.0

    def is_reversed(self, axis: int) -> bool:
        """Whether an axis runs from the bottom of an image to its top."""
        return self.patient and axis == 0

    def places(self, axis: int) -> Floats:
        """Return the world coordinates of the pixels along an axis, from the top or the left."""
        count = max(1, round(float(self.high[axis] - self.low[axis]) / self.pixel))
        step = (self.high[axis] - self.low[axis]) / count
        places = self.low[axis] + (np.arange(count) + 0.5) * step
        return places[::-1] if self.is_reversed(axis) else places

    def share(self, axis: int, place: float) -> float:
        """Return where a world coordinate lies along an axis, 0 (top or left) to 1."""
        share = (place - self.low[axis]) / ((self.high[axis] - self.low[axis]) or 1.0)
        return 1 - share if self.is_reversed(axis) else share

    def place(self, axis: int, share: float) -> float:
        """Return the world coordinate at a share of the image; the inverse of `share`."""
        share = min(max(share, 0.0), 1.0)
        share = 1 - share if self.is_reversed(axis) else share
        return float(self.low[axis] + share * (self.high[axis] - self.low[axis]))

    def ends(self, axis: int) -> tuple[str, str]:
        """Return the letters at the top or left and at the other end; empty outside a patient."""
        if not self.patient:
            return "", ""
        return ENDS[axis][::-1] if self.is_reversed(axis) else ENDS[axis]


def shown_layers(layers: Iterable[Any]) -> list[Any]:
    """Return the visible volumes, from the lowest to the highest."""
    return [v for v in layers if v.visible and isinstance(v, (Image, Labels)) and v.ndim >= 3]


def field_of(layers: Sequence[Any]) -> Field | None:
    """Return the common field of view of volumes; None without any."""
    if not layers:
        return None
    low, high = np.full(3, np.inf), np.full(3, -np.inf)
    for layer in layers:
        view = LayerView(layer)
        corners, half = view.corners()[:, -3:], view.steps()[-3:] / 2
        low = np.minimum(low, corners.min(axis=0) - half)
        high = np.maximum(high, corners.max(axis=0) + half)
    patient = any("affine" in layer.metadata.get(KEY, {}) for layer in layers)
    return Field(low, high, patient)


def draw(layers: Sequence[Any], field: Field, point: Sequence[float], axis: int) -> Bytes:
    """Render the plane through a point, as the layers are displayed.

    Parameters
    ----------
    layers : sequence of Image and Labels
        From the lowest to the highest.
    field : Field
    point : sequence of float
        In world coordinates, at least the last three.
    axis : {0, 1, 2}
        Which of the last three axes is perpendicular to the plane.

    Returns
    -------
    ndarray of uint8, shape (Y, X, 3)
    """
    down, right = DOWN_RIGHT[axis]
    world: list[Floats] = [np.full((1, 1), float(value)) for value in point]
    world[len(world) - 3 + down] = field.places(down)[:, None]
    world[len(world) - 3 + right] = field.places(right)[None, :]
    picture = np.zeros((world[-3 + down].shape[0], world[-3 + right].shape[1], 3), np.float32)
    for layer in layers:
        view = LayerView(layer)
        colours: npt.NDArray[np.float32]
        if isinstance(layer, Labels):
            colours = _outlines(layer, *view.values(world))
        else:
            colours = np.asarray(view.pixels(world), np.float32) / np.float32(255)
        _blend(picture, colours, float(layer.opacity), str(layer.blending))
    return np.rint(np.clip(picture, 0, 1) * 255).astype(np.uint8)


def _blend(picture: Any, colours: Any, opacity: float, blending: str) -> None:
    """Blend colours over an image as napari does."""
    alpha = colours[..., 3:] * opacity
    colour = colours[..., :3]
    if blending == "additive":
        picture += alpha * colour
    elif blending == "minimum":
        np.copyto(picture, np.minimum(picture, colour), where=alpha > 0)
    elif blending == "multiplicative":
        picture *= 1 - alpha + alpha * colour
    else:
        picture *= 1 - alpha
        picture += alpha * colour


def _outlines(layer: Labels, values: Any, inside: Any) -> npt.NDArray[np.float32]:
    """Return the colours of labels: their outlines where the layer shows outlines."""
    labels = np.where(inside, values, 0)
    colours = np.asarray(layer.colormap.map(labels.ravel()), np.float32).reshape(*labels.shape, 4)
    if layer.contour:
        edge = np.zeros(labels.shape, bool)
        for axis in (0, 1):
            for step in (1, -1):
                edge |= np.roll(labels, step, axis) != labels
        colours[~edge] = 0
    colours[labels == 0] = 0
    return colours

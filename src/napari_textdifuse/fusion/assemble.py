"""Finished slices become a `FusionResult` on the grid that they were cut from."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from ..locate import Detections, Location
from .cutting import boxes_from_front, from_front
from .pair import Pair
from .result import FusionResult
from .stack import FusedPart

Floats = npt.NDArray[np.float32]


class Canvas:
    """Images of all chosen slices, filled from the first on.

    Parameters
    ----------
    count : int
        Slices to come.
    """

    def __init__(self, count: int) -> None:
        self.count = count
        self.done = 0
        self._images: dict[str, Floats] = {}

    def add(self, part: FusedPart) -> None:
        """Take the next slices."""
        images = {"fused": part.fused, "contribution": part.contribution}
        if part.uncertainty is not None:
            images["uncertainty"] = part.uncertainty
        stop = self.done + len(part.fused)
        for name, image in images.items():
            if name not in self._images:
                self._images[name] = np.empty((self.count, *image.shape[1:]), np.float32)
            self._images[name][self.done : stop] = image
        self.done = stop

    def finished(self, name: str) -> Floats | None:
        """Return the finished slices of one of the images."""
        image = self._images.get(name)
        return None if image is None else image[: self.done]


def assemble(
    pair: Pair, canvas: Canvas, location: Location | None, record: dict[str, Any]
) -> FusionResult:
    """Turn the finished slices back and give them their place.

    Parameters
    ----------
    pair : Pair
    canvas : Canvas
        With at least one finished slice.
    location : Location or None
        On the turned grid of all chosen slices.
    record : dict
    """
    axis = pair.selection.axis

    def turned(image: npt.NDArray[Any] | None) -> Any:
        if image is None:
            return None
        if pair.a.ndim == 2:
            return image[0]
        return from_front(image[: canvas.done], axis)

    mask = (
        None if location is None else location.mask.reshape(canvas.count, *location.mask.shape[-2:])
    )
    detections = Detections() if location is None else _finished(location.detections, canvas)
    return FusionResult(
        fused=turned(canvas.finished("fused")),
        mask=turned(mask),
        detections=replace(detections, boxes=boxes_from_front(detections.boxes, axis)),
        contribution=turned(canvas.finished("contribution")),
        uncertainty=turned(canvas.finished("uncertainty")),
        record=record,
        label_names=dict(location.names) if location is not None else {},
        affine=pair.grid(canvas.done).affine,
    )


def _finished(found: Detections, canvas: Canvas) -> Detections:
    """Leave out what lies in slices that were not finished."""
    if canvas.done == canvas.count or found.boxes.shape[1] != 6:
        return found
    rows = np.flatnonzero(found.boxes[:, 2] < canvas.done)
    boxes = found.boxes[rows].copy()
    boxes[:, 5] = np.minimum(boxes[:, 5], canvas.done)
    return Detections(
        boxes=boxes,
        scores=found.scores[rows],
        labels=tuple(found.labels[i] for i in rows),
        label_values=found.label_values[rows],
        sources=tuple(found.sources[i] for i in rows),
    )

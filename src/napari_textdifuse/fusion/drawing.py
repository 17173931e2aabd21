"""What was drawn on a volume, moved onto the chosen slices."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from ..errors import InputError
from ..locate.drawn import Drawing
from .cutting import cut_boxes, cut_points
from .selection import Selection

Floats = npt.NDArray[np.float64]
Kept = npt.NDArray[np.intp]


def cut_drawing(drawing: Drawing, ndim: int, selection: Selection) -> Drawing:
    """Move boxes, polygons and points from the whole grid to the turned cut.

    Parameters
    ----------
    drawing : Drawing
        Its labels are taken as they are: on the turned cut.
    ndim : int
        2 for a picture, whose drawings stay as they are.
    selection : Selection

    Returns
    -------
    Drawing
        Without what lies outside the chosen slices. One of a wrong form is returned as it is, for
        `refine` to say what is wrong.

    Raises
    ------
    InputError
        If nothing of it lies in the chosen slices.
    """
    if ndim == 2 or (selection.whole and selection.axis == 0):
        return drawing
    try:
        boxes = _rows(drawing.boxes, 6)
        points = _rows(drawing.points, 3)
        polygons = [_rows(corners, 3) for corners in drawing.polygons]
    except (TypeError, ValueError):
        return drawing
    rows, moved = cut_boxes(boxes, selection)
    places = cut_points(points, selection)

    def inside(place: Floats) -> npt.NDArray[np.bool_]:
        return np.asarray((place[:, 2] >= 0) & (place[:, 2] < len(selection)))

    here = np.flatnonzero(inside(places))
    turned = [cut_points(corners, selection) for corners in polygons]
    drawn = [
        k for k, c in enumerate(turned) if (c[:, 2] >= 0).all() & (c[:, 2] < len(selection)).all()
    ]
    if not (len(rows) or len(here) or drawn) and drawing.labels is None:
        raise InputError("What was drawn lies outside the chosen slices; choose others, or draw.")
    return replace(
        drawing,
        boxes=moved,
        box_values=_chosen(drawing.box_values, rows),
        polygons=[turned[k] for k in drawn],
        polygon_values=_chosen(drawing.polygon_values, np.array(drawn, np.intp)),
        points=places[here],
        point_labels=_chosen(drawing.point_labels, here),
        point_values=_chosen(drawing.point_values, here),
    )


def _rows(given: object, width: int) -> Floats:
    if given is None:
        return np.zeros((0, width))
    return np.asarray(given, np.float64).reshape(-1, width)


def _chosen(values: Sequence[int] | None, rows: Kept) -> list[int] | None:
    return None if values is None else [values[k] for k in rows]

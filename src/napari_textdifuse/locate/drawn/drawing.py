"""A user's drawing as plain data: boxes, polygons, points and painted labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from ...errors import InputError, size_of

Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.intp]
Kind = Literal["box", "polygon", "point"]


@dataclass(frozen=True, eq=False)
class Drawing:
    """A drawn prompt. It is checked when it is applied to an image, see `drawn_objects`.

    All coordinates are pixels with x first: ``(x, y)`` in images, ``(x, y, z)`` in volumes, where
    z is the array's first axis. Pixel ``i`` reaches from ``i`` to ``i + 1``, as in `Detections`, so
    that the middle of the first pixel is 0.5. (napari's layers put it at 0 and have the opposite
    axis order: reverse the axes and add 0.5.)

    Parameters
    ----------
    boxes : array_like, shape (N, 4) or (N, 6), optional
        Edges ``(x0, y0, x1, y1)``, or ``(x0, y0, z0, x1, y1, z1)``.
    polygons : sequence of array_like, shape (M, 2) or (M, 3), optional
        Corners. In volumes a polygon lies in one slice: z is the same for all its corners.
    points : array_like, shape (P, 2) or (P, 3), optional
        Each marks the pixel it lies in.
    point_labels : sequence of int, optional
        1 for a point on the object, 0 for one that is not part of it; all 1 by default.
    labels : ndarray of integers, optional
        Painted labels of the image's shape, used unchanged and on top of the rest.
    names : mapping of int to str, optional
        Names of the label values; by default "box 1", "polygon 2", "object 3", "label 4".
    box_values, polygon_values : sequence of int, optional
        The label value of each shape, 1 to 255; several can form one object. By default each
        gets the next free value.
    point_values : sequence of int, optional
        The same for points; 0 on a negative point means all objects. By default a positive point
        within a box helps that box, all others mark one object together, and a negative point
        counts for all.
    follow : bool
        In volumes: follow what was drawn in a single slice through its neighbours, see `follow`.
    """

    boxes: Any = None
    polygons: Sequence[Any] = ()
    points: Any = None
    point_labels: Sequence[int] | None = None
    labels: npt.NDArray[Any] | None = None
    names: Mapping[int, str] = field(default_factory=dict)
    box_values: Sequence[int] | None = None
    polygon_values: Sequence[int] | None = None
    point_values: Sequence[int] | None = None
    follow: bool = False


@dataclass(frozen=True, eq=False)
class DrawnObject:
    """One drawn object, checked.

    Parameters
    ----------
    kind : {"box", "polygon", "point"}
        A "point" item is made from points alone.
    value : int
        Its label value.
    name : str
    box : ndarray of float64, shape (2 n,), optional
        XYXY edges.
    polygon : ndarray of float64, shape (M, n), optional
    positive, negative : ndarray of int, shape (P, n)
        Pixels in the array's axis order that are, and are not, part of it.
    """

    kind: Kind
    value: int
    name: str
    box: Floats | None = None
    polygon: Floats | None = None
    positive: Indices = field(default_factory=lambda: np.zeros((0, 2), np.intp))
    negative: Indices = field(default_factory=lambda: np.zeros((0, 2), np.intp))


def drawn_objects(drawing: Drawing, shape: Sequence[int]) -> list[DrawnObject]:
    """Check a drawing against an image and sort its points to the objects they help.

    Parameters
    ----------
    drawing : Drawing
    shape : sequence of int
        ``(Y, X)`` or ``(Z, Y, X)``.

    Returns
    -------
    list of DrawnObject
        Boxes, polygons, objects of points; painted labels are not among them.

    Raises
    ------
    InputError
        If coordinates have the wrong form, are outside the image or enclose nothing, or values are
        not 1 to 255; the message names the shape.
    """
    boxes = _boxes(drawing.boxes, shape)
    polygons = _polygons(drawing.polygons, shape)
    points, positive = _points(drawing, shape)
    painted = painted_labels(drawing, shape)
    free = int(painted.max(initial=0)) if painted is not None else 0
    (box_values, polygon_values), free = _shape_values(drawing, len(boxes), free)
    of_point = _values_of_points(drawing.point_values, points, positive, boxes, box_values, free)

    def name(kind: str, value: int) -> str:
        return drawing.names.get(value) or f"{kind} {value}"

    negative = {
        int(v): points[~positive & ((of_point == v) | (of_point == 0))]
        for v in {*box_values, *of_point.tolist()}
    }
    if len(points) and not positive.any() and not len(boxes):
        raise InputError("There are only negative points; add one on the object, or a box.")
    result = []
    used = np.zeros(len(points), bool)
    for box, value in zip(boxes, box_values, strict=True):
        mine = positive & (of_point == value) & _inside(points, box)
        used |= mine
        result.append(
            DrawnObject(
                "box",
                value,
                name("box", value),
                box=box,
                positive=points[mine],
                negative=negative[value],
            )
        )
    result += [
        DrawnObject("polygon", value, name("polygon", value), polygon=polygon)
        for polygon, value in zip(polygons, polygon_values, strict=True)
    ]
    for value in dict.fromkeys(of_point[positive & ~used].tolist()):
        mine = positive & ~used & (of_point == value)
        result.append(
            DrawnObject(
                "point",
                value,
                name("object", value),
                positive=points[mine],
                negative=negative[value],
            )
        )
    return result


def numbered(drawing: Drawing, shape: Sequence[int]) -> Drawing:
    """Set the label value of every shape and point explicitly, so that any part keeps its numbers.

    Parameters
    ----------
    drawing : Drawing
    shape : sequence of int
        Of the image that its coordinates belong to.

    Returns
    -------
    Drawing
        With the values of boxes, polygons and points that `drawn_objects` chooses.

    Raises
    ------
    InputError
        See `drawn_objects`.
    """
    boxes = _boxes(drawing.boxes, shape)
    points, positive = _points(drawing, shape)
    painted = 0 if drawing.labels is None else int(np.max(drawing.labels, initial=0))
    values, free = _shape_values(drawing, len(boxes), painted)
    of_point = _values_of_points(drawing.point_values, points, positive, boxes, values[0], free)
    return replace(
        drawing,
        box_values=values[0],
        polygon_values=values[1],
        point_values=of_point.tolist(),
    )


def painted_labels(drawing: Drawing, shape: Sequence[int]) -> npt.NDArray[np.uint8] | None:
    """Return the painted labels as uint8.

    Raises
    ------
    InputError
        If they have another shape, or are not integers from 0 to 255.
    """
    if drawing.labels is None:
        return None
    array = np.asarray(drawing.labels)
    if array.shape != tuple(shape):
        raise InputError(
            f"The labels have the size {size_of(array.shape)}, the image {size_of(shape)}; they "
            "must be equal."
        )
    if array.dtype.kind not in "biu" or (
        array.size and (int(array.min()) < 0 or int(array.max()) > 255)
    ):
        raise InputError("The labels must be integers from 0 to 255; 0 is the background.")
    return array.astype(np.uint8)


def window_of(box: Floats, shape: Sequence[int]) -> tuple[slice, ...]:
    """Return the pixels of a box as slices in the array's axis order, at least one in each."""
    n = len(shape)
    return tuple(
        slice(max(0, round(lo)), min(size, max(round(hi), round(lo) + 1)))
        for lo, hi, size in zip(box[:n][::-1], box[n:][::-1], shape, strict=True)
    )


def _rows(given: Any, width: int, what: str, form: str) -> Floats:
    """Return an array of shape (N, width), also from a single row or nothing."""
    if given is None or (isinstance(given, (list, tuple)) and not given):
        return np.zeros((0, width))
    try:
        array = np.asarray(given, np.float64)
    except (TypeError, ValueError):
        raise InputError(f"{what} must be rows of numbers, not {given!r}.") from None
    array = array[None] if array.ndim == 1 and array.size else array
    if array.size == 0:
        return np.zeros((0, width))
    if array.ndim != 2 or array.shape[1] != width or len(array) > 255:
        raise InputError(
            f"{what} need up to 255 rows of {form} in pixels, not {size_of(array.shape)}."
        )
    return array


def _boxes(given: Any, shape: Sequence[int]) -> Floats:
    n = len(shape)
    form = "x0, y0, x1, y1" if n == 2 else "x0, y0, z0, x1, y1, z1"
    boxes = _rows(given, 2 * n, "Boxes", form)
    for k, row in enumerate(boxes, start=1):
        if not (np.isfinite(row).all() and (row[:n] < row[n:]).all()):
            raise InputError(f"Box {k} {row.tolist()} is empty; give x0 < x1 and y0 < y1.")
        if any(s.start >= s.stop for s in window_of(row, shape)):
            raise InputError(f"Box {k} {row.tolist()} is outside the image ({size_of(shape)}).")
    return boxes


def polygon_corners(corners: Any, n: int, k: int) -> Floats:
    """Return the corners of polygon number `k` as an array of shape (M, n).

    Raises
    ------
    InputError
        If they are fewer than three, not finite or have another number of coordinates.
    """
    try:
        array = np.asarray(corners, np.float64)
    except (TypeError, ValueError):
        array = np.zeros(0)
    if array.ndim != 2 or array.shape[1] != n or len(array) < 3:
        form = "x, y" if n == 2 else "x, y, z"
        raise InputError(f"Polygon {k} needs three or more corners {form} in pixels.")
    if not np.isfinite(array).all():
        raise InputError(f"Polygon {k} has a corner that is not finite; draw it again.")
    return array


def _polygons(given: Sequence[Any], shape: Sequence[int]) -> list[Floats]:
    n = len(shape)
    result = []
    for k, corners in enumerate(given, start=1):
        array = polygon_corners(corners, n, k)
        if n == 3:
            planes = np.unique(np.floor(array[:, 2]))
            if len(planes) > 1:
                raise InputError(
                    f"Polygon {k} spans slices {planes[0]:.0f} to {planes[-1]:.0f}; draw it in "
                    "one slice along the first axis."
                )
            if not 0 <= planes[0] < shape[0]:
                raise InputError(
                    f"Polygon {k} is in slice {planes[0]:.0f} of an image with {shape[0]} slices."
                )
        result.append(array)
    return result


def _points(drawing: Drawing, shape: Sequence[int]) -> tuple[Indices, npt.NDArray[np.bool_]]:
    n = len(shape)
    given = _rows(drawing.points, n, "Points", "x, y" if n == 2 else "x, y, z")
    pixels = np.floor(np.nan_to_num(given[:, ::-1], nan=-1, posinf=-1, neginf=-1)).astype(np.intp)
    outside = ((pixels < 0) | (pixels >= np.array(shape))).any(axis=1)
    if outside.any():
        k = int(outside.argmax())
        raise InputError(
            f"Point {k + 1} {given[k].tolist()} is outside the image ({size_of(shape)})."
        )
    signs = drawing.point_labels
    labels = np.ones(len(pixels), int) if signs is None else np.asarray(signs)
    if labels.shape != (len(pixels),) or not np.isin(labels, (0, 1)).all():
        raise InputError(
            f"point_labels must be 1 (object) or 0 (not object) for each of {len(pixels)} points."
        )
    return pixels, labels == 1


def _shape_values(
    drawing: Drawing, boxes: int, free: int
) -> tuple[tuple[list[int], list[int]], int]:
    """Return the label values of boxes and polygons, and the highest value in use."""
    box_values, free = _values(drawing.box_values, boxes, "box", free)
    polygon_values, free = _values(drawing.polygon_values, len(drawing.polygons), "polygon", free)
    return (box_values, polygon_values), free


def _values(given: Sequence[int] | None, count: int, kind: str, free: int) -> tuple[list[int], int]:
    """Return the label value of each shape, and the highest value in use."""
    values = list(range(free + 1, free + count + 1)) if given is None else [int(v) for v in given]
    if len(values) != count or not all(1 <= v <= 255 for v in values):
        raise InputError(
            f"{kind}_values must be {count} integers from 1 to 255, one per {kind}."
            if given is not None
            else f"The drawing has more than 255 objects with this {kind}; give {kind}_values."
        )
    return values, max([free, *values])


def _values_of_points(
    given: Sequence[int] | None,
    points: Indices,
    positive: npt.NDArray[np.bool_],
    boxes: Floats,
    box_values: list[int],
    free: int,
) -> Indices:
    if given is not None:
        values = np.asarray(given) if len(given) else np.zeros(0, np.intp)
        good = values.shape == (len(points),) and values.dtype.kind in "iu"
        if not good or ((values < positive) | (values > 255)).any():
            raise InputError(
                f"point_values must be a number from 1 to 255 for each of {len(points)} points; 0 "
                "only for negative ones."
            )
        return values.astype(np.intp)
    result = np.where(positive, free + 1, 0).astype(np.intp)
    sizes = [float(np.prod(box[len(box) // 2 :] - box[: len(box) // 2])) for box in boxes]
    for k in sorted(range(len(boxes)), key=lambda k: -sizes[k]):  # the smallest box has it
        result[positive & _inside(points, boxes[k])] = box_values[k]
    if result.max(initial=0) > 255:
        raise InputError("The drawing has more than 255 objects; give point_values.")
    return result


def _inside(points: Indices, box: Floats) -> npt.NDArray[np.bool_]:
    n = len(box) // 2
    centres = points[:, ::-1] + 0.5
    return np.asarray(((centres >= box[:n]) & (centres < box[n:])).all(axis=1))

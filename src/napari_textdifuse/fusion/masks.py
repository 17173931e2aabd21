"""Prompts, masks, boxes and drawings become one label mask on the grid."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import InputError, TextDiFuseError
from ..locate import Detections, Location, Locator
from ..locate.drawn import Drawing, Refiner, refine
from ..spatial import resample_to
from ..spatial.lazy import load
from ..volume import Array, Volume
from .cutting import cut, cut_boxes
from .drawing import cut_drawing
from .inputs import is_layer, read_layer
from .pair import Pair

Labels = npt.NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Wanted:
    """What should stand out; at most one of mask, boxes and drawing.

    Parameters
    ----------
    prompt : str, optional
        What to find; beside a mask, boxes or a drawing, only the name of a single object.
    mask : array, Volume, path or labels layer, optional
        On the grid of the first image, of its chosen slices, or with a place of its own.
    boxes : array_like, shape (N, 4) or (N, 6), optional
        Pixel edges XYXY, or XYZXYZ in volumes, on the whole first image; filled.
    drawing : Drawing, optional
        On the whole first image.
    """

    prompt: str | None = None
    mask: Any = None
    boxes: Any = None
    drawing: Drawing | None = None

    @property
    def by_prompt(self) -> bool:
        """Whether the locator is asked."""
        return self.prompt is not None and not self.drawn

    @property
    def drawn(self) -> list[str]:
        """Names of what was given in place of a prompt."""
        return [name for name in ("mask", "boxes", "drawing") if getattr(self, name) is not None]


def locate_objects(
    pair: Pair,
    images: Callable[[], tuple[Volume, Volume]],
    wanted: Wanted,
    locator: Locator,
    refiner: str | Refiner | None = "auto",
) -> Location | None:
    """Choose the source of the mask: what was drawn, or the locator.

    Parameters
    ----------
    pair : Pair
    images : callable
        Gives both images on one grid: the chosen slices, turned to the first axis.
    wanted : Wanted
    locator : Locator
    refiner : str, Refiner or None
        Finds the outlines of a drawing; see `locate.drawn.refine`.

    Returns
    -------
    Location or None
        On the turned grid; None if nothing was asked for.

    Raises
    ------
    InputError
        If mask, boxes or drawing do not fit the image, or several are given.
    PromptError
        If the locator does not know what the prompt names.
    TextDiFuseError
        If the locator's answer does not fit the image.
    """
    if len(wanted.drawn) > 1:
        raise InputError(f"Give only one of {' and '.join(wanted.drawn)}.")
    if wanted.mask is not None:
        return _named(_as_labels(wanted.mask, pair), wanted.prompt, "mask")
    if wanted.boxes is not None:
        return _boxed(wanted.boxes, pair, wanted.prompt)
    if wanted.drawing is not None:
        drawing = wanted.drawing
        if drawing.labels is not None:
            drawing = replace(drawing, labels=_fitted(np.asarray(drawing.labels), pair))
        drawing = cut_drawing(drawing, pair.a.ndim, pair.selection)
        return _renamed(refine(*images(), drawing, refiner), wanted.prompt)
    if wanted.prompt is None:
        return None
    return _checked(locator.locate(images(), wanted.prompt), pair.turned_shape, locator.name)


def _renamed(location: Location, prompt: str | None) -> Location:
    """Call a single object what the prompt says."""
    if prompt is None or len(location.names) != 1:
        return location
    found = replace(location.detections, labels=(prompt,) * len(location.detections))
    return replace(location, detections=found, names=dict.fromkeys(location.names, prompt))


def _checked(location: Location, shape: tuple[int, ...], name: str) -> Location:
    """Refuse an answer that would be painted wrongly; a plugin's locator may give one."""
    mask = np.asarray(location.mask)
    if mask.shape != shape or mask.dtype != np.uint8:
        raise TextDiFuseError(
            f"The locator {name!r} gave a {mask.dtype} mask of shape {mask.shape} instead of uint8 "
            f"of shape {shape}; report this to its authors."
        )
    unnamed = set(np.unique(mask[mask != 0]).tolist()) - set(location.names)
    if unnamed:
        raise TextDiFuseError(
            f"The locator {name!r} gave no name for label {min(unnamed)} of its mask; report this "
            "to its authors."
        )
    return location


def _as_labels(mask: Any, pair: Pair) -> Labels:
    """Return labels on the turned grid of the chosen slices."""
    if isinstance(mask, (str, os.PathLike)):
        from ..io import read

        mask = read(os.fspath(mask))
    elif is_layer(mask):
        mask = load(read_layer(mask, "the mask"))
    if isinstance(mask, Volume) and mask.rgb:
        raise InputError("The mask is a colour image; give labels or a single channel.")
    if not isinstance(mask, Volume):
        mask = np.asarray(mask)
    return _as_bytes(_fitted(mask, pair))


def _fitted(mask: Volume | Array, pair: Pair) -> Array:
    grid = pair.grid(len(pair.selection))
    array = mask.array if isinstance(mask, Volume) else mask
    by_place = isinstance(mask, Volume) and mask.affine is not None and grid.affine is not None
    if not by_place:
        if array.shape == grid.shape:
            return pair.turned(Volume(array)).array
        if array.shape == pair.a.shape:
            return pair.turned(cut(Volume(array), pair.selection)).array
        if array.ndim == 2 and pair.turned_shape == (1, *array.shape):
            return array[None]
    if isinstance(mask, Volume):
        return pair.turned(resample_to(mask, grid, order=0).volume).array
    raise InputError(
        f"The mask has shape {array.shape}, the first image {grid.shape}; they must be equal."
    )


def _as_bytes(array: Array) -> Labels:
    if array.dtype.kind not in "biuf":
        raise InputError(f"The mask holds values of type {array.dtype}; give integer labels.")
    if array.dtype.kind == "f" and not np.array_equal(array, np.rint(array)):
        raise InputError("The mask holds fractions; give integer labels, 0 for the background.")
    values = np.unique(array[array != 0])
    if len(values) == 1:  # 1, 255, True: one object
        return (array != 0).astype(np.uint8)
    if len(values) and (values.min() < 0 or values.max() > 255):
        raise InputError(
            f"The mask has labels from {values.min():g} to {values.max():g}; use 1 to 255."
        )
    return array.astype(np.uint8)


def _boxed(boxes: Any, pair: Pair, prompt: str | None) -> Location:
    rows = _rows(boxes, pair.a.ndim)
    if pair.a.ndim == 2 or (pair.selection.whole and pair.selection.axis == 0):
        return _named(_from_boxes(rows, pair.turned_shape), prompt, "box")
    _, moved = cut_boxes(rows, pair.selection)
    location = _named(_from_boxes(moved, pair.turned_shape), prompt, "box")
    if len(moved) == len(rows):
        return location
    note = f"{len(rows) - len(moved)} of {len(rows)} boxes lie outside the chosen slices."
    return replace(location, notes=(*location.notes, note))


def _rows(boxes: Any, n: int) -> npt.NDArray[np.float64]:
    try:
        array = np.asarray(boxes, dtype=np.float64)
    except (TypeError, ValueError):
        raise InputError(f"Boxes must be rows of numbers, not {boxes!r}.") from None
    if array.ndim == 1:
        array = array[None]
    if array.ndim != 2 or array.shape[1] != 2 * n or len(array) > 255:
        order = "x0, y0, x1, y1" if n == 2 else "x0, y0, z0, x1, y1, z1"
        raise InputError(f"Boxes need up to 255 rows of {order} in pixels, not {array.shape}.")
    return array


def _from_boxes(array: npt.NDArray[np.float64], shape: Sequence[int]) -> Labels:
    n = len(shape)
    labels = np.zeros(tuple(shape), np.uint8)
    for k, row in enumerate(array, start=1):
        low, high = row[:n][::-1], row[n:][::-1]
        if not (np.isfinite(row).all() and (low < high).all()):
            raise InputError(f"Box {k} {row.tolist()} is empty; give x0 < x1 and y0 < y1.")
        window = tuple(
            slice(max(0, round(lo)), min(size, max(round(hi), round(lo) + 1)))
            for lo, hi, size in zip(low, high, shape, strict=True)
        )
        if any(s.start >= s.stop for s in window):
            raise InputError(
                f"Box {k} {row.tolist()} lies outside the image of shape {tuple(shape)}."
            )
        labels[window] = k
    return labels


def _named(labels: Labels, prompt: str | None, kind: str) -> Location:
    values = np.unique(labels[labels != 0]).astype(np.uint8)
    one = prompt is not None and len(values) == 1
    names = {int(v): prompt if one and prompt else f"{kind} {v}" for v in values}
    rows = []
    for v in values:
        where = np.nonzero(labels == v)[::-1]
        rows.append([float(w.min()) for w in where] + [float(w.max()) + 1 for w in where])
    width = 2 * labels.ndim
    detections = Detections(
        boxes=np.asarray(rows, np.float32).reshape(-1, width),
        scores=np.ones(len(values), np.float32),
        labels=tuple(names.values()),
        label_values=values,
        sources=("drawn",) * len(values),
    )
    row_of = np.zeros(256, np.uint32)
    row_of[values] = np.arange(1, len(values) + 1)
    return Location(labels, detections, names, instances=row_of[labels])

"""One label mask of what should stand out, from a prompt or a drawing."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import InputError, TextDiFuseError, kind_of_values, size_of
from ..io.objects import from_object, is_object
from ..locate import Location, Locator
from ..locate.drawn import Drawing, Refiner, fill, numbered, polygon_corners, refine
from ..spatial import resample_to
from ..spatial.layers import is_layer, read_layer
from ..volume import Array, Volume
from .options import FusionOptions, Strength
from .pair import Pair
from .slices import cut, cut_boxes, cut_points

#: A smaller share of a mask's labels in the image is a mask at another place.
LEAST_IN_IMAGE = 0.01
#: So many of a mask's labelled voxels, evenly spread, tell where it is.
SAMPLED = 100_000

Labels = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float64]


def needs_images(options: FusionOptions) -> bool:
    """Whether `locate_objects` needs the images: to find objects, but not to fill shapes."""
    drawing = options.drawing
    if drawing is None:
        return options.by_prompt
    return drawing.boxes is not None or drawing.points is not None or drawing.follow


def locate_objects(
    pair: Pair,
    options: FusionOptions,
    images: Sequence[Volume] = (),
    locator: Locator | None = None,
    refiner: Refiner | None = None,
) -> Location | None:
    """Turn the prompt, mask, boxes or drawing of the options into labels.

    Parameters
    ----------
    pair : Pair
    options : FusionOptions
    images : sequence of Volume
        Both images on one grid, the chosen slices along the first axis; see `needs_images`.
    locator : Locator, optional
        Finds what the prompt names.
    refiner : Refiner, optional
        Finds the outlines of a drawing; see `locate.drawn.refine`.

    Returns
    -------
    Location or None
        On the grid of the chosen slices, reoriented to the first axis. Labels keep their
        numbers. None if nothing was requested.

    Raises
    ------
    InputError
        If mask, boxes or drawing do not fit the image, or a strength belongs to no label.
    PromptError
        If the locator does not know what the prompt names.
    TextDiFuseError
        If the locator's answer does not fit the image.
    """
    prompt, strength, shape = options.objects, options.strength, pair.reoriented_shape
    if options.by_prompt:
        assert locator is not None
        assert prompt is not None
        location = _checked(locator.locate(images, prompt), shape, locator.name)
        _check_labels(strength, location.names)
        return location
    if not options.drawn:
        _check_labels(strength, ())
        return None
    whole = numbered(_as_drawing(options, pair), pair.a.shape)
    drawing, notes = _cut_drawing(whole, pair)
    if needs_images(options):
        location = refine(images[0], images[1], drawing, refiner)
    else:
        location = fill(drawing, shape)
    if options.boxes is not None:
        location = replace(location, notes=())  # filled boxes are what was requested
    if prompt:
        location, note = _named(location, prompt)
        notes = (*notes, note)
    _check_labels(strength, {*location.names, *_labels_of(whole)})
    return replace(location, notes=(*notes, *location.notes))


def _as_drawing(options: FusionOptions, pair: Pair) -> Drawing:
    """Return the drawing, with painted labels on the reoriented grid of the chosen slices."""
    if options.mask is not None:
        mask = _read_mask(options.mask)
        whole = mask.array if isinstance(mask, Volume) else mask
        labels = _as_bytes(_fitted(mask, pair))
        # labels outside the chosen slices are there too, and may be given a strength
        values = _values_in(_as_bytes(whole) if labels.shape != whole.shape else labels)
        return Drawing(labels=labels, names={value: f"mask {value}" for value in values})
    if options.boxes is not None:
        return Drawing(boxes=options.boxes)
    drawing = options.drawing
    assert drawing is not None
    if drawing.labels is None:
        return drawing
    values = _values_in(np.asarray(drawing.labels))
    names = {value: f"label {value}" for value in values} | dict(drawing.names)
    return replace(drawing, labels=_fitted(np.asarray(drawing.labels), pair), names=names)


def _cut_drawing(drawing: Drawing, pair: Pair) -> tuple[Drawing, tuple[str, ...]]:
    """Move boxes, polygons and points onto the reoriented grid of the chosen slices.

    Painted labels are already on it. Shapes outside the slices are dropped, with a note.
    """
    selection = pair.selection
    if pair.a.ndim == 2 or (selection.whole and selection.axis == 0):
        return drawing, ()
    assert drawing.box_values is not None
    assert drawing.polygon_values is not None
    assert drawing.point_values is not None

    def inside(places: Floats) -> npt.NDArray[np.bool_]:
        return np.asarray((places[:, 2] >= 0) & (places[:, 2] < len(selection)))

    boxes = _rows(drawing.boxes, 6)
    rows, moved = cut_boxes(boxes, selection)
    kept_boxes = rows.tolist()
    points = cut_points(_rows(drawing.points, 3), selection)
    kept_points = np.flatnonzero(inside(points)).tolist()
    polygons = [
        cut_points(polygon_corners(corners, 3, k), selection)
        for k, corners in enumerate(drawing.polygons, start=1)
    ]
    kept_polygons = [k for k, corners in enumerate(polygons) if inside(corners).all()]
    counts = {
        "boxes": (len(boxes), len(kept_boxes)),
        "polygons": (len(polygons), len(kept_polygons)),
        "points": (len(points), len(kept_points)),
    }
    given, kept = (sum(column) for column in zip(*counts.values(), strict=True))
    if given and not kept and drawing.labels is None:
        raise InputError("The drawing is outside the chosen slices; choose others, or draw again.")
    part = replace(
        drawing,
        boxes=moved,
        box_values=[drawing.box_values[k] for k in kept_boxes],
        polygons=[polygons[k] for k in kept_polygons],
        polygon_values=[drawing.polygon_values[k] for k in kept_polygons],
        points=points[kept_points],
        point_labels=None
        if drawing.point_labels is None
        else [drawing.point_labels[k] for k in kept_points],
        point_values=[drawing.point_values[k] for k in kept_points],
    )
    return part, tuple(
        f"{given - kept} of {given} {what} are outside the chosen slices."
        for what, (given, kept) in counts.items()
        if kept < given
    )


def _rows(given: Any, width: int) -> Floats:
    return np.zeros((0, width)) if given is None else np.asarray(given, float).reshape(-1, width)


def _labels_of(drawing: Drawing) -> set[int]:
    """Return the labels that a drawing names or numbers, in all slices."""
    numbers = [drawing.names, drawing.box_values, drawing.polygon_values, drawing.point_values]
    return {int(value) for values in numbers for value in values or ()}


def _check_labels(strength: Strength, labels: Iterable[int]) -> None:
    """Refuse a strength for a label that does not exist."""
    if not isinstance(strength, Mapping):
        return
    known = sorted(labels)
    for label in strength:
        if label not in known:
            listed = ", ".join(map(str, known)) or "none: give a prompt, a mask, boxes or a drawing"
            raise InputError(f"strength names label {label!r}; the labels are {listed}.")


def _named(location: Location, prompt: str) -> tuple[Location, str]:
    """Name a single drawn label by the prompt, in the lexicon's word where it has one; say so."""
    from ..locate.prompt import canonical_name
    from ..locate.vocabulary import TERMS

    if len(location.names) != 1:
        return location, (
            f"{prompt!r} had no effect: the drawing has {len(location.names)} labels, and a "
            "word can only name one."
        )
    name = canonical_name(prompt, TERMS) or prompt
    known = f" (as {name!r})" if name != prompt else ""
    rows = replace(location.detections, labels=(name,) * len(location.detections))
    return replace(location, detections=rows, names=dict.fromkeys(location.names, name)), (
        f"{prompt!r} only names the drawing{known}; it was not searched for, and whether "
        "the name is correct was not checked."
    )


def _checked(location: Location, shape: tuple[int, ...], name: str) -> Location:
    """Refuse an invalid answer; a plugin's locator may give one."""
    mask = np.asarray(location.mask)
    if mask.shape != shape or mask.dtype != np.uint8:
        raise TextDiFuseError(
            f"The locator {name!r} gave a {mask.dtype} mask of shape {mask.shape} instead of uint8 "
            f"of shape {shape}; report this to its authors."
        )
    unnamed = set(_values_in(mask)) - set(location.names)
    if unnamed:
        raise TextDiFuseError(
            f"The locator {name!r} gave no name for label {min(unnamed)} of its mask; report this "
            "to its authors."
        )
    return location


def _read_mask(mask: Any) -> Volume | Array:
    if isinstance(mask, (str, os.PathLike)):
        from ..io import read

        mask = read(os.fspath(mask))
    elif is_layer(mask):
        mask = read_layer(mask, "the mask").loaded()
    elif is_object(mask):
        mask = from_object(mask, "the mask").loaded()
    if isinstance(mask, Volume):
        if mask.rgb:
            raise InputError("The mask is a colour image; give labels or a single channel.")
        return mask
    return np.asarray(mask)


def _fitted(mask: Volume | Array, pair: Pair) -> Array:
    """Return labels on the reoriented grid of the chosen slices."""
    grid = pair.grid(len(pair.selection))
    array = mask.array if isinstance(mask, Volume) else mask
    by_place = isinstance(mask, Volume) and mask.affine is not None and grid.affine is not None
    if not by_place:
        if array.shape == grid.shape:
            return pair.reoriented(Volume(array)).array
        if array.shape == pair.a.shape:
            return pair.reoriented(cut(Volume(array), pair.selection)).array
        if array.ndim == 2 and pair.reoriented_shape == (1, *array.shape):
            return array[None]
    if isinstance(mask, Volume):
        _check_place(mask, pair.a)
        return pair.reoriented(resample_to(mask, grid, order=0).volume).array
    raise InputError(
        f"The mask has the size {size_of(array.shape)}, the first image {size_of(grid.shape)}; "
        "they must be equal."
    )


def _check_place(mask: Volume, image: Volume) -> None:
    """Refuse labels of which next to nothing lies in the whole image, whatever slices are fused."""
    if mask.affine is None or image.affine is None or mask.ndim != 3 or image.ndim != 3:
        return
    labelled = np.flatnonzero(mask.array)
    if not len(labelled):
        return
    some = labelled[:: -(-len(labelled) // SAMPLED)]  # a mask of a whole volume is large
    places = np.stack(np.unravel_index(some, mask.array.shape), axis=-1)[:, ::-1]
    to_image = np.linalg.inv(image.affine) @ mask.affine
    there = places @ to_image[:3, :3].T + to_image[:3, 3]
    share = ((there > -0.5) & (there < np.array(image.shape[::-1]) - 0.5)).all(axis=1).mean()
    if share < LEAST_IN_IMAGE:
        raise InputError(
            f"The labels of the mask lie outside the first image ({share:.0%} of them in it): they "
            "have another position or direction. Give the mask on the image's own grid, for "
            "example as an array, or open both in one viewer."
        )


def _as_bytes(array: Array) -> Labels:
    if array.dtype.kind not in "biuf":
        raise InputError(f"The mask contains {kind_of_values(array.dtype)}; give integer labels.")
    if array.dtype.kind == "f" and not np.array_equal(array, np.rint(array)):
        raise InputError("The mask contains fractions; give integer labels, 0 for the background.")
    low, high = array.min(initial=0), array.max(initial=0)
    if low < 0 or high > 255:
        raise InputError(f"The mask has labels from {low:g} to {high:g}; use 1 to 255.")
    return array.astype(np.uint8)


def _values_in(labels: Array) -> list[int]:
    """Return which labels there are, without 0."""
    if labels.dtype == np.uint8:  # counting is faster than sorting
        return [int(v) for v in np.flatnonzero(np.bincount(labels.ravel(), minlength=256)) if v]
    return [int(v) for v in np.unique(labels) if v]

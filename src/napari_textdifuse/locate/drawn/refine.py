"""From a drawing to a mask."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from ...errors import InputError
from ...volume import Volume
from ..protocol import Detections, Location
from ..views import check_one_grid, image_names
from .drawing import Drawing, DrawnObject, drawn_objects, painted_labels, window_of
from .follow import follow
from .outline import Outline, Refiner

#: Names accepted by `refine`.
REFINERS = ("auto", "sam", "classical", "none")
#: Source of objects that are used as drawn.
DRAWN = "drawn"


@dataclass(frozen=True, eq=False)
class _Part:
    """One row of the detections."""

    value: int
    name: str
    outline: Outline
    painted: bool = False


def get_refiner(name: str) -> Refiner | None:
    """Make a refiner by its name.

    Parameters
    ----------
    name : {"auto", "sam", "classical", "none"}
        "auto" is SAM if its weights are on this machine, else the classical one. To reuse what
        SAM computed from an image, keep the refiner and pass it to `refine`.

    Returns
    -------
    Refiner or None
        None for "none": shapes are used as drawn.

    Raises
    ------
    InputError
        If there is no such refiner.
    """
    if name not in REFINERS:
        known = ", ".join(map(repr, REFINERS))
        raise InputError(f"There is no refiner {name!r}; choose from: {known}.")
    if name == "none":
        return None
    if name in ("auto", "sam"):
        from .sam import SamRefiner

        sam = SamRefiner()
        if name == "sam" or sam.path() is not None:
            return sam
    from .classical import ClassicalRefiner

    return ClassicalRefiner()


def refine(
    image_a: Volume,
    image_b: Volume | None,
    drawing: Drawing,
    refiner: str | Refiner | None = "auto",
) -> Location:
    """Convert a user's drawing to a label mask.

    The objects in boxes and at points are outlined; polygons and painted labels are used as
    drawn. Both images are searched, and the one that shows the object best is used.

    Parameters
    ----------
    image_a, image_b : Volume
        On one grid; `image_b` may be None.
    drawing : Drawing
    refiner : {"auto", "sam", "classical", "none"}, Refiner or None
        See `get_refiner`. With "none", a box is filled, and points are refused.

    Returns
    -------
    Location
        Mask uint8 of the images' shape; where objects overlap, the smaller is on top, and painted
        labels are on top of all. ``detections.sources`` says in which image each object was found,
        or "drawn"; ``notes`` say how. An object that does not stand out in any image is used as
        drawn, with a note.

    Raises
    ------
    InputError
        If the drawing does not fit the images, the images' shapes differ, or there is no such
        refiner.
    WeightsError, MissingDependencyError
        If SAM was requested and cannot be loaded.
    """
    images = [image_a] if image_b is None else [image_a, image_b]
    check_one_grid(images)
    chosen = get_refiner(refiner) if isinstance(refiner, str) else refiner
    return _located(drawing, image_a.shape, images, chosen)


def fill(drawing: Drawing, shape: tuple[int, ...]) -> Location:
    """Convert a drawing to a label mask without using any image.

    Parameters
    ----------
    drawing : Drawing
        Boxes are filled; points are refused, and ``follow`` has no effect.
    shape : tuple of int
        Of the mask.

    Returns
    -------
    Location

    Raises
    ------
    InputError
        If the drawing does not fit the shape.
    """
    return _located(drawing, shape, [], None)


def _located(
    drawing: Drawing, shape: tuple[int, ...], images: Sequence[Volume], refiner: Refiner | None
) -> Location:
    drawn = drawn_objects(drawing, shape)
    painted = painted_labels(drawing, shape)
    if not drawn and painted is None:
        raise InputError("The drawing is empty; draw a box, a polygon, points or labels.")
    names = image_names(images)
    parts, notes = [], []
    for item in drawn:
        outline, note = _outline(item, shape, images, refiner, names)
        parts.append(_Part(item.value, item.name, outline))
        notes.append(f"{item.name}: {note}.")
    if painted is not None:
        parts += _painted(painted, drawing)
    if drawing.follow and len(shape) == 3 and images:
        parts, more = _followed(parts, images)
        notes += more
    return _assemble(parts, shape, names, tuple(notes))


def _outline(
    item: DrawnObject,
    shape: tuple[int, ...],
    images: Sequence[Volume],
    refiner: Refiner | None,
    names: Sequence[str],
) -> tuple[Outline, str]:
    """Return the outline of an item and how it was found."""
    if item.polygon is not None:
        return _polygon(item, shape), "used as drawn"
    found = refiner.outline(images, item) if refiner is not None else None
    if found is not None and found.source is not None and found.mask.any():
        assert refiner is not None
        return found, f"outlined in {names[found.source]} ({refiner.name}: {found.note})"
    if item.box is None:
        if refiner is None:
            raise InputError(
                "Points mark the position of an object, not its extent; choose the refiner "
                "'classical' or 'sam', or draw a box."
            )
        raise InputError(
            f"Nothing stands out around the points of {item.name!r}; move them, or draw a box or "
            "the outline."
        )
    window = window_of(item.box, shape)
    filled = np.ones([part.stop - part.start for part in window], bool)
    outline = Outline(window, filled, 1.0, None, "")
    if refiner is None:
        return outline, "the box as drawn"
    looked = " and ".join(names)
    how = f"nothing in it stands out in {looked} ({refiner.name})"
    return outline, f"the box as drawn, because {how}"


def _followed(parts: list[_Part], images: Sequence[Volume]) -> tuple[list[_Part], list[str]]:
    """Follow the objects of one slice, and note how far."""
    result, notes = [], []
    for part in parts:
        flat = part.outline.window[0].stop - part.outline.window[0].start == 1
        outline = follow(images, part.outline) if flat else part.outline
        result.append(replace(part, outline=outline))
        if outline is not part.outline:
            depth = outline.window[0]
            notes.append(f"{part.name}: followed through slices {depth.start} to {depth.stop - 1}.")
        elif flat:
            notes.append(f"{part.name}: does not continue in the neighbouring slices.")
    return result, notes


def _polygon(item: DrawnObject, shape: tuple[int, ...]) -> Outline:
    """Fill a polygon: the pixels whose middle it encloses."""
    from skimage.draw import polygon2mask

    assert item.polygon is not None
    corners = item.polygon[:, 1::-1] - 0.5  # y, x; skimage puts a pixel's middle at its index
    mask = np.asarray(polygon2mask(shape[-2:], corners), bool)
    if not mask.any():
        raise InputError(f"The polygon of {item.name!r} covers no pixel; draw it larger.")
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    window: tuple[slice, ...] = (
        slice(int(rows[0]), int(rows[-1]) + 1),
        slice(int(columns[0]), int(columns[-1]) + 1),
    )
    mask = mask[window]
    if len(shape) == 3:
        z = int(np.floor(item.polygon[0, 2]))
        window, mask = (slice(z, z + 1), *window), mask[None]
    return Outline(window, mask, 1.0, None, "")


def _painted(painted: npt.NDArray[np.uint8], drawing: Drawing) -> list[_Part]:
    parts = []
    for value in np.unique(painted[painted > 0]).tolist():
        name = drawing.names.get(value) or f"label {value}"
        (window,) = ndimage.find_objects((painted == value).astype(np.int8))
        outline = Outline(window, painted[window] == value, 1.0, None, "")
        parts.append(_Part(value, name, outline, True))
    return parts


def _assemble(
    parts: list[_Part], shape: tuple[int, ...], names: Sequence[str], notes: tuple[str, ...]
) -> Location:
    """Paint the small objects over the large ones, painted labels last."""
    mask, instances = np.zeros(shape, np.uint8), np.zeros(shape, np.uint32)
    areas = [int(part.outline.mask.sum()) for part in parts]
    for n in sorted(range(len(parts)), key=lambda n: (parts[n].painted, -areas[n])):
        part = parts[n]
        mask[part.outline.window][part.outline.mask] = part.value
        instances[part.outline.window][part.outline.mask] = n + 1
    detections = Detections(
        boxes=np.array([_edges(part.outline) for part in parts], np.float32).reshape(
            -1, 2 * len(shape)
        ),
        scores=np.array([part.outline.score for part in parts], np.float32),
        labels=tuple(part.name for part in parts),
        label_values=np.array([part.value for part in parts], np.uint8),
        sources=tuple(
            DRAWN if part.outline.source is None else names[part.outline.source] for part in parts
        ),
    )
    return Location(mask, detections, {part.value: part.name for part in parts}, notes, instances)


def _edges(outline: Outline) -> list[float]:
    where = np.nonzero(outline.mask)
    starts = [part.start for part in outline.window]
    low = [float(w.min() + s) for w, s in zip(where, starts, strict=True)]
    high = [float(w.max() + s + 1) for w, s in zip(where, starts, strict=True)]
    return [*low[::-1], *high[::-1]]

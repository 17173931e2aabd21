"""From boxes in single pictures to objects in an image or a volume."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from .boxes import iou
from .linking import link
from .protocol import Detections
from .regions import Mask

#: Boxes of one phrase that share more than this are one object (in one image, and over both).
SAME_OBJECT = 0.5


@dataclass(frozen=True, eq=False)
class Found:
    """One object in one slice.

    Parameters
    ----------
    phrase : int
        Which phrase of the prompt, from 0.
    z : int
        The slice; 0 in pictures.
    box : ndarray of float32, shape (4,)
        XYXY in pixels.
    score : float
    images : tuple of int
        In which it was found, the one that shows it best first.
    between : bool
        Whether the detector missed it here, and the box follows from the slices on either side.
    outline : tuple, optional
        Rows and columns, and the mask in them, where the detector outlines by itself.
    """

    phrase: int
    z: int
    box: npt.NDArray[np.float32]
    score: float
    images: tuple[int, ...]
    between: bool = False
    outline: tuple[tuple[slice, slice], Mask] | None = None


@dataclass(frozen=True, eq=False)
class Outlined:
    """A `Found` with its mask, cut to the rows and columns that hold it."""

    found: Found
    window: tuple[slice, slice]
    mask: Mask


def united(found: Sequence[Found]) -> list[Found]:
    """Join what two images show of one object in a slice; the best of each stays, best first."""
    result: list[Found] = []
    for item in sorted(found, key=lambda f: -f.score):
        for n, other in enumerate(result):
            new = item.phrase == other.phrase and item.images[0] not in other.images
            if new and iou(item.box[None], other.box[None])[0, 0] > SAME_OBJECT:
                result[n] = replace(other, images=other.images + item.images)
                break
        else:
            result.append(item)
    return result


def linked(found: Sequence[Found], top_k: int) -> list[list[Found]]:
    """Join what lies above each other in a volume, and fill the slices that were missed between.

    Parameters
    ----------
    found : sequence of Found
    top_k : int
        Most objects per phrase.

    Returns
    -------
    list of list of Found
        One list per object with its slices in order; by phrase, then the best score first.
    """
    numbers = link(
        np.array([f.box for f in found], np.float32).reshape(-1, 4),
        [f.z for f in found],
        [f.phrase for f in found],
    )
    objects: list[list[Found]] = [[] for _ in range(int(numbers.max(initial=-1)) + 1)]
    for item, number in zip(found, numbers, strict=True):
        objects[number].append(item)
    objects.sort(key=lambda parts: (parts[0].phrase, -_score(parts)))
    rank = [parts[0].phrase for parts in objects]
    best = [parts for n, parts in enumerate(objects) if n - rank.index(rank[n]) < top_k]
    return [_bridged(parts) for parts in best]


def cut_out(found: Found, mask: Mask) -> Outlined:
    """Keep of a mask of a whole picture only the rows and columns that hold something."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        return Outlined(found, (slice(0, 0), slice(0, 0)), np.zeros((0, 0), bool))
    window = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
    return Outlined(found, window, mask[window].copy())


def paint(
    objects: Sequence[Sequence[Outlined]], shape: tuple[int, ...]
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint32]]:
    """Paint objects into a mask of their phrases (from 1) and one of their numbers (from 1).

    Where objects overlap, the smaller is on top.
    """
    mask, instances = np.zeros(shape, np.uint8), np.zeros(shape, np.uint32)
    planes, planes_of = (m.reshape(-1, *shape[-2:]) for m in (mask, instances))
    sizes = [size(parts) for parts in objects]
    for n in sorted(range(len(objects)), key=lambda n: -sizes[n]):
        for part in objects[n]:
            planes[part.found.z][part.window][part.mask] = part.found.phrase + 1
            planes_of[part.found.z][part.window][part.mask] = n + 1
    return mask, instances


def size(parts: Sequence[Outlined]) -> int:
    """Count the pixels of an object."""
    return sum(int(part.mask.sum()) for part in parts)


def detections(
    objects: Sequence[Sequence[Found]], words: Sequence[str], names: Sequence[str], ndim: int
) -> Detections:
    """Describe objects, one row each; of a volume's object the best slice's score counts.

    Parameters
    ----------
    objects : sequence of sequence of Found
    words : sequence of str
        The phrases.
    names : sequence of str
        What the images are called.
    ndim : int
        2 or 3.
    """
    boxes = [_box(parts, ndim) for parts in objects]
    return Detections(
        boxes=np.array(boxes, np.float32).reshape(-1, 2 * ndim),
        scores=np.array([_score(parts) for parts in objects], np.float32),
        labels=tuple(words[parts[0].phrase] for parts in objects),
        label_values=np.array([parts[0].phrase + 1 for parts in objects], np.uint8),
        sources=tuple(_sources(parts, names) for parts in objects),
    )


def _bridged(parts: list[Found]) -> list[Found]:
    """Put the mean box where the detector missed an object between two slices."""
    result = parts[:1]
    for last, following in pairwise(parts):
        better = max(last, following, key=lambda f: f.score)
        for z in range(last.z + 1, following.z):
            share = np.float32((z - last.z) / (following.z - last.z))
            box = (1 - share) * last.box + share * following.box
            score = min(last.score, following.score)
            result.append(Found(last.phrase, z, box, score, better.images[:1], between=True))
        result.append(following)
    return result


def _score(parts: Sequence[Found]) -> float:
    return max(part.score for part in parts)


def _box(parts: Sequence[Found], ndim: int) -> list[float]:
    boxes = np.array([part.box for part in parts])
    low, high = boxes[:, :2].min(axis=0).tolist(), boxes[:, 2:].max(axis=0).tolist()
    if ndim == 2:
        return [*low, *high]
    return [*low, parts[0].z, *high, parts[-1].z + 1]


def _sources(parts: Sequence[Found], names: Sequence[str]) -> str:
    seen = sorted({i for part in parts for i in part.images})
    return " and ".join(names[i] for i in seen)

"""From boxes in 2-D images to objects in a 2-D image or a volume."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from .boxes import Boxes, iou
from .protocol import Detections
from .regions import Mask

#: Boxes of one phrase that share more than this are one object (in one image, and over both).
SAME_OBJECT = 0.5


@dataclass(frozen=True, eq=False)
class SliceDetection:
    """One object in one slice.

    Parameters
    ----------
    phrase : int
        Which phrase of the prompt, from 0.
    z : int
        The slice; 0 for a 2-D image.
    box : ndarray of float32, shape (4,)
        XYXY in pixels.
    score : float
    images : tuple of int
        Indices of the images that show it, the clearest first.
    interpolated : bool
        Whether the detector missed it here: the box is interpolated from neighbouring slices.
    outline : tuple, optional
        Rows and columns, and the mask in them, where the detector also outlines.
    """

    phrase: int
    z: int
    box: npt.NDArray[np.float32]
    score: float
    images: tuple[int, ...]
    interpolated: bool = False
    outline: tuple[tuple[slice, slice], Mask] | None = None


@dataclass(frozen=True, eq=False)
class OutlinedDetection:
    """A `SliceDetection` with its mask, cropped to its rows and columns."""

    found: SliceDetection
    window: tuple[slice, slice]
    mask: Mask


def merge_across_images(found: Sequence[SliceDetection]) -> list[SliceDetection]:
    """Merge detections of one object in two images; the better one stays, best first."""
    result: list[SliceDetection] = []
    for item in sorted(found, key=lambda f: -f.score):
        for n, other in enumerate(result):
            new = item.phrase == other.phrase and item.images[0] not in other.images
            if new and iou(item.box[None], other.box[None])[0, 0] > SAME_OBJECT:
                result[n] = replace(other, images=other.images + item.images)
                break
        else:
            result.append(item)
    return result


def link_across_slices(found: Sequence[SliceDetection], top_k: int) -> list[list[SliceDetection]]:
    """Join detections of neighbouring slices to objects, and fill slices missed in between.

    Parameters
    ----------
    found : sequence of SliceDetection
    top_k : int
        Most objects per phrase.

    Returns
    -------
    list of list of SliceDetection
        One list per object with its slices in order; by phrase, then the best score first.
    """
    numbers = link(
        np.array([f.box for f in found], np.float32).reshape(-1, 4),
        [f.z for f in found],
        [f.phrase for f in found],
    )
    objects: list[list[SliceDetection]] = [[] for _ in range(int(numbers.max(initial=-1)) + 1)]
    for item, number in zip(found, numbers, strict=True):
        objects[number].append(item)
    objects.sort(key=lambda parts: (parts[0].phrase, -_score(parts)))
    rank = [parts[0].phrase for parts in objects]
    best = [parts for n, parts in enumerate(objects) if n - rank.index(rank[n]) < top_k]
    return [_fill_missed_slices(parts) for parts in best]


def crop_mask(found: SliceDetection, mask: Mask) -> OutlinedDetection:
    """Crop the mask of a whole image to the rows and columns that are not empty."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        return OutlinedDetection(found, (slice(0, 0), slice(0, 0)), np.zeros((0, 0), bool))
    window = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
    return OutlinedDetection(found, window, mask[window].copy())


def label_maps(
    objects: Sequence[Sequence[OutlinedDetection]], shape: tuple[int, ...]
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint32]]:
    """Return one label map with the phrase and one with the object of each pixel, from 1.

    Where objects overlap, the smaller is on top.
    """
    mask, instances = np.zeros(shape, np.uint8), np.zeros(shape, np.uint32)
    planes, planes_of = (m.reshape(-1, *shape[-2:]) for m in (mask, instances))
    sizes = [count_pixels(parts) for parts in objects]
    for n in sorted(range(len(objects)), key=lambda n: -sizes[n]):
        for part in objects[n]:
            planes[part.found.z][part.window][part.mask] = part.found.phrase + 1
            planes_of[part.found.z][part.window][part.mask] = n + 1
    return mask, instances


def count_pixels(parts: Sequence[OutlinedDetection]) -> int:
    """Count the pixels of an object."""
    return sum(int(part.mask.sum()) for part in parts)


def describe_objects(
    objects: Sequence[Sequence[SliceDetection]],
    words: Sequence[str],
    names: Sequence[str],
    ndim: int,
) -> Detections:
    """Describe objects, one row each; an object in a volume has the score of its best slice.

    Parameters
    ----------
    objects : sequence of sequence of SliceDetection
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


def _fill_missed_slices(parts: list[SliceDetection]) -> list[SliceDetection]:
    """Interpolate boxes in the slices where the detector missed an object."""
    result = parts[:1]
    for last, following in pairwise(parts):
        better = max(last, following, key=lambda f: f.score)
        for z in range(last.z + 1, following.z):
            share = np.float32((z - last.z) / (following.z - last.z))
            box = (1 - share) * last.box + share * following.box
            score = min(last.score, following.score)
            result.append(
                SliceDetection(last.phrase, z, box, score, better.images[:1], interpolated=True)
            )
        result.append(following)
    return result


def _score(parts: Sequence[SliceDetection]) -> float:
    return max(part.score for part in parts)


def _box(parts: Sequence[SliceDetection], ndim: int) -> list[float]:
    boxes = np.array([part.box for part in parts])
    low, high = boxes[:, :2].min(axis=0).tolist(), boxes[:, 2:].max(axis=0).tolist()
    if ndim == 2:
        return [*low, *high]
    return [*low, parts[0].z, *high, parts[-1].z + 1]


def _sources(parts: Sequence[SliceDetection], names: Sequence[str]) -> str:
    seen = sorted({i for part in parts for i in part.images})
    return " and ".join(names[i] for i in seen)


def link(
    boxes: Boxes,
    slices: Sequence[int],
    kinds: Sequence[int],
    overlap: float = 0.3,
    reach: int = 2,
) -> npt.NDArray[np.intp]:
    """Link boxes of neighbouring slices that are the same object.

    Slice by slice, each object found so far gets at most one box of its kind, by the assignment
    with the largest total overlap. A slice in which the detector missed the object does not end
    it.

    Parameters
    ----------
    boxes : ndarray, shape (N, 4)
        XYXY in pixels.
    slices : sequence of int, length N
        The slice each box lies in.
    kinds : sequence of int, length N
        What each box was found for; different kinds are never one object.
    overlap : float
        Smallest intersection over union of two boxes of one object.
    reach : int
        Largest distance in slices; 2 bridges one slice without a box.

    Returns
    -------
    ndarray of int, shape (N,)
        Number of the object of each box, from 0.
    """
    from scipy.optimize import linear_sum_assignment  # half a second that opening a panel has not

    objects = np.full(len(boxes), -1, np.intp)
    of_slice, of_kind = np.asarray(slices, np.intp), np.asarray(kinds, np.intp)
    count = 0
    last: dict[int, int] = {}  # object -> its latest box
    for z in np.unique(of_slice):
        here = np.flatnonzero(of_slice == z)
        alive = [k for k, i in last.items() if z - of_slice[i] <= reach]
        latest = np.array([last[k] for k in alive], np.intp)
        shared = iou(boxes[latest].reshape(-1, 4), boxes[here])
        shared[of_kind[latest][:, None] != of_kind[here][None]] = 0
        for row, column in zip(*linear_sum_assignment(shared, maximize=True), strict=True):
            if shared[row, column] >= overlap:
                objects[here[column]] = alive[row]
        for i in here:
            if objects[i] < 0:
                objects[i] = count
                count += 1
            last[int(objects[i])] = int(i)
    return objects


def describe_words(
    words: Sequence[str], best: npt.NDArray[np.float64], rows: Detections, threshold: float
) -> Iterator[str]:
    """Note what was found where, with scores.

    Parameters
    ----------
    words : sequence of str
        Label ``k`` is the k-th of them, from 1.
    best : ndarray of float64
        The highest score of any box for each word, also below the threshold.
    rows : Detections
    threshold : float
    """
    for k, word in enumerate(words, start=1):
        of_word = np.flatnonzero(rows.label_values == k)
        if len(of_word):
            seen = [s for n in of_word for s in rows.sources[n].split(" and ")]
            where = " and ".join(dict.fromkeys(seen))
            scores = rows.scores[of_word]
            yield (
                f"{word}: {len(of_word)} found in {where}, scores {scores.min():.2f} to "
                f"{scores.max():.2f} (threshold {threshold:g})."
            )
        else:
            yield (
                f"{word}: not found; the best box scored {best[k - 1]:.3f}, below the threshold of "
                f"{threshold:g}."
            )
        if not word.isascii():
            yield f"{word}: the detector's published weights understand English only."


def describe_outlines(
    outlined: Sequence[Sequence[OutlinedDetection]], words: Sequence[str]
) -> Iterator[str]:
    """Note missing outlines, and those not from a detected box."""
    interpolated = sum(part.found.interpolated for parts in outlined for part in parts)
    if interpolated:
        yield (
            f"The detector missed an object in {interpolated} slice{'s' * (interpolated > 1)} "
            "between others; it was outlined there from its boxes on either side."
        )
    empty = [
        words[parts[0].found.phrase] for parts in outlined if parts and not count_pixels(parts)
    ]
    if empty:
        listed = ", ".join(dict.fromkeys(empty))
        yield f"SAM drew no outline for {len(empty)} of the boxes ({listed})."

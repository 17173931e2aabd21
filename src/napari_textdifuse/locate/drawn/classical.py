"""Outlines without a network: GrabCut in boxes, the most stable flood from points."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from ...volume import Volume
from ..regions import Floats, Mask, components, otsu
from .cut import cut
from .drawing import DrawnObject, window_of
from .flood import from_points
from .outline import Outline
from .pixels import channels, stretched, without_negatives

#: Margin around a box, as a share of its size, and at least this many pixels.
MARGIN, LEAST_MARGIN = 0.3, 4
#: Pixels up to which the candidates are compared at full resolution.
COMPARED = 12_000
#: Widths of smaller boxes around the middle of the drawn one that are tried, as shares of its own,
#: pixels of their narrowest side, and pixels up to which they are compared.
SHARES = (0.9, 0.8, 0.7, 0.62, 0.55, 0.48, 0.42, 0.37, 0.33)
LEAST_SIDE, SEARCHED = 6, 3_000
#: What fills a smaller box stands out by so much, as among many boxes chance does too; and a factor
#: on its score, so that the drawn box stands in doubt.
CLEAR, SMALLER = 0.6, 0.85
#: Parts that extend over less than this share of the box in every direction are noise.
REACH = 0.25
#: Minimum contrast; the limits and weights here are chosen for this program.
FAINT = 0.15
#: A start other than the whole box must be better by this much.
DOUBT = 0.9


@dataclass(frozen=True)
class _Candidate:
    score: float
    source: int
    mask: Mask


class ClassicalRefiner:
    """Finds outlines by the images' own values; nothing is learned and nothing is downloaded.

    In a box, object and background are separated by their histograms (see `cut`) in each image by
    itself, starting from the whole box and from its bright and its dark part. The candidate stays
    that differs most from what is next to it and from what is outside the box, and that reaches the
    box's edges: a box drawn around an object is touched by it. A box may be up to three times as
    wide as its object: smaller boxes around its middle are tried too, and a note says so where one
    of them is taken. Points are flooded, see `flood`.
    """

    name = "classical"

    def outline(self, images: Sequence[Volume], item: DrawnObject) -> Outline | None:
        """Find one object; see `Refiner`. The score is 1 minus the overlap of the histograms."""
        if item.box is None:
            return from_points(images, item.positive, item.negative)
        return _in_box(images, item)


@dataclass(frozen=True, eq=False)
class _Crop:
    """A box with its surround, without axes of one pixel."""

    window: tuple[slice, ...]
    inside: Mask
    known: npt.NDArray[np.int8]
    values: list[Floats]  # per image, channels first, in [0, 1]


def _in_box(images: Sequence[Volume], item: DrawnObject) -> Outline | None:
    tried = [(share, _crop(images, smaller)) for share, smaller in _smaller(item)]
    crops = [(share, crop) for share, crop in tried if crop is not None]
    if not crops:
        return None
    share, crop = max(crops, key=_fitness) if len(crops) > 1 else crops[0]
    step = _step(crop, COMPARED)
    candidates = _candidates(crop, step)
    best = max(candidates, key=lambda c: c.score)
    if best.score < FAINT:
        return None
    mask, values = best.mask, crop.values[best.source]
    if step > 1:
        start = _thickened(mask, step, crop.inside.shape)
        mask = cut(values, start, crop.inside, crop.known, rounds=2)
        mask = _large_parts(mask, crop.inside)
    points = [np.argwhere(crop.known == sign) for sign in (1, -1)]
    mask = without_negatives(mask, values.mean(axis=0), *points)
    if not mask.any():
        return None
    others = [c.score for c in candidates if c.source != best.source]
    compared = f", {max(others):.2f} in the other image" if others else ""
    note = f"histogram cut, separation {best.score:.2f}{compared}"
    if share < 1:
        note += f"; the object was taken to fill {share:.0%} of the box's width, around its middle"
    shape = [part.stop - part.start for part in crop.window]
    return Outline(crop.window, mask.reshape(shape), best.score, best.source, note)


def _smaller(item: DrawnObject) -> Iterator[tuple[float, DrawnObject]]:
    """Yield the box, and boxes around its middle, each with its share of the width.

    A box may be wider than its object; the object is then near its middle.
    """
    assert item.box is not None
    n = len(item.box) // 2
    low, high = item.box[:n], item.box[n:]
    flat = high - low <= 1  # of a single slice
    yield 1.0, item
    for share in SHARES:
        cut = np.where(flat, 0.0, (1 - share) / 2 * (high - low))
        inner = np.concatenate([low + cut, high - cut])
        wanted = item.positive[:, ::-1] + 0.5
        if ((wanted < inner[:n]) | (wanted > inner[n:])).any():
            return
        if (((high - low) * share)[~flat] < LEAST_SIDE).any():
            return
        yield share, replace(item, box=inner)


def _fitness(tried: tuple[float, _Crop]) -> float:
    """Return how well something stands out that fills a box, judged on few pixels."""
    share, crop = tried
    score = max(c.score for c in _candidates(crop, _step(crop, SEARCHED)))
    if share == 1:
        return score
    return SMALLER * score if score >= CLEAR else 0.0


def _step(crop: _Crop, pixels: int) -> int:
    return max(1, int(np.ceil((crop.inside.size / pixels) ** (1 / crop.inside.ndim))))


def _crop(images: Sequence[Volume], item: DrawnObject) -> _Crop | None:
    """Return a box with its surround; None for a single pixel."""
    assert item.box is not None
    box = window_of(item.box, images[0].shape)
    window = tuple(_widened(part, size) for part, size in zip(box, images[0].shape, strict=True))
    flat = tuple(i for i, part in enumerate(window) if part.stop - part.start == 1)
    if len(flat) == len(window):
        return None
    inside = np.zeros([part.stop - part.start for part in window], bool)
    inside[
        tuple(slice(b.start - w.start, b.stop - w.start) for b, w in zip(box, window, strict=True))
    ] = True
    values = [
        stretched(channels(image)[(slice(None), *window)].squeeze(tuple(i + 1 for i in flat)))
        for image in images
    ]
    return _Crop(window, inside.squeeze(flat), _known(item, window).squeeze(flat), values)


def _candidates(crop: _Crop, step: int) -> list[_Candidate]:
    """Cut in every image from every start, on every `step`-th pixel."""
    every = (slice(None, None, step),) * crop.inside.ndim
    inside, known = crop.inside[every], crop.known[every]
    result = []
    for source, full in enumerate(crop.values):
        values = _thinned(full, step)
        for name, start in _starts(values, inside):
            mask = _large_parts(cut(values, start, inside, known), inside)
            trust = 1 if name == "box" else DOUBT
            result.append(_Candidate(trust * _score(values, mask, inside), source, mask))
    return result


def _widened(part: slice, size: int) -> slice:
    if part.stop - part.start == 1:  # a box in one slice says nothing about its neighbours
        return part
    margin = max(LEAST_MARGIN, round(MARGIN * (part.stop - part.start)))
    return slice(max(0, part.start - margin), min(size, part.stop + margin))


def _known(item: DrawnObject, window: tuple[slice, ...]) -> npt.NDArray[np.int8]:
    """Mark the pixels around each point, as far as a click can be trusted."""
    shape = [part.stop - part.start for part in window]
    known = np.zeros(shape, np.int8)
    for points, sign in ((item.positive, 1), (item.negative, -1)):
        for point in points:
            near = tuple(
                slice(max(0, p - w.start - 1), max(0, p - w.start + 2))
                for p, w in zip(point, window, strict=True)
            )
            known[near] = sign
    return known


def _thinned(values: Floats, step: int) -> Floats:
    if step == 1:
        return values
    sigma = (0.0, *(0.4 * step,) * (values.ndim - 1))
    smooth = ndimage.gaussian_filter(values, sigma, mode="nearest")
    return np.ascontiguousarray(
        smooth[(slice(None), *(slice(None, None, step),) * (values.ndim - 1))]
    )


def _thickened(mask: Mask, step: int, shape: tuple[int, ...]) -> Mask:
    for axis in range(mask.ndim):
        mask = mask.repeat(step, axis)
    return mask[tuple(slice(0, size) for size in shape)]


def _starts(values: Floats, inside: Mask) -> Iterator[tuple[str, Mask]]:
    """First ideas of the object: the box; for hollow ones, such as a skull, its extremes."""
    yield "box", inside
    grey = values.mean(axis=0)
    levels = otsu(grey[inside], 3)
    if levels:
        yield "bright", inside & (grey > levels[-1])
        yield "dark", inside & (grey <= levels[0])


def _large_parts(mask: Mask, inside: Mask) -> Mask:
    """Drop the parts that are short in all directions: noise is scattered, objects are not."""
    whole = ndimage.find_objects(inside.astype(np.int8))[0]
    labels, _ = components(mask)
    long = [
        any(
            part.stop - part.start >= REACH * (of.stop - of.start)
            for part, of in zip(box, whole, strict=True)
        )
        for box in ndimage.find_objects(labels)
    ]
    return np.asarray(np.array([False, *long])[labels])


def _score(values: Floats, mask: Mask, inside: Mask) -> float:
    """Return how clearly a mask stands out and fills its box, 0 to 1."""
    outside = ~inside
    if not mask.any() or not outside.any():
        return 0.0
    structure = ndimage.generate_binary_structure(mask.ndim, 1)
    near = ndimage.binary_dilation(mask, structure, iterations=4) & ~mask
    return difference(values, mask, near) * difference(values, mask, outside) * _fit(mask, inside)


def difference(values: Floats, one: Mask, other: Mask, bins: int = 32) -> float:
    """Return 1 minus the overlap of two regions' histograms, in the channel that shows it best."""
    if not one.any() or not other.any():
        return 0.0

    def histogram(channel: Floats, region: Mask) -> npt.NDArray[np.float64]:
        index = np.clip((channel[region] * bins).astype(np.intp), 0, bins - 1)
        counts = np.bincount(index, minlength=bins) / index.size
        return np.asarray(ndimage.gaussian_filter1d(counts, 0.5))

    return max(1 - float(np.minimum(histogram(c, one), histogram(c, other)).sum()) for c in values)


def _fit(mask: Mask, inside: Mask) -> float:
    """Return how well the mask's own box fills the drawn one."""
    share = 1.0
    for axis in range(mask.ndim):
        others = tuple(i for i in range(mask.ndim) if i != axis)
        spans = [np.flatnonzero(m.any(axis=others)) for m in (mask, inside)]
        own, whole = (s[-1] - s[0] + 1 for s in spans)
        share *= float(own / whole)
    return share

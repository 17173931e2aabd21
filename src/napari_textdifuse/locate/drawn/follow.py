"""From an outline in one slice to the whole object, slice after slice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from ...volume import Volume
from ..regions import Floats, Mask, touching
from .cut import cut_by_likeness, likeness
from .outline import Outline
from .pixels import channels

#: How far an object may extend beyond the previous slice: a share of its width, and pixels.
REACH, LEAST_REACH = 0.15, 2
#: Width of the background considered, in the same terms.
MARGIN, LEAST_MARGIN = 0.5, 6
#: The same object shares at least this much of the smaller of two neighbouring slices, ...
OVERLAP = 0.5
#: ... keeps this share of its contrast with its surround, ...
CONTRAST = 0.4
#: ... and does not become this many times larger again where it had shrunk to this share of its
#: largest slice: there another one begins. (All of these are chosen for this program.)
REGROWTH, NECK = 2.0, 0.15


def follow(images: Sequence[Volume], outline: Outline) -> Outline:
    """Follow an object from the slice it was outlined in, up and down.

    The appearance of the object and its surround is learned from that slice in the image that shows
    it (see `likeness`). In the next slice, the region that looks the same and is connected to the
    previous one is the object. It ends where there is no such region, where that region is
    elsewhere, where its contrast is lost, or at a neck beyond which something larger begins.

    Parameters
    ----------
    images : sequence of Volume
        Volumes on one grid.
    outline : Outline
        In one slice.

    Returns
    -------
    Outline
        Through all its slices; the drawn one is unchanged. The given outline, if it ends there.
    """
    shape = images[0].shape
    start, z = np.zeros(shape[1:], bool), outline.window[0].start
    start[outline.window[1:]] = outline.mask[0]
    image = images[_shown_by(images, start, z) if outline.source is None else outline.source]
    looks = _looks_of(image, start, z)
    if looks is None:
        return outline
    mask = np.zeros(shape, bool)
    mask[z] = start
    for step in (1, -1):
        before, sizes = start, [int(start.sum())]
        for k in range(z + step, shape[0] if step > 0 else -1, step):
            found = _next(image, looks, before, k)
            if found is None or _regrown([*sizes, int(found.sum())]):
                break
            mask[k] = before = found
            sizes.append(int(found.sum()))
    planes = np.flatnonzero(mask.any(axis=(1, 2)))
    if len(planes) == 1:
        return outline
    depth = slice(int(planes[0]), int(planes[-1]) + 1)
    window = (depth, *(slice(0, size) for size in shape[1:]))
    return Outline(window, mask[depth], outline.score, outline.source, outline.note)


@dataclass(frozen=True, eq=False)
class _Looks:
    """The appearance of an object in one image."""

    low: Floats  # per channel
    high: Floats
    table: npt.NDArray[np.float32]
    contrast: float

    def scaled(self, values: Floats) -> Floats:
        return np.clip((values - self.low) / np.maximum(self.high - self.low, 1e-6), 0, 1)


def _looks_of(image: Volume, mask: Mask, z: int) -> _Looks | None:
    """Learn from a slice; None where the object does not stand out."""
    window = _widened(mask, MARGIN, LEAST_MARGIN)
    values, here = _plane(image, z, window), mask[window]
    contrast = _contrast(values, here)
    low, high = (
        np.percentile(values, q, axis=(1, 2), keepdims=True).astype(np.float32) for q in (0.5, 99.5)
    )
    if contrast == 0 or here.all():
        return None
    looks = _Looks(low, high, np.zeros(0, np.float32), contrast)
    return _Looks(low, high, likeness(looks.scaled(values), here), contrast)


def _next(image: Volume, looks: _Looks, before: Mask, z: int) -> Mask | None:
    """Find the object in slice `z`, knowing where it was in the slice before."""
    window = _widened(before, MARGIN, LEAST_MARGIN)
    values, there = _plane(image, z, window), before[window]
    inside = ndimage.binary_dilation(there, iterations=_pixels(there, REACH, LEAST_REACH))
    found = touching(cut_by_likeness(looks.scaled(values), looks.table, inside), there)
    if not found.any() or (found & there).sum() < OVERLAP * min(found.sum(), there.sum()):
        return None
    if _contrast(values, found) / looks.contrast < CONTRAST:
        return None
    result = np.zeros(before.shape, bool)
    result[window] = found
    return result


def _regrown(sizes: list[int]) -> bool:
    """Return whether an object shrank to a neck and grows again beyond it."""
    neck = sizes.index(min(sizes))
    return sizes[neck] < NECK * max(sizes[: neck + 1]) and sizes[-1] > REGROWTH * sizes[neck]


def _shown_by(images: Sequence[Volume], mask: Mask, z: int) -> int:
    """Return the image in which a mask differs most from its surround, relative to the noise."""
    window = _widened(mask, MARGIN, LEAST_MARGIN)
    here, scores = mask[window], []
    for image in images:
        values = _plane(image, z, window)
        spread = float(values[:, here].std() + values[:, ~here].std())
        scores.append(abs(_contrast(values, here)) / (spread + 1e-9))
    return int(np.argmax(scores))


def _contrast(values: Floats, mask: Mask) -> float:
    """Return the mean within less the mean around, a few pixels wide."""
    near = ndimage.binary_dilation(mask, iterations=LEAST_MARGIN // 2) & ~mask
    return float(values[:, mask].mean() - values[:, near].mean()) if near.any() else 0.0


def _plane(image: Volume, z: int, window: tuple[slice, ...]) -> Floats:
    return channels(image.with_array(image.array[z][window], affine=None))


def _pixels(mask: Mask, share: float, least: int) -> int:
    return max(least, round(share * float(mask.sum()) ** 0.5))


def _widened(mask: Mask, share: float, least: int) -> tuple[slice, ...]:
    """Return the rows and columns of a mask with a margin."""
    margin = _pixels(mask, share, least)
    (box,) = ndimage.find_objects(mask.astype(np.int8))
    return tuple(
        slice(max(0, part.start - margin), min(size, part.stop + margin))
        for part, size in zip(box, mask.shape, strict=True)
    )

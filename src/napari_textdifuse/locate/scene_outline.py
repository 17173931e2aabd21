"""Outlines of persons and cars in their boxes: warm parts, else a cut by the histograms."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy import ndimage

from ..volume import Volume
from .boxes import iou
from .regions import Floats, Mask, closing, components, empty, opening, otsu

Box = tuple[slice, ...]

#: How much warmer than its neighbourhood something must be, as a share of the range.
_STANDS_OUT = 0.15
#: Smallest car in the warm parts, as a share of the image's height.
_SMALLEST = 0.04
#: How much of its own size a box may miss of the object at each side.
_MARGIN = 0.08
#: How well an outline must fill its box (intersection over union of the two boxes).
_FITS = 0.45
#: How much of its box an object covers at least.
_FILLS = {"person": 0.2, "car": 0.45}


class Outliner:
    """Finds the outlines of objects in a pair of images; one of them may be absent.

    Parameters
    ----------
    visible : ndarray, shape (Y, X) or (Y, X, 3), or None
    infrared : ndarray, shape (Y, X), or None
    """

    def __init__(self, visible: Floats | None, infrared: Floats | None) -> None:
        self.pictures = [] if infrared is None else [Volume(infrared, modality="IR")]
        if visible is not None:
            self.pictures.append(Volume(visible, rgb=visible.ndim == 3, modality="VIS"))
        self.warm = {} if infrared is None else {"person": _warm(infrared)}
        if infrared is not None:
            self.warm["car"] = _cars(infrared, self.warm["person"])

    def outline(self, box: Floats, label: str) -> tuple[Mask, str]:
        """Return the object in a box, and how it was found, as the end of a sentence."""
        shape = self.pictures[0].shape
        window = _window(box, shape)
        if label in self.warm:
            mask = _of_the_box(self.warm[label], window)
            if _is_whole(mask, box, label):
                return mask, "its warm part"
        cut = self._cut(box)
        if cut is not None and _is_whole(cut, box, label):
            return cut, "cut by the histograms in its box"
        return _rounded(box, shape), "its box with rounded corners, because no outline stands out"

    def _cut(self, box: Floats) -> Mask | None:
        from .drawn.classical import ClassicalRefiner
        from .drawn.drawing import DrawnObject

        item = DrawnObject("box", 1, "object", box=np.asarray(box, np.float64))
        found = ClassicalRefiner().outline(self.pictures, item)
        if found is None:
            return None
        mask = np.zeros(self.pictures[0].shape, bool)
        mask[found.window] = found.mask
        return mask


def _window(box: Floats, shape: tuple[int, ...]) -> Box:
    wide, tall = box[2] - box[0], box[3] - box[1]
    low = [box[1] - _MARGIN * tall, box[0] - _MARGIN * wide]
    high = [box[3] + _MARGIN * tall, box[2] + _MARGIN * wide]
    return tuple(
        slice(max(0, int(a)), min(n, int(np.ceil(b))))
        for a, b, n in zip(low, high, shape, strict=True)
    )


def _of_the_box(mask: Mask, window: Box) -> Mask:
    """Keep the parts that lie mostly in the box."""
    result = empty(mask)
    labels, count = components(mask)
    if not count:
        return result
    whole = np.bincount(labels.ravel(), minlength=count + 1)
    inside = np.bincount(labels[window].ravel(), minlength=count + 1)
    keep = inside > 0.5 * whole
    keep[0] = False
    result[window] = keep[labels[window]]
    return result


def _is_whole(mask: Mask, box: Floats, label: str) -> bool:
    """Return whether an outline is that of the object, not of a part of it or of more."""
    size = float((box[2] - box[0]) * (box[3] - box[1]))
    return _fit(mask, box) >= _FITS and float(mask.sum()) >= _FILLS.get(label, 0) * size


def _fit(mask: Mask, box: Floats) -> float:
    found = ndimage.find_objects(mask.astype(np.int8))
    if not found:
        return 0.0
    rows, columns = found[0]
    own = np.array([[columns.start, rows.start, columns.stop, rows.stop]], np.float32)
    return float(iou(own, box[None])[0, 0])


def _rounded(box: Floats, shape: tuple[int, ...]) -> Mask:
    y, x = np.ogrid[: shape[0], : shape[1]]
    u = (x + 0.5 - (box[0] + box[2]) / 2) / max((box[2] - box[0]) / 2, 1e-6)
    v = (y + 0.5 - (box[1] + box[3]) / 2) / max((box[3] - box[1]) / 2, 1e-6)
    return np.asarray(u**4 + v**4 < 1)


def _cars(plane: Floats, warm: Mask) -> Mask:
    """Join warm parts that are not upright shapes, and add what is connected to them."""
    height = plane.shape[0]

    def upright(part: Mask, _: Box) -> bool:
        return part.shape[0] / part.shape[1] >= 1.15

    def wide(part: Mask, _: Box) -> bool:
        tall, across = part.shape
        return across >= max(2 * _SMALLEST * height, 8) and 0.9 <= across / tall <= 5

    joined = closing(warm & ~_keep(warm, upright), (1.0, 1.0), height / 25)
    return _with_cooler_parts(plane, _keep(joined, wide))


def _scaled(plane: Floats) -> tuple[Floats, Floats] | None:
    """Return smoothed warmth in [0, 1] and its local mean; None for a blank image."""
    height = plane.shape[0]
    low, high = np.percentile(plane, (0.5, 99.8))
    if high <= low:
        return None
    scaled = np.clip((plane - low) / (high - low), 0, 1)
    scaled = ndimage.gaussian_filter(scaled, max(height / 500, 0.5))
    return scaled, ndimage.uniform_filter(scaled, max(height // 4, 3), mode="reflect")


def _warm(plane: Floats) -> Mask:
    """Return pixels of the hottest class that also stand out from their neighbourhood."""
    found = _scaled(plane)
    levels = otsu(found[0], 3) if found is not None else []
    if found is None or not levels:
        return empty(plane)
    scaled, local = found
    hot = (scaled > levels[-1]) & (scaled > local + _STANDS_OUT)
    height = plane.shape[0]
    return opening(hot, (1.0, 1.0), max(height / 500, 1.0))


def _with_cooler_parts(plane: Floats, mask: Mask) -> Mask:
    """Add what is joined to each object and a little warmer than around: cabin, mirrors.

    Up to as much again above it, and a tenth of its width at the sides.
    """
    found = _scaled(plane)
    if found is None:
        return mask
    scaled, local = found
    lukewarm = scaled > local + _STANDS_OUT / 5
    result = mask.copy()
    labels, _ = components(mask)
    for index, (rows, columns) in enumerate(ndimage.find_objects(labels), start=1):
        tall, wide = rows.stop - rows.start, columns.stop - columns.start
        around = (
            slice(max(0, rows.start - tall), rows.stop),
            slice(max(0, columns.start - wide // 10), columns.stop + wide // 10),
        )
        part = labels[around] == index
        grown = ndimage.binary_propagation(part, mask=lukewarm[around] | part)
        grown = ndimage.binary_fill_holes(closing(grown, (1.0, 1.0), plane.shape[0] / 100))
        if grown.sum() <= 2.5 * part.sum():  # more is the warm ground
            result[around] |= grown
    return result


def _keep(mask: Mask, accept: Callable[[Mask, Box], bool]) -> Mask:
    labels, _ = components(mask)
    result = empty(mask)
    for index, box in enumerate(ndimage.find_objects(labels), start=1):
        part = labels[box] == index
        if accept(part, box):
            result[box] |= part
    return result

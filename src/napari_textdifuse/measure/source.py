"""The values of a source image inside the labels of a mask, on the source's own grid."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from ..colour import BT601
from ..spatial import resample_to
from ..spatial.grid import SAME_GRID, index_map
from ..volume import Array, Volume

Floats = npt.NDArray[np.float64]
Labels = npt.NDArray[np.uint8]

#: Voxels that are processed together.
SLAB_VOXELS = 2**22


@dataclass
class Extent:
    """The extent of one label in a mask.

    Parameters
    ----------
    voxels : int
    total : ndarray
        Sum of the voxels' indices.
    slices : set of int
    low, high : list of int
        Bounding box, half open.
    """

    voxels: int
    total: Floats
    slices: set[int] = field(default_factory=set)
    low: list[int] = field(default_factory=list)
    high: list[int] = field(default_factory=list)

    @property
    def window(self) -> tuple[slice, ...]:
        """Index of the bounding box."""
        return tuple(slice(a, b) for a, b in zip(self.low, self.high, strict=True))


def extents(mask: Labels, axis: int = 0) -> dict[int, Extent]:
    """Find every label of a mask, slab by slab.

    Parameters
    ----------
    mask : ndarray of uint8, shape (Y, X) or (Z, Y, X)
    axis : int
        Array axis along which slices are counted; a 2-D image is one slice.
    """
    found: dict[int, Extent] = {}
    for slab in slabs(mask.shape):
        part = mask[slab]
        for label in labels_in(part):
            inside = part == label
            here = found.setdefault(label, Extent(0, np.zeros(mask.ndim)))
            here.voxels += int(np.count_nonzero(inside))
            low, high = [], []
            for k in range(mask.ndim):
                others = tuple(n for n in range(mask.ndim) if n != k)
                counts = np.count_nonzero(inside, axis=others)
                filled = np.flatnonzero(counts)
                places = filled + (slab.start if k == 0 else 0)
                here.total[k] += places @ counts[filled]
                low.append(int(places[0]))
                high.append(int(places[-1]) + 1)
                if k == axis and mask.ndim == 3:
                    here.slices.update(places.tolist())
            if mask.ndim == 2:
                here.slices = {0}
            here.low = [min(p) for p in zip(here.low or low, low, strict=True)]
            here.high = [max(p) for p in zip(here.high or high, high, strict=True)]
    return found


def slabs(shape: tuple[int, ...]) -> Iterator[slice]:
    """Split the first axis of an array into slices of at most `SLAB_VOXELS`."""
    size = max(1, SLAB_VOXELS // max(1, int(np.prod(shape[1:]))))
    for start in range(0, shape[0], size):
        yield slice(start, min(start + size, shape[0]))


def labels_in(mask: Labels) -> list[int]:
    """Return the labels of a mask, without 0."""
    return [int(v) for v in np.flatnonzero(np.bincount(mask.ravel(), minlength=1)) if v]


class MaskedSource:
    """A mask and one source image, each on its own grid.

    Parameters
    ----------
    mask : Volume
        uint8 labels.
    source : Volume
        In its place in space; may be lazy. If one of them has no geometry, they cover each other
        edge to edge, as in fusion.
    labels : mapping of int to Extent
        See `extents`.
    """

    def __init__(self, mask: Volume, source: Volume, labels: Mapping[int, Extent]) -> None:
        self.placed = mask.affine is not None and source.affine is not None
        if not self.placed:
            mask, source = replace(mask, affine=None), replace(source, affine=None)
        self._mask, self.source, self._labels = mask, source, labels
        # from indices of the mask to those of the source
        if self.placed:
            self._matrix, self._offset = index_map(source, mask)
        else:
            ratios = np.array(source.shape) / np.array(mask.shape)
            self._matrix, self._offset = np.diag(ratios), (ratios - 1) / 2
        n = mask.ndim
        self._same = (
            mask.shape == source.shape
            and np.allclose(self._matrix, np.eye(n), atol=SAME_GRID / max(mask.shape))
            and bool(np.abs(self._offset).max() < SAME_GRID)
        )

    def values(self) -> dict[int, Array]:
        """Return the source's finite values inside each label, in float64.

        A voxel of the source belongs to a label if its centre lies in a voxel of the mask. If a
        label is too small to contain a centre, the voxels at the mask's centres count.
        """
        parts: dict[int, list[Array]] = {label: [] for label in self._labels}
        for window in self._windows():
            labels = self._labels_on(window)
            here = labels_in(labels)
            if not here:
                continue
            values = _grey(self.source.array[window], self.source.rgb)
            for label in here:
                parts[label].append(values[labels == label])
        found = {}
        for label, pieces in parts.items():
            values = np.concatenate(pieces) if pieces else self._under(label)
            values = values.astype(np.float64)
            found[label] = values[np.isfinite(values)]
        return found

    def places(self, label: int) -> Floats:
        """Return the centres of a label's voxels as indices of the source, inside it or not."""
        extent = self._labels[label]
        where = np.argwhere(self._mask.array[extent.window] == label) + np.array(extent.low)
        places: Floats = where @ self._matrix.T + self._offset
        return places

    def inside(self, places: Floats) -> npt.NDArray[np.bool_]:
        """Mark the positions within the outer edges of the source."""
        within = (places > -0.5 - SAME_GRID) & (
            places < np.array(self.source.shape) - 0.5 + SAME_GRID
        )
        return np.asarray(within.all(axis=1))

    def _windows(self) -> Iterator[tuple[slice, ...]]:
        """Yield parts of the source that together contain all labels."""
        if not self._labels:
            return
        low = np.min([e.low for e in self._labels.values()], axis=0) - 0.5
        high = np.max([e.high for e in self._labels.values()], axis=0) - 0.5
        corners = np.stack(np.meshgrid(*zip(low, high, strict=True)), axis=-1)
        places = corners.reshape(-1, len(low)) @ self._matrix.T + self._offset
        first = np.clip(np.floor(places.min(axis=0)), 0, self.source.shape).astype(int)
        last = np.clip(np.ceil(places.max(axis=0)) + 1, 0, self.source.shape).astype(int)
        if (last <= first).any():
            return
        rest = tuple(slice(int(a), int(b)) for a, b in zip(first[1:], last[1:], strict=True))
        for slab in slabs(tuple((last - first).tolist())):
            yield (slice(int(first[0]) + slab.start, int(first[0]) + slab.stop), *rest)

    def _labels_on(self, window: tuple[slice, ...]) -> Labels:
        """Return the label at the centre of each voxel of a part of the source."""
        mask = self._mask
        if self._same:
            return np.asarray(mask.array[window])
        first = np.array([s.start for s in window])
        shape = tuple(s.stop - s.start for s in window)
        if self.source.affine is not None:
            shift = np.eye(4)
            shift[: len(first), 3] = first[::-1]
            grid = Volume(np.zeros(shape, np.uint8), affine=self.source.affine @ shift)
            moved = resample_to(mask, grid, order=0, fill=0, check_overlap=False)
            return moved.volume.array.astype(np.uint8, copy=False)
        back = [
            np.clip(np.floor((np.arange(n) + f - o) / k + 0.5).astype(np.intp), 0, size - 1)
            for n, f, o, k, size in zip(
                shape, first, self._offset, np.diag(self._matrix), mask.shape, strict=True
            )
        ]
        return np.asarray(mask.array[np.ix_(*back)])

    def _under(self, label: int) -> Array:
        """Return the values of the source's voxels at the centres of a label's voxels."""
        places = self.places(label)
        nearest = np.floor(places[self.inside(places)] + 0.5).astype(np.intp)
        nearest = np.clip(nearest, 0, np.array(self.source.shape) - 1)
        voxels = [
            np.asarray(self.source.array[tuple(i)]) for i in np.unique(nearest, axis=0).tolist()
        ]
        return _grey(np.array(voxels), self.source.rgb) if voxels else np.zeros(0)


def _grey(values: Any, rgb: bool) -> Array:
    """Return grey values, or the brightness (BT.601) of colours on their own scale."""
    values = np.asarray(values)
    if not rgb:
        return values
    brightness: Array = values[..., :3].astype(np.float64) @ np.array(BT601)
    return brightness

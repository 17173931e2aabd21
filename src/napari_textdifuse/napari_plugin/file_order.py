"""The order of the axes in a layer's file, which differs from that on the screen.

A fusion works on the arrays of the files, as on the command line, so that both give the same
pixels. What is drawn and chosen on the screen is turned to the order of the file before, and the
result is turned back after it. Nothing is resampled.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from ..volume import KEY, Array, Volume

Floats = npt.NDArray[np.float64]

#: In ``metadata["textdifuse"]`` of a layer: the entries of a `Turn`.
FILE_ORDER = "file_order"
#: Millimetres within which a computed affine is that of the file.
NEAR = 1e-6


@dataclass(frozen=True)
class Turn:
    """How a layer's array follows from that of its file.

    Parameters
    ----------
    axes : tuple of int
        For each spatial axis of the layer, the axis of the file.
    flipped : tuple of bool
        For each spatial axis of the layer, whether it runs the other way.
    affine : ndarray, shape (4, 4), optional
        Of the file; used where the layer's is the same but for rounding.
    """

    axes: tuple[int, ...]
    flipped: tuple[bool, ...]
    affine: Floats | None = None

    @property
    def known(self) -> dict[str, Any]:
        """Plain values for the metadata of a layer; see `turn_of`."""
        affine = None if self.affine is None else self.affine.tolist()
        return {"axes": list(self.axes), "flipped": list(self.flipped), "affine": affine}

    @property
    def changes(self) -> bool:
        """Whether the two orders differ at all."""
        return any(self.flipped) or list(self.axes) != sorted(self.axes)

    def to_layer(self, array: Array) -> Array:
        """Turn an array of the file's order; a last axis of colours stays where it is."""
        n = len(self.axes)
        turned = array.transpose(*self.axes, *range(n, array.ndim))
        return np.ascontiguousarray(np.flip(turned, self._reversed))

    def to_file(self, array: Array) -> Array:
        """Turn an array of the layer's order."""
        n = len(self.axes)
        turned = np.flip(array, self._reversed)
        return np.ascontiguousarray(turned.transpose(*np.argsort(self.axes), *range(n, array.ndim)))

    def volume_to_file(self, volume: Volume) -> Volume:
        """Turn a volume of the layer's order, with its affine; one without is unchanged."""
        if volume.affine is None:
            return volume
        affine = volume.affine @ self._layer_from_file(volume.shape)
        if self.affine is not None and np.allclose(affine, self.affine, rtol=0, atol=NEAR):
            affine = self.affine
        return replace(volume, array=self.to_file(volume.array), affine=affine)

    def volume_to_layer(self, volume: Volume) -> Volume:
        """Turn a volume of the file's order, with its affine."""
        array = self.to_layer(volume.array)
        affine = volume.affine
        if affine is not None:
            shape = array.shape[: len(self.axes)]
            affine = affine @ np.linalg.inv(self._layer_from_file(shape))
        return replace(volume, array=array, affine=affine)

    def points_to_file(self, points: npt.ArrayLike, shape: tuple[int, ...]) -> Floats:
        """Turn points of the layer's grid.

        Parameters
        ----------
        points : array_like, shape (N, n)
            Pixels with x first; pixel i reaches from i to i + 1.
        shape : tuple of int
            Of the layer's grid.
        """
        given = np.asarray(points, float).reshape(-1, len(self.axes))[:, ::-1]
        turned = np.empty_like(given)
        for axis, (target, flip) in enumerate(zip(self.axes, self.flipped, strict=True)):
            turned[:, target] = shape[axis] - given[:, axis] if flip else given[:, axis]
        return turned[:, ::-1]

    def boxes_to_file(self, boxes: npt.ArrayLike, shape: tuple[int, ...]) -> Floats:
        """Turn boxes of the layer's grid; see `points_to_file`."""
        n = len(self.axes)
        corners = self.points_to_file(np.asarray(boxes, float).reshape(-1, n), shape)
        return _boxes(corners.reshape(-1, 2, n))

    def boxes_to_layer(self, boxes: npt.ArrayLike, shape: tuple[int, ...]) -> Floats:
        """Turn boxes of the file's grid.

        Parameters
        ----------
        boxes : array_like, shape (N, 2 n)
        shape : tuple of int
            Of the layer's grid.
        """
        n = len(self.axes)
        given = np.asarray(boxes, float).reshape(-1, n)[:, ::-1][:, list(self.axes)]
        for axis, flip in enumerate(self.flipped):
            if flip:
                given[:, axis] = shape[axis] - given[:, axis]
        return _boxes(given[:, ::-1].reshape(-1, 2, n))

    def index_to_layer(self, index: Sequence[float], shape: tuple[int, ...]) -> list[float]:
        """Turn an index of the file's grid, z first; the shape is that of the layer's grid."""
        found = [index[source] for source in self.axes]
        return [
            n - 1 - value if flip else value
            for value, flip, n in zip(found, self.flipped, shape, strict=True)
        ]

    def slice_to_file(self, axis: int, index: int, count: int) -> int:
        """Turn the number of a slice along an axis of the layer, of so many."""
        return count - 1 - index if self.flipped[axis] else index

    def extent_to_file(self, options: Mapping[str, Any], shape: tuple[int, ...]) -> dict[str, Any]:
        """Turn ``axis`` and ``slices`` among options of a fusion.

        Parameters
        ----------
        options : mapping
        shape : tuple of int
            Of the layer's grid.
        """
        turned = dict(options)
        if len(shape) < 3:
            return turned
        axis, slices = int(turned.pop("axis", 0)), turned.get("slices")
        if self.axes[axis]:
            turned["axis"] = self.axes[axis]
        if isinstance(slices, int):
            turned["slices"] = self.slice_to_file(axis, slices, shape[axis])
        elif slices is not None and self.flipped[axis]:
            turned["slices"] = (shape[axis] - slices[1], shape[axis] - slices[0])
        return turned

    @property
    def _reversed(self) -> tuple[int, ...]:
        return tuple(axis for axis, flip in enumerate(self.flipped) if flip)

    def _layer_from_file(self, shape: tuple[int, ...]) -> Floats:
        """Return the matrix from indices of the file to those of the layer, x first."""
        n = len(self.axes)
        matrix = np.eye(4)
        matrix[:n, :n] = 0
        for axis, (source, flip) in enumerate(zip(self.axes, self.flipped, strict=True)):
            matrix[n - 1 - axis, n - 1 - source] = -1 if flip else 1
            if flip:
                matrix[n - 1 - axis, 3] = shape[axis] - 1
        return matrix


def turn_of(layer: Any) -> Turn | None:
    """Return the order of the file that a layer was read from; None if it is the layer's own."""
    known = layer.metadata.get(KEY, {})
    order = known.get(FILE_ORDER)
    if not order or "affine" not in known or len(order["axes"]) != min(layer.ndim, 3):
        return None
    affine = order.get("affine")
    return Turn(
        tuple(order["axes"]),
        tuple(order["flipped"]),
        None if affine is None else np.array(affine, float),
    )


def _boxes(corners: Floats) -> Floats:
    low, high = corners.min(axis=1), corners.max(axis=1)
    return np.concatenate([low, high], axis=1)

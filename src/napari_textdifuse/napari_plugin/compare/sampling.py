"""Image layers on one grid of the viewer's world, as they are shown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
import numpy.typing as npt

from ...spatial.layers import data_to_world, in_millimetres
from ...volume import MILLIMETRES

Floats = npt.NDArray[np.float64]
Bytes = npt.NDArray[np.uint8]

#: Longest side of the common grid, in pixels; wider worlds are shown at coarser steps.
MAX_SIDE = 4096
_EDGE = 0.5 + 1e-6  # voxels reach half a step beyond their centres
_LEVELS = 1024  # of a colormap


@dataclass(frozen=True)
class WorldGrid:
    """A grid along the viewer's axes.

    Parameters
    ----------
    scale, translate : ndarray, shape (n,)
        Size of a voxel, and the centre of the first one, in the world's units.
    shape : tuple of int
    units : tuple
        Of the world's axes, as napari writes them.
    """

    scale: Floats
    translate: Floats
    shape: tuple[int, ...]
    units: tuple[Any, ...]


class LayerView:
    """The pixels of an image layer at positions in the world.

    Parameters
    ----------
    layer : napari.layers.Image or Labels
        Only read; for a pyramid, the finest level within `MAX_SIDE`.
    millimetres : bool
        Whether lengths are converted to millimetres; by default the world is in the layer's unit.
    """

    def __init__(self, layer: Any, millimetres: bool = False) -> None:
        n = int(layer.ndim)
        data, matrix = layer.data, _matrix(layer, millimetres)
        if layer.multiscale:
            fits = (i for i, shape in enumerate(layer.level_shapes) if max(shape[:n]) <= MAX_SIDE)
            level = next(fits, len(layer.data) - 1)
            shapes = np.asarray(layer.level_shapes, dtype=float)[:, :n]
            data = layer.data[level]
            matrix = matrix @ np.diag(np.r_[shapes[0] / shapes[level], 1])
        self.layer = layer
        self.data = data
        self.matrix = matrix
        self.shape = tuple(int(size) for size in data.shape[:n])
        self._inverse = np.linalg.inv(matrix)

    def corners(self) -> Floats:
        """Return the world coordinates of the corner voxels' centres, shape (2 ** n, n)."""
        index = np.array(list(product(*((0, size - 1) for size in self.shape))), dtype=float)
        return index @ self.matrix[:-1, :-1].T + self.matrix[:-1, -1]

    def steps(self) -> Floats:
        """Return the smallest voxel size along every axis of the world, shape (n,)."""
        linear = self.matrix[:-1, :-1]
        sizes, along = np.linalg.norm(linear, axis=0), np.abs(linear).argmax(axis=0)
        return np.array(
            [min(sizes[along == axis], default=sizes.min()) for axis in range(len(sizes))]
        )

    def values(self, world: Sequence[Floats]) -> tuple[npt.NDArray[Any], npt.NDArray[np.bool_]]:
        """Look up the nearest voxels, as napari shows them by default.

        Parameters
        ----------
        world : sequence of ndarray
            Coordinates along the world's axes, broadcastable against each other; only the last
            ones are used if there are more than the layer has.

        Returns
        -------
        values : ndarray
            Of the broadcast shape, and a last axis of colours if the layer has them.
        inside : ndarray of bool
            Where the layer has a voxel.
        """
        shape = np.broadcast_shapes(*(axis.shape for axis in world))
        inside = np.ones(shape, np.bool_)
        places = world[len(world) - len(self.shape) :]
        index, block = [], []
        for row, size in zip(self._inverse[:-1], self.shape, strict=True):
            # an axis without influence is left out, so that straight grids stay vectors
            exact = sum(
                (factor * axis for factor, axis in zip(row, places, strict=False) if factor),
                np.asarray(row[-1]),
            )
            inside &= (exact >= -_EDGE) & (exact <= size - 1 + _EDGE)
            nearest = np.clip(np.rint(exact), 0, size - 1).astype(np.intp)
            first = int(nearest.min())
            block.append(slice(first, int(nearest.max()) + 1))  # lazy data reads no more
            index.append(nearest - first)
        values = np.asarray(self.data[tuple(block)])[tuple(index)]
        colours = values.shape[values.ndim - 1 :] if getattr(self.layer, "rgb", False) else ()
        return np.broadcast_to(values, (*shape, *colours)), inside

    def pixels(self, world: Sequence[Floats]) -> Bytes:
        """Return the layer's RGBA colours at positions; transparent where it has no voxel."""
        values, inside = self.values(world)
        shown = _coloured(values) if self.layer.rgb else self._mapped(values)
        shown[..., 3] = np.where(inside, shown[..., 3], 0)
        return shown

    def _mapped(self, values: npt.NDArray[Any]) -> Bytes:
        """Apply contrast limits, gamma and colormap."""
        layer = self.layer
        low, high = (float(limit) for limit in layer.contrast_limits)
        with np.errstate(invalid="ignore"):
            share = (values.astype(np.float32) - low) / ((high - low) or 1.0)
            level = np.clip(np.nan_to_num(share), 0, 1) ** float(layer.gamma) * (_LEVELS - 1)
        table = np.rint(layer.colormap.map(np.linspace(0, 1, _LEVELS)) * 255).astype(np.uint8)
        shown: Bytes = table[np.rint(level).astype(np.intp)]
        if values.dtype.kind == "f":
            shown[np.isnan(values)] = 0
        return shown


def same_world(layers: Sequence[Any]) -> tuple[list[LayerView], tuple[Any, ...]]:
    """Make views of layers in one unit.

    Parameters
    ----------
    layers : sequence of napari.layers.Image

    Returns
    -------
    views : list of LayerView
        In the layers' own unit if it is one, in millimetres if they are different lengths.
    units : tuple
        Per axis of the world.
    """
    longest = max(layers, key=lambda layer: layer.ndim)
    n = longest.ndim
    names = {tuple(map(str, layer.units[-min(n, 3) :])) for layer in layers}
    if len({name[-1] for name in names}) == 1:
        return [LayerView(layer) for layer in layers], tuple(longest.units)
    if all(name.lower() in MILLIMETRES for units in names for name in units):
        units = tuple("mm" if str(unit).lower() in MILLIMETRES else unit for unit in longest.units)
        return [LayerView(layer, millimetres=True) for layer in layers], units
    return [LayerView(layer) for layer in layers], ("pixel",) * n


def common_grid(views: Sequence[LayerView], units: tuple[Any, ...]) -> WorldGrid:
    """Return the grid that contains all layers, at the finest of their steps.

    Layers on one straight grid get exactly that grid.

    Parameters
    ----------
    views : sequence of LayerView
        Those with fewer axes lie in the last ones.
    units : tuple
        One per axis.

    Returns
    -------
    WorldGrid
    """
    n = len(units)
    low, high, step = np.full(n, np.inf), np.full(n, -np.inf), np.full(n, np.inf)
    for view in views:
        last = slice(n - len(view.shape), n)
        corners = view.corners()
        low[last] = np.minimum(low[last], corners.min(axis=0))
        high[last] = np.maximum(high[last], corners.max(axis=0))
        step[last] = np.minimum(step[last], view.steps())
    step = np.maximum(step, (high - low) / (MAX_SIDE - 1))
    shape = np.floor((high - low) / step + 1e-3).astype(int) + 1
    return WorldGrid(step, low, tuple(shape.tolist()), units)


def _matrix(layer: Any, millimetres: bool) -> Floats:
    return in_millimetres(data_to_world(layer), layer.units if millimetres else None)[0]


def _coloured(values: npt.NDArray[Any]) -> Bytes:
    """Return RGB or RGBA of any type as RGBA in 8 bits."""
    if values.dtype.kind == "f":
        values = np.clip(np.nan_to_num(values), 0, 1) * 255
    elif values.dtype != np.uint8:
        values = values / np.iinfo(values.dtype).max * 255
    shown = np.full((*values.shape[:-1], 4), 255, np.uint8)
    shown[..., : values.shape[-1]] = np.rint(values)
    return shown

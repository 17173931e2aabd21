"""Several layers in one image: curtain and checkerboard, computed for the displayed slice."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from .sampling import Bytes, Floats, LayerView, WorldGrid

Choice = npt.NDArray[np.intp]
#: Colour of the curtain's line.
LINE = (255, 190, 0, 255)


class Pattern(Protocol):
    """Says which image is shown where."""

    def choose(self, sides: Sequence[Floats], count: int) -> Choice:
        """Return the number of the image per pixel, -1 for a line between two.

        Parameters
        ----------
        sides : sequence of ndarray
            Distance of the pixels from the grid's first edge along every displayed axis, in units
            of the grid's longest displayed side; broadcastable. The last one runs to the right.
        count : int
            Number of images.
        """
        ...


class Curtain:
    """Images side by side, separated by vertical lines.

    Parameters
    ----------
    position : float
        0: only the last image; 1: only the first; in the middle all are equally wide.
    """

    def __init__(self, position: float = 0.5) -> None:
        self.position = position

    def lines(self, count: int) -> Floats:
        """Return the positions of the lines between `count` images, 0 (left) to 1."""
        share = np.arange(1, count) / count
        p = self.position
        return 2 * p * share if p < 0.5 else 1 - 2 * (1 - p) * (1 - share)

    def nearest(self, share: float, count: int) -> tuple[int, float]:
        """Return the number of the line closest to a position, from 1, and its distance.

        Parameters
        ----------
        share : float
            Of the image's width, 0 (left) to 1.
        count : int
            Number of images.
        """
        away = np.abs(self.lines(count) - share)
        return int(away.argmin()) + 1, float(away.min())

    @staticmethod
    def position_of(line: int, share: float, count: int) -> float:
        """Return the setting that puts a line at a position; the inverse of `lines`."""
        part, share = line / count, min(max(share, 0.0), 1.0)
        return share / (2 * part) if share <= part else 1 - (1 - share) / (2 * (1 - part))

    def choose(self, sides: Sequence[Floats], count: int) -> Choice:
        """See `Pattern`; the column right of each line is the line."""
        across = sides[-1].ravel()
        width = across[-1] + across[0]  # centres of the last and of the first pixel
        lines = self.lines(count) * width
        chosen = np.searchsorted(lines, across, side="right")
        line = chosen != np.r_[chosen[:1], chosen[:-1]]
        return np.where(line, -1, chosen).reshape(sides[-1].shape)


class Checkerboard:
    """Images in alternating squares.

    Parameters
    ----------
    squares : int
        Along the longest side.
    """

    def __init__(self, squares: int = 8) -> None:
        self.squares = squares

    def choose(self, sides: Sequence[Floats], count: int) -> Choice:
        """See `Pattern`."""
        total = sum((np.floor(side * self.squares + 1e-9) for side in sides), np.zeros(()))
        return (total % count).astype(np.intp)


class Composite:
    """An array of RGBA pixels, computed when a slice is requested.

    Parameters
    ----------
    views : sequence of LayerView
    grid : WorldGrid
    pattern : Pattern
    """

    dtype = np.dtype(np.uint8)

    def __init__(self, views: Sequence[LayerView], grid: WorldGrid, pattern: Pattern) -> None:
        self.views = list(views)
        self.grid = grid
        self.pattern = pattern
        #: Axis of the world that runs to the right on the screen.
        self.horizontal = len(grid.shape) - 1
        self.shape = (*grid.shape, 4)
        self.ndim = len(self.shape)
        self.size = int(np.prod(self.shape))
        self._planes: tuple[Any, list[Bytes]] = (None, [])

    def forget(self) -> None:
        """Read the layers again, because their values or colours changed."""
        self._planes = (None, [])

    def __getitem__(self, key: Any) -> Bytes:
        key = key if isinstance(key, tuple) else (key,)
        spatial, colours = key[: self.ndim - 1], key[self.ndim - 1 :]
        picked = [np.arange(size) for size in self.grid.shape]
        for axis, part in enumerate(spatial):
            picked[axis] = np.atleast_1d(picked[axis][part])
        single = [axis for axis, part in enumerate(spatial) if isinstance(part, (int, np.integer))]
        planes = self._rendered(tuple(map(tuple, picked)), np.ix_(*picked))
        chosen = np.broadcast_to(self._choose(picked), planes[0].shape[:-1])
        result = np.empty_like(planes[0])
        result[chosen < 0] = LINE
        for number, plane in enumerate(planes):
            np.copyto(result, plane, where=(chosen == number)[..., None])
        shown: Bytes = result.squeeze(tuple(single))[(..., *colours)]
        return shown

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> npt.NDArray[Any]:
        return np.asarray(self[:], dtype=dtype)

    def _rendered(self, key: Any, index: Sequence[npt.NDArray[Any]]) -> list[Bytes]:
        """Colours of all layers, cached: moving a line does not change them."""
        if self._planes[0] != key:
            world = [
                start + step * axis
                for start, step, axis in zip(
                    self.grid.translate, self.grid.scale, index, strict=True
                )
            ]
            self._planes = (key, [view.pixels(world) for view in self.views])
        return self._planes[1]

    def _choose(self, picked: Sequence[npt.NDArray[Any]]) -> Choice:
        """Apply the pattern along the displayed axes."""
        axes = [axis for axis, index in enumerate(picked) if len(index) > 1]
        axes = [a for a in axes if a != self.horizontal] + [self.horizontal]
        sizes = np.asarray(self.grid.shape) * self.grid.scale
        longest = max(sizes[axes])
        sides = []
        for axis in axes:
            shape = [1] * len(picked)
            shape[axis] = -1
            side = (picked[axis] + 0.5) * self.grid.scale[axis] / longest
            sides.append(side.reshape(shape))
        return self.pattern.choose(sides, len(self.views))

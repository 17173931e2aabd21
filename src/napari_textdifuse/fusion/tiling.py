"""Padding to the network's multiple, the frame around the body, and tiles of large images."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]


def pad_to_multiple(image: Floats, multiple: int) -> Floats:
    """Pad bottom and right by mirroring to the next multiple, from any size of at least 1x1.

    Parameters
    ----------
    image : ndarray, shape (..., Y, X)
    multiple : int

    Returns
    -------
    ndarray
        Crop back with ``padded[..., :Y, :X]``.
    """
    widths = [(0, 0)] * (image.ndim - 2) + [(0, -n % multiple) for n in image.shape[-2:]]
    return np.pad(image, widths, mode="symmetric")


@dataclass(frozen=True)
class Tile:
    """A window of the image and its blending weight (1 in the middle, falling to the edge)."""

    rows: slice
    columns: slice
    weight: Floats


#: Tiles start at multiples of this, so that cells of the fusion control's attention and the
#: network's strides have the same position on a tile as on the image.
GRID = 64


#: Pixels of air that are kept around the body, so that its edge is computed as in the whole image.
MARGIN = 32


def frame_of(images: Floats) -> tuple[slice, slice]:
    """Rows and columns that contain anything, with a margin; outside is air.

    Parameters
    ----------
    images : ndarray, shape (N, Y, X)
        Air is exactly 0 in all of them.

    Returns
    -------
    rows, columns : slice
        From and to multiples of `GRID`, or the border; everything if there is nothing but air.
    """
    rows, columns = (np.flatnonzero(images.any(axis=(0, axis))) for axis in (2, 1))
    return _framed(rows, images.shape[1]), _framed(columns, images.shape[2])


def _framed(places: npt.NDArray[np.intp], length: int) -> slice:
    if not len(places):
        return slice(0, length)
    first, last = int(places[0]) - MARGIN, int(places[-1]) + 1 + MARGIN
    return slice(max(0, first // GRID * GRID), min(length, -(-last // GRID) * GRID))


def _spans(length: int, size: int, overlap: int) -> list[tuple[int, int]]:
    if length <= size:
        return [(0, length)]
    step = size - overlap
    if step > GRID:
        step -= step % GRID
    starts = range(0, length - overlap, step)
    return [(s, min(s + size, length)) for s in starts]


def _ramp(start: int, stop: int, length: int, overlap: int) -> Floats:
    ramp = np.ones(stop - start, np.float32)
    edge = (np.arange(overlap, dtype=np.float32) + 1) / (overlap + 1)
    if start > 0:
        ramp[:overlap] = edge
    if stop < length:
        ramp[-overlap:] = np.minimum(ramp[-overlap:], edge[::-1])
    return ramp


def tiles(shape: tuple[int, int], size: int = 1024, overlap: int = 128) -> Iterator[Tile]:
    """Cover an image with overlapping tiles.

    Parameters
    ----------
    shape : tuple of int
        Height and width.
    size : int
        Largest side of a tile.
    overlap : int
        Minimum overlap of neighbours, in pixels; at most half a tile.

    Yields
    ------
    Tile
    """
    overlap = min(overlap, size // 2)
    for y0, y1 in _spans(shape[0], size, overlap):
        for x0, x1 in _spans(shape[1], size, overlap):
            row, column = _ramp(y0, y1, shape[0], overlap), _ramp(x0, x1, shape[1], overlap)
            yield Tile(slice(y0, y1), slice(x0, x1), row[:, None] * column[None])

"""Arrays that are read when they are needed: dask, zarr, memory maps."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from ..volume import Array, Volume

#: How many slices of a lazy array its statistics are taken from.
SAMPLED_SLICES = 32


def is_lazy(array: Any) -> bool:
    """Tell whether reading values costs time or memory that is not spent yet."""
    return not isinstance(array, np.ndarray)


def keep_lazy(source: Any) -> Any:
    """Return a chunked array (dask, zarr, h5py, xarray) as it is, anything else as an ndarray."""
    chunked = all(hasattr(source, name) for name in ("chunks", "shape", "ndim", "__getitem__"))
    if chunked and isinstance(getattr(source, "dtype", None), np.dtype):
        return source
    return np.asarray(source)


def load(volume: Volume) -> Volume:
    """Return the volume with its values in memory; itself if they are."""
    if not is_lazy(volume.array):
        return volume
    return replace(volume, array=np.asarray(volume.array[...]))


def sampled(volume: Volume, slices: int = SAMPLED_SLICES) -> Volume:
    """Return values that stand for the whole volume, for its statistics; its geometry is lost.

    Parameters
    ----------
    volume : Volume
    slices : int
        Read at most so many, evenly spaced along the first axis, of a lazy volume. An array in
        memory is returned as it is.

    Returns
    -------
    Volume
    """
    if not is_lazy(volume.array):
        return volume
    count = volume.shape[0]
    if volume.ndim == 2 or count <= slices:
        return load(volume)
    chosen = np.linspace(0, count - 1, slices).round().astype(int)
    array = np.stack([np.asarray(volume.array[int(i)]) for i in chosen])
    return replace(volume, array=array, affine=None)


def smallest(volume: Volume) -> float:
    """Return the smallest finite value (of a sample, where the volume is lazy); 0 if none is."""
    array = sampled(volume).array
    if array.dtype.kind != "f":
        return float(array.min()) if array.size else 0.0
    low = np.min(array, initial=np.inf, where=np.isfinite(array))
    return float(low) if np.isfinite(low) else 0.0


class TimePoint:
    """One time point of a lazy series, still lazy.

    Parameters
    ----------
    series : array
        ``(T, ...)``; anything with ``shape``, ``dtype`` and indexing.
    time : int
    """

    def __init__(self, series: Any, time: int) -> None:
        self._series = series
        self._time = time
        self.shape: tuple[int, ...] = tuple(series.shape[1:])
        self.ndim = len(self.shape)
        self.size = int(np.prod(self.shape))
        self.dtype = np.dtype(series.dtype)

    def __getitem__(self, key: Any) -> Array:
        return np.asarray(self._series[(self._time, *(key if isinstance(key, tuple) else (key,)))])

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        return np.asarray(self._series[self._time], dtype=dtype)

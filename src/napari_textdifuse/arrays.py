"""Image arrays, in memory or lazy (dask, zarr, memory maps)."""

from __future__ import annotations

from typing import Any

import numpy as np

from .errors import InputError, kind_of_values, size_of
from .volume import Array, Volume


def keep_lazy(source: Any) -> Any:
    """Return a chunked array (dask, zarr, h5py, xarray) as it is, anything else as an ndarray."""
    chunked = all(hasattr(source, name) for name in ("chunks", "shape", "ndim", "__getitem__"))
    if chunked and isinstance(getattr(source, "dtype", None), np.dtype):
        return source
    return np.asarray(source)


def smallest(volume: Volume) -> float:
    """Return the smallest finite value (of a sample if the volume is lazy); 0 if there is none."""
    array = volume.sampled().array
    if array.dtype.kind != "f":
        return float(array.min()) if array.size else 0.0
    low = np.min(array, initial=np.inf, where=np.isfinite(array))
    return float(low) if np.isfinite(low) else 0.0


def array_volume(source: Any, role: str, time: int | None = None) -> Volume:
    """Convert an array to a volume without geometry.

    Parameters
    ----------
    source : array_like
        ``(Y, X)``, ``(Z, Y, X)`` or ``(T, Z, Y, X)``, with or without a last axis of 3 or 4
        colours. Lazy arrays stay lazy.
    role : str
        Name used in messages.
    time : int, optional
        Time point of a series.

    Raises
    ------
    InputError
        If it is not an image of real numbers.
    """
    source = _readable(source, role)
    try:
        array = keep_lazy(source)
    except ValueError:
        raise InputError(f"{role}: the rows differ in length; pass a rectangular array.") from None
    if array.dtype.kind not in "biuf":
        raise InputError(
            f"{role}: {kind_of_values(array.dtype)} cannot be fused; use real numbers"
            + (" (for complex data, its magnitude)." if array.dtype.kind == "c" else ".")
        )
    rgb = array.ndim in (3, 4) and array.shape[-1] in (3, 4)
    if array.ndim - int(rgb) == 4:
        array = time_point(array, time, role)
    if array.ndim - int(rgb) not in (2, 3):
        raise InputError(
            f"{role}: an array with {array.ndim} axes ({size_of(array.shape)}) is not an image or "
            "a volume; use (Y, X), (Z, Y, X), or either with a last axis of 3 colours."
        )
    return Volume(array, rgb=rgb, name=role)


def _readable(source: Any, role: str) -> Any:
    """Return an array for NumPy: a tensor without its graph, masked values as NaN."""
    if callable(getattr(source, "detach", None)):
        return tensor_array(source, role)
    if isinstance(source, np.ma.MaskedArray):
        if not np.ma.is_masked(source):
            return source.data
        return np.where(np.ma.getmaskarray(source), np.nan, source.data)
    return source


def tensor_array(tensor: Any, role: str) -> Array:
    """Return the values of a tensor of torch, wherever it is and whatever its precision.

    Raises
    ------
    InputError
        If it has no dense values.
    """
    found = tensor.detach()
    if str(getattr(found, "dtype", "")).startswith(("torch.bfloat16", "torch.float8")):
        found = found.float()  # NumPy has no such types
    try:
        return np.asarray(found.cpu())
    except (TypeError, RuntimeError):  # sparse; on the device "meta"
        raise InputError(
            f"{role}: a tensor that is sparse or has no values cannot be fused; pass a dense one "
            "(Tensor.to_dense)."
        ) from None


def time_point(series: Any, time: int | None, label: str) -> Any:
    """Select one time point of ``(T, ...)``; a lazy series stays lazy.

    Raises
    ------
    InputError
        If there is no such time point, or no choice was made among several.
    """
    count = series.shape[0]
    if time is None and count == 1:
        time = 0
    if time is None:
        raise InputError(
            f"{label}: a series of {count} time points ({size_of(series.shape)}); choose one with "
            f"time=0 to {count - 1}."
        )
    if isinstance(time, bool) or not isinstance(time, (int, np.integer)) or not 0 <= time < count:
        raise InputError(
            f"{label}: time point {time!r} does not exist; there are 0 to {count - 1}."
        )
    return series[time] if isinstance(series, np.ndarray) else TimePoint(series, int(time))


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

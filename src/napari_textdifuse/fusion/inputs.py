"""Anything a user may hand over becomes a checked `Volume`."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Any

import numpy as np

from ..errors import InputError
from ..spatial import layers
from ..spatial.lazy import TimePoint, is_lazy, keep_lazy, load, sampled
from ..volume import Volume

#: Where this package's layers keep what it knows of them.
KEY = "textdifuse"


def as_volume(source: Any, role: str, *, time: int | None = None, lazy: bool = False) -> Volume:
    """Turn an array, a `Volume`, a file path or an image layer into a checked `Volume`.

    Parameters
    ----------
    source : array, Volume, str, PathLike, or an object with ``data``, ``scale`` and ``translate``
        Arrays: ``(Y, X)``, ``(Z, Y, X)``, or with a last axis of 3 or 4 colour channels; a series
        has a leading time axis, ``(T, Z, Y, X)``. Layers keep their place: scale, translation,
        rotation, shear, affine and units; of a pyramid the finest level is taken.
    role : str
        What to call the input in messages, such as ``"image A"``.
    time : int, optional
        Which time point of a series, from 0. A single image has none and is taken as it is.
    lazy : bool
        Leave a lazy array (dask, zarr) unread and check a sample of its slices; the caller then
        cuts and loads what it needs (see `volumes`). By default all of it is read.

    Returns
    -------
    Volume

    Raises
    ------
    InputError
        One sentence that says what cannot be used and why.
    """
    if isinstance(source, Volume):
        volume = source
    elif isinstance(source, (str, os.PathLike)):
        from ..io import read

        volume = read(os.fspath(source), time=time)
    elif is_layer(source):
        volume = read_layer(source, role, time)
    else:
        volume = _from_array(source, role, time)
    if not lazy:
        volume = load(volume)
    _check_values(volume, role)
    return volume


def as_volumes(
    a: Any, b: Any, *, time: int | tuple[int | None, int | None] | None = None, lazy: bool = False
) -> tuple[Volume, Volume]:
    """Turn both inputs of a fusion into volumes; see `as_volume`.

    Two layers are also checked against each other: one at the origin with scale 1 counts as lying
    in the viewer's world if the other was placed there.

    Parameters
    ----------
    a, b : array, Volume, path or layer
    time : int or pair of int, optional
        Time point of every series among them, or one for each image.
    lazy : bool

    Returns
    -------
    a, b : Volume
    """
    times = time if isinstance(time, tuple) else (time, time)
    volume_a = as_volume(a, "image A", time=times[0], lazy=lazy)
    volume_b = as_volume(b, "image B", time=times[1], lazy=lazy)
    if is_layer(a) and is_layer(b) and volume_a.ndim == volume_b.ndim:
        origin = layers.world_affine(np.eye(volume_a.ndim + 1))
        if volume_a.affine is None and volume_b.affine is not None and _plain(b):
            volume_a = replace(volume_a, affine=origin)
        elif volume_b.affine is None and volume_a.affine is not None and _plain(a):
            volume_b = replace(volume_b, affine=origin)
    return volume_a, volume_b


def is_layer(source: Any) -> bool:
    """Tell whether something can be read as an image layer."""
    return all(hasattr(source, name) for name in ("data", "scale", "translate"))


def _plain(layer: Any) -> bool:
    """Tell whether nothing but the viewer's world says where a layer lies."""
    return "affine" not in _known(layer)


def _known(layer: Any) -> dict[str, Any]:
    return dict((getattr(layer, "metadata", None) or {}).get(KEY, {}))


def _from_array(source: Any, role: str, time: int | None) -> Volume:
    try:
        array = keep_lazy(source)
    except ValueError as error:
        raise InputError(f"{role}: not an array of equal rows ({error}).") from None
    if array.dtype.kind not in "biuf":
        raise InputError(
            f"{role}: values of type {array.dtype} cannot be fused; give real numbers"
            + (" (for complex data, its magnitude)." if array.dtype.kind == "c" else ".")
        )
    rgb = array.ndim in (3, 4) and array.shape[-1] in (3, 4)
    if array.ndim - int(rgb) == 4:
        array = _time_point(array, time, role)
    if array.ndim - int(rgb) not in (2, 3):
        raise InputError(
            f"{role}: an array with {array.ndim} axes {array.shape} is not an image or a volume; "
            "give (Y, X), (Z, Y, X), or either with a last axis of 3 colours."
        )
    return Volume(array, rgb=rgb, name=role)


def read_layer(layer: Any, role: str, time: int | None = None) -> Volume:
    """Turn a layer into a volume, with its place and with no demands on its values.

    Parameters
    ----------
    layer : object
        A napari layer, or anything with ``data``, ``scale`` and ``translate``; only public
        attributes are read, and napari is not imported.
    role : str
        Its name, if it has none.
    time : int, optional
        See `as_volume`.

    Returns
    -------
    Volume
        Lazy data stays lazy.

    Raises
    ------
    InputError
        If it is not a real image or volume, or its transform is flat.
    """
    data = layer.data[0] if getattr(layer, "multiscale", False) else layer.data
    name = str(getattr(layer, "name", role))
    rgb = bool(getattr(layer, "rgb", False))
    array = keep_lazy(data)
    if array.ndim - int(rgb) == 4:
        array = _time_point(array, time, f"layer {name!r}")
    n = array.ndim - int(rgb)
    if n not in (2, 3) or array.dtype.kind not in "biuf":
        raise InputError(
            f"layer {name!r}: {array.dtype} data of shape {array.shape} is not a real 2-D image or "
            "3-D volume; choose one time point or channel."
        )
    known = _known(layer)
    matrix = layers.spatial_part(layers.data_to_world(layer), n, time or 0)
    matrix, unknown = layers.in_millimetres(matrix, getattr(layer, "units", None))
    affine = layers.current_affine(matrix, known)
    notes = list(known.get("notes", ()))
    if affine is not None and unknown and "affine" not in known:
        notes.append(
            f"The layer's unit is {' and '.join(unknown)}, no length; its place was taken as "
            "millimetres of the viewer's world."
        )
    window = known.get("window")
    return Volume(
        array,
        affine=affine,
        unit=known.get("unit", "a.u."),
        modality=known.get("modality"),
        window=None if window is None else (window[0], window[1]),
        rgb=rgb,
        name=name,
        metadata={**known.get("acquisition", {}), "notes": notes},
    )


def _time_point(series: Any, time: int | None, label: str) -> Any:
    """Cut one time point out of ``(T, ...)``; a lazy series stays lazy."""
    count = series.shape[0]
    if time is None and count == 1:
        time = 0
    if time is None:
        raise InputError(
            f"{label}: a series of {count} time points {tuple(series.shape)}; choose one with "
            f"time=0 to {count - 1}."
        )
    if isinstance(time, bool) or not isinstance(time, (int, np.integer)) or not 0 <= time < count:
        raise InputError(
            f"{label}: time point {time!r} does not exist; there are 0 to {count - 1}."
        )
    return TimePoint(series, int(time)) if is_lazy(series) else series[time]


def _check_values(volume: Volume, role: str) -> None:
    label = role if volume.name == role else f"{role} ({volume.name})"
    if volume.array.dtype.kind not in "biuf":
        raise InputError(f"{label}: values of type {volume.array.dtype} cannot be fused.")
    if 0 in volume.array.shape:
        raise InputError(f"{label}: the image is empty (shape {volume.array.shape}).")
    array = sampled(volume).array
    if array.shape != volume.array.shape:
        return  # a sample proves nothing about the rest
    if array.dtype.kind == "f" and not np.isfinite(array).any():
        raise InputError(f"{label}: no value is a finite number; check how it was exported.")
    if not array.any():
        raise InputError(
            f"{label}: every value is 0, so there is nothing to fuse; check the file or the slice."
        )

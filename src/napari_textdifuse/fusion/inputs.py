"""Anything a user may hand over becomes a checked `Volume`."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from ..errors import InputError
from ..volume import Volume


def as_volume(source: Any, role: str) -> Volume:
    """Turn an array, a `Volume`, a file path or an image layer into a checked `Volume`.

    Parameters
    ----------
    source : array, Volume, str, PathLike, or an object with ``data``, ``scale`` and ``translate``
        Arrays: ``(Y, X)``, ``(Z, Y, X)``, or with a last axis of 3 or 4 colour channels.
    role : str
        What to call the input in messages, such as ``"image A"``.

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

        volume = read(os.fspath(source))
    elif all(hasattr(source, name) for name in ("data", "scale", "translate")):
        volume = _from_layer(source, role)
    else:
        volume = _from_array(source, role)
    _check_values(volume, role)
    return volume


def _from_array(source: Any, role: str) -> Volume:
    try:
        array = np.asarray(source)
    except ValueError as error:
        raise InputError(f"{role}: not an array of equal rows ({error}).") from None
    if array.dtype.kind not in "biuf":
        raise InputError(
            f"{role}: values of type {array.dtype} cannot be fused; give real numbers"
            + (" (for complex data, its magnitude)." if array.dtype.kind == "c" else ".")
        )
    rgb = array.ndim in (3, 4) and array.shape[-1] in (3, 4)
    if array.ndim - int(rgb) not in (2, 3):
        raise InputError(
            f"{role}: an array with {array.ndim} axes {array.shape} is not an image or a volume; "
            "give (Y, X), (Z, Y, X), or either with a last axis of 3 colours."
        )
    return Volume(array, rgb=rgb, name=role)


def _from_layer(layer: Any, role: str) -> Volume:
    """Read a napari layer by its public attributes, without importing napari."""
    data = layer.data[0] if getattr(layer, "multiscale", False) else layer.data
    name = str(getattr(layer, "name", role))
    known = dict(getattr(layer, "metadata", {}).get("textdifuse", {}))
    array = np.asarray(data)
    rgb = bool(getattr(layer, "rgb", False))
    if array.ndim - int(rgb) not in (2, 3) or array.dtype.kind not in "biuf":
        raise InputError(
            f"layer {name!r}: {array.dtype} data of shape {array.shape} is not a real 2-D image or "
            "3-D volume; choose one time point or channel."
        )
    affine = known.get("affine")
    if affine is None:
        affine = _layer_affine(layer, array.ndim - int(rgb))
    return Volume(
        array,
        affine=None if affine is None else np.asarray(affine, dtype=float),
        unit=known.get("unit", "a.u."),
        modality=known.get("modality"),
        window=known.get("window"),
        rgb=rgb,
        name=name,
    )


def _layer_affine(layer: Any, n: int) -> np.ndarray[Any, np.dtype[np.float64]] | None:
    """Read a layer's scale and translation; its world is LPS, as this plugin's reader makes it."""
    scale, translate = np.asarray(layer.scale)[-n:], np.asarray(layer.translate)[-n:]
    if n == 2 and (scale == 1).all() and not translate.any():
        return None  # a picture in pixels
    affine = np.eye(4)
    affine[np.arange(n), np.arange(n)] = scale[::-1]
    affine[:n, 3] = translate[::-1]
    return np.diag([-1.0, -1.0, 1.0, 1.0]) @ affine


def _check_values(volume: Volume, role: str) -> None:
    array = volume.array
    label = role if volume.name == role else f"{role} ({volume.name})"
    if array.dtype.kind not in "biuf":
        raise InputError(f"{label}: values of type {array.dtype} cannot be fused.")
    if array.size == 0:
        raise InputError(f"{label}: the image is empty (shape {array.shape}).")
    if array.dtype.kind == "f":
        finite = np.isfinite(array)
        if not finite.any():
            raise InputError(f"{label}: no value is a finite number; check how it was exported.")
    if not array.any():
        raise InputError(
            f"{label}: every value is 0, so there is nothing to fuse; check the file or the slice."
        )

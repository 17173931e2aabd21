"""Convert every supported input to a checked `Volume`, and two of them to a pair in one world."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from .arrays import array_volume
from .errors import InputError, kind_of_values, size_of
from .exports import RAS_LPS
from .io.channels import without_equal_channels
from .io.objects import object_volume
from .meaning import by_role, state
from .spatial.layers import is_layer, read_layer
from .volume import Volume

#: Means and squares of larger values overflow in 32 bits.
LARGEST = 1e18


def as_volume(
    source: Any,
    role: str,
    *,
    time: int | None = None,
    modality: str | None = None,
    unit: str | None = None,
    lazy: bool = False,
) -> Volume:
    """Turn an array, a `Volume`, a file path or an image layer into a checked `Volume`.

    Parameters
    ----------
    source : array, Volume, str, PathLike, layer, or an image of another library
        Arrays: ``(Y, X)``, ``(Z, Y, X)``, or with a last axis of 3 or 4 colour channels, which are
        grey where they are equal; a series has a leading time axis, ``(T, Z, Y, X)``. Layers keep
        their scale, translation, rotation, shear, affine and units; of a pyramid the finest
        level is taken. See `io.objects.from_object` for other libraries.
    role : str
        What to call the input in messages, such as ``"image A"``.
    time : int, optional
        Which time point of a series, from 0. Ignored for a single image.
    modality, unit : str, optional
        What the user states; it overrides what is read, see `meaning.state`.
    lazy : bool
        Leave a lazy array (dask, zarr) unread and check a sample of its slices; the caller then
        cuts and loads what it needs. By default all of it is read.

    Returns
    -------
    Volume

    Raises
    ------
    InputError
        If the input cannot be used; the message says why.
    """
    if isinstance(source, Volume):
        volume = source
    elif isinstance(source, (str, os.PathLike)):
        from .io import read

        volume = read(os.fspath(source), time=time)
    elif is_layer(source):
        volume = read_layer(source, role, time)
    else:
        found = object_volume(source, role, time)
        volume = array_volume(source, role, time) if found is None else found
    if volume.rgb:
        volume = without_equal_channels(volume)
    if not lazy:
        volume = volume.loaded()
    _check_values(volume, role)
    if modality is not None or unit is not None:
        volume = state(volume, modality=modality, unit=unit)
    return volume


def as_volumes(
    a: Any,
    b: Any,
    *,
    time: int | tuple[int | None, int | None] | None = None,
    modality: str | Mapping[str, str | None] | None = None,
    unit: str | Mapping[str, str | None] | None = None,
    lazy: bool = False,
) -> tuple[Volume, Volume]:
    """Turn both inputs of a fusion into volumes; see `as_volume`.

    Parameters
    ----------
    a, b : array, Volume, path or layer
        Two layers share the viewer's world, see `share_world`. A slice and a volume
        get one number of axes, see `equal_axes`.
    time : int or pair of int, optional
        Time point of every series among them, or one for each image.
    modality, unit : str or mapping of {"a", "b"} to str, optional
        What the user states; it overrides what is read, see `meaning.state`.
    lazy : bool

    Returns
    -------
    a, b : Volume
    """
    times = time if isinstance(time, tuple) else (time, time)
    modalities, units = by_role(modality, "modality"), by_role(unit, "unit")
    stated_a, stated_b = ({"modality": modalities[r], "unit": units[r]} for r in "ab")
    volume_a = as_volume(a, "image A", time=times[0], lazy=lazy, **stated_a)
    volume_b = as_volume(b, "image B", time=times[1], lazy=lazy, **stated_b)
    return equal_axes(*share_world(volume_a, volume_b))


def share_world(a: Volume, b: Volume) -> tuple[Volume, Volume]:
    """Place a layer at the origin as the viewer displays it, if the other layer was placed.

    Scale 1 at the origin may mean an image without geometry, or the grid to which another one was
    scaled. The second is the case if the other layer has a transform of its own.

    Parameters
    ----------
    a, b : Volume
        From `spatial.layers.read_layer`; other volumes are returned as they are.
    """
    in_viewer = all(volume.sources.get("space") == "viewer" for volume in (a, b))
    if in_viewer and a.ndim == b.ndim and (a.affine is None) != (b.affine is None):
        if a.affine is None:
            return replace(a, affine=RAS_LPS), b
        return a, replace(b, affine=RAS_LPS)
    return a, b


def equal_axes(a: Volume, b: Volume) -> tuple[Volume, Volume]:
    """Match the number of axes of a slice and a volume.

    A volume of one slice becomes that slice, as other formats write it. A slice with a known
    position becomes a volume of one slice, with the thickness that the file states.

    Parameters
    ----------
    a, b : Volume

    Returns
    -------
    a, b : Volume
        Unchanged where their axes are equal or the slice has no position.
    """
    if a.ndim == b.ndim:
        return a, b
    if 1 in (a.shape[0] * (a.ndim == 3), b.shape[0] * (b.ndim == 3)):
        volume = (a if a.ndim == 3 else b).loaded()
        flat = replace(volume, array=volume.array[0])
        return (flat, b) if a.ndim == 3 else (a, flat)
    if a.affine is None or b.affine is None:
        return a, b
    slice_ = (a if a.ndim == 2 else b).loaded()
    thick = replace(slice_, array=slice_.array[None])
    return (thick, b) if a.ndim == 2 else (a, thick)


def _check_values(volume: Volume, role: str) -> None:
    """Refuse an image that is empty, blank or has no real number; of a lazy one, look at a sample.

    Raises
    ------
    InputError
    """
    label = role if volume.name == role else f"{role} ({volume.name})"
    if volume.array.dtype.kind not in "biuf":
        raise InputError(f"{label}: {kind_of_values(volume.array.dtype)} cannot be fused.")
    if 0 in volume.array.shape:
        raise InputError(f"{label}: the image is empty ({size_of(volume.array.shape)}).")
    array = volume.sampled().array
    if array.shape != volume.array.shape:
        return  # a sample proves nothing about the rest
    if array.dtype.kind == "f" and not np.isfinite(array).any():
        raise InputError(f"{label}: no value is a finite number; export the image again.")
    if array.dtype.kind == "f" and array.dtype.itemsize >= 4:
        finite = np.isfinite(array)
        highest, lowest = (f(array, initial=0, where=finite) for f in (np.max, np.min))
        largest = max(float(highest), -float(lowest))
        if largest > LARGEST:
            raise InputError(
                f"{label}: values up to {largest:.3g} are too large to be computed with; rescale "
                "them, or set those that mean 'no value' to NaN."
            )
    if not array.any():
        raise InputError(
            f"{label}: every value is 0, so there is nothing to fuse; check the file or the slice."
        )

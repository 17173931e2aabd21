"""8-bit brightness, on which every metric is computed."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import numpy.typing as npt

from ..colour import BT601
from ..errors import GeometryError, InputError, kind_of_values, size_of
from ..intensity import default_window
from ..meaning import state
from ..volume import Volume

Array = npt.NDArray[Any]
Bytes = npt.NDArray[np.uint8]
ImageLike = Array | Volume | str | os.PathLike[str]


def luminance8(image: Array, rgb: bool | None = None) -> Bytes:
    """Brightness in 8 bits: Y of full-range YCbCr, rounded (ITU-R BT.601-7, 2.5.1).

    The scale depends on the type alone, never on the content, so that a dull result stays
    dull: floats have the range [0, 1], booleans are black and white, and unsigned integers have
    their type's full range.

    Parameters
    ----------
    image : ndarray
        ``(Y, X)`` or ``(Z, Y, X)``, or with a last axis of 3 or 4 channels (alpha is ignored).
        Bool, unsigned integers, or floats in [0, 1].
    rgb : bool, optional
        Whether the last axis contains colours; by default if it has length 3 or 4 and a
        two-dimensional image or a volume remains.

    Returns
    -------
    ndarray of uint8
        ``(Y, X)`` or ``(Z, Y, X)``.

    Raises
    ------
    InputError
        If the values are of another type, outside [0, 1], or not finite.
    """
    image = np.asarray(image)
    if rgb is None:
        rgb = _looks_rgb(image)
    if image.dtype == np.uint8:
        if not rgb:
            return image
        r, g, b = (image[..., i].astype(np.int32) for i in range(3))
        return ((299 * r + 587 * g + 114 * b + 500) // 1000).astype(np.uint8)
    scaled = _to_255(image)
    if rgb:
        scaled = scaled[..., :3] @ np.array(BT601)
    return np.rint(scaled).astype(np.uint8)


def source_luminance(
    image: ImageLike, role: str, modality: str | None = None, unit: str | None = None
) -> tuple[Bytes, Volume]:
    """Brightness of a source in its default window (`intensity.default_window`).

    Parameters
    ----------
    image : ndarray, Volume or path
        Any real type; measured values (HU, SUV, raw counts) are displayed in their window.
    role : str
        Name of the image in messages.
    modality, unit : str, optional
        Stated modality and unit (`meaning.state`).

    Returns
    -------
    brightness : ndarray of uint8
    volume : Volume
        The image, for its grid.

    Raises
    ------
    InputError
        If the image cannot be read, is empty, or contains no finite value.
    """
    volume = state(_as_volume(image, role), modality=modality, unit=unit)
    array = volume.array[..., :3] if volume.rgb else volume.array
    if array.dtype.kind == "f" and not np.isfinite(array).any():
        raise InputError(f"{role}: no value is a finite number; export the image again.")
    if array.dtype not in (np.uint8, np.bool_):
        array = default_window(volume.with_array(array)).normalise(array)
    return luminance8(array, volume.rgb), volume


def shown_colours(volume: Volume, brightness: Bytes, source: bool) -> npt.NDArray[np.float64]:
    """Return an image as displayed, in [0, 1].

    Parameters
    ----------
    volume, brightness
        From `source_luminance` or `result_luminance`.
    source : bool
        Whether measured values are displayed in their window.

    Returns
    -------
    ndarray, shape of the grid, with a last axis of 3 for a colour image
    """
    if not volume.rgb:
        return brightness / 255.0
    array = volume.array[..., :3]
    if source and array.dtype not in (np.uint8, np.bool_):
        array = default_window(volume.with_array(array)).normalise(array)
    return np.asarray(array / 255.0 if array.dtype == np.uint8 else _to_255(array) / 255.0)


def result_luminance(image: ImageLike, role: str) -> tuple[Bytes, Volume]:
    """Brightness of a fused image: display values, scaled by type and never stretched.

    See `luminance8` for the types and `source_luminance` for the return value.
    """
    volume = _as_volume(image, role)
    try:
        return luminance8(volume.array, volume.rgb), volume
    except InputError as error:
        raise InputError(f"{role}: {error}") from None


def check_same_grid(first: Volume, other: Volume, names: tuple[str, str]) -> None:
    """Raise if images are not on the same grid.

    Raises
    ------
    InputError
        If the shapes differ.
    GeometryError
        If both have an affine and voxels are more than a tenth of a voxel apart.
    """
    if first.shape != other.shape:
        raise InputError(
            f"{names[0]} is {_size(first)} and {names[1]} is {_size(other)}; "
            "resample them onto one grid before measuring."
        )
    if first.affine is None or other.affine is None:
        return
    last = np.array([n - 1 for n in first.shape[::-1]] + [0] * (3 - first.ndim))
    corners = np.array([(*(last * pick), 1) for pick in np.ndindex(2, 2, 2)], dtype=float)
    away = np.linalg.norm(corners @ (first.affine - other.affine)[:3].T, axis=1).max()
    if away > 0.1 * min(first.spacing or (1.0,)):
        raise GeometryError(
            f"{names[0]} and {names[1]} lie up to {away:.2f} mm apart in space; "
            "resample them onto one grid before measuring."
        )


def _looks_rgb(array: Array) -> bool:
    return array.ndim in (3, 4) and array.shape[-1] in (3, 4)


def _to_255(image: Array) -> npt.NDArray[np.float64]:
    if image.dtype == np.bool_:
        return image * 255.0
    if image.dtype.kind == "u":
        return image * (255.0 / np.iinfo(image.dtype).max)
    if image.dtype.kind != "f":
        signed = "signed " if image.dtype.kind == "i" else ""
        raise InputError(
            f"{signed}{kind_of_values(image.dtype)} have no defined brightness; use unsigned "
            "integers, or values in [0, 1]."
        )
    # float32 first, as windows return it, so that values near a half are rounded equally everywhere
    values = image.astype(np.float32).astype(np.float64)
    if not np.isfinite(values).all():
        raise InputError("some values are not finite; replace them before measuring.")
    low, high = (float(v) for v in (values.min(initial=0), values.max(initial=0)))
    if low < -1e-3 or high > 1 + 1e-3:  # tolerance for rounding of interpolations
        raise InputError(
            f"values from {low:.4g} to {high:.4g} are not in [0, 1]; scale them to [0, 1] or uint8."
        )
    return np.clip(values, 0, 1) * 255.0


def _as_volume(image: ImageLike, role: str) -> Volume:
    if isinstance(image, Volume):
        volume = image
    elif isinstance(image, (str, os.PathLike)):
        from ..io import read

        volume = read(image)
    else:
        array = np.asarray(image)
        volume = Volume(array, rgb=_looks_rgb(array), name=role)
    if volume.array.dtype.kind not in "biuf":
        raise InputError(f"{role}: {kind_of_values(volume.array.dtype)} are not real numbers.")
    if volume.array.size == 0:
        raise InputError(f"{role}: the image is empty ({size_of(volume.array.shape)}).")
    return volume


def _size(volume: Volume) -> str:
    return " x ".join(map(str, volume.shape))

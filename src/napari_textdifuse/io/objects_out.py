"""Volumes as images of other libraries, each imported when it is asked for."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import numpy as np

from ..errors import InputError, MissingDependencyError
from ..volume import RAS_LPS, Volume
from .data_array import to_data_array


def to_sitk(volume: Volume) -> Any:
    """Return a SimpleITK image with origin, spacing and direction in LPS mm.

    Parameters
    ----------
    volume : Volume
        Grey, or colours as components. A picture that has a place becomes one slice in 3-D.

    Returns
    -------
    SimpleITK.Image

    Raises
    ------
    InputError
        If the grid is sheared, which ITK cannot hold.
    MissingDependencyError
    """
    sitk = _needed("SimpleITK", "SimpleITK")
    array, lps = _lps(volume)
    image: Any = sitk.GetImageFromArray(array, isVector=volume.rgb)
    if lps is not None:
        direction, spacing = lps[:3, :3], np.linalg.norm(lps[:3, :3], axis=0)
        image.SetSpacing(spacing.tolist())
        image.SetOrigin(lps[:3, 3].tolist())
        image.SetDirection((direction / spacing).ravel().tolist())
    return image


def to_itk(volume: Volume) -> Any:
    """Return an ITK image with origin, spacing and direction in LPS mm; see `to_sitk`."""
    itk = _needed("itk", "itk")
    array, lps = _lps(volume)
    image: Any = itk.image_from_array(np.ascontiguousarray(array), is_vector=volume.rgb)
    if lps is not None:
        spacing = np.linalg.norm(lps[:3, :3], axis=0)
        image.SetSpacing(spacing.tolist())
        image.SetOrigin(lps[:3, 3].tolist())
        image.SetDirection(itk.matrix_from_array(np.ascontiguousarray(lps[:3, :3] / spacing)))
    return image


def to_monai(volume: Volume) -> Any:
    """Return a MONAI tensor, channel first.

    Parameters
    ----------
    volume : Volume

    Returns
    -------
    monai.data.MetaTensor
        ``(C, X, Y, Z)`` or ``(C, X, Y)`` with one channel, or one per colour; affine in RAS mm.
    """
    monai = _needed("monai.data", "monai")
    torch = import_module("torch")
    meta: dict[str, Any] = {"space": "RAS", "spatial_shape": list(volume.shape[::-1])}
    meta["rgb"] = volume.rgb
    if volume.affine is not None and volume.spacing is not None:
        meta["pixdim"] = [1.0, *volume.spacing[::-1]]
    affine = np.eye(4) if volume.affine is None else volume.affine
    tensor = torch.from_numpy(_channels_first(volume))
    return monai.MetaTensor(tensor, affine=torch.from_numpy(affine.copy()), meta=meta)


def to_torchio(volume: Volume) -> Any:
    """Return a TorchIO image: a `LabelMap` for labels, else a `ScalarImage`.

    Parameters
    ----------
    volume : Volume
        A picture becomes one slice; without a place it lies at the origin in steps of 1 mm.

    Returns
    -------
    torchio.ScalarImage or torchio.LabelMap
        Tensor ``(C, X, Y, Z)``, affine in RAS mm.
    """
    torchio = _needed("torchio", "torchio")
    torch = import_module("torch")
    array = _channels_first(volume)
    array = array[..., np.newaxis] if volume.ndim == 2 else array
    kind = torchio.LabelMap if volume.unit == "label" else torchio.ScalarImage
    affine = RAS_LPS if volume.affine is None else volume.affine
    more = {"rgb": True} if volume.rgb else {}
    return kind(tensor=torch.from_numpy(array), affine=affine, **more)


def to_xarray(volume: Volume) -> Any:
    """Return an `xarray.DataArray` with coordinates; see `data_array.to_data_array`."""
    return to_data_array(volume, _needed("xarray", "xarray"))


def _needed(module: str, package: str) -> Any:
    try:
        return import_module(module)
    except ImportError as error:
        raise MissingDependencyError(
            f"An image of {package} needs the package {package} ({error}); install it with: pip "
            f"install {package}."
        ) from error


def _lps(volume: Volume) -> tuple[Any, Any]:
    """Return the array, three-dimensional if it has a place, and its affine in LPS mm."""
    if volume.affine is None:
        return volume.array, None
    lps = RAS_LPS @ volume.affine
    direction = lps[:3, :3] / np.linalg.norm(lps[:3, :3], axis=0)
    if not np.allclose(direction.T @ direction, np.eye(3), atol=1e-4):
        raise InputError(f"{volume.name}: a sheared grid has no form in ITK; resample it first.")
    return volume.array if volume.ndim == 3 else volume.array[np.newaxis], lps


def _channels_first(volume: Volume) -> Any:
    """Return ``(C, X, Y[, Z])`` in a type that torch has."""
    array = np.asarray(volume.array)
    if array.dtype in (np.uint16, np.uint32):  # few operations of torch know these
        array = array.astype(np.int32 if array.dtype == np.uint16 else np.int64)
    array = array.astype(array.dtype.newbyteorder("="), copy=False)
    if volume.rgb:
        spatial = range(volume.ndim - 1, -1, -1)
        return np.ascontiguousarray(array.transpose(volume.ndim, *spatial))
    return np.ascontiguousarray(array.transpose())[np.newaxis].copy()

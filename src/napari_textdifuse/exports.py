"""Conversion of images to objects of other libraries, which are imported on demand.

`Volume` and `FusionResult` offer these functions as methods; `io.objects` reads the same objects.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

from .errors import InputError
from .memory import page_out
from .optional import import_optional

if TYPE_CHECKING:
    import nibabel

#: Converts RAS (NIfTI) to LPS (DICOM, ITK, napari's world here) millimetres, and back.
RAS_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])
#: Attributes of a `DataArray` that place an oblique grid: unit vectors of x, y, z as columns, and
#: the origin.
DIRECTION, ORIGIN = "ras_direction", "ras_origin"
#: Attribute of a coordinate with one value, which contains no spacing.
SPACING = "spacing"


class _Image(Protocol):
    """The attributes that an export needs; see `Volume`."""

    @property
    def array(self) -> npt.NDArray[Any]: ...
    @property
    def affine(self) -> npt.NDArray[np.float64] | None: ...
    @property
    def unit(self) -> str: ...
    @property
    def modality(self) -> str | None: ...
    @property
    def rgb(self) -> bool: ...
    @property
    def name(self) -> str: ...
    @property
    def ndim(self) -> int: ...
    @property
    def shape(self) -> tuple[int, ...]: ...
    @property
    def spacing(self) -> tuple[float, ...] | None: ...


def to_nibabel(volume: _Image) -> nibabel.Nifti1Image:
    """Return a NIfTI image with the affine in RAS mm and axes (X, Y, Z).

    Parameters
    ----------
    volume : Volume
        Colour becomes NIfTI's RGB24 structured type, in 8 bits (floats are taken as [0, 1]).

    Returns
    -------
    nibabel.Nifti1Image

    Raises
    ------
    InputError
        If integer colours do not fit into 8 bits.
    """
    import nibabel as nib

    data = volume.array if volume.ndim == 3 else volume.array[np.newaxis]
    if volume.rgb:
        data = data[..., :3]
        if data.dtype.kind == "f":
            data = _in_8_bits(data)
        elif data.size and (data.min() < 0 or data.max() > 255):
            raise InputError(
                f"{volume.name}: colours from {data.min()} to {data.max()} do not fit into "
                "NIfTI's 8 bits; scale them to [0, 1] floats, or write a TIFF."
            )
        data = np.ascontiguousarray(data.astype(np.uint8, copy=False).transpose(2, 1, 0, 3))
        rgb = np.dtype([("R", "u1"), ("G", "u1"), ("B", "u1")])
        data = data.view(rgb)[..., 0]
    else:
        data = data.transpose(2, 1, 0)
        if data.dtype == np.bool_:
            data = data.astype(np.uint8)
        elif data.dtype.kind in "iu" and data.dtype.itemsize == 8:
            data = data.astype(np.float64)
        elif data.dtype == np.float16:
            data = data.astype(np.float32)
    image = nib.Nifti1Image(data, volume.affine if volume.affine is not None else np.eye(4))
    if volume.affine is not None:
        image.header.set_xyzt_units("mm")
    return image


def _in_8_bits(colours: npt.NDArray[np.floating]) -> npt.NDArray[np.uint8]:
    """Return values of [0, 1] as 0 to 255, slice by slice: a coloured volume is large as it is."""
    out = np.empty(colours.shape, np.uint8)
    for z, values in enumerate(colours):
        out[z] = np.rint(np.clip(np.nan_to_num(values), 0, 1) * 255)
        page_out(colours)
    return out


def to_sitk(volume: _Image) -> Any:
    """Return a SimpleITK image with origin, spacing and direction in LPS mm.

    Parameters
    ----------
    volume : Volume
        Grey, or colours as components. A 2-D image with a position becomes one slice in 3-D.

    Returns
    -------
    SimpleITK.Image

    Raises
    ------
    InputError
        If the grid is sheared, which ITK cannot represent.
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


def to_itk(volume: _Image) -> Any:
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


def to_monai(volume: _Image) -> Any:
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


def to_torchio(volume: _Image) -> Any:
    """Return a TorchIO image: a `LabelMap` for labels, else a `ScalarImage`.

    Parameters
    ----------
    volume : Volume
        A 2-D image becomes one slice; without geometry it is at the origin with 1 mm spacing.

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


def to_xarray(volume: _Image) -> Any:
    """Return a `DataArray` that `io.data_array.from_data_array` gives back as the same volume.

    Parameters
    ----------
    volume : Volume

    Returns
    -------
    xarray.DataArray
        Dimensions ([z,] y, x[, c]); coordinates in mm (RAS). Those of an oblique grid are
        distances along its axes; ``attrs`` then contains their directions and origin in RAS.
    """
    xarray = _needed("xarray", "xarray")
    letters = ["z", "y", "x"][3 - volume.ndim :]
    dims = [*letters, "c"] if volume.rgb else letters
    coords: dict[str, Any] = {}
    attrs: dict[str, Any] = {"units": volume.unit, "notice": "not for diagnosis"}
    if volume.modality is not None:
        attrs["modality"] = volume.modality
    if volume.rgb:
        coords["c"] = ["red", "green", "blue", "alpha"][: volume.array.shape[-1]]
    if volume.affine is not None:
        linear, origin = volume.affine[:3, :3], volume.affine[:3, 3]
        steps = np.diag(linear)
        if not np.allclose(linear, np.diag(steps), rtol=0, atol=1e-9 * np.abs(linear).max()) or (
            volume.ndim == 2 and not np.array_equal(volume.affine[2], (0, 0, 1, 0))
        ):
            steps = np.linalg.norm(linear, axis=0)
            steps[volume.ndim :] = 1.0  # a 2-D image has no coordinate for its depth
            attrs[DIRECTION] = (linear / steps).ravel().tolist()
            attrs[ORIGIN] = origin.tolist()
            origin = np.zeros(3)
        for letter in letters:
            axis = "xyz".index(letter)
            n = volume.array.shape[letters.index(letter)]
            about = {"units": "mm", SPACING: float(steps[axis])}  # for one slice of it
            coords[letter] = (letter, origin[axis] + steps[axis] * np.arange(n), about)
    return xarray.DataArray(volume.array, dims=dims, coords=coords, attrs=attrs, name=volume.name)


def _needed(module: str, package: str) -> Any:
    return import_optional(
        module, f"An image of {package} needs the package {package}", package + "."
    )


def _lps(volume: _Image) -> tuple[Any, Any]:
    """Return the array, three-dimensional if it has geometry, and its affine in LPS mm.

    ITK has neither truth values nor half precision.
    """
    array = np.asarray(volume.array)
    wider = {np.dtype(bool): np.uint8, np.dtype(np.float16): np.float32}.get(array.dtype)
    array = array if wider is None else array.astype(wider)
    if volume.affine is None:
        return array, None
    lps = RAS_LPS @ volume.affine
    direction = lps[:3, :3] / np.linalg.norm(lps[:3, :3], axis=0)
    if not np.allclose(direction.T @ direction, np.eye(3), atol=1e-4):
        raise InputError(
            f"{volume.name}: ITK cannot represent a sheared grid; resample the image first."
        )
    return array if volume.ndim == 3 else array[np.newaxis], lps


def _channels_first(volume: _Image) -> Any:
    """Return ``(C, X, Y[, Z])`` in a type that torch supports."""
    array = np.asarray(volume.array)
    if array.dtype in (np.uint16, np.uint32):  # few operations of torch support these
        array = array.astype(np.int32 if array.dtype == np.uint16 else np.int64)
    array = array.astype(array.dtype.newbyteorder("="), copy=False)
    if volume.rgb:
        spatial = range(volume.ndim - 1, -1, -1)
        return np.ascontiguousarray(array.transpose(volume.ndim, *spatial))
    return np.ascontiguousarray(array.transpose())[np.newaxis].copy()

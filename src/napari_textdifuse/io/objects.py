"""Images of other libraries, recognised by their attributes, so that none is a dependency."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ..arrays import tensor_array
from ..errors import InputError, kind_of_values, size_of
from ..exports import RAS_LPS
from ..meaning import infer
from ..names import facts_in_name
from ..volume import LABEL_UNIT, Array, Volume, millimetres_of
from .data_array import from_data_array
from .raster import to_array

#: Messages for frequently passed objects that are not images.
_NO_IMAGE = {
    "pandas": "a table; give its values as an array",
    "pydicom": "a data set without its file; give the path of the file or of its folder",
    "vtkmodules": "an image of VTK; give it as a SimpleITK image or an array",
    "zarr.Group": "a group; give one of its arrays",
    "zarr.core": "a group; give one of its arrays",
    "builtins.dict": "a dictionary; give one of its values",
    "builtins.NoneType": "nothing",
    "_io": "an open file; give its path",
    "builtins.bytes": "bytes; give the path of the file",
    "scipy.sparse": "a sparse matrix; give its values as an array (toarray)",
    "torchio.data.subject": "a subject; give one of its images",
    "xarray.Dataset": "a data set; give one of its variables",
    "xarray.core.dataset": "a data set; give one of its variables",
}


def is_object(source: Any) -> bool:
    """Return whether an object is an image of another library that `from_object` supports.

    Parameters
    ----------
    source : object

    Returns
    -------
    bool
    """
    return _kind(source) is not None


def object_volume(source: Any, role: str, time: int | None = None) -> Volume | None:
    """Convert an image of another library to a volume; return None for possible arrays.

    Parameters
    ----------
    source, role, time
        See `from_object`.

    Raises
    ------
    InputError
        See `from_object`; also for tables, dictionaries and the like, which an array library
        would misinterpret.
    """
    if not is_object(source):
        _refuse_no_image(source, role)
        return None
    return from_object(source, role, time)


def from_object(source: Any, name: str = "image", time: int | None = None) -> Volume:
    """Convert an image of another library to a volume, with its geometry.

    Parameters
    ----------
    source : object
        A nibabel image, `SimpleITK.Image`, `itk.Image`, `torchio.ScalarImage` or ``LabelMap``,
        MONAI ``MetaTensor``, `xarray.DataArray` (see `data_array.from_data_array`) or
        `PIL.Image.Image`. Tensors have a leading channel axis, ``(1, X, Y, Z)`` or ``(C, X, Y)``.
    name : str
        For messages, and of the volume.
    time : int, optional
        Time point, from 0, of nibabel images and arrays over time.

    Returns
    -------
    Volume
        Axes (Z, Y, X), or (Y, X) for an image. If the object knows its file, the file name
        is interpreted as in `napari_textdifuse.read`.

    Raises
    ------
    InputError
        If it has several channels or time points, or is of an unknown kind.
    """
    kind = _kind(source)
    if kind is None:
        raise InputError(f"{name}: {_described(source)}.")
    volume = _READERS[kind](source, name, time)
    if volume.array.dtype.kind not in "biuf":
        raise InputError(
            f"{name}: {kind_of_values(volume.array.dtype)} cannot be fused; use real numbers."
        )
    path = _file_of(source)
    named = None if path is None else facts_in_name(path)
    return infer(volume, named)


def _refuse_no_image(source: Any, role: str) -> None:
    """Refuse by name what an array library would misinterpret.

    Raises
    ------
    InputError
    """
    kind = f"{type(source).__module__}.{type(source).__qualname__}"
    listed = isinstance(source, (list, tuple)) and bool(source)
    if listed and all(isinstance(item, (str, Path)) for item in source):
        raise InputError(f"{role}: a list of {len(source)} paths; give one file, or their folder.")
    known = any(kind.startswith(start) for start in _NO_IMAGE)
    if known or callable(source) or not (hasattr(source, "dtype") or _has_numbers(source)):
        raise InputError(f"{role}: {_described(source)}.")


def _has_numbers(source: Any) -> bool:
    """Return whether an array library finds numbers in an object, not the object itself."""
    if isinstance(source, (list, tuple)):
        return True
    try:
        return np.asarray(source).dtype.kind != "O"
    except Exception:  # an object's own __array__ raises anything
        return False


def _described(source: Any) -> str:
    kind = f"{type(source).__module__}.{type(source).__qualname__}"
    if source is None:
        return "nothing was given; give an array, a path, or an image of another library"
    reason = next((text for start, text in _NO_IMAGE.items() if kind.startswith(start)), None)
    if reason is not None:
        return f"an object of type {kind} is {reason}"
    return (
        f"an object of type {kind} is not a supported image; give an array, a path, or an "
        "image of nibabel, SimpleITK, ITK, TorchIO, MONAI, xarray or Pillow"
    )


def _kind(source: Any) -> str | None:
    def has(*names: str) -> bool:
        return all(hasattr(source, name) for name in names)

    if isinstance(source, type):  # has the attributes of its images
        return None
    if has("dataobj", "affine", "header"):
        return "nibabel"
    if has("GetSpacing", "GetDirection", "GetPixelIDValue", "CopyInformation"):
        return "SimpleITK"
    if has("GetSpacing", "GetDirection", "GetLargestPossibleRegion"):
        return "ITK"
    if has("affine", "tensor") and not callable(source.tensor):
        return "TorchIO"
    if has("affine", "meta", "detach"):
        return "MONAI"
    if has("dims", "coords", "attrs", "data"):
        return "xarray"
    if has("getbands", "mode", "size", "getexif"):
        return "Pillow"
    return None


def _file_of(source: Any) -> Path | None:
    """Return the file that an object says it was read from."""
    found = getattr(source, "path", None)  # TorchIO
    if callable(getattr(source, "get_filename", None)):  # nibabel
        found = source.get_filename()
    elif isinstance(getattr(source, "meta", None), Mapping):  # MONAI
        found = source.meta.get("filename_or_obj")
    elif hasattr(source, "getexif"):  # Pillow
        found = getattr(source, "filename", None)
    return Path(found) if isinstance(found, (str, Path)) and str(found) else None


def _from_nibabel(image: Any, name: str, time: int | None) -> Volume:
    from .nifti import open_image

    if "sform_code" in getattr(image.header, "keys", dict)():  # NIfTI
        return open_image(image, name).at(time)
    return Volume.from_nibabel(image, name=name)


def _from_sitk(image: Any, name: str, _: int | None) -> Volume:
    import SimpleITK

    _check_dimensions(image.GetDimension(), name)
    labels = image.GetPixelIDTypeAsString().startswith("label of")
    if labels:  # SimpleITK ends the process where the values of a label map are asked for
        to_labels: Any = SimpleITK.LabelMapToLabel
        image = to_labels(image)
    array = SimpleITK.GetArrayFromImage(image)
    direction = np.reshape(image.GetDirection(), (image.GetDimension(),) * 2)
    volume = _in_lps(array, image, direction, image.GetOrigin(), name)
    return replace(volume, unit=LABEL_UNIT, sources={"unit": "file"}) if labels else volume


def _from_itk(image: Any, name: str, _: int | None) -> Volume:
    import itk

    _check_dimensions(image.GetImageDimension(), name)
    array = itk.array_from_image(image)
    direction = np.asarray(itk.array_from_matrix(image.GetDirection()))
    # the origin is the position of index 0, which a cropped image does not contain
    first = image.GetLargestPossibleRegion().GetIndex()
    return _in_lps(array, image, direction, image.TransformIndexToPhysicalPoint(first), name)


def _check_dimensions(n: int, name: str) -> None:
    if n not in (2, 3):
        raise InputError(f"{name}: an image of {n} dimensions is not one image; extract one.")


def _in_lps(array: Array, image: Any, direction: Any, origin: Any, name: str) -> Volume:
    """Make a volume from SimpleITK and ITK; a 2-D image at the origin has no position."""
    n = len(direction)
    rgb = _is_colour(array, image.GetNumberOfComponentsPerPixel(), name)
    lps = np.eye(4)
    lps[:n, :n] = direction * np.array([float(s) for s in image.GetSpacing()])
    lps[:n, 3] = [float(v) for v in origin]
    placed = n == 3 or not np.array_equal(lps, np.eye(4))
    return Volume(array, affine=RAS_LPS @ lps if placed else None, rgb=rgb, name=name)


def _is_colour(array: Array, components: int, name: str) -> bool:
    if components == 1:
        return False
    colours = array.dtype == np.uint8 or (
        array.dtype.kind == "f" and array.size and array.min() >= 0 and array.max() <= 1
    )
    if components not in (3, 4) or not colours:
        raise InputError(
            f"{name}: {components} {kind_of_values(array.dtype)} per pixel are not colours; "
            "extract one component."
        )
    return True


def _from_torchio(image: Any, name: str, _: int | None) -> Volume:
    array = _values(image.tensor, name)
    affine = np.asarray(image.affine, dtype=np.float64)
    colour = isinstance(image, Mapping) and bool(image.get("rgb"))
    flat = array.ndim == 4 and array.shape[-1] == 1
    if flat and np.array_equal(np.abs(affine), np.eye(4)):  # an image, as TorchIO reads it
        return _from_channels(array[..., 0], None, colour or array.dtype == np.uint8, name)
    volume = _from_channels(array, affine, colour, name)
    labels = getattr(image, "type", None) == "label"  # a LabelMap
    return replace(volume, unit=LABEL_UNIT, sources={"unit": "file"}) if labels else volume


def _from_monai(tensor: Any, name: str, _: int | None) -> Volume:
    array, meta = _values(tensor, name), tensor.meta
    affine = _values(tensor.affine, name).astype(np.float64)
    known = meta.get("spatial_shape")
    rank = 0 if known is None else np.size(known)
    if affine.ndim == 3 or (rank in (2, 3) and array.ndim > rank + 1):
        raise InputError(
            f"{name}: a batch of {len(array)} ({size_of(array.shape)}); choose one image of it "
            "with monai.data.decollate_batch."
        )
    if affine.shape == (3, 3):  # a slice, after SqueezeDim
        rank, known = 2, array.shape[-2:]
    elif rank == 3 and array.ndim == 3 and len(array) == 1 != known[0]:
        raise InputError(
            f"{name}: a slice that was cut from a tensor by indexing has no position; cut it "
            "with monai.transforms.SpatialCrop."
        )
    if rank in (2, 3) and array.ndim == rank:  # without its channel axis
        array = array[None]
    elif rank not in (2, 3):
        rank = 2 if array.ndim == 3 and array.shape[0] == 1 else 3
        array = array[None] if array.ndim == rank else array
    elif (
        array.ndim == rank + 1
        and array.shape[-1] in (3, 4)
        and array.shape[:rank] == tuple(known) != array.shape[1:]
    ):
        array = np.moveaxis(array, -1, 0)
    square = np.eye(4)
    n = len(affine) - 1
    square[:n, :n], square[:n, 3] = affine[:n, :n], affine[:n, n]
    if "lps" in str(meta.get("space", "")).lower():
        square = RAS_LPS @ square
    # a tensor without a position has the identity
    unplaced = np.array_equal(square, np.eye(4)) and meta.get("pixdim") is None
    scale, stated = millimetres_of(meta)  # MONAI keeps the affine in the unit of the file
    square[:3] *= scale
    colour = bool(meta.get("rgb")) or (rank == 2 and "filename_or_obj" in meta)
    volume = _from_channels(array, None if unplaced else square, colour, name)
    if not (stated or unplaced):
        volume = replace(volume, sources={**volume.sources, "length": "unknown"})
    spatial = volume.array.shape[: volume.ndim][::-1]
    if np.size(known) == rank == 3 and spatial != tuple(known) and not tensor.applied_operations:
        was = f"{size_of(spatial)} voxels, but {size_of(known)} when it was read"
        note = (
            f"{name}: the tensor has {was}. MONAI does not move the position of a tensor that is "
            "cut or turned by indexing; use its transforms (SpatialCrop), or check the position."
        )
        volume = replace(volume, metadata={**volume.metadata, "notes": (note,)})
    return volume


def _values(tensor: Any, name: str) -> Array:
    array: Array = tensor_array(tensor, name) if hasattr(tensor, "detach") else tensor
    return array


def _from_channels(array: Array, affine: Any, colour: bool, name: str) -> Volume:
    """Make a volume of ``(C, X, Y[, Z])``."""
    if array.ndim in (3, 4) and array.shape[0] == 1:
        spatial = array[0].transpose()
        return Volume(np.ascontiguousarray(spatial), affine=affine, name=name)
    if array.ndim in (3, 4) and array.shape[0] in (3, 4) and colour:
        pixels = np.moveaxis(array, 0, -1)
        pixels = np.swapaxes(pixels, 0, pixels.ndim - 2)
        if pixels.dtype.kind == "f" and pixels.max(initial=0) > 1:
            pixels = np.clip(pixels, 0, 255).astype(np.uint8)  # MONAI reads images as floats
        return Volume(np.ascontiguousarray(pixels), affine=affine, rgb=True, name=name)
    raise InputError(
        f"{name}: a tensor of {size_of(array.shape)} is not one volume (1, X, Y, Z) or image "
        "(1, X, Y); choose one channel."
    )


def _from_xarray(source: Any, name: str, time: int | None) -> Volume:
    return from_data_array(source, name, time)


def _from_pillow(image: Any, name: str, _: int | None) -> Volume:
    array, rgb, notes = to_array(image)
    return Volume(array, rgb=rgb, name=name, metadata={"notes": tuple(notes)})


_READERS: dict[str, Callable[[Any, str, int | None], Volume]] = {
    "nibabel": _from_nibabel,
    "SimpleITK": _from_sitk,
    "ITK": _from_itk,
    "TorchIO": _from_torchio,
    "MONAI": _from_monai,
    "xarray": _from_xarray,
    "Pillow": _from_pillow,
}

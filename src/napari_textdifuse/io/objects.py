"""Images held by other libraries, known by their attributes, so that none is a dependency."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import InputError
from ..volume import Volume

_LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])


def is_object(source: Any) -> bool:
    """Tell whether something is an image of nibabel, SimpleITK or TorchIO, or a MONAI tensor.

    Parameters
    ----------
    source : object

    Returns
    -------
    bool
    """
    return _kind(source) is not None


def from_object(source: Any, name: str = "image") -> Volume:
    """Turn an image of another library into a volume, with its place.

    Parameters
    ----------
    source : nibabel image, SimpleITK.Image, torchio.ScalarImage or LabelMap, or MetaTensor
        Tensors have a leading channel axis of length 1, ``(1, X, Y, Z)``, and an affine in RAS mm.
    name : str
        For messages.

    Returns
    -------
    Volume
        Axes (Z, Y, X); (Y, X) for a two-dimensional SimpleITK image, which has no place in the
        patient.

    Raises
    ------
    InputError
        If it has several channels or time points, or is of no known kind.
    """
    kind = _kind(source)
    if kind == "SimpleITK":
        return _from_sitk(source, name)
    if kind == "tensor":
        return _from_tensor(source, name)
    if kind == "nibabel":
        return Volume.from_nibabel(source, name=name)
    raise InputError(
        f"{name}: an object of type {type(source).__module__}.{type(source).__name__} is not an "
        "image that is known; give a nibabel, SimpleITK or TorchIO image, a MONAI tensor or an "
        "array."
    )


def _kind(source: Any) -> str | None:
    if all(hasattr(source, key) for key in ("dataobj", "affine", "header")):
        return "nibabel"
    if all(hasattr(source, key) for key in ("GetSpacing", "GetDirection", "GetPixelIDValue")):
        return "SimpleITK"
    if hasattr(source, "affine") and (hasattr(source, "meta") or hasattr(source, "tensor")):
        return "tensor"
    return None


def _from_sitk(image: Any, name: str) -> Volume:
    import SimpleITK

    if image.GetDimension() not in (2, 3) or image.GetNumberOfComponentsPerPixel() != 1:
        raise InputError(
            f"{name}: a SimpleITK image of {image.GetDimension()} dimensions and "
            f"{image.GetNumberOfComponentsPerPixel()} components is not one image; extract one."
        )
    array = SimpleITK.GetArrayFromImage(image)
    if image.GetDimension() == 2:
        return Volume(array, name=name)
    lps = np.eye(4)
    lps[:3, :3] = np.reshape(image.GetDirection(), (3, 3)) * np.array(image.GetSpacing())
    lps[:3, 3] = image.GetOrigin()
    return Volume(array, affine=_LPS_TO_RAS @ lps, name=name)


def _from_tensor(source: Any, name: str) -> Volume:
    tensor = getattr(source, "tensor", None)  # TorchIO
    values = source if tensor is None or callable(tensor) else tensor
    array = np.asarray(values.detach().cpu())
    if array.ndim == 4 and array.shape[0] == 1:
        array = array[0]
    if array.ndim != 3:
        raise InputError(
            f"{name}: a tensor of shape {tuple(array.shape)} is not one volume (1, X, Y, Z); "
            "choose one channel."
        )
    affine = source.affine
    affine = affine.detach().cpu() if hasattr(affine, "detach") else affine
    return Volume(
        np.ascontiguousarray(array.transpose(2, 1, 0)),
        affine=np.asarray(affine, dtype=np.float64),
        name=name,
    )


def to_sitk(volume: Volume) -> Any:
    """Return a SimpleITK image with origin, spacing and direction in LPS mm.

    Parameters
    ----------
    volume : Volume
        Grey, or colours as components.

    Returns
    -------
    SimpleITK.Image

    Raises
    ------
    InputError
        If the grid is sheared, which ITK cannot hold.
    """
    import SimpleITK

    image: Any = SimpleITK.GetImageFromArray(volume.array, isVector=volume.rgb)
    if volume.affine is None or volume.ndim == 2:
        return image
    lps = _LPS_TO_RAS @ volume.affine
    spacing = np.linalg.norm(lps[:3, :3], axis=0)
    direction = lps[:3, :3] / spacing
    if not np.allclose(direction.T @ direction, np.eye(3), atol=1e-4):
        raise InputError(f"{volume.name}: a sheared grid has no form in SimpleITK; resample it.")
    image.SetSpacing(spacing.tolist())
    image.SetOrigin(lps[:3, 3].tolist())
    image.SetDirection(direction.ravel().tolist())
    return image

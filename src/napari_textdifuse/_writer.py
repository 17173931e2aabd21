"""napari writer: image and label layers as NIfTI, with geometry and record."""

from __future__ import annotations

from typing import Any

import numpy as np

from ._layers import KEY, LABEL_UNIT, LayerCopy, current_affine, transform_matrix
from .errors import WriteError


def write_nifti(path: str, data: Any, attributes: dict[str, Any]) -> list[str]:
    """Write one image or labels layer.

    The affine is the one kept in the layer's metadata, brought up to date if the layer was moved;
    without one, the layer's place in the viewer, as LPS millimetres.

    Parameters
    ----------
    path : str
        Ends in ``.nii`` or ``.nii.gz``.
    data : array
        (Z, Y, X), (Y, X), or with a last axis of colours.
    attributes : dict
        The layer's attributes, as napari hands them to writers.

    Returns
    -------
    list of str
        The path.

    Raises
    ------
    WriteError
        If the file cannot be written; nothing is left behind.
    """
    from .io import write

    if not path.lower().endswith((".nii", ".nii.gz")):
        raise WriteError(f"{path}: this plugin writes .nii and .nii.gz; choose one of the two.")
    if attributes.get("multiscale", False):
        data = data[0]
    known = dict(attributes.get("metadata", {}).get(KEY, {}))
    array = np.asarray(data)
    rgb = bool(attributes.get("rgb", False))
    if "rgb" not in attributes:  # only Image layers have it
        known |= {"unit": LABEL_UNIT, "modality": None, "window": None}
        array = _smallest(array)
    matrix = transform_matrix(attributes, array.ndim - int(rgb))
    copy = LayerCopy(
        name=str(attributes.get("name", "layer")),
        data=array,
        rgb=rgb,
        matrix=matrix,
        affine=current_affine(matrix, known),
        geometry={},
        known=known,
    )
    return [str(write(path, copy.volume(), record=known.get("record")))]


def _smallest(labels: Any) -> Any:
    """Labels in the smallest type that holds them; napari makes them int64."""
    if labels.size == 0 or labels.dtype.kind not in "iu":
        return labels
    low, high = int(labels.min()), int(labels.max())
    return labels.astype(np.promote_types(np.min_scalar_type(low), np.min_scalar_type(high)))

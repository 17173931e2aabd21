"""Write TIFF and OME-TIFF in the volume's own data type."""

from __future__ import annotations

from collections.abc import Mapping
from io import BytesIO
from typing import Any

import numpy as np
import tifffile

from ..errors import WriteError, kind_of_values
from ..volume import KEY, Volume
from ._files import to_json
from .nifti import NOTICE


def encode_tiff(
    volume: Volume, record: Mapping[str, Any] | None = None, *, ome: bool = False
) -> bytes:
    """Return a TIFF in the volume's own data type, which `open_tiff` restores to the same volume.

    Parameters
    ----------
    volume : Volume
    record : mapping, optional
        Kept in the ImageDescription, as JSON.
    ome : bool
        Write OME-TIFF, so that other programs find the voxel size along z.

    Returns
    -------
    bytes
    """
    array = volume.array
    if array.dtype == np.bool_:
        array = array.astype(np.uint8) * np.uint8(255)
    elif array.dtype.kind not in "iuf":
        raise WriteError(f"{kind_of_values(array.dtype)} cannot be written as a TIFF.")
    content = {
        "modality": volume.modality,
        "unit": volume.unit,
        "affine_ras_mm_xyz": volume.affine,
        "shape": array.shape,
        "rgb": volume.rgb,
        "record": record,
    }
    options: dict[str, Any] = {}
    if volume.spacing is not None:
        y, x = volume.spacing[-2:]
        options = {"resolution": (10 / x, 10 / y), "resolutionunit": "CENTIMETER"}
    if volume.rgb and array.shape[-1] == 4:
        options["extrasamples"] = ["unassalpha"]
    # text before the JSON, or tifffile takes any "shape" in it for its own
    description = f"{NOTICE}\n{to_json({KEY: content}, ascii_only=True)}"
    if ome:
        options["metadata"] = _ome_metadata(volume) | {"Description": description}
    else:
        options |= {"metadata": None, "description": description}
    buffer = BytesIO()
    tifffile.imwrite(
        buffer,
        array,
        ome=ome,
        photometric="rgb" if volume.rgb else "minisblack",
        planarconfig="contig" if volume.rgb else None,
        **options,
    )
    return buffer.getvalue()


def _ome_metadata(volume: Volume) -> dict[str, Any]:
    metadata: dict[str, Any] = {"axes": "ZYX"[3 - volume.ndim :] + "S" * volume.rgb}
    for axis, size in zip("XYZ", reversed(volume.spacing or ()), strict=False):
        metadata |= {f"PhysicalSize{axis}": size, f"PhysicalSize{axis}Unit": "mm"}
    return metadata

"""Write images and records, completely or not at all."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..errors import TextDiFuseError, WriteError
from ..volume import Volume
from ._files import check_target, to_json, write_bytes

CAN_WRITE = ".nii, .nii.gz, .tif, .tiff or .png"


def write(
    path: str | os.PathLike[str], volume: Volume, *, record: Mapping[str, Any] | None = None
) -> Path:
    """Write a volume in the format that the file's extension names.

    Parameters
    ----------
    path : str or PathLike
        ``.nii``, ``.nii.gz`` (geometry, modality, unit), ``.tif``, ``.tiff`` (own data type,
        geometry, modality, unit; ``.ome.tif`` for OME-TIFF) or ``.png`` (8 bits: floats are
        taken as [0, 1], labels as they are). An existing file is replaced, by rename, only when
        all was written. For DICOM see `write_dicom` and `write_segmentation`.
    volume : Volume
        Its name and metadata are not written.
    record : mapping, optional
        How the image was made; kept inside the file as JSON.

    Returns
    -------
    Path
        Where the file is.

    Raises
    ------
    WriteError
        If the extension is unknown, the folder is missing or not writable, or the format cannot
        store the values.
    """
    path = Path(path).expanduser()
    name = path.name.lower()
    check_target(path)
    try:
        if name.endswith((".nii", ".nii.gz")):
            from .nifti import encode_nifti

            data = encode_nifti(volume, record, compress=name.endswith(".gz"))
        elif name.endswith(".png"):
            from .raster import encode_png

            data = encode_png(volume, record)
        elif name.endswith((".tif", ".tiff")):
            from .tiff_write import encode_tiff

            ome = name.endswith((".ome.tif", ".ome.tiff"))
            data = encode_tiff(volume, record, ome=ome)
        else:
            raise WriteError(f"the extension is not one that can be written; use {CAN_WRITE}.")
    except TextDiFuseError as error:
        raise WriteError(f"{path.name}: {error}") from error
    return write_bytes(path, data)


def write_json(path: str | os.PathLike[str], obj: Any) -> Path:
    """Write `obj` as indented UTF-8 JSON, completely or not at all.

    Parameters
    ----------
    path : str or PathLike
    obj : Any
        Mappings, sequences, numbers (also NumPy's), text; NaN and infinity become null.

    Returns
    -------
    Path

    Raises
    ------
    WriteError
        If `obj` cannot be written as JSON, or the folder is missing or not writable.
    """
    path = Path(path).expanduser()
    return write_bytes(path, (to_json(obj, indent=2) + "\n").encode())

"""Write the same bytes for the same data, every time."""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import numpy.typing as npt
from PIL import Image


def write_nifti(
    path: Path,
    values: npt.NDArray[Any],
    affine: npt.NDArray[np.float64],
    sidecar: Mapping[str, Any] | None = None,
    slope: float | None = None,
) -> None:
    """Write a gzipped NIfTI-1 file and its JSON sidecar.

    Parameters
    ----------
    path : Path
        Ends in ``.nii.gz``.
    values : ndarray, axes (x, y, z)
        Stored as they are (``uint8``, ``int16``), or divided by `slope` into int16.
    affine : ndarray, shape (4, 4)
        Voxel to RAS mm; written as sform and qform, code 1 (scanner).
    sidecar : mapping, optional
        Written next to the image as ``<stem>.json``.
    slope : float, optional
        scl_slope.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    stored = values if slope is None else np.rint(values / slope).astype(np.int16)
    image = nib.Nifti1Image(stored, affine)
    image.header.set_xyzt_units("mm")
    image.set_sform(affine, 1)
    image.set_qform(affine, 1)
    image.header.set_slope_inter(1.0 if slope is None else slope, 0.0)
    raw = bytearray(image.to_bytes())
    if slope is not None:  # nibabel resets the scale of integer data when it writes
        raw[112:120] = np.array([slope, 0.0], "<f4").tobytes()
    with path.open("wb") as file, gzip.GzipFile("", "wb", 9, file, mtime=0) as packed:
        packed.write(raw)
    if sidecar is not None:
        text = json.dumps(dict(sidecar), indent=2) + "\n"
        path.with_name(path.name.removesuffix(".nii.gz") + ".json").write_text(text, "utf-8")


def write_png(path: Path, pixels: npt.NDArray[np.uint8]) -> None:
    """Write an 8-bit grey or RGB image."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, optimize=True)

"""Decode DICOM pixels to measured values or colours, one file at a time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.pixels.decoders.base import get_decoder
from pydicom.pixels.processing import apply_color_lut, apply_modality_lut
from pydicom.pixels.utils import pixel_array
from pydicom.uid import UID, ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from ..errors import ReadError
from ._quiet import reason

Array = npt.NDArray[Any]

PIXELS = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")


def load(path: Path) -> Dataset:
    """Read a DICOM file with its pixels.

    Raises
    ------
    ReadError
        If it is damaged, has no pixels, or is compressed in a way that cannot be decoded here.
    """
    try:
        dataset = dcmread(path, force=True)
        known = any(key in dataset for key in PIXELS)
    except Exception as error:  # parsers raise anything on damaged files
        raise ReadError(f"{path.name}: the DICOM file is damaged ({reason(error)}).") from error
    if not known:
        raise ReadError(
            f"{path.name}: the DICOM file holds no pixels (truncated, or not an image)."
        )
    if "TransferSyntaxUID" not in dataset.file_meta:  # old files without a header
        implicit, little = dataset.original_encoding
        dataset.file_meta.TransferSyntaxUID = (
            ImplicitVRLittleEndian
            if implicit
            else (ExplicitVRLittleEndian if little else ExplicitVRBigEndian)
        )
    check_decoder(dataset.file_meta.TransferSyntaxUID, path.name)
    return dataset


def check_decoder(syntax: UID, label: str) -> None:
    """Raise ReadError when no installed decoder knows a compression."""
    if not syntax.is_encapsulated:
        return
    try:
        available = get_decoder(syntax).is_available
    except NotImplementedError:
        available = False
    if not available:
        raise ReadError(
            f"{label}: compressed as {syntax.name}, which no installed decoder can read; install "
            'one (pip install "pylibjpeg[all]") or export the images uncompressed.'
        )


def decode(dataset: Dataset, label: str) -> tuple[Array, bool]:
    """Return measured values, or colours, of one file.

    Parameters
    ----------
    dataset : Dataset
        With pixels.
    label : str
        For messages.

    Returns
    -------
    array : ndarray
        ``([frames,] rows, columns[, 3])``. Integers where nothing rescales them, otherwise
        float32 after the modality LUT or slope and intercept (PS3.3 C.11.1). MONOCHROME1 is not
        inverted: that is a matter of display.
    rgb : bool

    Raises
    ------
    ReadError
        If the pixels are truncated or damaged.
    """
    try:
        array: Array = pixel_array(dataset)  # YBR becomes RGB
        array = array.astype(array.dtype.newbyteorder("="), copy=False)
        photometric = str(dataset.PhotometricInterpretation)
        if photometric == "PALETTE COLOR":
            array = apply_color_lut(array, dataset)[..., :3]
            if array.dtype == np.uint16:  # 16-bit tables: the high byte is the colour
                array = (array >> 8).astype(np.uint8)
            return array, True
        if int(dataset.SamplesPerPixel) >= 3:
            return array, True
        return rescale(array, dataset), False
    except Exception as error:  # decoders raise anything on damaged pixels
        syntax = dataset.file_meta.TransferSyntaxUID
        if syntax.is_encapsulated and isinstance(error, RuntimeError):
            raise ReadError(
                f"{label}: the installed decoders cannot decode its {syntax.name}; the file is "
                'damaged, or another decoder is needed (pip install "pylibjpeg[all]").'
            ) from error
        raise ReadError(f"{label}: the pixels cannot be decoded ({reason(error)}).") from error


def rescale(array: Array, dataset: Dataset) -> Array:
    """Apply the modality LUT, or slope and intercept where they change anything."""
    values = apply_modality_lut(array, dataset)
    if values.dtype.kind == "f" and array.dtype.kind != "f":
        identity = not dataset.get("ModalityLUTSequence") and (
            float(dataset.get("RescaleSlope", 1)) == 1
            and float(dataset.get("RescaleIntercept", 0)) == 0
        )
        return array if identity else values.astype(np.float32)
    return values.astype(np.float32) if values.dtype == np.float64 else values

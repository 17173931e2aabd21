"""Decode DICOM pixels to measured values or colours, one file at a time."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.pixels.decoders.base import get_decoder
from pydicom.pixels.processing import apply_color_lut, apply_modality_lut
from pydicom.pixels.utils import pixel_array
from pydicom.uid import (
    UID,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEGExtended12Bit,
)

from ..errors import ReadError
from ._quiet import reason
from .dicom_find import complete_rescaling
from .dicom_numbers import changed, number
from .gdcm_process import gdcm_process
from .scaling import scaled

Array = npt.NDArray[Any]

#: pydicom's names of two decoders: Pillow knows few kinds of JPEG 2000, for GDCM see its process.
LAST, GDCM = "pillow", "gdcm"
PIXELS = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")
#: Decoders of nearly all transfer syntaxes, under permissive licences.
_INSTALL = 'pip install "napari-textdifuse[dicom-codecs]"'
#: 12-bit lossy JPEG has only a GPL decoder, which the user must choose.
_INSTALL_12_BIT = "pip install pylibjpeg pylibjpeg-libjpeg"


def is_colour(header: Dataset) -> bool:
    """Return whether decoded pixels are colours, from a palette or directly."""
    return (
        header.get("PhotometricInterpretation") == "PALETTE COLOR"
        or int(header.get("SamplesPerPixel") or 1) >= 3
    )


def decode(path: Path) -> tuple[Array, Dataset]:
    """Return the stored values, or colours, of a file.

    Parameters
    ----------
    path : Path

    Returns
    -------
    array : ndarray
        ``([frames,] rows, columns[, 3])``; not rescaled. MONOCHROME1 is not inverted, because that
        is a matter of display.
    dataset : Dataset

    Raises
    ------
    ReadError
        If the pixels are missing, truncated, damaged, or compressed in a way that no installed
        decoder supports.
    """
    dataset = _load(path)
    try:
        array = _stored(dataset, path)  # YBR becomes RGB
        array = array.astype(array.dtype.newbyteorder("="), copy=False)
        if dataset.PhotometricInterpretation == "PALETTE COLOR":
            array = apply_color_lut(array, dataset)[..., :3]
            if array.dtype == np.uint16:  # 16-bit tables: the high byte is the colour
                array = (array >> 8).astype(np.uint8)
        return array, dataset
    except Exception as error:  # decoders raise anything on damaged pixels
        syntax = dataset.file_meta.TransferSyntaxUID
        if syntax.is_encapsulated and isinstance(error, RuntimeError):
            raise ReadError(
                f"{path.name}: the installed decoders cannot decode its {syntax.name}; the file "
                f"is damaged, or another decoder is needed ({_install(syntax)})."
            ) from error
        raise ReadError(f"{path.name}: the pixels cannot be decoded ({reason(error)}).") from error


def _stored(dataset: Dataset, path: Path) -> Array:
    """Return the values of a file, by any decoder; by GDCM last, and in another process."""
    syntax = dataset.file_meta.TransferSyntaxUID
    plugins = get_decoder(syntax).available_plugins if syntax.is_encapsulated else ()
    if GDCM not in plugins:
        return pixel_array(dataset)
    for plugin in sorted(set(plugins) - {GDCM}, key=lambda name: name == LAST):
        with suppress(Exception):  # decoders raise anything on damaged pixels
            return pixel_array(dataset, decoding_plugin=plugin)
    with gdcm_process() as gdcm:
        return gdcm.decode(path)


def decompressed(path: Path) -> Dataset:
    """Return a file's data set, for libraries that would decode the pixels themselves.

    Raises
    ------
    ReadError
        See `decode`.
    """
    dataset = _load(path)
    one_bit = dataset.get("BitsAllocated") == 1  # no JPEG has that
    if dataset.file_meta.TransferSyntaxUID.is_encapsulated and not one_bit:
        array, dataset = decode(path)
        dataset.PixelData = array.astype(array.dtype.newbyteorder("<")).tobytes()
        dataset["PixelData"].VR = "OW" if array.itemsize > 1 else "OB"
        dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    return dataset


def rescale(array: Array, header: Dataset, label: str) -> Array:
    """Apply the modality LUT, or slope and intercept where they change anything (PS3.3 C.11.1).

    A slope of 0, which would erase the image, counts as 1.

    Parameters
    ----------
    array : ndarray
        Stored values.
    header : Dataset
        Of the file, or of the frame.
    label : str
        For messages.

    Returns
    -------
    ndarray
        float32, or the stored type if nothing was rescaled.

    Raises
    ------
    ReadError
        If the header's values are damaged.
    """
    if number(header, "RescaleSlope") == 0:
        header = changed(header, RescaleSlope=1)
    try:
        values = apply_modality_lut(array, header)
        if values.dtype.kind == "f" and array.dtype.kind != "f":
            identity = not header.get("ModalityLUTSequence") and (
                float(header.get("RescaleSlope", 1)) == 1
                and float(header.get("RescaleIntercept", 0)) == 0
            )
            if identity:
                return array
    except Exception as error:  # parsers raise anything on damaged values
        raise ReadError(
            f"{label}: the rescale slope, intercept or table is damaged ({reason(error)})."
        ) from error
    if values.dtype.kind != "f":
        return values
    line = header.get("RescaleSlope", 1), header.get("RescaleIntercept", 0)
    return scaled(array, label, "the rescale slope and intercept", *line)


def _load(path: Path) -> Dataset:
    try:
        dataset = dcmread(path, force=True)
        complete_rescaling(dataset)
        known = any(key in dataset for key in PIXELS)
    except Exception as error:  # parsers raise anything on damaged files
        raise ReadError(f"{path.name}: the DICOM file is damaged ({reason(error)}).") from error
    if not known:
        raise ReadError(
            f"{path.name}: the DICOM file contains no pixels (truncated, or not an image)."
        )
    if "TransferSyntaxUID" not in dataset.file_meta:  # old files without a header
        implicit, little = dataset.original_encoding
        dataset.file_meta.TransferSyntaxUID = (
            ImplicitVRLittleEndian
            if implicit
            else (ExplicitVRLittleEndian if little else ExplicitVRBigEndian)
        )
    _check_decoder(dataset.file_meta.TransferSyntaxUID, path.name)
    return dataset


def _install(syntax: UID) -> str:
    return _INSTALL_12_BIT if syntax == JPEGExtended12Bit else _INSTALL


def _check_decoder(syntax: UID, label: str) -> None:
    if not syntax.is_encapsulated:
        return
    try:
        available = get_decoder(syntax).is_available
    except NotImplementedError:
        available = False
    if not available:
        raise ReadError(
            f"{label}: compressed as {syntax.name}, which no installed decoder can read; install "
            f"the decoders ({_install(syntax)}) or export the images uncompressed."
        )

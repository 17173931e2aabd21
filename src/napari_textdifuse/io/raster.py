"""Pictures: PNG, JPEG and BMP."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import ReadError, WriteError
from ..volume import Array, Volume
from ._plain import to_json
from ._quiet import quiet, reason

if TYPE_CHECKING:
    from PIL.Image import Image

#: What Pillow raises on damaged files.
DAMAGE = (OSError, SyntaxError, ValueError, EOFError, struct.error, zlib.error)


@quiet("PIL")  # damaged EXIF, large pictures
def read_picture(path: Path) -> Volume:
    """Read a PNG, JPEG or BMP, turned as its EXIF orientation says.

    Parameters
    ----------
    path : Path

    Returns
    -------
    Volume
        ``(Y, X)`` uint8 or uint16, or ``(Y, X, 3 or 4)`` uint8; without geometry, as the
        resolution of a picture is one of printing.

    Raises
    ------
    ReadError
        If the file is damaged, cut off, or not a picture.
    """
    from PIL import Image, ImageOps

    notes = []
    try:
        with Image.open(path) as image:
            image.load()
            if _is_deep_colour(path):
                notes.append("The picture has 16 bits per colour; it was read with 8.")
            array = to_array(ImageOps.exif_transpose(image))
    except (*DAMAGE, Image.DecompressionBombError) as error:
        raise ReadError(
            f"{path.name}: not a picture, or a damaged one ({reason(error)}); "
            "save or download it again."
        ) from error
    return Volume(array, rgb=array.ndim == 3, name=path.stem, metadata={"notes": tuple(notes)})


def to_array(image: Image) -> Array:
    """Turn any Pillow mode into grey (Y, X) or RGB(A) (Y, X, 3 or 4)."""
    if image.mode == "1":
        return np.asarray(image).astype(np.uint8) * np.uint8(255)
    if image.mode in ("P", "PA", "LA", "La"):
        clear = "transparency" in image.info or image.mode != "P"
        image = image.convert("RGBA" if clear else "RGB")
    elif image.mode.startswith("I;16"):
        return np.asarray(image).astype(np.uint16)
    elif image.mode not in ("L", "RGB", "RGBA", "I", "F"):
        image = image.convert("RGB")  # CMYK, YCbCr, Lab, HSV
    array = np.array(image)
    if image.mode == "I" and array.min(initial=0) >= 0 and array.max(initial=0) <= 65535:
        array = array.astype(np.uint16)  # older versions of Pillow read 16-bit PNG so
    return array


def encode_png(volume: Volume, record: Mapping[str, Any] | None = None) -> bytes:
    """Return an 8-bit PNG.

    Parameters
    ----------
    volume : Volume
        Two-dimensional. Floats are taken as [0, 1] (NaN is black), integers of 0 to 255 as they
        are, truth values as 0 and 255.
    record : mapping, optional
        Kept as JSON in the text chunk ``textdifuse``.

    Returns
    -------
    bytes

    Raises
    ------
    WriteError
        If the volume is three-dimensional or its values do not fit into 8 bits.
    """
    from PIL import Image
    from PIL.PngImagePlugin import PngInfo

    from .nifti import KEY, NOTICE

    if volume.ndim == 3:
        raise WriteError(
            f"a volume of shape {volume.shape} cannot be a PNG; write .nii.gz or .tif, or a slice."
        )
    info = PngInfo()
    info.add_text("Comment", NOTICE)
    if record is not None:
        info.add_itxt(KEY, to_json(record))
    buffer = BytesIO()
    Image.fromarray(_to_8_bit(volume.array)).save(buffer, "PNG", pnginfo=info)
    return buffer.getvalue()


def _to_8_bit(array: Array) -> Array:
    if array.dtype == np.bool_:
        return array.astype(np.uint8) * np.uint8(255)
    if array.dtype.kind == "f":
        shown = np.nan_to_num(array.astype(np.float64), nan=0.0, posinf=np.inf, neginf=-np.inf)
        low, high = float(shown.min(initial=0)), float(shown.max(initial=0))
        if low < -1e-3 or high > 1 + 1e-3:  # rounding is forgiven
            raise WriteError(
                f"values from {low:.4g} to {high:.4g} do not fit into a PNG, which takes floats in "
                "[0, 1]; scale them, or write .tif or .nii.gz."
            )
        return np.rint(np.clip(shown, 0, 1) * 255).astype(np.uint8)
    if array.dtype.kind in "iu":
        low, high = int(array.min(initial=0)), int(array.max(initial=0))
        if low < 0 or high > 255:
            raise WriteError(
                f"integers from {low} to {high} do not fit into an 8-bit PNG; "
                "write .tif or .nii.gz."
            )
        return array.astype(np.uint8)
    raise WriteError(f"values of type {array.dtype} cannot be written as a PNG.")


def _is_deep_colour(path: Path) -> bool:
    """Tell whether a PNG has 16 bits per colour, which Pillow reads with 8."""
    with path.open("rb") as file:
        head = file.read(26)
    return head[:4] == b"\x89PNG" and head[24] == 16 and head[25] != 0

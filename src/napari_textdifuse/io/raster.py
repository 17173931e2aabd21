"""Images: PNG, JPEG and BMP."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Mapping
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import ReadError, WriteError, kind_of_values, size_of
from ..volume import Array, Volume
from ._files import to_json
from ._quiet import quiet, reason
from .channels import simplify
from .limits import check_size

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageFile import ImageFile

#: What Pillow raises on damaged files.
DAMAGE = (OSError, SyntaxError, ValueError, EOFError, struct.error, zlib.error)


@quiet("PIL")  # damaged EXIF, large images
def read_picture(path: Path) -> Volume:
    """Read a PNG, JPEG or BMP, oriented by its EXIF data.

    Parameters
    ----------
    path : Path

    Returns
    -------
    Volume
        ``(Y, X)`` or ``(Y, X, 3 or 4)``, uint8 or uint16; without geometry, because the
        resolution of an image is one of printing. Three equal channels are grey, a constant
        alpha channel is dropped (see `napari_textdifuse.io.channels`). A JPEG of a thermal
        camera has the modality ``"IR"``; the temperatures it carries are not read, as a note says.

    Raises
    ------
    ReadError
        If the file is damaged, cut off, or not an image.
    """
    from PIL import Image, ImageOps

    try:
        source: Any = path
        if deep := _grey_alpha_16(path):
            source = BytesIO(deep)
        with Image.open(source) as image:
            stored = path.stat().st_size
            wide = _has_deep_colours(image)
            check_size(path.name, image.size[::-1], len(image.getbands()) * (1 + wide), stored)
            camera = thermal_camera(path, image) if image.format in ("JPEG", "MPO") else None
            notes = _further_images(image)
            image.load()
            upright = ImageOps.exif_transpose(image)
            if wide:
                array, rgb, more = _deep_colours(np.asarray(upright), path, upright.info)
            else:
                array, rgb, more = to_array(upright, deep=bool(deep))
    except Image.DecompressionBombError as error:
        raise ReadError(
            f"{path.name}: too large for this kind of file ({reason(error).split(',')[0]}); crop "
            "it, or save it as TIFF."
        ) from error
    except DAMAGE as error:
        raise ReadError(
            f"{path.name}: not an image, or a damaged one ({reason(error)}); "
            "save or download it again."
        ) from error
    metadata: dict[str, Any] = {"notes": (*notes, *more)}
    if camera is not None:
        metadata = {
            "notes": (
                f"The file contains the raw data of a thermal camera ({camera}); the temperatures "
                "were not read: the values are the grey levels or colours of the image.",
                *metadata["notes"],
            ),
        }
    return Volume(
        array,
        rgb=rgb,
        name=path.stem,
        modality=None if camera is None else "IR",
        sources={} if camera is None else {"modality": "file"},
        metadata=metadata,
    )


def to_array(image: Image, *, deep: bool = False) -> tuple[Array, bool, list[str]]:
    """Turn any Pillow mode into grey (Y, X) or colours (Y, X, 3 or 4).

    Parameters
    ----------
    image : PIL.Image.Image
    deep : bool
        The image is grey with alpha, in 16 bits, with the bytes of both as its four channels.

    Returns
    -------
    array : ndarray
    rgb : bool
    notes : list of str
    """
    if deep:
        image_bytes = np.array(image)
        pairs = image_bytes.view(">u2").astype(np.uint16)
        return _without_alpha(pairs[..., 0], pairs[..., 1])
    clear = image.info.get("transparency")  # of a PNG without alpha: a level or a colour
    if image.mode in ("L", "RGB", "I;16") and isinstance(clear, int | tuple):
        array, rgb, notes = to_array(_without_clear(image))
        count = int(np.count_nonzero((np.array(image).reshape(*image.size, -1) == clear).all(-1)))
        return array, rgb, [*notes, _kept(count)] if count else notes
    if image.mode == "1":
        return np.asarray(image).astype(np.uint8) * np.uint8(255), False, []
    if image.mode in ("LA", "La"):
        pair = np.array(image.convert("LA"))
        return _without_alpha(pair[..., 0], pair[..., 1])
    if image.mode in ("P", "PA"):
        clear = "transparency" in image.info or image.mode == "PA"
        image = image.convert("RGBA" if clear else "RGB")
    elif image.mode.startswith("I;16"):
        return np.asarray(image).astype(np.uint16), False, []
    elif image.mode not in ("L", "RGB", "RGBA", "I", "F"):
        image = image.convert("RGB")  # CMYK, YCbCr, Lab, HSV
    array = np.array(image)
    if image.mode == "I" and array.min(initial=0) >= 0 and array.max(initial=0) <= 65535:
        array = array.astype(np.uint16)  # older versions of Pillow read 16-bit PNG so
    return simplify(array) if array.ndim == 3 else (array, False, [])


def _kept(count: int) -> str:
    return f"{count} pixels that the file marks as transparent were kept."


def _further_images(image: Image) -> list[str]:
    count = int(getattr(image, "n_frames", 1))
    return [f"The file contains {count} images; the first was read."] if count > 1 else []


def _without_clear(image: Image) -> Image:
    image = image.copy()
    del image.info["transparency"]
    return image


def _without_alpha(grey: Array, alpha: Array) -> tuple[Array, bool, list[str]]:
    constant = not alpha.size or bool((alpha == alpha.flat[0]).all())
    notes = [] if constant else ["The transparency of the grey image was ignored."]
    return np.ascontiguousarray(grey), False, notes


def _grey_alpha_16(path: Path) -> bytes | None:
    """Return a PNG of 16-bit grey with alpha as one of 8-bit RGBA, with the same bytes.

    Pillow would drop the lower half of the depth. Both kinds have four bytes per pixel, so PNG's
    filters work alike on them (PNG specification, 9.2); only the header differs.
    """
    with path.open("rb") as file:
        head = file.read(33)  # signature and IHDR
        if head[:8] != b"\x89PNG\r\n\x1a\n" or head[12:16] != b"IHDR" or head[24:26] != b"\x10\x04":
            return None
        rest = file.read()
    header = head[12:24] + b"\x08\x06" + head[26:29]
    return head[:12] + header + struct.pack(">I", zlib.crc32(header)) + rest


def _has_deep_colours(image: ImageFile) -> bool:
    """Return whether a PNG has 16 bits per colour, of which Pillow keeps the upper 8."""
    deep = any(str(tile.args).endswith(";16B") for tile in image.tile)
    return deep and image.mode in ("RGB", "RGBA")


def _deep_colours(
    upper: Array, path: Path, info: Mapping[Any, Any]
) -> tuple[Array, bool, list[str]]:
    """Return the colours of a PNG in 16 bits.

    The file is decoded once more as if its values were little-endian: of these, Pillow's upper
    byte is the file's lower one.
    """
    from PIL import Image, ImageOps

    with Image.open(path) as image:
        image.tile = [t._replace(args=str(t.args).replace(";16B", ";16L")) for t in image.tile]
        lower = np.asarray(ImageOps.exif_transpose(image))
    array = upper.astype(np.uint16) << 8 | lower
    clear = info.get("transparency")
    count = int(np.count_nonzero((array == clear).all(-1))) if isinstance(clear, tuple) else 0
    array, rgb, notes = simplify(array)
    return array, rgb, [*notes, _kept(count)] if count else notes


def thermal_camera(path: Path, image: Image) -> str | None:
    """Return which thermal camera's raw data a JPEG contains, None if none.

    Looks at the application segments: FLIR (APP1), DJI (APP3), InfiRay (APP2), and at XMP that
    speaks of long-wave infrared or thermal data (Parrot, senseFly and others).
    """
    make = str(image.getexif().get(0x010F) or "").strip("\0 ")
    for marker, data in _segments(path):
        if data.startswith(b"FLIR\0"):
            return "FLIR"
        if marker == 0xE2 and b"IJPEG" in data[:16]:
            return "InfiRay"
        if marker == 0xE3 and make.upper().startswith(("DJI", "HASSELBLAD")) and len(data) > 1000:
            return "DJI"
        if data.startswith(b"http://ns.adobe.com/xap/1.0/\0") and any(
            word in data for word in (b"LWIR", b"ThermalData", b"RadiometricJpeg", b"ns.flir.com")
        ):
            return make or "by its XMP"
    return "FLIR" if make.upper().startswith("FLIR") else None


def _segments(path: Path) -> Iterator[tuple[int, bytes]]:
    """Yield the markers and contents of a JPEG's segments, up to the pixels."""
    with path.open("rb") as file:
        if file.read(2) != b"\xff\xd8":
            return
        while len(head := file.read(4)) == 4 and head[0] == 0xFF and head[1] != 0xDA:
            yield head[1], file.read(int.from_bytes(head[2:], "big") - 2)


def encode_png(volume: Volume, record: Mapping[str, Any] | None = None) -> bytes:
    """Return an 8-bit PNG.

    Parameters
    ----------
    volume : Volume
        Two-dimensional. Floats are in [0, 1] (NaN is black), integers from 0 to 255 are
        unchanged, booleans become 0 and 255.
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

    from ..volume import KEY
    from .nifti import NOTICE

    if volume.ndim == 3:
        raise WriteError(
            f"a volume of {size_of(volume.shape)} cannot be a PNG; write .nii.gz or .tif, or a "
            "slice."
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
        if low < -1e-3 or high > 1 + 1e-3:  # rounding is tolerated
            raise WriteError(
                f"values from {low:.4g} to {high:.4g} do not fit into a PNG, which needs values in "
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
    raise WriteError(f"{kind_of_values(array.dtype)} cannot be written as a PNG.")

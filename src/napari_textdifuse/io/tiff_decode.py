"""Decode a TIFF's pixels, even without the optional package for its compression."""

from __future__ import annotations

import ctypes
import ctypes.util
import math
import struct
import threading
from contextlib import suppress
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any, cast

import numpy as np
import tifffile

from ..errors import ReadError
from ..volume import Array
from .limits import check_complete, check_size

#: The package that decodes all other compressions.
_INSTALL = 'pip install imagecodecs, or "napari-textdifuse[tiff-codecs]"'
#: Compressions whose parts are whole JPEG files without their tables.
_JPEG = (6, 7)


def decode(series: Any, path: Path) -> Array:
    """Return the values of a series of pages.

    Parameters
    ----------
    series : tifffile.TiffPageSeries
    path : Path

    Returns
    -------
    ndarray
        Of the shape of the series.

    Raises
    ------
    ReadError
        If it would be too large, is cut off, or is compressed in a way that neither tifffile nor
        Pillow's libtiff knows.
    """
    page = series.keyframe
    plain = page.compression == tifffile.COMPRESSION.NONE
    stored = None if plain else path.stat().st_size
    check_size(path.name, series.shape, np.dtype(series.dtype).itemsize, stored)
    # every strip or tile has its place listed in the file; tifffile goes through all of them
    check_complete(path.name, math.prod(page.chunked), path)
    if plain:
        counts = (sum(p.databytecounts) for p in series.pages if p is not None)
        check_complete(path.name, sum(counts), path)
        return series.asarray()
    try:
        return series.asarray()
    except (ValueError, ImportError, KeyError) as error:
        text = str(error)
        if "imagecodecs" not in text and "No module named" not in text:
            raise
    return _with_pillow(series, path)


def _with_pillow(series: Any, path: Path) -> Array:
    """Let Pillow decode each strip or tile, and put them into place."""
    page = series.keyframe
    _silence_libtiff()
    out = np.zeros((len(series.pages), *page.shaped), series.dtype)
    for number, part in enumerate(series.pages):
        if part is None:  # a plane that OME-XML speaks of, but that is not in the file
            continue
        handle = part.parent.filehandle
        for index, (offset, size) in enumerate(
            zip(part.dataoffsets, part.databytecounts, strict=True)
        ):
            if not size:
                continue
            place, shape = _segment(page, index)
            handle.seek(offset)
            try:
                values = _decoded(page, handle.read(size), shape)
            except (OSError, SyntaxError, ValueError, struct.error) as error:
                raise ReadError(
                    f"{path.name}: its compression ({_compression(page)}) cannot be decoded here; "
                    f"install imagecodecs ({_INSTALL}), or save the file without compression."
                ) from error
            target = out[(number, *place)]
            target[...] = values[tuple(slice(n) for n in target.shape)]
    return out.reshape(series.shape)


def _segment(page: Any, index: int) -> tuple[tuple[int | slice, ...], tuple[int, ...]]:
    """Return the position of a strip or tile in (sample, depth, y, x, channel), and its shape."""
    _, depth, height, width, channels = page.shaped
    if page.is_tiled:
        size = (page.tiledepth, page.tilelength, page.tilewidth)
        counts = [-(-n // m) for n, m in zip((depth, height, width), size, strict=True)]
        sample, *tile = np.unravel_index(index, (page.shaped[0], *counts))
        starts = [int(t) * m for t, m in zip(tile, size, strict=True)]
    else:
        rows = page.rowsperstrip
        strips = -(-height // rows)
        sample, z, strip = np.unravel_index(index, (page.shaped[0], depth, strips))
        starts = [int(z), int(strip) * rows, 0]
        size = (1, min(rows, height - starts[1]), width)
    place = (int(sample), *(slice(s, s + n) for s, n in zip(starts, size, strict=True)))
    return cast("tuple[int | slice, ...]", place), (*size, channels)


def _decoded(page: Any, data: bytes, shape: tuple[int, ...]) -> Array:
    """Return the values of one strip or tile, of shape (depth, y, x, channel)."""
    if int(page.compression) in _JPEG:
        return _jpeg(page, data).reshape(1, *shape[1:])
    depth, height, width, channels = shape
    bits = int(page.bitspersample)
    row = (width * channels * bits + 7) // 8
    raw = np.frombuffer(_bytes(data, int(page.compression), row, depth * height), np.uint8)
    if page.fillorder != 1 or page.predictor not in (1, 2, 3):
        raise ValueError("an unusual order of bits or kind of prediction")
    if bits == 1:
        return np.unpackbits(raw.reshape(-1, row), axis=1)[:, : width * channels].reshape(shape)
    if bits not in (8, 16, 32, 64):
        raise ValueError(f"{bits} bits per value")
    stored = np.dtype(page.dtype).newbyteorder(page.parent.byteorder)
    if page.predictor == 3:  # differences of bytes, the most significant ones of a row first
        planes = np.cumsum(raw.reshape(-1, width * bits // 8, channels), axis=1, dtype=np.uint8)
        parts = planes.reshape(-1, bits // 8, width * channels).transpose(0, 2, 1)
        return (
            np.ascontiguousarray(parts).view(np.dtype(page.dtype).newbyteorder(">")).reshape(shape)
        )
    values = raw.view(stored).reshape(shape)
    if page.predictor == 2:
        whole = np.dtype(f"u{bits // 8}")
        unsigned = values.view(stored.str[0] + whole.str[1:]) if bits > 8 else values.view(whole)
        values = np.cumsum(unsigned, axis=2, dtype=whole).view(np.dtype(page.dtype))
    return values


def _jpeg(page: Any, data: bytes) -> Array:
    from PIL import Image

    if page.bitspersample != 8:
        raise ValueError(f"JPEG of {page.bitspersample} bits")
    tables = page.jpegtables[:-2] if page.jpegtables else b""
    with Image.open(BytesIO(tables + data[2:] if tables else data), formats=["JPEG"]) as image:
        return np.asarray(image)


def _bytes(data: bytes, compression: int, width: int, height: int) -> bytes:
    from PIL import Image

    tags = (
        (256, 4, width),
        (257, 4, height),
        (258, 3, 8),  # bits
        (259, 3, compression),
        (262, 3, 1),  # black is 0
        (273, 4, 8),  # where the data begin
        (277, 3, 1),
        (278, 4, height),
        (279, 4, len(data)),
    )
    directory = struct.pack("<H", len(tags)) + b"".join(
        struct.pack("<HHII", tag, kind, 1, value) for tag, kind, value in tags
    )
    padded = data + b"\0" * (len(data) % 2)
    made = struct.pack("<2sHI", b"II", 42, 8 + len(padded)) + padded + directory + b"\0" * 4
    with Image.open(BytesIO(made), formats=["TIFF"]) as image:
        return image.tobytes()


def _compression(page: Any) -> str:
    return getattr(page.compression, "name", str(page.compression))


_lock = threading.Lock()


@cache
def _silence_libtiff() -> None:
    """Keep libtiff, which Pillow uses, from printing to the terminal.

    Its handlers belong to the process; Pillow offers no way to set them and raises an exception of
    its own for every error.
    """
    from PIL import Image

    folder = Path(Image.__file__).parent
    libraries = [
        *map(str, folder.parent.glob("[pP]illow.libs/libtiff*")),
        *map(str, (folder / ".dylibs").glob("libtiff*")),
    ]
    if not libraries and (found := ctypes.util.find_library("tiff")):
        libraries = [found]
    with _lock, suppress(OSError, AttributeError):
        for library in libraries:
            tiff = ctypes.CDLL(library)
            for setter in (tiff.TIFFSetErrorHandler, tiff.TIFFSetWarningHandler):
                setter.restype = ctypes.c_void_p
                setter.argtypes = [ctypes.c_void_p]
                setter(None)

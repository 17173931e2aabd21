"""Open the file of a NIfTI image, and compare its header with its content."""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, cast

import numpy as np

from ..errors import ReadError
from ._quiet import reason
from .limits import check_complete, check_size, in_words, max_unpacked

if TYPE_CHECKING:
    import nibabel

#: Header with extensions, in bytes.
LONGEST_HEADER = 1 << 28


def load_image(path: Path) -> tuple[Any, Any, bool, bool]:
    """Open a NIfTI file of either version, compressed or not, whatever its name.

    Parameters
    ----------
    path : Path

    Returns
    -------
    image : nibabel.Nifti1Image or Nifti2Image
        Its values are not read yet.
    sizes : ndarray, shape (3,)
        pixdim of x, y and z as stored.
    compressed : bool
    scalable : bool
        False if scl_slope is infinite, which nibabel ignores.

    Raises
    ------
    ReadError
        If the file is damaged, cut off, too large or not NIfTI.
    """
    import nibabel as nib

    compressed = _is_gzip(path)
    _check_offset(path, compressed)
    try:
        image = _load(nib.Nifti1Image, path, compressed)
    except damage() as error:
        if _says_nifti1(path, compressed):
            raise _damaged(path.name, error) from error
        image = _nifti2(path, compressed)
    image = _whole_axes(image, path, compressed)
    _check_size(image, path, compressed)
    return image, *stored_fields(path, image.header)


def _is_gzip(path: Path) -> bool:
    """Return by its first bytes whether a file is compressed, whatever its name."""
    with path.open("rb") as file:
        return file.read(2) == b"\x1f\x8b"


def _opened(path: Path, compressed: bool) -> IO[bytes]:
    return cast("IO[bytes]", gzip.open(path)) if compressed else path.open("rb")


def _load(kind: Any, path: Path, compressed: bool) -> Any:
    if compressed == path.name.lower().endswith(".gz"):
        return kind.from_filename(path)
    # the name states otherwise; in memory, so that no file stays open
    check_size(path.name, (path.stat().st_size,), 1)
    data = path.read_bytes()
    return kind.from_bytes(_inflate(data, path.name) if compressed else data)


def stored_fields(path: Path, header: Any) -> tuple[Any, bool, bool]:
    """Return what nibabel changes on loading, and whether the file is compressed; see above."""
    compressed = _is_gzip(path)
    with _opened(path, compressed) as file:
        block = file.read(header.template_dtype.itemsize)
    stored = np.frombuffer(block, header.template_dtype.newbyteorder(header.endianness))
    return stored["pixdim"][0, 1:4], compressed, not np.isinf(stored["scl_slope"][0])


def _check_offset(path: Path, compressed: bool) -> None:
    """Refuse values that begin within the header, or after gigabytes of extensions.

    nibabel reads both: the first as values, the second at once.
    """
    with _opened(path, compressed) as file:
        block = file.read(348)
    for order in "<>":
        if len(block) < 348:
            return
        size = struct.unpack(f"{order}i", block[:4])[0]
        if size == 348:  # NIfTI-1
            offset = struct.unpack(f"{order}f", block[108:112])[0]
            single = block[344:347] == b"n+1"
        elif size == 540:
            offset = struct.unpack(f"{order}q", block[168:176])[0]
            single = block[4:7] == b"n+2"
        else:
            continue
        if math.isfinite(offset) and offset > LONGEST_HEADER:
            raise ReadError(
                f"{path.name}: its header is {in_words(offset)} long; the file is damaged, "
                "export it again."
            )
        if single and not offset >= size:
            raise ReadError(
                f"{path.name}: by its header the values begin at byte {offset:g}, within the "
                "header (vox_offset); the file is damaged, export it again."
            )


def _inflate(data: bytes, name: str) -> bytes:
    limit = max_unpacked(len(data))
    with gzip.open(BytesIO(data)) as file:
        inflated = file.read(limit + 1)
    check_size(name, (len(inflated),), 1, len(data))
    return inflated


def _whole_axes(image: Any, path: Path, compressed: bool) -> Any:
    """Treat a length of 0 of the axes after the third as 1, as other programs do."""
    shape = tuple(image.shape)
    if min(shape) < 0 or 0 in shape[:3]:
        raise ReadError(
            f"{path.name}: its header gives a size of {min(shape)} along one axis; the file is "
            "damaged, export it again."
        )
    if 0 not in shape[3:]:
        return image
    check_size(path.name, (path.stat().st_size,), 1)
    data = path.read_bytes()
    data = _inflate(data, path.name) if compressed else data
    header = image.header.copy()
    header["dim"][4:] = np.maximum(header["dim"][4:], 1)
    # nibabel takes these out of the header on loading
    proxy = image.dataobj
    header["vox_offset"], header["scl_slope"] = proxy.offset, proxy.slope
    header["scl_inter"] = proxy.inter
    block = header.binaryblock
    return image.__class__.from_bytes(block + data[len(block) :])


def _check_size(image: Any, path: Path, compressed: bool) -> None:
    """Compare the header with the file, and with the limits."""
    proxy = image.dataobj
    shape, itemsize = tuple(image.shape), proxy.dtype.itemsize
    if not compressed:
        check_complete(path.name, proxy.offset + math.prod(map(int, shape)) * itemsize, path)
        shape = shape[:3]  # time points are read one by one
    scaled = (proxy.slope, proxy.inter) != (1, 0)
    stored = path.stat().st_size if compressed else None
    check_size(path.name, shape, max(itemsize, 8 if scaled else 0), stored)


def _nifti2(path: Path, compressed: bool) -> nibabel.Nifti2Image:
    import nibabel as nib

    try:
        return _load(nib.Nifti2Image, path, compressed)
    except damage() as error:
        raise _damaged(path.name, error) from error


def _says_nifti1(path: Path, compressed: bool) -> bool:
    with suppress(OSError, EOFError, zlib.error), _opened(path, compressed) as file:
        return file.read(4) in (struct.pack("<i", 348), struct.pack(">i", 348))
    return False


def _damaged(name: str, error: Exception) -> ReadError:
    return ReadError(
        f"{name}: not a NIfTI file, or a damaged one ({reason(error)}); download or export it "
        "again."
    )


def damage() -> tuple[type[Exception], ...]:
    """Return the exceptions that nibabel and gzip raise on truncated or invalid files."""
    from nibabel.filebasedimages import ImageFileError
    from nibabel.spatialimages import HeaderDataError
    from nibabel.wrapstruct import WrapStructError

    return (
        OSError,
        EOFError,
        ValueError,
        KeyError,
        zlib.error,
        ImageFileError,
        HeaderDataError,
        WrapStructError,
    )

"""Small files that claim, or unpack to, far more than they are."""

from __future__ import annotations

import gzip
import os
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import tifffile
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    JPEGBaseline8Bit,
    RLELossless,
    SecondaryCaptureImageStorage,
    generate_uid,
)

SIDE = 1500  # of the volumes of zeros
BLOCK = 1 << 24


def frames(folder: Path, count: int, syntax: UID = ExplicitVRLittleEndian, **more: object) -> Path:
    """Write 39 kB of pixels and a header that speaks of `count` frames."""
    pixels = bytes(39_000)
    if syntax.is_encapsulated:
        pixels = encapsulate([pixels])
    return _dicom(folder, _picture(150, 260, NumberOfFrames=count, **more), pixels, syntax)


def many_frames(folder: Path) -> Path:
    """Write as many frames as bytes, all of them there."""
    return _dicom(folder, _picture(1, 1, NumberOfFrames=39_000), bytes(39_000))


def empty_frames(folder: Path) -> Path:
    """Write a compressed file of empty frames, 8 bytes each."""
    pixels = b"\xfe\xff\x00\xe0" + bytes(4) + (b"\xfe\xff\x00\xe0" + bytes(4)) * 100_000
    return _dicom(folder, _picture(512, 512, NumberOfFrames=100_000), pixels, JPEGBaseline8Bit)


def deflated(folder: Path, size: int = 2_000_000_000) -> Path:
    """Write 2 MB that inflate to 2 GB of pixels."""
    path = _dicom(folder, _picture(40_000, 50_000), bytes(100), DeflatedExplicitVRLittleEndian)
    data = path.read_bytes()
    head = _end_of_meta(data)
    inside = zlib.decompress(data[head:], -15)[:-100]
    inside = inside[:-4] + struct.pack("<I", size)
    path.write_bytes(data[:head] + _deflate(inside, size))
    return path


def deflated_private(folder: Path, size: int = 2_000_000_000) -> Path:
    """Write an image of four pixels behind a private element of 2 GB in 2 MB."""
    picture = _picture(2, 2)
    picture.private_block(0x0009, "TEST", create=True).add_new(0, "OB", bytes(10))
    path = _dicom(folder, picture, bytes(4), DeflatedExplicitVRLittleEndian)
    data = path.read_bytes()
    head = _end_of_meta(data)
    inside = zlib.decompress(data[head:], -15)
    at = inside.index(b"OB\0\0" + struct.pack("<I", 10)) + 4
    path.write_bytes(
        data[:head] + _deflate(inside[:at] + struct.pack("<I", size), size, inside[at + 14 :])
    )
    return path


def rle(folder: Path, side: int = 30_080) -> Path:
    """Write zeros in RLE, where two bytes stand for 128."""
    runs = (b"\x81\x00" * (side // 128) + (b"\x81\x00" if side % 128 else b"")) * side
    frame = struct.pack("<16I", 1, 64, *[0] * 14) + runs
    return _dicom(folder, _picture(side, side), encapsulate([frame]), RLELossless)


def rle_frames(folder: Path, count: int, side: int) -> Path:
    """Write frames of zeros in RLE."""
    frame = struct.pack("<16I", 1, 64, *[0] * 14) + b"\x81\x00" * (side * side // 128)
    picture = _picture(side, side, NumberOfFrames=count)
    return _dicom(folder, picture, encapsulate([frame] * count), RLELossless)


def nifti(folder: Path, dtype: str = "u1") -> Path:
    """Write 1500^3 zeros in some MB of ``.nii.gz``."""
    header = nib.Nifti1Header()
    header.set_data_dtype(np.dtype(dtype))
    header.set_data_shape((SIDE,) * 3)
    header["vox_offset"], header["magic"] = 352, b"n+1"
    path = folder / "zeros.nii.gz"
    plane = gzip.compress(bytes(SIDE * SIDE * np.dtype(dtype).itemsize), mtime=0)
    path.write_bytes(gzip.compress(header.binaryblock + bytes(4), mtime=0) + plane * SIDE)
    return path


def nifti_claim(folder: Path) -> Path:
    """Write a header of 1500^3 values without any values."""
    header = nib.Nifti1Header()
    header.set_data_shape((SIDE,) * 3)
    header["vox_offset"], header["magic"] = 352, b"n+1"
    path = folder / "claim.nii"
    path.write_bytes(header.binaryblock + bytes(4))
    return path


def nifti_extension(folder: Path) -> Path:
    """Write a header extension of 2 GB, compressed."""
    header = nib.Nifti1Header()
    header.set_data_shape((2, 2, 2))
    size = BLOCK * 120
    header["vox_offset"], header["magic"] = 352 + size, b"n+1"
    path = folder / "extension.nii.gz"
    head = header.binaryblock + b"\1\0\0\0" + struct.pack("<2i", size, 6)
    path.write_bytes(gzip.compress(head) + gzip.compress(bytes(BLOCK), mtime=0) * 121)
    return path


def png(folder: Path, width: int = 60_000, height: int = 60_000) -> Path:
    """Write a PNG that claims 3.6 gigapixels and contains the first rows."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    path = folder / "large.png"
    head = chunk(b"IHDR", struct.pack(">2I5B", width, height, 8, 0, 0, 0, 0))
    data = chunk(b"IDAT", zlib.compress(bytes(BLOCK))) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + head + data)
    return path


def tiff(folder: Path, side: int = 50_000) -> Path:
    """Write 2.5 GB of zeros in a TIFF, compressed with deflate."""
    path = folder / "zeros.tif"
    rows = 500
    strip = zlib.compress(bytes(rows * side))
    tifffile.imwrite(
        path,
        iter([strip] * (side // rows)),
        shape=(side, side),
        dtype="u1",
        rowsperstrip=rows,
        compression="adobe_deflate",
    )
    return path


def pipe(folder: Path) -> Path:
    """Make a pipe that nobody writes to."""
    os.mkfifo(folder / "pipe.nii.gz")
    return folder / "pipe.nii.gz"


def device(folder: Path) -> Path:
    """Make a link to a device that never ends."""
    (folder / "zero.png").symlink_to("/dev/zero")
    return folder / "zero.png"


#: What each is and what makes it.
BOMBS: dict[str, Callable[[Path], Path]] = {
    "DICOM, 10^6 frames claimed": lambda f: frames(f, 10**6),
    "DICOM, 10^9 frames claimed": lambda f: frames(f, 10**9),
    "DICOM, JPEG, 10^9 frames claimed": lambda f: frames(f, 10**9, JPEGBaseline8Bit),
    "DICOM, RLE, 10^9 frames claimed": lambda f: frames(f, 10**9, RLELossless),
    "DICOM, deflated, 10^6 frames of one pixel claimed": lambda f: _dicom(
        f, _picture(1, 1, NumberOfFrames=10**6), bytes(100), DeflatedExplicitVRLittleEndian
    ),
    "DICOM, functional groups, 10^6 frames claimed": lambda f: frames(
        f, 10**6, PerFrameFunctionalGroupsSequence=[Dataset()]
    ),
    "DICOM, 39,000 frames of one pixel": many_frames,
    "DICOM, 100,000 empty JPEG frames": empty_frames,
    "DICOM, deflated, 2 GB of pixels": deflated,
    "DICOM, deflated, 2 GB in a private element": deflated_private,
    "DICOM, RLE, 30080 x 30080": rle,
    "DICOM, RLE, 2,000 frames of 1024 x 1024": lambda f: rle_frames(f, 2_000, 1024),
    "DICOM, RLE, 100,000 frames of 128 x 128": lambda f: rle_frames(f, 100_000, 128),
    "NIfTI, 1500^3 zeros of 8 bits": nifti,
    "NIfTI, 1500^3 zeros of 16 bits": lambda f: nifti(f, "i2"),
    "NIfTI, 1500^3 claimed, not there": nifti_claim,
    "NIfTI, extension of 2 GB": nifti_extension,
    "PNG, 60000 x 60000": png,
    "TIFF, deflate, 50000 x 50000": tiff,
    "named pipe": pipe,
    "link to /dev/zero": device,
}


def _picture(rows: int, columns: int, **more: object) -> Dataset:
    picture = Dataset()
    picture.SOPClassUID, picture.SOPInstanceUID = SecondaryCaptureImageStorage, generate_uid()
    picture.SeriesInstanceUID, picture.Modality = generate_uid(), "OT"
    picture.Rows, picture.Columns = rows, columns
    picture.SamplesPerPixel, picture.PhotometricInterpretation = 1, "MONOCHROME2"
    picture.BitsAllocated = picture.BitsStored = 8
    picture.HighBit, picture.PixelRepresentation = 7, 0
    for name, value in more.items():
        setattr(picture, name, value)
    return picture


def _dicom(
    folder: Path, picture: Dataset, pixels: bytes, syntax: UID = ExplicitVRLittleEndian
) -> Path:
    picture.file_meta = FileMetaDataset()
    picture.file_meta.TransferSyntaxUID = syntax
    picture.file_meta.MediaStorageSOPClassUID = SecondaryCaptureImageStorage
    picture.file_meta.MediaStorageSOPInstanceUID = picture.SOPInstanceUID
    picture.PixelData = pixels
    picture["PixelData"].VR = "OB"
    path = folder / "bomb.dcm"
    picture.save_as(path, enforce_file_format=True)
    return path


def _end_of_meta(data: bytes) -> int:
    """Return where the data set begins: behind the group length (0002,0000) and what it counts."""
    return 144 + int(struct.unpack("<I", data[140:144])[0])


def _deflate(head: bytes, size: int, tail: bytes = b"") -> bytes:
    """Deflate `head`, `size` zeros and `tail`; blocks of zeros are made once and repeated."""
    stream = zlib.compressobj(9, zlib.DEFLATED, -15)
    begin = stream.compress(head) + stream.flush(zlib.Z_FULL_FLUSH)
    zeros = stream.compress(bytes(BLOCK)) + stream.flush(zlib.Z_FULL_FLUSH)
    rest = stream.compress(bytes(size % BLOCK) + tail) + stream.flush()
    return begin + zeros * (size // BLOCK) + rest

"""Files damaged at random: small whole ones of every kind, and bytes changed, cut or repeated."""

from __future__ import annotations

import gzip
import struct
from collections.abc import Callable
from io import BytesIO

import nibabel as nib
import numpy as np
import tifffile
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    UID,
    CTImageStorage,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEGBaseline8Bit,
    RLELossless,
)

#: Numbers that headers are full of, at the edge of what they can be.
EDGES = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)


def whole_files() -> dict[str, bytes]:
    """Return a small whole file of each kind, by name."""
    grey = (np.arange(24 * 20) % 251).reshape(24, 20).astype(np.uint8)
    colour = np.stack([grey, grey[::-1], grey // 2], axis=-1)
    volume = np.arange(6 * 5 * 4, dtype=np.int16).reshape(6, 5, 4)
    nifti = nib.Nifti1Image(volume, np.diag([2.0, 2.0, 3.0, 1.0]))
    nifti.header.set_slope_inter(2.0, -10.0)
    files = {
        "grey.png": picture(grey, "PNG"),
        "colour.png": picture(colour, "PNG"),
        "colour.jpg": picture(colour, "JPEG"),
        "grey.bmp": picture(grey, "BMP"),
        "volume.nii": nifti.to_bytes(),
        "volume.nii.gz": gzip.compress(nifti.to_bytes(), mtime=0),
        "two.nii": nib.Nifti2Image(volume, np.eye(4)).to_bytes(),
    }
    for compression in (None, "lzw", "adobe_deflate", "jpeg"):
        name = f"{compression or 'plain'}.tif"
        if compression in (None, "adobe_deflate"):
            stream = BytesIO()
            tifffile.imwrite(
                stream, np.stack([grey] * 3), compression=compression, photometric="minisblack"
            )
            files[name] = stream.getvalue()
        else:
            files[name] = picture(colour, "TIFF", compression=f"tiff_{compression}")
    for name, syntax in (
        ("explicit.dcm", ExplicitVRLittleEndian),
        ("implicit.dcm", ImplicitVRLittleEndian),
        ("deflated.dcm", DeflatedExplicitVRLittleEndian),
        ("rle.dcm", RLELossless),
        ("jpeg.dcm", JPEGBaseline8Bit),
    ):
        files[name] = dicom(grey, syntax)
    files["frames.dcm"] = dicom(np.stack([grey] * 3), ExplicitVRLittleEndian, NumberOfFrames=3)
    return files


def damaged(data: bytes, random: np.random.Generator) -> bytes:
    """Return the bytes of a file with one to four things wrong, mostly near its beginning."""
    made = bytearray(data)
    for _ in range(random.integers(1, 5)):
        if len(made) < 8:
            break
        CHANGES[random.integers(len(CHANGES))](made, random)
    return bytes(made)


def _place(made: bytearray, random: np.random.Generator, size: int = 1) -> int:
    reach = len(made) if random.random() < 0.4 else min(len(made), 1024)
    return int(random.integers(0, max(1, reach - size)))


def _flip(made: bytearray, random: np.random.Generator) -> None:
    made[_place(made, random)] ^= 1 << int(random.integers(8))


def _byte(made: bytearray, random: np.random.Generator) -> None:
    made[_place(made, random)] = int(random.integers(256))


def _number(made: bytearray, random: np.random.Generator) -> None:
    size = int(random.choice([2, 4]))
    at = _place(made, random, size)
    value = EDGES[random.integers(len(EDGES))] & (256**size - 1)
    made[at : at + size] = value.to_bytes(size, "little" if random.random() < 0.5 else "big")


def _float(made: bytearray, random: np.random.Generator) -> None:
    at = _place(made, random, 4)
    value = random.choice([np.nan, np.inf, -np.inf, 0.0, -1.0, 1e-40, 3e38])
    made[at : at + 4] = struct.pack("<f", value)


def _cut(made: bytearray, random: np.random.Generator) -> None:
    del made[_place(made, random) + 1 :]


def _remove(made: bytearray, random: np.random.Generator) -> None:
    at = _place(made, random)
    del made[at : at + int(random.integers(1, 64))]


def _repeat(made: bytearray, random: np.random.Generator) -> None:
    at = _place(made, random)
    made[at:at] = made[at : at + int(random.integers(1, 64))]


CHANGES: tuple[Callable[[bytearray, np.random.Generator], None], ...] = (
    _flip,
    _byte,
    _number,
    _number,
    _float,
    _cut,
    _remove,
    _repeat,
)


def picture(array: np.ndarray, kind: str, **options: object) -> bytes:
    """Return an image of Pillow's `kind`."""
    stream = BytesIO()
    Image.fromarray(array).save(stream, kind, **options)
    return stream.getvalue()


def dicom(array: np.ndarray, syntax: UID, **more: object) -> bytes:
    """Return a DICOM file of 8 bits.

    Parameters
    ----------
    array : ndarray
    syntax : UID
        Transfer syntax.
    **more : object
        Further attributes; ``private``: group, creator, element, VR and value of a private one.
    """
    image = Dataset()
    image.SOPClassUID, image.SOPInstanceUID = CTImageStorage, "1.2.3.4"
    image.StudyInstanceUID, image.SeriesInstanceUID = "1.2.3", "1.2.3.5"
    image.Modality, image.PatientName, image.PatientID = "CT", "Doe^John", "12345"
    image.ImagePositionPatient, image.ImageOrientationPatient = [0, 0, 0], [1, 0, 0, 0, 1, 0]
    image.PixelSpacing, image.SliceThickness = [1, 1], 1
    image.RescaleSlope, image.RescaleIntercept = 1, -1024
    image.Rows, image.Columns = array.shape[-2:]
    image.SamplesPerPixel, image.PhotometricInterpretation = 1, "MONOCHROME2"
    image.BitsAllocated = image.BitsStored = 8
    image.HighBit, image.PixelRepresentation = 7, 0
    private = more.pop("private", None)
    for name, value in more.items():
        setattr(image, name, value)
    if isinstance(private, tuple):
        group, creator, *element = private
        image.private_block(group, creator, create=True).add_new(*element)
    image.file_meta = FileMetaDataset()
    image.file_meta.TransferSyntaxUID = syntax
    image.file_meta.MediaStorageSOPClassUID = image.SOPClassUID
    image.file_meta.MediaStorageSOPInstanceUID = image.SOPInstanceUID
    if syntax == RLELossless:
        runs = b"".join(b"\x13" + row.tobytes() for row in array)  # 20 literal bytes
        image.PixelData = encapsulate([struct.pack("<16I", 1, 64, *[0] * 14) + runs])
    elif syntax == JPEGBaseline8Bit:
        image.PixelData = encapsulate([picture(array, "JPEG")])
    else:
        image.PixelData = array.tobytes()
    image["PixelData"].VR = "OB"
    stream = BytesIO()
    image.save_as(stream, enforce_file_format=True)
    return stream.getvalue()

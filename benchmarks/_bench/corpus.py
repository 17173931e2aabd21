"""Small whole inputs of every kind that is read: single files, files that belong together, folders.

`mutations` damages one file of an input at random.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import struct
import tempfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from io import BytesIO
from pathlib import Path

import nibabel as nib
import numpy as np
import tifffile
from PIL import Image
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import (
    EnhancedMRImageStorage,
    ExplicitVRLittleEndian,
    PositronEmissionTomographyImageStorage,
)

from napari_textdifuse import io
from napari_textdifuse.io.bids import find_pairs
from napari_textdifuse.spatial import Registration

from .mutations import dicom, picture, whole_files

#: What a kind of input is used for; any refusal is one sentence.
Use = Callable[[Path], object]


def read_image(path: Path) -> object:
    """Read every time point of an image."""
    volumes = io.read_times(path)
    return np.sum([np.asarray(v.array).shape for v in volumes[:1]])


@dataclass(frozen=True)
class Kind:
    """An input.

    Parameters
    ----------
    files : dict of str to bytes
        By name, relative to the folder that they are written into.
    damaged : tuple of str
        Those that are damaged, one at a time; the first is what is opened.
    use : callable
        Reads the first of `damaged`, or the folder where `as_folder`.
    as_folder : bool
    mend : callable, optional
        Makes checksums right again after damage, so that what they guard is reached.
    """

    files: dict[str, bytes]
    damaged: tuple[str, ...]
    use: Use = read_image
    as_folder: bool = False
    mend: Callable[[dict[str, bytes]], dict[str, bytes]] | None = None


@cache
def kinds() -> dict[str, Kind]:
    """Return every kind of input by name; the single files of `whole_files` come first."""
    found = {name: Kind({name: data}, (name,)) for name, data in whole_files().items()}
    found |= {
        name: Kind({name: data}, (name,)) for name, data in {**_pictures(), **_tiffs()}.items()
    }
    found |= {name: Kind({name: data}, (name,)) for name, data in _dicoms().items()}
    return found | _together()


def _grey() -> np.ndarray:
    return (np.arange(24 * 20) % 251).reshape(24, 20).astype(np.uint8)


def _pictures() -> dict[str, bytes]:
    grey = _grey()
    colour = np.stack([grey, grey[::-1], grey // 2], axis=-1)
    alpha = np.dstack([colour, grey])
    wide = grey.astype(np.uint16) * 257
    turned = Image.Exif()
    turned[0x0112], turned[0x010F] = 6, "FLIR Systems AB"
    cmyk = BytesIO()
    Image.fromarray(colour).convert("CMYK").save(cmyk, "JPEG")
    moving = BytesIO()
    frames = [Image.fromarray(colour // k) for k in (1, 2, 3)]
    frames[0].save(moving, "PNG", save_all=True, append_images=frames[1:])
    return {
        "alpha.png": picture(alpha, "PNG"),
        "palette.png": _palette(),
        "bit.png": picture(grey > 99, "PNG"),
        "moving.png": moving.getvalue(),
        "deep.png": _deep_png(np.dstack([wide, wide, wide // 2]), 2),
        "deep-alpha.png": _deep_png(np.dstack([wide, wide[::-1], wide, wide]), 6),
        "deep-grey-alpha.png": _deep_png(np.dstack([wide, wide[::-1]]), 4),
        "turned.jpg": picture(colour, "JPEG", exif=turned),
        "cmyk.jpg": cmyk.getvalue(),
    }


def _palette() -> bytes:
    stream = BytesIO()
    image = Image.fromarray(_grey() % 4).convert("P")
    image.putpalette(bytes(range(12)))
    image.save(stream, "PNG", transparency=1)
    return stream.getvalue()


def _deep_png(values: np.ndarray, colour_type: int) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    height, width = values.shape[:2]
    head = struct.pack(">2I5B", width, height, 16, colour_type, 0, 0, 0)
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    data = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + data


def _tiffs() -> dict[str, bytes]:
    grey = _grey()
    stack = np.stack([grey, grey // 2, grey // 3]).astype(np.uint16)
    colour = np.stack([grey, grey[::-1], grey // 2], axis=-1)
    gdal = "<GDALMetadata><Item name='s' sample='0' role='scale'>2</Item></GDALMetadata>"
    ome = {"axes": "ZYX", "PhysicalSizeX": 2.0, "PhysicalSizeY": 2.0, "PhysicalSizeZ": 3.0}

    def made(array: np.ndarray, **options: object) -> bytes:
        stream = BytesIO()
        tifffile.imwrite(stream, array, **options)  # type: ignore[arg-type]
        return stream.getvalue()

    return {
        "ome.tif": made(stack, ome=True, photometric="minisblack", metadata=ome),
        "imagej.tif": made(
            stack, imagej=True, resolution=(2, 2), metadata={"axes": "ZYX", "unit": "mm"}
        ),
        "gdal.tif": made(grey, extratags=[(42113, 2, 2, "7", True), (42112, 2, 0, gdal, True)]),
        "lab.tif": made(colour, photometric="cielab"),
        "ycbcr.tif": made(colour, photometric="ycbcr"),
        "cmyk.tif": made(np.dstack([colour, grey]).astype(np.uint16), photometric="separated"),
        "tiled.tif": made(np.tile(grey, (2, 2)), tile=(16, 16), compression="adobe_deflate"),
    }


def _item(**tags: object) -> Dataset:
    made = Dataset()
    for key, value in tags.items():
        setattr(made, key, value)
    return made


def _macro(**tags: object) -> Sequence:
    return Sequence([_item(**tags)])


def _dicoms() -> dict[str, bytes]:
    grey = _grey()
    plain = ExplicitVRLittleEndian
    shared = _item(
        PixelMeasuresSequence=_macro(PixelSpacing=[1, 1], SliceThickness=2),
        PlaneOrientationSequence=_macro(ImageOrientationPatient=[1, 0, 0, 0, 1, 0]),
    )
    frames = [
        _item(
            PlanePositionSequence=_macro(ImagePositionPatient=[0, 0, 2 * k]),
            FrameContentSequence=_macro(DimensionIndexValues=[1, k + 1]),
            PixelValueTransformationSequence=_macro(RescaleSlope=2, RescaleIntercept=k),
        )
        for k in range(3)
    ]
    tracer = _item(
        RadionuclideTotalDose=350e6,
        RadionuclideHalfLife=6600,
        RadiopharmaceuticalStartTime="081000.00",
    )
    pet = {
        "Modality": "PT",
        "SOPClassUID": PositronEmissionTomographyImageStorage,
        "Units": "CNTS",
        "CorrectedImage": ["NORM", "ATTN", "DECY"],
        "DecayCorrection": "START",
        "PatientWeight": 70,
        "SeriesDate": "20200102",
        "SeriesTime": "100000",
        "AcquisitionDate": "20200102",
        "AcquisitionTime": "100000",
        "RadiopharmaceuticalInformationSequence": Sequence([tracer]),
    }
    code = _macro(CodeValue="{SUVbw}g/ml", CodingSchemeDesignator="UCUM", CodeMeaning="SUV")
    mapping = _macro(
        RealWorldValueSlope=0.5,
        RealWorldValueIntercept=0.0,
        RealWorldValueFirstValueMapped=0,
        RealWorldValueLastValueMapped=255,
        MeasurementUnitsCodeSequence=code,
    )
    return {
        "enhanced.dcm": dicom(
            np.stack([grey] * 3),
            plain,
            NumberOfFrames=3,
            Modality="MR",
            SOPClassUID=EnhancedMRImageStorage,
            SharedFunctionalGroupsSequence=Sequence([shared]),
            PerFrameFunctionalGroupsSequence=Sequence(frames),
        ),
        "mosaic.dcm": dicom(
            np.tile(grey, (2, 2)),
            plain,
            Modality="MR",
            ImageType=["ORIGINAL", "PRIMARY", "M", "MOSAIC"],
            private=(0x0029, "SIEMENS CSA HEADER", 0x10, "OB", _csa()),
        ),
        "pet-philips.dcm": dicom(
            grey, plain, **pet, private=(0x7053, "Philips PET Private Group", 0x00, "DS", "0.0004")
        ),
        "pet-ge.dcm": dicom(
            grey,
            plain,
            **(pet | {"Units": "BQML"}),
            private=(0x0009, "GEMS_PETD_01", 0x0D, "DT", "20200102100000.00"),
        ),
        "mapped.dcm": dicom(grey, plain, Modality="NM", RealWorldValueMappingSequence=mapping),
    }


def _csa() -> bytes:
    """Siemens' private image header, in its second format."""
    tags = {"NumberOfImagesInMosaic": ["4"], "SliceNormalVector": ["0.0", "0.0", "1.0"]}
    data = b"SV10\4\3\2\1" + struct.pack("<2I", len(tags), 77)
    for name, values in tags.items():
        data += struct.pack("<64si4s3i", name.encode(), len(values), b"DS", 3, len(values), 77)
        for value in values:
            text = value.encode() + b"\0"
            data += struct.pack("<4i", len(text), len(text), 77, len(text))
            data += text + bytes(-len(text) % 4)
    return data


#: A sidecar as PET2BIDS writes it.
_SIDECAR = {
    "Modality": "PT",
    "Units": "Bq/mL",
    "TracerRadionuclide": "F18",
    "InjectedRadioactivity": 350,
    "InjectedRadioactivityUnits": "MBq",
    "BodyWeight": 70,
    "InjectionStart": -3600,
    "TimeZero": "10:00:00",
    "ScanStart": 0,
    "ImageDecayCorrected": True,
    "ImageDecayCorrectionTime": 0,
    "EchoTime": 0.03,
    "RepetitionTime": 2.0,
}


def _together() -> dict[str, Kind]:
    volume = np.arange(6 * 5 * 4, dtype=np.int16).reshape(6, 5, 4)
    nifti = nib.Nifti1Image(volume, np.diag([2.0, 2.0, 3.0, 1.0])).to_bytes()
    packed = gzip.compress(nifti, mtime=0)
    sidecar = json.dumps(_SIDECAR).encode()
    sub = "sub-01/pet/sub-01_trc-FDG_pet"
    t1 = "sub-01/anat/sub-01_T1w"
    bids = {
        f"{t1}.nii.gz": packed,
        f"{t1}.json": b'{"MagneticFieldStrength": 3, "EchoTime": 0.003}',
        f"{sub}.nii.gz": packed,
        f"{sub}.json": sidecar,
        "dataset_description.json": b'{"Name": "x", "BIDSVersion": "1.9.0"}',
    }
    halves = {"header": BytesIO(), "image": BytesIO()}
    analyze = {key: nib.FileHolder(fileobj=stream) for key, stream in halves.items()}
    nib.AnalyzeImage(volume, np.eye(4)).to_file_map(analyze)
    pair = {
        f"x.{end}": halves[key].getvalue() for end, key in (("hdr", "header"), ("img", "image"))
    }
    transform = Registration(np.eye(4), "rigid", 0.1, 0.2, 0.0, 0.0)
    with tempfile.TemporaryDirectory() as name:
        for ending in ("json", "tfm"):
            transform.save(Path(name) / f"t.{ending}")
        moves = {e: (Path(name) / f"t.{e}").read_bytes() for e in ("json", "tfm")}
    weights = _weights()
    labels = nib.Nifti1Image((volume > 60).astype(np.uint8), np.diag([2.0, 2.0, 3.0, 1.0]))
    return {
        "sidecar": Kind({"x_pet.nii": nifti, "x_pet.json": sidecar}, ("x_pet.nii", "x_pet.json")),
        "bids": Kind(bids, tuple(bids), use=_read_bids, as_folder=True),
        "gzipped by name only": Kind({"x.nii.gz": nifti}, ("x.nii.gz",)),
        "gzipped against its name": Kind({"x.nii": packed}, ("x.nii",)),
        "Analyze header": Kind(pair, ("x.hdr", "x.img")),
        "Analyze image": Kind(pair, ("x.img", "x.hdr")),
        "mask": Kind({"mask.nii.gz": gzip.compress(labels.to_bytes(), mtime=0)}, ("mask.nii.gz",)),
        "series": Kind(_series(), ("s/1.dcm",), as_folder=True, use=lambda p: read_image(p / "s")),
        "transform.json": Kind({"t.json": moves["json"]}, ("t.json",), use=Registration.load),
        "transform.tfm": Kind({"t.tfm": moves["tfm"]}, ("t.tfm",), use=Registration.load),
        "weights config": Kind(weights, ("config.json",), use=_open_weights, as_folder=True),
        "weights tensors": Kind(
            weights, ("model.safetensors",), use=_open_weights, as_folder=True, mend=_with_checksum
        ),
    }


def _series() -> dict[str, bytes]:
    grey = _grey()
    return {
        f"s/{k}.dcm": dicom(
            grey + k,
            ExplicitVRLittleEndian,
            SOPInstanceUID=f"1.2.3.4.{k}",
            ImagePositionPatient=[0, 0, 2 * k],
            InstanceNumber=k,
        )
        for k in range(1, 5)
    }


def _read_bids(folder: Path) -> object:
    found = find_pairs(folder, "T1w", "pet")
    return [read_image(path) for paths in found.pairs.values() for path in paths]


def _weights() -> dict[str, bytes]:
    import torch

    from napari_textdifuse.models import LightNetwork, UNetConfig
    from napari_textdifuse.weights import save_light

    torch.manual_seed(0)
    network = LightNetwork(UNetConfig(base=8, multipliers=(1, 2), blocks=(1, 1), time_dim=16))
    with tempfile.TemporaryDirectory() as name:
        save_light(network, Path(name), "tiny")
        return {file.name: file.read_bytes() for file in Path(name).iterdir()}


def _open_weights(folder: Path) -> object:
    from napari_textdifuse.weights import WeightsFolder, load_light, open_folder

    opened = open_folder(folder)
    assert isinstance(opened, WeightsFolder)
    return load_light(opened)


def _with_checksum(files: dict[str, bytes]) -> dict[str, bytes]:
    config = json.loads(files["config.json"])
    config["sha256"] = hashlib.sha256(files["model.safetensors"]).hexdigest()
    return files | {"config.json": json.dumps(config).encode()}

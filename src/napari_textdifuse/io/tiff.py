"""TIFF: pictures and stacks, with the voxel size where it is in a unit of length."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import numpy.typing as npt
import tifffile

from ..errors import InputError, ReadError, WriteError
from ..volume import MODALITIES, Array, Volume
from ._plain import to_json
from ._quiet import quiet, reason
from ._series import TimeSeries
from .nifti import KEY, NOTICE
from .raster import DAMAGE, to_array

Affine = npt.NDArray[np.float64]

_MM = {
    "nm": 1e-6,
    "um": 1e-3,
    "µm": 1e-3,
    "μm": 1e-3,
    "\\u00b5m": 1e-3,  # ImageJ escapes the sign
    "micron": 1e-3,
    "microns": 1e-3,
    "micrometer": 1e-3,
    "mm": 1.0,
    "millimeter": 1.0,
    "cm": 10.0,
    "centimeter": 10.0,
    "m": 1000.0,
}


@quiet("tifffile")
def open_tiff(path: Path) -> TimeSeries:
    """Open a TIFF: (Y, X), a stack (Z, Y, X), or either in colour or over time.

    Parameters
    ----------
    path : Path

    Returns
    -------
    TimeSeries
        With a diagonal affine where OME-XML, ImageJ's description or a resolution per centimetre
        gives the pixel size; a resolution per inch is one of printing and gives none.

    Raises
    ------
    ReadError
        If the file is damaged or compressed in a way that cannot be decoded here.
    InputError
        If it has channels to choose from.
    """
    try:
        with tifffile.TiffFile(path) as file:
            pages = file.series[0]
            array, axes = _squeeze(pages.asarray(), pages.axes)
            page = pages.keyframe
            ours = _own_description(file.ome_metadata or page.description)
            size = _pixel_size(file, page)
            photometric = int(page.photometric)
            table = page.colormap
    except (*DAMAGE, tifffile.TiffFileError, KeyError, IndexError, TypeError) as error:
        if "imagecodecs" in str(error):
            found = _with_pillow(path)
            return TimeSeries(path.name, 1, lambda _: found)
        raise ReadError(
            f"{path.name}: not a TIFF, or a damaged one ({reason(error)}); save it again."
        ) from error
    if ours:
        restored = _restore(array, axes, ours, path.stem)
        return TimeSeries(path.name, 1, lambda _: restored)
    if array.dtype == np.bool_:
        array = array.astype(np.uint8) * np.uint8(255)
    if photometric == tifffile.PHOTOMETRIC.PALETTE and table is not None:
        array, axes = (table.T[array] >> 8).astype(np.uint8), axes + "S"
    series, rgb = _arrange(array, axes, path.name)
    notes: tuple[str, ...] = ()
    if photometric == tifffile.PHOTOMETRIC.MINISWHITE:
        notes = ("The image is meant to be shown inverted (min-is-white); values were kept.",)

    def load(time: int) -> Volume:
        return Volume(
            series[time],
            affine=_diagonal(size),
            rgb=rgb,
            name=path.stem,
            metadata={"notes": notes},
        )

    return TimeSeries(path.name, len(series), load)


def encode_tiff(
    volume: Volume, record: Mapping[str, Any] | None = None, *, ome: bool = False
) -> bytes:
    """Return a TIFF in the volume's own type, that `open_tiff` gives back as the same volume.

    Parameters
    ----------
    volume : Volume
    record : mapping, optional
        Kept in the ImageDescription, as JSON.
    ome : bool
        Write OME-TIFF, in which other programs find the voxel size along z too.

    Returns
    -------
    bytes
    """
    array = volume.array
    if array.dtype == np.bool_:
        array = array.astype(np.uint8) * np.uint8(255)
    elif array.dtype.kind not in "iuf":
        raise WriteError(f"values of type {array.dtype} cannot be written as a TIFF.")
    content = {
        "modality": volume.modality,
        "unit": volume.unit,
        "affine_ras_mm_xyz": volume.affine,
        "shape": array.shape,
        "rgb": volume.rgb,
        "record": record,
    }
    options: dict[str, Any] = {}
    if volume.spacing is not None:
        y, x = volume.spacing[-2:]
        options = {"resolution": (10 / x, 10 / y), "resolutionunit": "CENTIMETER"}
    if volume.rgb and array.shape[-1] == 4:
        options["extrasamples"] = ["unassalpha"]
    # text before the JSON, or tifffile takes any "shape" in it for its own
    description = f"{NOTICE}\n{to_json({KEY: content}, ascii_only=True)}"
    if ome:
        options["metadata"] = _ome_metadata(volume) | {"Description": description}
    else:
        options |= {"metadata": None, "description": description}
    buffer = BytesIO()
    tifffile.imwrite(
        buffer,
        array,
        ome=ome,
        photometric="rgb" if volume.rgb else "minisblack",
        planarconfig="contig" if volume.rgb else None,
        **options,
    )
    return buffer.getvalue()


def _ome_metadata(volume: Volume) -> dict[str, Any]:
    metadata: dict[str, Any] = {"axes": "ZYX"[3 - volume.ndim :] + "S" * volume.rgb}
    for axis, size in zip("XYZ", reversed(volume.spacing or ()), strict=False):
        metadata |= {f"PhysicalSize{axis}": size, f"PhysicalSize{axis}Unit": "mm"}
    return metadata


def _squeeze(array: Array, axes: str) -> tuple[Array, str]:
    """Drop axes of length 1, other than the image plane's."""
    drop = tuple(
        i
        for i, (n, axis) in enumerate(zip(array.shape, axes, strict=True))
        if n == 1 and axis not in "YX"
    )
    array = array.astype(array.dtype.newbyteorder("="), copy=False)
    kept = "".join(axis for i, axis in enumerate(axes) if i not in drop)
    return array.reshape([n for i, n in enumerate(array.shape) if i not in drop]), kept


def _arrange(array: Array, axes: str, name: str) -> tuple[Array, bool]:
    """Bring axes to (T, [Z,] Y, X[, S]); Q and I are pages without a meaning, taken as Z."""
    axes = axes.replace("Q", "Z").replace("I", "Z")
    if "S" in axes and array.shape[axes.index("S")] not in (3, 4):
        raise InputError(
            f"{name}: {array.shape[axes.index('S')]} samples per pixel are not a colour image; "
            "save one channel."
        )
    wanted = [axis for axis in "TZYXS" if axis in axes]
    if sorted(axes) != sorted(wanted) or "Y" not in axes or "X" not in axes:
        counts = [
            f"{n} {'channels' if axis == 'C' else f'entries along axis {axis}'}"
            for n, axis in zip(array.shape, axes, strict=True)
            if axis not in "TZYXS"
        ]
        raise InputError(
            f"{name}: a TIFF with {' and '.join(counts) or f'axes {axes}'} is not one image or "
            "volume; save the wanted one."
        )
    array = array.transpose([axes.index(axis) for axis in wanted])
    return array if "T" in axes else array[None], "S" in axes


def _pixel_size(file: tifffile.TiffFile, page: Any) -> tuple[float, float, float | None] | None:
    """Return the size of a voxel along x, y and z in mm; z is None where it is not given."""
    if file.is_ome and file.ome_metadata:
        return _ome_size(file.ome_metadata)
    ratio = {k: _ratio(page.tags.get(k)) for k in ("XResolution", "YResolution")}
    x, y = ratio["XResolution"], ratio["YResolution"]
    if not x or not y:
        return None
    if file.is_imagej:
        known = file.imagej_metadata or {}
        mm = _MM.get(str(known.get("unit", "")).lower())
        depth = known.get("spacing")
        return None if mm is None else (mm / x, mm / y, mm * float(depth) if depth else None)
    unit = page.tags.get("ResolutionUnit")
    if unit is None or int(unit.value) != tifffile.RESUNIT.CENTIMETER:
        return None
    return 10 / x, 10 / y, None


def _ome_size(xml: str) -> tuple[float, float, float | None] | None:
    try:
        root = ElementTree.fromstring(xml)
    except ElementTree.ParseError:
        return None
    pixels = next((e for e in root.iter() if e.tag.endswith("}Pixels")), None)
    if pixels is None:
        return None
    sizes: list[float | None] = []
    for axis in "XYZ":
        mm = _MM.get(pixels.get(f"PhysicalSize{axis}Unit", "µm"))
        try:
            size = float(pixels.get(f"PhysicalSize{axis}", "nan")) * (mm or math.nan)
        except ValueError:
            size = math.nan
        sizes.append(size if math.isfinite(size) and size > 0 else None)
    x, y, z = sizes
    return None if x is None or y is None else (x, y, z)


def _ratio(tag: Any) -> float | None:
    try:
        upper, lower = tag.value
        return float(upper) / float(lower)
    except (AttributeError, TypeError, ValueError, ZeroDivisionError):
        return None


def _diagonal(size: tuple[float, float, float | None] | None) -> Affine | None:
    if size is None:
        return None
    x, y, z = size
    return np.diag([x, y, z or 1.0, 1.0])


def _own_description(text: str) -> dict[str, Any]:
    """Return what `encode_tiff` wrote, in an ImageDescription or in the OME-XML in its place."""
    if text.startswith("<"):
        try:
            elements = ElementTree.fromstring(text).iter()
        except ElementTree.ParseError:
            return {}
        text = next((e.text or "" for e in elements if e.tag.endswith("}Description")), "")
    try:
        ours = json.loads(text.removeprefix(NOTICE))[KEY]
    except (ValueError, KeyError, TypeError):
        return {}
    return ours if isinstance(ours, dict) else {}


def _restore(array: Array, axes: str, ours: dict[str, Any], name: str) -> Volume:
    modality, affine = ours.get("modality"), ours.get("affine_ras_mm_xyz")
    metadata: dict[str, Any] = {"notes": ()}
    if isinstance(ours.get("record"), dict):
        metadata["record"] = ours["record"]
    rgb = bool(ours.get("rgb"))
    shape = tuple(int(n) for n in ours.get("shape", array.shape))
    if math.prod(shape) != array.size:  # edited since: believe the pixels
        (array, *_), rgb = _arrange(array, axes, name)
        shape, affine = array.shape, None
    return Volume(
        array.reshape(shape),
        affine=None if affine is None else np.asarray(affine, dtype=np.float64),
        unit=str(ours.get("unit") or "a.u."),
        modality=modality if modality in MODALITIES else None,
        rgb=rgb,
        name=name,
        metadata=metadata,
    )


@quiet("PIL")
def _with_pillow(path: Path) -> Volume:
    """Read the compressions (LZW, JPEG) that tifffile leaves to an optional package."""
    from PIL import Image, ImageSequence

    try:
        with Image.open(path) as image:
            pages = [to_array(page.copy()) for page in ImageSequence.Iterator(image)]
        array = pages[0] if len(pages) == 1 else np.stack(pages)
    except (*DAMAGE, Image.DecompressionBombError) as error:
        raise ReadError(
            f"{path.name}: the TIFF's compression cannot be decoded here ({reason(error)}); "
            "save it without compression."
        ) from error
    return Volume(array, rgb=pages[0].ndim == 3, name=path.stem, metadata={"notes": ()})

"""The pixel size of a TIFF, if the file is calibrated."""

from __future__ import annotations

import math
from typing import Any
from xml.etree import ElementTree

import tifffile

from ..volume import MILLIMETRES

#: Size of a voxel along x, y and z in mm; z is None if it is not given.
Size = tuple[float, float, float | None]

#: Inches are those of print; ImageJ escapes the micro sign.
_MM = {name: factor for name, factor in MILLIMETRES.items() if name not in ("in", "inch")}
_MM["\\u00b5m"] = _MM["um"]
#: Pixels per inch of screens and printers, unrelated to the content of the image.
_PRINT = (72, 75, 90, 96, 100, 120, 144, 150, 180, 192, 200, 240, 300, 400, 600, 1200, 2400)


def pixel_size(file: tifffile.TiffFile, page: Any) -> tuple[Size | None, list[str]]:
    """Return the voxel size that a microscope or a program states, never a print resolution.

    Parameters
    ----------
    file : TiffFile
    page : TiffPage
        The one that is read.

    Returns
    -------
    size : tuple of float, or None
        From OME-XML, ImageJ's description, or the metadata of Zeiss LSM, Olympus SIS, FEI and
        MetaMorph files. The baseline tags XResolution and ResolutionUnit alone are a print size.
    notes : list of str
    """
    if file.is_ome and file.ome_metadata:
        return _ome(file.ome_metadata), []
    if file.is_imagej:
        return _imagej(file, page)
    if (size := _vendor(file)) is not None:
        return size, []
    x = _ratio(page.tags.get("XResolution"))
    unit = page.tags.get("ResolutionUnit")
    if x and unit is not None and int(unit.value) == tifffile.RESUNIT.CENTIMETER:
        return None, [
            f"The file's resolution of {x:.5g} pixels per cm was assumed to be a print size, not "
            "the size of the object; the image has no geometry."
        ]
    return None, []


def _imagej(file: tifffile.TiffFile, page: Any) -> tuple[Size | None, list[str]]:
    known = file.imagej_metadata or {}
    unit = str(known.get("unit", "")).strip().lower()
    mm = _MM.get(unit)
    x, y = (_ratio(page.tags.get(k)) for k in ("XResolution", "YResolution"))
    if mm is None or not x or not y:
        return None, []
    if unit in ("cm", "centimeter") and any(abs(x * 2.54 / dpi - 1) < 1e-3 for dpi in _PRINT):
        # ImageJ takes over the tags of any TIFF as if they were a calibration
        return None, [
            f"ImageJ's scale of {x:.5g} pixels per cm is a print resolution ({x * 2.54:.0f} per "
            "inch); the image has no geometry."
        ]
    try:
        depth = abs(float(known.get("spacing") or 0))
    except (TypeError, ValueError):
        depth = 0.0
    # a distance of 1 is not written (ij.io.FileSaver.getDescriptionString)
    notes = [] if depth else [f"ImageJ states no distance between slices, which means 1 {unit}."]
    slices = known.get("slices") or (1 if known.get("frames") else known.get("images", 1))
    return (mm / x, mm / y, mm * (depth or 1.0)), notes if slices > 1 else []


def _ome(xml: str) -> Size | None:
    try:
        root = ElementTree.fromstring(xml)
    except ElementTree.ParseError:
        return None
    pixels = next((e for e in root.iter() if e.tag.endswith("}Pixels")), None)
    if pixels is None:
        return None
    sizes: list[float | None] = []
    for axis in "XYZ":
        # an inch of OME-XML is one of the object
        mm = MILLIMETRES.get(pixels.get(f"PhysicalSize{axis}Unit", "µm"))
        try:
            size = float(pixels.get(f"PhysicalSize{axis}", "nan")) * (mm or math.nan)
        except ValueError:
            size = math.nan
        sizes.append(size if math.isfinite(size) and size > 0 else None)
    x, y, z = sizes
    return None if x is None or y is None else (x, y, z)


def _vendor(file: tifffile.TiffFile) -> Size | None:
    """Read the private tags of some microscopes."""
    try:
        if file.is_lsm and (known := file.lsm_metadata):  # in metres
            x, y, z = (1000 * float(known[f"VoxelSize{axis}"]) for axis in "XYZ")
        elif file.is_sis and (known := file.sis_metadata):  # in metres
            x, y, z = 1000 * float(known["pixelsizex"]), 1000 * float(known["pixelsizey"]), 0.0
        elif file.is_fei and (known := file.fei_metadata):  # in metres
            scan = known.get("Scan") or known["EScan"]
            x, y, z = 1000 * float(scan["PixelWidth"]), 1000 * float(scan["PixelHeight"]), 0.0
        elif file.is_stk and (known := file.stk_metadata) and known.get("SpatialCalibration"):
            mm = _MM[str(known["CalibrationUnits"]).strip().lower()]
            x, y, z = mm * float(known["XCalibration"]), mm * float(known["YCalibration"]), 0.0
        else:
            return None
    except (KeyError, TypeError, ValueError, AttributeError):
        return None
    if not all(math.isfinite(v) for v in (x, y, z)) or min(x, y) <= 0:
        return None
    return x, y, z if z > 0 else None


def _ratio(tag: Any) -> float | None:
    try:
        upper, lower = tag.value
        value = float(upper) / float(lower)
    except (AttributeError, TypeError, ValueError, ZeroDivisionError):
        return None
    return value if value > 0 else None

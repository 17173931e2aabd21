"""Read TIFF images and stacks, with the voxel size if the file is calibrated."""

from __future__ import annotations

import json
import math
import os
import struct
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import numpy.typing as npt
import tifffile

from ..errors import InputError, ReadError
from ..meaning import parse_unit
from ..volume import KEY, MODALITIES, Array, Volume
from ._quiet import quiet, reason
from ._series import TimeSeries
from .channels import simplify
from .nifti import NOTICE
from .raster import DAMAGE
from .scaling import scaled
from .tiff_colour import check_colours, to_values
from .tiff_decode import decode
from .tiff_size import Size, pixel_size

Affine = npt.NDArray[np.float64]

#: GDAL's tag for the value that means "no data".
_GDAL_NODATA = 42113
#: Tag of GDAL's other facts, as XML.
_GDAL_METADATA = 42112
_PHOTOMETRIC = tifffile.PHOTOMETRIC


@quiet("tifffile", "PIL", "numpy", "skimage")  # skimage: colours beyond the CIE's
def open_tiff(path: Path) -> TimeSeries:
    """Open a TIFF: (Y, X), a stack (Z, Y, X), or either in colour or over time.

    Of several images (thumbnails, pyramids) the one with most pixels is read. Pixels are oriented
    by the Orientation tag; those marked by GDAL_NODATA become NaN; alpha and bands that are not
    colours are dropped, and three equal channels are grey.

    Parameters
    ----------
    path : Path

    Returns
    -------
    TimeSeries
        With a diagonal affine if OME-XML, ImageJ's description or a microscope's own tags give
        the pixel size; the resolution of the baseline tags is one of printing and gives none.

    Raises
    ------
    ReadError
        If the file is damaged, too large, or compressed in a way that cannot be decoded here.
    InputError
        If it has channels to choose from.
    """
    try:
        with tifffile.TiffFile(path) as file:
            _check_chain(file)
            series, notes = _largest(file)
            page = series.keyframe
            check_colours(page, path.name)
            array, axes = _squeeze(decode(series, path), series.axes)
            ours = _own_description(file.ome_metadata or page.description)
            if ours:
                restored = _restore(array, axes, ours, path.stem)
                return TimeSeries(path.name, 1, lambda _: restored)
            size, more = pixel_size(file, page)
            line = _value_line(file, page)
    except (ReadError, InputError):
        raise
    except (*DAMAGE, tifffile.TiffFileError, KeyError, IndexError, TypeError) as error:
        raise ReadError(
            f"{path.name}: not a TIFF, or a damaged one ({reason(error)}); save it again."
        ) from error
    notes += more
    array, axes, marked = to_values(array, axes, page, path.name)
    notes += marked
    stack, rgb = _arrange(array, axes, path.name)
    stack, size = _turned(stack, rgb, page, size)
    if size is not None and size[2] is None and stack.ndim - int(rgb) > 3:
        size = *size[:2], size[0]
        notes.append(
            f"The file states no distance between slices; that of the pixels, {size[0]:.4g} mm, "
            "was assumed."
        )
    window, unit = None, None
    if rgb:
        stack, rgb, more = simplify(stack)
        notes += more
    if rgb:
        stack, more = _nodata_colours(stack, page)
        notes += more
    else:
        stack, window, more = _without_nodata(stack, page)
        notes += more
        stack, unit, more = _calibrated(stack, line, path.name)
        notes += more
        window = None if more else window
    if int(page.photometric) == _PHOTOMETRIC.MINISWHITE:
        notes.append(
            "The image is meant to be shown inverted (min-is-white); its values were kept."
        )

    def load(time: int) -> Volume:
        return Volume(
            stack[time],
            affine=_diagonal(size),
            unit=unit or "a.u.",
            sources={} if unit is None else {"unit": "file"},
            rgb=rgb,
            name=path.stem,
            window=window,
            metadata={"notes": tuple(notes)},
        )

    return TimeSeries(path.name, len(stack), load)


def _check_chain(file: tifffile.TiffFile) -> None:
    """Refuse a chain of pages that leads back to itself; tifffile would follow it forever.

    Raises
    ------
    ReadError
    """
    handle, layout, seen = file.filehandle, file.tiff, set()
    offset = file.pages.first.offset
    while 0 < offset < handle.size:
        if offset in seen:
            raise ReadError(
                f"{file.filename}: the TIFF's last page points back to an earlier one, so the file "
                "is damaged; save it again."
            )
        seen.add(offset)
        handle.seek(offset)
        (tags,) = struct.unpack(layout.tagnoformat, handle.read(layout.tagnosize))
        handle.seek(tags * layout.tagsize, os.SEEK_CUR)
        found = handle.read(layout.offsetsize)
        if len(found) < layout.offsetsize:
            return
        (offset,) = struct.unpack(layout.offsetformat, found)


def _largest(file: tifffile.TiffFile) -> tuple[Any, list[str]]:
    """Choose the series with most pixels per plane, the first of equals."""
    every = [s for s in file.series if s.keyframe is not None] or list(file.series)
    if not every:
        raise ReadError(f"{file.filename}: the TIFF contains no image; save it again.")

    def plane(series: Any) -> tuple[bool, int]:
        page = series.keyframe
        return not (page.is_reduced or page.is_mask), page.imagelength * page.imagewidth

    chosen = max(every, key=plane)
    others = [s for s in every if s is not chosen and plane(s)[0]]
    if not others:
        return chosen, []
    sizes = ", ".join(f"{s.keyframe.imagelength} x {s.keyframe.imagewidth}" for s in others[:4])
    return chosen, [
        f"The file contains {len(others) + 1} images; the one with most pixels per plane was read "
        f"(the others have {sizes}{' ...' if len(others) > 4 else ''})."
    ]


def _turned(array: Array, rgb: bool, page: Any, size: Size | None) -> tuple[Array, Size | None]:
    """Bring (T, [Z,] Y, X[, S]) upright; the Orientation tag (274), TIFF 6.0, section 8."""
    tag = page.tags.get(274)
    try:
        orientation = int(tag.value)
    except (AttributeError, TypeError, ValueError):
        return array, size
    y, x = (-3, -2) if rgb else (-2, -1)
    if orientation in (2, 3, 6, 7):  # before a transposition: right to left
        array = np.flip(array, x if orientation in (2, 3) else y)
    if orientation in (3, 4, 7, 8):
        array = np.flip(array, y if orientation in (3, 4) else x)
    if orientation in (5, 6, 7, 8):
        array = np.swapaxes(array, y, x)
        size = None if size is None else (size[1], size[0], size[2])
    return np.ascontiguousarray(array), size


def _without_nodata(array: Array, page: Any) -> tuple[Array, tuple[float, float] | None, list[str]]:
    """Replace GDAL's "no data" value with NaN; integers become floats."""
    tag = page.tags.get(_GDAL_NODATA)
    text = "" if tag is None else str(tag.value).strip("\0 \t\r\n")
    value = _nodata(text)
    if value is None:
        unread = [
            f"The value for no data, {text!r} (GDAL_NODATA), is not a number; it was ignored."
        ]
        return array, None, unread if text else []
    where = _is_nodata(array, value)
    count = int(np.count_nonzero(where))
    if not count:
        return array, None, []
    window = (0.0, 255.0) if array.dtype == np.uint8 else None
    if array.dtype.kind != "f":
        array = array.astype(np.float32 if array.dtype.itemsize < 4 else np.float64)
    note = (
        f"{count} of {where.size} pixels have the value for no data ({text}, GDAL_NODATA) and were "
        "left out."
    )
    return np.where(where, np.array(np.nan, array.dtype), array), window, [note]


def _nodata_colours(array: Array, page: Any) -> tuple[Array, list[str]]:
    """Make pixels that have GDAL's "no data" value in every colour black; 8-bit colours are kept.

    A value far from all others would stretch the display range of deeper colours.
    """
    tag = page.tags.get(_GDAL_NODATA)
    value = None if tag is None else _nodata(str(tag.value).strip("\0 \t\r\n"))
    if value is None:
        return array, []
    marked = _is_nodata(array[..., :3], value)
    # no colour is negative; other values may be a colour's own if they stand in one channel only
    where = marked.any(axis=-1) if value < 0 else marked.all(axis=-1)
    count = int(np.count_nonzero(where))
    if not count:
        return array, []
    kept = array.dtype == np.uint8 or count == where.size
    if not kept:
        array = array.copy()
        array[where, :3] = np.nanmin(array[~where, :3])
    note = (
        f"{count} of {where.size} pixels have the value for no data ({value:g}, GDAL_NODATA) and "
        f"were {'kept as a colour' if kept else 'made black'}."
    )
    return array, [note]


def _is_nodata(array: Array, value: float) -> npt.NDArray[np.bool_]:
    """Return where an array has GDAL's "no data" value; NaN has none."""
    if array.dtype.kind != "f":
        found: npt.NDArray[np.bool_] = np.equal(array, value)
        return found if value.is_integer() else np.zeros(array.shape, bool)
    with np.errstate(over="ignore"):
        where = array == array.dtype.type(value)
        # written with fewer digits than the type has, as -3.40282e+38
        near = 2e-6 * abs(value)
        where |= np.abs(array - value) <= near if math.isfinite(value) else False
    return where & ~np.isnan(array)


def _value_line(file: tifffile.TiffFile, page: Any) -> tuple[float, float, str, str] | None:
    """Return slope, intercept, unit and author of the line from stored to measured values.

    ImageJ's ``cf`` 0 is ``c0 + c1 * value`` (ij.measure.Calibration); that is how it stores signed
    16 bits, and what it keeps of a CT's rescaling. GDAL's is in its own XML. The slope is NaN where
    ImageJ's function is another.
    """
    known = file.imagej_metadata or {}
    try:
        if "cf" in known and int(known["cf"]) < 20:  # 20: none
            if int(known["cf"]) != 0:
                return math.nan, 0.0, "", "ImageJ"
            return float(known["c1"]), float(known["c0"]), str(known.get("vunit", "")), "ImageJ"
        text = page.tags.valueof(_GDAL_METADATA)
        if text is None:
            return None
        items = {
            str(e.get("role")): str(e.text)
            for e in ElementTree.fromstring(str(text).strip("\0")).iter("Item")
            if e.get("sample", "0") == "0"
        }
        slope, intercept = float(items.get("scale", 1)), float(items.get("offset", 0))
        return slope, intercept, items.get("unittype", ""), "GDAL"
    except (KeyError, TypeError, ValueError, ElementTree.ParseError):
        return None


def _calibrated(
    array: Array, line: tuple[float, float, str, str] | None, label: str
) -> tuple[Array, str | None, list[str]]:
    """Convert stored values to measured ones; the unit is None if it has no meaning."""
    if line is None:
        return array, None, []
    slope, intercept, unit, author = line
    if not math.isfinite(slope):
        text = f"{author}'s calibration of the values is not linear; they were kept as stored."
        return array, None, [text]
    if (slope, intercept) == (1, 0):
        return array, None, []
    if not slope or not math.isfinite(intercept):
        text = f"{author}'s scale {slope:g} and offset {intercept:g} were ignored; the values are "
        return array, None, [text + "as stored."]
    array = scaled(array, label, f"{author}'s scale and offset", slope, intercept)
    known = parse_unit(unit) if 0 < len(unit) <= 12 and "value" not in unit.casefold() else None
    sign = "-" if intercept < 0 else "+"
    note = (
        f"The values are {slope:g} x the stored ones {sign} {abs(intercept):g}, as {author} wrote "
        "into the file."
    )
    return array, known, [note]


def _nodata(text: str) -> float | None:
    """Parse a number written by GDAL or another program, including Windows' names of NaN."""
    plain = text.lower().replace(",", ".")
    if "#ind" in plain or "#qnan" in plain or "#snan" in plain:
        return math.nan
    if "#inf" in plain:
        return -math.inf if plain.startswith("-") else math.inf
    try:
        return float(plain)
    except ValueError:
        return None


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
            "volume; save a single one."
        )
    array = array.transpose([axes.index(axis) for axis in wanted])
    return array if "T" in axes else array[None], "S" in axes


def _diagonal(size: Size | None) -> Affine | None:
    if size is None:
        return None
    x, y, z = size
    return np.diag([x, y, z or 1.0, 1.0])  # a 2-D image is a plane of any thickness


def _own_description(text: str) -> dict[str, Any]:
    """Return the facts that `encode_tiff` wrote, in an ImageDescription or in OME-XML."""
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
    if math.prod(shape) != array.size:  # edited since: trust the pixels
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

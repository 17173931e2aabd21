"""Contact sheets: per pair a row of whole images and a row of the same crop, enlarged."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from scipy import ndimage

from napari_textdifuse.colormaps import hot
from napari_textdifuse.evaluation import luminance8
from napari_textdifuse.evaluation.artefacts import new_structure

from .pairs import Bytes, as_bytes

CELL, GAP, LABEL = 184, 4, 18
#: Side of the crop, as a share of the image's shorter side.
CROP = 0.25
LIMIT = 3_000_000  # bytes of one PNG
#: Grey levels that are white on the map of new structure.
MAP_WHITE = 64


@dataclass(frozen=True)
class Strip:
    """One pair: a label, and images of one size (uint8, grey or RGB), one per column."""

    label: str
    pictures: Sequence[Bytes]


def write_sheets(path: Path, header: Sequence[str], strips: Sequence[Strip]) -> list[Path]:
    """Draw and save; over several pages where one file would be larger than `LIMIT`.

    Parameters
    ----------
    path : Path
        PNG file; pages are ``NAME-1.png``, ``NAME-2.png``, ...
    header : sequence of str
        One label per column.
    strips : sequence of Strip

    Returns
    -------
    list of Path
        The files written.
    """
    pages = _pages(header, list(strips))
    for old in (path, *path.parent.glob(f"{path.stem}-[0-9]*{path.suffix}")):
        old.unlink(missing_ok=True)
    names = (
        [path]
        if len(pages) == 1
        else [path.with_stem(f"{path.stem}-{number}") for number in range(1, len(pages) + 1)]
    )
    for name, data in zip(names, pages, strict=True):
        name.write_bytes(data)
    return names


def structure_map(a: Bytes, b: Bytes, fused: Bytes) -> Bytes:
    """Image of `new_structure`: black for none, through red and yellow to white for 64 levels."""
    residual = new_structure(*(luminance8(image) for image in (a, b, fused)))
    return as_bytes(hot(np.clip(residual / MAP_WHITE, 0, 1).astype(np.float32)))


def crop_of_interest(a: Bytes, b: Bytes) -> tuple[slice, slice]:
    """Find the square in which both sources have most detail: there fusion has to choose."""
    sources = [luminance8(image).astype(float) for image in (a, b)]
    height, width = sources[0].shape
    side = max(1, min(max(24, round(CROP * min(height, width))), height, width))
    detail = np.ones((height, width))
    for source in sources:
        mean = ndimage.uniform_filter(source, side)
        detail *= np.sqrt(np.maximum(ndimage.uniform_filter(source**2, side) - mean**2, 0))
    # keep the square inside the image
    inside = detail[side // 2 : height - (side - 1) // 2, side // 2 : width - (side - 1) // 2]
    y, x = np.unravel_index(int(inside.argmax()), inside.shape)
    return slice(int(y), int(y) + side), slice(int(x), int(x) + side)


def _pages(header: Sequence[str], strips: list[Strip]) -> list[bytes]:
    data = _draw(header, strips)
    if len(data) <= LIMIT or len(strips) == 1:
        return [data]
    half = (len(strips) + 1) // 2
    return _pages(header, strips[:half]) + _pages(header, strips[half:])


def _draw(header: Sequence[str], strips: list[Strip]) -> bytes:
    font = ImageFont.load_default(13)
    rows = [_rows(strip) for strip in strips]
    height = LABEL + sum(LABEL + whole[0].height + CELL + 3 * GAP for whole, _ in rows)
    sheet = Image.new("RGB", (len(header) * (CELL + GAP) + GAP, height + GAP), "white")
    draw = ImageDraw.Draw(sheet)
    for column, label in enumerate(header):
        draw.text((GAP + column * (CELL + GAP), 2), label, fill="black", font=font)
    top = LABEL
    for strip, (whole, crops) in zip(strips, rows, strict=True):
        draw.text((GAP, top + 1), strip.label, fill="dimgrey", font=font)
        top += LABEL
        for column, (picture, crop) in enumerate(zip(whole, crops, strict=True)):
            left = GAP + column * (CELL + GAP)
            sheet.paste(picture, (left, top))
            sheet.paste(crop, (left, top + picture.height + GAP))
        top += whole[0].height + CELL + 3 * GAP
    stream = io.BytesIO()
    sheet.save(stream, "PNG", optimize=True)
    return stream.getvalue()


def _rows(strip: Strip) -> tuple[list[Image.Image], list[Image.Image]]:
    rows, columns = crop_of_interest(*strip.pictures[:2])
    height, width = strip.pictures[0].shape[:2]
    scale = CELL / width
    box = [columns.start * scale, rows.start * scale, columns.stop * scale, rows.stop * scale]
    whole, crops = [], []
    for number, picture in enumerate(strip.pictures):
        image = Image.fromarray(np.ascontiguousarray(picture)).convert("RGB")
        small = image.resize((CELL, max(1, round(height * scale))), Image.Resampling.LANCZOS)
        if number == 0:
            ImageDraw.Draw(small).rectangle(box, outline="cyan")
        whole.append(small)
        crop = image.crop((columns.start, rows.start, columns.stop, rows.stop))
        crops.append(crop.resize((CELL, CELL), Image.Resampling.NEAREST))
    return whole, crops

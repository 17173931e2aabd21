"""A contact sheet: rows are pairs, columns the sources and the methods."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

CELL, GAP, LABEL = 192, 4, 16


def write_sheet(
    path: Path, header: Sequence[str], rows: Sequence[tuple[str, Sequence[npt.NDArray[Any]]]]
) -> None:
    """Draw labelled pictures and save them as PNG.

    Parameters
    ----------
    path : Path
        PNG file to write.
    header : sequence of str
        One label per column.
    rows : sequence of (label, pictures)
        Pictures are uint8 ``(Y, X)`` or ``(Y, X, 3)``, one per column.
    """
    heights = [_thumbnail(pictures[0]).height + LABEL + GAP for _, pictures in rows]
    width = len(header) * (CELL + GAP) + GAP
    sheet = Image.new("RGB", (width, LABEL + GAP + sum(heights)), "white")
    draw = ImageDraw.Draw(sheet)
    for column, label in enumerate(header):
        draw.text((GAP + column * (CELL + GAP), GAP // 2), label, fill="black")
    top = LABEL + GAP
    for (label, pictures), height in zip(rows, heights, strict=True):
        draw.text((GAP, top), label, fill="dimgrey")
        for column, picture in enumerate(pictures):
            place = (GAP + column * (CELL + GAP), top + LABEL)
            sheet.paste(_thumbnail(picture).convert("RGB"), place)
        top += height
    sheet.save(path, optimize=True)


def _thumbnail(picture: npt.NDArray[Any]) -> Image.Image:
    image = Image.fromarray(np.ascontiguousarray(picture))
    size = (CELL, max(1, round(CELL * image.height / image.width)))
    return image.resize(size, Image.Resampling.LANCZOS)

"""``preview.png``: both images, the result and the mask's outline side by side."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ..colormaps import DEFAULT, apply_colours, colour_table
from ..errors import GeometryError
from ..fusion import FusionResult
from ..fusion.slices import cut, select
from ..intensity import Window
from ..spatial import resample_to
from ..volume import FUNCTIONAL, NOTICE, Volume

if TYPE_CHECKING:
    from PIL import Image

Picture = npt.NDArray[np.uint8]

SIDE, BAR = 384, 24  # pixels: longer side of a panel, height of its title
#: Directions of columns, rows and slices for a plane whose normal is the patient's R-L, A-P or
#: S-I axis: the radiological convention, with the patient's right side on the left.
_PLANES = (("P", "I", "L"), ("L", "I", "A"), ("L", "P", "S"))
_OUTLINES = ((0, 255, 255), (0, 255, 0), (255, 0, 255), (255, 160, 0))


def montage(
    a: Volume, b: Volume, result: FusionResult, *, anatomical: bool, side: int = SIDE
) -> Image.Image:
    """Draw A, B, the fused image and, if there is a mask, the fused image with its outline.

    For a volume, the axial slice with most of the mask is shown (without a mask, the middle one),
    with its true proportions and the patient's right side on the left.

    Parameters
    ----------
    a, b : Volume
        The images that were fused; `a` has the grid of the result.
    result : FusionResult
    anatomical : bool
        Whether an affine gives the patient's directions; 2-D images have none.
    side : int
        Pixels of a panel's longer side.

    Returns
    -------
    PIL.Image.Image
        RGB.
    """
    from PIL import Image

    anatomical = anatomical and a.affine is not None
    cut = _Cut(a, result, anatomical, side)
    picture_a = cut.picture(_shown(cut.plane(a), result, "a"))
    b_here = cut.through(b, a)
    black = np.zeros_like(picture_a)
    panels = [
        (_title("A", a), picture_a),
        (_title("B", b), black if b_here is None else cut.picture(_shown(b_here, result, "b"))),
        ("fused", cut.picture(result.volume("fused"))),
    ]
    if result.mask is not None:
        labels = cut.picture(result.volume("mask"), labels=True)[..., 0]
        panels.append(("fused with mask", _outlined(panels[-1][1], labels)))

    height, width = panels[0][1].shape[:2]
    sheet = Image.new("RGB", (len(panels) * width, height + 2 * BAR))
    for i, (title, picture) in enumerate(panels):
        sheet.paste(Image.fromarray(picture), (i * width, BAR))
        _write_on(sheet, (i * width + 6, 6), title, "white")
        if cut.sides:
            left, right = cut.sides
            _write_on(sheet, (i * width + 6, BAR + 4), left, "yellow")
            _write_on(sheet, ((i + 1) * width - 14, BAR + 4), right, "yellow")
    _write_on(sheet, (6, BAR + height + 6), NOTICE, "white")
    return sheet


class _Cut:
    """One plane through a grid, and how to draw it."""

    def __init__(self, grid: Volume, result: FusionResult, anatomical: bool, side: int) -> None:
        import nibabel as nib

        self.side = side
        self.axis = 0  # of the array, across the plane
        normal = None
        single = next((k for k, n in enumerate(grid.shape) if n == 1 and grid.ndim == 3), None)
        if anatomical:
            axes = nib.orientations.io_orientation(grid.affine)[:, 0].astype(int)  # of x, y, z
            # a single slice is shown as it was taken, a volume in axial slices
            axial = 2 - int(np.flatnonzero(axes == 2)[0])
            self.axis = 0 if grid.ndim == 2 else single if single is not None else axial
            normal = int(axes[2 - self.axis])
        elif single is not None:
            self.axis = single
        self.target = None if normal is None else _PLANES[normal]
        self.sides = None if self.target is None else (_opposite(self.target[0]), self.target[0])
        self.index = _index(grid, result.mask, self.axis)

    def plane(self, volume: Volume) -> Volume:
        """Return the plane out of a volume on the grid; a 2-D image as it is."""
        if volume.ndim == 2:
            return volume
        return cut(volume, select(volume, self.index, self.axis)).loaded()

    def through(self, b: Volume, a: Volume) -> Volume | None:
        """Return the plane through `b`, on the grid of `a`; None if `b` has no data there."""
        by_index = a.affine is None or b.affine is None
        try:
            return resample_to(self.plane(b) if by_index else b, self.plane(a)).volume
        except GeometryError:  # B ends before this slice
            return None

    def picture(self, volume: Volume, labels: bool = False) -> Picture:
        """Draw a plane, or the plane of a volume: 8-bit RGB, longer side `side` pixels."""
        from PIL import Image

        if volume.ndim == 3 and volume.shape[self.axis] > 1:
            volume = self.plane(volume)
        array, (dy, dx) = self._turned(volume)
        if not labels:
            array = np.rint(np.clip(array, 0, 1) * 255)
        height, width = array.shape[0] * dy, array.shape[1] * dx
        scale = self.side / max(height, width)
        size = max(1, round(width * scale)), max(1, round(height * scale))
        how = Image.Resampling.NEAREST if labels else Image.Resampling.BICUBIC
        resized = Image.fromarray(array.astype(np.uint8)).resize(size, how)
        return np.asarray(resized.convert("RGB"))  # grey is resized once, not per colour

    def _turned(self, volume: Volume) -> tuple[npt.NDArray[np.float64], tuple[float, float]]:
        """Rows and columns as displayed, and their spacing."""
        import nibabel as nib

        array = volume.array if volume.ndim == 3 else volume.array[None]
        if self.target is None or volume.affine is None:
            spacing = volume.spacing or (1.0, 1.0)
            return array.take(0, self.axis), (spacing[-2], spacing[-1])
        codes = nib.orientations
        turn = codes.ornt_transform(
            codes.io_orientation(volume.affine), codes.axcodes2ornt(self.target)
        )
        xyz = array.transpose(2, 1, 0, *range(3, array.ndim))
        shown = codes.apply_orientation(xyz, turn)[:, :, 0]
        steps = np.empty(3)
        steps[turn[:, 0].astype(int)] = np.linalg.norm(volume.affine[:3, :3], axis=0)
        return shown.swapaxes(0, 1), (float(steps[1]), float(steps[0]))


def _write_on(sheet: Image.Image, at: tuple[int, int], text: str, colour: str) -> None:
    sheet.paste(colour, at, _lettering(text))


@lru_cache(maxsize=32)
def _lettering(text: str) -> Image.Image:
    """Return the opacity of a text; drawing one takes longer than a panel of a small image."""
    from PIL import Image, ImageDraw, ImageFont

    font = ImageFont.load_default()
    _, _, right, bottom = font.getbbox(text)
    letters = Image.new("L", (math.ceil(right), math.ceil(bottom)))
    ImageDraw.Draw(letters).text((0, 0), text, fill=255, font=font)
    return letters


def _index(grid: Volume, mask: npt.NDArray[np.uint8] | None, axis: int) -> int:
    """Slice with most of the mask, else the middle one."""
    if grid.ndim == 2:
        return 0
    if mask is None or not mask.any():
        return grid.shape[axis] // 2
    others = tuple(i for i in range(3) if i != axis)
    return int(np.count_nonzero(mask, axis=others).argmax())


def _shown(volume: Volume, result: FusionResult, role: str) -> Volume:
    """Values in [0, 1], in the window and colour map of the fusion."""
    low, high = result.record["inputs"][role]["window"]
    shown = Window(low, high, volume.unit, "record").normalise(volume.array)
    if volume.rgb:
        return volume.with_array(shown[..., :3])
    name = result.record.get("colormap")
    if volume.modality in FUNCTIONAL or (name and result.record.get("colour_from") == role):
        colours = colour_table(name or DEFAULT)
        return replace(volume, array=apply_colours(colours, shown), rgb=True)
    return volume.with_array(shown)


def _outlined(picture: Picture, labels: Picture) -> Picture:
    drawn = picture.copy()
    for value in np.unique(labels[labels > 0]):
        inside = np.pad(labels == value, 1)
        core = inside[:-2, 1:-1] & inside[2:, 1:-1] & inside[1:-1, :-2] & inside[1:-1, 2:]
        drawn[inside[1:-1, 1:-1] & ~core] = _OUTLINES[(int(value) - 1) % len(_OUTLINES)]
    return drawn


def _opposite(direction: str) -> str:
    return {"L": "R", "P": "A"}[direction]


def _title(role: str, volume: Volume) -> str:
    return f"{role} ({volume.modality})" if volume.modality else role

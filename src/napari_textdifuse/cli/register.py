"""``textdifuse register FIXED MOVING --out DIR``."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..errors import GeometryError
from ..inputs import as_volume
from ..intensity import Window, default_window
from ..io import write
from ..io.staging import publish, staging
from ..meaning import state
from ..results.folder import refuse_overwriting
from ..spatial import Registration, RegistrationProgress, checkerboard, register, resample_to
from ..volume import Array, Volume
from .report import ProgressLine, print_json, say

if TYPE_CHECKING:
    from PIL.Image import Image

IMAGE, PICTURE = "moving.nii.gz", "checkerboard.png"
TRANSFORMS = ("transform.json", "transform.tfm")
SIDE, BAR = 512, 24  # pixels: longer side of a panel, height of its title


def run(options: argparse.Namespace) -> int:
    """Register two images and write the transform, the moved image and a checkerboard."""
    fixed, moving = as_volume(options.fixed, "image A"), as_volume(options.moving, "image B")
    fixed = state(fixed, modality=options.modality_a, unit=options.unit_a)
    moving = state(moving, modality=options.modality_b, unit=options.unit_b)
    refuse_overwriting([options.out / IMAGE], [options.fixed, options.moving])
    # file names may carry a patient's identity
    fixed, moving = replace(fixed, name="the fixed image"), replace(moving, name="the moving image")
    with ProgressLine("registering") as line:

        def show(state: RegistrationProgress) -> None:
            line.show(f"level {state.level} of {state.levels}, iteration {state.iteration}")

        found = register(fixed, moving, options.kind, show)
    moved = found.apply(moving)
    files = _save(options.out, found, moved, comparison(fixed, moving, moved))
    if options.json:
        names = {role: path.name for role, path in files.items()}
        print_json({"out": str(options.out), "files": names, "registration": found.to_dict()})
        return 0
    for warning in found.warnings:
        say(f"note: {warning}")
    for path in files.values():
        print(path)
    say(
        f"moved {found.shift_mm:.1f} mm and {found.angle:.1f} degrees; check {PICTURE} before "
        "you use the result"
    )
    return 0


def comparison(fixed: Volume, before: Volume, after: Volume) -> Image:
    """Draw checkerboards of the fixed image with the other before and after registration.

    Parameters
    ----------
    fixed, before, after : Volume

    Returns
    -------
    PIL.Image.Image
        Grey; of volumes, the middle slices across each axis, one below the other.
    """
    from PIL import Image, ImageDraw, ImageFont

    windows = default_window(fixed), default_window(before)
    columns = [_panels(fixed, moving, windows) for moving in (before, after)]
    heights = [picture.size[1] for picture in columns[0]]
    width = max(picture.size[0] for picture in columns[0])
    sheet = Image.new("L", (2 * width, BAR + sum(heights)))
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default()
    for i, (title, pictures) in enumerate(zip(("before", "after"), columns, strict=True)):
        draw.text((i * width + 6, 6), title, fill="white", font=font)
        top = BAR
        for picture in pictures:
            sheet.paste(picture, (i * width, top))
            top += picture.size[1]
    return sheet


def _panels(fixed: Volume, moving: Volume, windows: tuple[Window, Window]) -> list[Image]:
    from PIL import Image

    shown = windows[0].normalise(_grey(fixed))
    try:
        other = windows[1].normalise(_grey(resample_to(moving, fixed).volume))
    except GeometryError:  # before: they may not overlap
        other = np.zeros_like(shown)
    spacing = fixed.spacing or (1.0,) * fixed.ndim
    pairs = [(shown, other, spacing)]
    if fixed.ndim == 3:
        (shown, spacing), (other, _) = (_as_displayed(v, fixed) for v in (shown, other))
        pairs = [
            (shown.take(n // 2, k), other.take(n // 2, k), (*spacing[:k], *spacing[k + 1 :]))
            for k, n in enumerate(shown.shape)
        ]
    panels = []
    for a, b, steps in pairs:
        board = Image.fromarray(np.rint(checkerboard(a, b) * 255).astype(np.uint8))
        height, width = (n * s for n, s in zip(a.shape, steps, strict=True))
        scale = SIDE / max(height, width)
        size = max(1, round(width * scale)), max(1, round(height * scale))
        panels.append(board.resize(size, Image.Resampling.BICUBIC))
    return panels


def _as_displayed(array: Array, grid: Volume) -> tuple[Array, tuple[float, ...]]:
    """Reorient an array and its spacing: patient's right on the left, front and head at the top."""
    from nibabel import orientations as turns

    start = turns.io_orientation(grid.affine)
    turn = turns.ornt_transform(start, turns.axcodes2ornt(("L", "P", "I")))
    steps = np.empty(3)
    steps[turn[:, 0].astype(int)] = (grid.spacing or (1.0,) * 3)[::-1]
    turned = turns.apply_orientation(array.transpose(2, 1, 0), turn).transpose(2, 1, 0)
    return turned, tuple(steps[::-1].tolist())


def _grey(volume: Volume) -> Array:
    array = volume.array
    return array[..., :3].mean(axis=-1) if volume.rgb else array


def _save(out: Path, found: Registration, moved: Volume, picture: Image) -> dict[str, Path]:
    """Write all files, or none."""
    names = {"transform": TRANSFORMS[0], "itk": TRANSFORMS[1]}
    names |= {"moving": IMAGE, "checkerboard": PICTURE}
    with staging(out) as temporary:
        for name in TRANSFORMS:
            found.save(temporary / name)
        write(temporary / IMAGE, moved, record={"registration": found.to_dict()})
        picture.save(temporary / PICTURE)
        publish([(temporary / name, out / name) for name in names.values()])
    return {role: out / name for role, name in names.items()}

"""Small images on disk for the tests of the command line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image


def scene(shape: tuple[int, int], seed: int) -> np.ndarray:
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    waves = 100 + 60 * np.sin(rows / 5 + seed) + 50 * np.cos(columns / (4 + seed))
    return np.clip(waves, 0, 255).astype(np.uint8)


def write_grey(path: Path, shape: tuple[int, int] = (37, 50), seed: int = 0) -> Path:
    Image.fromarray(scene(shape, seed)).save(path)
    return path


def write_colour(path: Path, shape: tuple[int, int] = (37, 50)) -> Path:
    """An image that is clearly red on the left and blue on the right."""
    grey = scene(shape, 3) // 2
    rgb = np.stack([grey, grey, grey], axis=-1)
    rgb[:, : shape[1] // 2, 0] += 120
    rgb[:, shape[1] // 2 :, 2] += 120
    Image.fromarray(rgb).save(path)
    return path


def write_nifti(
    path: Path,
    shape: tuple[int, int, int] = (20, 24, 6),
    spacing: tuple[float, float, float] = (2, 2, 4),
    origin: tuple[float, float, float] = (-20, -24, -12),
    flip: bool = False,
) -> Path:
    """A ball in world coordinates, so that different grids show the same thing."""
    import nibabel as nib

    affine = np.diag([*spacing, 1.0])
    affine[:3, 3] = origin
    if flip:  # same place in space, x stored from left to right of the patient's other side
        affine[0, 0] = -spacing[0]
        affine[0, 3] = origin[0] + spacing[0] * (shape[0] - 1)
    index = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"), axis=-1)
    world = index @ affine[:3, :3].T + affine[:3, 3]
    ball = np.linalg.norm(world - [6, 0, 0], axis=-1) < 9
    data = (200 + 5 * world[..., 1] + 400 * ball).astype(np.float32)
    nib.save(nib.Nifti1Image(data, affine), path)
    return path

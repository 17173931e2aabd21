"""The common field of two images, and both of them on one coarse grid of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..memory import parts
from ..volume import Volume
from .grid import index_map, inside_of

Floats = npt.NDArray[np.float64]
Image = npt.NDArray[np.float32]

#: Approximate number of voxels of the working grid, by the number of axes.
VOXELS = {2: 65_000, 3: 250_000}
#: Largest shift along each axis, in working voxels.
REACH = {2: 10, 3: 8}
#: Largest number of slices that are read of a large volume.
SLICES = 160


@dataclass(frozen=True)
class CommonField:
    """Part of a fixed image that a moving one covers.

    Parameters
    ----------
    part : float
        Covered part of the fixed image, in [0, 1].
    box : tuple of slice
        Bounding box of the covered part in the fixed image's array.
    matrix : ndarray, shape (n, n)
    offset : ndarray, shape (n,)
        From indices of the fixed image to those of the moving one, see `index_map`.
    """

    part: float
    box: tuple[slice, ...]
    matrix: Floats
    offset: Floats


def common_field(fixed: Volume, moving: Volume) -> CommonField:
    """Return the part of an image that another one covers, sampled every few voxels.

    Unless both have geometry, the two cover each other edge to edge.

    Parameters
    ----------
    fixed, moving : Volume
        Of equal numbers of axes.
    """
    whole = tuple(slice(0, n) for n in fixed.shape)
    if fixed.affine is None or moving.affine is None:
        ratio = np.array(moving.shape) / fixed.shape
        return CommonField(1.0, whole, np.diag(ratio), (ratio - 1) / 2)
    matrix, offset = index_map(moving, fixed)
    step = [max(1, n // 48) for n in fixed.shape]
    shape = tuple(-(-n // s) for n, s in zip(fixed.shape, step, strict=True))
    inside = inside_of(matrix * step, offset, shape, moving.shape)
    if not inside.any():
        return CommonField(0.0, whole, matrix, offset)
    box = tuple(
        slice(max(0, int(w.min() - 1) * s), min(n, int(w.max() + 2) * s))
        for w, s, n in zip(np.nonzero(inside), step, fixed.shape, strict=True)
    )
    return CommonField(float(inside.mean()), box, matrix, offset)


class CoarsePair:
    """Both images on one coarse grid along the axes of `a`; `b` has a margin."""

    def __init__(self, a: Volume, b: Volume, common: CommonField) -> None:
        n = self.ndim = a.ndim
        physical = a.affine is not None and b.affine is not None
        spacing = np.array(a.spacing if physical else (1.0,) * n)
        of_b = np.array(b.spacing if physical else np.array(a.shape) / b.shape)
        first = np.array([part.start for part in common.box], float)
        size = np.array([part.stop - part.start for part in common.box])
        extent = spacing * size
        finest = float(min(spacing.min(), of_b.min()))
        side = float((extent.prod() / VOXELS[n]) ** (1 / n))
        if side < 1.02 * finest:  # so that images of 256 x 256 need no interpolation
            side = finest
        shape = tuple(int(max(1, round(e / side))) for e in extent)
        #: Working voxel in voxels of `a`, in the array's axis order.
        self.step = size / shape
        self.reach = tuple(min(REACH[n], max(1, s // 4)) for s in shape)
        self.affine = a.affine if physical else None
        start = first + (self.step - 1) / 2
        self.fixed = _sampled(a, np.diag(self.step), start, shape, side / spacing)
        matrix = common.matrix
        start = common.offset + matrix @ (start - self.step * self.reach)
        wide = tuple(s + 2 * r for s, r in zip(shape, self.reach, strict=True))
        self.moving = _sampled(b, matrix * self.step, start, wide, side / of_b)

    def movement(self, index: Floats) -> tuple[float, ...]:
        """Return the shift of `b`, in mm or pixels, if its true position is `index`."""
        xyz = -(index * self.step)[::-1]
        if self.affine is None:
            return tuple(float(v) for v in xyz)
        return tuple(float(v) for v in self.affine[:3, : self.ndim] @ xyz)


def _block_means(values: npt.NDArray[Any], factors: list[int], rgb: bool) -> Image:
    values = values[..., :3].mean(axis=-1) if rgb else values
    values = np.nan_to_num(values.astype(np.float32), copy=False, posinf=0, neginf=0)
    for axis, factor in enumerate(factors):
        if factor > 1:
            whole = values.shape[axis] // factor * factor
            cut = values[(slice(None),) * axis + (slice(whole),)]
            shape = (*cut.shape[:axis], whole // factor, factor, *cut.shape[axis + 1 :])
            values = cut.reshape(shape).mean(axis=axis + 1)
    return values


def _sampled(
    volume: Volume, matrix: Floats, offset: Floats, shape: tuple[int, ...], wanted: Floats
) -> Image:
    """Sample block means on a coarse grid; NaN outside."""
    from scipy import ndimage

    array = volume.array
    n = volume.ndim
    stride = max(1, volume.shape[0] // SLICES) if n == 3 else 1
    array = array[::stride] if stride > 1 else array
    sizes = array.shape[:n]
    factors = [max(1, min(int(f), size // 4)) for f, size in zip(wanted, sizes, strict=True)]
    factors[0] = max(1, factors[0] // stride)
    counts = [size // factor for size, factor in zip(sizes, factors, strict=True)]
    values = np.empty(counts, np.float32)
    for part in parts((counts[0], factors[0], *array.shape[1:])):
        rows = slice(part.start * factors[0], part.stop * factors[0])
        values[part] = _block_means(np.asarray(array[rows]), factors, volume.rgb)
    blocks = np.array(factors, float)
    shift = (blocks - 1) / 2
    blocks[0] *= stride
    shift[0] *= stride
    result = np.full(shape, np.nan, np.float32)
    matrix, offset = matrix / blocks[:, None], (offset - shift) / blocks
    if np.array_equal(matrix, np.eye(n)) and np.array_equal(offset, np.rint(offset)):
        first = offset.astype(int)  # nothing to interpolate
        here = tuple(
            slice(max(0, -f), max(0, s - f)) for f, s in zip(first, values.shape, strict=True)
        )
        there = tuple(slice(max(0, f), max(0, f + r)) for f, r in zip(first, shape, strict=True))
        result[here] = values[there]
        return result
    ndimage.affine_transform(
        values,
        matrix,
        offset,
        output_shape=shape,
        output=result,
        order=1,
        mode="constant",
        cval=np.nan,
    )
    return result

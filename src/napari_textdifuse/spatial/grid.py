"""Grids in the world, and mappings between their indices."""

from __future__ import annotations

from itertools import product

import numpy as np
import numpy.typing as npt

from ..errors import GeometryError
from ..volume import Array, Volume

Floats = npt.NDArray[np.float64]

#: Grids are equal if their corners agree to this part of a voxel.
SAME_GRID = 1e-3
#: The working grid: longest side in voxels, and largest voxel in mm that coarsening may reach.
SIDE, COARSEST = {2: 512, 3: 128}, 3.0
#: Fewest voxels along an axis of it.
LEAST_SIDE = 4


def index_map(moving: Volume, fixed: Volume) -> tuple[Floats, Floats]:
    """Return the mapping from indices of `fixed` to indices of `moving`, in the arrays' axis order.

    Returns
    -------
    matrix : ndarray, shape (n, n)
    offset : ndarray, shape (n,)
        ``moving_index = matrix @ fixed_index + offset``
    """
    xyz: Floats = np.linalg.solve(affine_of(moving), affine_of(fixed)).astype(np.float64)
    n = moving.ndim
    return xyz[:n, :n][::-1, ::-1], xyz[:n, 3][::-1]


def same_grid(moving: Volume, fixed: Volume) -> bool:
    """Return whether both have the same voxels at the same positions."""
    if moving.shape != fixed.shape:
        return False
    matrix, offset = index_map(moving, fixed)
    corners = _corners(fixed.shape)
    same = bool(np.abs(corners @ matrix.T + offset - corners).max() < SAME_GRID)
    return same and (fixed.ndim == 3 or _plane_distance(moving, fixed) < SAME_GRID)


def check_plane(moving: Volume, fixed: Volume) -> None:
    """Raise if two slices do not lie in one plane, to half a slice thickness.

    Raises
    ------
    GeometryError
    """
    if fixed.ndim == 3:
        return
    distance = _plane_distance(moving, fixed)
    thickness = max(float(np.linalg.norm(affine_of(v)[:3, 2])) for v in (moving, fixed))
    if distance > thickness / 2:
        raise GeometryError(
            f"{moving.name} and {fixed.name} are slices of different planes, up to {distance:.1f} "
            f"mm apart (thickness {thickness:.1f} mm); use the volumes, or slices of one plane."
        )


def inside_of(
    matrix: Floats, offset: Floats, shape: tuple[int, ...], source: tuple[int, ...]
) -> npt.NDArray[np.bool_]:
    """Mark the voxels of a grid whose centres lie in a source image.

    Parameters
    ----------
    matrix, offset : ndarray
        From indices of the grid to those of the source.
    shape, source : tuple of int
        Spatial shapes of grid and source. The source reaches to the outer edges of its voxels.

    Returns
    -------
    ndarray of bool, of `shape`
    """
    inside = np.ones(shape, np.bool_)
    grid = np.ogrid[tuple(slice(n) for n in shape)]
    for row, start, size in zip(matrix, offset, source, strict=True):
        index: Array = sum((float(m) * g for m, g in zip(row, grid, strict=True)), np.array(start))
        inside &= (index > -0.5 - SAME_GRID) & (index < size - 0.5 + SAME_GRID)
    return inside


def extent(volume: Volume) -> str:
    """Return the bounding box in RAS mm, as text."""
    corners = _world_corners(volume, edge=0.5)
    spans = zip("xyz", corners.min(axis=0), corners.max(axis=0), strict=True)
    return ", ".join(f"{axis} {round(low)} to {round(high)}" for axis, low, high in spans)


def _plane_distance(moving: Volume, fixed: Volume) -> float:
    """Return the distance in mm of a fixed slice's corners from the moving slice's plane."""
    affine = affine_of(moving)
    normal = np.cross(affine[:3, 0], affine[:3, 1])
    normal /= np.linalg.norm(normal)
    return float(np.abs((_world_corners(fixed) - affine[:3, 3]) @ normal).max())


def _corners(shape: tuple[int, ...], edge: float = 0.0) -> Floats:
    """Return the corner indices of a grid; `edge` 0.5 for the outer edges of the voxels."""
    return np.array(list(product(*((-edge, n - 1 + edge) for n in shape))), dtype=np.float64)


def _world_corners(volume: Volume, edge: float = 0.0) -> Floats:
    affine = affine_of(volume)
    xyz = np.pad(_corners(volume.shape, edge)[:, ::-1], ((0, 0), (0, 3 - volume.ndim)))
    world: Floats = xyz @ affine[:3, :3].T + affine[:3, 3]
    return world


def affine_of(volume: Volume) -> Floats:
    """Return the affine of a volume that must have one."""
    if volume.affine is None:
        raise GeometryError(f"{volume.name} has no geometry.")
    return volume.affine


def working_grid(volume: Volume) -> Volume:
    """Return a coarse orthogonal grid around a volume, without values."""
    n = volume.ndim
    affine = affine_of(volume)
    axes = orthonormal(affine)
    corners = np.array(np.meshgrid(*((-0.5, s - 0.5) for s in volume.shape[::-1]))).reshape(n, -1)
    local = axes.T @ (affine[:3, :n] @ corners + affine[:3, 3:])
    low, high = local.min(axis=1), local.max(axis=1)
    extent = (high - low)[:n]
    wanted = min(float(extent.max()) / SIDE[n], COARSEST)
    spacing = np.maximum(np.linalg.norm(affine[:3, :n], axis=0), wanted)
    size = np.maximum(np.rint(extent / spacing).astype(int), LEAST_SIDE)
    spacing = extent / size
    grid = np.eye(4)
    thickness = np.linalg.norm(affine[:3, 2]) if n == 2 else 1.0
    grid[:3, :3] = axes * np.r_[spacing, [thickness] * (3 - n)]
    start = np.where(np.arange(3) < n, low + 0.5 * np.r_[spacing, [0] * (3 - n)], low)
    grid[:3, 3] = axes @ start
    array = np.broadcast_to(np.float32(0), tuple(int(s) for s in size[::-1]))
    return Volume(array, affine=grid, name=volume.name)


def orthonormal(affine: Floats) -> Floats:
    """Return the axes closest to those of an affine (Higham 1986, polar decomposition)."""
    left, _, right = np.linalg.svd(affine[:3, :3] / np.linalg.norm(affine[:3, :3], axis=0))
    axes: Floats = left @ right
    return axes

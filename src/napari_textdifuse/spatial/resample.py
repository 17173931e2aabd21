"""Resample one image onto another's grid, through world coordinates in mm."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import product

import numpy as np
import numpy.typing as npt

from ..errors import GeometryError, InputError
from ..volume import Array, Volume

Floats = npt.NDArray[np.float64]

#: Sampling more than this times coarser than the source is preceded by a low-pass filter.
COARSER = 1.2
#: A result covered by less than this part gets a note.
LOW_OVERLAP = 0.5
#: Grids whose corners agree to this part of a voxel are one grid.
SAME_GRID = 1e-3
#: Pictures whose sides have one ratio within this are assumed to show the same field.
SAME_ASPECT = 0.01


@dataclass(frozen=True)
class Resampled:
    """An image on another's grid.

    Parameters
    ----------
    volume : Volume
        On the fixed image's grid.
    inside : ndarray of bool
        Spatial shape of the grid; True where the moving image has data.
    overlap : float
        Part of the grid that is inside, in [0, 1].
    notes : tuple of str
        One sentence per assumption, or about a small overlap.
    """

    volume: Volume
    inside: npt.NDArray[np.bool_] = field(repr=False)
    overlap: float
    notes: tuple[str, ...] = ()


def resample_to(
    moving: Volume, fixed: Volume, *, order: int = 1, fill: float | None = None
) -> Resampled:
    """Resample `moving` onto the grid of `fixed`.

    With geometry on both sides, each voxel centre of `fixed` is looked up in `moving` through
    world coordinates; oblique and flipped axes included. Where `fixed` is more than 1.2 times
    coarser along an axis of `moving`, a Gaussian first widens the resolution to that of the coarse
    voxel (Cardoso et al. 2015, Scale factor point spread function matching).

    Parameters
    ----------
    moving : Volume
    fixed : Volume
        Gives the grid; its values are not used.
    order : int
        1 for images (linear), 0 for labels (nearest; never smoothed).
    fill : float, optional
        Value outside the field of view of `moving`. By default the smallest finite value of
        `moving` (air in CT, no uptake in PET), and 0 for labels and colour.

    Returns
    -------
    Resampled
        float32, except that labels and colours keep their type. An image that already is on the
        grid is returned as it is. Values that are not finite count as the smallest finite one.

    Raises
    ------
    GeometryError
        If the images do not overlap, only one has geometry and the shapes differ, or neither has
        and the aspect ratios differ.
    InputError
        If one is two-dimensional and the other is not, or `order` is neither 0 nor 1.
    """
    if order not in (0, 1):
        raise InputError(f"order {order} is not offered; use 1 for images and 0 for labels.")
    if moving.ndim != fixed.ndim:
        raise InputError(
            f"{moving.name} is {moving.ndim}-D and {fixed.name} is {fixed.ndim}-D; "
            "choose a slice of the volume, or give two volumes."
        )
    if moving.affine is None or fixed.affine is None:
        return _without_geometry(moving, fixed, order)
    matrix, offset = _index_map(moving, fixed)
    if _is_identity(matrix, offset, moving, fixed):
        return _unchanged(moving, moving.affine)
    _check_plane(moving, fixed)
    inside = _inside(matrix, offset, fixed.shape, moving.shape)
    overlap = float(inside.mean())
    if overlap == 0:
        raise GeometryError(
            f"{moving.name} and {fixed.name} do not overlap: {_extent(moving)} against "
            f"{_extent(fixed)} mm (RAS); check that they are of the same patient and position, "
            "or register them."
        )
    array = _sample(moving, matrix, offset, fixed.shape, order)
    array[~inside] = _fill_value(moving, order) if fill is None else fill
    notes = ()
    if overlap < LOW_OVERLAP:
        notes = (
            f"Only {overlap:.0%} of {fixed.name} is covered by {moving.name}; the rest was filled.",
        )
    volume = moving.with_array(array, affine=fixed.affine)
    return Resampled(volume, inside, overlap, notes)


def _without_geometry(moving: Volume, fixed: Volume, order: int) -> Resampled:
    affine = fixed.affine if fixed.affine is not None else moving.affine
    if (moving.affine is None) != (fixed.affine is None):
        known, unknown = (moving, fixed) if fixed.affine is None else (fixed, moving)
        if moving.shape != fixed.shape:
            raise GeometryError(
                f"{unknown.name} has no geometry and another shape {unknown.shape} than "
                f"{known.name} {known.shape}; give it as DICOM or NIfTI, or resample it first."
            )
        note = f"{unknown.name} has no geometry; that of {known.name} was assumed for both."
        return _unchanged(moving, affine, note)
    if moving.shape == fixed.shape:
        return _unchanged(moving, None)
    ratios = np.asarray(moving.shape) / np.asarray(fixed.shape)
    if ratios.max() / ratios.min() > 1 + SAME_ASPECT:
        raise GeometryError(
            f"{moving.name} of shape {moving.shape} and {fixed.name} of shape {fixed.shape} have "
            "no geometry and other aspect ratios; crop or resample them to one field of view."
        )
    # pixel edges coincide, not pixel centres
    array = _sample(moving, np.diag(ratios), (ratios - 1) / 2, fixed.shape, order)
    note = (
        f"{moving.name} of shape {moving.shape} was resized to {fixed.shape}; it is assumed to "
        "cover the same field of view."
    )
    return Resampled(moving.with_array(array), np.ones(fixed.shape, np.bool_), 1.0, (note,))


def _unchanged(moving: Volume, affine: Floats | None, *notes: str) -> Resampled:
    volume = moving.with_array(moving.array, affine=affine)
    return Resampled(volume, np.ones(moving.shape, np.bool_), 1.0, notes)


def _index_map(moving: Volume, fixed: Volume) -> tuple[Floats, Floats]:
    """Return matrix and offset from fixed to moving indices, in the order of the array's axes."""
    assert moving.affine is not None and fixed.affine is not None
    xyz = np.linalg.solve(moving.affine, fixed.affine)
    n = moving.ndim
    return xyz[:n, :n][::-1, ::-1], xyz[:n, 3][::-1]


def _is_identity(matrix: Floats, offset: Floats, moving: Volume, fixed: Volume) -> bool:
    if moving.shape != fixed.shape:
        return False
    corners = _corners(fixed.shape, edge=0.0)
    same = bool(np.abs(corners @ matrix.T + offset - corners).max() < SAME_GRID)
    return same and (fixed.ndim == 3 or _plane_distance(moving, fixed) < SAME_GRID)


def _check_plane(moving: Volume, fixed: Volume) -> None:
    """Refuse two slices that do not lie in one plane, to half a slice thickness."""
    if fixed.ndim == 3:
        return
    assert moving.affine is not None and fixed.affine is not None
    distance = _plane_distance(moving, fixed)
    thickness = max(float(np.linalg.norm(v.affine[:3, 2])) for v in (moving, fixed))
    if distance > thickness / 2:
        raise GeometryError(
            f"{moving.name} and {fixed.name} are slices of different planes, up to {distance:.1f} "
            f"mm apart (thickness {thickness:.1f} mm); give the volumes, or slices of one plane."
        )


def _plane_distance(moving: Volume, fixed: Volume) -> float:
    """Return how far, in mm, the corners of a fixed slice lie from the moving slice's plane."""
    assert moving.affine is not None and fixed.affine is not None
    normal = np.cross(moving.affine[:3, 0], moving.affine[:3, 1])
    normal /= np.linalg.norm(normal)
    away = (_world_corners(fixed) - moving.affine[:3, 3]) @ normal
    return float(np.abs(away).max())


def _inside(
    matrix: Floats, offset: Floats, shape: tuple[int, ...], source: tuple[int, ...]
) -> npt.NDArray[np.bool_]:
    """Mark voxel centres that fall into the moving image, up to the outer edges of its voxels."""
    inside = np.ones(shape, np.bool_)
    grid = np.ogrid[tuple(slice(n) for n in shape)]
    for row, start, size in zip(matrix, offset, source, strict=True):
        index: Array = sum((float(m) * g for m, g in zip(row, grid, strict=True)), np.array(start))
        inside &= (index > -0.5 - SAME_GRID) & (index < size - 0.5 + SAME_GRID)
    return inside


def _sample(
    moving: Volume, matrix: Floats, offset: Floats, shape: tuple[int, ...], order: int
) -> Array:
    from scipy import ndimage

    array = moving.array
    if moving.rgb:
        channels = [
            _sample(moving.with_array(array[..., c], rgb=False), matrix, offset, shape, order)
            for c in range(array.shape[-1])
        ]
        stacked = np.stack(channels, axis=-1)
        # a float colour means [0, 1], so integers stay integers
        return _like(stacked, array.dtype)
    if order == 0:
        labels = array.astype(np.uint8) if array.dtype == np.bool_ else array
        # not scipy's own rounding, which takes halves to the even neighbour
        nearest: Array = ndimage.affine_transform(
            labels, matrix, offset, output_shape=shape, order=0, mode="nearest"
        )
        return nearest.astype(array.dtype, copy=False)
    source = array.astype(np.float32)
    finite = np.isfinite(source)
    if not finite.all():
        source[~finite] = source[finite].min() if finite.any() else 0
    # how many source voxels one step on the target spans, along each source axis
    coarser = np.linalg.norm(matrix, axis=1)
    if (coarser > COARSER).any():
        wider = np.where(coarser > COARSER, coarser, 1.0)
        sigma = np.sqrt((wider**2 - 1) / (8 * np.log(2)))
        source = ndimage.gaussian_filter(source, sigma, mode="nearest")
    result: Array = ndimage.affine_transform(
        source, matrix, offset, output_shape=shape, order=1, mode="nearest", output=np.float32
    )
    return result


def _like(values: Array, dtype: np.dtype[np.generic]) -> Array:
    if dtype.kind in "iu":
        values = np.rint(values)
    return values.astype(dtype, copy=False)


def _fill_value(moving: Volume, order: int) -> float:
    if order == 0 or moving.rgb:
        return 0.0
    finite = moving.array[np.isfinite(moving.array)]
    return float(finite.min()) if finite.size else 0.0


def _corners(shape: tuple[int, ...], edge: float) -> Floats:
    """Return the corner indices of a grid; `edge` 0.5 for the outer edges of the voxels."""
    return np.array(list(product(*((-edge, n - 1 + edge) for n in shape))), dtype=np.float64)


def _world_corners(volume: Volume, edge: float = 0.0) -> Floats:
    assert volume.affine is not None
    xyz = _corners(volume.shape, edge)[:, ::-1]
    xyz = np.pad(xyz, ((0, 0), (0, 3 - volume.ndim)))
    return xyz @ volume.affine[:3, :3].T + volume.affine[:3, 3]


def _extent(volume: Volume) -> str:
    corners = _world_corners(volume, edge=0.5)
    spans = zip("xyz", corners.min(axis=0), corners.max(axis=0), strict=True)
    return ", ".join(f"{axis} {low:.0f} to {high:.0f}" for axis, low, high in spans)

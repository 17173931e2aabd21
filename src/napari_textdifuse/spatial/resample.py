"""Resampling of one image onto another's grid, through world coordinates in mm."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import product

import numpy as np
import numpy.typing as npt

from ..arrays import smallest
from ..errors import GeometryError, InputError, size_of
from ..stopping import check_stop
from ..volume import Array, Volume
from .grid import check_plane, extent, index_map, inside_of, same_grid

Floats = npt.NDArray[np.float64]

#: Sampling that is coarser than the source by more than this factor needs a low-pass filter.
COARSER = 1.2
#: A smaller covered part gets a note.
LOW_OVERLAP = 0.5
_TRUNCATE = 4.0  # radius of the Gaussian in standard deviations
#: Largest block that is resampled at once (Z, Y, X): 8 MiB in float32.
BLOCK = (32, 256, 256)
#: Tolerance of the aspect ratio within which images are assumed to show the same field of view.
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
        One sentence for each assumption and for a small overlap.
    """

    volume: Volume
    inside: npt.NDArray[np.bool_] = field(repr=False)
    overlap: float
    notes: tuple[str, ...] = ()


def resample_to(
    moving: Volume,
    fixed: Volume,
    *,
    order: int = 1,
    fill: float | None = None,
    check_overlap: bool = True,
) -> Resampled:
    """Resample `moving` onto the grid of `fixed`.

    If both have geometry, each voxel centre of `fixed` is sampled in `moving` through
    world coordinates, including oblique and flipped axes. Where `fixed` is more than 1.2 times
    coarser along an axis of `moving`, a Gaussian first widens the resolution to that of the coarse
    voxel (Cardoso et al. 2015, Scale factor point spread function matching).

    Works block by block: only the result and the part of `moving` for one block are in memory,
    and only these parts of a lazy array (dask, zarr) are read.

    Parameters
    ----------
    moving : Volume
    fixed : Volume
        Defines the grid; its values are not used.
    order : int
        1 for images (linear), 0 for labels (nearest; never smoothed).
    fill : float, optional
        Value outside the field of view of `moving`. By default the smallest finite value of
        `moving` (air in CT, no uptake in PET; of a sample of its slices where the array is lazy),
        and 0 for labels and colour.
    check_overlap : bool
        False for a part of a grid that was checked as a whole with `overlap_notes`: the part may
        lie outside `moving`.

    Returns
    -------
    Resampled
        float32, except that labels and colours keep their type. An image that already is on the
        grid is returned unchanged. Values that are not finite count as the smallest finite one.

    Raises
    ------
    GeometryError
        If the images do not overlap, only one has geometry and the shapes differ, or neither has
        and the aspect ratios differ.
    InputError
        If one is two-dimensional and the other is not, or `order` is neither 0 nor 1.
    """
    if order not in (0, 1):
        raise InputError(f"order {order} is not supported; use 1 for images and 0 for labels.")
    if moving.ndim != fixed.ndim:
        raise InputError(
            f"{moving.name} is {moving.ndim}-D and {fixed.name} is {fixed.ndim}-D; "
            "choose a slice of the volume, or use two volumes."
        )
    if moving.affine is None or fixed.affine is None:
        return _without_geometry(moving, fixed, order)
    if same_grid(moving, fixed):
        return _unchanged(moving, moving.affine)
    check_plane(moving, fixed)
    matrix, offset = index_map(moving, fixed)
    outside = _fill_value(moving, order) if fill is None else fill
    array, inside = _sample(moving, matrix, offset, fixed.shape, order, outside)
    overlap = float(inside.mean())
    notes = _overlap_notes(overlap, moving, fixed) if check_overlap else ()
    volume = moving.with_array(array, affine=fixed.affine)
    return Resampled(volume, inside, overlap, notes)


def overlap_notes(moving: Volume, fixed: Volume) -> tuple[str, ...]:
    """Return a note if `moving` covers little of `fixed`; reads no values.

    Raises
    ------
    GeometryError
        If nothing is covered.
    """
    if moving.affine is None or fixed.affine is None:
        return ()
    matrix, offset = index_map(moving, fixed)
    covered = 0
    for block in _blocks(fixed.shape):
        start = offset + matrix @ np.array([s.start for s in block], np.float64)
        size = tuple(s.stop - s.start for s in block)
        covered += int(inside_of(matrix, start, size, moving.shape).sum())
    return _overlap_notes(covered / math.prod(fixed.shape), moving, fixed)


def _overlap_notes(overlap: float, moving: Volume, fixed: Volume) -> tuple[str, ...]:
    if overlap == 0:
        raise GeometryError(
            f"{moving.name} and {fixed.name} do not overlap: {extent(moving)} against "
            f"{extent(fixed)} mm (RAS); check that they show the same patient and position, "
            "or register them."
        )
    if overlap >= LOW_OVERLAP:
        return ()
    return (
        f"Only {overlap:.0%} of {fixed.name} is covered by {moving.name}; the rest was filled.",
    )


def _without_geometry(moving: Volume, fixed: Volume, order: int) -> Resampled:
    affine = fixed.affine if fixed.affine is not None else moving.affine
    if (moving.affine is None) != (fixed.affine is None):
        known, unknown = (moving, fixed) if fixed.affine is None else (fixed, moving)
        if moving.shape != fixed.shape:
            raise GeometryError(
                f"{unknown.name} has no geometry and another size ({size_of(unknown.shape)}) than "
                f"{known.name} ({size_of(known.shape)}); use DICOM or NIfTI, or resample "
                "it first."
            )
        note = f"{unknown.name} has no geometry; that of {known.name} was assumed for both."
        return _unchanged(moving, affine, note)
    if moving.shape == fixed.shape:
        return _unchanged(moving, None)
    ratios = np.asarray(moving.shape) / np.asarray(fixed.shape)
    if ratios.max() / ratios.min() > 1 + SAME_ASPECT:
        raise GeometryError(
            f"{moving.name} ({size_of(moving.shape)}) and {fixed.name} ({size_of(fixed.shape)}) "
            "have "
            "no geometry and different aspect ratios; crop or resample them to one field of view."
        )
    # pixel edges coincide, not pixel centres
    array, _ = _sample(moving, np.diag(ratios), (ratios - 1) / 2, fixed.shape, order, 0.0)
    note = (
        f"{moving.name} ({size_of(moving.shape)}) was resized to {size_of(fixed.shape)}; it is "
        "assumed to cover the same field of view."
    )
    return Resampled(moving.with_array(array), np.ones(fixed.shape, np.bool_), 1.0, (note,))


def _unchanged(moving: Volume, affine: Floats | None, *notes: str) -> Resampled:
    volume = replace(moving.loaded(), affine=affine)
    return Resampled(volume, np.ones(moving.shape, np.bool_), 1.0, notes)


def _sample(
    moving: Volume,
    matrix: Floats,
    offset: Floats,
    shape: tuple[int, ...],
    order: int,
    fill: float,
) -> tuple[Array, npt.NDArray[np.bool_]]:
    """Sample `moving` on a grid of `shape` block by block; also return which voxels are inside."""
    colours = moving.array.shape[moving.ndim :]
    dtype = moving.array.dtype if order == 0 or moving.rgb else np.dtype(np.float32)
    result = np.full(shape + colours, fill, dtype)
    inside = np.zeros(shape, np.bool_)
    sigma = _smoothing(matrix) if order else np.zeros(moving.ndim)
    low = None
    for block in _blocks(shape):
        start = offset + matrix @ np.array([s.start for s in block], np.float64)
        size = tuple(s.stop - s.start for s in block)
        here = inside_of(matrix, start, size, moving.shape)
        if not here.any():
            continue
        check_stop()
        crop, first = _needed(moving.shape, matrix, start, size, sigma)
        source = np.asarray(moving.array[crop])
        if order and source.dtype.kind == "f":
            bad = ~np.isfinite(source)
            if bad.any():
                low = smallest(moving) if low is None else low
                source = np.where(bad, low, source)
        for channel in np.ndindex(colours):
            values = _look_up(source[(..., *channel)], matrix, start - first, size, order, sigma)
            values = _to_dtype(values, dtype)
            values[~here] = fill
            result[(*block, *channel)] = values
        inside[block] = here
    return result, inside


def _blocks(shape: tuple[int, ...]) -> Iterator[tuple[slice, ...]]:
    """Cover a grid with blocks of at most `BLOCK` voxels."""
    sides = BLOCK[-len(shape) :]
    starts = (range(0, n, side) for n, side in zip(shape, sides, strict=True))
    for corner in product(*starts):
        spans = zip(corner, sides, shape, strict=True)
        yield tuple(slice(first, min(first + side, n)) for first, side, n in spans)


def _needed(
    source: tuple[int, ...], matrix: Floats, start: Floats, size: tuple[int, ...], sigma: Floats
) -> tuple[tuple[slice, ...], npt.NDArray[np.int64]]:
    """Return the part of a source that a block needs, and its first index.

    A margin as wide as the filter makes the result independent of the blocks.
    """
    corners = np.array(list(product(*((0, n - 1) for n in size)))) @ matrix.T + start
    margin = np.floor(_TRUNCATE * sigma + 0.5) + 2
    limits = np.array(source) - 1
    first = np.clip(np.floor(corners.min(axis=0)) - margin, 0, limits).astype(np.int64)
    last = np.clip(np.ceil(corners.max(axis=0)) + margin, 0, limits).astype(np.int64)
    return tuple(slice(int(a), int(b) + 1) for a, b in zip(first, last, strict=True)), first


def _smoothing(matrix: Floats) -> Floats:
    """Return the standard deviation of the low-pass filter along each source axis, in voxels."""
    # size of a target step in source voxels
    coarser = np.linalg.norm(matrix, axis=1)
    wider = np.where(coarser > COARSER, coarser, 1.0)
    sigma: Floats = np.sqrt((wider**2 - 1) / (8 * np.log(2)))
    return sigma


def _look_up(
    source: Array,
    matrix: Floats,
    offset: Floats,
    shape: tuple[int, ...],
    order: int,
    sigma: Floats,
) -> Array:
    from scipy import ndimage

    if order == 0:
        kinds = {np.dtype(np.bool_): np.uint8, np.dtype(np.float16): np.float32}
        labels = source.astype(kinds.get(source.dtype, source.dtype), copy=False)
        nearest: Array = ndimage.affine_transform(
            labels, matrix, offset, output_shape=shape, order=0, mode="nearest"
        )
        return nearest
    values = source.astype(np.float32, copy=False)
    if sigma.any():
        values = ndimage.gaussian_filter(values, sigma, mode="nearest", truncate=_TRUNCATE)
    linear: Array = ndimage.affine_transform(
        values, matrix, offset, output_shape=shape, order=1, mode="nearest", output=np.float32
    )
    return linear


def _to_dtype(values: Array, dtype: np.dtype[np.generic]) -> Array:
    if dtype.kind in "iu" and values.dtype.kind == "f":  # a float colour means [0, 1]
        values = np.rint(values)
    return values.astype(dtype, copy=False)


def _fill_value(moving: Volume, order: int) -> float:
    return 0.0 if order == 0 or moving.rgb else smallest(moving)

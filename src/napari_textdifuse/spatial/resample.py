"""Resample one image onto another's grid, through world coordinates in mm."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from ..errors import GeometryError, InputError
from ..volume import Array, Volume
from .grid import check_plane, extent, index_map, inside_of, same_grid

Floats = npt.NDArray[np.float64]

#: Sampling more than this times coarser than the source is preceded by a low-pass filter.
COARSER = 1.2
#: A result covered by less than this part gets a note.
LOW_OVERLAP = 0.5
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
    if same_grid(moving, fixed):
        return _unchanged(moving, moving.affine)
    check_plane(moving, fixed)
    matrix, offset = index_map(moving, fixed)
    inside = inside_of(matrix, offset, fixed.shape, moving.shape)
    overlap = float(inside.mean())
    if overlap == 0:
        raise GeometryError(
            f"{moving.name} and {fixed.name} do not overlap: {extent(moving)} against "
            f"{extent(fixed)} mm (RAS); check that they are of the same patient and position, "
            "or register them."
        )
    array = _sample(moving, matrix, offset, fixed.shape, order)
    array[~inside] = _fill_value(moving, order) if fill is None else fill
    notes: tuple[str, ...] = ()
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
        if labels.dtype == np.float16:  # unknown to scipy
            labels = labels.astype(np.float32)
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

"""Resampling of tilted and unevenly spaced slices to a rectangular grid."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..volume import Array

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Regrid:
    """How slices are shifted in their planes and interpolated between them, all linearly.

    Parameters
    ----------
    shifts : ndarray, shape (slices, 2)
        Position of the first pixel of each slice on the new grid, in pixels (y, x), counted from
        the first slice.
    depths : ndarray, shape (slices,)
        Positions of the slices along the normal, ascending from 0, in mm.
    targets : ndarray
        Positions of the new slices.
    """

    shifts: Floats
    depths: Floats
    targets: Floats

    @property
    def first(self) -> npt.NDArray[np.int64]:
        """Index of the new grid's first pixel (y, x), counted from the first slice's."""
        return np.floor(self.shifts.min(axis=0) + 1e-6).astype(np.int64)

    def apply(self, stack: Array) -> Array:
        """Resample a stack.

        Parameters
        ----------
        stack : ndarray, shape (slices, rows, columns[, 3])

        Returns
        -------
        ndarray
            float32, colours in their own type. Voxels that no slice covers have the smallest value
            of the stack (air in CT); colours are black there.
        """
        colour = stack.ndim == 4
        fill = 0.0 if colour else float(np.nanmin(stack))
        moved = self._in_plane(stack.astype(np.float32))
        if not np.array_equal(self.depths, self.targets):
            below = np.searchsorted(self.depths, self.targets, side="right") - 1
            below = np.clip(below, 0, len(self.depths) - 2)
            part = (self.targets - self.depths[below]) / np.diff(self.depths)[below]
            w = part.astype(np.float32).reshape(-1, *(1,) * (moved.ndim - 1))
            low, high = moved[below], moved[below + 1]
            # not 0 times the neighbour: what is outside is not a number
            moved = np.where(w == 0, low, np.where(w == 1, high, low * (1 - w) + high * w))
        moved = np.nan_to_num(moved, nan=fill)
        return np.rint(moved).astype(stack.dtype) if colour else moved

    def _in_plane(self, stack: Array) -> Array:
        """Shift the slices in their planes; outside of them is NaN."""
        if not self.shifts.any():
            return stack
        from scipy import ndimage

        last = np.ceil(self.shifts.max(axis=0) - 1e-6).astype(np.int64)
        rows, columns = np.array(stack.shape[1:3]) + last - self.first
        out = np.full((len(stack), rows, columns, *stack.shape[3:]), np.nan, np.float32)
        for index, shift in enumerate(self.shifts):
            offset = self.first - shift
            for channel in np.ndindex(stack.shape[3:]):
                out[(index, ..., *channel)] = ndimage.affine_transform(
                    stack[(index, ..., *channel)],
                    np.eye(2),  # a vector is faster, but warns before SciPy 1.16
                    offset,
                    output_shape=(rows, columns),
                    order=1,
                    cval=np.nan,
                )
        return out

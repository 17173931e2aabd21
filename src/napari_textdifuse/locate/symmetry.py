"""The plane between the two sides of a brain, and the values on the other side of it."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from .regions import Floats, Mask

_Values = npt.NDArray[np.float64]

#: Distance of the points by which the plane is searched, first and last.
COARSE_MM, FINE_MM = 8.0, 4.0
#: Directions of the plane that are tried, as tangents of its angles with the image's axes, and its
#: distances in mm from the middle of the brain.
SLOPES = tuple(float(np.tan(np.deg2rad(d))) for d in (-24, -12, 0, 12, 24))
SHIFTS_MM = (-8.0, 0.0, 8.0)
#: Largest tangent, of 35 degrees.
STEEPEST = 0.7
#: Values count up to so many standard deviations, so that a lesion does not turn the plane.
CLIPPED_DEVIATIONS = 1.5
#: Difference that is assumed where the mirrored place is out of view.
UNLIKE = 0.3


@dataclass(frozen=True)
class MidPlane:
    """The plane (in a slice: the line) of points ``p`` with ``normal @ p == offset``.

    Parameters
    ----------
    normal : ndarray of float64, shape (2,) or (3,)
        Of length 1, in the array's axis order.
    offset : float
        In mm; the first pixel (voxel) is at 0.
    mm : tuple of float
        Spacing.
    """

    normal: _Values
    offset: float
    mm: tuple[float, ...]

    def mirror(self, array: npt.NDArray[np.generic], outside: float = 0.0) -> Floats:
        """Return the value at the mirrored place of each voxel.

        Parameters
        ----------
        array : ndarray
        outside : float
            What counts where the mirrored place is out of view.
        """
        matrix, shift = self.mapping()
        moved = ndimage.affine_transform(
            array.astype(np.float32), matrix, shift, order=1, mode="nearest"
        )
        there = [
            sum(k * n for k, n in zip(row, np.ogrid[tuple(map(slice, array.shape))], strict=True))
            for row in matrix
        ]
        for index, start, size in zip(there, shift, array.shape, strict=True):
            moved[(index + start < -0.5) | (index + start > size - 0.5)] = outside
        return np.asarray(moved, np.float32)

    def mirror_nearby(self, array: Floats, nearby_mm: float) -> Floats:
        """Return the highest value in a box around the mirrored place; infinity out of view.

        No head is perfectly symmetric.

        Parameters
        ----------
        array : ndarray of float32
        nearby_mm : float
            Width of the box.
        """
        width = [1 + 2 * round(nearby_mm / s / 2) for s in self.mm]
        return self.mirror(ndimage.maximum_filter(array, width), outside=np.inf)

    def distance(self, shape: tuple[int, ...]) -> _Values:
        """Return the distance in mm of each voxel of an array of this shape."""
        places = np.ogrid[tuple(map(slice, shape))]
        normal = self.normal * np.asarray(self.mm)
        return np.abs(sum(n * p for n, p in zip(normal, places, strict=True)) - self.offset)

    def mapping(self) -> tuple[_Values, _Values]:
        """Return the matrix and the shift from an index to the index of the mirrored place."""
        turn = np.eye(len(self.mm)) - 2 * np.outer(self.normal, self.normal)
        mm = np.asarray(self.mm)
        return turn * mm / mm[:, None], 2 * self.offset * self.normal / mm


def mid_plane(array: Floats, brain: Mask, axis: int, mm: Sequence[float]) -> MidPlane:
    """Find the plane at which the brain and its mirror image differ least.

    A head is seldom straight in its image. Mirrored along the image's axis, a head that is turned
    by 10 degrees is compared with places that are up to 25 mm off.

    Parameters
    ----------
    array : ndarray of float32, shape (Y, X) or (Z, Y, X)
    brain : ndarray of bool
    axis : int
        The array's axis that runs most nearly from left to right.
    mm : sequence of float
        Spacing.

    Returns
    -------
    MidPlane
        Across `axis` through the middle of the image if there is no brain.

    Notes
    -----
    After Ardekani et al. 1997, IEEE Trans Med Imaging 16:947 (direction and offset of the plane by
    the similarity of the two sides). They use the correlation; the mean absolute difference is this
    program's choice, because a lesion is an outlier.
    """
    spacing = tuple(float(s) for s in mm)
    fine, fine_mm = _standardised(array, brain, spacing)
    inside = fine > 0
    if not inside.any():
        middle = (array.shape[axis] - 1) / 2 * spacing[axis]
        return MidPlane(np.eye(array.ndim)[axis], middle, spacing)
    centre = np.array([place.mean() for place in np.nonzero(inside)]) * fine_mm
    others = [i for i in range(array.ndim) if i != axis]

    def plane(parameters: _Values) -> MidPlane:
        """Return the plane of tangents along the other axes and of a distance from the middle."""
        normal = np.eye(array.ndim)[axis]
        normal[others] = parameters[:-1]
        normal /= np.linalg.norm(normal)
        return MidPlane(normal, float(normal @ centre + parameters[-1]), fine_mm)

    every = tuple(slice(None, None, max(1, round(COARSE_MM / s))) for s in fine_mm)
    blurred = ndimage.gaussian_filter(fine, [COARSE_MM / 3 / s for s in fine_mm])
    rough, exact = _cost(blurred, inside, every, plane), _cost(fine, inside, (), plane)
    starts = itertools.product(*[SLOPES] * len(others), SHIFTS_MM)
    best = min((np.array(start) for start in starts), key=rough)
    best = _refined(exact, _refined(rough, best))
    found = plane(best)
    return MidPlane(found.normal, found.offset, spacing)


def _standardised(
    array: Floats, brain: Mask, mm: tuple[float, ...]
) -> tuple[Floats, tuple[float, ...]]:
    """Return the brain on a coarse grid, 0 outside and about 1 within, so that both count."""
    every = tuple(slice(None, None, max(1, round(FINE_MM / s))) for s in mm)
    blurred = ndimage.gaussian_filter(array, [FINE_MM / 3 / s for s in mm])[every]
    inside, values = brain[every], blurred[brain[every]]
    steps = tuple(s * (e.step or 1) for s, e in zip(mm, every, strict=True))
    if not values.size:
        return np.zeros_like(blurred), steps
    usual, spread = float(np.median(values)), float(values.std())
    off = np.clip((blurred - usual) / max(spread, 1e-12), -CLIPPED_DEVIATIONS, CLIPPED_DEVIATIONS)
    return np.where(inside, 1 + off / (2 * CLIPPED_DEVIATIONS), 0).astype(np.float32), steps


def _cost(
    values: Floats,
    inside: Mask,
    every: tuple[slice, ...],
    plane: Callable[[_Values], MidPlane],
) -> Callable[[_Values], float]:
    """Return the mean difference between each place and its mirrored place, by the parameters."""
    chosen = inside[every]
    places = np.indices(values.shape)[(slice(None), *every)][:, chosen].astype(np.float64)
    here = values[every][chosen]

    def cost(parameters: _Values) -> float:
        if not here.size or np.abs(parameters[:-1]).max() > STEEPEST:
            return 1.0
        matrix, shift = plane(parameters).mapping()
        there = matrix @ places + shift[:, None]
        seen = ndimage.map_coordinates(values, there, order=1, mode="constant", cval=-9)
        return float(np.where(seen < 0, UNLIKE, np.abs(here - seen)).mean())

    return cost


def _refined(cost: Callable[[_Values], float], start: _Values) -> _Values:
    from scipy.optimize import minimize

    size = len(start) - 1
    simplex = start + np.vstack([np.zeros(size + 1), np.diag([0.08] * size + [4.0])])
    options = {"initial_simplex": simplex, "xatol": 2e-3, "fatol": 1e-5, "maxiter": 100}
    best: _Values = minimize(cost, start, method="Nelder-Mead", options=options).x
    return best

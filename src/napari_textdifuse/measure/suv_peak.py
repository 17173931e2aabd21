"""SUVpeak: the highest mean uptake of a sphere of 1 mL."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from ..arrays import smallest
from ..volume import Volume

Floats = npt.NDArray[np.float64]

#: Radius in mm of a sphere of 1 cubic centimetre.
RADIUS = (3000 / (4 * math.pi)) ** (1 / 3)
#: Number of points that sample a sphere.
POINTS = 1000
#: Number of starts of the search, and its first and last step in voxels.
STARTS, FIRST_STEP, LAST_STEP = 3, 0.5, 1 / 16


def suv_peak(volume: Volume, places: Floats) -> float | None:
    """Return the highest mean of a sphere of 1 mL whose centre lies in an object.

    The sphere moves continuously, not from voxel to voxel, and each voxel counts with the part that
    the sphere covers. Between voxel centres the uptake is a cubic spline. Splines overshoot at
    edges, so the mean is also computed with the spline clipped to the eight values around each
    point, and the lower mean counts. The peak never exceeds the highest voxel.

    Parameters
    ----------
    volume : Volume
        Three-dimensional, with geometry; only the region around the object is read.
    places : ndarray, shape (N, 3)
        Points of the object, as indices of `volume` in its array's axis order.

    Returns
    -------
    float or None
        In the volume's unit; None if no such sphere fits into the image.

    Notes
    -----
    Wahl et al., "From RECIST to PERCIST", J Nucl Med 50 (2009), and Boellaard et al., EANM
    procedure guidelines 2.0, Eur J Nucl Med Mol Imaging 42 (2015): the position of the highest
    mean.
    """
    if volume.affine is None or volume.ndim != 3 or not len(places):
        return None
    steps = volume.affine[:3, :3][::-1, ::-1]  # z, y, x
    sphere = _points() @ np.linalg.inv(steps).T
    reach = np.abs(sphere).max(axis=0)
    low, high = reach - 0.5, np.array(volume.shape) - 0.5 - reach
    if (low > high).any():
        return None
    voxels = np.floor(places + 0.5).astype(np.intp)
    voxels = voxels[((voxels > low - 0.5) & (voxels < high + 0.5)).all(axis=1)]
    if not len(voxels):
        return None
    margin = np.ceil(reach).astype(np.intp) + 3
    first = np.maximum(voxels.min(axis=0) - margin, 0)
    last = np.minimum(voxels.max(axis=0) + margin + 1, volume.shape)
    window = tuple(slice(int(a), int(b)) for a, b in zip(first, last, strict=True))
    values = np.asarray(volume.array[window], np.float64)
    if not np.isfinite(values).all():
        values = np.where(np.isfinite(values), values, smallest(volume))
    inside = np.zeros(values.shape, np.bool_)
    inside[tuple((voxels - first).T)] = True
    search = _Search(values, inside, sphere, low - first, high - first)
    return max(search.climb(start) for start in search.starts())


class _Search:
    """Moves a sphere through a part of an image.

    Parameters
    ----------
    values : ndarray, shape (Z, Y, X)
    inside : ndarray of bool
        Voxels that the centre may lie in.
    sphere : ndarray, shape (N, 3)
        Its points relative to the centre, in voxels.
    low, high : ndarray, shape (3,)
        Limits of the centre.
    """

    def __init__(
        self,
        values: Floats,
        inside: npt.NDArray[np.bool_],
        sphere: Floats,
        low: Floats,
        high: Floats,
    ) -> None:
        from scipy import ndimage

        self._values, self._inside, self._sphere = values, inside, sphere
        self._low, self._high = low, high
        self._spline = ndimage.spline_filter(values, 3)
        # over the eight values around a point, at the lowest index of them
        self._least = ndimage.minimum_filter(values, 2, origin=-1, mode="nearest")
        self._most = ndimage.maximum_filter(values, 2, origin=-1, mode="nearest")

    def starts(self) -> Floats:
        """Return the voxels with the highest mean, at least a radius apart, shape (N, 3)."""
        from scipy import ndimage

        offsets = np.rint(self._sphere).astype(np.intp)
        reach = np.abs(offsets).max(axis=0)
        kernel = np.zeros(2 * reach + 1)
        np.add.at(kernel, tuple((offsets + reach).T), 1 / len(offsets))
        means = ndimage.correlate(self._values, kernel, mode="nearest")
        voxels = np.argwhere(self._inside)
        voxels = voxels[np.argsort(means[self._inside])[::-1]]
        found = [voxels[0]]
        while len(found) < STARTS:
            away = (np.abs(voxels - found[-1]) > np.maximum(reach, 1)).any(axis=1)
            voxels = voxels[away]
            if not len(voxels):
                break
            found.append(voxels[0])
        return np.clip(np.array(found, np.float64), self._low, self._high)

    def climb(self, place: Floats) -> float:
        """Return the highest mean near a position, by ever smaller steps along the axes."""
        best, step = float(self._means(place[None])[0]), FIRST_STEP
        moves = np.concatenate([np.eye(3), -np.eye(3)])
        while step >= LAST_STEP:
            tried = place + step * moves
            tried = tried[self._allowed(tried)]
            means = self._means(tried)
            if len(means) and means.max() > best:
                best, place = float(means.max()), tried[int(np.argmax(means))]
            else:
                step /= 2
        return best

    def _allowed(self, places: Floats) -> npt.NDArray[np.bool_]:
        near = np.floor(places + 0.5).astype(np.intp)
        near = np.clip(near, 0, np.array(self._inside.shape) - 1)
        within = ((places >= self._low) & (places <= self._high)).all(axis=1)
        return np.asarray(within & self._inside[tuple(near.T)])

    def _means(self, places: Floats) -> Floats:
        from scipy import ndimage

        points = (places[:, None] + self._sphere).reshape(-1, 3).T
        values = ndimage.map_coordinates(
            self._spline, points, order=3, mode="mirror", prefilter=False
        )
        top = np.array(self._values.shape)[:, None] - 1
        corner = tuple(np.clip(np.floor(points).astype(np.intp), 0, top))
        bounded = np.clip(values, self._least[corner], self._most[corner])
        means: Floats = np.minimum(
            *(v.reshape(len(places), -1).mean(axis=1) for v in (values, bounded))
        )
        return means


def _points() -> Floats:
    """Return points that fill a sphere of 1 mL evenly, in mm around its centre, shape (N, 3)."""
    k = np.arange(POINTS)
    height = 1 - (2 * k + 1) / POINTS
    turn = math.pi * (1 + math.sqrt(5)) * k  # a Fibonacci lattice of directions
    flat = np.sqrt(1 - height**2)
    directions = np.stack([height, flat * np.sin(turn), flat * np.cos(turn)], axis=1)
    # radii spread evenly in volume, in another irrational order
    radii = RADIUS * ((k * math.sqrt(2) + 0.5) % 1) ** (1 / 3)
    points: Floats = directions * radii[:, None]
    return points - points.mean(axis=0)

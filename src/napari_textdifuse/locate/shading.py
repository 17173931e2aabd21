"""The slow change of brightness over an MR volume (bias field), estimated with its classes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from .classes import GaussianMixture, gaussian_mixture
from .intracranial import inward
from .regions import Floats, Mask

#: Voxel size of the grid on which the field is estimated, and its smoothness.
WORK_MM, WIDTH_MM = 4.0, 45.0
ROUNDS = 12
#: Residuals are clipped to this many standard deviations of a class: a lesion is not shading.
CLIPPED_DEVIATIONS = 2.0
#: The tissues' shares depend on the distance to the surface, in layers of this thickness: white
#: matter lies deeper than grey, which would else look like shading.
LAYER_MM, DEEPEST_MM = 4.0, 40.0
#: A field that varies less (standard deviation of its logarithm) is left, as in the average of many
#: heads the tissues themselves look as much like shading.
LEAST = 0.06
#: The field is a factor of at least 1 / `MOST` and at most `MOST`.
MOST = 3.0


def without_shading(array: Floats, inside: Mask, mm: Sequence[float]) -> Floats:
    """Divide a volume by its bias field.

    Parameters
    ----------
    array : ndarray of float32, shape (Z, Y, X)
    inside : ndarray of bool
        The brain with its fluid.
    mm : sequence of float
        Spacing.

    Returns
    -------
    ndarray of float32
        The mean of the field's logarithm in `inside` is 0, so that the values stay of their size.
        The same array where there is too little to estimate a field by, or little shading.

    Notes
    -----
    Wells et al. 1996, IEEE Trans Med Imaging 15:429: the residuals of the logarithm from the mean
    of the class of each voxel, weighted by the class's inverse variance and smoothed. It starts
    from a plane, and residuals are bounded (`CLIPPED_DEVIATIONS`). Prior shares by place are those
    of Ashburner and Friston 2005, NeuroImage 26:839; here they depend on the depth alone, and are
    estimated from the image.
    """
    factors = [min(1.0, s / WORK_MM) for s in mm]
    factors = [k if n * k >= 4 else 1.0 for n, k in zip(array.shape, factors, strict=True)]
    share = _shrunk(inside.astype(np.float32), factors)
    values = _shrunk(np.where(inside, array, 0).astype(np.float32), factors)
    known = share > 0.5
    if known.sum() < 500:
        return array
    values = np.where(known, values / np.maximum(share, 1e-3), 0)
    low, high = np.percentile(values[known], (2, 99.5))
    known &= (values > max(low, 0.02 * high)) & (values < high)
    if known.sum() < 500:
        return array
    coarse_mm = [s * n / m for s, n, m in zip(mm, array.shape, share.shape, strict=True)]
    depth = np.minimum(inward(share > 0.5, coarse_mm), DEEPEST_MM)
    layers = (depth // LAYER_MM).astype(np.intp)
    field = _field(np.log(np.maximum(values, 1e-6 * high)), known, layers, coarse_mm)
    if field is None or field[known].std() < LEAST:
        return array
    zoom = [n / m for n, m in zip(array.shape, field.shape, strict=True)]
    whole = ndimage.zoom(field, zoom, order=1, mode="nearest", grid_mode=True)
    whole = np.clip(whole, -np.log(MOST), np.log(MOST))
    return np.asarray(array / np.exp(whole), np.float32)


def _shrunk(array: Floats, factors: Sequence[float]) -> Floats:
    blurred = ndimage.gaussian_filter(array, [0.4 / k if k < 1 else 0.0 for k in factors])
    small = ndimage.zoom(blurred, factors, order=1, mode="nearest", grid_mode=True)
    return np.asarray(small, np.float32)


def _field(
    logarithm: npt.NDArray[np.floating],
    known: Mask,
    layers: npt.NDArray[np.intp],
    mm: Sequence[float],
) -> npt.NDArray[np.floating] | None:
    """Return the logarithm of the field on the coarse grid."""
    places = np.argwhere(known) * np.asarray(mm)
    centre = places.mean(axis=0)
    values = logarithm[known].astype(np.float64)
    plane = _plane(places - centre, values)
    field = (np.moveaxis(np.indices(known.shape), 0, -1) * np.asarray(mm) - centre) @ plane
    mixture = gaussian_mixture(values - field[known])
    if mixture is None:
        return None
    strata = layers[known]
    mixture = mixture.in_strata(int(strata.max()) + 1)
    sigma = [WIDTH_MM / s for s in mm]
    for _ in range(ROUNDS):
        mixture = mixture.fitted(values - field[known], 3, strata)
        residual, weight = _residuals(values - field[known], mixture, strata)
        # what is left is added: smoothing the whole field again would flatten it at the edge
        field = field + _smoothed(residual, weight, known, sigma)
    return field - float(field[known].mean())


def _plane(
    places: npt.NDArray[np.floating], values: npt.NDArray[np.floating]
) -> npt.NDArray[np.floating]:
    """Return the slope of the values, by what lies in their middle."""
    design = np.c_[places, np.ones(len(places))]
    fit = np.linalg.lstsq(design, values, rcond=None)[0]
    for _ in range(8):
        off = values - design @ fit
        bound = 1.5 * float(np.median(np.abs(off - np.median(off))))
        kept = design @ fit + np.clip(off, -bound, bound)
        fit = np.linalg.lstsq(design, kept, rcond=None)[0]
    slope = fit[:3]
    return slope


def _residuals(
    even: npt.NDArray[np.float64], mixture: GaussianMixture, strata: npt.NDArray[np.intp]
) -> tuple[npt.NDArray[np.floating], npt.NDArray[np.floating]]:
    """Return each voxel's field by its class means, and how much it says of it."""
    likely = mixture.posterior(even, strata)
    bound = CLIPPED_DEVIATIONS * mixture.spread
    off = np.clip(even[:, None] - mixture.mean, -bound, bound)
    precision = likely / mixture.spread**2
    weight = precision.sum(axis=1)
    residual = (precision * off).sum(axis=1) / np.maximum(weight, 1e-9)
    return residual, weight


def _smoothed(
    residual: npt.NDArray[np.floating],
    weight: npt.NDArray[np.floating],
    known: Mask,
    sigma: Sequence[float],
) -> npt.NDArray[np.floating]:
    total, amount = np.zeros(known.shape), np.zeros(known.shape)
    total[known], amount[known] = residual * weight, weight
    total = ndimage.gaussian_filter(total, sigma, truncate=3)
    amount = ndimage.gaussian_filter(amount, sigma, truncate=3)
    enough = amount > 1e-3 * amount.max()
    field = np.where(enough, total / np.maximum(amount, 1e-12), 0)
    nearest = ndimage.distance_transform_edt(~enough, return_distances=False, return_indices=True)
    return np.asarray(field[tuple(nearest)])

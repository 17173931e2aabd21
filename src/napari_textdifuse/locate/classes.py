"""Gaussian classes of brightness, fitted by expectation maximisation."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from .regions import otsu

_Values = npt.NDArray[np.float64]
_Strata = npt.NDArray[np.intp]
#: Added to the share of each class in a stratum.
LEAST_SHARE = 0.02
#: Layers by depth, of which the last is open.
LAYERS = 11


@dataclass(frozen=True)
class GaussianMixture:
    """K classes, the darkest first.

    Parameters
    ----------
    mean, spread : ndarray of float64, shape (K,)
        Spread is the standard deviation.
    share : ndarray of float64, shape (K,) or (S, K)
        They sum to 1, in each of S strata where there are several.
    least : float
        The smallest spread.
    """

    mean: _Values
    spread: _Values
    share: _Values
    least: float

    def densities(self, values: _Values, strata: _Strata | None = None) -> _Values:
        """Return the density of each class at each value, shape (N, K); strata has shape (N,)."""
        exponent = -0.5 * ((values[:, None] - self.mean) / self.spread) ** 2
        share = self.share if strata is None else self.share[strata]
        return np.asarray(share * np.exp(exponent) / self.spread + 1e-12)

    def posterior(self, values: _Values, strata: _Strata | None = None) -> _Values:
        """Return the probability of each class at each value, shape (N, K)."""
        weight = self.densities(values, strata)
        return np.asarray(weight / weight.sum(axis=1, keepdims=True))

    def fitted(
        self, values: _Values, rounds: int, strata: _Strata | None = None
    ) -> GaussianMixture:
        """Return what so many more rounds on these values make of it."""
        now = self
        for _ in range(rounds):
            weight = now.posterior(values, strata)
            total = weight.sum(axis=0) + 1e-9
            mean = (weight * values[:, None]).sum(axis=0) / total
            spread = np.sqrt((weight * (values[:, None] - mean) ** 2).sum(axis=0) / total)
            share = total / total.sum() if strata is None else _shares(weight, strata, now.share)
            now = GaussianMixture(mean, spread + self.least, share, self.least)
        order = np.argsort(now.mean)
        return GaussianMixture(now.mean[order], now.spread[order], now.share[..., order], now.least)

    def in_strata(self, count: int) -> GaussianMixture:
        """Return it with shares for each of so many strata, all alike to begin with."""
        return replace(self, share=np.tile(self.share, (count, 1)))


def _shares(weight: _Values, strata: _Strata, before: _Values) -> _Values:
    """Return the share of each class in each stratum; neighbouring strata are much alike."""
    count = len(before)
    total = np.stack([np.bincount(strata, w, count) for w in weight.T], axis=1)
    total = ndimage.gaussian_filter1d(total, 1.0, axis=0, mode="nearest") + 1e-9
    # no class is ruled out anywhere
    share = total / total.sum(axis=1, keepdims=True) + LEAST_SHARE
    return np.asarray(share / share.sum(axis=1, keepdims=True))


def gaussian_mixture(values: npt.NDArray[np.floating], rounds: int = 60) -> GaussianMixture | None:
    """Fit three Gaussian classes to values, starting from multi-Otsu.

    Parameters
    ----------
    values : ndarray
        At most 20 000 of them are used, evenly spread.
    rounds : int

    Returns
    -------
    GaussianMixture or None
        None if there is too little to fit.

    Notes
    -----
    Wells et al. 1996, IEEE Trans Med Imaging 15:429.
    """
    kept = _sample(values)
    if kept.size < 64:
        return None
    cuts = otsu(kept, 3)
    groups = [kept[np.digitize(kept, cuts) == k] for k in range(3)] if cuts else []
    if not groups or min(group.size for group in groups) < 8:
        return None
    mean = np.array([group.mean() for group in groups])
    least = 1e-3 * float(mean[2] - mean[0])
    spread = np.array([group.std() for group in groups]) + least
    share = np.array([group.size / kept.size for group in groups])
    return GaussianMixture(mean, spread, share, least).fitted(kept, rounds)


def gaussian_classes(
    values: npt.NDArray[np.floating], rounds: int = 60
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return the means of three Gaussian classes, and where the more probable class changes.

    Parameters
    ----------
    values : ndarray
    rounds : int
        See `gaussian_mixture`.

    Returns
    -------
    means, levels : tuple of float
        Sorted; empty if there is too little to fit.
    """
    found = gaussian_mixture(values, rounds)
    if found is None:
        return (), ()
    levels = _crossings(found)
    if not levels:  # one class lies within another
        cuts = otsu(_sample(values), 3)
        levels = (float(cuts[0]), float(cuts[1]))
    return tuple(float(m) for m in found.mean), levels


def layered_levels(
    values: npt.NDArray[np.floating],
    depth: npt.NDArray[np.floating],
    layer: float,
    rounds: int = 150,
) -> tuple[float, ...]:
    """Return where the more probable of three classes changes, with shares that depend on depth.

    White matter lies deeper than grey: where the classes' values overlap much, the depth tells
    which is which.

    Parameters
    ----------
    values, depth : ndarray, shape (N,)
        Depth is in mm below the surface.
    layer : float
        Thickness of a layer in mm; all that is deeper than ten layers is one.
    rounds : int

    Returns
    -------
    tuple of float
        Two levels; empty if there is too little to fit, or one class lies within another.

    Notes
    -----
    Ashburner and Friston 2005, NeuroImage 26:839, with depth in place of an atlas.
    """
    kept = _kept(values)
    found = gaussian_mixture(values, rounds)
    if found is None:
        return ()
    flat = np.ravel(values)[kept].astype(np.float64)
    strata = np.minimum(np.ravel(depth)[kept] // layer, LAYERS - 1).astype(np.intp)
    found = found.in_strata(LAYERS).fitted(flat, rounds, strata)
    usual = np.bincount(strata, minlength=LAYERS) @ found.share / len(strata)
    return _between_neighbours(replace(found, share=usual))


def _crossings(mixture: GaussianMixture) -> tuple[float, ...]:
    """Return where the densest of three classes changes; empty if one lies within another."""
    mean = mixture.mean
    between = np.linspace(mean[0], mean[2], 512)
    dense = mixture.densities(between)
    first, second = dense[:, 1:].max(axis=1) > dense[:, 0], dense.argmax(axis=1) == 2
    levels = (float(between[first.argmax()]), float(between[second.argmax()]))
    return levels if mean[0] < levels[0] < levels[1] < mean[2] else ()


def _between_neighbours(mixture: GaussianMixture) -> tuple[float, ...]:
    """Return where each class becomes less dense than the next; empty if one lies within another.

    Pair by pair: a wide class of fluid is the densest on the far side of white matter too.
    """
    levels = []
    for k in (0, 1):
        between = np.linspace(mixture.mean[k], mixture.mean[k + 1], 256)
        dense = mixture.densities(between)
        later = dense[:, k + 1] > dense[:, k]
        if later[0] or not later[-1]:
            return ()
        levels.append(float(between[later.argmax()]))
    return tuple(levels)


def _sample(values: npt.NDArray[np.floating]) -> _Values:
    """Return at most 20 000 values, without the outermost."""
    return np.ravel(values)[_kept(values)].astype(np.float64)


def _kept(values: npt.NDArray[np.floating]) -> npt.NDArray[np.intp]:
    """Return the indices of `_sample` in the flat values."""
    flat = np.ravel(values)
    if not flat.size:
        return np.zeros(0, np.intp)
    low, high = np.percentile(flat, (0.5, 99.5))
    kept = np.flatnonzero((flat >= low) & (flat <= high))
    return kept[:: max(1, kept.size // 20_000)]

"""Three Gaussian classes of brightness, fitted by expectation maximisation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .regions import otsu

_Values = npt.NDArray[np.float64]


@dataclass(frozen=True)
class GaussianMixture:
    """Three classes, the darkest first.

    Parameters
    ----------
    mean, spread, share : ndarray of float64, shape (3,)
        Spread is the standard deviation; the shares sum to 1.
    least : float
        The smallest spread.
    """

    mean: _Values
    spread: _Values
    share: _Values
    least: float

    def densities(self, values: npt.NDArray[np.floating]) -> _Values:
        """Return the density of each class at each value, shape (N, 3)."""
        exponent = -0.5 * ((values[:, None] - self.mean) / self.spread) ** 2
        return np.asarray(self.share * np.exp(exponent) / self.spread + 1e-12)

    def posterior(self, values: npt.NDArray[np.floating]) -> _Values:
        """Return the probability of each class at each value, shape (N, 3)."""
        weight = self.densities(values)
        return np.asarray(weight / weight.sum(axis=1, keepdims=True))

    def fitted(self, values: npt.NDArray[np.floating], rounds: int) -> GaussianMixture:
        """Return what so many more rounds on these values make of it."""
        now = self
        for _ in range(rounds):
            weight = now.posterior(values)
            total = weight.sum(axis=0) + 1e-9
            mean = (weight * values[:, None]).sum(axis=0) / total
            spread = np.sqrt((weight * (values[:, None] - mean) ** 2).sum(axis=0) / total)
            now = GaussianMixture(mean, spread + self.least, total / total.sum(), self.least)
        order = np.argsort(now.mean)
        return GaussianMixture(now.mean[order], now.spread[order], now.share[order], now.least)


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
    mean = found.mean
    between = np.linspace(mean[0], mean[2], 512)
    densities = found.densities(between)
    first, second = densities[:, 1:].max(axis=1) > densities[:, 0], densities.argmax(axis=1) == 2
    levels = (float(between[first.argmax()]), float(between[second.argmax()]))
    if not mean[0] < levels[0] < levels[1] < mean[2]:  # one class lies within another
        cuts = otsu(_sample(values), 3)
        levels = (float(cuts[0]), float(cuts[1]))
    return tuple(float(m) for m in mean), levels


def _sample(values: npt.NDArray[np.floating]) -> _Values:
    """Return at most 20 000 values, without the outermost."""
    flat: _Values = np.ravel(values).astype(np.float64)
    if not flat.size:
        return flat
    low, high = np.percentile(flat, (0.5, 99.5))
    kept: _Values = flat[(flat >= low) & (flat <= high)]
    return kept[:: max(1, kept.size // 20_000)]

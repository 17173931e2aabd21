"""Means, bootstrap intervals and ranks."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from scipy.stats import rankdata

#: Means by method, then by metric.
Means = Mapping[str, Mapping[str, float]]


def mean(values: Sequence[float]) -> float:
    """Mean of the defined values; ``nan`` if there is none."""
    defined = [value for value in values if not math.isnan(value)]
    return math.fsum(defined) / len(defined) if defined else math.nan


def bootstrap_interval(
    values: Sequence[float], groups: Sequence[str] | None = None, samples: int = 2000
) -> tuple[float, float]:
    """95 % percentile interval of the mean, by resampling whole groups.

    Slices of one patient are alike: drawing them one by one would make the interval far too
    narrow, so groups (cases) are drawn with all their values (cluster bootstrap, Field & Welsh
    2007).

    Parameters
    ----------
    values : sequence of float
        Undefined ones are left out.
    groups : sequence of str, optional
        The group of each value; by default each value is its own.
    samples : int

    Returns
    -------
    low, high : float
        The same for the same values; ``nan`` if fewer than two groups have a value.
    """
    numbers = np.asarray(values, dtype=float)
    names = np.arange(len(numbers)).astype(str) if groups is None else np.asarray(groups)
    defined = ~np.isnan(numbers)
    _, of_group = np.unique(names[defined], return_inverse=True)
    count = np.bincount(of_group)
    if len(count) < 2:
        return math.nan, math.nan
    total = np.bincount(of_group, weights=numbers[defined])
    picks = np.random.default_rng(0).integers(0, len(count), (samples, len(count)))
    low, high = np.percentile(total[picks].sum(1) / count[picks].sum(1), (2.5, 97.5))
    return float(low), float(high)


def mean_ranks(means: Means, metrics: Sequence[str]) -> dict[str, float]:
    """Average place of each method over the metrics; ties share a place, undefined comes last."""
    if not means:
        return {}
    values = np.array([[means[method][name] for name in metrics] for method in means])
    places = rankdata(-np.nan_to_num(values, nan=-np.inf), axis=0)
    return dict(zip(means, places.mean(axis=1).tolist(), strict=True))


def wins(means: Means, method: str, others: Sequence[str], metrics: Sequence[str]) -> int:
    """On how many metrics a method is above every other one."""
    rest = [other for other in others if other != method]
    return sum(all(means[method][name] > means[other][name] for other in rest) for name in metrics)


def below_median(means: Means, method: str, metrics: Sequence[str]) -> int:
    """On how many metrics a method is below the median of all the others."""
    rest = [other for other in means if other != method]
    if not rest:
        return 0
    return sum(
        means[method][name] < float(np.nanmedian([means[other][name] for other in rest]))
        for name in metrics
    )

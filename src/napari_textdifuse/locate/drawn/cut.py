"""Object and background by their histograms, with a short outline along the image's edges.

GrabCut (Rother, Kolmogorov and Blake 2004, DOI 10.1145/1015706.1015720) in any number of
dimensions, with histograms as colour models (Boykov and Jolly 2001) and the minimum found by a
primal-dual iteration (Chambolle and Pock 2011, DOI 10.1007/s10851-010-0251-1) instead of a graph
cut; thresholding its answer gives the global minimum too (Nikolova, Esedoglu and Chan 2006, DOI
10.1137/040615286).
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from ..regions import Floats, Mask

#: Histogram bins per channel, by the number of channels.
BINS = {1: 64, 2: 24, 3: 16}
#: Cost of an outline per pixel of its length where the image is flat; chosen for this program.
SMOOTHNESS = 1.5
#: Beyond this the log ratio of two histograms is taken as certain.
CERTAIN = 4.0
#: More than anything else: pixels that are known.
FIXED = 50.0


def cut(
    channels: Floats,
    start: Mask,
    inside: Mask,
    known: npt.NDArray[np.int8],
    rounds: int = 5,
) -> Mask:
    """Separate an object from its surround.

    Parameters
    ----------
    channels : ndarray of float32, shape (C, ...)
        Values in [0, 1]; 1 to 3 channels.
    start : ndarray of bool
        A first idea of the object.
    inside : ndarray of bool
        Where it can be; all else is background.
    known : ndarray of int8
        1 where a point says object, -1 where one says background, else 0.
    rounds : int
        How often the histograms are re-estimated.

    Returns
    -------
    ndarray of bool
        Shape of `inside`; may be empty.
    """
    bins = _binned(channels)
    weights = _edge_weights(channels)
    size = BINS[len(channels)] ** len(channels)
    object_now = start & inside
    for _ in range(rounds):
        if not object_now.any():
            break
        # each known pixel counts as much as a fifth of the object
        strength = 0.2 * float(object_now.sum())
        cost = _log_ratio(bins, object_now, len(channels), size, known, strength)[bins]
        cost[~inside] = FIXED
        cost[known > 0], cost[known < 0] = -FIXED, FIXED
        found = minimise(cost, weights)
        if (found == object_now).all():
            break
        object_now = found
    return object_now


def likeness(channels: Floats, region: Mask) -> npt.NDArray[np.float32]:
    """Learn the appearance of an object and its surround from one image, for `cut_by_likeness`.

    Parameters
    ----------
    channels : ndarray of float32, shape (C, ...)
        Values in [0, 1].
    region : ndarray of bool
        The object; all else is background.

    Returns
    -------
    ndarray of float32
        Log of background over object, for each bin of the histograms.
    """
    bins, size = _binned(channels), BINS[len(channels)] ** len(channels)
    return _log_ratio(bins, region, len(channels), size, np.zeros(region.shape, np.int8), 0.0)


def cut_by_likeness(channels: Floats, table: npt.NDArray[np.float32], inside: Mask) -> Mask:
    """Find what looks like the object of `likeness` in another image.

    Parameters
    ----------
    channels : ndarray of float32, shape (C, ...)
        On the same scale.
    table : ndarray of float32
        From `likeness`.
    inside : ndarray of bool
        Where it can be.
    """
    cost = table[_binned(channels)]
    cost[~inside] = FIXED
    return minimise(cost, _edge_weights(channels))


def minimise(cost: Floats, weights: list[Floats], steps: int = 150) -> Mask:
    """Find the region with the least sum of costs and outline.

    Parameters
    ----------
    cost : ndarray of float32
        Of each pixel of the region; negative where it belongs to the region.
    weights : list of ndarray of float32
        Along each axis: the price of an outline between neighbours, one less than the axis' length.
    steps : int
        Upper limit of iterations.

    Returns
    -------
    ndarray of bool
    """
    axes = range(cost.ndim)
    ahead = [tuple(slice(1, None) if i == d else slice(None) for i in axes) for d in axes]
    behind = [tuple(slice(None, -1) if i == d else slice(None) for i in axes) for d in axes]
    step = np.float32(1 / math.sqrt(4 * cost.ndim))
    u = (cost < 0).astype(np.float32)
    extra = u.copy()
    flow = [np.zeros_like(w) for w in weights]
    for count in range(1, steps + 1):
        change = -cost
        for d in axes:
            flow[d] += step * (extra[ahead[d]] - extra[behind[d]])
            np.clip(flow[d], -weights[d], weights[d], out=flow[d])
            change[behind[d]] += flow[d]
            change[ahead[d]] -= flow[d]
        new = np.clip(u + step * change, 0, 1)
        extra = 2 * new - u
        settled = count % 10 == 0 and float(np.abs(new - u).max()) < 1e-3
        u = new
        if settled:
            break
    return np.asarray(u > 0.5)


def _binned(channels: Floats) -> npt.NDArray[np.intp]:
    bins = BINS[len(channels)]
    index = np.zeros(channels.shape[1:], np.intp)
    for channel in channels:
        index = index * bins + np.clip((channel * bins).astype(np.intp), 0, bins - 1)
    return index


def _log_ratio(
    bins: npt.NDArray[np.intp],
    region: Mask,
    channels: int,
    size: int,
    known: npt.NDArray[np.int8],
    strength: float,
) -> npt.NDArray[np.float32]:
    """Return the log of background over object, for each bin."""
    inside, outside = region.astype(np.float64), (~region).astype(np.float64)
    inside[known > 0] += strength / max(1, int((known > 0).sum()))
    outside[known < 0] += strength / max(1, int((known < 0).sum()))
    least = 0.01 / size
    logs = [
        np.log(_histogram(bins, weight, channels, size) + least) for weight in (inside, outside)
    ]
    return np.clip(logs[1] - logs[0], -CERTAIN, CERTAIN).astype(np.float32)


def _histogram(
    bins: npt.NDArray[np.intp], weight: npt.NDArray[np.float64], channels: int, size: int
) -> npt.NDArray[np.float64]:
    counts = np.bincount(bins.ravel(), weight.ravel(), minlength=size)
    counts = counts.reshape((BINS[channels],) * channels)
    smooth = ndimage.gaussian_filter(counts, BINS[channels] / 48, mode="nearest").ravel()
    return np.asarray(smooth / max(float(smooth.sum()), 1e-9))


def _edge_weights(channels: Floats) -> list[Floats]:
    """Make outlines cheap where neighbours differ."""
    squares = [(np.diff(channels, axis=d) ** 2).sum(axis=0) for d in range(1, channels.ndim)]
    count = max(1, sum(s.size for s in squares))
    typical = sum(float(s.sum()) for s in squares) / count + 1e-9
    return [(SMOOTHNESS * np.exp(-s / (2 * typical))).astype(np.float32) for s in squares]

"""From points to a region: flood filling as far as the outline stays sharp."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from ...volume import Volume
from ..regions import Floats, Mask
from .outline import Outline
from .pixels import channels, stretched, without_negatives

Points = npt.NDArray[np.intp]

#: Differences from the points' own values that are tried, as shares of the image's range.
TOLERANCES = np.geomspace(0.01, 0.5, 24)
#: A region has at least so many pixels, and at most this share of the image.
SMALLEST, LARGEST = 6, 0.4
#: Factor on the score of a flood that reaches a negative point.
REACHES = 0.5


def from_points(images: Sequence[Volume], positive: Points, negative: Points) -> Outline | None:
    """Find the region of the positive points.

    In each image, everything connected to a point whose values differ from it by less than a
    tolerance is flooded, for 24 tolerances. The region stays whose outline runs along the
    strongest edges, in terms of the image's mean gradient, and whose values differ most from those
    next to it (the idea of maximally stable regions, Matas et al. 2004, DOI
    10.1016/j.imavis.2004.02.006). A flood that reaches a negative point counts half, and is
    divided between the points.

    Parameters
    ----------
    images : sequence of Volume
        On one grid.
    positive, negative : ndarray of int, shape (P, n)
        Pixels, in the array's axis order. In volumes, points that all lie in one slice flood that
        slice only.

    Returns
    -------
    Outline or None
        None if no flood ends at an edge.
    """
    shape = images[0].shape
    window = tuple(slice(0, size) for size in shape)
    every = np.concatenate([positive, negative])
    if len(shape) == 3 and len(np.unique(every[:, 0])) == 1:
        z = int(every[0, 0])
        window = (slice(z, z + 1), *window[1:])
        positive, negative = positive[:, 1:], negative[:, 1:]
    best: tuple[float, Mask, int] | None = None
    scores = []
    for k, image in enumerate(images):
        values = channels(image)[(slice(None), *window)]
        if len(window) > positive.shape[1]:
            values = values[:, 0]
        found = _best_flood(stretched(values), positive, negative)
        scores.append(found[0])
        if found[0] > 0 and (best is None or found[0] > best[0]):
            best = found[0], found[1], k
    if best is None:
        return None
    _, mask, source = best
    compared = f", {min(scores):.1f} in the other image" if len(scores) > 1 else ""
    note = f"flood from {len(positive)} points, sharpness {max(scores):.1f}{compared}"
    score = max(scores) / (1 + max(scores))
    return Outline(window, mask.reshape([s.stop - s.start for s in window]), score, source, note)


def _best_flood(values: Floats, positive: Points, negative: Points) -> tuple[float, Mask]:
    grey = values.mean(axis=0)
    smooth = ndimage.gaussian_filter(grey, 0.7, mode="nearest")
    steps = [
        float(np.abs(np.diff(smooth, axis=d)).mean()) for d in range(grey.ndim) if grey.shape[d] > 1
    ]
    typical = float(np.mean(steps)) if steps else 0.0
    if typical <= 0:
        return 0.0, np.zeros(grey.shape, bool)
    seeds = ndimage.uniform_filter(smooth, 3, mode="nearest")[tuple(positive.T)]
    distance = np.min([np.abs(smooth - seed) for seed in seeds], axis=0)
    distance[tuple(positive.T)] = 0  # a point is always part of its own flood
    floods: list[tuple[float, bool, Mask]] = []
    forbidden = np.zeros(grey.shape, bool)
    forbidden[tuple(negative.T)] = True
    forbidden = ndimage.binary_dilation(forbidden, np.ones((3,) * grey.ndim))
    for tolerance in TOLERANCES:
        labels, _ = ndimage.label(distance <= tolerance)
        wanted = np.unique(labels[tuple(positive.T)])
        mask = np.isin(labels, wanted[wanted > 0])
        if not SMALLEST <= int(mask.sum()) <= LARGEST * mask.size:
            continue
        score = _sharpness(grey, mask) / typical
        clear = not (mask & forbidden).any()
        floods.append((score * (1.0 if clear else REACHES), clear, mask))
    if not floods:
        return 0.0, np.zeros(grey.shape, bool)
    score, clear, mask = max(floods, key=lambda f: f[0])
    if not clear:
        mask = without_negatives(mask, smooth, positive, negative)
    return score, mask


def _sharpness(grey: Floats, mask: Mask, bins: int = 64) -> float:
    """Return the mean step across the outline times the difference of histograms."""
    total, length = 0.0, 0
    for axis in range(mask.ndim):
        edge = np.diff(mask, axis=axis)
        total += float(np.abs(np.diff(grey, axis=axis))[edge].sum())
        length += int(edge.sum())
    reach = max(2, round(0.15 * float(mask.sum()) ** (1 / mask.ndim)))
    near = ndimage.distance_transform_cdt(~mask, "chessboard") <= reach
    near &= ~mask
    if not length or int(near.sum()) < 3:
        return 0.0
    one, other = (
        ndimage.gaussian_filter1d(
            np.bincount(np.clip((grey[r] * bins).astype(np.intp), 0, bins - 1), minlength=bins)
            / int(r.sum()),
            1.0,
        )
        for r in (mask, near)
    )
    return total / length * (1 - float(np.minimum(one, other).sum()))

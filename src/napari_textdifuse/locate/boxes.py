"""Boxes XYXY in pixels: overlap, duplicates, and one list from two images."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Boxes = npt.NDArray[np.float32]
Scores = npt.NDArray[np.float32]
Indices = npt.NDArray[np.intp]


def iou(a: Boxes, b: Boxes) -> npt.NDArray[np.float64]:
    """Return intersection over union of every box of `a` with every one of `b`.

    Parameters
    ----------
    a, b : ndarray, shape (N, 4) and (M, 4)
        Edges ``(x0, y0, x1, y1)``.

    Returns
    -------
    ndarray, shape (N, M)
        In [0, 1]; 0 where both are empty.
    """
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    low = np.maximum(a[:, None, :2], b[None, :, :2])
    high = np.minimum(a[:, None, 2:], b[None, :, 2:])
    shared = np.clip(high - low, 0, None).prod(axis=-1)
    total = _area(a)[:, None] + _area(b)[None] - shared
    return np.divide(shared, total, out=np.zeros_like(shared), where=total > 0)


def without_duplicates(boxes: Boxes, scores: Scores, overlap: float) -> Indices:
    """Non-maximum suppression: of boxes that overlap too much, the best is kept.

    Parameters
    ----------
    boxes : ndarray, shape (N, 4)
    scores : ndarray, shape (N,)
    overlap : float
        Intersection over union above which the lower score is dropped.

    Returns
    -------
    ndarray of int
        Rows to keep, best first.
    """
    left = np.argsort(-scores, kind="stable")
    keep = []
    while len(left):
        best, left = left[0], left[1:]
        keep.append(best)
        left = left[iou(boxes[best][None], boxes[left])[0] <= overlap]
    return np.asarray(keep, np.intp)


def clip(boxes: Boxes, shape: tuple[int, int]) -> tuple[Boxes, npt.NDArray[np.bool_]]:
    """Cut boxes at the image's edges.

    Parameters
    ----------
    boxes : ndarray, shape (N, 4)
    shape : tuple of int
        ``(Y, X)``.

    Returns
    -------
    boxes : ndarray of float32, shape (N, 4)
    usable : ndarray of bool, shape (N,)
        False for boxes that are not finite, or have less than a pixel in the image.
    """
    finite = np.isfinite(boxes).all(axis=1)
    limits = np.array([shape[1], shape[0]] * 2, np.float32)
    inside = np.clip(np.nan_to_num(boxes), 0, limits).astype(np.float32)
    return inside, finite & (_area(inside) >= 1)


def _area(boxes: npt.NDArray[np.floating]) -> npt.NDArray[np.floating]:
    return np.clip(boxes[:, 2:] - boxes[:, :2], 0, None).prod(axis=-1)

"""Which pixels are nearer to the positive points than to the negative ones."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from ..regions import Floats, Mask, components

Points = npt.NDArray[np.intp]

#: What a pixel costs where the image is flat, in terms of its mean gradient.
FLAT = 0.2


def without_negatives(mask: Mask, grey: Floats, positive: Points, negative: Points) -> Mask:
    """Take the negative points' part out of a region.

    Parts that hold only negative points go. With positive points too, each pixel goes to the point
    it is nearest to on a way that avoids edges (the geodesic distance of Bai and Sapiro 2009, DOI
    10.1007/s11263-008-0191-z).

    Parameters
    ----------
    mask : ndarray of bool
    grey : ndarray of float32
        The image, of the same shape.
    positive, negative : ndarray of int, shape (P, n)
        Pixels, in the array's axis order.
    """
    if not len(negative):
        return mask
    if len(positive):
        cost = _cost(grey)
        near, far = (_distance(cost, points) for points in (positive, negative))
        return np.asarray(mask & (near < far))
    labels, _ = components(mask)
    hit = np.unique(labels[tuple(negative.T)])
    return np.asarray(mask & ~np.isin(labels, hit))


def _cost(grey: Floats) -> Floats:
    gradient = ndimage.gaussian_gradient_magnitude(grey, 1.0, mode="nearest")
    return np.asarray(FLAT + gradient / max(float(gradient.mean()), 1e-9), np.float32)


def _distance(cost: Floats, points: Points) -> npt.NDArray[np.float64]:
    from skimage.graph import MCP_Geometric

    costs, _ = MCP_Geometric(cost).find_costs([tuple(point) for point in points.tolist()])
    return np.asarray(costs)

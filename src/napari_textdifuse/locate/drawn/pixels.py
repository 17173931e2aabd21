"""Common functions of the classical refiners: image channels, and the effect of negative points."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from ...volume import Volume
from ..regions import Floats, Mask, components
from ..views import is_colour, luminance

Points = npt.NDArray[np.intp]

#: What a pixel costs where the image is flat, in terms of its mean gradient.
FLAT = 0.2


def channels(image: Volume) -> Floats:
    """Return an image's values with the channels first; what is not finite is the minimum.

    Parameters
    ----------
    image : Volume

    Returns
    -------
    ndarray of float32, shape (1, ...) or (3, ...)
        In the image's own unit; three channels for colour.
    """
    array = image.array
    if image.rgb:
        colours = array[..., :3].astype(np.float32)
        values = np.moveaxis(colours, -1, 0) if is_colour(image) else luminance(colours)[None]
    else:
        values = array.astype(np.float32)[None]
    finite = np.isfinite(values)
    if finite.all():
        return np.ascontiguousarray(values)
    return np.where(finite, values, values[finite].min() if finite.any() else 0).astype(np.float32)


def stretched(values: Floats) -> Floats:
    """Stretch each channel between its percentiles 0.5 and 99.5 to [0, 1]."""
    axes = tuple(range(1, values.ndim))
    low, high = np.percentile(values, (0.5, 99.5), axis=axes, keepdims=True)
    return np.clip((values - low) / np.maximum(high - low, 1e-6), 0, 1).astype(np.float32)


def without_negatives(mask: Mask, grey: Floats, positive: Points, negative: Points) -> Mask:
    """Remove the part of the negative points from a region.

    Parts that contain only negative points are removed. With positive points too, each pixel is
    assigned to the nearest point along a path that avoids edges (the geodesic distance of Bai and
    Sapiro 2009, DOI 10.1007/s11263-008-0191-z).

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

"""From a label mask to the signed, soft strength map that drives re-modulation (Eq. 12-13)."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
from scipy import ndimage

Floats = npt.NDArray[np.float32]

#: Width in pixels of the surround an object is compared with.
RING = 8
#: Width in pixels of the soft edge, inside the object.
FEATHER = 2.0


def surround(labels: npt.NDArray[np.uint8], value: int, width: int = RING) -> npt.NDArray[np.bool_]:
    """Ring around the objects of one label that belongs to no object at all."""
    inside = labels == value
    ring: npt.NDArray[np.bool_] = ndimage.binary_dilation(inside, iterations=width) & (labels == 0)
    return ring


def contrast(image: Floats, labels: npt.NDArray[np.uint8], value: int) -> float:
    """Mean brightness of an object less that of its surround; NaN if either is empty."""
    inside, ring = labels == value, surround(labels, value)
    if not inside.any() or not ring.any():
        return float("nan")
    return float(image[inside].mean() - image[ring].mean())


def soft_mask(labels: npt.NDArray[np.uint8]) -> Floats:
    """``M``: 1 inside, falling towards the edge, exactly 0 outside (no halo can leave it)."""
    inside = np.pad(labels != 0, 1)  # a border pixel is not an edge of the object
    inside[0], inside[-1] = inside[1], inside[-2]
    inside[:, 0], inside[:, -1] = inside[:, 1], inside[:, -2]
    if inside.all():
        return np.ones(labels.shape, np.float32)
    depth = ndimage.distance_transform_edt(inside)[1:-1, 1:-1]
    return np.clip(depth / FEATHER, 0, 1).astype(np.float32)


def gain_map(
    labels: npt.NDArray[np.uint8], fused: Floats, strength: float | Mapping[int, float]
) -> Floats:
    """Signed strength per pixel: away from the surround, for each object apart.

    An object brighter than its surround is made brighter, a darker one darker: the direction
    that raises the contrast, taken from the unmodulated result.

    Parameters
    ----------
    labels : ndarray of uint8, shape (Y, X)
    fused : ndarray of float32, shape (Y, X)
        Brightness that gives the direction: of the unmodulated fusion, or of measured values.
    strength : float or mapping of label to float
        0 changes nothing; 1 is the default; labels that a mapping leaves out get 1.

    Returns
    -------
    ndarray of float32, shape (Y, X)
    """
    gain = np.zeros(labels.shape, np.float32)
    for value in np.unique(labels[labels != 0]):
        wanted = strength.get(int(value), 1.0) if isinstance(strength, Mapping) else strength
        difference = contrast(fused, labels, int(value))
        sign = -1.0 if difference < 0 else 1.0
        gain[labels == value] = sign * wanted
    return gain

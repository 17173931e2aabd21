"""Images as the few channels that an outline is searched in."""

from __future__ import annotations

import numpy as np

from ...volume import Volume
from ..regions import Floats
from ..views import is_colour, luminance


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

"""Conversion of measured images to the 8-bit images that models of natural images expect."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ..intensity import Window, default_window
from ..volume import Volume

Picture = npt.NDArray[np.uint8]

#: Percentiles clipped at either end of a display window.
PERCENTILES = (0.5, 99.5)


def render(image: Volume) -> Picture:
    """Show an image with three channels of 8 bits; one window for the whole volume.

    Colour is not changed. Grey is stretched by the file's own window or the preset for its
    unit (HU, SUVbw) where there is one, else between percentiles 0.5 and 99.5, so that a dim
    infrared image or an MR image of any scale fills the range. Values that are not finite are
    black.

    Parameters
    ----------
    image : Volume

    Returns
    -------
    ndarray of uint8, shape (Y, X, 3) or (Z, Y, X, 3)
    """
    if image.rgb:
        colours = image.array[..., :3]
        if colours.dtype == np.uint8:
            return np.ascontiguousarray(colours)
        return _to_bytes(default_window(Volume(colours, rgb=True)), colours)
    grey = _to_bytes(_window(image), image.array)
    return np.repeat(grey[..., None], 3, axis=-1)


def _window(image: Volume) -> Window:
    if image.window is not None or image.unit == "HU" or image.unit.startswith("SUV"):
        return default_window(image)
    finite = image.array[np.isfinite(image.array)].astype(np.float64)
    if not finite.size:
        return Window(0, 1, image.unit, "no finite value")
    low, high = (float(v) for v in np.percentile(finite, PERCENTILES))
    if high <= low:  # almost everything is background
        low, high = float(finite.min()), float(finite.max())
    if high <= low:
        return Window(low - 1, low + 1, image.unit, "constant")
    return Window(low, high, image.unit, f"percentiles {PERCENTILES[0]} and {PERCENTILES[1]}")


def _to_bytes(window: Window, values: npt.NDArray[np.generic]) -> Picture:
    return np.rint(255 * window.normalise(values)).astype(np.uint8)

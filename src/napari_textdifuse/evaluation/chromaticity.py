"""Colour of a fused image: its distance from the true colour, and the hue of colour maps."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from ..colour import rgb_to_ycbcr, ycbcr_to_rgb

Floats = npt.NDArray[np.float32]

#: Smallest RGB chroma (largest minus smallest channel) with a meaningful hue.
COLOURED = 24 / 255


def colour_difference(image: Floats, clean: Floats) -> float:
    """Mean CIEDE2000 difference of two images' colours at equal brightness.

    Both get the brightness (BT.601 Y) of `clean`, so that only chrominance is compared.

    Parameters
    ----------
    image, clean : ndarray, shape (Y, X, 3)
        sRGB in [0, 1].

    Returns
    -------
    float
        About 1 is just noticeable (CIE 142-2001).
    """
    from skimage.color import deltaE_ciede2000, rgb2lab

    y, chroma = rgb_to_ycbcr(clean)
    pair = [ycbcr_to_rgb(y, c) for c in (rgb_to_ycbcr(image)[1], chroma)]
    return float(deltaE_ciede2000(*(rgb2lab(p) for p in pair)).mean())


def hue_difference(image: Floats, source: Floats) -> tuple[float, float]:
    """Median absolute difference of hue, over the pixels that are coloured in both.

    Parameters
    ----------
    image, source : ndarray, shape (Y, X, 3)
        sRGB in [0, 1].

    Returns
    -------
    rgb, lab : float
        Degrees: of the hue angle of RGB (as in HSV), which a change of brightness or saturation
        leaves as it is, and of CIELAB (h_ab), in which such a change shows a little. ``nan`` if no
        pixel is coloured in both.
    """
    from skimage.color import rgb2hsv, rgb2lab

    coloured = (np.ptp(image, axis=-1) > COLOURED) & (np.ptp(source, axis=-1) > COLOURED)
    if not coloured.any():
        return math.nan, math.nan
    pixels = image[coloured], source[coloured]
    hsv = (360.0 * rgb2hsv(p)[..., 0] for p in pixels)
    lab = (_lab_angle(rgb2lab(p)) for p in pixels)
    return _median_angle(*hsv), _median_angle(*lab)


def _lab_angle(lab: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    angle: npt.NDArray[np.float64] = np.degrees(np.arctan2(lab[..., 2], lab[..., 1]))
    return angle


def _median_angle(p: npt.NDArray[np.float64], q: npt.NDArray[np.float64]) -> float:
    return float(np.median(np.abs((p - q + 180) % 360 - 180)))

"""Artefacts of fused images: noise, grey haze, stretched contrast, invented structure.

Metrics such as EN, AG and SD also rise with each of these. All functions accept two-dimensional
8-bit brightness (values 0 to 255) and return grey levels. Sources are the *clean* images, even if
degraded copies were fused.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

Image = npt.NDArray[Any]
Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

#: Background: both sources are darker than this.
BLACK = 2
#: Sides of the square windows, pixels.
FLAT_WINDOW, FIT_WINDOW = 7, 9
#: Largest local standard deviation of a flat pixel, after smoothing.
FLAT = 2.0
#: Smallest number of flat pixels for a measurement.
FEWEST = 100


def artefacts(a: Image, b: Image, f: Image) -> dict[str, float]:
    """Compute all measures of this module.

    Parameters
    ----------
    a, b, f : ndarray, shape (Y, X)
        Clean sources and result, 0 to 255.

    Returns
    -------
    dict of str to float
        ``flat``, ``flat_a``, ``flat_b``: `flat_noise` of the result and of the sources;
        ``black``: `black_level`; ``below``, ``above``: `range_excess`; ``new_mean``, ``new_p99``:
        mean and 99th percentile of `new_structure`; ``outside_mean``, ``outside_p99``: of
        `out_of_range`. ``nan`` where a measure is not defined.
    """
    x, y, z = (np.asarray(image, dtype=np.float64) for image in (a, b, f))
    flat = flat_regions(x, y)
    below, above = range_excess(x, y, z)
    values = {
        "flat": flat_noise(z, flat),
        "flat_a": flat_noise(x, flat),
        "flat_b": flat_noise(y, flat),
        "black": black_level(x, y, z),
        "below": below,
        "above": above,
    }
    for name, residual in (("new", new_structure(x, y, z)), ("outside", out_of_range(x, y, z))):
        values[f"{name}_mean"] = float(residual.mean())
        values[f"{name}_p99"] = float(np.percentile(residual, 99))
    return values


def flat_regions(a: Image, b: Image) -> Mask:
    """Mark the pixels where neither source has structure, without the black background.

    Flat is judged on smoothed sources: choosing the pixels that happen to have little noise would
    make every result look noisier than the sources.

    Parameters
    ----------
    a, b : ndarray, shape (Y, X)

    Returns
    -------
    ndarray of bool, shape (Y, X)
    """
    flat = ~((a < BLACK) & (b < BLACK))
    for source in (a, b):
        smooth = ndimage.gaussian_filter(np.asarray(source, dtype=np.float64), 1.5)
        mean = ndimage.uniform_filter(smooth, FLAT_WINDOW)
        variance = ndimage.uniform_filter(smooth**2, FLAT_WINDOW) - mean**2
        flat &= variance < FLAT**2
    return flat


def flat_noise(image: Image, flat: Mask) -> float:
    """High-frequency residual in flat regions, as the sigma of white noise that would give it.

    Standard deviation of the Laplacian (4 neighbours) divided by sqrt(20), its gain for white
    noise (compare Immerkaer 1996). ``nan`` if fewer than 100 pixels are flat.
    """
    if flat.sum() < FEWEST:
        return math.nan
    laplacian = ndimage.laplace(np.asarray(image, dtype=np.float64), mode="nearest")
    return float(laplacian[flat].std()) / math.sqrt(20)


def black_level(a: Image, b: Image, f: Image) -> float:
    """Mean of the result where both sources are black (below 2); ``nan`` without such pixels."""
    black = (a < BLACK) & (b < BLACK)
    return float(f[black].mean()) if black.any() else math.nan


def range_excess(a: Image, b: Image, f: Image) -> tuple[float, float]:
    """Excess of the result below the darkest and above the brightest source value.

    Returns
    -------
    below, above : float
        0 for a result that was not stretched.
    """
    low, high = min(a.min(), b.min()), max(a.max(), b.max())
    return max(0.0, float(low) - float(f.min())), max(0.0, float(f.max()) - float(high))


def out_of_range(a: Image, b: Image, f: Image) -> Floats:
    """Distance of each pixel from the interval between its two sources.

    Zero exactly where the result is a convex combination of the sources, whatever the weight of
    each pixel. Changes of contrast count; structure between two very different sources does not.
    `new_structure` is the opposite in both respects.

    Parameters
    ----------
    a, b, f : ndarray, shape (Y, X)

    Returns
    -------
    ndarray of float64, shape (Y, X)
    """
    x, y, z = (np.asarray(image, dtype=np.float64) for image in (a, b, f))
    excess: Floats = np.maximum(np.maximum(np.minimum(x, y) - z, z - np.maximum(x, y)), 0)
    return excess


def new_structure(a: Image, b: Image, f: Image) -> Floats:
    """Return the residual that no local combination of the sources explains, per pixel.

    In the 9 x 9 window around each pixel the result is fitted, by least squares, as a constant
    plus a weighted sum of both sources, of their smoothed copies (for blur and sharpening) and of
    their absolute difference (for the larger or smaller of the two). That is the local affine
    model of the guided filter (He, Sun & Tang 2013), with the usual operations of fusion rules as
    guides. The residual at the window's centre is 0 for the average, the maximum, and changes of
    contrast or brightness. It is large for structure and noise of neither source.

    Parameters
    ----------
    a, b, f : ndarray, shape (Y, X)

    Returns
    -------
    ndarray of float64, shape (Y, X)
        Absolute residual.
    """
    x, y, z = (np.asarray(image, dtype=np.float64) for image in (a, b, f))
    smooth = [ndimage.gaussian_filter(source, 1.5) for source in (x, y)]
    guides = [x, y, np.abs(x - y), *smooth]
    residual = np.empty_like(z)
    margin, strip = FIT_WINDOW // 2, max(1, 2**17 // z.shape[1])
    for top in range(0, z.shape[0], strip):  # strips bound the memory of the normal equations
        bottom = min(top + strip, z.shape[0])
        first, last = max(0, top - margin), min(z.shape[0], bottom + margin)
        part = np.s_[first:last]
        fitted = _local_fit([guide[part] for guide in guides], z[part])
        residual[top:bottom] = fitted[top - first : bottom - first]
    return np.abs(residual)


def _local_fit(guides: list[Floats], z: Floats) -> Floats:
    """Residual at each window's centre of the local least squares fit of `z` by `guides`."""
    # The same count at the border: pixels beyond the image are left out of the sums.
    weight = _window_sum(np.ones_like(z))

    def mean(image: Floats) -> Floats:
        local: Floats = _window_sum(image) / weight
        return local

    means = [mean(guide) for guide in guides]
    mean_z = mean(z)
    count = len(guides)
    normal = np.empty((*z.shape, count, count))
    right = np.empty((*z.shape, count))
    for i in range(count):
        right[..., i] = mean(guides[i] * z) - means[i] * mean_z
        for j in range(i, count):
            cov = mean(guides[i] * guides[j]) - means[i] * means[j]
            normal[..., i, j] = normal[..., j, i] = cov
    # The variance of rounding to 8 bits; no weight is fitted to less.
    normal[..., range(count), range(count)] += 1 / 12
    weights = np.linalg.solve(normal, right[..., None])[..., 0]
    centred = np.stack(guides, axis=-1) - np.stack(means, axis=-1)
    residual: Floats = z - mean_z - (weights * centred).sum(axis=-1)
    return residual


def _window_sum(image: Floats) -> Floats:
    local: Floats = ndimage.uniform_filter(image, FIT_WINDOW, mode="constant") * FIT_WINDOW**2
    return local

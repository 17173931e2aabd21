"""Further metrics of the literature on image fusion, on 8-bit brightness in float64.

Definitions follow the cited articles, and the published code of their authors or of the usual
toolboxes where an article is silent, so that numbers can be compared with tables. Each function
accepts two-dimensional brightness images (values 0 to 255).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

Image = npt.NDArray[Any]
Floats = npt.NDArray[np.float64]

#: Weights of the five scales of MS-SSIM, finest first (Wang et al. 2003, section 3.2).
SCALES = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
#: Side of the windows of Qcv, pixels.
REGION = 16
#: Windows of FMI that are processed at a time; each needs 81 numbers.
CHUNK = 2**15


def correlation(x: Image, y: Image) -> float:
    """Pearson correlation; 0 with a uniform image."""
    x, y = x - x.mean(), y - y.mean()
    scale = math.sqrt(float((x * x).sum() * (y * y).sum()))
    return float((x * y).sum()) / scale if scale > 1e-9 else 0.0


def correlation_coefficient(a: Image, b: Image, f: Image) -> float:
    """CC: mean of the Pearson correlations of the result with both sources, -1 to 1.

    Deshmukh & Bhosale 2010. Higher is better. A uniform image contributes 0.
    """
    return (correlation(a, f) + correlation(b, f)) / 2


def multiscale_similarity(source: Image, f: Image) -> float:
    """MS-SSIM of one source with the result, 0 to 1 (Wang, Simoncelli & Bovik 2003).

    Five scales, each half of the one before (means of 2 x 2 pixels), Gaussian 11 x 11 windows with
    a standard deviation of 1.5 inside the image only, range 255. Higher is better; the metric of a
    fusion is the sum over both sources. Negative structure counts as 0. ``nan`` if a side is
    shorter than 161 pixels, where the coarsest scale has no window.
    """
    if min(f.shape) < 161:
        return math.nan
    x, y = (np.asarray(image, dtype=np.float64) for image in (source, f))
    similarity = 1.0
    for scale, weight in enumerate(SCALES):
        if scale:
            x, y = _halved(x), _halved(y)
        structure, whole = _similarity(x, y)
        value = whole if scale == len(SCALES) - 1 else structure
        similarity *= max(0.0, value) ** weight
    return similarity


def fusion_artefacts(a: Image, b: Image, f: Image) -> float:
    """Nabf: edges of the result that come from neither source, 0 to 1. Lower is better.

    Petrovic & Xydeas 2005, as modified by Shreyamsha Kumar 2013, with his constants: Sobel
    gradients / 8 of the mirrored image; where the result's gradient is stronger than that of both
    sources, the loss of each source counts, weighted with the source's gradient to
    the power of 1.5 (0.001 below a gradient of 2).
    """
    (ga, oa), (gb, ob), (gf, of) = (_gradients(image) for image in (a, b, f))
    invented = (gf > ga) & (gf > gb)
    lost = weights = 0.0
    for g, o in ((ga, oa), (gb, ob)):
        weight = np.where(g >= 2, g**1.5, 0.001)
        lost += float((invented * (1 - _preserved(g, o, gf, of)) * weight).sum())
        weights += float(weight.sum())
    return lost / weights


def feature_information(a: Image, b: Image, f: Image, feature: str = "pixel") -> float:
    """FMI: mutual information of features in 3 x 3 windows, normalised, mean over both sources.

    Haghighat, Aghagolzadeh & Seyedarabi 2011, in the fast form of Haghighat & Razian 2014: in each
    window the feature, scaled to [0, 1] and to a sum of 1, is a distribution over the nine places
    (column by column); the joint distribution of two windows lies between independence and
    the Fréchet bound, according to their correlation (Nelsen). The information is divided by
    the mean of the two entropies. 1 for a copy of both sources; higher is better.

    Parameters
    ----------
    a, b, f : ndarray, shape (Y, X)
        Sources and result, 0 to 255.
    feature : {"pixel", "gradient"}
        Brightness, or its central difference along X, as in the authors' code.

    Returns
    -------
    float
        ``nan`` if a side is shorter than 3 pixels.
    """
    if min(f.shape) < 3:
        return math.nan
    features = [np.asarray(image, dtype=np.float64) for image in (a, b, f)]
    if feature == "gradient":
        features = [np.gradient(image, axis=1) for image in features]
    windows = [_windows(image) for image in features]
    count = len(windows[2])
    total = 0.0
    for start in range(0, count, CHUNK):
        x, y, z = (part[start : start + CHUNK] for part in windows)
        total += float(_information(x, z).sum() + _information(y, z).sum())
    return total / (2 * count)


def contrast_preservation(a: Image, b: Image, f: Image) -> float:
    """Qcb: preserved contrast in a model of human vision, 0 to 1. Higher is better.

    Chen & Blum 2009: contrast sensitivity by a difference of Gaussians in the frequency domain,
    Peli's local contrast (standard deviations 2 and 4, windows of 31 x 31, zeros beyond the
    border), masking C^3 / (C^2 + 0.0001), the smaller of source and result divided by the larger,
    weighted with the squared contrast of each source. As in the usual toolbox (Liu et al. 2012)
    each image is stretched to 0 to 255 first, so a dull or hazy result costs nothing here. ``nan``
    if neither source has contrast.
    """
    ca, cb, cf = (_masked_contrast(_stretched(image)) for image in (a, b, f))
    weight = ca**2 + cb**2
    says = weight > 0
    if not says.any():
        return math.nan
    kept = np.zeros_like(weight)
    for c in (ca, cb):
        larger = np.maximum(c, cf)
        share = np.divide(np.minimum(c, cf), larger, out=np.zeros_like(c), where=larger > 0)
        kept += share * c**2
    return float((kept[says] / weight[says]).mean())


def visible_difference(a: Image, b: Image, f: Image) -> float:
    """Qcv: squared difference in a model of human vision, weighted by edges. Lower is better.

    Chen & Varshney 2007: differences of each source to the result, filtered with the contrast
    sensitivity of Mannos & Sakrison in the frequency domain, squared and averaged in regions of
    16 x 16 pixels (fewer at the border), weighted with the sum of
    the source's Sobel gradients to the power of 5. As in the usual toolbox (Liu et al. 2012) each
    image is stretched to 0 to 255 first. 0 for a copy of both sources; ``nan`` if neither source
    has an edge.
    """
    result = _stretched(f)
    sum_of = weight = 0.0
    for source in (_stretched(a), _stretched(b)):
        gradient = np.hypot(*(ndimage.sobel(source, axis, mode="constant") for axis in (0, 1)))
        seen = _filtered(source - result, _mannos_sakrison(source.shape)) ** 2
        saliency = _regions(gradient**5)
        sum_of += float((saliency * _regions(seen) / _regions(np.ones_like(seen))).sum())
        weight += float(saliency.sum())
    return sum_of / weight if weight > 0 else math.nan


def _similarity(x: Floats, y: Floats) -> tuple[float, float]:
    """Mean of contrast and structure, and of SSIM with luminance."""
    mean_x, mean_y = _gaussian_inside(x), _gaussian_inside(y)
    var_x = _gaussian_inside(x * x) - mean_x**2
    var_y = _gaussian_inside(y * y) - mean_y**2
    covariance = _gaussian_inside(x * y) - mean_x * mean_y
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    structure = (2 * covariance + c2) / (var_x + var_y + c2)
    luminance = (2 * mean_x * mean_y + c1) / (mean_x**2 + mean_y**2 + c1)
    return float(structure.mean()), float((luminance * structure).mean())


def _gaussian_inside(image: Floats) -> Floats:
    kernel = np.exp(-(np.arange(-5, 6) ** 2) / (2 * 1.5**2))
    kernel /= kernel.sum()
    for axis in (0, 1):
        image = ndimage.correlate1d(image, kernel, axis=axis)
    inside: Floats = image[5:-5, 5:-5]
    return inside


def _halved(image: Floats) -> Floats:
    rows, columns = (n % 2 for n in image.shape)
    image = np.pad(image, ((0, rows), (0, columns)), mode="symmetric")
    return (image[::2, ::2] + image[1::2, ::2] + image[::2, 1::2] + image[1::2, 1::2]) / 4


def _gradients(image: Image) -> tuple[Floats, Floats]:
    """Strength and orientation (-pi/2 to pi/2) of Sobel gradients of the mirrored image."""
    values = np.asarray(image, dtype=np.float64)
    along_x, along_y = (ndimage.sobel(values, axis, mode="mirror") / 8 for axis in (1, 0))
    still = along_y == 0
    slope = np.divide(along_x, along_y, out=np.where(along_x < 0, -np.inf, np.inf), where=~still)
    return np.hypot(along_x, along_y), np.where(still & (along_x == 0), 0, np.arctan(slope))


def _preserved(g: Floats, o: Floats, gf: Floats, of: Floats) -> Floats:
    """Preservation of strength and orientation of one source's edges in the result, per pixel."""
    both = (g > 0) & (gf > 0)
    strength = np.divide(np.minimum(g, gf), np.maximum(g, gf), out=np.zeros_like(g), where=both)
    orientation = np.abs(np.abs(o - of) - math.pi / 2) * 2 / math.pi
    kept = 0.9999 / (1 + np.exp(-19 * (strength - 0.5)))
    kept *= 0.9995 / (1 + np.exp(-22 * (orientation - 0.5)))
    return np.asarray(np.sqrt(kept))


def _windows(image: Floats) -> Floats:
    """All 3 x 3 windows inside the image, one per row, column by column."""
    windows = np.lib.stride_tricks.sliding_window_view(image, (3, 3))
    return windows.transpose(0, 1, 3, 2).reshape(-1, 9)


def _information(x: Floats, y: Floats) -> Floats:
    """Normalised mutual information of pairs of windows."""
    equal = (x == y).all(axis=1)
    p, q = _distribution(x), _distribution(y)
    p0, q0 = p - p.mean(axis=1, keepdims=True), q - q.mean(axis=1, keepdims=True)
    norm = np.sqrt((p0**2).sum(axis=1) * (q0**2).sum(axis=1))
    r = np.divide((p0 * q0).sum(axis=1), norm, out=np.zeros(len(p)), where=norm > 1e-12)
    place = np.arange(9.0)
    spread = _deviation(p, place) * _deviation(q, place)

    # Joint cumulative distributions: of independent windows, and the Fréchet bound on the side
    # of the correlation.
    cp, cq = (np.cumsum(d, axis=1) for d in (p, q))
    free = cp[:, :, None] * cq[:, None, :]
    upper = np.minimum(cp[:, :, None], cq[:, None, :])
    lower = np.maximum(cp[:, :, None] + cq[:, None, :] - 1, 0)
    bound = np.where((r >= 0)[:, None, None], upper, lower)
    covariance = (bound - free).sum(axis=(1, 2))  # Hoeffding
    usable = (np.abs(covariance) > 1e-12) & (spread > 1e-12)
    share = np.divide(r * spread, covariance, out=np.zeros(len(p)), where=usable)
    joint = share[:, None, None] * _masses(bound) + (1 - share)[:, None, None] * (
        p[:, :, None] * q[:, None, :]
    )
    entropies = _bits(p) + _bits(q)
    information = entropies - _bits(joint.reshape(len(p), 81))
    ratio = np.divide(2 * information, entropies, out=np.zeros(len(p)), where=entropies > 1e-12)
    return np.where(equal, 1.0, ratio)


def _distribution(windows: Floats) -> Floats:
    low, high = windows.min(axis=1, keepdims=True), windows.max(axis=1, keepdims=True)
    scaled = np.divide(
        windows - low,
        high - low,
        out=np.ones_like(windows),
        where=np.broadcast_to(high > low, windows.shape),
    )
    return np.asarray(scaled / scaled.sum(axis=1, keepdims=True))


def _deviation(p: Floats, place: Floats) -> Floats:
    mean = p @ place
    return np.asarray(np.sqrt((p * (place - mean[:, None]) ** 2).sum(axis=1)))


def _masses(cumulative: Floats) -> Floats:
    """Probabilities of a cumulative distribution over two axes."""
    padded = np.pad(cumulative, ((0, 0), (1, 0), (1, 0)))
    return np.asarray(np.diff(np.diff(padded, axis=1), axis=2))


def _bits(p: Floats) -> Floats:
    """Entropy; a joint distribution near its bound may have masses just below 0."""
    size = np.abs(p)
    logs = np.log2(size, out=np.zeros_like(p), where=size > 1e-15)
    return np.asarray(-(p * logs).sum(axis=1))


def _stretched(image: Image) -> Floats:
    """Stretch to integers from 0 to 255; a uniform image becomes black."""
    low, high = float(image.min()), float(image.max())
    if high == low:
        return np.zeros(image.shape)
    return np.asarray(np.rint((np.asarray(image, dtype=np.float64) - low) / (high - low) * 255))


def _frequencies(shape: tuple[int, ...], fraction: int) -> Floats:
    """Radial frequency of each term of `numpy.fft.fft2`; the longest period is 2 / fraction."""
    v, u = (np.fft.fftfreq(n) * 2 * n / fraction for n in shape)
    return np.hypot(v[:, None], u)


def _mannos_sakrison(shape: tuple[int, ...]) -> Floats:
    r = _frequencies(shape, 8)
    # 0.144, as in the article's published code; Mannos & Sakrison 1974 give 0.114.
    return np.asarray(2.6 * (0.0192 + 0.144 * r) * np.exp(-((0.144 * r) ** 1.1)))


def _filtered(image: Floats, response: Floats) -> Floats:
    return np.asarray(np.fft.ifft2(np.fft.fft2(image) * response).real)


def _masked_contrast(image: Floats) -> Floats:
    r = _frequencies(image.shape, 30)
    response = np.exp(-((r / 15.3870) ** 2)) - 0.7622 * np.exp(-((r / 1.3456) ** 2))
    seen = _filtered(image, response)
    fine, coarse = _gaussian_zeros(seen, 2), _gaussian_zeros(seen, 4)
    contrast = np.divide(fine, coarse, out=np.ones_like(fine), where=coarse != 0) - 1
    size = np.abs(contrast)
    return np.asarray(size**3 / (size**2 + 0.0001))


def _gaussian_zeros(image: Floats, sigma: float) -> Floats:
    """Gaussian of 31 x 31 pixels, not scaled to a sum of 1, zeros beyond the border."""
    kernel = np.exp(-(np.arange(-15, 16) ** 2) / (2 * sigma**2)) / (math.sqrt(2 * math.pi) * sigma)
    for axis in (0, 1):
        image = ndimage.correlate1d(image, kernel, axis=axis, mode="constant")
    return image


def _regions(image: Floats) -> Floats:
    """Sum over regions of 16 x 16 pixels."""
    starts = [np.arange(0, n, REGION) for n in image.shape]
    return np.asarray(np.add.reduceat(np.add.reduceat(image, starts[0], axis=0), starts[1], axis=1))

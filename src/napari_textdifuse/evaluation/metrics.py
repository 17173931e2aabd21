"""Metrics of image fusion: on 8-bit brightness in float64, and one on colours.

Definitions follow the cited articles and the conventions of the evaluation code that recent
fusion articles share, so that numbers can be compared with published tables. Each function
accepts two-dimensional brightness images (values 0 to 255). A metric is ``nan`` for an image that
is too small or too uniform; each function states when.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from ..errors import InputError, size_of
from ..meaning import by_role
from ..volume import Volume
from .further import (
    contrast_preservation,
    correlation,
    correlation_coefficient,
    feature_information,
    fusion_artefacts,
    multiscale_similarity,
    visible_difference,
)
from .luminance import (
    ImageLike,
    check_same_grid,
    result_luminance,
    shown_colours,
    source_luminance,
)
from .readback import readback

Image = npt.NDArray[Any]
Floats = npt.NDArray[np.float64]

#: Metrics of brightness alone, in the order of every table. Higher is better for all of them.
LUMINANCE_METRICS = ("EN", "AG", "SD", "SCD", "VIF", "SF", "MI", "Qabf", "SSIM")
#: With the information that can be read back from the colours, for the worse source.
METRICS = (*LUMINANCE_METRICS, "readback")
#: Computed on request.
FURTHER_METRICS = ("MS-SSIM", "CC", "Nabf", "FMI_pixel", "FMI_gradient", "Qcb", "Qcv")
#: Lower is better for these; higher is better for all others.
LOWER_IS_BETTER = ("Nabf", "Qcv")


def evaluate(
    a: ImageLike,
    b: ImageLike,
    fused: ImageLike,
    *,
    modality: str | Mapping[str, str | None] | None = None,
    unit: str | Mapping[str, str | None] | None = None,
    metrics: str | Sequence[str] = METRICS,
) -> dict[str, float]:
    """Measure a fused image against its two sources.

    Parameters
    ----------
    a, b : ndarray, Volume or path
        Sources, ``(Y, X)`` or ``(Z, Y, X)``, grey or with a last axis of 3 or 4 channels. 8-bit
        values and floats in [0, 1] are used unchanged; other values (16 bits, HU, SUV) are
        displayed in the default window of fusion (`intensity.default_window`).
    fused : ndarray, Volume or path
        Result of the same shape: bool, unsigned integers (their type's full range) or floats in
        [0, 1]. It is never stretched.
    modality, unit : str or mapping of {"a", "b"} to str, optional
        Stated modality and unit, as for `fuse`; the windows depend on them.
    metrics : sequence of str, or "all"
        Names of `METRICS` and `FURTHER_METRICS`; by default the ten `METRICS`.

    Returns
    -------
    dict of str to float
        The metrics by name. For a volume, the mean over the slices (first axis) in which at least
        one source is not uniform; ``nan`` where a metric is defined in no slice.

    Raises
    ------
    InputError
        If an image cannot be read, has unusable values, the shapes differ, or a metric is unknown.
    GeometryError
        If two of the images have an affine and do not lie on the same grid.
    """
    name_a, name_b, name_f = (
        f"{role} ({_name_of(image)})" if _name_of(image) else role
        for role, image in (("image A", a), ("image B", b), ("the fused image", fused))
    )
    kinds, units = by_role(modality, "modality"), by_role(unit, "unit")
    ya, volume_a = source_luminance(a, name_a, kinds["a"], units["a"])
    yb, volume_b = source_luminance(b, name_b, kinds["b"], units["b"])
    yf, volume_f = result_luminance(fused, name_f)
    check_same_grid(volume_a, volume_b, (name_a, name_b))
    check_same_grid(volume_a, volume_f, (name_a, name_f))
    names = metric_names(metrics)
    wanted = tuple(name for name in names if name != "readback")
    shown = [
        shown_colours(volume_a, ya, True),
        shown_colours(volume_b, yb, True),
        shown_colours(volume_f, yf, False),
    ]

    def measured(slices: Any) -> dict[str, float]:
        row = evaluate_luminance(ya[slices], yb[slices], yf[slices], wanted)
        if "readback" in names:
            row["readback"] = worse_readback(*(colours[slices] for colours in shown))
        return {name: row[name] for name in names}

    if ya.ndim == 2:
        return measured(...)
    filled = [z for z in range(len(ya)) if np.ptp(ya[z]) or np.ptp(yb[z])] or range(len(ya))
    return mean_of([measured(z) for z in filled])


def metric_names(metrics: str | Sequence[str]) -> tuple[str, ...]:
    """Return the requested metrics in the given order; "all" means every metric.

    Raises
    ------
    InputError
        If a name is unknown.
    """
    known = (*METRICS, *FURTHER_METRICS)
    if metrics == "all":
        return known
    by_lower = {name.lower(): name for name in known}
    names = [metrics] if isinstance(metrics, str) else list(metrics)
    for name in names:
        if name.lower() not in by_lower:
            raise InputError(
                f"there is no metric {name!r}; choose from {', '.join(known)}, or all."
            )
    return tuple(dict.fromkeys(by_lower[name.lower()] for name in names))


def _name_of(image: ImageLike) -> str:
    """Return the name of a file or volume; empty for other objects."""
    if isinstance(image, (str, os.PathLike)):
        return os.fspath(image)
    name = image.name if isinstance(image, Volume) else ""
    return "" if name == "image" else name


def evaluate_luminance(
    a: Image, b: Image, f: Image, metrics: Sequence[str] = LUMINANCE_METRICS
) -> dict[str, float]:
    """Metrics of the brightness of one image.

    Parameters
    ----------
    a, b, f : ndarray, shape (Y, X)
        Sources and result, 0 to 255.
    metrics : sequence of str
        Of `LUMINANCE_METRICS` and `FURTHER_METRICS`.

    Returns
    -------
    dict of str to float

    Raises
    ------
    InputError
        If the shapes differ or are not two-dimensional.
    """
    if not a.shape == b.shape == f.shape or f.ndim != 2:
        raise InputError(
            f"three brightness images of one shape (Y, X) are needed, not {size_of(a.shape)}, "
            f"{size_of(b.shape)} and {size_of(f.shape)}."
        )
    x, y, z = (np.asarray(image, dtype=np.float64) for image in (a, b, f))
    return {name: _ON_LUMINANCE[name](x, y, z) for name in metrics}


def mean_of(rows: list[dict[str, float]]) -> dict[str, float]:
    """Mean of each metric over the rows in which it is defined; ``nan`` if in none."""
    means = {}
    for name in rows[0] if rows else METRICS:
        defined = [row[name] for row in rows if not math.isnan(row.get(name, math.nan))]
        means[name] = math.fsum(defined) / len(defined) if defined else math.nan
    return means


def worse_readback(a: Image, b: Image, f: Image) -> float:
    """Return the lower of both sources' `readback`; ``nan`` if neither is defined."""
    defined = [value for value in readback(a, b, f) if not math.isnan(value)]
    return min(defined, default=math.nan)


def entropy(f: Image) -> float:
    """EN: Shannon entropy of the 256-bin histogram, bits (Roberts et al. 2008)."""
    return _entropy(np.bincount(_levels(f), minlength=256)) / math.log(2)


def average_gradient(f: Image) -> float:
    """AG: mean of sqrt((dx^2 + dy^2) / 2) by central differences, one-sided at the border.

    Cui et al. 2015. ``nan`` if a side is shorter than 2 pixels.
    """
    if min(f.shape) < 2:
        return math.nan
    dy, dx = np.gradient(f)
    return float(np.sqrt((dx**2 + dy**2) / 2).mean())


def spatial_frequency(f: Image) -> float:
    """SF: root of the mean squared row and column differences (Eskicioglu & Fisher 1995).

    ``nan`` if a side is shorter than 2 pixels.
    """
    if min(f.shape) < 2:
        return math.nan
    return math.sqrt(float((np.diff(f, axis=0) ** 2).mean() + (np.diff(f, axis=1) ** 2).mean()))


def mutual_information(source: Image, f: Image) -> float:
    """MI of one source with the result: joint 256 x 256 histogram, nats (Qu et al. 2002).

    The metric of a fusion is the sum over both sources.
    """
    joint = np.bincount(_levels(source) * 256 + _levels(f), minlength=65536).reshape(256, 256)
    parts = _entropy(joint.sum(axis=1)) + _entropy(joint.sum(axis=0))
    return max(0.0, parts - _entropy(joint.ravel()))


def difference_correlation(a: Image, b: Image, f: Image) -> float:
    """SCD: corr(a, f - b) + corr(b, f - a) (Aslantas & Bendes 2015).

    A uniform image contributes 0.
    """
    return correlation(a, f - b) + correlation(b, f - a)


def visual_information_fidelity(source: Image, f: Image) -> float:
    """VIF of one source in the result: pixel domain, 4 scales, noise variance 2.

    Sheikh & Bovik 2006, their ``vifp`` variant: the ratio of the information that the result
    carries about the source to the information in the source itself; 1 for a copy. The metric of
    a fusion is the sum over both sources. ``nan`` for a uniform source, which contains no
    information, and if a side is shorter than 41 pixels, where the coarsest scale has no window.
    """
    if min(f.shape) < 41 or np.ptp(source) == 0:
        return math.nan
    noise = 2.0
    kept = held = 0.0
    for scale in range(4):
        width = 2 ** (4 - scale) + 1
        if scale:
            source, f = (_gaussian_valid(image, width)[::2, ::2] for image in (source, f))
        var_s, var_f, cov = _moments(source, f, width)
        var_s, var_f = np.maximum(var_s, 0), np.maximum(var_f, 0)
        gain = cov / (var_s + 1e-10)
        rest = var_f - gain * cov
        # Degenerate cases of the channel model: a flat window transmits nothing, and a
        # negative gain (an inverted copy) is noise.
        flat_s, flat_f = var_s < 1e-10, var_f < 1e-10
        rest = np.where(flat_s | (gain < 0), var_f, rest)
        rest = np.where(flat_f, 0, rest)
        gain = np.where(flat_s | flat_f | (gain < 0), 0, gain)
        rest = np.maximum(rest, 1e-10)
        kept += float(np.log10(1 + gain**2 * var_s / (rest + noise)).sum())
        held += float(np.log10(1 + var_s / noise).sum())
    return kept / held


def edge_preservation(a: Image, b: Image, f: Image) -> float:
    """Qabf: preservation of strength and orientation of the sources' edges, 0 to 1.

    Xydeas & Petrovic 2000, Eqs. 1 to 7, with Sobel gradients of the zero-padded image and
    the article's constants; weights are the sources' edge strengths (L = 1). ``nan`` if neither
    source has an edge.
    """
    (ga, oa), (gb, ob), (gf, of) = (_edges(image) for image in (a, b, f))
    weight = float((ga + gb).sum())
    if weight == 0:
        return math.nan
    kept = _edges_kept(ga, oa, gf, of) * ga + _edges_kept(gb, ob, gf, of) * gb
    return float(kept.sum()) / weight


def structural_similarity(source: Image, f: Image) -> float:
    """SSIM of one source with the result (Wang et al. 2004).

    Uniform 7 x 7 window, sample covariance, range 255, windows inside the image only. The metric
    of a fusion is the sum over both sources. ``nan`` if a side is shorter than 7 pixels.
    """
    if min(f.shape) < 7:
        return math.nan
    from skimage.metrics import structural_similarity as ssim

    return float(ssim(np.asarray(source, float), np.asarray(f, float), data_range=255))


def _levels(image: Image) -> npt.NDArray[np.int64]:
    return np.rint(image).astype(np.int64).ravel()


def _entropy(counts: npt.NDArray[np.int64]) -> float:
    """Shannon entropy in nats."""
    p = counts[counts > 0] / counts.sum()
    return float(-(p * np.log(p)).sum()) + 0.0  # avoids negative zero


def _gaussian_valid(image: Floats, width: int) -> Floats:
    """Gaussian of standard deviation width / 5, windows inside the image only."""
    half = width // 2
    kernel = np.exp(-(np.arange(-half, half + 1) ** 2) / (2 * (width / 5) ** 2))
    kernel /= kernel.sum()
    for axis in (0, 1):
        image = ndimage.correlate1d(image, kernel, axis=axis)
    inside: Floats = image[half:-half, half:-half]
    return inside


def _moments(x: Floats, y: Floats, width: int) -> tuple[Floats, Floats, Floats]:
    """Local variances of both and their covariance."""
    mx, my = _gaussian_valid(x, width), _gaussian_valid(y, width)
    return (
        _gaussian_valid(x * x, width) - mx * mx,
        _gaussian_valid(y * y, width) - my * my,
        _gaussian_valid(x * y, width) - mx * my,
    )


def _edges(image: Image) -> tuple[Floats, Floats]:
    """Strength and orientation (-pi/2 to pi/2] of Sobel gradients, zeros beyond the border."""
    sx, sy = (ndimage.sobel(image, axis=axis, mode="constant") for axis in (1, 0))
    # y points up, as in the shared code of articles: the sign decides where the jump between
    # -pi/2 and pi/2 falls, and with it the few edges on either side of it.
    slope = np.divide(-sy, sx, out=np.full_like(sx, np.inf), where=sx != 0)
    return np.hypot(sx, sy), np.arctan(slope)


def _edges_kept(g: Floats, o: Floats, gf: Floats, of: Floats) -> Floats:
    """Edge preservation of one source in the result, per pixel (Eqs. 3 to 6)."""
    low, high = np.minimum(g, gf), np.maximum(g, gf)
    strength = np.divide(low, high, out=np.ones_like(g), where=high > 0)
    orientation = 1 - np.abs(o - of) / (math.pi / 2)
    kept: Floats = 0.9994 / (1 + np.exp(-15 * (strength - 0.5)))
    kept *= 0.9879 / (1 + np.exp(-22 * (orientation - 0.8)))
    return kept


def _summed(metric: Callable[[Image, Image], float]) -> Callable[[Image, Image, Image], float]:
    return lambda a, b, f: metric(a, f) + metric(b, f)


_ON_LUMINANCE: dict[str, Callable[[Image, Image, Image], float]] = {
    "EN": lambda _a, _b, f: entropy(f),
    "AG": lambda _a, _b, f: average_gradient(f),
    "SD": lambda _a, _b, f: float(f.std()),
    "SCD": difference_correlation,
    "VIF": _summed(visual_information_fidelity),
    "SF": lambda _a, _b, f: spatial_frequency(f),
    "MI": _summed(mutual_information),
    "Qabf": edge_preservation,
    "SSIM": _summed(structural_similarity),
    "MS-SSIM": _summed(multiscale_similarity),
    "CC": correlation_coefficient,
    "Nabf": fusion_artefacts,
    "FMI_pixel": feature_information,
    "FMI_gradient": lambda a, b, f: feature_information(a, b, f, "gradient"),
    "Qcb": contrast_preservation,
    "Qcv": visible_difference,
}

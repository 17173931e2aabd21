"""Fluid, grey and white matter of a head volume, by the contrast of the MR image."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from .classes import gaussian_classes, layered_levels
from .intracranial import Interior, interior
from .regions import Floats, Mask, dilate, drop_small, empty, otsu, smooth
from .shading import without_shading
from .views import RuleImage

#: Where fluid is darker than the brain, and white matter brighter than grey.
DARK_FLUID = ("T1", "T1Gd", "FLAIR")
BRIGHT_FLUID = ("T2", "PD", "T2*")
WHITE_BRIGHTEST = ("T1", "T1Gd")
#: Bright fluid hides the edge of the brain: a higher share of its brightness there.
_SHARE_BRIGHT_FLUID = 0.8
#: More fluid than this share of what is inside is grey matter as bright as fluid.
_MOST_FLUID = 0.3
#: A smaller class of the brain than this share is not one of its tissues.
_LEAST_SHARE = 0.12
#: Classes nearer to each other than this share of their values are one: what three classes of a
#: bottle of water are.
_LEAST_CONTRAST = 0.03
#: Percentile of what is deep inside the skull that is fluid alone, and not blurred with brain.
_PURE_FLUID = 0.5
#: A scalp is this much of the brain's brightness at least; with fat suppressed, at most.
_LEAST_SCALP, _MOST_DARK_SCALP = 0.05, 0.5
#: In mm3; echo-planar images have larger voxels.
_SMALLEST_DWI_MM3 = 2.0
#: Nearer to the skull than this, dark is bone blurred with cortex, not white matter.
_EDGE_MM = 6.0
#: More voxels of one value than this share are masked background; an offset is more than this share
#: of the range.
_MASKED, _LEAST_OFFSET = 0.05, 0.02
#: Thickness of the layers by depth in which the tissues' shares are estimated.
_LAYER_MM = 4.0


@dataclass(frozen=True)
class Tissues:
    """The tissues inside a skull.

    Parameters
    ----------
    inside : Interior
    fluid, grey, white : ndarray of bool
        Empty where the contrast is not known.
    even : ndarray of float32
        The image without its shading.
    contrast : str or None
    note : str
        How the contrast was inferred, if it was not stated; else empty.
    """

    inside: Interior
    fluid: Mask
    grey: Mask
    white: Mask
    even: Floats
    contrast: str | None
    note: str = ""

    @property
    def brain(self) -> Mask:
        """Grey and white matter; all that is inside where the classes are not known."""
        both = self.grey | self.white
        return both if both.any() else self.inside.mask


def tissues(view: RuleImage) -> Tissues:
    """Classify a volume once; the rules share the result."""
    if "tissues" not in view.memo:
        view.memo["tissues"] = _classified(view)
    found: Tissues = view.memo["tissues"]
    return found


def magnitude(array: Floats) -> Floats:
    """Return MR values with air at 0: without an offset, and without a value of masked background.

    Rules compare brightness, of which a file may have lost the zero: values stored with an offset,
    standardised to mean 0, or with -1 for what was masked out.
    """
    corners = array[
        (slice(None, None, max(1, array.shape[0] - 1)),) + (slice(None),) * (array.ndim - 1)
    ]
    values, counts = np.unique(corners, return_counts=True)
    padding = values[counts.argmax()]
    masked = array == padding
    rest = array[~masked] if masked.mean() > _MASKED else array
    if not rest.size:
        return array
    low, high = (float(v) for v in np.percentile(rest, (1, 99)))
    if masked.mean() > _MASKED and (padding < 0 or low < 0):
        array = np.where(masked, min(low, 0.0), array)
    if low < -_LEAST_OFFSET * (high - low):
        array = array - low
    return np.asarray(np.maximum(array, 0), np.float32)


def _classified(view: RuleImage) -> Tissues:
    view = replace(view, array=magnitude(view.array), memo={})
    inside = interior(view.array, view.mm, view.up)
    nothing = empty(view.array)
    if not inside.mask.any():
        return Tissues(inside, nothing, nothing, nothing, view.array, view.contrast)
    even = without_shading(view.array, inside.mask, view.mm)
    view = replace(view, array=even, memo={})
    inside = interior(even, view.mm, view.up)
    contrast, note = view.contrast, ""
    if contrast is None:
        contrast, note = _by_values(view, inside)
    if contrast in BRIGHT_FLUID:
        inside = interior(even, view.mm, view.up, _SHARE_BRIGHT_FLUID)
        fluid, grey, white = _bright_fluid(even, inside)
    elif contrast in DARK_FLUID:
        fluid, grey, white = _dark_fluid(view, inside, contrast)
    else:
        fluid, grey, white = nothing, nothing, nothing
    return Tissues(inside, fluid, grey, white, even, contrast, note)


def _by_values(view: RuleImage, inside: Interior) -> tuple[str | None, str]:
    """Infer the contrast: a last resort, always noted."""
    deep = view.array[inside.distance_inside > 20]
    if deep.size < 100:
        return None, ""
    low, middle, high = (float(v) for v in np.percentile(deep, (2, 50, 98)))
    even = smooth(view.array, view.mm, 2.0)
    outer = float(np.median(even[(inside.distance_inside > 6) & (inside.distance_inside <= 9)]))
    inner = even[(inside.distance_inside > 15) & (inside.distance_inside <= 24)]
    slope = outer / float(np.median(inner)) if inner.size else 1.0
    found: str | None = None
    fluid_is_dark = low < 0.68 * middle
    if high - middle > 1.25 * (middle - low) and high > 1.25 * middle and not fluid_is_dark:
        found, why = "T2", "fluid is much brighter than the brain"
    elif fluid_is_dark and _scalp_is_dark(view, inside, middle):
        if view.spacing is not None and math.prod(view.spacing) < _SMALLEST_DWI_MM3:
            found, why = "FLAIR", "fluid and scalp are dark, in smaller voxels than those of DWI"
        else:
            found, why = "DWI", "fluid and scalp are dark, as on FLAIR with fat suppression too"
    elif slope < 0.985 and low < 0.8 * middle:
        found, why = "T1", "fluid is dark and the brain is darker towards the cortex"
    elif fluid_is_dark:
        found, why = "FLAIR", "fluid is dark and the brain is not darker towards the cortex"
    elif low > 0.8 * middle and high < 1.25 * middle:
        found, why = "PD", "fluid and brain are much alike"
    if found is None:
        return None, ""
    return found, f"assumed to be {found}-weighted, because {why}"


def _scalp_is_dark(view: RuleImage, inside: Interior, usual: float) -> bool:
    """Return whether there is a scalp that is much darker than the brain: fat is suppressed."""
    near = dilate(inside.mask, view.mm, 25.0) & ~dilate(inside.mask, view.mm, 5.0)
    around = view.array[near]
    if not around.size:
        return False
    scalp = float(np.percentile(around, 95))  # between bone, air and, in a tight field, little else
    return _LEAST_SCALP * usual < scalp < _MOST_DARK_SCALP * usual


def _dark_fluid(view: RuleImage, inside: Interior, contrast: str) -> tuple[Mask, Mask, Mask]:
    array, mm = view.array, view.mm
    values = array[inside.mask]
    means, levels = gaussian_classes(values)
    if not levels or _are_one(means):
        return (empty(array),) * 3
    shares = np.histogram(values, (-np.inf, *levels, np.inf))[0] / values.size
    if min(shares[1:]) < _LEAST_SHARE:  # vessels with contrast agent make a class of their own
        values = values[values < 1.25 * np.median(values)]
        levels = otsu(values, 3) or levels
        means = (means[0], float(np.mean(levels)), max(means[2], levels[1]))
    deep = smooth(array, mm, 1.0)[inside.distance_inside > 20]
    # most of the darkest class is cortex blurred with fluid; fluid itself lies deep
    fluid_mean = min(means[0], float(np.percentile(deep, _PURE_FLUID))) if deep.size else means[0]
    lower = 0.5 * (fluid_mean + means[1])
    whole = inside.mask
    # folds that were cut off together with the bridges
    near = dilate(whole, mm, 3.0) & (array > lower) & (array < 1.5 * means[2])
    whole = whole | near
    fluid = whole & (array < lower)
    upper = levels[1]
    if contrast == "T1":  # the narrower class is white matter, and the crossing lies close to it
        upper = (upper + (means[1] + means[2]) / 2) / 2
    middle = whole & ~fluid & (array < upper)
    bright = whole & (array >= upper)
    grey, white = (middle, bright) if contrast in WHITE_BRIGHTEST else (bright, middle)
    return fluid, drop_small(grey, 5.0, mm), drop_small(white, 5.0, mm)


def _bright_fluid(array: Floats, inside: Interior) -> tuple[Mask, Mask, Mask]:
    away = inside.distance_inside > _EDGE_MM + 1
    means, levels = gaussian_classes(array[away])
    if not levels or _are_one(means):
        return (empty(array),) * 3
    whole = inside.mask
    fluid = whole & (array >= levels[1])
    if fluid.sum() > _MOST_FLUID * whole.sum():  # as bright as grey matter: PD
        cut = otsu(array[away], 2)
        levels, fluid = (cut[0], float("inf")), empty(array)
    elif by_depth := layered_levels(array[away], inside.distance_inside[away], _LAYER_MM):
        levels = (by_depth[0], max(levels[1], by_depth[1]))
        fluid = whole & (array >= levels[1])
    white = whole & (array < levels[0]) & (inside.distance_inside > _EDGE_MM)
    return fluid, whole & ~fluid & ~white, white


def _are_one(means: tuple[float, ...]) -> bool:
    """Return whether classes differ no more than those of one tissue with a little noise."""
    return means[2] - means[0] < _LEAST_CONTRAST * abs(means[1])

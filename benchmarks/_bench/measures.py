"""Everything measured on one result."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from napari_textdifuse.colour import rgb_to_ycbcr, ycbcr_to_rgb
from napari_textdifuse.evaluation import FURTHER_METRICS, METRICS, luminance8, readback
from napari_textdifuse.evaluation.artefacts import artefacts
from napari_textdifuse.evaluation.chromaticity import colour_difference, hue_difference
from napari_textdifuse.evaluation.metrics import evaluate_luminance

from .pairs import Bytes, Floats, Pair, as_floats

ARTEFACTS = (
    *("flat", "flat_a", "flat_b", "black", "below", "above"),
    *("new_mean", "new_p99", "outside_mean", "outside_p99"),
)
HUE = ("hue_rgb", "hue_lab")
#: CIEDE2000 under a colour cast; see `cast_removal`.
COLOUR = ("cast_before", "cast_after", "cast_floor", "own_before", "own_after")
MEASURES = (*METRICS, *FURTHER_METRICS, *ARTEFACTS, *HUE, *COLOUR, "seconds")

#: What a degraded pair is judged on: the others also reward noise that was kept.
FIDELITY = ("SCD", "VIF", "Qabf", "SSIM")
#: What articles on fusion report most.
PUBLISHED = ("EN", "AG", "SD", "SCD", "VIF")


def measure(pair: Pair, fused: Bytes, further: bool = False) -> dict[str, float]:
    """Metrics and artefacts of a result against the *clean* sources, and hue of a colour map.

    Parameters
    ----------
    pair : Pair
    fused : array
    further : bool
        Also `FURTHER_METRICS`, which take several seconds.

    Returns
    -------
    dict of str to float
        All of `MEASURES`; ``nan`` for those that do not apply.
    """
    a, b, f = (luminance8(image) for image in (pair.a, pair.b, fused))
    values = dict.fromkeys(MEASURES, math.nan) | evaluate_luminance(a, b, f) | artefacts(a, b, f)
    if further:
        values |= evaluate_luminance(a, b, f, FURTHER_METRICS)
    both = readback(*(as_floats(image) for image in (pair.a, pair.b, fused)))
    values["readback"] = min(both)
    if not pair.scene and pair.a.ndim == fused.ndim == 3:  # colour that stands for a value
        hues = hue_difference(as_floats(fused), as_floats(pair.a))
        values |= dict(zip(HUE, hues, strict=True))
    return values


def cast_removal(
    pair: Pair, seen: Bytes, fused: Bytes, fuse_clean: Callable[[], Bytes | None]
) -> dict[str, float]:
    """How much of a colour cast is gone, by CIEDE2000 with brightness set equal.

    ``cast_before``, ``cast_after``: the visible image with the cast, and the result, against the
    clean visible image; ``cast_floor``: the result of the clean pair against it, which is what
    the change of brightness and gamut costs by itself. ``own_before``, ``own_after``: the cast's
    colours, and the result's, at the brightness of the result of the clean pair, against that
    result. A method that returns grey would do well on the last two only.
    """
    plain = fuse_clean()
    if plain is None or fused.ndim == 2 or plain.ndim == 2:
        return {}
    clean, cast, result, own = map(as_floats, (pair.a, seen, fused, plain))
    passed = _recoloured(own, cast)
    return {
        "cast_before": colour_difference(cast, clean),
        "cast_after": colour_difference(result, clean),
        "cast_floor": colour_difference(own, clean),
        "own_before": colour_difference(passed, own),
        "own_after": colour_difference(result, own),
    }


def _recoloured(brightness_of: Floats, colour_of: Floats) -> Floats:
    brightness = rgb_to_ycbcr(brightness_of)[0]
    return np.asarray(ycbcr_to_rgb(brightness, rgb_to_ycbcr(colour_of)[1]))

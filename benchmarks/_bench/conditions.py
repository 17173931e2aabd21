"""Conditions under which pairs are fused: as they are, or degraded in a way that repeats.

A condition is written as its parts in order, such as ``gamma2.2+noise25``:

========= =========================================================================
noiseS    Gaussian noise of standard deviation S (of 255) on both sources, independent
          per pixel and channel
blurS     Gaussian blur of S pixels on both sources
gammaG    the visible image darkened: ``v ** G`` on [0, 1]
overG     the visible image over-exposed: times G, clipped
castP     a colour cast on the visible image: each channel times ``1 + P %`` or
          ``1 - P %``, not all alike
========= =========================================================================

``none`` is the pair itself; ``metrics`` is ``gamma2.2+noise25`` for scenes and ``noise15`` for
medical pairs. Values are rounded and clipped once, at the end.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from zlib import crc32

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from napari_textdifuse.errors import InputError

from .pairs import Bytes, Pair

Values = npt.NDArray[np.float64]

#: Stronger and other degradations than those of ``metrics``.
GRID = (
    *("noise10", "noise20", "noise30", "noise40", "noise50"),
    *("gamma1.5", "gamma2", "gamma2.5", "gamma3"),
    *("over1.3", "over1.6", "blur1", "blur2", "cast20"),
)
_PART = re.compile(r"(noise|blur|gamma|over|cast)(\d+(?:\.\d+)?)")


def conditions(names: Sequence[str]) -> list[str]:
    """Spell out ``grid`` and check the rest.

    Raises
    ------
    InputError
        If a name is not a condition.
    """
    spelled = [one for name in names for one in (GRID if name == "grid" else (name,))]
    for name in spelled:
        if name not in ("none", "metrics"):
            _parts(name)
    return list(dict.fromkeys(spelled))


def applies(name: str, pair: Pair) -> bool:
    """Light and colour can fail in a photograph; a medical value has a meaning."""
    if name in ("none", "metrics"):
        return True
    kinds = {kind for kind, _ in _parts(name)}
    if "cast" in kinds and pair.a.ndim == 2:
        return False
    return pair.scene or kinds <= {"noise", "blur"}


def degrade(pair: Pair, name: str) -> tuple[Bytes, Bytes]:
    """Make what the methods get to see.

    The noise depends on the pair's name only: it is the same in every run, and of equal shape at
    every strength.
    """
    parts = parts_for(pair, name)
    if not parts:
        return pair.a, pair.b
    rng = np.random.default_rng(crc32(f"{pair.set_name}/{pair.stem}".encode()))
    a, b = pair.a.astype(float), pair.b.astype(float)
    for kind, strength in parts:
        if kind in _VISIBLE:
            a = _VISIBLE[kind](a, strength, rng)
        else:
            a, b = (_BOTH[kind](image, strength, rng) for image in (a, b))
    a8, b8 = (np.clip(np.rint(image), 0, 255).astype(np.uint8) for image in (a, b))
    return a8, b8


def parts_for(pair: Pair, name: str) -> list[tuple[str, float]]:
    """Kind and strength of each part, ``metrics`` spelled out for the pair's family."""
    if name == "none":
        return []
    if name == "metrics":
        name = "gamma2.2+noise25" if pair.scene else "noise15"
    return _parts(name)


def _noise(image: Values, sigma: float, rng: np.random.Generator) -> Values:
    return image + sigma * rng.standard_normal(image.shape)


def _blur(image: Values, sigma: float, rng: np.random.Generator) -> Values:
    blurred: Values = ndimage.gaussian_filter(image, (sigma, sigma) + (0,) * (image.ndim - 2))
    return blurred


def _gamma(image: Values, gamma: float, rng: np.random.Generator) -> Values:
    return 255 * (image / 255) ** gamma


def _over(image: Values, gain: float, rng: np.random.Generator) -> Values:
    return np.minimum(image * gain, 255)


def _cast(image: Values, percent: float, rng: np.random.Generator) -> Values:
    signs = _SIGNS[rng.integers(len(_SIGNS))]
    return np.minimum(image * (1 + np.array(signs) * percent / 100), 255)


_SIGNS = ((1, 1, -1), (1, -1, 1), (-1, 1, 1), (1, -1, -1), (-1, 1, -1), (-1, -1, 1))
_Change = Callable[[Values, float, np.random.Generator], Values]
_BOTH: dict[str, _Change] = {"noise": _noise, "blur": _blur}
_VISIBLE: dict[str, _Change] = {"gamma": _gamma, "over": _over, "cast": _cast}


def _parts(name: str) -> list[tuple[str, float]]:
    found = [_PART.fullmatch(part) for part in name.split("+")]
    parts = [(match[1], float(match[2])) for match in found if match]
    if len(parts) < len(found):
        raise InputError(
            f"{name}: not a degradation; use none, metrics, grid, or parts such as noise20, "
            "gamma2.2, over1.5, blur1 and cast20, joined by +."
        )
    return parts

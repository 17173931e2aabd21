"""A minimum contrast for every object that should stand out, whatever its brightness."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from ..colour import BT601, rgb_to_ycbcr
from .remodulation import contrast, soft_mask, surround

Floats = npt.NDArray[np.float32]
Labels = npt.NDArray[np.uint8]

#: CIEDE2000 by which strength 1 raises an object's contrast at least; 1 is just noticeable.
MIN_DIFFERENCE = 5.0
#: Minimum part of an object's own texture that is preserved.
MIN_TEXTURE = 0.15
#: For objects that cannot gain brightness or chroma: yellow and a dark blue, which differ most
#: from dark and from bright surrounds, and the other corners of the gamut.
TINTS = ((1, 1, 0), (0, 0, 0.3), (0, 1, 1), (0, 1, 0), (1, 0, 1), (1, 0, 0), (0, 0, 1), (0.3, 0, 0))
#: Bisections towards the target contrast.
BISECTIONS = 8


def ensure_visible(
    plain: Floats,
    shown: Floats,
    labels: Labels,
    strength: float | Mapping[int, float],
    measured: bool = False,
    level: Floats | None = None,
) -> tuple[Floats, list[int]]:
    """Raise the contrast of objects that re-modulation could not raise.

    Re-modulation works on brightness, so an object at full brightness gains nothing. It is then
    moved, as little as needed, towards fuller colour or further away in brightness, and only if
    that is not enough, towards another colour.

    Parameters
    ----------
    plain, shown : ndarray of float32, shape (Y, X) or (Y, X, 3)
        The image without and with re-modulation, in [0, 1].
    labels : ndarray of uint8, shape (Y, X)
    strength : float or mapping of int to float
        See `remodulation.gain_map`.
    measured : bool
        Whether colours encode measured values; their hue is then changed only as a last resort.
    level : ndarray of float32, shape (Y, X), optional
        Measured values, low to high: what is hot becomes brighter, what is cold darker. By default
        the image itself gives the direction.

    Returns
    -------
    picture : ndarray of float32, shape (Y, X) or (Y, X, 3)
        `shown`, amended inside the objects and identical elsewhere; in colour if a grey
        object had to be shown in colour.
    recoloured : list of int
        Labels that got another colour.
    """
    picture, recoloured = shown, []
    for value in map(int, np.unique(labels[labels != 0])):
        wanted = strength.get(value, 1.0) if isinstance(strength, Mapping) else strength
        inside, ring = labels == value, surround(labels, value)
        if not wanted or not ring.any():
            continue
        around = _mean(plain[ring])
        before = _difference(_mean(plain[inside]), around)
        target = before + MIN_DIFFERENCE * wanted
        start = _mean(picture[inside])
        if _difference(start, around) >= target:
            continue
        objects = picture[inside]
        weight = soft_mask(np.where(inside, labels, 0).astype(np.uint8))[inside]
        best: tuple[float, Floats, bool] = (_difference(start, around), objects, False)
        hotter = start[0] - around[0] if level is None else contrast(level, labels, value)
        brighter = bool(hotter >= 0)
        for changed, new_colour in _candidates(objects, brighter, measured, level is not None):
            reached = _difference(_blend_mean(objects, changed, weight, 1.0), around)
            if reached > best[0]:
                best = reached, changed, new_colour
            if reached >= target:
                break
        reached, changed, new_colour = best
        share = _least_blend(objects, changed, weight, around, target) if reached > target else 1.0
        if changed.ndim == 2 and picture.ndim == 2:
            picture = np.repeat(picture[..., None], 3, axis=-1)
        picture = picture.copy() if picture is shown else picture
        picture[inside] = _blended(_match_channels(objects, changed), changed, weight, share)
        recoloured += [value] if new_colour else []
    return picture, recoloured


def _candidates(
    objects: Floats, brighter: bool, measured: bool, directed: bool = False
) -> Iterator[tuple[Floats, bool]]:
    """Yield possible object pixels, least intrusive first, and whether the hue is new.

    If the measured values give the direction, none is in the other one: what is hot would look
    cold.
    """
    away, back = (1.0, 0.0) if brighter else (0.0, 1.0)
    if objects.ndim == 1:
        yield _towards(objects, away), False
    else:
        vivid = _vivid(objects)
        if measured:  # fuller colour first: brighter ones are paler, and colour is what is read
            yield vivid, False
        yield _towards(objects, away), False
        if not measured:
            yield vivid, False
        yield _towards(vivid, away), False
        if measured and not directed:
            yield _towards(vivid, back), False
    tints = (
        sorted(TINTS, key=lambda t: float(np.dot(t, BT601)), reverse=brighter)
        if directed
        else TINTS
    )
    for tint in tints:
        yield _towards(_match_channels(objects, np.empty((1, 3))), tint), True


def _towards(objects: Floats, goal: npt.ArrayLike) -> Floats:
    goal = np.asarray(goal, np.float32)
    return np.asarray(goal + np.float32(MIN_TEXTURE) * (objects - goal), np.float32)


def _vivid(objects: Floats) -> Floats:
    """Colours of the same brightness and hue with all the chroma that fits."""
    y = rgb_to_ycbcr(objects)[0][:, None]
    offset = objects - y
    with np.errstate(divide="ignore", invalid="ignore"):
        room = np.where(offset > 1e-3, (1 - y) / offset, np.inf)
        room = np.minimum(room, np.where(offset < -1e-3, -y / offset, np.inf))
    scale = np.nan_to_num(room.min(axis=-1, keepdims=True), posinf=1.0).clip(1, 4)
    return np.clip(y + scale * offset, 0, 1).astype(np.float32)


def _least_blend(
    objects: Floats, changed: Floats, weight: Floats, around: Floats, target: float
) -> float:
    """Find the smallest change that reaches the target contrast."""
    low, high = 0.0, 1.0
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        reached = _difference(_blend_mean(objects, changed, weight, middle), around)
        low, high = (low, middle) if reached >= target else (middle, high)
    return high


def _match_channels(objects: Floats, changed: npt.NDArray[Any]) -> Floats:
    return objects if objects.ndim == changed.ndim else np.repeat(objects[:, None], 3, axis=-1)


def _blended(objects: Floats, changed: Floats, weight: Floats, share: float) -> Floats:
    part = np.float32(share) * (weight if changed.ndim == 1 else weight[:, None])
    return (objects + part * (changed - objects)).astype(np.float32)


def _blend_mean(objects: Floats, changed: Floats, weight: Floats, share: float) -> Floats:
    return _mean(_blended(_match_channels(objects, changed), changed, weight, share))


def _mean(pixels: Floats) -> Floats:
    """Mean CIELAB of sRGB or grey pixels."""
    from skimage.color import rgb2lab

    rgb = pixels if pixels.ndim == 2 else np.repeat(pixels[:, None], 3, axis=-1)
    return np.asarray(rgb2lab(np.clip(rgb, 0, 1)).mean(axis=0, dtype=np.float64))


def _difference(colour: Floats, other: Floats) -> float:
    """CIEDE2000 of two CIELAB colours."""
    from skimage.color import deltaE_ciede2000

    return float(deltaE_ciede2000(colour, other))

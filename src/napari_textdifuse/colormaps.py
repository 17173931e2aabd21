"""Colour maps: conversion of measured levels to colours."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from .errors import InputError

Floats = npt.NDArray[np.float32]

#: Entries of a looked-up map; values between them are interpolated.
SIZE = 256
#: Default colour map of functional images.
DEFAULT = "functional"

#: Evenly spaced colours from level 0 to 1. "functional" runs from black through violet, magenta,
#: red and orange to yellow and never to white: hue and chroma grow with the level, so it can be
#: read when the anatomy takes the brightness. Its knots are spaced so that equal steps of level are
#: about equal in CIEDE2000, on the map itself and over an anatomy of any brightness
#: (`benchmarks/chart.py`).
_EVEN: dict[str, tuple[tuple[float, float, float], ...]] = {
    "functional": (
        (0.00, 0.00, 0.00),
        (0.06, 0.00, 0.08),
        (0.18, 0.00, 0.19),
        (0.39, 0.00, 0.22),
        (0.52, 0.00, 0.12),
        (0.64, 0.03, 0.00),
        (0.75, 0.22, 0.00),
        (0.82, 0.39, 0.00),
        (0.88, 0.55, 0.00),
        (0.94, 0.72, 0.00),
        (1.00, 0.92, 0.00),
    ),
    "gray": ((0, 0, 0), (1, 1, 1)),
    "red": ((0, 0, 0), (1, 0, 0)),
    "green": ((0, 0, 0), (0, 1, 0)),
    "blue": ((0, 0, 0), (0, 0, 1)),
    "cyan": ((0, 0, 0), (0, 1, 1)),
    "magenta": ((0, 0, 0), (1, 0, 1)),
    "yellow": ((0, 0, 0), (1, 1, 0)),
}
#: Colour maps that need no other library.
BUILT_IN = (*_EVEN, "hot")


def hot(values: Floats) -> Floats:
    """Black, red, yellow, white: the "hot metal" map in which PET is commonly shown.

    Parameters
    ----------
    values : ndarray, shape (...)
        In [0, 1].

    Returns
    -------
    ndarray of float32, shape (..., 3)
    """
    knots = np.array([0.0, 0.365079, 0.746032, 1.0])
    channels = ([0, 1, 1, 1], [0, 0, 1, 1], [0, 0, 0, 1])
    rgb = [np.interp(values, knots, np.asarray(c, dtype=float)) for c in channels]
    return np.stack(rgb, axis=-1).astype(np.float32)


def colour_table(colormap: Any = DEFAULT) -> Floats:
    """Look up a colour map.

    Parameters
    ----------
    colormap : str, array_like of shape (N, 3) or (N, 4), or colour map object
        A name of `BUILT_IN`, or of matplotlib or napari if installed; colours in
        [0, 1] (or uint8) at evenly spaced levels; or an object of napari (with ``map``) or
        matplotlib (called with levels). Alpha is ignored.

    Returns
    -------
    ndarray of float32, shape (SIZE, 3)
        sRGB in [0, 1] at levels 0 to 1.

    Raises
    ------
    InputError
        If there is no such map, or its colours cannot be used.
    """
    levels = np.linspace(0, 1, SIZE)
    if isinstance(colormap, str):
        if colormap == "hot":
            return hot(levels.astype(np.float32))
        colormap = _installed(colormap) if colormap not in _EVEN else _EVEN[colormap]
    if hasattr(colormap, "map"):
        colormap = colormap.map(levels.astype(np.float32))
    elif callable(colormap):
        colormap = colormap(levels)
    try:
        colours = np.asarray(colormap)
        if colours.dtype == np.uint8:
            colours = colours / 255.0
        colours = colours.astype(np.float64)
    except (TypeError, ValueError):
        colours = np.empty(0)
    if colours.ndim != 2 or colours.shape[1] not in (3, 4) or len(colours) < 2:
        raise InputError(
            "a colour map must be a name, an array of at least two colours with shape (N, 3) or "
            "(N, 4), "
            "or a colour map of napari or matplotlib."
        )
    colours = colours[:, :3]
    if not np.isfinite(colours).all() or colours.min() < -1e-3 or colours.max() > 1 + 1e-3:
        raise InputError(
            "the colours of a colour map must lie in [0, 1]; scale them, or use uint8."
        )
    at = np.linspace(0, 1, len(colours))
    table = np.stack([np.interp(levels, at, channel) for channel in colours.T], axis=-1)
    return np.clip(table, 0, 1).astype(np.float32)


def apply_colours(table: Floats, values: Floats) -> Floats:
    """Convert levels to colours, with linear interpolation between the table's entries.

    Parameters
    ----------
    table : ndarray, shape (N, 3)
    values : ndarray, shape (...)
        In [0, 1].

    Returns
    -------
    ndarray of float32, shape (..., 3)
    """
    at = np.linspace(0, 1, len(table))
    out = np.empty((*values.shape, 3), np.float32)
    for channel in range(3):
        out[..., channel] = np.interp(values, at, table[:, channel])
    return out


def colormap_name(colormap: Any) -> str:
    """Name a colour map for the record."""
    if isinstance(colormap, str):
        return colormap
    return str(getattr(colormap, "name", "given colours"))


def _installed(name: str) -> Any:
    """Find a colour map of matplotlib or napari, whichever is installed; neither is required."""
    for module, attribute in (
        ("matplotlib", "colormaps"),
        ("napari.utils.colormaps", "AVAILABLE_COLORMAPS"),
    ):
        try:
            known = getattr(importlib.import_module(module), attribute)
        except ImportError:
            continue
        if name in known:
            return known[name]
    raise InputError(
        f"there is no colour map {name!r}; use {', '.join(BUILT_IN)}, a colour map of matplotlib "
        "or napari (if installed), or an array of colours."
    )


@dataclass(frozen=True)
class ColourChoice:
    """Which image provides the colours, and the colours of grey values.

    Parameters
    ----------
    table : ndarray of float32, shape (N, 3)
        Colours of functional and tinted images at levels 0 to 1.
    name : str
        Of the colour map, for the record.
    tint : {"a", "b"} or None
        Grey image that is displayed in colour.
    source : {"a", "b"} or None
        Image that provides the colours if both have some.
    """

    table: Floats
    name: str = DEFAULT
    tint: str | None = None
    source: str | None = None


def choose_colours(
    colormap: Any = None, tint: str | None = None, source: str | None = None
) -> ColourChoice:
    """Look up the colour map; see `fuse` for the parameters.

    Raises
    ------
    InputError
        If there is no such colour map.
    """
    colormap = DEFAULT if colormap is None else colormap
    return ColourChoice(colour_table(colormap), colormap_name(colormap), tint, source)

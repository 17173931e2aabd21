"""How images and masks look in the viewer: colour maps, contrast limits, blending."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import cycle
from typing import Any

import numpy as np

from ..intensity import default_window
from ..volume import FUNCTIONAL, Volume

#: Colours of labels 1, 2, ... that neither grey nor the maps of functional images have.
LABEL_COLOURS = ("cyan", "lime", "magenta", "dodgerblue", "violet", "springgreen")


def display(volume: Volume) -> dict[str, Any]:
    """Return the display attributes of an image layer."""
    if volume.rgb:
        return {"rgb": True}
    shown: dict[str, Any] = {"rgb": False, "colormap": "gray"}
    if volume.modality in FUNCTIONAL:
        shown["colormap"] = fusion_map()
    if volume.array.dtype.kind != "f" or np.isfinite(volume.array).any():
        window = default_window(volume)
        shown["contrast_limits"] = (window.low, window.high)
    return shown


def fusion_map() -> Any:
    """Return the colour map in which functional images are fused, as napari takes it.

    A layer with this map registers it in napari under its name.
    """
    from napari.utils.colormaps import Colormap

    from ..colormaps import DEFAULT, colour_table

    return Colormap(colour_table(DEFAULT), name=DEFAULT, display_name=DEFAULT)


def label_colours(objects: Iterable[int]) -> Any:
    """Return the colours of a mask's objects."""
    from napari.utils.colormaps import direct_colormap

    colours: dict[int | None, str] = {None: "transparent", 0: "transparent"}
    colours |= dict(zip(objects, cycle(LABEL_COLOURS), strict=False))
    return direct_colormap(colours)


def as_saved(look: Mapping[str, Any]) -> dict[str, Any]:
    """Return the attributes of a layer that was saved; see `saved_look`."""
    from napari.utils.colormaps import AVAILABLE_COLORMAPS

    shown = {key: look[key] for key in ("colormap", "contrast_limits") if look.get(key)}
    if shown.get("colormap") not in AVAILABLE_COLORMAPS:
        shown.pop("colormap", None)
    return shown


def saved_look(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Return the display attributes to keep in a layer's record, for reopening it.

    Parameters
    ----------
    attributes : mapping
        As napari passes them to writers.
    """
    look: dict[str, Any] = {"name": str(attributes.get("name", ""))}
    colormap = attributes.get("colormap")
    if "rgb" in attributes and not attributes["rgb"] and colormap is not None:
        look["colormap"] = colormap["name"] if isinstance(colormap, dict) else str(colormap)
        look["contrast_limits"] = [float(v) for v in attributes["contrast_limits"]]
    return look

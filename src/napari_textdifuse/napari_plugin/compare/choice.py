"""The layers that can be compared, and which of them belong together."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from itertools import permutations
from typing import Any

from napari.layers import Image

from ..layers import KEY
from .mode import is_comparison


def images_of(layers: Iterable[Any]) -> list[Image]:
    """Return the image layers, except those made by a comparison."""
    return [v for v in layers if isinstance(v, Image) and not is_comparison(v)]


def is_fused(layer: Any) -> bool:
    """Return whether an image layer is the result of a fusion."""
    return isinstance(layer, Image) and "record" in layer.metadata.get(KEY, {})


def guess_sources(fused: Image, layers: Iterable[Any]) -> tuple[Image | None, Image | None]:
    """Find the layers that a fused one was made of.

    Names come first: those in ``metadata["textdifuse"]["sources"]`` (``{"a": ..., "b": ...}`` or
    two in order), then those in the fused layer's own name. Otherwise the record's shape, modality
    and unit must fit one layer and no other.

    Parameters
    ----------
    fused : napari.layers.Image
    layers : iterable of layers
        Of the viewer.

    Returns
    -------
    a, b : Image or None
        None if no layer matches, or more than one.
    """
    known = fused.metadata.get(KEY, {})
    images = [v for v in images_of(layers) if v is not fused]
    sources = known.get("sources", ())
    names = list(sources.values() if isinstance(sources, Mapping) else sources)
    if len(names) == 2:
        found = [_by_name(images, str(name)) for name in names]
        if all(found):
            return found[0], found[1]
    title = _plain(fused.name)
    for a, b in permutations(images, 2):
        if any(title == f"Fused: {x} + {y}" for x in _names(a, title) for y in _names(b, title)):
            return a, b
    inputs = known.get("record", {}).get("inputs", {})
    a, b = (_by_facts(images, inputs.get(role, {})) for role in ("a", "b"))
    return (a, b) if a is not b else (None, None)


def recorded_window(fused: Image, role: str, unit: str) -> tuple[float, float] | None:
    """Return the window that a source was fused with, if the record has one in its unit."""
    facts = fused.metadata.get(KEY, {}).get("record", {}).get("inputs", {}).get(role, {})
    window = facts.get("window")
    if window is None or facts.get("unit") != unit:
        return None
    return float(window[0]), float(window[1])


def shown_time(viewer: Any, layer: Any) -> int:
    """Return the time point of a (T, Z, Y, X) layer that the viewer shows."""
    dims = viewer.dims
    if layer.ndim != 4 or dims.ndim < 4:
        return 0
    world = dims.point[dims.ndim - 4]
    place = layer.world_to_data((world, *layer.translate[1:]))[0]
    last = int(layer.level_shapes[0][0] if layer.multiscale else layer.data.shape[0]) - 1
    return min(max(round(float(place)), 0), last)


def _plain(name: str) -> str:
    """Drop the number that napari adds to a name that is taken."""
    return re.sub(r" \[\d+\]$", "", name)


def _names(layer: Any, title: str) -> list[str]:
    """Return the title of a layer, with its time point if it is a series."""
    name = str(layer.name)
    if layer.ndim != 4:
        return [name]
    return [f"{name} (time point {t})" for t in re.findall(r"\(time point (\d+)\)", title)]


def _by_name(images: list[Image], name: str) -> Image | None:
    name = re.sub(r" \(time point \d+\)$", "", name)
    return next((v for v in images if v.name == name), None)


def _by_facts(images: list[Image], facts: Mapping[str, Any]) -> Image | None:
    def fits(layer: Image) -> bool:
        known = layer.metadata.get(KEY, {})
        shape = layer.level_shapes[0] if layer.multiscale else layer.data.shape
        return (
            "record" not in known
            and list(map(int, shape[-len(facts["shape"]) :])) == list(facts["shape"])
            and known.get("modality") == facts.get("modality")
            and known.get("unit", "a.u.") == facts.get("unit", "a.u.")
        )

    found = [v for v in images if facts.get("shape") and fits(v)]
    return found[0] if len(found) == 1 else None

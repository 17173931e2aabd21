"""A fusion's result as layer data: its identity, its names and its geometry.

A result belongs to its two images, the chosen slices, the terms that were emphasised and the
settings. ``layer.metadata["textdifuse"]["result"]`` contains ``id`` (the same for the same result),
``role`` (which of its layers this is) and ``complete``.
"""

from __future__ import annotations

import gc
import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ..volume import LABEL_UNIT, Array, Volume
from .layers import GEOMETRY, KEY, LayerData, Placement, label_features
from .looks import label_colours

if TYPE_CHECKING:
    from napari.components import LayerList
    from napari.layers import Layer

    from ..fusion import FusionResult

#: Images that can be shown in addition to the fused one and its mask.
EXTRAS = ("contribution", "uncertainty", "difference", "boxes")
#: In ``metadata["textdifuse"]``: which result a layer belongs to, and as what.
RESULT = "result"
#: Width of a mask's outline, in pixels of the mask.
OUTLINE = 1
#: Fields of the record that distinguish results of the same images.
_IDENTITY = (
    "weights",
    "weights_sha256",
    "quality",
    "steps",
    "seed",
    "samples",
    "sampler",
    "strength",
    "locator",
    "slices",
    "time",
    "colour_from",
    "chroma",
    "restore",
    "balance",
    "colormap",
    "tint",
)
#: More terms than this are counted.
_TERMS = 3


@dataclass(frozen=True)
class Title:
    """Return the words that distinguish a result from others.

    Parameters
    ----------
    pair : str
        Both images.
    terms : str
        What was emphasised; empty if nothing was.
    rest : str
        Slices and settings that are not the default, with a leading comma; or empty.
    """

    pair: str
    terms: str = ""
    rest: str = ""

    @property
    def fused(self) -> str:
        """Name of the fused layer."""
        terms = f", {self.terms}" if self.terms else ""
        return f"Fused: {self.pair}{terms}{self.rest}"

    def other(self, what: str) -> str:
        """Name of another layer of the result."""
        return f"{what}: {self.terms or 'no prompt'}{self.rest} ({self.pair})"


def make_title(
    pair: str, names: Iterable[str], slices: dict[str, Any] | None, settings: Sequence[str] = ()
) -> Title:
    """Name a result.

    Parameters
    ----------
    pair : str
    names : iterable of str
        The terms, in the words of the lexicon.
    slices : dict or None
        As in the record: ``axis``, ``first``, ``last`` and ``of``.
    settings : sequence of str
        Those that are not the default.
    """
    terms = list(dict.fromkeys(names))
    shown = ", ".join(terms[:_TERMS])
    if len(terms) > _TERMS:
        shown += f" and {len(terms) - _TERMS} more"
    rest = [part for part in (extent_words(slices), *settings) if part]
    return Title(pair, shown, "".join(f", {part}" for part in rest))


def with_balance(settings: Sequence[str], balance: float) -> tuple[str, ...]:
    """Return settings with another balance, in the order in which names have them."""
    words = [word for word in settings if not word.startswith("balance ")]
    before = [word for word in words if word in ("fast", "best") or word.startswith("strength ")]
    if balance:
        words.insert(len(before), f"balance {balance:+g}")
    return tuple(words)


def extent_words(slices: dict[str, Any] | None) -> str:
    """Describe a record's ``slices``; empty for the whole volume."""
    if not slices:
        return ""
    first, last = int(slices["first"]), int(slices["last"])
    axis = ("", " of y", " of x")[int(slices.get("axis", 0))]
    if first == 0 and last + 1 == int(slices.get("of", -1)):
        return f"sliced along {'zyx'[int(slices['axis'])]}" if axis else ""
    return f"slice {first}{axis}" if first == last else f"slices {first}-{last}{axis}"


def identity(record: dict[str, Any], names: Iterable[str], drawn: str | None = None) -> str:
    """Return an identifier of a result that does not depend on the wording of the prompt.

    Parameters
    ----------
    record : dict
    names : iterable of str
        The terms, in the words of the lexicon.
    drawn : str, optional
        Name of the layer that was the prompt.
    """
    images = record.get("inputs", {})
    parts: dict[str, Any] = {key: record.get(key) for key in _IDENTITY}
    parts["inputs"] = {
        role: {key: image.get(key) for key in ("sha256", "shape", "window", "modality", "unit")}
        for role, image in images.items()
    }
    parts["registration"] = (record.get("registration") or {}).get("kind")
    parts["terms"] = [drawn] if drawn is not None else sorted(set(names))
    text = json.dumps(parts, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def result_of(layer: Any) -> dict[str, Any]:
    """Return the result that a layer belongs to; empty for other layers."""
    found = {} if layer is None else layer.metadata.get(KEY, {}).get(RESULT, {})
    return found if isinstance(found, dict) else {}


def is_result(layer: Any) -> bool:
    """Return whether a fusion made this layer, now or before it was saved."""
    known = layer.metadata.get(KEY, {})
    return "record" in known or RESULT in known


def result_layers(
    result: FusionResult,
    a: Placement,
    name_b: str,
    title: Title,
    *,
    key: str = "",
    start: tuple[int, int] = (0, 0),
    sources: Sequence[tuple[str, Volume]] = (),
    shown: Sequence[str] = (),
) -> list[LayerData]:
    """Make the layers of a result, from the lowest to the highest; the mask is the last.

    Parameters
    ----------
    result : FusionResult
    a : Placement
        Of image A; every layer gets exactly its geometry, or that of its chosen slices.
    name_b : str
        Name of image B's layer.
    title : Title
    key : str
        See `identity`.
    start : tuple of int
        Axis of the chosen slices and the first of them.
    sources : sequence of (str, Volume)
        Name and brightness of both images in [0, 1] on the grid of the result, for differences.
    shown : sequence of str
        Of `EXTRAS`.

    Returns
    -------
    list of (ndarray, dict, str)
        ``metadata["textdifuse"]`` contains ``affine``, ``record``, ``objects`` (label: name),
        ``sources`` (names of the layers) and ``result``.
    """
    geometry = cut_geometry(a, *start)
    complete = bool(result.record.get("complete", True))
    known: dict[str, Any] = {
        "record": result.record,
        "objects": {str(label): name for label, name in result.label_names.items()},
        "sources": {"a": a.name, "b": name_b},
    }
    if result.affine is not None:
        placed = a.matrix.copy()
        placed[:, -1] = a.matrix @ _first(a, *start)
        known |= {"affine": result.affine.tolist(), "placed": placed.tolist()}

    def attributes(role: str, name: str, unit: str = "a.u.") -> dict[str, Any]:
        belongs = {"id": key, "role": role, "complete": complete}
        meta = {KEY: known | {"unit": unit, RESULT: belongs}}
        return geometry | {"name": name + ("" if complete else " (incomplete)"), "metadata": meta}

    def extra(array: Array, role: str, what: str, **look: Any) -> LayerData:
        hidden = {"visible": False, "rgb": False, "contrast_limits": (0.0, 1.0)}
        return array, attributes(role, title.other(what)) | hidden | look, "image"

    layers = []
    if "contribution" in shown:
        what = f"Share of {a.name}"
        layers.append(extra(result.contribution, "contribution", what, colormap="viridis"))
    if "uncertainty" in shown and result.uncertainty is not None:
        limits = (0.0, max(float(result.uncertainty.max()), 1e-3))
        look = {"contrast_limits": limits, "colormap": "inferno"}
        layers.append(extra(result.uncertainty, "uncertainty", "Uncertainty", **look))
    if "difference" in shown:
        luma = _brightness(result)
        look = {"contrast_limits": (-1.0, 1.0), "colormap": "PiYG"}
        for role, (name, volume) in zip("ab", sources, strict=False):
            difference = luma - volume.array
            layers.append(extra(difference, f"less {role}", f"Fused minus {name}", **look))
    grey = {"rgb": False, "contrast_limits": (0.0, 1.0), "colormap": "gray"}
    display = {"rgb": True} if result.rgb else grey
    layers.append((result.fused, attributes("fused", title.fused) | display, "image"))
    if "boxes" in shown and len(result.detections):
        corners, look = _boxes(result)
        layers.append((corners, attributes("boxes", title.other("Boxes")) | look, "shapes"))  # type: ignore[arg-type]
    if result.mask is not None:
        layers.append((result.mask, attributes("mask", title.other("Mask"), LABEL_UNIT), "labels"))
        layers[-1][1].update(_mask_look(result))
    return layers


def cut_geometry(a: Placement, axis: int = 0, first: int = 0) -> dict[str, Any]:
    """Return the geometry of a layer's slices from the `first` one on, along an array axis."""
    if not first:
        return dict(a.geometry)
    from napari.utils.transforms import Affine

    known = {key: a.geometry[key] for key in ("scale", "rotate", "shear") if key in a.geometry}
    step = np.zeros(len(a.geometry["translate"]))
    step[axis] = first
    moved = np.asarray(a.geometry["translate"]) + Affine(**known).linear_matrix @ step
    return dict(a.geometry) | {"translate": moved}


def _first(a: Placement, axis: int, first: int) -> npt.NDArray[np.float64]:
    index = np.zeros(len(a.matrix))
    index[-1] = 1
    if first:
        index[axis] = first
    return index


def _brightness(result: FusionResult) -> npt.NDArray[np.float32]:
    from ..colour import rgb_to_ycbcr

    return rgb_to_ycbcr(result.fused)[0] if result.rgb else result.fused


def _mask_look(result: FusionResult) -> dict[str, Any]:
    """Return the display of a mask: outlines, so that what it marks stays visible."""
    return {
        "colormap": label_colours(result.label_names),
        "features": label_features(result.label_names, result.objects),
        "opacity": 1.0,
    }


def _boxes(result: FusionResult) -> tuple[list[npt.NDArray[np.float64]], dict[str, Any]]:
    """Return rectangles around the objects; in a volume in the middle slice of each."""
    corners = []
    for box in result.detections.boxes.astype(float):
        low, high = np.split(box, 2)
        x0, y0, x1, y1 = low[0] - 0.5, low[1] - 0.5, high[0] - 0.5, high[1] - 0.5
        rectangle = np.array([[y0, x0], [y0, x1], [y1, x1], [y1, x0]])
        if len(low) == 3:
            middle = np.floor((low[2] + high[2] - 1) / 2)
            rectangle = np.c_[np.full(4, middle), rectangle]
        corners.append(rectangle)
    found = result.detections
    return corners, {
        "shape_type": "rectangle",
        "face_color": "transparent",
        "edge_color": "yellow",
        "features": {
            "object": list(found.labels),
            "score": [float(v) for v in found.scores],
            "found in": list(found.sources),
        },
    }


def fits(layer: Any, layer_data: LayerData) -> bool:
    """Return whether a layer can be updated with another result."""
    data, attributes, kind = layer_data
    return (
        layer._type_string == kind
        and kind != "shapes"
        and layer.data.ndim == data.ndim
        and getattr(layer, "rgb", False) == attributes.get("rgb", False)
    )


def update(layer: Any, layer_data: LayerData) -> None:
    """Update a layer with a result; the user's display settings are kept."""
    data, attributes, _ = layer_data
    layer.data = data
    for key in (*GEOMETRY, "metadata", "features"):
        if key in attributes:
            setattr(layer, key, attributes[key])
    if layer.name != attributes["name"]:
        layer.name = attributes["name"]


def put_in(layers: LayerList, place: int, layer: Layer) -> None:
    """Insert a layer without selecting it.

    Parameters
    ----------
    layers : LayerList
    place : int
    layer : Layer
    """
    selected = set(layers.selection)
    layers.insert(place, layer)
    layers.selection = selected


def take_out(layers: LayerList, layer: Layer) -> None:
    """Remove a layer without a search of all of Python's objects; see `at_once`.

    Parameters
    ----------
    layers : LayerList
    layer : Layer
    """
    with _young_garbage_only():
        layers.remove(layer)


@contextmanager
def at_once(layers: LayerList) -> Iterator[None]:
    """Let the canvas follow several insertions and removals with one update at the end.

    Parameters
    ----------
    layers : LayerList
    """
    with _young_garbage_only(), layers.batched_update():
        yield


@contextmanager
def _young_garbage_only() -> Iterator[None]:
    """Limit explicit collections of garbage to what is young.

    napari collects all garbage for each removed layer, which takes a third of a second in a full
    viewer. To freeze the objects meanwhile only postpones it: Python then takes none of them for
    old, and soon searches all of them by itself.
    """
    collect = gc.collect
    gc.collect = lambda generation=1: collect(min(generation, 1))
    try:
        yield
    finally:
        gc.collect = collect

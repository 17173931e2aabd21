"""A fusion's result as layers, and their place in the viewer."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import cycle
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ..volume import LABEL_UNIT, Array, Volume
from .layers import GEOMETRY, KEY, LayerCopy, LayerData, label_features

if TYPE_CHECKING:
    from napari.components import LayerList
    from napari.layers import Layer

    from ..fusion import FusionResult

#: Colours of labels 1, 2, ... that neither grey nor the hot map has.
LABEL_COLOURS = ("cyan", "lime", "magenta", "dodgerblue", "violet", "springgreen")


#: Images that may be shown besides the fused one and its mask.
EXTRAS = ("contribution", "uncertainty", "difference", "boxes")


def result_layers(
    result: FusionResult,
    a: LayerCopy,
    name_b: str,
    prompt: str | None,
    *,
    start: tuple[int, int] = (0, 0),
    sources: Sequence[tuple[str, Volume]] = (),
    shown: Sequence[str] = (),
) -> list[LayerData]:
    """Make the layers of a result: the fused image, the mask if there is one, and what is asked.

    Parameters
    ----------
    result : FusionResult
    a : LayerCopy
        Image A; every layer gets exactly its geometry, or that of its chosen slices.
    name_b : str
        Name of image B's layer.
    prompt : str or None
    start : tuple of int
        Axis of the chosen slices and the first of them.
    sources : sequence of (str, Volume)
        Name and brightness of both images in [0, 1] on the grid of the result, for differences.
    shown : sequence of str
        Of `EXTRAS`.

    Returns
    -------
    list of (ndarray, dict, str)
        ``metadata["textdifuse"]`` holds ``affine``, ``record``, ``objects`` (label: name) and
        ``sources`` (names of the layers).
    """
    from napari.utils.colormaps import direct_colormap

    geometry = cut_geometry(a, *start)
    known: dict[str, Any] = {
        "record": result.record,
        "objects": {str(label): name for label, name in result.label_names.items()},
        "sources": {"a": a.name, "b": name_b},
    }
    if result.affine is not None:
        placed = a.matrix.copy()
        placed[:, -1] = a.matrix @ _first(a, *start)
        known |= {"affine": result.affine.tolist(), "placed": placed.tolist()}
    title = f"{a.name} + {name_b}"
    grey = {"rgb": False, "contrast_limits": (0.0, 1.0)}
    incomplete = "" if result.record.get("complete", True) else " (incomplete)"

    def image(array: Array, name: str, **attributes: Any) -> LayerData:
        meta = {"name": name, "metadata": {KEY: known | {"unit": "a.u."}}}
        return array, geometry | meta | attributes, "image"

    fused = {"rgb": True} if result.rgb else grey | {"colormap": "gray"}
    layers = [image(result.fused, fused_name(a.name, name_b) + incomplete, **fused)]
    extra = {"visible": False, **grey}
    if "contribution" in shown:
        share = f"Share of {a.name}: {title}{incomplete}"
        layers.append(image(result.contribution, share, colormap="viridis", **extra))
    if "uncertainty" in shown and result.uncertainty is not None:
        limits = {"contrast_limits": (0.0, max(float(result.uncertainty.max()), 1e-3))}
        name = f"Uncertainty: {title}{incomplete}"
        layers.append(image(result.uncertainty, name, **{**extra, **limits, "colormap": "inferno"}))
    if "difference" in shown:
        luma = _brightness(result)
        for name, volume in sources:
            signed = {"contrast_limits": (-1.0, 1.0), "colormap": "PiYG"}
            title_of = f"Fused less {name}: {title}{incomplete}"
            layers.append(image(luma - volume.array, title_of, **{**extra, **signed}))
    if result.mask is not None:
        mask = {
            "name": f"Mask: {prompt or 'drawn'}{incomplete}",
            "metadata": {KEY: known | {"unit": LABEL_UNIT}},
            "colormap": direct_colormap(_colours(result.label_names)),
            "features": label_features(result.label_names),
        }
        layers.append((result.mask, geometry | mask, "labels"))
    if "boxes" in shown and len(result.detections):
        layers.append(_boxes(result, geometry, known, f"Boxes: {prompt or 'drawn'}{incomplete}"))
    return layers


def fused_name(a: str, b: str) -> str:
    """Return the name of the fused layer of two layers."""
    return f"Fused: {a} + {b}"


def earlier_result(layers: LayerList, name: str) -> Any | None:
    """Return the layer of this name that a fusion made, if there is one."""
    for layer in layers:
        if layer.name == name and "record" in layer.metadata.get(KEY, {}):
            return layer
    return None


def cut_geometry(a: LayerCopy, axis: int = 0, first: int = 0) -> dict[str, Any]:
    """Return the geometry of a layer's slices from the `first` one on, along an array axis."""
    if not first:
        return dict(a.geometry)
    from napari.utils.transforms import Affine

    known = {key: a.geometry[key] for key in ("scale", "rotate", "shear") if key in a.geometry}
    step = np.zeros(len(a.geometry["translate"]))
    step[axis] = first
    moved = np.asarray(a.geometry["translate"]) + Affine(**known).linear_matrix @ step
    return dict(a.geometry) | {"translate": moved}


def _first(a: LayerCopy, axis: int, first: int) -> npt.NDArray[np.float64]:
    index = np.zeros(len(a.matrix))
    index[-1] = 1
    if first:
        index[axis] = first
    return index


def _brightness(result: FusionResult) -> npt.NDArray[np.float32]:
    from ..colour import rgb_to_ycbcr

    return rgb_to_ycbcr(result.fused)[0] if result.rgb else result.fused


def _boxes(
    result: FusionResult, geometry: dict[str, Any], known: dict[str, Any], name: str
) -> LayerData:
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
    attributes = {
        "name": name,
        "shape_type": "rectangle",
        "face_color": "transparent",
        "edge_color": "yellow",
        "features": {
            "object": list(found.labels),
            "score": [float(v) for v in found.scores],
            "found in": list(found.sources),
        },
        "metadata": {KEY: known},
    }
    return corners, geometry | attributes, "shapes"  # type: ignore[return-value]


def _colours(labels: Iterable[int]) -> dict[int | None, str]:
    shown = zip(labels, cycle(LABEL_COLOURS), strict=False)
    return {None: "transparent", 0: "transparent", **dict(shown)}


def show_layer(
    layers: LayerList, layer_data: LayerData, *, replace: bool = True, target: Any = None
) -> Layer:
    """Add a result to the viewer, or update the earlier result of the same name in place.

    A layer of that name that this plugin did not make is left alone; the new one then gets
    another name from napari. How the user displays an updated layer is kept.

    Parameters
    ----------
    layers : LayerList
    layer_data : tuple of (ndarray, dict, str)
    replace : bool
        False always adds a layer.
    target : Layer, optional
        A layer that was made for this result.

    Returns
    -------
    Layer
        The one in the viewer.
    """
    from napari.layers import Layer

    data, attributes, kind = layer_data
    earlier = earlier_result(layers, attributes["name"]) if replace else None
    if target is not None:
        if earlier is not None and earlier is not target:
            layers.remove(earlier)  # it did not fit, so the preview was a layer of its own
            target.name = attributes["name"]
        earlier = target
    if earlier is None:
        made = Layer.create(*layer_data)
        layers.append(made)
        return made
    if _fits(earlier, layer_data):
        earlier.data = data
        for key in (*GEOMETRY, "metadata", "features"):
            if key in attributes:
                setattr(earlier, key, attributes[key])
        return earlier
    index = layers.index(earlier)
    layers.remove(earlier)
    made = Layer.create(data, attributes, kind)
    layers.insert(index, made)
    return made


def _fits(layer: Any, layer_data: LayerData) -> bool:
    data, attributes, kind = layer_data
    same_kind = layer._type_string == kind
    return (
        same_kind
        and kind != "shapes"
        and layer.data.ndim == data.ndim
        and getattr(layer, "rgb", False) == attributes.get("rgb", False)
    )

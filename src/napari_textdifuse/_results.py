"""A fusion's result as layers, and their place in the viewer."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import cycle
from typing import TYPE_CHECKING, Any

from ._layers import GEOMETRY, KEY, LayerCopy, LayerData, label_features
from .volume import LABEL_UNIT

if TYPE_CHECKING:
    from napari.components import LayerList

    from .fusion import FusionResult

#: Colours of labels 1, 2, ... that neither grey nor the hot map has.
LABEL_COLOURS = ("cyan", "lime", "magenta", "dodgerblue", "violet", "springgreen")


def result_layers(
    result: FusionResult, a: LayerCopy, name_b: str, prompt: str | None
) -> list[LayerData]:
    """Make the layers of a result: the fused image, and the mask if there is one.

    Parameters
    ----------
    result : FusionResult
    a : LayerCopy
        Image A; every layer gets exactly its geometry.
    name_b : str
        Name of image B's layer.
    prompt : str or None

    Returns
    -------
    list of (ndarray, dict, str)
        ``metadata["textdifuse"]`` holds ``affine``, ``record`` and ``objects`` (label: name).
    """
    from napari.utils.colormaps import direct_colormap

    known: dict[str, Any] = {
        "record": result.record,
        "objects": {str(label): name for label, name in result.label_names.items()},
    }
    if result.affine is not None:
        known |= {"affine": result.affine.tolist(), "placed": a.matrix.tolist()}
    fused = {
        "name": f"Fused: {a.name} + {name_b}",
        "rgb": result.rgb,
        "metadata": {KEY: known | {"unit": "a.u."}},
    }
    if not result.rgb:
        fused |= {"colormap": "gray", "contrast_limits": (0.0, 1.0)}
    layers: list[LayerData] = [(result.fused, a.geometry | fused, "image")]
    if result.mask is not None:
        mask = {
            "name": f"Mask: {prompt}",
            "metadata": {KEY: known | {"unit": LABEL_UNIT}},
            "colormap": direct_colormap(_colours(result.label_names)),
            "features": label_features(result.label_names),
        }
        layers.append((result.mask, a.geometry | mask, "labels"))
    return layers


def _colours(labels: Iterable[int]) -> dict[int | None, str]:
    shown = zip(labels, cycle(LABEL_COLOURS), strict=False)
    return {None: "transparent", 0: "transparent", **dict(shown)}


def show_layer(layers: LayerList, layer_data: LayerData) -> None:
    """Add a result to the viewer, or update the earlier result of the same name in place.

    A layer of that name that this plugin did not make is left alone; the new one then gets
    another name from napari. How the user displays an updated layer is kept.

    Parameters
    ----------
    layers : LayerList
    layer_data : tuple of (ndarray, dict, str)
    """
    from napari.layers import Layer

    data, attributes, kind = layer_data
    earlier = next(
        (
            layer
            for layer in layers
            if layer.name == attributes["name"] and "record" in layer.metadata.get(KEY, {})
        ),
        None,
    )
    if earlier is None:
        layers.append(Layer.create(*layer_data))
    elif _fits(earlier, layer_data):
        earlier.data = data
        for key in (*GEOMETRY, "metadata", "features"):
            if key in attributes:
                setattr(earlier, key, attributes[key])
    else:
        index = layers.index(earlier)
        layers.remove(earlier)
        layers.insert(index, Layer.create(data, attributes, kind))


def _fits(layer: Any, layer_data: LayerData) -> bool:
    data, attributes, kind = layer_data
    same_kind = layer._type_string == kind
    return (
        same_kind
        and layer.data.ndim == data.ndim
        and getattr(layer, "rgb", False) == attributes.get("rgb", False)
    )

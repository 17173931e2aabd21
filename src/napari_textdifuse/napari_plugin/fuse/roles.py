"""Which layer is the anatomy or the scene, and which one lies on top of it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from ..layers import KEY

#: Lower comes first, as image A: the anatomy, or visible light.
_RANKS = {"MR": 0, "VIS": 0, "CT": 1, "NM": 3, "PT": 3, "IR": 3}
#: What names of layers tell, where no metadata does.
_WORDS = (
    (0, r"t1|t2|flair|mri?|mprage|anat\w*|vis|visible|rgb|colou?r"),
    (1, r"ct"),
    (3, r"pet|fdg|suv|spect|nm|ir|infrared|thermal|lwir"),
)
_UNKNOWN = 2


def rank(layer: Any) -> int:
    """Return where a layer belongs: 0 anatomy or visible light, 3 function or infrared.

    Parameters
    ----------
    layer : napari.layers.Image
    """
    modality = layer.metadata.get(KEY, {}).get("modality")
    if modality in _RANKS:
        return _RANKS[modality]
    words = re.split(r"[^a-z0-9]+", str(layer.name).casefold())
    for number, pattern in _WORDS:
        if any(re.fullmatch(pattern, word) for word in words):
            return number
    return 1 if getattr(layer, "rgb", False) else _UNKNOWN


def guess_pair(layers: Sequence[Any]) -> tuple[Any | None, Any | None]:
    """Choose image A and B: the most anatomical layer and the least, earlier ones first."""
    if len(layers) < 2:
        return (layers[0] if layers else None), None
    first = min(layers, key=rank)
    others = [layer for layer in layers if layer is not first]
    return first, max(others, key=rank)

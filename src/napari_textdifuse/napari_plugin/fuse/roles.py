"""Which layer becomes image A (anatomy or visible light) and which image B."""

from __future__ import annotations

import re
import weakref
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import Any

from napari.layers import Image

from ..compare.mode import is_comparison
from ..layers import KEY
from ..results import is_result
from .preview import is_preview

#: Lower comes first, as image A: the anatomy, or visible light.
_RANKS = {"MR": 0, "VIS": 0, "CT": 1, "NM": 3, "PT": 3, "IR": 3}
#: Words in layer names that imply a rank, used where there is no metadata.
_WORDS = (
    (0, r"t1|t2|flair|mri?|mprage|anat\w*|vis|visible|rgb|colou?r"),
    (1, r"ct"),
    (3, r"pet|fdg|suv|spect|nm|ir|infrared|thermal|lwir"),
)
_UNKNOWN = 2
#: A name that napari made unique.
NUMBERED = r"(.*) \[\d+\]"


def inputs_among(layers: Iterable[Any]) -> list[Image]:
    """Return the images that can be fused: no results, previews or comparisons."""
    made = (is_comparison, is_preview, is_result)
    return [v for v in layers if isinstance(v, Image) and not any(test(v) for test in made)]


def rank(layer: Any) -> int:
    """Return the rank of a layer: 0 anatomy or visible light, 3 function or infrared.

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


def show_both(images: Sequence[Any], seen: Collection[Any] = ()) -> None:
    """Let the upper of two images show the lower one, where both would be opaque.

    Files that this package reads are opened like that. This is for images that napari or
    another reader opened; an image that was seen before is left as the user has it.

    Parameters
    ----------
    images : sequence of Image
        In the viewer's order. Nothing is changed unless exactly two are visible.
    seen : collection of Image
    """
    visible = [layer for layer in images if layer.visible]
    if len(visible) != 2 or visible[1] in seen:
        return
    upper = visible[1]
    covers = upper.opacity == 1 and upper.blending in ("translucent", "translucent_no_depth")
    if upper.source.path is None or not covers:
        return
    upper.opacity = 0.5


def tell_apart(images: Sequence[Any], seen: Collection[Any] = ()) -> None:
    """Name new images after their folders, where napari numbered files of the same name.

    Parameters
    ----------
    images : sequence of Image
    seen : collection of Image
        Keep their names, unless there are only two images.
    """
    new = {layer: Path(str(layer.source.path)) for layer in images if layer.source.path is not None}
    stems = [path.stem for layer, path in new.items() if re.fullmatch(NUMBERED, layer.name)]
    for layer, path in new.items():
        numbered = re.fullmatch(NUMBERED, layer.name)
        name = numbered[1] if numbered else layer.name
        # of the first two images no result was made yet
        renamed = layer not in seen or len(images) == 2
        if renamed and name == path.stem and name in stems:
            folder = f"{name} ({path.parent.name})"
            if all(folder != other.name for other in images):
                layer.name = folder


class ChosenPair:
    """Keeps both choices filled, and chooses a deleted layer again when it returns.

    Parameters
    ----------
    boxes : pair of ComboBox
        Image A and image B.
    """

    def __init__(self, *boxes: Any) -> None:
        self._boxes = boxes
        #: The layer that was chosen in each box and its name, also while it is deleted.
        self._layers: list[weakref.ref[Any] | None] = [None, None]
        self._names: list[str | None] = [None, None]
        self._filling = False
        self._by_user = False  # whether the user chose an image
        self._seen: weakref.WeakSet[Any] = weakref.WeakSet()
        for number, box in enumerate(boxes):
            box.changed.connect(lambda layer, number=number: self._remember(number, layer))

    def fill(self, images: Sequence[Any], refresh: Any, alone: bool = True) -> None:
        """Choose from the current layers.

        Parameters
        ----------
        images : sequence of Image
        refresh : callable
            Updates the lists of the boxes.
        alone : bool
            Whether nothing but such images is seen; a new one then shows the one below.
        """
        before = set(self._seen)
        if alone:
            show_both(images, before)
        self._seen.update(images)  # first: a changed name fills the boxes again
        tell_apart(images, before)
        self._filling = True
        try:
            refresh()
            nothing = all(box.value is None for box in self._boxes) and self._names == [None, None]
            second = len(images) == 2 and not before.issuperset(images) and not self._by_user
            if nothing or second:
                pair = guess_pair(images)
                for number, (box, layer) in enumerate(zip(self._boxes, pair, strict=True)):
                    box.value = layer
                    self._note(number, layer)
                return
            for number, box in enumerate(self._boxes):
                self._fill_one(number, box, images)
        finally:
            self._filling = False

    def _fill_one(self, number: int, box: Any, images: Sequence[Any]) -> None:
        name, other, known = self._names[number], self._boxes[1 - number], self._layers[number]
        current, chosen = box.value, None if known is None else known()
        if current is not None and current is chosen:
            self._note(number, current)  # it may have been renamed
            return
        if current is None or name is not None:
            same = [image for image in images if image is chosen]
            back = same or [image for image in images if image.name == name]
            free = [image for image in images if image is not other.value]
            if back:
                box.value = back[0]
                self._note(number, back[0])
            elif current is None:
                box.value = free[0] if free else None
        if name is None and box.value is not None:
            self._note(number, box.value)

    def _remember(self, number: int, layer: Any) -> None:
        if not self._filling:
            self._by_user = True
            self._note(number, layer)

    def _note(self, number: int, layer: Any) -> None:
        self._names[number] = None if layer is None else layer.name
        self._layers[number] = None if layer is None else weakref.ref(layer)

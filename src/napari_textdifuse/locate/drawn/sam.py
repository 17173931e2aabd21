"""Outlines from boxes and points by SAM, with cached image embeddings."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ...errors import WeightsError
from ...volume import Volume
from ..cache import ContentCache
from ..hub import get_model, resolve
from ..regions import Mask
from ..rendering import Picture, render
from .drawing import DrawnObject, window_of
from .outline import Outline

if TYPE_CHECKING:
    from ..segmenter import Segmenter

#: The model that is preferred, and named in the message if there is none.
PREFERRED = "sam-vit-base"


class SamRefiner:
    """Finds outlines with Segment Anything.

    Models are loaded on demand, and nothing is ever downloaded. The image
    encoder runs once per image and slice; keep the object between calls, and a new box or point
    costs only the light decoder.

    Parameters
    ----------
    segmenter : str or PathLike, optional
        A folder in transformers' format, a SAM checkpoint (.pth), or the name of a downloaded
        model.
    weights : str or PathLike, optional
        A folder in which one is looked for; see `OwlVitSamLocator`.
    device : str
        "auto" uses an accelerator if there is one, else the CPU.
    cache_bytes : int
        Memory limit for cached image embeddings.
    """

    name = "sam"

    def __init__(
        self,
        segmenter: str | os.PathLike[str] | None = None,
        *,
        weights: str | os.PathLike[str] | None = None,
        device: str = "auto",
        cache_bytes: int = 1 << 30,
    ) -> None:
        self.segmenter, self.weights, self.device = segmenter, weights, device
        self.cache = ContentCache(cache_bytes)
        self._model: Segmenter | None = None

    def path(self) -> Path | None:
        """Return the location of the weights; None if there are none on this machine."""
        return resolve("segmenter", self.segmenter, self.weights, PREFERRED)

    def load(self) -> Segmenter:
        """Load the model, once.

        Raises
        ------
        WeightsError
            If weights are missing, damaged or of another architecture.
        MissingDependencyError
            If transformers or segment-anything cannot be imported.
        InputError
            If the device is not available.
        """
        if self._model is None:
            path = self.path()
            if path is None:
                size = get_model(PREFERRED).megabytes
                raise WeightsError(
                    f"There are no SAM weights; run 'textdifuse weights download {PREFERRED} "
                    f"--yes' ({size} MB), or use the refiner 'classical', which needs none."
                )
            from ...device import choose_device
            from ..sam import load_segmenter

            self._model = load_segmenter(path, choose_device(self.device))
        return self._model

    def outline(self, images: Sequence[Volume], item: DrawnObject) -> Outline | None:
        """Find one object, slice by slice; see `Refiner`.

        Each image is tried. The one with the higher mean of SAM's own estimate of the overlap with
        the true object is used, and that mean is the score.
        """
        shape = images[0].shape
        window, planes = _window(item, shape)
        tried = []
        for k, image in enumerate(images):
            pictures = render(image).reshape(-1, *shape[-2:], 3)
            found = {z: self._in_slice(pictures[z], item, z) for z in planes}
            usable = {z: f for z, f in found.items() if f is not None and f[0].any()}
            if usable:
                score = float(np.mean([f[1] for f in usable.values()]))
                mask = np.zeros(shape, bool)
                for z, (plane, _) in usable.items():
                    mask.reshape(-1, *shape[-2:])[z] = plane
                tried.append((min(max(score, 0.0), 1.0), k, mask[window]))
        if not tried:
            return None
        score, source, mask = max(tried, key=lambda t: t[0])
        others = [t[0] for t in tried if t[1] != source]
        compared = f", {max(others):.2f} in the other image" if others else ""
        note = f"{self.load().name}, estimated overlap {score:.2f}{compared}"
        return Outline(window, mask, score, source, note)

    def _in_slice(self, picture: Picture, item: DrawnObject, z: int) -> tuple[Mask, float] | None:
        if picture.min() == picture.max():
            return None
        segmenter = self.load()
        image = self.cache.get("segmenter", picture, partial(segmenter.encode, picture))
        points, labels = [], []
        for given, label in ((item.positive, 1), (item.negative, 0)):
            here = given if given.shape[1] == 2 else given[given[:, 0] == z][:, 1:]
            points += [(x + 0.5, y + 0.5) for y, x in here]
            labels += [label] * len(here)
        box = None
        if item.box is not None:
            n = len(item.box) // 2
            box = np.concatenate([item.box[:2], item.box[n : n + 2]]).astype(np.float32)
        if box is None and 1 not in labels:
            return None
        return segmenter.outline(
            image, box, np.array(points, np.float32).reshape(-1, 2), np.array(labels, np.int64)
        )


def _window(item: DrawnObject, shape: tuple[int, ...]) -> tuple[tuple[slice, ...], list[int]]:
    """Return where the object may be (SAM may leave a box in x and y), and which slices."""
    plane = tuple(slice(0, size) for size in shape[-2:])
    if len(shape) == 2:
        return plane, [0]
    if item.box is not None:
        depth = window_of(item.box, shape)[0]
        return (depth, *plane), list(range(depth.start, depth.stop))
    z = sorted({int(v) for v in item.positive[:, 0]})
    return (slice(z[0], z[-1] + 1), *plane), z

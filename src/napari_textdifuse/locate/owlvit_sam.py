"""`OwlVitSamLocator`: the paper's pair. A detector finds the words, SAM draws the outlines."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import numpy.typing as npt

from ..errors import Cancelled, InputError, WeightsError, name_of
from ..volume import Volume
from .boxes import without_duplicates
from .cache import ContentCache
from .checkpoints import Role, model_type
from .hub import get_model, resolve
from .objects import (
    SAME_OBJECT,
    OutlinedDetection,
    SliceDetection,
    crop_mask,
    describe_objects,
    describe_outlines,
    describe_words,
    label_maps,
    link_across_slices,
    merge_across_images,
)
from .phrases import phrases as read_phrases
from .protocol import Location, LocatorInfo
from .rendering import Picture, render
from .views import check_one_grid, image_names

if TYPE_CHECKING:
    from .detectors import Detector
    from .segmenter import Segmenter

LOOK_AT = ("a", "b", "both")

_Path = str | os.PathLike[str]


class OwlVitSamLocator:
    """Finds whatever a prompt names with OWL-ViT or OWLv2, and outlines it with SAM.

    Models are loaded on demand, and nothing is ever downloaded. The output of the image encoders
    is cached in this object, so that a second prompt for the same image needs only its text and
    boxes: keep the object between calls.

    Parameters
    ----------
    detector, segmenter : str or PathLike, optional
        A folder in transformers' format, for the segmenter also a SAM checkpoint (.pth); or the
        name of a downloaded model, such as ``"owlvit-base-patch32"``.
    weights : str or PathLike, optional
        A folder in which both are searched for. Without any of these, the folders named by the
        environment variable ``TEXTDIFUSE_LOCATOR_WEIGHTS`` are searched, then the downloads.
    threshold : float
        Lowest score of a box, 0 to 1.
    top_k : int
        Most objects per phrase; the best are kept.
    look_at : {"both", "a", "b"}
        In which of the two images to look. With "both", boxes that mean the same object are
        merged, and the object is outlined in the image that shows it best.
    device : str
        "auto" uses an accelerator if there is one, else the CPU.
    cache_bytes : int
        Memory limit for the cached output of the image encoders.
    callback : callable, optional
        Called with the steps done and their number (to search an image is one, to outline what was
        found in it another); returning False cancels.

    Raises
    ------
    InputError
        If an option cannot be used.
    """

    name = "owlvit-sam"
    #: The detector that is looked for first.
    PREFERRED: ClassVar[str | tuple[str, ...]] = "owlvit-base-patch32"
    SEGMENTER: ClassVar[str | tuple[str, ...]] = "sam-vit-base"

    def __init__(
        self,
        detector: _Path | None = None,
        segmenter: _Path | None = None,
        *,
        weights: _Path | None = None,
        threshold: float = 0.1,
        top_k: int = 20,
        look_at: str = "both",
        device: str = "auto",
        cache_bytes: int = 1 << 30,
        callback: Callable[[int, int], bool | None] | None = None,
    ) -> None:
        if not isinstance(threshold, (int, float, np.number)) or not 0 <= threshold <= 1:
            raise InputError(f"threshold must be between 0 and 1, not {threshold!r}.")
        if isinstance(top_k, bool) or not isinstance(top_k, (int, np.integer)) or top_k < 1:
            raise InputError(f"top_k must be an integer of at least 1, not {top_k!r}.")
        if look_at not in LOOK_AT:
            raise InputError(f"look_at must be one of {', '.join(LOOK_AT)}, not {look_at!r}.")
        self.detector, self.segmenter, self.weights = detector, segmenter, weights
        self.threshold, self.top_k, self.look_at = float(threshold), int(top_k), look_at
        self.device = device
        self.callback = callback
        self.cache = ContentCache(cache_bytes)
        self._models: tuple[Detector, Segmenter | None] | None = None

    @classmethod
    def describe(cls) -> LocatorInfo:
        """Describe this locator and what is missing on this machine; loads nothing."""
        pair = [get_model(_first(cls.PREFERRED)), get_model(_first(cls.SEGMENTER))]
        if pair[0].name == "sam3":
            pair.pop()
        return LocatorInfo(
            name=cls.name,
            summary=f"free text: {pair[0].name} finds boxes, {pair[-1].name} outlines them",
            good_at="everyday objects in visible and infrared scenes; not trained on medical "
            "images",
            needs_download=True,
            megabytes=sum(model.megabytes for model in pair),
            licence=pair[0].licence,
            missing=cls().missing(),
        )

    def missing(self) -> tuple[str, ...]:
        """List the missing weights, one sentence each; does not use the network."""
        roles: tuple[Role, ...] = ("detector",) if self._outlines() else ("detector", "segmenter")
        return tuple(self._lack(role) for role in roles if self._path(role) is None)

    def _outlines(self) -> bool:
        """Return whether the detector draws outlines itself, as SAM 3 does."""
        path = self._path("detector")
        if path is None or not path.is_dir():
            return path is None and self.PREFERRED == "sam3"
        try:
            return model_type(path) in ("sam3", "sam3_video")
        except WeightsError:  # loading reports the problem
            return False

    def load(self) -> tuple[Detector, Segmenter | None]:
        """Load the models, once; there is no segmenter where the detector also outlines.

        Raises
        ------
        WeightsError
            If weights are missing, damaged or of another architecture; the message says what to
            do.
        MissingDependencyError
            If transformers or segment-anything cannot be imported.
        InputError
            If the device is not available.
        """
        if self._models is None:
            lacking = self.missing()
            if lacking:
                raise WeightsError(lacking[0])
            from ..device import choose_device
            from .detectors import load_detector
            from .sam import load_segmenter

            device = choose_device(self.device)
            detector, segmenter = self._path("detector"), self._path("segmenter")
            assert detector is not None
            loaded = load_detector(detector, device)
            if self._outlines():
                self._models = loaded, None
            else:
                assert segmenter is not None
                self._models = loaded, load_segmenter(segmenter, device)
        return self._models

    def settings(self) -> dict[str, Any]:
        """Return the settings that affect a mask, as plain values; loads the models."""
        detector, segmenter = self.load()
        return {
            "threshold": self.threshold,
            "top_k": self.top_k,
            "look_at": self.look_at,
            "detector": {"name": detector.name, "sha256": detector.sha256},
            "segmenter": segmenter and {"name": segmenter.name, "sha256": segmenter.sha256},
        }

    def locate(self, images: Sequence[Volume], prompt: str) -> Location:
        """Find what `prompt` names.

        Volumes are searched slice by slice along the first axis; boxes that overlap in
        neighbouring slices are one object, also where the detector missed it in one slice between.

        Parameters
        ----------
        images : sequence of Volume
            One or two, on one grid.
        prompt : str
            Free text, such as ``"Please highlight the person and the car"``. The published
            weights understand English.

        Returns
        -------
        Location
            Label ``k`` is the k-th phrase. Where objects overlap, the smaller is on top. Scores are
            the detector's; an object of a volume has its best slice's.

        Raises
        ------
        PromptError
            If the prompt names nothing.
        InputError
            If the images' shapes differ.
        WeightsError, MissingDependencyError
            See `load`.
        Cancelled
            If the callback returned False.
        """
        chosen = self._chosen(images)
        words = read_phrases(prompt)
        if len(words) > 255:
            raise InputError(f"The prompt names {len(words)} things; at most 255 are possible.")
        self.load()
        shape = images[0].shape
        stacks = {i: render(images[i]).reshape(-1, *shape[-2:], 3) for i in chosen}
        found, best = self._detect(stacks, words)
        objects = link_across_slices(found, self.top_k)
        outlined = self._outline(stacks, objects)
        mask, instances = label_maps(outlined, shape)
        rows = describe_objects(objects, words, image_names(images), len(shape))
        names = dict(enumerate(words, start=1))
        notes = [
            *describe_words(words, best, rows, self.threshold),
            *describe_outlines(outlined, words),
        ]
        return Location(mask, rows, names, (*notes, self._models_used()), instances)

    def _chosen(self, images: Sequence[Volume]) -> list[int]:
        check_one_grid(images)
        if self.look_at == "both":
            return list(range(len(images)))
        index = LOOK_AT.index(self.look_at)
        if index >= len(images):
            raise InputError(f"look_at is {self.look_at!r}, but there is only one image.")
        return [index]

    def _detect(
        self, stacks: dict[int, Picture], words: list[str]
    ) -> tuple[list[SliceDetection], npt.NDArray[np.float64]]:
        """Search for the words in every slice of every image; also return each one's best score."""
        detector, _ = self.load()
        best = np.zeros(len(words))
        result: list[SliceDetection] = []
        for z, pictures in enumerate(zip(*stacks.values(), strict=True)):
            found: list[list[SliceDetection]] = [[] for _ in words]
            for done, (i, picture) in enumerate(zip(stacks, pictures, strict=True)):
                self._report(z * len(stacks) + done, stacks)
                if _is_blank(picture):
                    continue
                features = self.cache.get("detector", picture, partial(detector.encode, picture))
                for k, hits in enumerate(detector.detect(features, words, self.threshold)):
                    best[k] = max(best[k], hits.best)
                    keep = without_duplicates(hits.boxes, hits.scores, SAME_OBJECT)[: self.top_k]
                    for n in keep:
                        item = SliceDetection(k, z, hits.boxes[n], float(hits.scores[n]), (i,))
                        if hits.masks is not None:
                            whole = crop_mask(item, hits.masks[n])
                            item = replace(item, outline=(whole.window, whole.mask))
                        found[k].append(item)
            result += [item for one in found for item in merge_across_images(one)[: self.top_k]]
        return result, best

    def _outline(
        self, stacks: dict[int, Picture], objects: list[list[SliceDetection]]
    ) -> list[list[OutlinedDetection]]:
        """Outline every part of every object in the image that shows it best."""
        _, segmenter = self.load()
        if segmenter is None:  # the detector also outlines, except where it missed a slice
            return [
                [
                    OutlinedDetection(item, *item.outline)
                    for item in items
                    if item.outline is not None
                ]
                for items in objects
            ]
        result: list[list[OutlinedDetection]] = [[] for _ in objects]
        parts = [(n, item) for n, items in enumerate(objects) for item in items]
        depth = len(next(iter(stacks.values())))
        for z in sorted({item.z for _, item in parts}):
            for done, (i, stack) in enumerate(stacks.items()):
                self._report((depth + z) * len(stacks) + done, stacks)
                mine = [(n, item) for n, item in parts if item.z == z and item.images[0] == i]
                if not mine or _is_blank(stack[z]):
                    continue
                picture = stack[z]
                image = self.cache.get("segmenter", picture, partial(segmenter.encode, picture))
                masks = segmenter.segment(image, np.stack([item.box for _, item in mine]))
                for (n, item), mask in zip(mine, masks, strict=True):
                    result[n].append(crop_mask(item, mask))
        return result

    def _report(self, done: int, stacks: dict[int, Picture]) -> None:
        total = 2 * sum(len(stack) for stack in stacks.values())
        if self.callback is not None and self.callback(done, total) is False:
            raise Cancelled("The search was cancelled; nothing was located.")

    def _models_used(self) -> str:
        detector, segmenter = self.load()
        used = [m for m in (detector, segmenter) if m is not None]
        listed = " and ".join(f"{m.name} (SHA-256 {m.sha256[:12]})" for m in used)
        return f"Located by {listed}."

    def _path(self, role: Role) -> Path | None:
        given = self.detector if role == "detector" else self.segmenter
        preferred = self.PREFERRED if role == "detector" else self.SEGMENTER
        return resolve(role, given, self.weights, preferred)

    def _lack(self, role: Role) -> str:
        given = self.detector if role == "detector" else self.segmenter
        preferred = self.PREFERRED if role == "detector" else self.SEGMENTER
        name = str(given) if given else _first(preferred)
        where = f" in {name_of(self.weights)}" if self.weights is not None and not given else ""
        size = get_model(name).megabytes
        return (
            f"The locator {self.name!r} has no {role} weights{where}; run 'textdifuse weights "
            f"download {name} --yes' ({size} MB), or name a folder with weights= of "
            "the locator."
        )


class OwlV2SamLocator(OwlVitSamLocator):
    """`OwlVitSamLocator` that prefers OWLv2: better on small objects, slower."""

    name = "owlv2-sam"
    PREFERRED = "owlv2-base-patch16-ensemble"


class GroundingDinoSamLocator(OwlVitSamLocator):
    """`OwlVitSamLocator` that prefers Grounding DINO, with SAM 2 for the outlines."""

    name = "grounding-dino-sam"
    PREFERRED = "grounding-dino-tiny"
    SEGMENTER = "sam2.1-hiera-tiny"


class Sam3Locator(OwlVitSamLocator):
    """`OwlVitSamLocator` that prefers SAM 3, which detects and outlines."""

    name = "sam3"
    PREFERRED = "sam3"


class FreeTextLocator(OwlVitSamLocator):
    """`OwlVitSamLocator` with the best models that are on this machine."""

    name = "free-text"
    PREFERRED = ("sam3", "mm-grounding-dino-tiny", "grounding-dino-tiny")
    SEGMENTER = ("sam2.1-hiera-small", "sam2.1-hiera-tiny")


def _first(names: str | tuple[str, ...]) -> str:
    return names if isinstance(names, str) else names[-1]


def _is_blank(picture: Picture) -> bool:
    """Return whether an image has a single value, as outside the body."""
    return bool(picture.min() == picture.max())

"""`OwlVitSamLocator`: the paper's pair. A detector finds the words, SAM draws the outlines."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import numpy.typing as npt

from ..errors import Cancelled, InputError, WeightsError
from ..volume import Volume
from .boxes import iou, without_duplicates
from .cache import ContentCache
from .checkpoints import Role
from .devices import find_device
from .hub import get_model, resolve
from .linking import link
from .phrases import phrases as read_phrases
from .protocol import Detections, Location, LocatorInfo
from .rendering import Picture, render

if TYPE_CHECKING:
    from .owlvit import OwlDetector
    from .segmenter import Segmenter

LOOK_AT = ("a", "b", "both")
#: Boxes of one phrase that share more than this are one object (in one image, and over both).
SAME_OBJECT = 0.5

_Path = str | os.PathLike[str]


@dataclass(frozen=True)
class _Found:
    """One object in one slice."""

    phrase: int
    box: npt.NDArray[np.float32]  # XYXY
    score: float
    images: tuple[int, ...]  # in which it was found, the one with the best score first


@dataclass(frozen=True)
class _Outlined:
    """An object with its mask, cut to the rows and columns that hold it."""

    found: _Found
    z: int
    window: tuple[slice, slice]
    mask: npt.NDArray[np.bool_]


class OwlVitSamLocator:
    """Finds whatever a prompt names with OWL-ViT or OWLv2, and outlines it with SAM.

    Nothing is loaded before it is needed, and nothing is ever downloaded from here. What the
    image encoders give is kept in this object, so that a second prompt for the same image costs
    only its text and boxes: keep the object between calls.

    Parameters
    ----------
    detector, segmenter : str or PathLike, optional
        A folder in transformers' format, for the segmenter also a SAM checkpoint (.pth); or the
        name of a downloaded model, such as ``"owlvit-base-patch32"``.
    weights : str or PathLike, optional
        A folder in which both are looked for. Without any of these, the folders named by the
        environment variable ``TEXTDIFUSE_LOCATOR_WEIGHTS`` are searched, then the downloads.
    threshold : float
        Lowest score of a box, 0 to 1.
    top_k : int
        Most objects per phrase; the best are kept.
    look_at : {"both", "a", "b"}
        In which of the two images to look. With "both", boxes that mean the same object are
        united, and the object is outlined in the image that shows it best.
    device : str
        "auto" takes an accelerator where there is one, else the CPU.
    cache_bytes : int
        How much to keep of what the image encoders gave.
    callback : callable, optional
        Called with the pictures looked at and their number; returning False cancels.

    Raises
    ------
    InputError
        If an option cannot be used.
    """

    name = "owlvit-sam"
    #: The detector that is looked for first.
    PREFERRED: ClassVar[str] = "owlvit-base-patch32"
    SEGMENTER: ClassVar[str] = "sam-vit-base"

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
            raise InputError(f"threshold must lie between 0 and 1, not {threshold!r}.")
        if isinstance(top_k, bool) or not isinstance(top_k, (int, np.integer)) or top_k < 1:
            raise InputError(f"top_k must be a whole number from 1, not {top_k!r}.")
        if look_at not in LOOK_AT:
            raise InputError(f"look_at must be one of {', '.join(LOOK_AT)}, not {look_at!r}.")
        self.detector, self.segmenter, self.weights = detector, segmenter, weights
        self.threshold, self.top_k, self.look_at = float(threshold), int(top_k), look_at
        self.device = device
        self.callback = callback
        self.cache = ContentCache(cache_bytes)
        self._models: tuple[OwlDetector, Segmenter] | None = None

    @classmethod
    def describe(cls) -> LocatorInfo:
        """Say what this locator is and what it lacks on this machine; loads nothing."""
        pair = (get_model(cls.PREFERRED), get_model(cls.SEGMENTER))
        return LocatorInfo(
            name=cls.name,
            summary=f"free text: {pair[0].name} finds boxes, SAM outlines them",
            good_at="everyday things in visible and infrared scenes; not trained on medical images",
            needs_download=True,
            megabytes=sum(model.megabytes for model in pair),
            licence=pair[0].licence,
            missing=cls().missing(),
        )

    def missing(self) -> tuple[str, ...]:
        """Say which weights are not on this machine, one sentence each; touches no network."""
        roles: tuple[Role, Role] = ("detector", "segmenter")
        return tuple(self._lack(role) for role in roles if self._path(role) is None)

    def load(self) -> tuple[OwlDetector, Segmenter]:
        """Load both models, once.

        Raises
        ------
        WeightsError
            If weights are missing, damaged or of another architecture; the message says what to
            do.
        MissingDependencyError
            If transformers or segment-anything cannot be imported.
        InputError
            If the device is not there.
        """
        if self._models is None:
            lacking = self.missing()
            if lacking:
                raise WeightsError(lacking[0])
            from .owlvit import OwlDetector
            from .sam import load_segmenter

            device = find_device(self.device)
            detector, segmenter = self._path("detector"), self._path("segmenter")
            assert detector is not None and segmenter is not None  # noqa: PT018 - see missing()
            self._models = OwlDetector(detector, device), load_segmenter(segmenter, device)
        return self._models

    def settings(self) -> dict[str, Any]:
        """Return what a mask depends on, as plain values; loads the models."""
        detector, segmenter = self.load()
        return {
            "threshold": self.threshold,
            "top_k": self.top_k,
            "look_at": self.look_at,
            "detector": {"name": detector.name, "sha256": detector.sha256},
            "segmenter": {"name": segmenter.name, "sha256": segmenter.sha256},
        }

    def locate(self, images: Sequence[Volume], prompt: str) -> Location:
        """Find what `prompt` names.

        Volumes are searched slice by slice along the first axis; boxes that overlap in
        neighbouring slices are one object.

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
            If the callback asked for it.
        """
        chosen = self._chosen(images)
        words = read_phrases(prompt)
        if len(words) > 255:
            raise InputError(f"The prompt names {len(words)} things; 255 are possible.")
        self.load()
        shape = images[0].shape
        stacks = {i: _slices(render(images[i]), shape) for i in chosen}
        best = np.zeros(len(words))
        outlined: list[_Outlined] = []
        depth = shape[0] if len(shape) == 3 else 1
        for z in range(depth):
            pictures = {i: stack[z] for i, stack in stacks.items()}
            outlined += self._in_slice(pictures, words, z, depth, best)
        return self._assemble(outlined, words, best, images, shape)

    def _chosen(self, images: Sequence[Volume]) -> list[int]:
        if not images:
            raise InputError("The locator needs at least one image.")
        shapes = {image.shape for image in images}
        if len(shapes) > 1:
            listed = " and ".join(str(image.shape) for image in images)
            raise InputError(f"The images have shapes {listed}; resample them onto one grid first.")
        if self.look_at == "both":
            return list(range(len(images)))
        index = LOOK_AT.index(self.look_at)
        if index >= len(images):
            raise InputError(f"look_at is {self.look_at!r}, but there is only one image.")
        return [index]

    def _in_slice(
        self,
        pictures: dict[int, Picture],
        words: list[str],
        z: int,
        depth: int,
        best: npt.NDArray[np.float64],
    ) -> list[_Outlined]:
        """Detect in every image, unite, outline; `best` gets each phrase's highest score."""
        detector, segmenter = self.load()
        found: list[list[_Found]] = [[] for _ in words]
        for done, (i, picture) in enumerate(pictures.items()):
            self._report(z * len(pictures) + done, depth * len(pictures))
            if picture.min() == picture.max():  # outside the body
                continue
            features = self.cache.get("detector", picture, partial(detector.encode, picture))
            for k, hits in enumerate(detector.detect(features, words, self.threshold)):
                best[k] = max(best[k], hits.best)
                keep = without_duplicates(hits.boxes, hits.scores, SAME_OBJECT)[: self.top_k]
                found[k] += [_Found(k, hits.boxes[n], float(hits.scores[n]), (i,)) for n in keep]
        objects = [item for per_phrase in found for item in _united(per_phrase)[: self.top_k]]
        result: list[_Outlined] = []
        for i, picture in pictures.items():
            mine = [item for item in objects if item.images[0] == i]
            if not mine:
                continue
            image = self.cache.get("segmenter", picture, partial(segmenter.encode, picture))
            masks = segmenter.segment(image, np.stack([item.box for item in mine]))
            result += [_cut(item, z, mask) for item, mask in zip(mine, masks, strict=True)]
        return result

    def _report(self, done: int, total: int) -> None:
        if self.callback is not None and self.callback(done, total) is False:
            raise Cancelled("The search was cancelled; nothing was located.")

    def _assemble(
        self,
        outlined: list[_Outlined],
        words: list[str],
        best: npt.NDArray[np.float64],
        images: Sequence[Volume],
        shape: tuple[int, ...],
    ) -> Location:
        """Link slices, keep the best objects, paint the small ones over the large ones."""
        numbers = link(
            np.array([o.found.box for o in outlined], np.float32).reshape(-1, 4),
            [o.z for o in outlined],
            [o.found.phrase for o in outlined],
        )
        objects = [
            [o for o, n in zip(outlined, numbers, strict=True) if n == number]
            for number in range(int(numbers.max(initial=-1)) + 1)
        ]
        objects.sort(key=lambda parts: (parts[0].found.phrase, -_score(parts)))
        rank = [p[0].found.phrase for p in objects]
        objects = [p for n, p in enumerate(objects) if n - rank.index(rank[n]) < self.top_k]

        mask, instances = np.zeros(shape, np.uint8), np.zeros(shape, np.uint32)
        planes, planes_of = (m.reshape(-1, *shape[-2:]) for m in (mask, instances))
        area = [sum(int(o.mask.sum()) for o in parts) for parts in objects]
        for n in sorted(range(len(objects)), key=lambda n: -area[n]):
            for o in objects[n]:
                planes[o.z][o.window][o.mask] = o.found.phrase + 1
                planes_of[o.z][o.window][o.mask] = n + 1

        names = _image_names(images)
        detections = Detections(
            boxes=np.array([_box(parts, len(shape)) for parts in objects], np.float32).reshape(
                -1, 2 * len(shape)
            ),
            scores=np.array([_score(parts) for parts in objects], np.float32),
            labels=tuple(words[parts[0].found.phrase] for parts in objects),
            label_values=np.array([parts[0].found.phrase + 1 for parts in objects], np.uint8),
            sources=tuple(_sources(parts, names) for parts in objects),
        )
        empty = [words[p[0].found.phrase] for p, a in zip(objects, area, strict=True) if not a]
        return Location(
            mask,
            detections,
            dict(enumerate(words, start=1)),
            tuple(self._notes(words, best, detections, empty)),
            instances,
        )

    def _notes(
        self,
        words: list[str],
        best: npt.NDArray[np.float64],
        detections: Detections,
        empty: list[str],
    ) -> list[str]:
        detector, segmenter = self.load()
        notes = []
        for k, word in enumerate(words, start=1):
            rows = np.flatnonzero(detections.label_values == k)
            if len(rows):
                seen = [s for n in rows for s in detections.sources[n].split(" and ")]
                where = " and ".join(dict.fromkeys(seen))
                scores = detections.scores[rows]
                notes.append(
                    f"{word}: {len(rows)} found in {where}, scores {scores.min():.2f} to "
                    f"{scores.max():.2f} (threshold {self.threshold:g})."
                )
            else:
                notes.append(
                    f"{word}: not found; the best box scored {best[k - 1]:.3f}, below the "
                    f"threshold of {self.threshold:g}."
                )
            if not word.isascii():
                notes.append(f"{word}: the detector's published weights understand English only.")
        if empty:
            listed = ", ".join(dict.fromkeys(empty))
            notes.append(f"SAM drew no outline for {len(empty)} of the boxes ({listed}).")
        notes.append(
            f"Located by {detector.name} (SHA-256 {detector.sha256[:12]}) and {segmenter.name} "
            f"(SHA-256 {segmenter.sha256[:12]})."
        )
        return notes

    def _path(self, role: Role) -> Path | None:
        given = self.detector if role == "detector" else self.segmenter
        preferred = self.PREFERRED if role == "detector" else self.SEGMENTER
        return resolve(role, given, self.weights, preferred)

    def _lack(self, role: Role) -> str:
        given = self.detector if role == "detector" else self.segmenter
        name = str(given) if given else (self.PREFERRED if role == "detector" else self.SEGMENTER)
        where = f" in {os.fspath(self.weights)}" if self.weights is not None and not given else ""
        size = get_model(name).megabytes
        return (
            f"The locator {self.name!r} has no {role} weights{where}; run 'textdifuse weights "
            f"download {name} --yes' ({size} MB), or name a folder with --locator-weights "
            f"({role}= in Python)."
        )


class OwlV2SamLocator(OwlVitSamLocator):
    """`OwlVitSamLocator` that takes OWLv2 first: better on small objects, slower."""

    name = "owlv2-sam"
    PREFERRED = "owlv2-base-patch16-ensemble"


def _slices(pictures: Picture, shape: tuple[int, ...]) -> Picture:
    return pictures.reshape(-1, *shape[-2:], 3)


def _united(found: list[_Found]) -> list[_Found]:
    """Join what two images show of one object; the best of each stays, best first."""
    result: list[_Found] = []
    for item in sorted(found, key=lambda f: -f.score):
        for n, other in enumerate(result):
            new = item.images[0] not in other.images
            if new and iou(item.box[None], other.box[None])[0, 0] > SAME_OBJECT:
                both = other.images + item.images
                result[n] = _Found(other.phrase, other.box, other.score, both)
                break
        else:
            result.append(item)
    return result


def _cut(found: _Found, z: int, mask: npt.NDArray[np.bool_]) -> _Outlined:
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        return _Outlined(found, z, (slice(0, 0), slice(0, 0)), np.zeros((0, 0), bool))
    window = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
    return _Outlined(found, z, window, mask[window].copy())


def _score(parts: list[_Outlined]) -> float:
    return max(part.found.score for part in parts)


def _box(parts: list[_Outlined], ndim: int) -> npt.NDArray[np.float32]:
    boxes = np.array([part.found.box for part in parts])
    low, high = boxes[:, :2].min(axis=0), boxes[:, 2:].max(axis=0)
    if ndim == 2:
        return np.concatenate([low, high])
    z = [part.z for part in parts]
    return np.concatenate([low, [min(z)], high, [max(z) + 1]]).astype(np.float32)


def _image_names(images: Sequence[Volume]) -> list[str]:
    kinds = [image.modality for image in images]
    return [
        image.modality if image.modality and kinds.count(image.modality) == 1 else image.name
        for image in images
    ]


def _sources(parts: list[_Outlined], names: list[str]) -> str:
    seen = sorted({i for part in parts for i in part.found.images})
    return " and ".join(names[i] for i in seen)

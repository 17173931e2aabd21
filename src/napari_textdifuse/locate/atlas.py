"""`AtlasLocator`: structures of the user's atlas, transferred to the subject's T1."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import InputError, PromptError, WeightsError, name_of
from ..volume import LABEL_UNIT, Volume
from .atlas_fit import Fitted, fit
from .cache import ContentCache
from .phrases import phrases as read_phrases
from .protocol import Detections, Location, LocatorInfo
from .views import image_names

#: The default folder of an atlas.
VARIABLE = "TEXTDIFUSE_ATLAS"
#: Below this overlap of the tissue classes the fit is doubtful.
DOUBTFUL = 0.65

_SIDES = {"l": "left", "lh": "left", "lt": "left", "r": "right", "rh": "right", "rt": "right"}
_NIFTI = (".nii.gz", ".nii")


class AtlasLocator:
    """Finds anatomical structures by an atlas, offline and without a network.

    Parameters
    ----------
    atlas : str or PathLike, optional
        A folder with three files: the labels (NIfTI; ``dseg``, ``label`` or ``atlas`` in the name),
        the T1 image that they belong to (NIfTI; any other, or ``T1`` or ``template`` in the name),
        and the names (``.csv``, ``.tsv`` or ``.txt``: a number and a name in each line, also the
        tables of FreeSurfer and ITK-SNAP). By default the environment variable
        ``TEXTDIFUSE_ATLAS``.
    callback : callable, optional
        Called with the steps done and their number; returning False cancels.
    """

    name = "atlas"

    def __init__(
        self,
        atlas: str | os.PathLike[str] | None = None,
        *,
        callback: Callable[[int, int], bool | None] | None = None,
    ) -> None:
        given = atlas if atlas is not None else os.environ.get(VARIABLE)
        self.folder = Path(given) if given else None
        self.callback = callback
        self.cache = ContentCache(1 << 28)
        self._loaded: tuple[Volume, Volume, dict[int, str]] | None = None

    @classmethod
    def describe(cls) -> LocatorInfo:
        """Describe this locator; loads nothing."""
        there = os.environ.get(VARIABLE)
        missing = () if there else (f"Name the folder of an atlas with atlas=, or set {VARIABLE}.",)
        return LocatorInfo(
            name=cls.name,
            summary="the structures of your own atlas, registered to the subject's T1",
            good_at="structures of a healthy brain in T1-weighted MR; needs SimpleITK",
            licence="the atlas's own",
            missing=missing,
        )

    def load(self) -> tuple[Volume, Volume, dict[int, str]]:
        """Read template, labels and names, once.

        Raises
        ------
        WeightsError
            If there is no atlas, or one of its files is missing or unreadable.
        """
        if self._loaded is None:
            if self.folder is None:
                raise WeightsError(
                    "The locator 'atlas' has no atlas; name its folder with atlas=, or set "
                    f"{VARIABLE}."
                )
            self._loaded = read_atlas(self.folder)
        return self._loaded

    def settings(self) -> dict[str, Any]:
        """Return the settings that affect a mask, as plain values."""
        from .checkpoints import sha256

        self.load()
        assert self.folder is not None
        files = _files(self.folder)
        return {"atlas": self.folder.name, "sha256": sha256(files[1])}

    def locate(self, images: Sequence[Volume], prompt: str) -> Location:
        """Find the structures that `prompt` names.

        Parameters
        ----------
        images : sequence of Volume
            Three-dimensional, on one grid with geometry; an MR image must be among them.
        prompt : str
            Names of the atlas. A name without a side means both: "hippocampus", "left putamen".

        Raises
        ------
        PromptError
            If the atlas has no such name; similar ones are listed.
        GeometryError
            If the atlas does not fit the image.
        InputError
            If there is no MR volume with geometry.
        WeightsError, MissingDependencyError
            See `load`; SimpleITK is needed.
        Cancelled
            If the callback returned False.
        """
        words = read_phrases(prompt)
        template, labels, names = self.load()
        values = {word: _matching(word, names) for word in words}
        subject, source = _subject(images)
        found = self._fit(subject, template, labels)
        mask = np.zeros(subject.shape, np.uint8)
        for k, word in enumerate(words, start=1):
            mask[np.isin(found.labels, values[word])] = k
        rows = Detections.of_mask(mask, dict(enumerate(words, start=1)), source)
        notes = [
            f"{word}: {', '.join(names[v] for v in values[word])} of the atlas "
            f"{self.folder.name if self.folder else ''}, {found.milliliters(mask == k):.1f} mL."
            for k, word in enumerate(words, start=1)
        ]
        notes.append(
            f"The atlas was registered to {source}; tissue overlaps by {found.overlap:.0%}"
            + (
                ", which is low: check the outline, it may be wrong."
                if found.overlap < DOUBTFUL
                else "."
            )
        )
        return Location(mask, rows, dict(enumerate(words, start=1)), tuple(notes))

    def _fit(self, subject: Volume, template: Volume, labels: Volume) -> Fitted:
        """Transfer the labels to the subject; cached for the next prompt."""
        key = np.ascontiguousarray(subject.array).view(np.uint8).reshape(-1)
        return self.cache.get("atlas", key, lambda: fit(subject, template, labels, self.callback))


def read_atlas(folder: Path) -> tuple[Volume, Volume, dict[int, str]]:
    """Read template, labels and names of an atlas; see `AtlasLocator`.

    Raises
    ------
    WeightsError
        If a file is missing or cannot be used.
    """
    from ..io import read

    image, labels, table = _files(folder)
    try:
        template, values = read(image), read(labels)
    except InputError as error:
        raise WeightsError(f"The atlas in {name_of(folder)} cannot be read: {error}") from None
    whole = np.rint(values.array)
    if values.rgb or np.abs(values.array - whole).max(initial=0) > 1e-3 or whole.min() < 0:
        raise WeightsError(f"{labels.name} contains no labels (integers from 0).")
    for volume in (template, values):
        if volume.affine is None or volume.ndim != 3:
            raise WeightsError(f"{volume.name} of the atlas is not a volume with geometry.")
    names = read_table(table)
    there = set(np.unique(whole).astype(int).tolist())
    names = {k: v for k, v in names.items() if k in there and k > 0}
    if not names:
        raise WeightsError(f"{table.name} names none of the labels in {labels.name}.")
    values = values.with_array(whole.astype(np.int32), unit=LABEL_UNIT)
    return template, values, names


def _files(folder: Path) -> tuple[Path, Path, Path]:
    """Return template, labels and table of a folder."""
    if not folder.is_dir():
        raise WeightsError(f"There is no folder {name_of(folder)!r} with an atlas; check the path.")
    images = sorted(p for p in folder.iterdir() if p.name.endswith(_NIFTI))
    labels = [p for p in images if re.search(r"dseg|label|atlas|parc|aseg", p.name, re.I)]
    templates = [p for p in images if p not in labels]
    named = [p for p in templates if re.search(r"t1|template", p.name, re.I)]
    tables = sorted(p for p in folder.iterdir() if p.suffix in (".csv", ".tsv", ".txt", ".lut"))
    for what, there in (
        ("labels (dseg, label or atlas in the name)", labels),
        ("T1 image that the labels belong to", templates),
        ("table of names (.csv, .tsv, .txt)", tables),
    ):
        if not there:
            raise WeightsError(f"{name_of(folder)} has no {what}.")
    return (named or templates)[0], labels[0], tables[0]


def read_table(path: Path) -> dict[int, str]:
    """Read the label numbers and names from the usual kinds of table.

    Raises
    ------
    WeightsError
        If no line has a number and a name.
    """
    names = {}
    text = path.read_text("utf-8-sig", errors="replace")
    for line in text.splitlines():
        parts = re.findall(r'"[^"]*"|[^\s,;]+', line) if "\t" not in line else line.split("\t")
        parts = [part.strip().strip('"') for part in parts]
        numbers = [p for p in parts if re.fullmatch(r"\d+", p)]
        words = [p for p in parts if re.search(r"[^\W\d]", p) and not p.startswith("#")]
        if numbers and words and not line.lstrip().startswith("#"):
            names[int(numbers[0])] = " ".join(words)
    if not names:
        raise WeightsError(f"{path.name} has no line with a number and a name.")
    return names


def _tokens(name: str) -> frozenset[str]:
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name)
    words = re.findall(r"[^\W_]+", spaced.casefold())
    return frozenset(_SIDES.get(word, word) for word in words)


def _matching(word: str, names: dict[int, str]) -> list[int]:
    """Return the labels that a phrase means."""
    wanted = _tokens(word)
    exact = [k for k, name in names.items() if _tokens(name) == wanted]
    found = exact or [k for k, name in names.items() if wanted <= _tokens(name)]
    if found:
        return found
    from rapidfuzz import process

    near = [hit[0] for hit in process.extract(word, list(names.values()), limit=4, score_cutoff=50)]
    listed = ", ".join(near or list(names.values())[:6])
    raise PromptError(f"The atlas has no {word!r}; it has, for example: {listed}.")


def _subject(images: Sequence[Volume]) -> tuple[Volume, str]:
    for image, name in zip(images, image_names(images), strict=True):
        if image.modality == "MR" and image.ndim == 3 and image.affine is not None:
            return image, name
    raise InputError(
        "The locator 'atlas' needs a three-dimensional T1-weighted MR image with geometry; choose "
        "it as one of the images, and state its modality if the file does not."
    )

"""Modality and contrast from the names of files and folders.

Only whole words count: ``CT_AVM`` is a CT, ``octopus`` is not. Ambiguous words (``pd`` may be
Parkinson's disease, ``t2`` a second visit) count only if nothing stronger contradicts them, and
words of scenes count only in the names of images. A name that may be that of a mask, a map or a
part of an image (``GM_T1``, ``lesion_T1``) only suggests a modality.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

from .name_words import (
    AGENTS,
    BIDS_CONTRAST,
    DERIVED,
    FOLDERS,
    MODALITY,
    MR_CONTRAST,
    SCENE,
    TIME_POINTS,
    WEAK,
    WITHOUT,
    part_in,
    words_of,
)

#: Contrasts of MR images. "T1Gd" is T1 weighting after gadolinium.
CONTRASTS = ("T1", "T1Gd", "T2", "PD", "FLAIR", "DWI", "ADC", "T2*", "MRA")
#: How many folders above a file are searched for words, and for whole names
#: (``mr/patient/date/series/scan/image.nii.gz``).
WORDS_DEPTH, DEPTH = 3, 8
#: Home folders: a user "mr" has images of every kind; this also holds for the folders above.
_HOMES = ("home", "users")
_PICTURES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff")
#: The weightings that a derived image does not have.
_WEIGHTINGS = {"T1", "T1Gd", "T2", "PD", "T2*", "FLAIR"}


@dataclass(frozen=True)
class NameFacts:
    """Facts from a name; None if it is silent or ambiguous.

    Parameters
    ----------
    modality : str or None
        As in `Volume.modality`.
    contrast : str or None
        One of `CONTRASTS`.
    source : str
        "file name" or "folder name".
    doubt : str or None
        The word by which the file may be a mask, a map or a part ("lesion").
    suggested : str or None
        The modality without that word.
    """

    modality: str | None = None
    contrast: str | None = None
    source: str = "file name"
    doubt: str | None = None
    suggested: str | None = None


def facts_in_name(path: Path) -> NameFacts:
    """Return the facts from a file's name, else from the folders above it.

    Parameters
    ----------
    path : Path
        Need not exist.

    Examples
    --------
    >>> facts_in_name(Path("sub-01_ce-gadolinium_T1w.nii.gz"))
    NameFacts(modality='MR', contrast='T1Gd', source='file name', doubt=None, suggested=None)
    >>> [facts_in_name(Path(p)).modality for p in ("pet/case01.nii.gz", "octopus.png")]
    ['PT', None]
    >>> facts_in_name(Path("GM_T1.nii"))
    NameFacts(modality=None, contrast=None, source='file name', doubt='gm', suggested='MR')
    """
    picture = path.suffix.lower() in _PICTURES
    stem = re.sub(r"(\.nii)?\.[A-Za-z0-9]+$", "", path.name)
    doubt = part_in(stem)
    own = _facts(stem, picture, weak=path.suffix.lower() not in (".tif", ".tiff"))
    if own is not None:
        return _doubted(own, doubt)
    for depth, folder in _folders_above(path):
        word = folder.name.casefold()
        if depth < WORDS_DEPTH:
            doubt = doubt or part_in(folder.name, folder=True)
        facts = _facts_of_folder(folder, word, depth, picture)
        if facts is not None:
            return _doubted(replace(facts, source="folder name"), doubt)
    return NameFacts(source="unknown", doubt=doubt)


def _doubted(facts: NameFacts, doubt: str | None) -> NameFacts:
    """Return the modality as a suggestion only if the name may be that of a mask or a map."""
    if doubt is None:
        return facts
    return NameFacts(source=facts.source, doubt=doubt, suggested=facts.modality)


def _folders_above(path: Path) -> Iterator[tuple[int, Path]]:
    for depth, folder in enumerate(list(path.absolute().parents)[:DEPTH]):
        if folder.parent.name.casefold() in _HOMES:
            return
        yield depth, folder


def _facts_of_folder(folder: Path, word: str, depth: int, picture: bool) -> NameFacts | None:
    """Return the facts from the name of a folder; None if there are none."""
    if word in FOLDERS and not picture:
        return NameFacts(FOLDERS[word])
    if word == "pt" and depth < WORDS_DEPTH:  # in an image's own name the word may mean anything
        return NameFacts("PT")
    one = word if word == "pets" else word.removesuffix("s")
    is_modality = one in MODALITY and one not in WEAK
    if depth >= WORDS_DEPTH and not is_modality:
        return None
    if one == "pd" or (one in ("t1", "t2") and _are_visits(folder)):
        return None  # patients with Parkinson's disease; time points
    return _facts(one if is_modality else folder.name, picture, weak=True)


def _are_visits(folder: Path) -> bool:
    """Return whether a folder T1 or T2 has siblings that are not contrasts: T0, T3, T4."""
    return any((folder.parent / f"{letter}{n}").is_dir() for letter in "Tt" for n in (0, 3, 4))


def contrast_in(text: str) -> str | None:
    """Return the MR contrast that a series or protocol description names, if any.

    Examples
    --------
    >>> contrast_in("ax T2 FLAIR fs"), contrast_in("t1_mprage_sag post Gd"), contrast_in("scout")
    ('FLAIR', 'T1Gd', None)
    """
    return _contrast(words_of(text))


@lru_cache(maxsize=32)  # the folders of a batch have the same names for every pair
def _facts(name: str, picture: bool, weak: bool) -> NameFacts | None:
    """Return the facts from a name; None if there are none."""
    words = words_of(name)
    strong = {MODALITY[w] for w in words if w in MODALITY and w not in WEAK}
    strong |= {"MR" for w in words if w in MR_CONTRAST and w not in WEAK}
    if picture:
        words = [w for w in words if w not in ("suv", "pt", "pd")]
        scenes = {SCENE[w] for w in words if w in SCENE}
        strong = strong or scenes
    last = words[-1] if words else ""
    bids = name.casefold().startswith("sub-")
    if bids and last in BIDS_CONTRAST:
        return NameFacts("MR", BIDS_CONTRAST[last])
    if len(strong) > 1:
        suffix = MODALITY.get(last) or ("MR" if last in MR_CONTRAST else None)
        if not (bids and suffix):
            return NameFacts()  # "PET_MRI": ambiguous
        strong = {suffix}
    elif strong - {"MR"} and last in TIME_POINTS:
        return NameFacts()  # "CT01_T1": the first time point of a CT, or the T1 of control 1
    if not strong and weak:
        found = [w for w in words if w in WEAK]
        # initials of a disease or a patient come first, a suffix comes last
        found = [w for w in found if w not in ("pd", "pt") or w == words[-1]]
        kinds = {MODALITY.get(w, "MR") for w in found}
        strong = kinds if len(kinds) == 1 else set()
    if not strong:
        return None
    modality = strong.pop()
    return NameFacts(modality, _contrast(words) if modality == "MR" else None)


def _contrast(words: Sequence[str]) -> str | None:
    found = [MR_CONTRAST[w] for w in words if w in MR_CONTRAST]
    kinds = {k for k in found if k is not None}
    agent = any(
        w in AGENTS
        and before not in WITHOUT
        and (w, after) not in (("post", "op"), ("post", "treatment"))
        for before, w, after in zip(["", *words], words, [*words[1:], ""], strict=False)
    )
    text = f" {' '.join(words)} "
    if any(name in text for name in (" dark fluid ", " darkfluid ", " da fl ")):  # of Siemens
        return "FLAIR"
    if any(w in DERIVED for w in words) or "mp2rage" in words or words[-1:] == ["sub"]:
        # both inversions, the uniform image and the T1 map of an MP2RAGE have its name
        kinds -= _WEIGHTINGS
    if "FLAIR" in kinds:
        # a "T1 FLAIR" of GE is weighted by T1, or a FLAIR lies on a T1
        return None if kinds & {"T1", "T1Gd"} else "FLAIR"
    if "tirm" in words:  # of Siemens: STIR or FLAIR
        return None
    if kinds == {"T1"} and agent:
        return "T1Gd"
    if kinds == {"T1", "T1Gd"}:
        return "T1Gd"
    for special in ("ADC", "DWI", "MRA", "T2*"):
        if special in kinds:
            return special
    if len(kinds) == 1:
        return kinds.pop()
    return None

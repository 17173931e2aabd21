"""Modality and contrast from the names of files and folders.

Only whole words count: ``CT_AVM`` is a CT, ``octopus`` is not. Ambiguous words (``pd`` may be
Parkinson's disease, ``t2`` a second visit) count only if nothing stronger contradicts them, and
words of scenes count only in the names of images.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

#: Contrasts of MR images. "T1Gd" is T1 weighting after gadolinium.
CONTRASTS = ("T1", "T1Gd", "T2", "PD", "FLAIR", "DWI", "ADC", "T2*", "MRA")
#: How many folders above a file are searched for words, and for whole names
#: (``mr/patient/date/series/scan/image.nii.gz``).
WORDS_DEPTH, DEPTH = 3, 8
#: Home folders: a user "mr" has images of every kind; this also holds for the folders above.
_HOMES = ("home", "users")

_PICTURES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff")
_MODALITY: dict[str, str] = {
    **dict.fromkeys(("ct", "cta", "cbct", "hrct", "ncct", "cect", "ldct", "ctac"), "CT"),
    **dict.fromkeys(("ctres", "hounsfield", "tdm"), "CT"),
    **dict.fromkeys(("pet", "fdg", "suv", "suvbw", "pt", "tep"), "PT"),
    **dict.fromkeys(("av45", "av1451", "florbetapir", "florbetaben", "flutemetamol"), "PT"),
    **dict.fromkeys(("flortaucipir", "fdopa", "fmiso"), "PT"),
    **dict.fromkeys(("spect", "spet", "datscan", "hmpao"), "NM"),
    **dict.fromkeys(("mr", "mri", "fmri", "mra", "mrt", "irm"), "MR"),
}
_MR_CONTRAST: dict[str, str | None] = {
    **dict.fromkeys(("t1", "t1w", "t1n", "mprage", "mp2rage", "spgr", "bravo"), "T1"),
    **dict.fromkeys(("t1c", "t1ce", "t1gd", "t1wce", "t1post", "t1km", "gdt1", "cet1"), "T1Gd"),
    **dict.fromkeys(("t2", "t2w", "t2tse", "t2fse"), "T2"),
    **dict.fromkeys(("pd", "pdw"), "PD"),
    **dict.fromkeys(("flair", "t2f", "t2flair"), "FLAIR"),
    **dict.fromkeys(("dwi", "tracew"), "DWI"),
    "adc": "ADC",
    **dict.fromkeys(("t2star", "t2starw", "swi", "swip", "swan", "bold"), "T2*"),
    **dict.fromkeys(("mra", "tof"), "MRA"),
    **dict.fromkeys(("t1map", "t2map", "t1rho", "inplanet1", "inplanet2", "dti", "stir"), None),
}
#: Suffixes of BIDS that are words of their own elsewhere.
_BIDS_CONTRAST = {"unit1": "T1", "angio": "MRA"}
#: With these words an MR image shows something other than its weighting.
_DERIVED = ("map", "maps", "mapping", "molli", "phase", "ratio", "subtraction", "subtracted")
#: Words before an agent that deny it.
_WITHOUT = ("pre", "no", "non", "not", "without", "wo", "o", "ohne", "sans", "sin", "before")
#: The weightings that such an image does not have.
_WEIGHTINGS = {"T1", "T1Gd", "T2", "PD", "T2*", "FLAIR"}
_SCENE: dict[str, str] = {
    **dict.fromkeys(("ir", "infrared", "thermal", "lwir", "nir"), "IR"),
    **dict.fromkeys(("vis", "vi", "visible", "rgb"), "VIS"),
}
#: Folders of BIDS and of common data sets; the whole name must match.
_FOLDERS = {"anat": "MR", "func": "MR", "dwi": "MR", "perf": "MR", "nm": "NM"}
#: Ambiguous words: also a time point, a disease, a car or a German county.
_WEAK = ("t1", "t2", "pd", "pt", "suv", "fdg")
_TIME_POINTS = ("t1", "t2", "pd")
#: Contrast agents, as words after T1.
_AGENTS = ("gd", "gad", "gado", "gadolinium", "ce", "contrast", "post", "postcontrast", "km")
#: A mask drawn in a PET is not a PET, nor is a dose computed on a CT a CT.
_MASKS = (
    *("mask", "masks", "seg", "segmentation", "label", "labels", "roi", "dseg", "atlas", "gt"),
    *("aseg", "aparc", "wmparc", "parcellation", "probseg", "pve", "pveseg", "umap", "mumap"),
    *("dose", "rtdose", "zscore", "zmap", "tmap", "difference", "cbf", "cbv", "mtt", "ttp", "tmax"),
)
#: The word after these names the space of the image, not its kind: "ct_to_mr", "PET in MRI space".
_ONTO = ("to", "onto", "on", "in")
#: BIDS entities that do not describe the kind of image.
_ENTITY = re.compile(
    r"^(sub|ses|space|desc|from|to|task|acq|run|rec|dir|echo|res|den|label|hemi|trc|part|split"
    r"|sample|chunk|inv|flip|proc|seg|atlas|mode|template)-[A-Za-z0-9+]+$"
)

#: After contrast, as GE writes it.
_PLUS_C = re.compile(r"(?<![A-Za-z0-9])(\+ ?C|C ?\+)(?![A-Za-z0-9])", re.IGNORECASE)
#: "PETtoT1", "rCTtoMR".
_ONTO_GLUED = re.compile(r"(.*[A-Za-z])to(CT|MRI?|PET|SPECT|T1w?|T2w?|FLAIR|MNI)")


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
    """

    modality: str | None = None
    contrast: str | None = None
    source: str = "file name"


def facts_in_name(path: Path) -> NameFacts:
    """Return the facts from a file's name, else from the folders above it.

    Parameters
    ----------
    path : Path
        Need not exist.

    Examples
    --------
    >>> facts_in_name(Path("sub-01_ce-gadolinium_T1w.nii.gz"))
    NameFacts(modality='MR', contrast='T1Gd', source='file name')
    >>> [facts_in_name(Path(p)).modality for p in ("pet/case01.nii.gz", "octopus.png")]
    ['PT', None]
    """
    picture = path.suffix.lower() in _PICTURES
    stem = re.sub(r"(\.nii)?\.[A-Za-z0-9]+$", "", path.name)
    own = _facts(stem, picture, weak=path.suffix.lower() not in (".tif", ".tiff"))
    if own is not None:
        return own
    for depth, folder in enumerate(list(path.absolute().parents)[:DEPTH]):
        if folder.parent.name.casefold() in _HOMES:
            break
        word = folder.name.casefold()
        if word in _FOLDERS and not picture:
            return NameFacts(_FOLDERS[word], source="folder name")
        if (
            word == "pt" and depth < WORDS_DEPTH
        ):  # in an image's own name the word may mean anything
            return NameFacts("PT", source="folder name")
        one = word if word == "pets" else word.removesuffix("s")
        is_modality = one in _MODALITY and one not in _WEAK
        if depth >= WORDS_DEPTH and not is_modality:
            continue
        if one == "pd" or (one in ("t1", "t2") and _are_visits(folder)):
            continue  # patients with Parkinson's disease; time points
        facts = _facts(one if is_modality else folder.name, picture, weak=True)
        if facts is not None:
            return NameFacts(facts.modality, facts.contrast, "folder name")
    return NameFacts(source="unknown")


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
    return _contrast(_words(text))


def _facts(name: str, picture: bool, weak: bool) -> NameFacts | None:
    """Return the facts from a name; None if there are none."""
    words = _without_target(_words(name))
    if any(w in _MASKS for w in words):
        return NameFacts()
    strong = {_MODALITY[w] for w in words if w in _MODALITY and w not in _WEAK}
    strong |= {"MR" for w in words if w in _MR_CONTRAST and w not in _WEAK}
    if picture:
        words = [w for w in words if w not in ("suv", "pt", "pd")]
        scenes = {_SCENE[w] for w in words if w in _SCENE}
        strong = strong or scenes
    last = words[-1] if words else ""
    bids = name.casefold().startswith("sub-")
    if bids and last in _BIDS_CONTRAST:
        return NameFacts("MR", _BIDS_CONTRAST[last])
    if len(strong) > 1:
        suffix = _MODALITY.get(last) or ("MR" if last in _MR_CONTRAST else None)
        if not (bids and suffix):
            return NameFacts()  # "PET_MRI": ambiguous
        strong = {suffix}
    elif strong - {"MR"} and last in _TIME_POINTS:
        return NameFacts()  # "CT01_T1": the first time point of a CT, or the T1 of control 1
    if not strong and weak:
        found = [w for w in words if w in _WEAK]
        # initials of a disease or a patient come first, a suffix comes last
        found = [w for w in found if w not in ("pd", "pt") or w == words[-1]]
        kinds = {_MODALITY.get(w, "MR") for w in found}
        strong = kinds if len(kinds) == 1 else set()
    if not strong:
        return None
    modality = strong.pop()
    return NameFacts(modality, _contrast(words) if modality == "MR" else None)


def _contrast(words: Sequence[str]) -> str | None:
    found = [_MR_CONTRAST[w] for w in words if w in _MR_CONTRAST]
    kinds = {k for k in found if k is not None}
    agent = any(
        w in _AGENTS
        and before not in _WITHOUT
        and (w, after) not in (("post", "op"), ("post", "treatment"))
        for before, w, after in zip(["", *words], words, [*words[1:], ""], strict=False)
    )
    text = f" {' '.join(words)} "
    if any(name in text for name in (" dark fluid ", " darkfluid ", " da fl ")):  # of Siemens
        return "FLAIR"
    if any(w in _DERIVED for w in words) or "mp2rage" in words or words[-1:] == ["sub"]:
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


def _words(name: str) -> list[str]:
    """Split a name into lower-case words: at punctuation, at ``aB``, and before digits."""
    parts: list[str] = []
    name = _PLUS_C.sub(" gd ", name.replace("*", "star"))
    for token in re.split(r"[_\s./\\+()\[\],]+", name):
        if _ENTITY.match(token):  # a BIDS entity, such as space-MNI or acq-ct
            parts += ["phase"] if token == "part-phase" else []
            continue
        bids = token.startswith("ce-")
        if bids and token[3:].casefold() in (*_WITHOUT, "none"):
            continue
        for piece in [token] if not bids else ["ce"]:
            onto = _ONTO_GLUED.fullmatch(piece)
            if onto:
                parts += [*re.split(r"-|(?<=[a-z])(?=[A-Z])", onto[1]), "to", onto[2]]
                continue
            parts += re.split(r"-|(?<=[a-z])(?=[A-Z])", piece)
    words: list[str] = []
    for part in filter(None, parts):
        word = part.casefold()
        crossed = re.fullmatch(
            r"(ct|mri?|pet|spect|t1w?|t2w?)(?:2|to)(ct|mri?|pet|spect|t1|t2)", word
        )
        if crossed:
            words += [crossed[1], "to", crossed[2]]
            continue
        numbered = re.fullmatch(
            r"(ct|mri?|pet|spect|flair|ir|infrared|lwir|rgb|thermal|vis|visible)\d{1,5}", word
        )
        words.append(numbered[1] if numbered and numbered[1] != "vis" else word)
    return words


def _without_target(words: list[str]) -> list[str]:
    """Drop the word that names the space of an image."""
    kept = list(words)
    for i, word in enumerate(words[:-1]):
        if word in _ONTO and i > 0:
            kept[i + 1] = ""
    if len(words) > 1 and words[-1] == "space":  # "mri_space"; "t2_space_sag" is a sequence
        kept[-2] = ""
    return [w for w in kept if w]

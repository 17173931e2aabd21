"""The words of names, and what they mean: modalities, MR contrasts, masks and maps."""

from __future__ import annotations

import re
from functools import lru_cache

#: Words of modalities.
MODALITY: dict[str, str] = {
    **dict.fromkeys(("ct", "cta", "cbct", "hrct", "ncct", "cect", "ldct", "ctac"), "CT"),
    **dict.fromkeys(("ctres", "hounsfield", "tdm"), "CT"),
    **dict.fromkeys(("pet", "fdg", "suv", "suvbw", "pt", "tep"), "PT"),
    **dict.fromkeys(("av45", "av1451", "florbetapir", "florbetaben", "flutemetamol"), "PT"),
    **dict.fromkeys(("flortaucipir", "fdopa", "fmiso"), "PT"),
    **dict.fromkeys(("spect", "spet", "datscan", "hmpao"), "NM"),
    **dict.fromkeys(("mr", "mri", "fmri", "mra", "mrt", "irm"), "MR"),
}
#: Words of MR images; None if they say nothing about T1, T2 and the like.
MR_CONTRAST: dict[str, str | None] = {
    **dict.fromkeys(("t1", "t1w", "t1n", "mprage", "mp2rage", "spgr", "bravo"), "T1"),
    **dict.fromkeys(("t1c", "t1ce", "t1gd", "t1wce", "t1post", "t1km", "gdt1", "cet1"), "T1Gd"),
    **dict.fromkeys(("t1wgd", "t1wc", "t1gad", "t1cgd"), "T1Gd"),
    **dict.fromkeys(("t2", "t2w", "t2tse", "t2fse"), "T2"),
    **dict.fromkeys(("pd", "pdw"), "PD"),
    **dict.fromkeys(("flair", "t2f", "t2flair"), "FLAIR"),
    **dict.fromkeys(("dwi", "tracew"), "DWI"),
    "adc": "ADC",
    **dict.fromkeys(("t2star", "t2starw", "swi", "swip", "swan", "bold", "boldref"), "T2*"),
    **dict.fromkeys(("mra", "tof"), "MRA"),
    **dict.fromkeys(("t1map", "t2map", "t1rho", "inplanet1", "inplanet2", "dti", "stir"), None),
    **dict.fromkeys(("asl", "t1sub", "qsm"), None),
}
#: Suffixes of BIDS that may mean something else in other names.
BIDS_CONTRAST: dict[str, str | None] = {
    **{"unit1": "T1", "angio": "MRA"},
    **dict.fromkeys(("sbref", "m0scan", "epi", "fieldmap", "phasediff", "phase1", "phase2"), None),
    **dict.fromkeys(("magnitude", "magnitude1", "magnitude2", "phase", "pdt2", "flash"), None),
    **dict.fromkeys(("mese", "megre", "vfa", "irt1", "mpm", "mts", "mtr"), None),
    **dict.fromkeys(("r1map", "r2map", "t2starmap", "r2starmap", "pdmap", "chimap"), None),
    **dict.fromkeys(("mtrmap", "mtsat", "mwfmap", "m0map", "s0map", "tb1map", "rb1map"), None),
}
#: With these words an MR image shows something other than its weighting.
DERIVED = ("map", "maps", "mapping", "molli", "phase", "ratio", "subtraction", "subtracted")
#: Words before an agent that deny it.
WITHOUT = ("pre", "no", "non", "not", "without", "wo", "o", "ohne", "sans", "sin", "before")
#: Words of scenes.
SCENE: dict[str, str] = {
    **dict.fromkeys(("ir", "infrared", "thermal", "lwir", "mwir", "swir", "nir", "tir"), "IR"),
    **dict.fromkeys(("vis", "vi", "visible", "visual", "rgb"), "VIS"),
}
#: Folders of BIDS and of common data sets; the whole name must match.
FOLDERS = {"anat": "MR", "func": "MR", "dwi": "MR", "perf": "MR", "nm": "NM"}
#: Ambiguous words: also a time point, a disease, a car or a German county.
WEAK = ("t1", "t2", "pd", "pt", "suv", "fdg")
TIME_POINTS = ("t1", "t2", "pd")
#: Contrast agents, as words after T1.
AGENTS = ("gd", "gad", "gado", "gadolinium", "ce", "contrast", "post", "postcontrast", "km")

#: What is drawn in or computed from an image: a mask drawn in a PET is not a PET.
MASKS = (
    *("maske", "msk", "segm", "segmentation", "segmentations", "segmented", "label", "labels"),
    *("labelled", "labelmap", "labelstr", "labelsts", "roi", "rois", "voi", "vois", "gt"),
    *("groundtruth", "annotation", "annotations", "annotated", "contour", "contours"),
    *("consensus", "atlas", "aparc", "wmparc", "parcellation", "parc", "ribbon", "prob"),
    *("probs", "probability", "probabilities", "probmap", "pmap", "tpm", "pve", "umap", "mumap"),
    *("dose", "rtdose", "zscore", "zmap", "tmap", "difference", "cbf", "cbv", "mtt", "ttp"),
    *("tmax", "bbox"),
)
#: The same, but only in the file's own name: folders of such a name contain images, too.
PARTS = (
    *("gm", "wm", "csf", "greymatter", "graymatter", "whitematter", "wmh", "lesion", "lesions"),
    *("ples", "tumor", "tumors", "tumour", "tumours", "gtv", "gtvp", "gtvn", "gtvt", "gtvs"),
    *("ctv", "ptv", "itv", "oar", "oars", "organs", "filled", "pred", "preds", "predicted"),
    *("prediction", "predictions", "manual", "totalsegmentator", "heatmap", "saliency"),
    *("overlay", "gradcam", "edge", "edges", "fused", "fusion", "uncertainty", "contribution"),
    *("residual", "residuals", "bias", "biasfield", "field", "warp", "warpfield"),
    *("displacement", "deformation", "xfm", "jacobian", "jac", "tsnr", "thickness"),
)
#: Ends of further such words: "brainmask", "strucseg".
_ENDINGS = ("mask", "masks", "seg", "segs", "warp")
#: Words before these two that change their meaning: a low-dose CT, a low-field MRI.
_STRENGTH = ("low", "ultra", "ultralow", "high", "half", "quarter", "full", "standard", "normal")
_OF_STRENGTH = ("dose", "field")
#: Pairs of words that name no map.
_NO_MAP = ("field of", "bias corrected", "bias corr", "bias correction", "bias free")
#: Tissue classes, modulated or warped, and deformations, as SPM and CAT12 name them: c1T1, mwp1T1.
_SPM = re.compile(r"(s?[mrw]+[cp][1-6]|[cp][1-6](?=[A-Za-z])|i?y_(?=.)|u_rc[1-6])")

#: BIDS entities that do not describe the kind of image.
_ENTITY = re.compile(
    r"^(sub|ses|space|desc|from|to|task|acq|run|rec|dir|echo|res|den|label|hemi|trc|part|split"
    r"|sample|chunk|inv|flip|proc|seg|atlas|mode|template)-[A-Za-z0-9+]+$"
)
#: Entities that only derivatives have, and such a description.
_OF_DERIVATIVES = re.compile(r"(?:^|_)(?:label|atlas|desc)-([A-Za-z0-9+]+)")
#: After contrast, as GE writes it.
_PLUS_C = re.compile(
    r"((?<![A-Za-z0-9])|(?<=T1)|(?<=T1W))(\+ ?C|C ?\+)(?![A-Za-z0-9])", re.IGNORECASE
)
#: "PETtoT1", "rCTtoMR".
_ONTO_GLUED = re.compile(r"(.*[A-Za-z])to(CT|MRI?|PET|SPECT|T1w?|T2w?|FLAIR|MNI)")
_CROSSED = re.compile(r"(ct|mri?|pet|spect|t1w?|t2w?)(?:2|to)(ct|mri?|pet|spect|t1|t2)")
_NUMBERED = re.compile(
    r"(ct|mri?|pet|spect|flair|ir|infrared|lwir|rgb|thermal|vis|visible)d?\d{1,5}"
)
_ORGANS = (
    "head|brain|neck|chest|thorax|lung|cardio|cardiac|heart|breast|abdomen|liver|kidney|pelvis"
    "|prostate|spine|knee|scans?"
)
_PLANES = "2d|3d|ax|axial|tra|sag|cor"
#: "CTChest", "MRhead", "headct", "petscan01".
_OF_ORGAN = re.compile(rf"(?:{_ORGANS})?(cta?|mri?|pet|spect)(?:{_ORGANS})?\d*")
#: "3DT1", "SAGT1", "T1ax".
_IN_PLANE = re.compile(rf"(?:{_PLANES})*(t1w?|t1ce?|t2w?|pdw?|flair|dwi)(?:{_PLANES})*")
#: "avg152T1", "case2CT".
_AFTER_DIGIT = re.compile(r"(.*[a-z]\d+)(T1w?|T2w?|PD|FLAIR|CT|PET|MRI?)")
#: The word after these names the space of the image, not its kind: "ct_to_mr", "PET in MRI space".
_ONTO = ("to", "onto", "on", "in")


def words_of(name: str) -> list[str]:
    """Split a name into lower-case words: at punctuation, at ``aB``, and before digits.

    Words that name the space of an image are left out.

    Examples
    --------
    >>> words_of("sub-01_space-T1w_PET_to_MRI"), words_of("DaTSCAN-3DT1")
    (['pet', 'to'], ['datscan', 't1'])
    """
    parts: list[str] = []
    name = _PLUS_C.sub(" gd ", name.replace("*", "star"))
    for token in re.split(r"[_\s./\\+()\[\],]+", name):
        if _ENTITY.match(token):  # a BIDS entity, such as space-MNI or acq-ct
            parts += ["phase"] if token == "part-phase" else []
            continue
        bids = token.startswith("ce-")
        if bids and token[3:].casefold() in (*WITHOUT, "none"):
            continue
        for piece in [token] if not bids else ["ce"]:
            onto = _ONTO_GLUED.fullmatch(piece)
            glued, target = (onto[1], ["to", onto[2]]) if onto else (piece, [])
            for part in glued.split("-"):
                whole = part.casefold() in MODALITY or _AFTER_DIGIT.fullmatch(part)
                parts += [part] if whole else re.split(r"(?<=[a-z])(?=[A-Z])", part)
            parts += target
    words: list[str] = []
    for part in filter(None, parts):
        after = _AFTER_DIGIT.fullmatch(part)
        words += [after[1].casefold(), after[2].casefold()] if after else _resolved(part.casefold())
    return _without_target(words)


def _resolved(word: str) -> list[str]:
    """Separate what is glued to a word of a modality or contrast."""
    if word in MODALITY or word in MR_CONTRAST:
        return [word]
    if crossed := _CROSSED.fullmatch(word):
        return [crossed[1], "to", crossed[2]]
    if (numbered := _NUMBERED.fullmatch(word)) and numbered[1] != "vis":
        return [numbered[1]]
    if glued := _OF_ORGAN.fullmatch(word) or _IN_PLANE.fullmatch(word):
        return [glued[1]]
    return [word]


def _without_target(words: list[str]) -> list[str]:
    """Drop the word that names the space of an image."""
    kept = list(words)
    for i, word in enumerate(words[:-1]):
        if word in _ONTO and i > 0:
            kept[i + 1] = ""
    if len(words) > 1 and words[-1] == "space":  # "mri_space"; "t2_space_sag" is a sequence
        kept[-2] = ""
    return [w for w in kept if w]


@lru_cache(maxsize=32)
def part_in(name: str, *, folder: bool = False) -> str | None:
    """Return the first word that makes a name that of a mask, a map or a part, if any.

    Parameters
    ----------
    name : str
        Of a file without its suffix, or of a folder.
    folder : bool
        A folder "tumour" contains images of tumours; a file of this name may be a mask.

    Examples
    --------
    >>> part_in("GM_T1"), part_in("c1T1"), part_in("low_dose_ct"), part_in("sub-01_T1w")
    ('gm', 'c1', None, None)
    """
    if not folder and (prefix := _SPM.match(name)):
        return prefix[0].strip("_")
    words = words_of(name)
    for described in _OF_DERIVATIVES.findall(name) if not folder else ():
        words += ["label"] if f"label-{described}" in name else [described.casefold()]
    pairs = zip(["", *words], words, [*words[1:], ""], strict=False)
    for before, word, after in pairs:
        strength = word in _OF_STRENGTH and before in _STRENGTH
        if strength or f"{word} {after}" in _NO_MAP:
            continue
        if word in MASKS or word.endswith(_ENDINGS) or (word in PARTS and not folder):
            return word
        if f"{word} {after}" in ("ground truth", "grey matter", "gray matter", "white matter"):
            return f"{word} {after}"
    return "ground" if folder and words == ["ground"] else None

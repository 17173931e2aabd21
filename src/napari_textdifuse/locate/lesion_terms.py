"""The lexicon's terms for lesions and tracer uptake, each with its rules and their sources."""

from __future__ import annotations

from . import mr, nuclear
from .terms import Rule, Term

_BOELLAARD = (
    "Boellaard et al. 2015, EANM procedure guideline 2.0, DOI 10.1007/s00259-014-2961-x (41 % "
    "contour)"
)
_LAW = "Law et al. 2019, joint EANM/EANO/RANO guideline, DOI 10.1007/s00259-018-4207-9 (ratio 1.6)"
_PERCIST = "Wahl et al. 2009, PERCIST, DOI 10.2967/jnumed.108.057307 (background mean + 2 SD)"
_BRIGHT = (
    "on T2, FLAIR or DWI, brain 8 mm or more from the skull that is 2 standard deviations above "
    "the median (in T2 volumes: a fifth of the way from grey matter to fluid) and 1.15 times the "
    "brightest within 8 mm of the mirrored place, 6 mm thick; outlined half-way from the median to "
    "its own brightness"
)
_OTHER_SIDE = (
    "comparison with the other side after Joshi et al. 2003, IEEE Trans Med Imaging 22:88 (the "
    "levels are this program's choice); plane between the sides: Ardekani et al. 1997, IEEE Trans "
    "Med Imaging 16:947"
)

_BRIGHT_LESION = Rule(
    "MR",
    _BRIGHT,
    _OTHER_SIDE,
    mr.bright_lesion,
    smallest_mm=8.0,
    # the contrast of a volume can be inferred, that of a slice must be stated
    applies=lambda view: (
        view.contrast in mr.SHOWS_LESIONS or (view.contrast is None and not view.is_flat)
    ),
    guess=False,
    needs=" with T2, FLAIR or DWI contrast (in a slice, stated)",
)


TUMOUR = Term(
    "tumour",
    (
        "metastasis",
        "cancer",
        "carcinoma",
        "glioma",
        "glioblastoma",
        "astrocytoma",
        "meningioma",
        "hepatoma",
        "melanoma",
        "sarcoma",
        "adenocarcinoma",
        "lymphoma",
        "neoplasm",
        "malignancy",
        "mass",
        "hypermetabolic lesion",
        "hypermetabolic region",
        "hypermetabolism",
    ),
    (
        Rule(
            "PT",
            "body scan: SUV above 4, outlined at 41 % of each lesion's SUVmax; normal uptake of "
            "brain, heart, kidneys and bladder is not excluded",
            "Boellaard et al. 2015, DOI 10.1007/s00259-014-2961-x; SUV 4: Barrington and Meignan "
            "2019, J Nucl Med 60:1096",
            nuclear.body_lesion,
            unit="SUVbw",
            smallest_mm=6.0,
            applies=nuclear.is_whole_body,
        ),
        Rule(
            "PT",
            "body scan in another unit: uptake above 4 times the mean of the body in view (which "
            "stands for SUV 1), outlined at 41 % of each lesion's maximum; normal uptake of brain, "
            "heart, kidneys and bladder is not excluded",
            "Boellaard et al. 2015, DOI 10.1007/s00259-014-2961-x (the body's mean as the "
            "reference is this program's choice)",
            nuclear.body_lesion,
            smallest_mm=6.0,
            applies=lambda view: (
                not view.assumed and view.unit != "SUVbw" and nuclear.is_whole_body(view)
            ),
        ),
        Rule(
            "PT",
            "uptake above 1.6 times normal grey matter, outlined at 41 % of the way from its "
            "surround to its maximum and not below 1.15 times normal; in a single slice, uptake "
            "that is alike on both sides counts as normal",
            f"{_LAW}; {_BOELLAARD}",
            nuclear.brain_lesion,
            smallest_mm=5.0,
            applies=lambda view: not view.assumed and not nuclear.is_whole_body(view),
        ),
        Rule(
            "NM",
            "counts above 1.5 times normal grey matter, outlined at 41 % of the way from the "
            "surround to the maximum and not below 1.15 times normal; in a single slice, uptake "
            "that is alike on both sides counts as normal",
            f"Black et al. 1989, J Neurosurg 71:342 (index 1.5); {_BOELLAARD}",
            nuclear.spect_lesion,
            smallest_mm=8.0,
        ),
        Rule(
            "PT",
            "intensity above mean + 2 standard deviations of the tissue and 1.15 times its upper "
            "quartile, in at most a quarter of the image",
            _PERCIST,
            nuclear.hot_spot,
            smallest_mm=5.0,
            applies=lambda view: view.assumed,
        ),
    ),
    finding=True,
)

_DEFICIT = Rule(
    "NM",
    "brain with less than 70 % of the counts around the mirrored place, outlined at "
    "80 % (both levels are this program's choice)",
    "comparison with the other side: Kapucu et al. 2009, EANM guideline for brain "
    "perfusion SPECT, Eur J Nucl Med Mol Imaging 36:2093; Juni et al. 2009, J Nucl Med "
    "Technol 37:191; plane between the sides: Ardekani et al. 1997, IEEE Trans Med Imaging 16:947",
    nuclear.perfusion_deficit,
    smallest_mm=10.0,
    guess=False,
)

LESIONS: tuple[Term, ...] = (
    TUMOUR,
    Term(
        "lesion",
        ("focal lesion", "abnormality", "abnormal area"),
        (*TUMOUR.rules, _BRIGHT_LESION),
        finding=True,
    ),
    Term(
        "infarct",
        ("stroke", "infarction", "ischaemia", "ischemia", "ischaemic lesion", "ischemic lesion"),
        (_BRIGHT_LESION, _DEFICIT),
        finding=True,
    ),
    Term(
        "hot spot",
        ("hotspot", "high uptake", "uptake", "focal uptake", "increased uptake", "hyperperfusion"),
        tuple(
            Rule(
                modality,
                "values above mean + 2 standard deviations of the tissue and 1.15 times its upper "
                "quartile, in at most a quarter of the image",
                _PERCIST,
                nuclear.hot_spot,
                smallest_mm=4.0,
            )
            for modality in ("PT", "NM", "IR")
        ),
        finding=True,
    ),
    Term(
        "perfusion deficit",
        ("perfusion defect", "hypoperfusion", "low uptake", "reduced uptake"),
        (_DEFICIT,),
        finding=True,
    ),
)

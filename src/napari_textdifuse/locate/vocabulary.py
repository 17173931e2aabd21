"""The terms of the built-in lexicon, each with its rules and their sources."""

from __future__ import annotations

from . import ct, mr, ventricles
from .lesion_terms import LESIONS
from .scene_terms import SCENE
from .terms import Gate, Rule, Term

_BUSHBERG = (
    "Hounsfield ranges: Bushberg et al., The Essential Physics of Medical Imaging, 3rd ed. 2012"
)
_OTSU = (
    "Otsu 1979, DOI 10.1109/TSMC.1979.4310076; several classes: Liao, Chen and Chung 2001, J Inf "
    "Sci Eng 17:713"
)
_INTERIOR = (
    "within the skull: brighter than 70 % (bright fluid: 80 %) of the brain nearby, 7 mm or more "
    "under the scalp, apart from bridges up to 12 mm wide, at most 155 mm below the vertex"
)
_MORPHOLOGY = "Brummer et al. 1993, IEEE Trans Med Imaging 12:153 (threshold and morphology)"
_CLASSES = (
    "three Gaussian classes of the brain, without shading where that is strong, by the image's "
    "contrast (T1 also after gadolinium, T2, PD, FLAIR), parted where the likelier class changes "
    "(on T1 without gadolinium half-way from there to the middle of their means); in single slices "
    "three Otsu classes on T1-weighted contrast"
)
_WELLS = "Wells et al. 1996, IEEE Trans Med Imaging 15:429 (classes and bias field); Otsu 1979"

TERMS: tuple[Term, ...] = (
    *LESIONS,
    Term(
        "bone",
        (
            "skull",
            "cranium",
            "calvarium",
            "calvaria",
            "skeleton",
            "osseous structure",
            "cortical bone",
            "vertebra",
            "rib",
            "spine",
        ),
        (
            Rule(
                "CT",
                "300 HU and more and below 2500 HU (metal), within the body",
                _BUSHBERG,
                ct.bone,
                unit="HU",
                smallest_mm=3.0,
            ),
            Rule(
                "CT",
                "brightest of three Otsu classes, as the CT is not in HU",
                _OTSU,
                ct.bone_uncalibrated,
                smallest_mm=5.0,
                applies=lambda view: view.unit != "HU",
                guess=False,
            ),
        ),
    ),
    Term(
        "ventricle",
        (
            "cerebral ventricle",
            "brain ventricle",
            "lateral ventricle",
            "ventricular system",
            "cerebrospinal fluid",
            "csf",
        ),
        (
            Rule(
                "CT",
                "-10 to 17 HU (fluid) after smoothing by 1.2 mm (up to 3 mm until noise is below "
                "2 HU), and below half-way to the brain around, thick, deep inside the skull and "
                "enclosed by brain",
                _BUSHBERG,
                ct.ventricle,
                unit="HU",
                smallest_mm=6.0,
            ),
            Rule(
                "MR",
                "fluid deep inside the skull, thick and enclosed by brain: the darkest of three "
                "classes on T1 and FLAIR, the brightest on T2; in volumes 8 % away from the "
                "brain; on PD 8 % brighter than grey or darker than white matter, 25 mm or more "
                "inside the skull, at most 80 mm below the top of the brain, 50 mm long and 4 mm "
                "thick; in volumes without what crosses the middle behind two thirds of their "
                "length, up to 10 mm to the sides, which is the quadrigeminal cistern",
                f"{_WELLS}; {_OTSU}",
                ventricles.ventricle,
                smallest_mm=6.0,
            ),
        ),
        gate=Gate(3, 250, balance=0.9),
    ),
    Term(
        "vessel",
        (
            "blood vessel",
            "artery",
            "vein",
            "vasculature",
            "vascular",
            "venous sinus",
            "sagittal sinus",
        ),
        (
            Rule(
                "CT",
                "130 to 500 HU (blood with contrast agent) with 160 HU somewhere, apart from the "
                "edges of bone, from what bone encloses and, around a skull's cavity, from parts "
                "of 130 HU larger than a ball (in slices: a disc) of 25 mm; only with evidence of "
                "contrast agent: such values over 20 mm or more (in a slice 6 mm) with a peak "
                "below 600 HU, in a head 6 mm or more inside the skull and in volumes 12 mm from "
                "the image's ends, elsewhere 5 mm or more from bone",
                "Bae 2010, Radiology 256:32, DOI 10.1148/radiol.10090908",
                ct.vessel,
                unit="HU",
                smallest_mm=3.0,
            ),
        ),
    ),
    Term(
        "haemorrhage",
        ("bleeding", "bleed", "blood", "haematoma", "clot"),
        (
            Rule(
                "CT",
                "52 to 90 HU (clotted blood) after smoothing by 1.5 mm, inside the skull, 3 mm or "
                "more from its inner edge and from anything above 110 HU, 3 mm thick, within 3 mm "
                "of a part with a slope below 4 HU/mm that lies 15 mm or more from the "
                "skull or is 10 HU denser than all within 8 mm of the mirrored place",
                "Parizel et al. 2001, Intracranial hemorrhage, Eur Radiol 11:1770; plane between "
                "the sides: Ardekani et al. 1997, IEEE Trans Med Imaging 16:947",
                ct.haemorrhage,
                unit="HU",
                smallest_mm=6.0,
            ),
        ),
        finding=True,
    ),
    Term(
        "calcification",
        ("calcium", "calcified plaque", "calcified lesion"),
        (
            Rule(
                "CT",
                "130 HU and more, peak above 400 HU (with evidence of contrast agent, see vessel: "
                "600 HU), apart from the skeleton, which is parts larger than a ball (in slices: "
                "a disc) of 15 mm",
                "130 HU and peak 400 HU: Agatston et al. 1990, J Am Coll Cardiol 15:827",
                ct.calcification,
                unit="HU",
                smallest_mm=1.5,
            ),
        ),
        finding=True,
    ),
    Term(
        "metal",
        ("implant", "metal implant", "clip", "filling"),
        (
            Rule(
                "CT",
                "2500 HU and more",
                "threshold segmentation of implants: Kalender, Hebel and Ebersberger 1987, "
                "Radiology 164:576 (the level of 2500 HU is this program's choice, above cortical "
                "bone)",
                ct.metal,
                unit="HU",
                smallest_mm=1.5,
            ),
        ),
        finding=True,
    ),
    Term(
        "lung",
        ("pulmonary parenchyma", "lung tissue"),
        (
            Rule(
                "CT",
                "-950 to -500 HU inside the body",
                _BUSHBERG,
                ct.lung,
                unit="HU",
                smallest_mm=15.0,
            ),
        ),
    ),
    Term(
        "air",
        ("gas",),
        (Rule("CT", "below -900 HU", _BUSHBERG, ct.air, unit="HU", smallest_mm=3.0),),
    ),
    Term(
        "fat",
        ("adipose tissue", "fatty tissue"),
        (
            Rule(
                "CT",
                "-190 to -30 HU",
                "Kvist et al. 1988, Am J Clin Nutr 48:1351",
                ct.fat,
                unit="HU",
                smallest_mm=3.0,
            ),
        ),
    ),
    Term(
        "soft tissue",
        (),
        (Rule("CT", "0 to 100 HU", _BUSHBERG, ct.soft_tissue, unit="HU", smallest_mm=5.0),),
    ),
    Term(
        "brain",
        ("brain parenchyma", "cerebrum", "brain tissue"),
        (
            Rule(
                "CT",
                "15 to 60 HU after smoothing by 1.5 mm, in one piece inside the skull: up to the "
                "crest of the bone, by a watershed from the depth of the head and from its skin, "
                "with bone of 200 HU and more near on most sides",
                f"{_BUSHBERG}; watershed: Meyer and Beucher 1990, J Vis Commun Image Represent "
                "1:21",
                ct.brain,
                unit="HU",
                smallest_mm=20.0,
            ),
            Rule(
                "MR",
                f"{_INTERIOR}, without fluid; in single slices by three Otsu classes",
                f"{_MORPHOLOGY}; {_OTSU}",
                mr.brain,
                smallest_mm=20.0,
            ),
        ),
        gate=Gate(700, 1950, balance=0.62, largest_part=0.9),
    ),
    Term(
        "grey matter",
        ("cortex", "cerebral cortex", "gm"),
        (Rule("MR", f"grey among {_CLASSES}", _WELLS, mr.grey_matter, smallest_mm=6.0),),
        gate=Gate(200, 1400, balance=0.62),
    ),
    Term(
        "white matter",
        ("wm",),
        (Rule("MR", f"white among {_CLASSES}", _WELLS, mr.white_matter, smallest_mm=6.0),),
        gate=Gate(200, 950, balance=0.62),
    ),
    Term(
        "hyperintensity",
        (
            "white matter hyperintensity",
            "white matter lesion",
            "hyperintense lesion",
            "wmh",
            "leukoaraiosis",
            "oedema",
            "edema",
        ),
        (
            Rule(
                "MR",
                "brain more than 3.5 standard deviations above its median (deviation from "
                "percentiles 16 and 84) and 1.15 times above it, in volumes "
                "4 mm or more from the skull and, above 1 mL, with half of the surround at 8 to "
                "12 mm in the brain; for FLAIR and DWI contrast (in slices FLAIR, by grey matter "
                "brighter than white)",
                "threshold on the brain's own intensities: Jeerakathil et al. 2004, Stroke 35:1857 "
                "(the estimate and the level are this program's choice)",
                mr.hyperintensity,
                smallest_mm=3.0,
                guess=False,
            ),
        ),
        finding=True,
    ),
    *SCENE,
)

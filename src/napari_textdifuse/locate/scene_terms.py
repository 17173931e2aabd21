"""The terms of the lexicon for scenes in infrared and visible images."""

from __future__ import annotations

from collections.abc import Callable

from . import scene
from .regions import Mask
from .scene_detector import MIN_SCORE
from .terms import Objects, Rule, Term
from .views import RuleImage

_DETECTOR = (
    "NanoDet-g: Lyu 2021, github.com/RangiLyu/nanodet, on COCO: Lin et al. 2014, ECCV; trained "
    "further for this program (weights/scenes/MODEL_CARD.md)"
)


def _detected(what: str, label: str, objects: Callable[[RuleImage], Objects]) -> tuple[Rule, ...]:
    """Return the rules of a term that the embedded detector finds."""

    def mask(view: RuleImage) -> Mask:
        return objects(view).labels > 0

    least = (
        f"with a score of at least {MIN_SCORE[label]:g}; outlined by its warm part or in its box"
    )
    visible_only = "in a visible image alone, where it misses more in the dark"
    return (
        Rule(
            "IR",
            f"{what}, by the embedded detector from the infrared image (bright means warm) and, if "
            f"present, the visible image, {least}",
            _DETECTOR,
            mask,
            smallest_mm=0,
            objects=objects,
        ),
        Rule(
            "VIS",
            f"{what}, by the embedded detector {visible_only}, {least}",
            _DETECTOR,
            mask,
            smallest_mm=0,
            applies=lambda view: view.partner is None,
            guess=False,
            objects=objects,
        ),
    )


SCENE: tuple[Term, ...] = (
    Term(
        "person",
        (
            "people",
            "human",
            "pedestrian",
            "man",
            "woman",
            "child",
            "walker",
            "human being",
        ),
        _detected("persons, also on bicycles", "person", scene.persons),
        finding=True,
        scene=True,
    ),
    Term(
        "cyclist",
        ("bicyclist", "bicycle rider", "bike rider", "rider", "biker", "motorcyclist"),
        _detected(
            "persons whose box lies on that of a bicycle (a quarter of it shared, middle within "
            "45 % of its width, the head above it), together with the bicycle, both",
            "bicycle",
            scene.cyclists,
        ),
        finding=True,
        scene=True,
    ),
    Term(
        "bicycle",
        ("bike", "cycle", "motorcycle", "motorbike", "scooter"),
        _detected(
            "bicycles, ridden or parked, and less reliably motorcycles", "bicycle", scene.bicycles
        ),
        finding=True,
        scene=True,
    ),
    Term(
        "car",
        ("vehicle", "automobile", "truck", "bus", "van", "lorry"),
        _detected("cars and vans, and less reliably trucks and buses", "car", scene.cars),
        finding=True,
        scene=True,
    ),
    Term(
        "lamp",
        (
            "light",
            "light source",
            "street lamp",
            "street light",
            "streetlight",
            "headlight",
            "headlamp",
        ),
        (
            Rule(
                "VIS",
                "brightest of three Otsu classes and above 75 % of the brightness range, in "
                "patches of at most 2 % of the image that reach 93 %, in images whose median "
                "is below 25 % (by day, sunlit objects look like lamps); where there is an "
                "infrared image, not as cold as the sky (35 % of the way from its percentile 2 "
                "to its percentile 60); lit windows and reflectors are found too",
                "Otsu 1979, DOI 10.1109/TSMC.1979.4310076 (the levels are this program's choice)",
                scene.lamp,
                smallest_mm=2.0,
            ),
        ),
        finding=True,
        scene=True,
    ),
)

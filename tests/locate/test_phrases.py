"""A prompt becomes plain phrases for a detector, without its filler words."""

from __future__ import annotations

import pytest

from napari_textdifuse.errors import PromptError
from napari_textdifuse.locate.phrases import phrases


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ("person", ["person"]),
        ("Please highlight the person and the car", ["person", "car"]),
        ("Please highlight the person and car.", ["person", "car"]),
        ("people, cars; trucks & bicycles", ["person", "car", "truck", "bicycle"]),
        ("I want to see the red cars in the image!", ["red car"]),
        ("make the traffic lights stand out", ["traffic light"]),
        ("Could you show me all pedestrians, please?", ["pedestrian"]),
        ("man with a hat", ["man with a hat"]),
        ("person on a bicycle or motorcycle", ["person on a bicycle", "motorcycle"]),
        ("a soda can", ["soda can"]),
        ("the head / left hand", ["head", "left hand"]),
        ("children | women", ["child", "woman"]),
        ("buses, boxes, benches, glasses, bodies", ["bus", "box", "bench", "glasses", "body"]),
        ("Bitte die Person und das Auto hervorheben", ["person", "auto"]),
        ("Montrez la personne et l’homme, s'il vous plaît", ["personne", "homme"]),
        ("Por favor, resalta el coche y la persona", ["coche", "persona"]),
        ("person、car，bus", ["person", "car", "bus"]),
        ("请突出显示人和汽车", ["人", "汽车"]),
        ("car, cars and the Car", ["car"]),
        ("t-shirt", ["t-shirt"]),
    ],
)
def test_phrases(prompt, expected):
    assert phrases(prompt) == expected


@pytest.mark.parametrize("prompt", ["", "  ", "please", "show me the image", ",;", "?!", "请"])
def test_nothing_named(prompt):
    with pytest.raises(PromptError, match="names nothing"):
        phrases(prompt)


def test_what_cannot_be_asked():
    with pytest.raises(PromptError, match="'without'"):
        phrases("man without a hat")
    with pytest.raises(PromptError, match="must be text"):
        phrases(["car"])

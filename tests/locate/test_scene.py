"""Persons and cars in infrared and visible images together."""

import numpy as np
import pytest
from scipy import ndimage

from napari_textdifuse.locate import LexiconLocator
from napari_textdifuse.locate.scene_detector import (
    SceneObject,
    _without_parts,
    detect,
    to_detector_range,
)
from napari_textdifuse.locate.scene_outline import Outliner
from napari_textdifuse.volume import Volume

LOCATOR = LexiconLocator()
PERSONS = ((150, 60, 1.0), (165, 270, 1.4))


def scene(persons=PERSONS, clutter=True, seed=0):
    """A street at dusk: warm persons; a lamp post, a bush and a stop sign that are not.

    Returns infrared, visible and the persons' true mask.
    """
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:240, :320].astype(np.float32)
    true = np.zeros((240, 320), bool)
    for cy, cx, size in persons:
        true |= ((y - cy) / (24 * size)) ** 2 + ((x - cx) / (8 * size)) ** 2 < 1
        true |= (y - cy + 28 * size) ** 2 + (x - cx) ** 2 < (6 * size) ** 2
    warmth = np.where(y < 90, 20.0, 45 + 0.1 * y)
    light = np.where(y < 90, 120.0, 60.0)
    if clutter:
        post = (abs(x - 150) < 2.5) & (y > 40) & (y < 190)
        sign = (np.hypot(x - 210, y - 110) < 11) | ((abs(x - 210) < 1.5) & (y > 110) & (y < 180))
        leaves = ndimage.gaussian_filter(rng.normal(0, 1, y.shape), 2.5)
        leaves /= leaves.std()
        bush = ((x - 110) / 26) ** 2 + ((y - 185) / 16) ** 2 < 1 + 0.5 * leaves
        for part, hot, bright in ((post, 8, 60), (sign, -8, 110), (bush, 12, -30)):
            warmth[part] += hot
            light[part] += bright
        warmth[bush] += 5 * leaves[bush]
        light[bush] += 15 * leaves[bush]
    warmth[true] = 185
    light[true] -= 35
    pictures = []
    for plane, noise in ((warmth, 4), (light, 4)):
        plane = ndimage.gaussian_filter(plane, 0.8) + rng.normal(0, noise, plane.shape)
        pictures.append(np.clip(plane, 0, 255).astype(np.uint8))
    return pictures[0], np.stack([pictures[1]] * 3, -1), true


def pair(infrared, visible):
    return [
        Volume(visible, rgb=True, modality="VIS", name="visible"),
        Volume(infrared, modality="IR", name="infrared"),
    ]


def test_persons_are_found_and_clutter_is_not(dice):
    infrared, visible, true = scene()
    location = LOCATOR.locate(pair(infrared, visible), "pedestrians")
    rows = location.detections
    assert rows.labels == ("person", "person")
    assert dice(location.mask == 1, true) > 0.8
    assert set(rows.kinds) == {"candidate"}
    assert all("IR and VIS" in reason for reason in rows.reasons)
    assert set(np.unique(location.instances)) == {0, 1, 2}
    for row, box in enumerate(rows.boxes, start=1):  # a row's box holds that row's pixels
        y, x = np.nonzero(location.instances == row)
        assert min(x.min() - box[0], box[2] - x.max(), y.min() - box[1], box[3] - y.max()) > -8


def test_scores_fall_and_reach_the_least_one():
    infrared, visible, _ = scene(persons=(*PERSONS, (140, 30, 0.8)))
    scores = LOCATOR.locate(pair(infrared, visible), "person").detections.scores
    assert len(scores) >= 2
    assert (np.diff(scores) <= 0).all()
    assert ((scores >= 0.4) & (scores <= 1)).all()


@pytest.mark.parametrize("clutter", [False, True])
@pytest.mark.parametrize("seed", [1, 2])
def test_an_empty_street_holds_nobody(clutter, seed):
    infrared, visible, _ = scene(persons=(), clutter=clutter, seed=seed)
    location = LOCATOR.locate(pair(infrared, visible), "person" if clutter else "person, car")
    assert not location.mask.any()
    assert len(location.detections) == 0
    assert any(note.startswith("person: not found (") for note in location.notes)


@pytest.mark.parametrize("kind", ["blank", "noise", "ramp"])
def test_images_of_nothing_hold_nothing(kind):
    y = np.mgrid[:120, :160][0]
    plane = {
        "blank": np.full((120, 160), 7.0),
        "noise": np.random.default_rng(0).normal(100, 9, (120, 160)),
        "ramp": y * 1.5,
    }[kind].astype(np.float32)
    images = [Volume(plane, modality="IR"), Volume(np.stack([plane] * 3, -1), rgb=True)]
    location = LOCATOR.locate(images, "person and car")
    assert not location.mask.any()


def test_either_image_alone_will_do():
    infrared, visible, true = scene()
    alone = LOCATOR.locate([Volume(infrared, modality="IR")], "person")
    assert len(alone.detections) == 2
    assert (alone.mask[true] == 1).mean() > 0.7
    picture = Volume(visible, rgb=True, modality="VIS")
    notes = LOCATOR.locate([picture], "person").notes  # dim: whatever is found, no refusal
    assert any("visible image alone" in note for note in notes)


def test_the_order_of_the_images_does_not_matter():
    infrared, visible, _ = scene()
    first, second = (
        LOCATOR.locate(images, "person, car")
        for images in (pair(infrared, visible), pair(infrared, visible)[::-1])
    )
    assert len(first.detections) == 2
    np.testing.assert_array_equal(first.detections.boxes, second.detections.boxes)
    np.testing.assert_array_equal(first.detections.scores, second.detections.scores)
    np.testing.assert_array_equal(first.mask, second.mask)


def test_units_do_not_matter_and_the_same_again_is_the_same():
    infrared, visible, _ = scene()
    first = detect(visible, infrared, 0.3)
    for other in (detect(visible, infrared, 0.3), detect(visible, infrared * 12.5 + 2731.0, 0.3)):
        assert [f.label for f in other] == [f.label for f in first]
        assert np.allclose([f.box for f in other], [f.box for f in first], atol=0.5)
    assert [f.score for f in first] == [f.score for f in detect(visible, infrared, 0.3)]


def test_an_object_of_several_images_of_a_stack_is_one():
    pictures = [scene(persons=((150, 60 + 4 * z, 1.2),), seed=z) for z in range(3)]
    infrared, visible = (np.stack([p[i] for p in pictures]) for i in (0, 1))
    location = LOCATOR.locate(pair(infrared, visible), "person")
    assert location.mask.shape == (3, 240, 320)
    assert len(location.detections) == 1
    x0, y0, z0, x1, y1, z1 = location.detections.boxes[0]
    assert (z0, z1) == (0, 3)
    assert x0 < 60 < 68 < x1
    assert y0 < 150 < y1
    for z, picture in enumerate(pictures):
        assert (location.instances[z][picture[2]] == 1).mean() > 0.7


def test_stretched_to_bytes_with_the_middle_of_infrared_lifted():
    ramp = np.linspace(-3, 5, 1001, dtype=np.float32)[None]
    assert to_detector_range(ramp)[0, 500] == pytest.approx(255 * 0.5, abs=1)
    assert to_detector_range(ramp, infrared=True)[0, 500] == pytest.approx(255 * 0.5**0.7, abs=1)


def test_an_outline_falls_back_to_the_box_with_round_corners():
    flat = np.full((60, 80), 5.0, np.float32)
    mask, how = Outliner(None, flat).outline(np.array([20, 10, 40, 50], np.float32), "person")
    assert "no outline stands out" in how
    # the area within |x|^4 + |y|^4 = 1 is 4 gamma(1.25)^2 / gamma(1.5) = 3.7081
    assert mask.sum() == pytest.approx(3.7081 * 10 * 20, rel=0.02)
    y, x = np.nonzero(mask)
    assert (x.min(), x.max(), y.min(), y.max()) == (20, 39, 10, 49)


def test_corners_of_a_car_are_not_an_outline_of_it():
    plane = np.random.default_rng(0).normal(40, 2, (120, 160)).astype(np.float32)
    plane[40:48, 40:50] = plane[72:80, 100:110] = 200  # two corners touch all sides of the box
    mask, how = Outliner(None, plane).outline(np.array([40, 40, 110, 80], np.float32), "car")
    assert mask.sum() > 0.45 * 70 * 40
    assert mask[60, 75]
    assert "stands out" in how


def lamps(day, gap=False):
    """An image with two lamps, and the infrared in which the sky is cold."""
    light = np.full((120, 160), 150.0 if day else 20.0)
    warmth = np.full((120, 160), 90.0)
    warmth[:40] = 5  # sky
    true = np.zeros((120, 160), bool)
    true[60:66, 40:48] = true[70:74, 120:124] = True
    light[true], warmth[true] = 250, 130
    if gap:
        light[20:26, 90:98] = 250  # bright, and as cold as the sky around it
    noise = np.random.default_rng(0).normal(0, 2, light.shape)
    visible = np.clip(light + noise, 0, 255).astype(np.uint8)
    return pair((warmth + noise).astype(np.float32), np.stack([visible] * 3, -1)), true


def test_lamps_shine_in_the_dark_and_are_not_sky(dice):
    for gap in (False, True):
        images, true = lamps(day=False, gap=gap)
        assert dice(LOCATOR.locate(images, "street lamps").mask, true) > 0.9
    images, _ = lamps(day=True)
    assert not LOCATOR.locate(images, "street lamps").mask.any()


def test_a_part_of_a_car_is_not_a_car():
    boxes = np.array([[0, 0, 100, 40], [60, 5, 100, 40], [90, 0, 190, 40]], np.float32)
    # the second lies in the first; the third shares a tenth of its width
    assert _without_parts(boxes, np.array([0, 1, 2])).tolist() == [0, 2]
    assert _without_parts(boxes, np.array([1, 0])).tolist() == [1]


#: A rider (his feet on the pedals), one who walks behind a parked bicycle, and one far away.
BICYCLE = (100, 150, 160, 200)
PEOPLE = {
    "rides": ((112, 100, 148, 190), True),
    "stands beside": ((165, 100, 195, 200), False),
    "lies as low": ((110, 155, 150, 198), False),
    "walks behind": ((112, 60, 140, 150), False),
}


@pytest.mark.parametrize("where", PEOPLE)
def test_a_cyclist_is_a_person_on_a_bicycle(monkeypatch, where):
    box, rides = PEOPLE[where]
    found = [
        SceneObject("person", np.array(box, np.float32), 0.8),
        SceneObject("bicycle", np.array(BICYCLE, np.float32), 0.6),
        SceneObject("bicycle", np.array((10, 150, 60, 200), np.float32), 0.39),
    ]
    monkeypatch.setattr("napari_textdifuse.locate.scene.detect", lambda *_: found)
    infrared, visible, _ = scene()
    location = LOCATOR.locate(pair(infrared, visible), "cyclists")
    assert list(location.detections.labels) == ["cyclist"] * rides
    if rides:  # rider and bicycle together, no surer than the less sure of them
        np.testing.assert_array_equal(location.detections.boxes, [(100, 100, 160, 200)])
        assert location.detections.scores[0] == pytest.approx(0.6)
        assert "bicycle:" in location.detections.reasons[0]
        assert location.detections.kinds == ("candidate",)
        assert location.mask[175, 105:155].any()
        assert location.mask[120, 115:145].any()
    bicycles = LOCATOR.locate(pair(infrared, visible), "bicycle").detections
    assert bicycles.scores.tolist() == pytest.approx([0.6])  # 0.39 is not enough
    assert list(LOCATOR.locate(pair(infrared, visible), "person").detections.labels) == ["person"]


@pytest.mark.parametrize("said", ["Radfahrer", "cycliste", "ciclista", "骑行者", "rider"])
def test_cyclists_in_other_words(said):
    infrared, visible, _ = scene(persons=(), clutter=False)
    assert LOCATOR.locate(pair(infrared, visible), said).names == {1: "cyclist"}


def test_lights_are_lamps():
    infrared, visible, _ = scene(persons=(), clutter=False)
    for prompt in ("lights", "highlight the lights", "street lights"):
        assert LOCATOR.locate(pair(infrared, visible), prompt).names == {1: "lamp"}

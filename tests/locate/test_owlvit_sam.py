"""The locator: real tiny models for the way through, planted ones for what it decides."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from bright import plant_detector, plant_segmenter

from napari_textdifuse.errors import Cancelled, InputError, PromptError, WeightsError
from napari_textdifuse.fusion.pair import make_pair
from napari_textdifuse.locate import get_locator
from napari_textdifuse.locate.cache import ContentCache
from napari_textdifuse.locate.owlvit import Boxed
from napari_textdifuse.volume import Volume


def images(shape=(37, 53), seed=0):
    rng = np.random.default_rng(seed)
    visible = rng.integers(0, 255, (*shape, 3), np.uint8)
    infrared = rng.random(shape).astype(np.float32)
    return Volume(visible, rgb=True, modality="VIS"), Volume(infrared, modality="IR")


@pytest.fixture
def locator(tiny_models):
    return get_locator(
        "owlvit-sam",
        detector=tiny_models / "owlvit",
        segmenter=tiny_models / "sam_tiny.pth",
        threshold=0.0,
        device="cpu",
    )


@pytest.mark.parametrize("detector", ["owlvit", "owlv2"])
@pytest.mark.parametrize("segmenter", ["sam", "sam_tiny.pth"])
def test_the_whole_way_with_files(tiny_models, detector, segmenter, no_weights):
    locator = get_locator(
        "owlvit-sam",
        detector=str(tiny_models / detector),
        segmenter=str(tiny_models / segmenter),
        threshold=0.0,
        device="cpu",
    )
    found = locator.locate(images(), "Please highlight the person and the cars")
    assert found.names == {1: "person", 2: "car"}
    rows = found.detections
    assert len(rows) > 2
    assert set(rows.labels) == {"person", "car"}
    assert rows.boxes.shape == (len(rows), 4)
    assert (rows.boxes[:, :2] < rows.boxes[:, 2:]).all()
    assert rows.boxes.min() >= 0
    assert rows.boxes[:, [0, 2]].max() <= 53
    assert rows.boxes[:, [1, 3]].max() <= 37
    assert set(rows.sources) <= {"VIS", "IR", "VIS and IR"}
    assert found.mask.shape == found.instances.shape == (37, 53)
    assert ((found.mask > 0) == (found.instances > 0)).all()
    for i in np.unique(found.instances[found.instances > 0]):
        assert (found.mask[found.instances == i] == rows.label_values[i - 1]).all()
    settings = locator.settings()
    assert len(settings["detector"]["sha256"]) == 64
    assert settings["segmenter"]["name"].startswith(segmenter.split(".")[0])
    assert settings["segmenter"]["sha256"][:12] in found.notes[-1]


@pytest.mark.parametrize("shape", [(19, 31), (37, 53), (203, 90)])
@pytest.mark.parametrize(("detector", "segmenter"), [("owlvit", "sam"), ("owlv2", "sam_tiny.pth")])
def test_boxes_and_masks_are_in_image_pixels(tiny_models, detector, segmenter, shape, monkeypatch):
    """Networks that see what is bright in their input: the way there and back is all real."""
    height, width = shape
    edges = (width // 5, height // 3, width // 5 + width // 2, height // 3 + height // 3)
    found = find_bright(tiny_models, detector, segmenter, bright(shape, edges), monkeypatch)
    assert found.detections.sources == ("IR",)
    pixel = max(shape) / 48  # of the detector's input, in pixels of the image
    np.testing.assert_allclose(found.detections.boxes, [edges], atol=0.5 * pixel + 0.5)
    cell = 4 * max(shape) / 128  # the planted SAM sees in cells of four pixels of its input
    np.testing.assert_allclose(edges_of(found.mask == 1), edges, atol=cell + 0.5)


def test_a_smaller_image_is_found_in_the_larger_ones_pixels(tiny_models, monkeypatch):
    """Recorded numbers: infrared of half the size, brought onto the visible image's grid."""
    _, infrared = bright((22, 34), (8, 6, 20, 15))
    large = Volume(np.full((44, 68, 3), 90, np.uint8), rgb=True, modality="VIS")
    pair = make_pair(large, infrared).on_one_grid()
    found = find_bright(tiny_models, "owlvit", "sam", pair, monkeypatch)
    assert found.mask.shape == (44, 68)
    np.testing.assert_allclose(found.detections.boxes, [[16, 12, 40, 30]], atol=1.0)
    np.testing.assert_allclose(edges_of(found.mask == 1), [16, 12, 40, 30], atol=2.5)


def bright(shape, edges):
    """A visible image of one value, and an infrared one with a bright block."""
    x0, y0, x1, y1 = edges
    infrared = np.zeros(shape, np.float32)
    infrared[y0:y1, x0:x1] = 1
    visible = np.full((*shape, 3), 90, np.uint8)
    return Volume(visible, rgb=True, modality="VIS"), Volume(infrared, modality="IR")


def find_bright(tiny_models, detector, segmenter, pair, monkeypatch):
    locator = get_locator(
        "owlvit-sam",
        detector=tiny_models / detector,
        segmenter=tiny_models / segmenter,
        threshold=0.0,
        top_k=1,
        device="cpu",
    )
    loaded = locator.load()
    plant_detector(loaded[0], monkeypatch)
    plant_segmenter(loaded[1], monkeypatch)
    return locator.locate(pair, "person")


def edges_of(mask):
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return [columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]


def test_a_second_prompt_costs_no_image_encoder(locator, monkeypatch):
    detector, segmenter = locator.load()
    calls = {"detector": 0, "segmenter": 0}

    def counted(kind, owner, name):
        real = getattr(owner, name)

        def call(*given, **named):
            calls[kind] += 1
            return real(*given, **named)

        monkeypatch.setattr(owner, name, call)

    counted("detector", detector.model, "image_embedder")
    counted("segmenter", segmenter.predictor.model.image_encoder, "forward")
    pair = images()
    first = locator.locate(pair, "person")
    assert calls == {"detector": 2, "segmenter": 2}
    second = locator.locate(pair, "car, dog")
    locator.top_k = 1
    locator.locate(pair, "dog")
    assert calls == {"detector": 2, "segmenter": 2}
    assert second.names == {1: "car", 2: "dog"}

    again = [Volume(v.array.copy(), rgb=v.rgb, modality=v.modality) for v in pair]
    locator.top_k = 20
    same = locator.locate(again, "person")  # equal content, other objects
    assert calls == {"detector": 2, "segmenter": 2}
    np.testing.assert_array_equal(same.mask, first.mask)
    np.testing.assert_array_equal(same.detections.scores, first.detections.scores)

    pair[0].array[0, 0, 0] ^= 255  # another content: the visible image is seen again
    locator.locate(pair, "person")
    assert calls["detector"] == 3


def test_the_cache_forgets_the_oldest_first():
    @dataclass
    class Thing:
        nbytes: int

    cache, made = ContentCache(max_bytes=100), []
    pictures = [np.full((2, 2, 3), k, np.uint8) for k in range(4)]

    def get(k, size=40, kind="x"):
        def make():
            made.append(k)
            return Thing(size)

        return cache.get(kind, pictures[k], make)

    get(0), get(1), get(0)
    assert made == [0, 1]
    get(2)  # 1 was used longest ago
    get(0)
    assert (made, cache.nbytes) == ([0, 1, 2], 80)
    get(1)
    assert made == [0, 1, 2, 1]
    get(3, size=500)  # larger than the cache: not kept, nothing thrown out for it
    assert (len(cache), cache.nbytes) == (2, 80)
    get(0, kind="y")
    assert made[-1] == 0
    cache.clear()
    assert (len(cache), cache.nbytes) == (0, 0)


class PlantedDetector:
    """Answers by the image's top left pixel: `boxes[value][phrase]` is (box, score) rows."""

    name, sha256 = "planted", "0" * 64

    def __init__(self, boxes):
        self.boxes = boxes

    def encode(self, picture):
        @dataclass
        class Features:
            key: int
            nbytes: int = 1

        return Features(int(picture[0, 0, 0]))

    def detect(self, image, phrases, threshold):
        answers = []
        for phrase in phrases:
            rows = self.boxes.get(image.key, {}).get(phrase, [])
            keep = [row for row in rows if row[1] >= threshold]
            answers.append(
                Boxed(
                    np.array([r[0] for r in keep], np.float32).reshape(-1, 4),
                    np.array([r[1] for r in keep], np.float32),
                    max((r[1] for r in rows), default=0.0),
                )
            )
        return answers


class BoxFiller:
    """Outlines a box by itself; remembers in which image."""

    name, sha256 = "filler", "1" * 64

    def __init__(self):
        self.asked = []

    def encode(self, picture):
        @dataclass
        class Embedded:
            key: int
            shape: tuple
            nbytes: int = 1

        return Embedded(int(picture[0, 0, 0]), picture.shape[:2])

    def segment(self, image, boxes):
        self.asked.append((image.key, len(boxes)))
        masks = np.zeros((len(boxes), *image.shape), bool)
        for mask, (x0, y0, x1, y1) in zip(masks, boxes.astype(int), strict=True):
            mask[y0:y1, x0:x1] = True
        return masks


def pictures(*keys, shape=(40, 60), names=("VIS", "IR")):
    made = []
    for name, key in zip(names, keys, strict=False):
        array = np.full((*shape, 3), 50, np.uint8)
        array[..., 0, 0, :] = np.reshape(key, (-1, 1)) if np.ndim(key) else key
        made.append(Volume(array, rgb=True, modality=name))
    return made


def planted(boxes, **options):
    locator = get_locator("owlvit-sam", device="cpu", **options)
    locator._models = (PlantedDetector(boxes), BoxFiller())
    return locator


BOXES = {
    1: {"car": [((2, 2, 12, 10), 0.6), ((3, 2, 13, 10), 0.5), ((30, 20, 50, 30), 0.2)]},
    2: {
        "car": [((2, 3, 12, 11), 0.9), ((40, 2, 48, 8), 0.3)],
        "wheel": [((4, 6, 6, 8), 0.4)],
    },
}


def test_both_images_are_united():
    locator = planted(BOXES)
    found = locator.locate(pictures(1, 2), "car and wheel")
    rows = found.detections
    assert rows.labels == ("car", "car", "car", "wheel")
    assert rows.sources == ("VIS and IR", "IR", "VIS", "IR")
    np.testing.assert_allclose(rows.scores, [0.9, 0.3, 0.2, 0.4])
    assert rows.boxes[0].tolist() == [2, 3, 12, 11]
    assert rows.label_values.tolist() == [1, 1, 1, 2]
    # the shared object is outlined once, in the image that showed it better
    assert sorted(locator._models[1].asked) == [(1, 1), (2, 3)]
    # the wheel lies on the car: the smaller object is on top
    assert found.mask[7, 5] == 2
    assert found.instances[7, 5] == 4
    assert found.mask[4, 5] == 1
    assert (found.mask == 2).sum() == 4
    assert any("car: 3 found in VIS and IR, scores 0.20 to 0.90" in note for note in found.notes)


def test_one_image_can_be_chosen():
    only_a = planted(BOXES, look_at="a").locate(pictures(1, 2), "car")
    assert set(only_a.detections.sources) == {"VIS"}
    assert only_a.detections.scores.tolist() == pytest.approx([0.6, 0.2])  # 0.5 was the same car
    only_b = planted(BOXES, look_at="b").locate(pictures(1, 2), "car")
    assert set(only_b.detections.sources) == {"IR"}
    with pytest.raises(InputError, match="only one image"):
        planted(BOXES, look_at="b").locate(pictures(1), "car")


def test_threshold_and_top_k():
    found = planted(BOXES, threshold=0.5).locate(pictures(1, 2), "car")
    assert found.detections.scores.tolist() == pytest.approx([0.9])
    found = planted(BOXES, top_k=2).locate(pictures(1, 2), "car, wheel")
    assert found.detections.labels == ("car", "car", "wheel")
    assert found.detections.scores.tolist() == pytest.approx([0.9, 0.3, 0.4])


def test_nothing_found_is_a_result():
    found = planted(BOXES, threshold=0.95).locate(pictures(1, 2), "car, 人")
    assert not found.mask.any()
    assert not found.instances.any()
    assert len(found.detections) == 0
    assert found.detections.boxes.shape == (0, 4)
    assert found.names == {1: "car", 2: "人"}
    assert "car: not found; the best box scored 0.900, below the threshold of 0.95." in found.notes
    assert any("English" in note for note in found.notes)


def test_equal_modalities_are_distinguished_by_name():
    pair = [
        Volume(v.array, rgb=True, modality="MR", name=f"image {k}")
        for k, v in zip("AB", pictures(1, 2), strict=True)
    ]
    found = planted(BOXES).locate(pair, "car")
    assert found.detections.sources[0] == "image A and image B"


def test_one_object_has_one_label_through_a_volume():
    boxes = {
        z: {"car": [((z, 5, z + 20, 25), 0.2 + z / 10), ((40, 30, 50, 38), 0.15)]}
        for z in (10, 11, 12, 13)
    }
    boxes[11]["car"][1] = ((42, 30, 52, 38), 0.15)
    boxes[13]["car"][1] = ((44, 30, 54, 38), 0.12)
    boxes[12]["car"].pop()  # the second is missed in one slice
    stack = pictures([10, 11, 12, 13], shape=(4, 40, 60), names=("VIS",))
    found = planted(boxes, threshold=0.1).locate(stack, "car")
    rows = found.detections
    assert found.mask.shape == (4, 40, 60)
    assert rows.boxes.tolist() == [[10, 5, 0, 33, 25, 4], [40, 30, 0, 54, 38, 4]]
    np.testing.assert_allclose(rows.scores, [1.5, 0.15], rtol=1e-6)
    assert [np.unique(plane[6, 15:30]).tolist() for plane in found.instances] == [[1]] * 4
    assert [int(plane[33, 45]) for plane in found.instances] == [2, 2, 2, 2]
    columns = np.flatnonzero((found.instances[2] == 2).any(axis=0))
    assert (columns[0], columns[-1] + 1) == (43, 53)  # halfway between its neighbours
    assert any("missed an object in 1 slice between others" in note for note in found.notes)
    assert set(np.unique(found.mask)) == {0, 1}


def test_an_object_that_ends_and_another_that_begins_stay_two():
    boxes = {z: {"car": [((5, 5, 25, 25), 0.5)]} for z in (10, 13)}  # two slices between
    stack = pictures([10, 11, 12, 13], shape=(4, 40, 60), names=("VIS",))
    found = planted(boxes).locate(stack, "car")
    assert [int(plane[6, 6]) for plane in found.instances] == [1, 0, 0, 2]
    assert not any("missed" in note for note in found.notes)


def test_blank_slices_cost_nothing():
    stack = pictures([10, 50, 50], shape=(3, 40, 60), names=("VIS",))
    locator = planted({10: {"car": [((0, 0, 9, 9), 0.5)]}, 50: {"car": [((0, 0, 9, 9), 0.9)]}})
    found = locator.locate(stack, "car")  # the other two slices hold one value everywhere
    assert found.detections.boxes.tolist() == [[0, 0, 0, 9, 9, 1]]


def test_progress_and_cancelling():
    seen = []
    stack = pictures([1, 2, 3], [4, 5, 6], shape=(3, 40, 60))
    planted({}, callback=lambda *state: seen.append(state)).locate(stack, "car")
    assert seen == [(k, 12) for k in range(6)]  # the other six would outline what was found
    seen.clear()
    boxes = {2: {"car": [((0, 0, 9, 9), 0.5)]}}
    planted(boxes, callback=lambda *state: seen.append(state)).locate(stack, "car")
    assert seen[6:] == [(8, 12), (9, 12)]  # in the second slice
    with pytest.raises(Cancelled, match="nothing was located"):
        planted({}, callback=lambda done, _: done < 3).locate(stack, "car")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"threshold": 1.5}, "threshold must be between 0 and 1"),
        ({"threshold": "high"}, "threshold must be"),
        ({"threshold": float("nan")}, "threshold must be"),
        ({"top_k": 0}, "top_k must be an integer"),
        ({"top_k": 2.5}, "top_k must be an integer"),
        ({"look_at": "c"}, "look_at must be one of a, b, both"),
    ],
)
def test_bad_options(options, message):
    with pytest.raises(InputError, match=message):
        get_locator("owlvit-sam", **options)


def test_bad_input():
    locator = planted(BOXES)
    with pytest.raises(PromptError, match="names nothing"):
        locator.locate(pictures(1, 2), "please")
    with pytest.raises(InputError, match="40 x 60 and 41 x 60"):
        locator.locate([*pictures(1), *pictures(2, shape=(41, 60))], "car")
    with pytest.raises(InputError, match="at least one image"):
        locator.locate([], "car")
    with pytest.raises(InputError, match="no device 'cuda:99'"):
        get_locator("owlvit-sam", weights=".", device="cuda:99", detector=".", segmenter=".").load()


def test_missing_weights_say_what_to_do(no_weights, tiny_models, tmp_path):
    locator = get_locator("owlvit-sam")
    with pytest.raises(WeightsError) as error:
        locator.locate(pictures(1, 2), "car")
    assert "textdifuse weights download owlvit-base-patch32 --yes" in str(error.value)
    assert "615 MB" in str(error.value)
    only_sam = get_locator("owlv2-sam", detector=tiny_models / "owlv2")
    (sentence,) = only_sam.missing()
    assert "segmenter" in sentence
    assert "sam-vit-base" in sentence
    (tmp_path / "empty").mkdir()
    (first, _) = get_locator("owlvit-sam", weights=tmp_path / "empty").missing()
    assert "weights in empty" in first
    with pytest.raises(WeightsError, match="check the path"):
        get_locator("owlvit-sam", weights=tmp_path / "nowhere").load()


def test_a_folder_or_the_environment_names_the_weights(no_weights, tiny_models, monkeypatch):
    by_folder = get_locator("owlvit-sam", weights=tiny_models, device="cpu")
    assert by_folder.missing() == ()
    assert by_folder.settings()["detector"]["name"] == "owlv2"  # the first by name
    monkeypatch.setenv("TEXTDIFUSE_LOCATOR_WEIGHTS", str(tiny_models))
    assert get_locator("owlvit-sam").missing() == ()


def test_downloaded_weights_are_found(no_weights, tiny_models):
    import shutil

    from napari_textdifuse.locate.hub import download_folder, get_model

    for name, source in (("owlvit-base-patch32", "owlvit"), ("slimsam-uniform-77", "sam")):
        shutil.copytree(tiny_models / source, download_folder(get_model(name)))
    locator = get_locator("owlvit-sam", device="cpu")
    settings = locator.settings()
    assert settings["detector"]["name"] == "owlvit-base-patch32"
    assert settings["segmenter"]["name"] == "slimsam-uniform-77"
    named = get_locator("owlvit-sam", detector="owlv2-base-patch16-ensemble")
    assert "owlv2-base-patch16-ensemble --yes" in named.missing()[0]

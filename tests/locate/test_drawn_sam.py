"""SAM as a refiner: real tiny models, points and boxes, the cache, and which image counts."""

from __future__ import annotations

import numpy as np
import pytest

from napari_textdifuse.errors import WeightsError
from napari_textdifuse.locate.drawn import Drawing, get_refiner, refine
from napari_textdifuse.locate.drawn.sam import SamRefiner
from napari_textdifuse.locate.sam import TransformersSam
from napari_textdifuse.volume import Volume

FORMATS = ["sam", "sam_tiny.pth"]


def images(shape=(37, 53)):
    rng = np.random.default_rng(0)
    visible = rng.integers(0, 255, (*shape, 3), np.uint8)
    return Volume(visible, rgb=True, modality="VIS"), Volume(rng.random(shape), modality="IR")


@pytest.fixture(params=FORMATS)
def refiner(request, tiny_models):
    return SamRefiner(tiny_models / request.param, device="cpu")


def decoder_of(segmenter):
    return segmenter.model if isinstance(segmenter, TransformersSam) else segmenter.predictor.model


def test_boxes_and_points_with_real_files(refiner, no_weights):
    pair = images()
    drawing = Drawing(boxes=[5, 4, 40, 30], points=[[20, 10], [8, 8]], point_labels=[1, 0])
    found = refine(*pair, drawing, refiner)
    assert found.mask.shape == (37, 53)
    assert found.detections.sources[0] in ("VIS", "IR", "drawn")
    alone = Drawing(points=[[20.5, 10.5]])
    first = refiner.outline(pair, item(alone, (37, 53)))
    assert first is None or first.mask.shape == (37, 53)


def item(drawing, shape):
    from napari_textdifuse.locate.drawn.drawing import drawn_objects

    return drawn_objects(drawing, shape)[0]


def test_a_second_shape_costs_no_image_encoder(refiner, monkeypatch):
    pair = images()
    refine(*pair, Drawing(boxes=[5, 4, 40, 30]), refiner)
    segmenter, calls = refiner.load(), []
    real = segmenter.encode
    monkeypatch.setattr(segmenter, "encode", lambda picture: calls.append(1) or real(picture))
    refine(*pair, Drawing(boxes=[1, 2, 20, 30]), refiner)
    refine(*pair, Drawing(boxes=[1, 2, 20, 30], points=[[3, 3]]), refiner)
    assert calls == []
    refine(
        pair[0], Volume(pair[1].array[::-1].copy(), modality="IR"), Drawing([0, 0, 9, 9]), refiner
    )
    assert calls == [1]


@pytest.mark.parametrize("format_", FORMATS)
@pytest.mark.parametrize("shape", [(19, 31), (203, 90)])
def test_prompts_reach_the_network_in_its_own_pixels(tiny_models, format_, shape, monkeypatch):
    """Points and boxes of the image are scaled by the same factors as the image was."""
    segmenter = SamRefiner(tiny_models / format_, device="cpu").load()
    encoder = decoder_of(segmenter).prompt_encoder
    real, seen = encoder.forward, {}

    def record(*given, **named):
        if given:  # segment-anything's own
            named = dict(zip(("points", "boxes", "masks"), given, strict=False)) | named
        points = named.get("input_points", named.get("points"))
        seen["points"] = points[0] if isinstance(points, tuple) else points
        seen["boxes"] = named.get("input_boxes", named.get("boxes"))
        return real(*given, **named)

    monkeypatch.setattr(encoder, "forward", record)
    picture = np.random.default_rng(0).integers(0, 255, (*shape, 3), np.uint8)
    image = segmenter.encode(picture)
    y, x = shape
    mask, overlap = segmenter.outline(
        image,
        np.array([0, 0, x, y], np.float32),
        np.array([[x / 2, y / 4]], np.float32),
        np.array([1]),
    )
    assert mask.shape == shape
    assert mask.dtype == bool
    assert np.isfinite(overlap)
    height, width = image.input_size
    np.testing.assert_allclose(seen["boxes"].reshape(-1), [0, 0, width, height], rtol=1e-5)
    np.testing.assert_allclose(seen["points"].reshape(-1), [width / 2, height / 4], rtol=1e-5)


class Planted:
    """A segmenter that draws the given shape and estimates its overlap by the brightness."""

    name, sha256 = "planted", "0" * 64

    def __init__(self):
        self.asked = []

    def encode(self, picture):
        class Seen:
            nbytes = 1
            mean = float(picture.mean()) / 255
            size = picture.shape[:2]

        return Seen()

    def outline(self, image, box, points, labels):
        self.asked.append((box, points.tolist(), labels.tolist()))
        mask = np.zeros(image.size, bool)
        mask[2:5, 3:7] = True
        return mask, image.mean


@pytest.fixture
def planted():
    refiner = SamRefiner()
    refiner._model = Planted()
    return refiner


def test_the_image_with_the_better_estimate_counts(planted):
    rng = np.random.default_rng(0)
    dark = rng.integers(0, 60, (20, 20, 3), dtype=np.uint8)
    dark, bright = (Volume(v, rgb=True, modality=m) for v, m in ((dark, "VIS"), (dark + 150, "IR")))
    for pair in ((dark, bright), (bright, dark)):
        found = refine(*pair, Drawing(boxes=[2, 1, 8, 6], points=[[4.2, 3.9]]), planted)
        assert found.detections.sources == ("IR",)
        assert found.mask.sum() == 12
        assert "estimated overlap 0.7" in found.notes[0]
    box, points, labels = planted.load().asked[0]
    assert box.tolist() == [2, 1, 8, 6]
    assert points == [[4.5, 3.5]]  # the middle of the pixel
    assert labels == [1]


def test_volumes_are_outlined_slice_by_slice(planted):
    values = np.random.default_rng(0).random((6, 20, 20)).astype(np.float32)
    drawing = Drawing(boxes=[2, 1, 1, 8, 6, 4], points=[[5, 5, 2], [1, 1, 2]], point_labels=[1, 0])
    found = refine(Volume(values, modality="CT"), None, drawing, planted)
    assert np.unique(np.nonzero(found.mask)[0]).tolist() == [1, 2, 3]
    assert [len(points) for _, points, _ in planted.load().asked] == [0, 2, 0]
    assert found.detections.boxes.tolist() == [[3, 2, 1, 7, 5, 4]]


def test_auto_takes_sam_where_it_is(tiny_models, monkeypatch, no_weights, tmp_path):
    monkeypatch.setenv("TEXTDIFUSE_LOCATOR_WEIGHTS", str(tiny_models))
    assert get_refiner("auto").name == "sam"
    (tmp_path / "empty").mkdir()
    monkeypatch.setenv("TEXTDIFUSE_LOCATOR_WEIGHTS", str(tmp_path / "empty"))
    assert get_refiner("auto").name == "classical"
    with pytest.raises(WeightsError, match="download sam-vit-base"):
        get_refiner("sam").load()


def test_one_point_takes_the_best_of_three_answers(tiny_models):
    for name in FORMATS:
        segmenter = SamRefiner(tiny_models / name, device="cpu").load()
        model, asked = decoder_of(segmenter), []
        real = model.mask_decoder.forward

        def count(*given, real=real, asked=asked, **named):
            asked.append(named["multimask_output"])
            return real(*given, **named)

        model.mask_decoder.forward = count
        picture = np.random.default_rng(0).integers(0, 255, (20, 30, 3), np.uint8)
        image = segmenter.encode(picture)
        one, two = np.array([[5, 5]], np.float32), np.array([[5, 5], [9, 9]], np.float32)
        segmenter.outline(image, None, one, np.array([1]))
        segmenter.outline(image, None, two, np.array([1, 0]))
        segmenter.outline(image, np.array([1, 1, 9, 9], np.float32), one, np.array([1]))
        assert asked == [True, False, False]

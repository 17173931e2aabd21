"""Grounding DINO, SAM 2 and SAM 3 on tiny checkpoints in their real formats."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
import torch

import tiny_models as make
from napari_textdifuse.errors import WeightsError
from napari_textdifuse.locate import get_locator
from napari_textdifuse.locate.checkpoints import find, preprocessing
from napari_textdifuse.locate.detectors import GroundingDinoDetector, Sam3Detector, load_detector
from napari_textdifuse.locate.owlvit import OwlDetector
from napari_textdifuse.locate.sam import Sam2Segmenter, load_segmenter
from napari_textdifuse.volume import Volume

CPU = torch.device("cpu")
KINDS = ["grounding-dino", "mm-grounding-dino", "sam3", "sam3_video"]


@pytest.fixture(scope="module")
def models(tmp_path_factory, tiny_models):
    folder = tmp_path_factory.mktemp("today")
    make.save_grounding_dino(folder / "grounding-dino")
    make.save_grounding_dino(folder / "mm-grounding-dino", "mm-grounding-dino")
    make.save_sam2(folder / "sam2")
    make.save_sam3(folder / "sam3")
    make.save_sam3(folder / "sam3_video", published=True)
    shutil.copytree(tiny_models / "owlvit", folder / "owlvit")
    return folder


def picture(shape=(60, 90)):
    values = np.random.default_rng(0).integers(0, 60, (*shape, 3), np.uint8)
    values[20:40, 30:60] = 250
    return values


@pytest.mark.parametrize("kind", KINDS)
def test_boxes_lie_in_the_image_and_phrases_do_not_matter_to_each_other(models, kind):
    detector = load_detector(models / kind, CPU)
    image = detector.encode(picture())
    assert image.nbytes > 0
    one, two = detector.detect(image, ["person", "red car"], 0.0)
    (alone,) = detector.detect(image, ["red car"], 0.0)
    np.testing.assert_array_equal(two.boxes, alone.boxes)
    np.testing.assert_array_equal(two.scores, alone.scores)
    assert len(one.boxes) > 0
    assert not np.array_equal(one.scores, two.scores)
    for found in (one, two):
        assert (found.boxes[:, :2] < found.boxes[:, 2:]).all()
        assert (found.boxes >= 0).all()
        assert (found.boxes <= [90, 60, 90, 60]).all()
        assert ((found.scores >= 0) & (found.scores <= 1)).all()
        assert found.best == found.scores.max()
    (none,) = detector.detect(image, ["person"], 1.0)
    assert len(none.boxes) == 0
    assert none.best == one.best
    assert len(detector.sha256) == 64


def test_grounding_dino_gives_what_transformers_gives(models):
    import transformers as hf

    folder = models / "grounding-dino"
    processor = hf.GroundingDinoProcessor(
        hf.GroundingDinoImageProcessorPil.from_pretrained(folder),
        hf.BertTokenizer.from_pretrained(folder),
    )
    model = hf.GroundingDinoForObjectDetection.from_pretrained(folder).eval()
    inputs = processor(images=picture(), text="red car.", return_tensors="pt")
    with torch.inference_mode():
        outputs = model(**inputs)
    (expected,) = processor.post_process_grounded_object_detection(
        outputs, inputs.input_ids, threshold=0.0, target_sizes=[(60, 90)]
    )
    detector = GroundingDinoDetector(folder, CPU)
    (found,) = detector.detect(detector.encode(picture()), ["Red car"], 0.0)
    limits = np.array([90, 60, 90, 60], np.float32)
    boxes = np.clip(expected["boxes"].numpy(), 0, limits)
    usable = ((boxes[:, 2:] - boxes[:, :2]) > 0).all(axis=1)
    np.testing.assert_allclose(found.boxes, boxes[usable], atol=1e-3)
    np.testing.assert_allclose(found.scores, expected["scores"].numpy()[usable], atol=1e-6)


def test_the_published_form_of_sam3_is_the_same_network(models):
    found = []
    for kind in ("sam3", "sam3_video"):
        detector = Sam3Detector(models / kind, CPU)
        (boxed,) = detector.detect(detector.encode(picture()), ["car"], 0.0)
        assert boxed.masks.shape == (len(boxed.boxes), 60, 90)
        assert boxed.masks.dtype == bool
        found.append(boxed)
    np.testing.assert_array_equal(found[0].boxes, found[1].boxes)
    np.testing.assert_array_equal(found[0].masks, found[1].masks)


def test_sam2_outlines_boxes_and_points(models):
    segmenter = load_segmenter(models / "sam2", CPU)
    assert isinstance(segmenter, Sam2Segmenter)
    image = segmenter.encode(picture())
    assert len(image.finer) == 2
    assert image.nbytes > image.tensor.nbytes
    boxes = np.array([[30, 20, 60, 40], [0, 0, 10, 10], [5, 5, 80, 50]], np.float32)
    masks = segmenter.segment(image, boxes)
    assert masks.shape == (3, 60, 90)
    assert segmenter.segment(image, boxes[:0]).shape == (0, 60, 90)
    np.testing.assert_array_equal(segmenter.segment(image, boxes[1:2])[0], masks[1])
    mask, overlap = segmenter.outline(
        image, boxes[0], np.zeros((0, 2), np.float32), np.zeros(0, int)
    )
    np.testing.assert_array_equal(mask, masks[0])
    assert np.isfinite(overlap)
    points = np.array([[45.0, 30.0], [5.0, 5.0]], np.float32)
    mask, _ = segmenter.outline(image, None, points, np.array([1, 0]))
    assert mask.shape == (60, 90)


def test_images_are_scaled_as_the_models_were_trained(tmp_path):
    """PIL's bilinear filter, then ImageNet's mean and SD, or the folder's."""
    flat = np.full((10, 20, 3), 51, np.uint8)  # 0.2
    values = preprocessing(tmp_path, 8, (0.1, 0.2, 0.3), (0.5, 1.0, 0.1))(flat)
    assert values.shape == (1, 3, 8, 8)
    np.testing.assert_allclose(values[0, :, 0, 0], [0.2, 0.0, -1.0], atol=1e-6)
    config = {"image_processor": {"image_mean": [0, 0, 0], "image_std": [1, 1, 2]}}
    (tmp_path / "processor_config.json").write_text(json.dumps(config))
    values = preprocessing(tmp_path, 8, (0.1,) * 3, (0.5,) * 3)(flat)
    np.testing.assert_allclose(values[0, :, 0, 0], [0.2, 0.2, 0.1], atol=1e-6)
    (tmp_path / "processor_config.json").write_text('{"image_std": [0, 0, 0]}')
    with pytest.raises(WeightsError, match="damaged"):
        preprocessing(tmp_path, 8, (0.1,) * 3, (0.5,) * 3)


def images():
    return [Volume(picture(), rgb=True, modality="VIS"), Volume(picture()[..., 0], modality="IR")]


@pytest.mark.parametrize("kind", ["grounding-dino", "mm-grounding-dino", "owlvit"])
def test_any_detector_works_with_any_segmenter(models, kind):
    for segmenter in ("sam2",):
        locator = get_locator(
            "free-text",
            detector=models / kind,
            segmenter=models / segmenter,
            threshold=0.0,
            top_k=2,
            device="cpu",
        )
        found = locator.locate(images(), "the person and the car")
        assert found.mask.shape == (60, 90)
        assert found.names == {1: "person", 2: "car"}
        assert 2 <= len(found.detections) <= 4
        assert f"{kind} (SHA-256" in found.notes[-1]
        assert f"{segmenter} (SHA-256" in found.notes[-1]
        assert set(locator.settings()) >= {"detector", "segmenter", "threshold"}


def test_sam3_needs_no_segmenter(models, no_weights):
    locator = get_locator("sam3", detector=models / "sam3", threshold=0.0, top_k=2, device="cpu")
    assert locator.missing() == ()
    found = locator.locate(images(), "car")
    assert found.mask.any()
    assert found.names == {1: "car"}
    assert locator.settings()["segmenter"] is None
    stack = [Volume(np.stack([picture()] * 3), rgb=True)]
    assert locator.locate(stack, "car").mask.shape == (3, 60, 90)


def test_folders_are_recognised_by_their_content(models):
    assert find(models / "sam2") == {"segmenter": models / "sam2"}
    assert find(models / "sam3_video") == {"detector": models / "sam3_video"}
    assert isinstance(load_detector(models / "owlvit", CPU), OwlDetector)
    with pytest.raises(WeightsError, match="is not a detector"):
        load_detector(models / "sam2", CPU)


@pytest.mark.parametrize("name", ["grounding-dino-sam", "sam3", "free-text"])
def test_what_is_missing_is_said_with_the_command_that_gets_it(no_weights, name):
    locator = get_locator(name)
    lacking = locator.missing()
    assert "textdifuse weights download" in lacking[0]
    assert len(lacking) == (1 if name == "sam3" else 2)
    with pytest.raises(WeightsError):
        locator.load()


@pytest.mark.parametrize("kind", ["grounding-dino", "sam3", "sam2"])
def test_damaged_folders_get_one_sentence(models, tmp_path, kind):
    folder = tmp_path / kind
    shutil.copytree(models / kind, folder)
    (folder / "model.safetensors").write_bytes(b"damaged")
    load = load_segmenter if kind == "sam2" else load_detector
    with pytest.raises(WeightsError, match="cannot be loaded"):
        load(folder, CPU)
    if kind != "sam2":
        shutil.copy(models / kind / "model.safetensors", folder)
        for name in ("tokenizer.json", "vocab.txt", "vocab.json"):
            (folder / name).unlink(missing_ok=True)
        with pytest.raises(WeightsError, match="tokenizer files"):
            load(folder, CPU)

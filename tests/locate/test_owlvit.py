"""OWL-ViT and OWLv2 from files: boxes come back in the image's pixels."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
import torch
from bright import plant_detector

from napari_textdifuse.errors import WeightsError
from napari_textdifuse.locate.owlvit import OwlDetector

CPU = torch.device("cpu")
#: Not square, no multiple of 16; scaled up, about as large, and scaled down by the processor.
SHAPES = [(19, 31), (37, 53), (203, 90)]


@pytest.fixture(scope="module", params=["owlvit", "owlv2"])
def detector(request, tiny_models):
    return OwlDetector(tiny_models / request.param, CPU)


def picture_with_block(shape, edges):
    x0, y0, x1, y1 = edges
    picture = np.zeros((*shape, 3), np.uint8)
    picture[y0:y1, x0:x1] = 255
    return picture


@pytest.mark.parametrize("shape", SHAPES)
def test_a_block_that_the_network_sees_comes_back_in_image_pixels(detector, shape, monkeypatch):
    """Plant a network that finds what is bright in its own input; all the rest is real."""
    height, width = shape
    edges = (width // 5, height // 3, width // 5 + width // 2, height // 3 + height // 4)

    plant_detector(detector, monkeypatch)
    image = detector.encode(picture_with_block(shape, edges))
    assert image.size == shape
    (found,) = detector.detect(image, ["person"], 0.0)
    pixel_of_input = max(shape) / 48
    np.testing.assert_allclose(found.boxes[0], edges, atol=0.5 * pixel_of_input + 0.5)


def test_planted_boxes_in_numbers(tiny_models, monkeypatch):
    """OWL-ViT squashes the image to a square; OWLv2 pads it, so its boxes scale by one side."""
    expected = {"owlvit": [26.5, 9.25, 39.75, 27.75], "owlv2": [26.5, 13.25, 39.75, 37.0]}
    for kind, edges in expected.items():
        detector = OwlDetector(tiny_models / kind, CPU)
        planted = torch.tensor([0.625, 0.5, 0.25, 0.5]).repeat(1, 9, 1)
        monkeypatch.setattr(detector.model, "box_predictor", lambda *_, p=planted: p)
        image = detector.encode(np.zeros((37, 53, 3), np.uint8))
        (found,) = detector.detect(image, ["car"], 0.0)
        np.testing.assert_allclose(found.boxes, [edges] * 9, atol=1e-4)


def test_boxes_and_scores_are_those_of_transformers(tiny_models):
    """The split into an image part and a text part changes nothing."""
    import transformers as hf

    picture = np.random.default_rng(0).integers(0, 255, (37, 53, 3), np.uint8)
    for kind, name in (("owlvit", "OwlViT"), ("owlv2", "Owlv2")):
        folder = tiny_models / kind
        detector = OwlDetector(folder, CPU)
        processor = getattr(hf, f"{name}ImageProcessorPil").from_pretrained(folder)
        inputs = processor(images=picture, return_tensors="pt")
        words = ["a photo of a person", "a photo of a red car"]
        tokens = detector.tokenizer(
            words, padding="max_length", truncation=True, max_length=16, return_tensors="pt"
        )
        with torch.inference_mode():
            whole = detector.model(**tokens, pixel_values=inputs["pixel_values"])
        image = detector.encode(picture)
        torch.testing.assert_close(image.boxes, whole.pred_boxes)
        parts = detector.detect(image, ["person", "red car"], 0.0)
        scores = torch.sigmoid(whole.logits[0]).numpy()
        for k, part in enumerate(parts):
            assert len(part.scores)
            for score in part.scores:
                assert np.abs(scores[:, k] - score).min() < 1e-5
            assert part.best == pytest.approx(part.scores.max())


def test_a_phrase_is_judged_by_itself(detector):
    picture = np.random.default_rng(1).integers(0, 255, (40, 40, 3), np.uint8)
    image = detector.encode(picture)
    together = detector.detect(image, ["dog", "cat"], 0.0)
    alone = detector.detect(image, ["cat"], 0.0)
    np.testing.assert_allclose(together[1].boxes, alone[0].boxes, atol=1e-4)
    np.testing.assert_allclose(together[1].scores, alone[0].scores, atol=1e-6)


def test_threshold_and_very_long_phrases(detector):
    image = detector.encode(np.random.default_rng(2).integers(0, 255, (40, 40, 3), np.uint8))
    (every,) = detector.detect(image, ["a very long description " * 40], 0.0)
    limit = float(np.median(every.scores))
    (some,) = detector.detect(image, ["a very long description " * 40], limit)
    assert 0 < len(some.scores) < len(every.scores)
    assert some.scores.min() >= limit
    assert some.best == every.best


def copy(folder, to):
    return shutil.copytree(folder, to)


def test_what_is_wrong_with_a_folder(tiny_models, tmp_path):
    def refusal(folder):
        with pytest.raises(WeightsError) as error:
            OwlDetector(folder, CPU)
        return str(error.value)

    assert "There is no folder" in refusal(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    assert "no config.json" in refusal(tmp_path / "empty")

    cut = copy(tiny_models / "owlvit", tmp_path / "cut")
    whole = (cut / "model.safetensors").read_bytes()
    (cut / "model.safetensors").write_bytes(whole[: len(whole) // 2])
    assert "damaged" in refusal(cut)
    (cut / "model.safetensors").unlink()
    assert "no model.safetensors" in refusal(cut)

    no_words = copy(tiny_models / "owlvit", tmp_path / "no_words")
    for name in ("vocab.json", "merges.txt", "tokenizer_config.json"):
        (no_words / name).unlink()
    assert "tokenizer" in refusal(no_words)

    other = copy(tiny_models / "owlvit", tmp_path / "other")
    config = json.loads((other / "config.json").read_text())
    (other / "config.json").write_text(json.dumps(config | {"model_type": "clip"}))
    assert "'clip' model" in refusal(other)
    (other / "config.json").write_text(json.dumps(config | {"model_type": "sam2"}))
    assert "is not a detector" in refusal(other)
    (other / "config.json").write_text("{")
    assert "damaged" in refusal(other)


def test_missing_weights_are_not_made_up(tiny_models, tmp_path):
    from safetensors.torch import load_file, save_file

    folder = copy(tiny_models / "owlvit", tmp_path / "part")
    state = load_file(folder / "model.safetensors")
    del state["box_head.dense0.weight"]
    save_file(state, folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(WeightsError, match=r"lacks 1 of the weights.*box_head.dense0.weight"):
        OwlDetector(folder, CPU)


def test_a_vocabulary_of_another_model_is_refused(tiny_models, tmp_path):
    folder = copy(tiny_models / "owlvit", tmp_path / "words")
    vocab = json.loads((folder / "vocab.json").read_text())
    vocab |= {f"word{n}</w>": len(vocab) + n for n in range(100)}
    (folder / "vocab.json").write_text(json.dumps(vocab))
    with pytest.raises(WeightsError, match="does not fit the model"):
        OwlDetector(folder, CPU)

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from napari_textdifuse import FusionPipeline, Volume, fuse
from napari_textdifuse.device import batch_size
from napari_textdifuse.errors import (
    Cancelled,
    GeometryError,
    InputError,
    PromptError,
    TextDiFuseError,
    WeightsError,
)
from napari_textdifuse.fusion import engine


def picture(shape=(37, 50), seed=0, dtype=np.uint8):
    values = np.random.default_rng(seed).integers(0, 256, shape)
    return values.astype(dtype)


@pytest.mark.parametrize("shape", [(1, 1), (1, 33), (2, 2), (16, 16), (37, 50)])
def test_any_size_gives_its_own_size(tiny_pipeline, shape):
    a, b = picture(shape) | 1, picture(shape, 1) | 1
    result = tiny_pipeline(a, b)
    assert result.fused.shape == shape
    assert result.fused.dtype == np.float32
    assert np.isfinite(result.fused).all()
    assert result.fused.min() >= 0
    assert result.fused.max() <= 1
    assert result.contribution.shape == shape
    assert result.mask is None
    assert result.uncertainty is None


@pytest.mark.parametrize("dtype", ["u1", "u2", "i2", "i4", "i8", "f2", "f4", "f8", "?"])
def test_any_real_type(tiny_pipeline, dtype):
    result = tiny_pipeline(picture(dtype=dtype), picture(seed=1))
    assert np.isfinite(result.fused).all()


def test_colour_of_either_source_is_kept(tiny_pipeline):
    rgb = np.zeros((20, 24, 3), np.uint8)
    rgb[...] = (200, 40, 40)
    for a, b in ((rgb, picture((20, 24))), (picture((20, 24)), rgb)):
        fused = tiny_pipeline(a, b).fused
        assert fused.shape == (20, 24, 3)
        middle = fused[(fused.max(axis=-1) < 1) & (fused.min(axis=-1) > 0)]
        assert (middle[:, 0] > middle[:, 1]).all()
        np.testing.assert_allclose(middle[:, 1], middle[:, 2], atol=0.02)


def test_alpha_is_ignored(tiny_pipeline):
    rgba = picture((20, 24, 4))
    one = tiny_pipeline(rgba, picture((20, 24), 1)).fused
    two = tiny_pipeline(rgba[..., :3], picture((20, 24), 1)).fused
    np.testing.assert_array_equal(one, two)


def test_same_seed_same_pixels_and_no_state_between_images(tiny_pipeline):
    a, b = picture(), picture(seed=1)
    first = tiny_pipeline(a, b, seed=5).fused
    tiny_pipeline(b, a, mask=a > 200, seed=1)
    np.testing.assert_array_equal(tiny_pipeline(a, b, seed=5).fused, first)
    assert not np.array_equal(tiny_pipeline(a, b, seed=6).fused, first)


def test_inputs_are_never_changed(tiny_pipeline):
    a, b = picture(dtype=np.float32), picture(seed=1)
    a[0, 0] = np.nan
    copies = a.copy(), b.copy()
    tiny_pipeline(a, b, mask=b > 100)
    np.testing.assert_array_equal(a, copies[0])
    np.testing.assert_array_equal(b, copies[1])


def test_outside_the_mask_nothing_changes_and_inside_it_does(tiny_pipeline):
    a, b = picture(), picture(seed=1)
    mask = np.zeros(a.shape, np.uint8)
    mask[10:20, 12:30] = 1
    plain = tiny_pipeline(a, b).fused
    prompted = tiny_pipeline(a, b, mask=mask)
    np.testing.assert_array_equal(prompted.fused[mask == 0], plain[mask == 0])
    assert not np.array_equal(prompted.fused[mask == 1], plain[mask == 1])
    np.testing.assert_array_equal(prompted.mask, mask)


def test_strength_zero_equals_no_prompt_bit_for_bit(tiny_pipeline):
    a, b = picture(), picture(seed=1)
    plain = tiny_pipeline(a, b).fused
    np.testing.assert_array_equal(tiny_pipeline(a, b, mask=a > 100, strength=0).fused, plain)


def test_boxes_become_objects(tiny_pipeline):
    a, b = picture(), picture(seed=1)
    result = tiny_pipeline(a, b, boxes=[[2, 3, 10, 8], [20, 20, 30, 30]])
    assert (result.mask[3:8, 2:10] == 1).all()
    assert (result.mask == 1).sum() == 40
    np.testing.assert_array_equal(result.detections.boxes, [[2, 3, 10, 8], [20, 20, 30, 30]])


def test_samples_give_uncertainty(tiny_pipeline):
    result = tiny_pipeline(picture(), picture(seed=1), samples=3)
    assert result.uncertainty.shape == (37, 50)
    assert result.uncertainty.max() > 0
    assert result.volume("uncertainty").array is result.uncertainty


def test_volumes_are_fused_slice_by_slice_with_the_same_noise(tiny_pipeline):
    a, b = picture((3, 20, 24)), picture((3, 20, 24), 1)
    a[2], b[2] = a[1], b[1]
    result = tiny_pipeline(a, b)
    assert result.fused.shape == (3, 20, 24)
    np.testing.assert_array_equal(result.fused[1], result.fused[2])
    np.testing.assert_array_equal(result.fused[0], tiny_pipeline(a[0], b[0]).fused)


def test_moving_image_is_resampled_onto_the_fixed_grid(tiny_pipeline):
    fixed = Volume(picture((4, 30, 30)), affine=np.diag([1, 1, 2, 1.0]), modality="MR")
    moving = Volume(picture((4, 15, 15), 1), affine=np.diag([2, 2, 2, 1.0]), modality="CT")
    result = tiny_pipeline(fixed, moving)
    assert result.fused.shape == (4, 30, 30)
    np.testing.assert_array_equal(result.volume().affine, fixed.affine)


def test_functional_images_are_shown_in_colour(tiny_pipeline):
    pet = Volume(picture((20, 20)).astype(np.float32) / 20, modality="PT", unit="SUVbw")
    mri = Volume(picture((20, 20), 1), modality="MR")
    result = tiny_pipeline(mri, pet)
    assert result.rgb
    assert result.record["colour_from"] == "b"
    assert result.record["inputs"]["b"]["window"] == [0.0, 20.0]


def test_record_is_complete_plain_and_anonymous(tiny_pipeline):
    a = Volume(picture(), name="Doe^Jane")
    record = tiny_pipeline(a, picture(seed=1), mask=picture() > 200, prompt="spot").record
    text = json.dumps(record)
    assert "Doe" not in text
    assert "not for diagnosis" in text
    for key in ("versions", "weights", "weights_sha256", "seed", "steps", "device", "prompt"):
        assert key in record
    assert record["seconds"] > 0
    assert record["label_names"] == {"1": "spot"}


def test_progress_reaches_the_end_and_cancel_stops(tiny_pipeline):
    a, b = picture((2, 20, 20)), picture((2, 20, 20), 1)
    seen = []
    tiny_pipeline(a, b, mask=a > 200, callback=seen.append)
    assert [p.step for p in seen] == list(range(1, seen[0].total + 1))
    assert seen[0].total == 2 * 2 * 4
    assert seen[-1].slice_index == 1
    calls = []
    with pytest.raises(Cancelled):
        tiny_pipeline(a, b, callback=lambda p: calls.append(p) or len(calls) < 3)
    assert len(calls) == 3


def test_tiles_without_an_object_are_not_modulated(tiny_weights, monkeypatch):
    from napari_textdifuse.fusion import engine

    pipeline = FusionPipeline.from_pretrained(tiny_weights, device="cpu")
    monkeypatch.setattr(engine, "TILE", 128)
    a, b = picture((64, 300)), picture((64, 300), 1)
    mask = np.zeros(a.shape, np.uint8)
    mask[10:20, 4:12] = 1
    plain, seen = pipeline(a, b).fused, []
    prompted = pipeline(a, b, mask=mask, callback=seen.append).fused
    tiles = len(list(engine.tiles((64, 304), 128)))
    assert [p.step for p in seen] == list(range(1, 4 * (tiles + 1) + 1))
    assert seen[-1].total == len(seen)
    np.testing.assert_array_equal(prompted[mask == 0], plain[mask == 0])
    assert not np.array_equal(prompted[mask == 1], plain[mask == 1])


def test_blank_slices_are_skipped(tiny_pipeline):
    a, b = picture((2, 20, 20)), picture((2, 20, 20), 1)
    a[0] = b[0] = 0
    result = tiny_pipeline(a, b)
    assert not result.fused[0].any()
    assert result.fused[1].any()


def test_not_a_number_is_dark_and_noted(tiny_pipeline):
    a = picture(dtype=np.float32)
    a[:5] = np.nan
    result = tiny_pipeline(a, picture(seed=1))
    assert np.isfinite(result.fused).all()
    assert any("not finite" in note for note in result.record["warnings"])


BAD = {
    "complex": (picture().astype(complex), "complex"),
    "text": (np.array([["a", "b"]]), "text cannot be fused"),
    "5-D": (np.zeros((2, 2, 2, 2, 2)), "5 axes"),
    "1-D": (np.ones(9), "1 axes"),
    "empty": (np.ones((0, 5)), "empty"),
    "all NaN": (np.full((9, 9), np.nan), "no value is a finite number"),
    "all zeros": (np.zeros((9, 9)), "every value is 0"),
    "missing file": ("nowhere/at/all.png", r"all\.png does not exist"),
    "ragged": ([[1, 2], [3]], "rows"),
}


@pytest.mark.parametrize("name", BAD)
@pytest.mark.parametrize("position", [0, 1])
def test_bad_images_get_one_sentence(tiny_pipeline, name, position):
    bad, words = BAD[name]
    pair = [picture((9, 9)), picture((9, 9))]
    pair[position] = bad
    with pytest.raises(InputError, match=words) as caught:
        tiny_pipeline(*pair)
    message = str(caught.value)
    assert "\n" not in message
    assert message.endswith(".")
    assert isinstance(caught.value, ValueError)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"quality": "good"}, "quality must be one of fast, standard, best"),
        ({"quality": "fast", "steps": 2}, "quality or steps, not both"),
        ({"steps": 0}, "steps"),
        ({"steps": 2.5}, "steps"),
        ({"seed": -1}, "seed"),
        ({"strength": 3}, "strength"),
        ({"strength": "much"}, "strength"),
        ({"boxes": "here"}, "numbers"),
        ({"samples": 0}, "samples"),
        ({"sampler": "euler"}, "sampler"),
        ({"chroma": "never"}, "chroma must be one of auto, restore, keep, not 'never'"),
        ({"refiner": "pencil"}, "refiner must be one of auto, sam, classical, none"),
        ({"locator": "crystal ball"}, "crystal ball"),
        ({"mask": np.ones((3, 3))}, "have the size|has the size"),
        ({"mask": np.full((37, 50), 0.5) * picture()}, "fractions|labels"),
        ({"boxes": [[5, 5, 5, 9]]}, "empty"),
        ({"boxes": [[500, 500, 600, 600]]}, "outside"),
        ({"boxes": [[1, 2, 3]]}, "x0"),
        ({"mask": picture() > 5, "boxes": [[0, 0, 1, 1]]}, "only one of mask and boxes"),
    ],
)
def test_bad_options_get_one_sentence(tiny_pipeline, options, words):
    with pytest.raises(InputError, match=words):
        tiny_pipeline(picture(), picture(seed=1), **options)


def test_unknown_prompts_say_what_is_known(tiny_pipeline):
    with pytest.raises(PromptError, match="gizmo"):
        tiny_pipeline(picture(), picture(seed=1), prompt="gizmo")


def test_images_without_common_shape_or_space(tiny_pipeline):
    with pytest.raises(GeometryError):
        tiny_pipeline(picture((20, 40)), picture((40, 20)))
    far = np.eye(4)
    far[:3, 3] = 1e4
    with pytest.raises(GeometryError, match="mm"):
        tiny_pipeline(
            Volume(picture((4, 9, 9)), affine=np.eye(4)), Volume(picture((4, 9, 9)), affine=far)
        )


def test_device_and_weights_errors(tiny_weights):
    with pytest.raises(InputError, match="device"):
        FusionPipeline.from_pretrained(tiny_weights, device="abacus")
    with pytest.raises(WeightsError):
        fuse(picture(), picture(), weights="nowhere")
    assert issubclass(WeightsError, TextDiFuseError)


def test_fuse_is_the_pipeline(tiny_weights, tiny_pipeline):
    a, b = picture(), picture(seed=1)
    one = fuse(a, b, weights=tiny_weights, device="cpu", steps=2, seed=3).fused
    np.testing.assert_array_equal(one, tiny_pipeline(a, b, steps=2, seed=3).fused)


@pytest.mark.parametrize(("quality", "steps"), [("fast", 1), ("standard", 4), (None, 4)])
def test_a_quality_is_a_number_of_steps(tiny_pipeline, quality, steps):
    rng = np.random.default_rng(5)
    a, b = rng.random((2, 24, 24))
    run = tiny_pipeline(a, b, quality=quality)
    assert run.record["steps"] == steps
    np.testing.assert_array_equal(run.fused, tiny_pipeline(a, b, steps=steps).fused)


@pytest.mark.parametrize("sampler", ["ddim", "ancestral"])
def test_slices_fused_at_once_are_those_fused_one_by_one(sampler, tiny_pipeline, monkeypatch):
    rng = np.random.default_rng(9)
    a, b = rng.random((2, 5, 21, 30))
    a[2] = b[2] = 0  # nothing to fuse, so the batches are slices 0, 1, 3 and 4
    mask = np.zeros(a.shape, np.uint8)
    mask[1, 4:12, 5:20] = 1
    mask[4, 2:9, 3:9] = 2
    options = {"mask": mask, "steps": 3, "sampler": sampler}
    single = tiny_pipeline(a, b, **options)
    seen = []
    monkeypatch.setattr(engine, "batch_size", lambda device, pixels: 3)
    batch = tiny_pipeline(a, b, callback=seen.append, **options)
    # other kernels may round differently
    np.testing.assert_allclose(batch.fused, single.fused, atol=0.02)
    np.testing.assert_allclose(batch.contribution, single.contribution, atol=0.02)
    assert np.abs(single.fused[1] - single.fused[0]).max() > 0.05
    assert [p.step for p in seen][-1] == seen[0].total == (5 + 2) * 3
    assert {p.slice_index for p in seen} == {0, 1, 3, 4}


def test_only_gpus_batch(monkeypatch):
    assert batch_size(torch.device("cpu"), 256 * 256) == 1
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (2**30, 2**31))
    assert batch_size(torch.device("cuda"), 256 * 256) == 2
    assert batch_size(torch.device("cuda"), 4096 * 4096) == 1
    assert batch_size(torch.device("cuda"), 16) == 16

"""How much is mended, and how far the result may be off."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
import torch

from napari_textdifuse import FusionPipeline
from napari_textdifuse.cli.numbers import restore as parse_restore
from napari_textdifuse.errors import InputError, WeightsError
from napari_textdifuse.locate import Detections, Location
from napari_textdifuse.models import LightNetwork, UNetConfig
from napari_textdifuse.weights import save_light

SMALL = {"base": 8, "multipliers": (1, 2), "blocks": (1, 1), "time_dim": 16}


def picture(seed: int, shape=(24, 32)) -> np.ndarray:
    return np.random.default_rng(seed).integers(1, 256, shape).astype(np.uint8)


@pytest.fixture(scope="module")
def pair() -> tuple[np.ndarray, np.ndarray]:
    return picture(0), picture(1)


@pytest.fixture(scope="module")
def older(tmp_path_factory) -> FusionPipeline:
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("older")
    save_light(LightNetwork(UNetConfig(**SMALL, restore=0, uncertainty=0)), folder, "older-1")
    return FusionPipeline.from_pretrained(folder, device="cpu")


@pytest.fixture(scope="module")
def calibrated(tiny_weights, tmp_path_factory) -> FusionPipeline:
    """Twice the expected error up to 0.1, then 0.2."""
    folder = tmp_path_factory.mktemp("calibrated") / "weights"
    shutil.copytree(tiny_weights, folder)
    config = json.loads((folder / "config.json").read_text())
    levels = [1e-6, 0.1]
    config["calibration"] = {
        "expected": list(np.log(levels)),
        "deviation": list(np.log(2 * np.array(levels))),
        "modalities": ["MR", "CT"],
    }
    (folder / "config.json").write_text(json.dumps(config))
    return FusionPipeline.from_pretrained(folder, device="cpu")


def test_all_of_it_is_what_it_was_bit_for_bit(tiny_pipeline, pair):
    plain = tiny_pipeline(*pair, steps=2)
    for restore in (1, 1.0, {"noise": 1, "light": 1}, {}):
        np.testing.assert_array_equal(
            tiny_pipeline(*pair, steps=2, restore=restore).fused, plain.fused
        )
    assert plain.record["restore"] == {"noise": 1, "light": 1, "colour": 1}


@pytest.mark.parametrize("restore", [0, 0.5, {"noise": 0}, {"light": 0.25}])
def test_less_reaches_the_network_and_the_record(tiny_pipeline, pair, restore):
    plain = tiny_pipeline(*pair, steps=1).fused
    result = tiny_pipeline(*pair, steps=1, restore=restore)
    assert not np.array_equal(result.fused, plain)
    wanted = restore if isinstance(restore, dict) else dict.fromkeys(("noise", "light"), restore)
    assert {k: result.record["restore"][k] for k in wanted} == wanted


def test_both_kinds_are_distinguished(tiny_pipeline, pair):
    dark, noisy = (
        tiny_pipeline(*pair, steps=1, restore={kind: 0}).fused for kind in ("light", "noise")
    )
    assert not np.allclose(dark, noisy, atol=1e-4)


def test_objects_stand_out_whatever_is_mended(tiny_pipeline, pair):
    mask = np.zeros(pair[0].shape, np.uint8)
    mask[4:12, 4:12] = 1
    plain = tiny_pipeline(*pair, steps=2, restore=0).fused
    shown = tiny_pipeline(*pair, steps=2, restore=0, mask=mask).fused
    np.testing.assert_array_equal(shown[mask == 0], plain[mask == 0])
    assert not np.array_equal(shown, plain)


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (1.5, "between 0 and 1, not 1.5"),
        (-0.1, "between 0 and 1"),
        (True, "between 0 and 1, not True"),
        ({"noise": "much"}, "between 0 and 1, not 'much'"),
        ({"sound": 1}, "noise, light, colour, not sound"),
        (float("nan"), "between 0 and 1"),
    ],
)
def test_what_is_not_a_restoration(tiny_pipeline, pair, bad, message):
    with pytest.raises(InputError, match=message):
        tiny_pipeline(*pair, restore=bad)


def test_weights_without_the_condition_say_so(older, pair):
    assert older(*pair, steps=1, restore={"colour": 0}).fused.shape == pair[0].shape
    with pytest.raises(InputError, match="older-1 always restore noise and light fully"):
        older(*pair, steps=1, restore=0.5)


def test_uncertainty_is_shown_where_it_was_calibrated(tiny_pipeline, older, calibrated, pair):
    assert tiny_pipeline(*pair, steps=1).uncertainty is None
    assert older(*pair, steps=1).uncertainty is None
    known = {"a": "MR", "b": "CT"}
    windows = {"a": (0, 255), "b": (0, 255)}
    result = calibrated(*pair, steps=1, modality=known, windows=windows)
    network = calibrated.backend.network
    x, y = (torch.from_numpy(v)[None, None].float() / 255 * 2 - 1 for v in pair)
    z = torch.randn(x.shape[1:], generator=torch.Generator().manual_seed(0))[None]
    t = torch.tensor([999])
    with torch.inference_mode():
        error = network.decode_with_error(network.encode_and_weight(z, x, y, t), t)[2][0, 0]
    np.testing.assert_allclose(
        result.uncertainty, np.minimum(2 * error.numpy(), 0.2), rtol=1e-3, atol=1e-6
    )
    np.testing.assert_array_equal(
        result.fused, tiny_pipeline(*pair, steps=1, modality=known, windows=windows).fused
    )
    # the head looks at the first step, however many follow
    again = calibrated(*pair, steps=3, modality=known, windows=windows).uncertainty
    np.testing.assert_array_equal(again, result.uncertainty)


@pytest.mark.parametrize("modality", [None, {"a": "VIS", "b": "IR"}, {"a": "MR"}])
def test_no_uncertainty_for_what_it_was_not_measured_on(calibrated, pair, modality):
    assert calibrated(*pair, steps=1, modality=modality).uncertainty is None


def test_samples_add_what_they_differ_by(calibrated, tiny_pipeline, pair):
    known = {"a": "MR", "b": "CT"}
    spread = tiny_pipeline(*pair, steps=1, samples=2, modality=known).uncertainty
    each = [calibrated(*pair, steps=1, seed=seed, modality=known).uncertainty for seed in (0, 1)]
    both = calibrated(*pair, steps=1, samples=2, modality=known).uncertainty
    expected = np.sqrt(spread**2 + (each[0] ** 2 + each[1] ** 2) / 2)
    np.testing.assert_allclose(both, expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("options", [{"modality": {"a": "VIS", "b": "IR"}}, {"balance": 0.5}])
def test_the_error_is_only_computed_where_it_is_shown(calibrated, pair, options, monkeypatch):
    monkeypatch.setattr(
        calibrated.backend.network.error, "forward", lambda *_: pytest.fail("not needed")
    )
    assert calibrated(*pair, steps=1, **options).uncertainty is None


def test_no_uncertainty_where_the_user_chose_the_balance(calibrated, pair):
    assert (
        calibrated(*pair, steps=1, balance=0.5, modality={"a": "MR", "b": "CT"}).uncertainty is None
    )


def test_a_calibration_that_is_none_is_refused(tiny_weights, tmp_path):
    folder = tmp_path / "weights"
    shutil.copytree(tiny_weights, folder)
    config = json.loads((folder / "config.json").read_text())
    good = {"expected": [0.0], "deviation": [1.0]}
    for table in (
        {"expected": [0.0]},
        {"expected": [0, 0], "deviation": [1, 1]},
        [],
        good | {"weights": [1, 2, 3, 4, 5]},
        good | {"weights": [1, 2, 3, 4], "ranges": [[0, 1]] * 4},
        good | {"weights": [1, 2, 3, 4, "5"], "ranges": [[0, 1]] * 4},
        good | {"weights": [1, 2, 3, 4, 5], "ranges": [[0, 1]] * 3 + [[1, 0]]},
        good | {"weights": 5},
    ):
        config["calibration"] = table
        (folder / "config.json").write_text(json.dumps(config))
        with pytest.raises(WeightsError, match="calibration must be two lists"):
            FusionPipeline.from_pretrained(folder, device="cpu")


def test_on_the_command_line():
    assert parse_restore("0.5") == 0.5
    assert parse_restore("noise=0, light=1") == {"noise": 0.0, "light": 1.0}
    for text in ("2", "much", "noise=", "sound=1", "noise=2", "nan"):
        with pytest.raises(Exception, match="0 to 1"):
            parse_restore(text)


def test_the_prompt_says_what_is_mended(tiny_pipeline, pair):
    run = tiny_pipeline(*pair, "keep the light, denoise", steps=1)
    same = tiny_pipeline(*pair, steps=1, restore={"light": 0})
    np.testing.assert_array_equal(run.fused, same.fused)
    assert run.mask is None
    assert run.record["restore"] == {"noise": 1, "light": 0, "colour": 1}
    assert run.record["restore_from"] == {
        "noise": "prompt: denoise",
        "light": "prompt: keep the light",
        "colour": "default",
    }
    (note,) = [n for n in run.record["warnings"] if n.startswith("Restored:")]
    assert "light 0 (prompt: keep the light)" in note
    assert set(same.record["restore_from"].values()) == {"default", "option"}


def test_the_locator_gets_the_rest_of_the_prompt(tiny_pipeline, pair):
    asked = []

    class Locator:
        name = "asked"

        def locate(self, images, prompt):
            asked.append(prompt)
            mask = (images[0].array > 200).astype(np.uint8)
            return Location(mask, Detections.of_mask(mask, {1: prompt}, "test"), {1: prompt})

    run = tiny_pipeline(*pair, "tumour, keep the light", steps=1, locator=Locator())
    assert asked == ["tumour"]
    assert run.label_names == {1: "tumour"}
    assert run.record["prompt"] == "tumour, keep the light"


def test_with_a_mask_the_words_still_restore_and_the_rest_is_its_name(tiny_pipeline, pair):
    mask = pair[0] > 200
    run = tiny_pipeline(*pair, "keep the light, lesion", mask, steps=1)
    assert run.label_names == {1: "lesion"}
    assert run.record["restore"]["light"] == 0
    assert tiny_pipeline(*pair, "keep the light", mask, steps=1).label_names == {1: "mask 1"}


@pytest.mark.parametrize(
    ("prompt", "restore"),
    [("keep the light", 1), ("keep the light", {"light": 0.5}), ("denoise", 0)],
)
def test_an_option_that_contradicts_the_words_is_refused(tiny_pipeline, pair, prompt, restore):
    with pytest.raises(InputError, match=f"The prompt says '{prompt}', but restore gives"):
        tiny_pipeline(*pair, prompt, restore=restore)


def test_the_option_may_say_how_far_the_words_go(tiny_pipeline, pair):
    run = tiny_pipeline(*pair, "denoise", steps=1, restore={"noise": 0.5})
    assert run.record["restore"] == {"noise": 0.5, "light": 1, "colour": 1}


def test_a_session_follows_the_words_of_each_prompt(tiny_pipeline, pair):
    session = tiny_pipeline.session(*pair, steps=1)
    plain = session.fuse().fused
    kept = session.fuse("keep the light")
    np.testing.assert_array_equal(
        kept.fused, tiny_pipeline(*pair, steps=1, restore={"light": 0}).fused
    )
    np.testing.assert_array_equal(session.fuse().fused, plain)
    assert not np.array_equal(kept.fused, plain)

"""Every wrong value of a weights folder is a refusal in one sentence, before memory is taken."""

from __future__ import annotations

import hashlib
import json
import shutil

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch.utils._python_dispatch import TorchDispatchMode

from napari_textdifuse import FusionPipeline
from napari_textdifuse.errors import WeightsError
from napari_textdifuse.models import ChromaNetwork, LightNetwork, UNetConfig
from napari_textdifuse.weights import load_chroma, load_fast, load_light, open_folder, save_light

SHAPE = UNetConfig(base=8, multipliers=(1, 2), blocks=(1, 1), time_dim=16)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A folder that uses every field of a description."""
    torch.manual_seed(0)
    chroma = ChromaNetwork(UNetConfig(patch=4, base=8, multipliers=(1,), blocks=(1,), time_dim=16))
    table = {"expected": [-5.0, -3.0], "deviation": [-4.0, -2]}
    folder = tmp_path_factory.mktemp("whole")
    fast = LightNetwork(SHAPE, diffusion=False)
    save_light(
        LightNetwork(SHAPE), folder, "whole", {"stages": ["fcm"]}, chroma, table, fast, table
    )
    return folder


@pytest.fixture
def folder(whole, tmp_path):
    return shutil.copytree(whole, tmp_path / "weights")


def describe(folder, keys, value):
    """Put a value somewhere into the description; a last key of None takes its place."""
    path = folder / "config.json"
    config = json.loads(path.read_text())
    place = config
    for key in keys[:-1]:
        place = place[key]
    place[keys[-1]] = value
    path.write_text(json.dumps(config))


def refusal(folder):
    with pytest.raises(WeightsError) as caught:
        FusionPipeline.from_pretrained(folder, device="cpu")
    message = str(caught.value)
    assert "\n" not in message
    assert message.endswith(".")
    for jargon in ("NoneType", "Traceback", "Error", "dict", "torch", "object at", "unhashable"):
        assert jargon not in message, message
    return message


WRONG = [
    (("architecture",), v, "architecture|not a weights") for v in (None, 3, True, [], {}, "Light")
]
WRONG += [(("sha256",), v, "sha256") for v in (None, 3, [], {}, "", "abc", "g" * 64)]
WRONG += [(("name",), v, "name") for v in (None, 3, [], {}, " ", "\ud800", "\x1b[31m")]
WRONG += [(("schedule",), v, "schedule") for v in (None, 3, [], {}, "cubic")]
WRONG += [(("fusion",), v, "fusion") for v in (None, 3, [], {}, "fcm2")]
WRONG += [(("diffusion",), v, "diffusion") for v in (None, 0, 1, "true", [])]
WRONG += [(("training",), v, "training") for v in (3, "fcm", [], {"stages": 3}, {"stages": [1]})]
WRONG += [(("training", "stages"), v, "stages") for v in ("fcm", [None], ["a\n"], ["\ud800"])]
WRONG += [(("unet",), v, "unet") for v in (None, 3, "x", [], {}, True)]
WRONG += [
    (("unet", "patch"), v, "patch") for v in (None, "2", 2.0, True, 0, -2, 10**9, [2], {}, 1e400)
]
WRONG += [(("unet", "base"), v, "base") for v in (None, "8", 8.5, 0, -8, 10**12, 10**400)]
WRONG += [
    (("unet", "multipliers"), v, "multipliers")
    for v in (None, 2, "12", [], [1], [1, "2"], [1, 0], [1, 10**9], [[1], [2]], [1] * 99)
]
WRONG += [
    (("unet", "blocks"), v, "blocks")
    for v in (None, 1, [], [1], [0, 1], [10**9, 1], [1.0, 1.0], [None, 1], {"a": 1})
]
WRONG += [(("unet", "time_dim"), v, "time_dim") for v in (None, 0, 15, "16", 10**9)]
WRONG += [
    (("unet", key), v, key)
    for key in ("refine", "control_fine", "control_cell", "restore", "uncertainty")
    for v in (None, -1, "16", 1.5, 10**9)
]
WRONG += [(("unet", "restore"), 1, "restore"), (("unet", "depth"), 3, "depth")]
WRONG += [(("chroma",), v, "chroma") for v in (None, 3, [], "x", {}, {"unet": {}})]
WRONG += [(("chroma", "sha256"), v, "sha256") for v in (None, 3, "abc")]
WRONG += [(("chroma", "unet"), v, "unet of chroma") for v in (None, 3, [], {"patch": 2})]
WRONG += [(("chroma", "unet", "blocks"), [64, 64], "blocks")]
WRONG += [(("fast",), v, "fast") for v in (None, 3, [], {}, {"unet": {}})]
WRONG += [(("fast", "sha256"), "abc", "sha256 of fast"), (("fast", "unet"), {}, "unet of fast")]
WRONG += [(("fast", "calibration"), {"expected": [1]}, "calibration of fast")]
WRONG += [
    (("calibration",), v, "calibration")
    for v in (
        3,
        [],
        {},
        {"expected": [1]},
        {"expected": [], "deviation": []},
        {"expected": [2, 1], "deviation": [1, 1]},
        {"expected": [1], "deviation": [1, 2]},
        {"expected": ["a"], "deviation": [1]},
        {"expected": [float("nan")], "deviation": [1]},
        {"expected": [True], "deviation": [1]},
        # an uncertainty that is infinite, or no number of NumPy's at all
        *({"expected": [1], "deviation": [v]} for v in (800, -800.0, 1e308, 2**70, 10**400)),
        {"expected": [1, 1e300], "deviation": [1, 2]},
        {"expected": [1], "deviation": [1], "modalities": [1]},
    )
]


@pytest.mark.parametrize(("keys", "value", "words"), WRONG)
def test_a_wrong_value_is_named(folder, keys, value, words):
    describe(folder, keys, value)
    assert any(word in refusal(folder) for word in words.split("|"))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "3",
        '"architecture sha256"',
        "null",
        "{",
        "[" * 100_000,
        '{"architecture": "light"}',
        "\ufeff{}",
        '{"a": ' + "9" * 5000 + "}",
    ],
)
def test_what_is_not_a_description_is_refused(folder, text):
    (folder / "config.json").write_text(text, "utf-8")
    assert "not a weights folder" in refusal(folder)


def test_pipes_and_folders_are_not_waited_for(folder):
    import os

    for name, words in (("model.safetensors", "missing"), ("config.json", "not a weights folder")):
        (folder / name).unlink()
        os.mkfifo(folder / name)
        assert words in refusal(folder)


def test_the_whole_folder_loads(folder):
    opened = open_folder(folder)
    assert load_light(opened).config == SHAPE
    assert load_chroma(opened) is not None
    fast = load_fast(opened)
    assert fast is not None
    assert (fast.config, fast.diffusion) == (SHAPE, False)
    assert not any(p.is_meta or p.requires_grad for p in load_light(opened).parameters())


class Work(TorchDispatchMode):
    """Counts what torch does, and the values that it makes in memory."""

    def __init__(self):
        super().__init__()
        self.calls = self.values = 0

    def __torch_dispatch__(self, function, types, arguments=(), options=None):
        made = function(*arguments, **(options or {}))
        self.calls += 1
        if isinstance(made, torch.Tensor) and not made.is_meta:
            self.values += made.numel()
        return made


def test_absurd_shapes_take_neither_time_nor_memory(folder):
    """Within the limits of each field, this network would have 4,000,000,000,000 parameters."""
    shape = {"base": 4096, "multipliers": [64] * 4, "blocks": [16] * 4, "time_dim": 8192}
    for key, value in shape.items():
        describe(folder, ("unet", key), value)
    with Work() as work:
        message = refusal(folder)
    assert "does not fit its config.json: missing: " in message
    assert work.values < 5_000_000
    assert work.calls < 20_000


def replace(folder, name, change, key="sha256"):
    """Change the tensors and give the description the checksum of the new file."""
    state = change(load_file(folder / name))
    save_file(state, folder / name)
    digest = hashlib.sha256((folder / name).read_bytes()).hexdigest()
    part = name.partition(".")[0]
    describe(folder, ("sha256",) if part == "model" else (part, "sha256"), digest)


@pytest.mark.parametrize("file", [f"{p}.safetensors" for p in ("model", "fast", "chroma")])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_weights_that_are_not_finite_are_refused(folder, file, value):
    def change(state):
        state["encoder.stem.bias"][3] = value
        return state

    replace(folder, file, change)
    message = refusal(folder)
    assert file in message
    assert "not finite" in message


def test_other_tensors_are_counted_and_named(folder):
    def change(state):
        del state["encoder.stem.bias"]
        state["decoder.norm.bias"] = torch.zeros(3)
        return state | {"extra": torch.zeros(1)}

    replace(folder, "model.safetensors", change)
    message = refusal(folder)
    assert "missing: 1 (encoder.stem.bias)" in message
    assert "left over: 1 (extra)" in message
    assert "misshaped: 1 (decoder.norm.bias)" in message


def test_integers_are_not_weights(folder):
    replace(folder, "model.safetensors", lambda s: {k: v.to(torch.int32) for k, v in s.items()})
    assert "floating-point" in refusal(folder)


def test_a_file_that_is_cut_off_is_damaged_though_its_checksum_is_right(folder):
    data = (folder / "model.safetensors").read_bytes()[:-100]
    (folder / "model.safetensors").write_bytes(data)
    describe(folder, ("sha256",), hashlib.sha256(data).hexdigest())
    assert "damaged" in refusal(folder)


@pytest.mark.parametrize("prompted", [False, True])
def test_a_result_that_is_not_finite_is_an_error(folder, prompted, tmp_path):
    """Finite weights can still overflow; clamped, that would be a black image."""

    def change(state):
        part = "modulation" if prompted else "decoder.head"
        return {
            k: torch.full_like(v.float(), 3e38) if k.startswith(part) else v.float()
            for k, v in state.items()
        }

    replace(folder, "model.safetensors", change)
    a, b = np.random.default_rng(0).random((2, 24, 24))
    mask = np.zeros((24, 24), np.uint8)
    mask[8:16, 8:16] = 1
    pipeline = FusionPipeline.from_pretrained(folder, device="cpu")
    with pytest.raises(WeightsError, match="values that are not finite"):
        pipeline(a, b, mask=mask if prompted else None)


def test_colours_that_are_not_finite_are_an_error(folder):
    def change(state):
        state["light.bias"] = torch.full((3,), 3e38)
        return {k: v.float() for k, v in state.items()}

    replace(folder, "chroma.safetensors", change)
    a, b = np.random.default_rng(0).random((2, 24, 24, 3))
    pipeline = FusionPipeline.from_pretrained(folder, device="cpu")
    with pytest.raises(WeightsError, match="values that are not finite"):
        pipeline(a, b, chroma="restore", modality="VIS")

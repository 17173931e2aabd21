"""What becomes of the colours."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from napari_textdifuse import FusionPipeline, Volume
from napari_textdifuse.diffusion import Schedule
from napari_textdifuse.errors import InputError, WeightsError
from napari_textdifuse.fusion import chrominance
from napari_textdifuse.fusion.chrominance import ChromaEngine
from napari_textdifuse.fusion.colour_cast import decide
from napari_textdifuse.fusion.pair import make_pair
from napari_textdifuse.fusion.prepare import prepare_slab
from napari_textdifuse.models import ChromaNetwork, LightNetwork, UNetConfig
from napari_textdifuse.models.chroma import CHROMA_SCALE, chroma_of, to_rgb
from napari_textdifuse.weights import load_chroma, open_folder, save_light

TINY = UNetConfig(patch=4, base=8, multipliers=(1, 2), blocks=(1, 1), time_dim=16, refine=4)


def chroma_network(random: bool = True) -> ChromaNetwork:
    torch.manual_seed(0)
    network = ChromaNetwork(TINY)
    for parameter in network.parameters():
        if random and not parameter.any():
            torch.nn.init.normal_(parameter, std=0.1)
    return network.eval().requires_grad_(False)


@pytest.fixture(scope="module")
def colour_weights(tmp_path_factory):
    torch.manual_seed(0)
    config = UNetConfig(base=8, multipliers=(1, 2), blocks=(1, 1), time_dim=16)
    folder = tmp_path_factory.mktemp("colour")
    save_light(LightNetwork(config), folder, "colour", chroma=chroma_network())
    return folder


@pytest.fixture(scope="module")
def pipeline(colour_weights):
    return FusionPipeline.from_pretrained(colour_weights, device="cpu")


def prepare(a, b):
    pair = make_pair(a, b)
    return prepare_slab(pair, pair.slabs[0])


#: Gains of red, green and blue under a lamp.
SODIUM = (1.15, 1.0, 0.6)


def picture(rgb=True, ground=90, modality=None, shape=(40, 48), light=(1, 1, 1)):
    rng = np.random.default_rng(3)
    values = np.full((*shape, 3), ground, np.uint8)
    inside = (shape[0] - 16, shape[1] - 16, 3)
    values[8:-8, 8:-8] = rng.integers(60, 220, inside)
    values = (values * light).clip(0, 255).astype(np.uint8)
    return Volume(values if rgb else values[..., 0], rgb=rgb, modality=modality)


@pytest.mark.parametrize(
    ("a", "b", "restored", "reason"),
    [
        ({}, {"rgb": False}, False, "no cast"),
        ({"light": SODIUM}, {"rgb": False}, True, "yellow to red"),
        ({"modality": "VIS", "ground": 0}, {"rgb": False, "ground": 0}, False, "no cast"),
        ({"modality": "VIS", "light": SODIUM}, {"rgb": False}, True, "yellow to red"),
        ({"ground": 0}, {"rgb": False, "ground": 0}, False, "black background"),
        ({}, {"rgb": False, "modality": "MR"}, False, "MR"),
        ({"modality": "PT"}, {"rgb": False}, False, "measured values"),
        ({"modality": "IR", "light": SODIUM}, {"rgb": False}, False, "measured values"),
        ({"rgb": False}, {"rgb": False}, False, "no image has colour"),
    ],
)
def test_only_natural_images_are_restored_by_default(a, b, restored, reason):
    decision = decide(prepare(picture(**a), picture(**b)), "auto", available=True)
    assert decision.restore == restored
    assert reason in decision.reason


def test_a_grey_image_stored_as_rgb_stays_grey(pipeline):
    grey = np.repeat(picture(rgb=False).array[..., None], 3, axis=-1)
    run = pipeline(Volume(grey, rgb=True, modality="VIS"), picture(rgb=False, ground=50))
    assert run.record["chroma"] == {"restored": False, "reason": "no image has colour"}
    assert run.fused.shape == grey.shape[:2]


def test_noise_on_black_ground_does_not_make_it_a_natural_image():
    rng = np.random.default_rng(0)
    pair = []
    for rgb in (True, False):
        clean = picture(rgb=rgb, ground=0).array.astype(float)
        noisy = np.clip(clean + rng.normal(0, 25, clean.shape), 0, 255).astype(np.uint8)
        pair.append(Volume(noisy, rgb=rgb))
    assert not decide(prepare(*pair), "auto", available=True).restore


def test_what_cannot_be_restored_is_refused_in_one_sentence():
    ready = prepare(picture(modality="PT"), picture(rgb=False))
    with pytest.raises(InputError, match=r"PT image encode measured values"):
        decide(ready, "restore", available=True)
    with pytest.raises(InputError, match="no chrominance network"):
        decide(prepare(picture(), picture(rgb=False)), "restore", available=False)


def test_colours_of_measured_values_pass_through_bit_for_bit(pipeline):
    pet, mri = picture(ground=0), picture(rgb=False, ground=0)
    kept, auto = (pipeline(pet, mri, chroma=c) for c in ("keep", "auto"))
    assert np.array_equal(kept.fused, auto.fused)
    assert not auto.record["chroma"]["restored"]


def test_natural_images_go_through_the_network_and_the_record_says_so(pipeline):
    seen = []
    yellow = picture(light=SODIUM)
    run = pipeline(yellow, picture(rgb=False), steps=2, callback=seen.append)
    kept = pipeline(yellow, picture(rgb=False), steps=2, chroma="keep")
    assert run.record["chroma"]["restored"]
    assert run.record["chroma"]["reason"].startswith("the light has a cast (yellow to red, ")
    assert np.abs(run.fused - kept.fused).max() > 0.01
    again = pipeline(yellow, picture(rgb=False), steps=2)
    assert np.array_equal(run.fused, again.fused)
    # both chains are counted
    assert [p.step for p in seen] == [1, 2, 3]
    assert {p.total for p in seen} == {3}


@pytest.mark.parametrize(("memory", "again"), [(10**9, 0), (0, 2)])
def test_restored_colours_are_kept_within_the_memory(pipeline, memory, again):
    yellow, grey = picture(light=SODIUM), picture(rgb=False)
    session = pipeline.session(yellow, grey, steps=2, memory=memory)
    first = session.fuse()
    seen = []
    second = session.fuse(callback=seen.append)
    # without memory both steps of the colours, and the chain, are computed again
    assert len(seen) == (again and again + 1)
    np.testing.assert_array_equal(first.fused, second.fused)


def test_cancelling_reaches_the_colours(pipeline):
    from napari_textdifuse.errors import Cancelled

    with pytest.raises(Cancelled):
        pipeline(picture(light=SODIUM), picture(rgb=False), steps=2, callback=lambda p: p.step < 3)


def engine(network, steps=3):
    return ChromaEngine(network, Schedule(), torch.device("cpu"), "ddim", steps)


def colours(shape=(37, 50)):
    rng = np.random.default_rng(5)
    luma = rng.random(shape, dtype=np.float32)
    return luma, (rng.random((*shape, 2), dtype=np.float32) - 0.5) * 0.6


def test_an_untrained_network_changes_nothing():
    luma, chroma = colours()
    restored = engine(chroma_network(random=False)).restore(luma, chroma, 0, lambda: None)
    np.testing.assert_allclose(restored, chroma, atol=1e-6)


def test_a_cast_is_undone_by_gains_for_the_whole_image():
    network = chroma_network(random=False)
    network.light.bias.copy_(torch.tensor([0.8, 1.0, 1.25]).log())
    rng = np.random.default_rng(1)
    clean = torch.from_numpy(rng.random((1, 3, 32, 32), dtype=np.float32))
    seen = clean * torch.tensor([1.25, 1.0, 0.8]).view(1, 3, 1, 1)
    weights = torch.tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)
    luma = (seen * weights).sum(1)[0].numpy()
    chroma = np.moveaxis(chroma_of(seen)[0].numpy() / CHROMA_SCALE, 0, -1)
    expected = np.moveaxis(chroma_of(clean)[0].numpy() / CHROMA_SCALE, 0, -1)
    found = engine(network).restore(luma, chroma, 0, lambda: None)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    there_and_back = to_rgb(torch.cat([(seen * weights).sum(1, True) * 2 - 1, chroma_of(seen)], 1))
    torch.testing.assert_close(there_and_back, seen, atol=1e-4, rtol=0)


def test_tiles_agree_with_the_whole_image(monkeypatch):
    luma, chroma = colours((150, 150))
    network = chroma_network()
    whole = engine(network).restore(luma, chroma, 0, lambda: None)
    monkeypatch.setattr(chrominance, "TILE", 112)
    assert engine(network).evaluations((150, 150)) == 4 * 3
    tiled = engine(network).restore(luma, chroma, 0, lambda: None)
    # the image as a whole is judged once, so only the tiles' rims differ, and they are blended
    assert np.abs(tiled - whole).mean() < 0.06 * np.abs(whole - chroma).mean()


def test_weights_hold_both_networks_and_both_are_checked(colour_weights, tmp_path):
    folder = open_folder(colour_weights)
    network = load_chroma(folder)
    assert network is not None
    for name, value in chroma_network().state_dict().items():
        torch.testing.assert_close(network.state_dict()[name], value.half().float())
    for file in colour_weights.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    damaged = tmp_path / "chroma.safetensors"
    damaged.write_bytes(damaged.read_bytes()[:-1] + b"x")
    with pytest.raises(WeightsError, match=r"chroma\.safetensors is damaged"):
        FusionPipeline.from_pretrained(tmp_path)
    damaged.unlink()
    with pytest.raises(WeightsError, match=r"chroma\.safetensors is missing"):
        FusionPipeline.from_pretrained(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    del config["chroma"]
    (tmp_path / "config.json").write_text(json.dumps(config))
    run = FusionPipeline.from_pretrained(tmp_path)(picture(), picture(rgb=False), steps=1)
    assert run.record["chroma"]["reason"] == "these weights contain no chrominance network"


def test_a_session_restores_the_colours_once(pipeline):
    seen, scene = [], picture()
    mask = np.zeros(scene.shape, np.uint8)
    mask[4:9, 4:9] = 1
    session = pipeline.session(scene, picture(rgb=False))
    session.fuse()
    again = session.fuse(mask=mask, callback=seen.append)
    assert len(seen) == seen[-1].total == 4
    scratch = pipeline(scene, picture(rgb=False), mask=mask)
    np.testing.assert_array_equal(again.fused, scratch.fused)

"""The released checkpoints, as files, through the whole pipeline."""

from __future__ import annotations

import json
import os

import numpy as np
import pytest
import torch

from napari_textdifuse import FusionPipeline, Volume
from napari_textdifuse.cli import main
from napari_textdifuse.errors import InputError, WeightsError
from napari_textdifuse.fusion import backend
from napari_textdifuse.fusion.chain import FusionChain
from napari_textdifuse.io import write
from reference_fill import FILES


@pytest.fixture(scope="module")
def folder(reference_states, tmp_path_factory):
    path = tmp_path_factory.mktemp("released")
    for part, name in FILES.items():
        torch.save(reference_states[part], path / name)
    os.link(path / "FCM-VIS-IR.pt", path / "FCM-Medi.pt")
    return path


@pytest.fixture(scope="module")
def pipeline(folder):
    with pytest.MonkeyPatch.context() as patch:  # equal numbers on every processor
        patch.setattr(backend, "choose_precision", lambda device: torch.float32)
        yield FusionPipeline.from_pretrained(folder, device="cpu")


def picture(seed, shape=(16, 16), **kind):
    values = np.random.default_rng(seed).integers(1, 256, shape).astype(np.uint8)
    return Volume(values, **kind)


def test_files_load_unchanged_and_fuse_any_size(pipeline, reference_network):
    visible, infrared = (picture(n, (24, 40), modality=m) for n, m in ((1, "VIS"), (2, "IR")))
    result = pipeline(visible, infrared, steps=2, seed=4)
    assert result.fused.shape == result.contribution.shape == (24, 40)

    padded = [
        torch.from_numpy(np.pad(v.array / np.float32(255), ((0, 8), (0, 8)), "symmetric"))
        for v in (visible, infrared)
    ]
    x, y = (v[None, None].float() * 2 - 1 for v in padded)
    noise = torch.randn(32, 48, generator=torch.Generator().manual_seed(4))[None, None]
    chain = FusionChain(reference_network, pipeline.backend.schedule, [999, 0], "mean")
    with torch.inference_mode():
        last = list(chain.base(x, y, noise))[-1]
    expected = (last.estimate[0, 0, :24, :40] + 1) / 2
    np.testing.assert_allclose(result.fused, expected.clamp(0, 1), atol=1e-4)
    np.testing.assert_allclose(result.contribution, last.share[0, 0, :24, :40], atol=1e-4)


def test_record_says_what_was_used(pipeline):
    record = pipeline(
        picture(1, modality="MR"), picture(2, modality="CT", unit="HU"), steps=2
    ).record
    assert record["weights"] == "reference"
    assert "authors' network" in record["method"]
    assert (record["steps"], record["sampler"]) == (2, "mean")
    assert record["fcm"] == "FCM-Medi.pt"
    assert record["source_1"] == "a"
    assert set(record["weights_files"]) == {*FILES.values(), "FCM-Medi.pt"}
    assert all(len(digest) == 64 for digest in record["weights_files"].values())
    assert len(record["weights_sha256"]) == 64
    json.dumps(record)


def test_exchanged_inputs_take_the_same_parts(pipeline):
    visible, infrared = picture(1, modality="VIS"), picture(2, modality="IR")
    one = pipeline(visible, infrared, steps=2)
    two = pipeline(infrared, visible, steps=2)
    assert one.record["fcm"] == two.record["fcm"] == "FCM-VIS-IR.pt"
    assert (one.record["source_1"], two.record["source_1"]) == ("a", "b")
    np.testing.assert_array_equal(one.fused, two.fused)
    np.testing.assert_allclose(one.contribution, 1 - two.contribution, atol=1e-6)


def test_mask_changes_its_inside_only_and_order_does_not_matter(pipeline):
    a, b = picture(1, modality="VIS"), picture(2, modality="IR")
    mask = np.zeros((16, 16), np.uint8)
    mask[4:12, 4:12] = 1
    plain = pipeline(a, b, steps=2).fused
    seen = []
    first = pipeline(a, b, mask=mask, steps=2, callback=seen.append)
    assert seen[-1].step == seen[-1].total == len(seen) == 4
    np.testing.assert_array_equal(first.fused[mask == 0], plain[mask == 0])
    assert not np.array_equal(first.fused[mask == 1], plain[mask == 1])
    pipeline(b, a, mask=mask.T, steps=2, seed=1)
    np.testing.assert_array_equal(pipeline(a, b, mask=mask, steps=2).fused, first.fused)


def test_sessions_keep_the_control_module_of_their_own_pair(pipeline, monkeypatch):
    load = backend.load_control

    def load_changed(folder, kind):  # the two files of the fixture are equal
        control = load(folder, kind)
        for parameter in control.parameters():
            parameter.mul_(1.5)
        return control

    visible, infrared = picture(1, modality="VIS"), picture(2, modality="IR")
    mask = np.zeros((16, 16), np.uint8)
    mask[4:12, 4:12] = 1
    natural = pipeline.session(visible, infrared, steps=2, memory=0)
    before = natural.fuse(mask=mask)
    monkeypatch.setattr(backend, "load_control", load_changed)
    medical = pipeline.session(
        picture(1, modality="MR"), picture(2, modality="CT"), steps=2, memory=0
    )
    other = medical.fuse(mask=mask)
    after = natural.fuse(mask=mask)
    assert after.record["fcm"] == "FCM-VIS-IR.pt"
    assert other.record["fcm"] == "FCM-Medi.pt"
    np.testing.assert_array_equal(after.fused, before.fused)
    assert not np.array_equal(other.fused, before.fused)
    monkeypatch.undo()
    pipeline.session(visible, infrared, steps=2)  # leaves the fixture as it was


def test_too_few_steps_and_other_samplers(pipeline):
    with pytest.raises(InputError, match="steps must be an integer from 2"):
        pipeline(picture(1), picture(2), steps=1)
    result = pipeline(picture(1), picture(2), steps=2, sampler="ddim")
    assert result.record["sampler"] == "ddim"


def test_defaults_are_the_release_s(pipeline):
    assert pipeline.backend.qualities["standard"] == 25
    assert pipeline.backend.default_sampler == "mean"
    times = pipeline.backend.timesteps(25)
    assert times[0] == 999
    assert times[-1] == 0
    assert len(set(times)) == 25


def test_only_one_control_module(folder, tmp_path):
    for name in FILES.values():
        os.link(folder / name, tmp_path / name)
    lonely = FusionPipeline.from_pretrained(tmp_path, device="cpu")
    record = lonely(picture(1, modality="MR"), picture(2, modality="NM"), steps=2).record
    assert record["fcm"] == "FCM-VIS-IR.pt"
    assert any("no FCM for medical pairs" in note for note in record["warnings"])


def test_command_line(folder, tmp_path, capsys):
    for n, name in enumerate(("a.png", "b.png")):
        write(tmp_path / name, picture(n))
    options = ["--weights", str(folder), "--steps", "2", "--device", "cpu", "--json"]
    out = tmp_path / "out"
    status = main(
        ["fuse", str(tmp_path / "a.png"), str(tmp_path / "b.png"), "--out", str(out), *options]
    )
    assert status == 0
    record = json.loads(capsys.readouterr().out)["record"]
    assert record["weights"] == "reference"
    assert (out / "fused.png").is_file()
    assert main(["weights", "verify", str(folder)]) == 0
    assert "SHA-256 is correct" not in capsys.readouterr().out  # there is nothing to compare with


def test_a_missing_stage_is_named(folder, tmp_path):
    os.link(folder / "FCM-VIS-IR.pt", tmp_path / "FCM-VIS-IR.pt")
    with pytest.raises(WeightsError, match=r"diffusion_stage1\.pth, diffusion_stage2\.pth"):
        FusionPipeline.from_pretrained(tmp_path)

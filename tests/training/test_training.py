from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from napari_textdifuse.diffusion import Schedule
from napari_textdifuse.errors import InputError
from napari_textdifuse.models import LightNetwork, UNetConfig
from napari_textdifuse.training.data import CropSampler, load_pairs
from napari_textdifuse.training.degrade import degrade, poisson_noise, rician_noise
from napari_textdifuse.training.diffusion import train_diffusion
from napari_textdifuse.training.fcm import train_fcm
from napari_textdifuse.training.losses import fusion_loss, sobel, variational_bound
from napari_textdifuse.training.modulation import emphasised, train_modulation
from napari_textdifuse.training.split import HELD_OUT_CASES, is_held_out
from napari_textdifuse.training.trainer import TrainConfig, Trainer


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("pairs")
    rng = np.random.default_rng(0)
    for folder in ("PET", "MRI"):
        (root / "PET-MRI" / folder).mkdir(parents=True)
        for stem in ("25001", "25002", "41001"):
            picture = rng.integers(30, 255, (40, 48), dtype=np.uint8)
            Image.fromarray(picture).save(root / "PET-MRI" / folder / f"{stem}.png")
    return root


@pytest.fixture
def tiny() -> LightNetwork:
    torch.manual_seed(0)
    return LightNetwork(UNetConfig(base=8, multipliers=(1, 2), blocks=(1, 1), time_dim=16))


def test_split_is_by_case_in_every_modality():
    assert is_held_out("PET-MRI", "41061")
    assert is_held_out("CT-MRI", "41007")
    assert not is_held_out("PET-MRI", "25061")
    assert "41" in HELD_OUT_CASES
    share = np.mean([is_held_out("RoadScene", f"FLIR_{i:05d}") for i in range(2000)])
    assert 0.15 < share < 0.25


def test_held_out_pairs_never_enter_training(data):
    train = load_pairs(data, ("PET-MRI",))
    assert {p.stem for p in train} == {"25001", "25002"}
    assert {p.stem for p in load_pairs(data, ("PET-MRI",), held_out=True)} == {"41001"}
    with pytest.raises(InputError, match="two of the folders"):
        load_pairs(data, ("CT-MRI",))


def test_batches_depend_on_the_step_alone(data):
    sampler = CropSampler(load_pairs(data, ("PET-MRI",)), crop=64, seed=3)
    first, again, other = sampler.batch(5, 2), sampler.batch(5, 2), sampler.batch(6, 2)
    np.testing.assert_array_equal(first.seen_a, again.seen_a)
    assert not np.array_equal(first.seen_a, other.seen_a)
    assert first.clean_a.shape == (2, 1, 64, 64)
    assert first.clean_a.dtype == np.float32
    assert first.clean_a.min() >= -1
    assert first.clean_a.max() <= 1


@pytest.mark.parametrize("modality", ["VIS", "IR", "MR", "CT", "PT", "NM"])
def test_degradations_stay_in_range_and_sometimes_do_nothing(modality):
    rng = np.random.default_rng(0)
    clean = rng.random((24, 24), dtype=np.float32)
    results = [degrade(clean, modality, rng) for _ in range(60)]
    assert all(r.dtype == np.float32 and r.min() >= 0 and r.max() <= 1 for r in results)
    untouched = sum(np.array_equal(r, clean) for r in results)
    assert 5 <= untouched <= 30


def test_noise_has_the_right_statistics():
    rng = np.random.default_rng(0)
    flat = np.full((200, 200), 0.5, np.float32)
    assert poisson_noise(flat, rng, 100).var() == pytest.approx(0.5 / 100, rel=0.05)
    background = rician_noise(np.zeros_like(flat), rng, 0.1)  # Rayleigh distributed
    assert background.mean() == pytest.approx(0.1 * np.sqrt(np.pi / 2), rel=0.02)


def test_variational_bound_is_least_for_the_true_image_and_variance():
    schedule = Schedule()
    g = torch.Generator().manual_seed(0)
    x0, noise = (torch.randn(4, 1, 8, 8, generator=g) for _ in range(2))
    t = torch.tensor([100, 300, 500, 700])
    z = schedule.add_noise(x0, noise, t)
    lowest = torch.full_like(x0, -1.0)

    def bound(estimate, variance):
        return float(variational_bound(schedule, z, x0, estimate, variance, t))

    assert bound(x0, lowest) == pytest.approx(0, abs=1e-4)
    assert bound(x0 + 0.5, lowest) > bound(x0 + 0.1, lowest) > 0
    assert bound(x0, -lowest) > 0


def test_fusion_loss_targets():
    x, y = torch.zeros(1, 1, 8, 8), torch.zeros(1, 1, 8, 8)
    x[..., 4:] = 1
    assert sum(fusion_loss(x, x, y)) == pytest.approx(0)
    flipped = 1 - x  # same gradient magnitude, wrong sign
    assert float(fusion_loss(flipped, x, y, "magnitude", 1)[1]) == pytest.approx(0, abs=1e-3)
    assert float(fusion_loss(flipped, x, y, "signed", 1)[1]) > 0.1
    assert float(sobel(x)[0, 0].max()) == pytest.approx(1)  # scaled so that a step of 1 gives 1
    with pytest.raises(ValueError, match="signed"):
        fusion_loss(x, x, y, "other")


def test_emphasis_keeps_order_and_ends():
    v = torch.linspace(0, 1, 11)
    for gain in (1.0, -1.0):
        out = emphasised(v, torch.full_like(v, gain))
        assert (out.diff() > 0).all()
        assert ((out - v) * gain >= -1e-3).all()
        torch.testing.assert_close(out[[0, -1]], v[[0, -1]], atol=0.03, rtol=0)
    torch.testing.assert_close(emphasised(v, torch.zeros_like(v)), v, atol=1e-3, rtol=0)


@pytest.mark.parametrize(
    ("stage", "moves"),
    [
        (train_diffusion, ("encoder", "decoder")),
        (train_fcm, ("fcm",)),
        (train_modulation, ("modulation",)),
    ],
)
def test_each_stage_trains_its_part_alone_and_resumes(stage, moves, data, tiny, tmp_path):
    for parameter in tiny.parameters():
        if not parameter.any():
            torch.nn.init.normal_(parameter, std=0.05)
    before = {k: v.clone() for k, v in tiny.state_dict().items()}
    train = CropSampler(load_pairs(data, ("PET-MRI",)), 32)
    held_out = CropSampler(load_pairs(data, ("PET-MRI",), held_out=True), 32)
    stage(tiny, train, held_out, tmp_path, TrainConfig(minutes=0.01, validate_every=2), 2)
    changed = {k.split(".")[0] for k, v in tiny.state_dict().items() if not v.equal(before[k])}
    assert changed == set(moves)
    assert (tmp_path / "curve.csv").read_text().startswith("step,minutes,lr")
    trainer = Trainer(tiny, tmp_path, TrainConfig())
    assert trainer.step > 0


def test_training_continues_exactly_where_it_stopped(tmp_path):
    """Two runs of four steps equal one of eight."""

    def run(folder: Path, pieces: list[int]) -> torch.Tensor:
        for count in pieces:
            torch.manual_seed(0)
            layer = torch.nn.Linear(3, 1)
            trainer = Trainer(layer, folder, TrainConfig(minutes=1e9, warmup=1))
            stop = trainer.step + count

            def loss(step, layer=layer, trainer=trainer, stop=stop):
                if step + 1 == stop:
                    trainer.config = TrainConfig(minutes=0, warmup=1)
                x = torch.randn(4, 3, generator=torch.Generator().manual_seed(step))
                value = (layer(x) - 1).square().mean()
                return value, {"loss": value.item()}

            trainer._learning_rate = lambda: 1e-2  # the schedule follows the clock
            trainer.run(loss, dict)
        return torch.cat([p.flatten() for p in trainer.average.values()])

    torch.testing.assert_close(run(tmp_path / "a", [8]), run(tmp_path / "b", [4, 4]))

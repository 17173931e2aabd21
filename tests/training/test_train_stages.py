from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from napari_textdifuse.errors import InputError
from napari_textdifuse.models import LightNetwork, UNetConfig
from napari_textdifuse.training.config import TrainConfig
from napari_textdifuse.training.run import STAGES
from napari_textdifuse.weights import load_light, open_folder

CONFIG = TrainConfig(
    minutes=None, steps=4, cooldown=0, warmup=1, batch=2, crop=32, validate_every=2
)


@pytest.mark.parametrize(
    ("name", "joint", "moves"),
    [
        ("diffusion", False, {"encoder", "decoder"}),
        ("fcm", False, {"fcm"}),
        ("fcm", True, {"encoder", "decoder", "fcm", "restore_encoder", "restore_decoder"}),
        ("modulation", False, {"modulation"}),
        ("uncertainty", False, {"error"}),
    ],
)
def test_each_stage_trains_its_part_alone(name, joint, moves, samplers, tiny, tmp_path):
    for parameter in tiny.parameters():
        if not parameter.any():
            torch.nn.init.normal_(parameter, std=0.05)
    before = {k: v.clone() for k, v in tiny.state_dict().items()}
    config = replace(CONFIG, joint=joint, structure=0.1)
    STAGES[name].train(tiny, *samplers, tmp_path, config)
    changed = {k.split(".")[0] for k, v in tiny.state_dict().items() if not v.equal(before[k])}
    assert changed == moves
    header, *rows = (tmp_path / "curve.csv").read_text().splitlines()
    assert header.startswith("step,minutes,lr")
    assert "val_loss" in header
    assert [row.split(",")[0] for row in rows] == ["2", "4"]
    with Image.open(tmp_path / "samples" / "step-000004.png") as picture:
        assert picture.size == (3 * 34, 4 * 34)
        assert np.asarray(picture).std() > 5


def test_a_student_learns_its_teacher(samplers, tmp_path):
    teacher = load_light(open_folder("light"))
    before = {k: v.clone() for k, v in teacher.state_dict().items()}
    shape = UNetConfig(
        base=8, multipliers=(1, 2), blocks=(1, 1), time_dim=16, refine=4, uncertainty=0
    )
    losses = []
    for steps in (2, 100):
        student = LightNetwork(shape, diffusion=False)
        config = replace(CONFIG, steps=steps, batch=4, learning_rate=1e-2, validate_every=100)
        run = tmp_path / str(steps)
        STAGES["distill"].train(student, *samplers, run, config, teacher=teacher)
        header, *rows = (run / "curve.csv").read_text().splitlines()
        losses.append(float(rows[-1].split(",")[header.split(",").index("val_loss")]))
    assert losses[1] < 0.8 * losses[0]
    assert all(v.equal(before[k]) for k, v in teacher.state_dict().items())


def test_restoration_learns_to_remove_noise(samplers, tiny, tmp_path):
    config = TrainConfig(
        minutes=None, steps=200, cooldown=50, warmup=10, batch=4, crop=32, learning_rate=2e-3,
        validate_every=200,
    )  # fmt: skip
    STAGES["diffusion"].train(tiny, *samplers, tmp_path, config)
    header, row = (tmp_path / "curve.csv").read_text().splitlines()
    found = dict(zip(header.split(","), map(float, row.split(",")), strict=True))
    assert found["val_psnr_999"] > found["val_psnr_in"] + 1


def test_the_head_learns_where_the_error_is(samplers, tiny, tmp_path):
    def loss_after(steps: int) -> float:
        config = replace(CONFIG, steps=steps, learning_rate=1e-2, ema=0.5, validate_every=steps)
        STAGES["uncertainty"].train(tiny, *samplers, tmp_path / str(steps), config)
        header, row = (tmp_path / str(steps) / "curve.csv").read_text().splitlines()
        return float(row.split(",")[header.split(",").index("val_loss")])

    torch.nn.init.constant_(tiny.error.head.bias, 0.0)  # expects errors as large as the range
    first = loss_after(1)
    assert loss_after(30) < first - 0.1


def test_a_network_without_a_head_is_refused(samplers, tiny, tmp_path):
    tiny.error = None
    with pytest.raises(InputError, match="--uncertainty"):
        STAGES["uncertainty"].train(tiny, *samplers, tmp_path, CONFIG)

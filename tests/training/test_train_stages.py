from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from napari_textdifuse.training.config import TrainConfig
from napari_textdifuse.training.stages import STAGES

CONFIG = TrainConfig(
    minutes=None, steps=4, cooldown=0, warmup=1, batch=2, crop=32, validate_every=2
)


@pytest.mark.parametrize(
    ("name", "joint", "moves"),
    [
        ("diffusion", False, {"encoder", "decoder"}),
        ("fcm", False, {"fcm", "error"}),
        ("fcm", True, {"encoder", "decoder", "fcm", "error", "told_encoder", "told_decoder"}),
        ("modulation", False, {"modulation"}),
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
        columns = 4 if name == "fcm" else 3
        assert picture.size == (columns * 34, 4 * 34)
        assert np.asarray(picture).std() > 5


def test_restoration_learns_to_remove_noise(samplers, tiny, tmp_path):
    config = TrainConfig(
        minutes=None, steps=150, cooldown=50, warmup=10, batch=4, crop=32, learning_rate=6e-3,
        validate_every=50,
    )  # fmt: skip
    STAGES["diffusion"].train(tiny, *samplers, tmp_path, config)
    header, *rows = (tmp_path / "curve.csv").read_text().splitlines()
    losses = [float(row.split(",")[header.split(",").index("val_loss")]) for row in rows]
    assert losses[-1] < 0.97 * losses[0]

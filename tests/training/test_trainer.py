from __future__ import annotations

import signal
from pathlib import Path

import pytest
import torch

from napari_textdifuse.errors import Cancelled, InputError, ReadError
from napari_textdifuse.training import trainer as trainer_module
from napari_textdifuse.training.config import TrainConfig, differences
from napari_textdifuse.training.trainer import Trainer

CONFIG = TrainConfig(
    minutes=None, steps=12, cooldown=4, warmup=2, learning_rate=1e-2, validate_every=3,
    save_minutes=0,
)  # fmt: skip


class Killed(BaseException):
    """Stands for a kill -9: nothing may catch it."""


class Run:
    """A line fitted to noise, killed at the loss of some step."""

    def __init__(self, folder: Path, config: TrainConfig = CONFIG) -> None:
        torch.manual_seed(0)
        self.layer = torch.nn.Linear(3, 1)
        self.trainer = Trainer(self.layer, folder, config)
        self.rates: list[float] = []

    def go(self, kill: int | None = None, stop: int | None = None) -> torch.Tensor:
        def loss(step):
            if step == kill:
                raise Killed
            if step == stop:
                signal.raise_signal(signal.SIGINT)
            self.rates.append(self.trainer.optimizer.param_groups[0]["lr"])
            x = torch.randn(4, 3, generator=torch.Generator().manual_seed(step))
            value = (self.layer(x) - 1).square().mean()
            return value, {"part": value.item()}

        self.trainer.run(loss, lambda: {"bias": self.layer.bias.item()})
        return torch.cat([p.detach().flatten() for p in self.layer.parameters()])


def curve(folder: Path) -> list[str]:
    """Lines of the curve without the minutes."""
    rows = [line.split(",") for line in (folder / "curve.csv").read_text().splitlines()]
    assert rows[0][1] == "minutes"
    return [",".join(row[:1] + row[2:]) for row in rows]


@pytest.mark.parametrize("kill", [0, 1, 5, 7, 9, 11])
def test_a_killed_run_continues_exactly(kill, tmp_path, monkeypatch):
    straight = Run(tmp_path / "a").go()
    monkeypatch.setattr(trainer_module, "save_checkpoint", _every_second(monkeypatch))
    with pytest.raises(Killed):
        Run(tmp_path / "b").go(kill)
    monkeypatch.undo()
    resumed = Run(tmp_path / "b")
    assert resumed.trainer.step <= kill
    assert resumed.go().equal(straight)
    assert curve(tmp_path / "b") == curve(tmp_path / "a")
    assert [row.split(",")[0] for row in curve(tmp_path / "a")] == ["step", "3", "6", "9", "12"]


def _every_second(monkeypatch):
    """Save less often than the curve is written, so that it runs ahead of the checkpoint."""
    save, calls = trainer_module.save_checkpoint, []

    def sometimes(path, state):
        calls.append(path)
        if len(calls) % 4 == 1:
            save(path, state)

    return sometimes


def test_the_rate_rises_stays_and_falls(tmp_path):
    run = Run(tmp_path)
    run.go()
    assert len(run.rates) == 12
    assert run.rates[0] == pytest.approx(0.005)
    assert run.rates[1:8] == [0.01] * 7
    assert run.rates[8:] == sorted(run.rates[8:], reverse=True)
    assert 0 < run.rates[-1] < 0.002


def test_the_clock_only_chooses_where_the_fall_begins(tmp_path):
    config = TrainConfig(minutes=1e-9, cooldown=3, warmup=1, learning_rate=1e-2, save_minutes=9)
    first = Run(tmp_path, config)
    with pytest.raises(Killed):
        first.go(kill=2)
    # the budget was used up after the first step, and that choice was saved at once
    second = Run(tmp_path, config)
    assert second.trainer.cooldown_start == second.trainer.step == first.trainer.cooldown_start
    second.go()
    assert second.trainer.step == second.trainer.cooldown_start + 3


def test_time_counts_over_all_sessions(tmp_path):
    first = Run(tmp_path, TrainConfig(minutes=60, save_minutes=0))
    first.trainer.seconds = 3000.0
    with pytest.raises(Cancelled):
        first.go(stop=2)
    assert Run(tmp_path, TrainConfig(minutes=60, save_minutes=0)).trainer.seconds >= 3000


def test_ctrl_c_ends_after_the_step_and_saves(tmp_path, capsys):
    config = TrainConfig(minutes=None, steps=12, save_minutes=99)
    with pytest.raises(Cancelled):
        Run(tmp_path, config).go(stop=4)
    assert "saved at step 5" in capsys.readouterr().err
    assert Run(tmp_path, config).trainer.step == 5


def test_other_settings_are_refused_by_name(tmp_path):
    with pytest.raises(Killed):
        Run(tmp_path).go(kill=5)
    other = TrainConfig(**{**CONFIG.to_dict(), "crop": 96, "seed": 3})
    with pytest.raises(InputError, match=r"crop 128 \(now 96\); seed 0 \(now 3\)"):
        Run(tmp_path, other)
    longer = TrainConfig(**{**CONFIG.to_dict(), "steps": 20, "save_minutes": 1.0})
    assert Run(tmp_path, longer).trainer.step == 5


def test_length_is_fixed_once_the_rate_falls(tmp_path):
    with pytest.raises(Killed):
        Run(tmp_path).go(kill=10)
    with pytest.raises(InputError, match=r"steps 12 \(now 20\)"):
        Run(tmp_path, TrainConfig(**{**CONFIG.to_dict(), "steps": 20}))


def test_a_finished_run_can_be_asked_for_again(tmp_path):
    assert Run(tmp_path).go().equal(Run(tmp_path).go(kill=0))


def test_an_infinite_loss_is_one_sentence(tmp_path):
    run = Run(tmp_path)
    run.layer.weight.data.fill_(1e38)
    with pytest.raises(InputError, match="--rate"):
        run.go()


def test_a_damaged_checkpoint_is_one_sentence(tmp_path):
    (tmp_path / "checkpoint.pt").write_bytes(b"no checkpoint")
    with pytest.raises(ReadError, match="damaged"):
        Run(tmp_path)


def test_long_lists_are_compared_by_what_changed():
    old = {"data": {"train": [f"MR/{i}" for i in range(20)]}}
    new = {"data": {"train": [f"MR/{i}" for i in range(1, 23)]}}
    assert differences(old, new, ()) == ["data.train (3 added, 1 removed)"]

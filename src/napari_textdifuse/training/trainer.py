"""A resumable training loop: EMA, checkpoints, curves; the stages bring their losses."""

from __future__ import annotations

import csv
import math
import os
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from .._version import __version__

#: A stage's loss: the step's number in, the loss and the values to log out.
Loss = Callable[[int], tuple[Tensor, dict[str, float]]]
#: A stage's validation on fixed held-out crops.
Validate = Callable[[], dict[str, float]]


@dataclass(frozen=True)
class TrainConfig:
    """How long and how to train.

    Parameters
    ----------
    minutes : float
        Time budget over all sessions of the run; the learning rate falls to 0 along it.
    learning_rate : float
        Peak rate of AdamW.
    warmup : int
        Steps of linear warm-up.
    ema : float
        Decay of the averaged weights, which are the ones that are exported.
    save_minutes : float
        Time between checkpoints.
    validate_every : int
        Steps between validations.
    """

    minutes: float = 60.0
    learning_rate: float = 4e-4
    warmup: int = 100
    ema: float = 0.998
    save_minutes: float = 3.0
    validate_every: int = 250


class Trainer:
    """Trains some parameters of a network and survives being killed.

    Parameters
    ----------
    network : nn.Module
        Only parameters with ``requires_grad`` are trained and averaged.
    folder : Path
        Where ``checkpoint.pt`` and ``curve.csv`` live; an existing checkpoint is resumed.
    config : TrainConfig
    """

    def __init__(self, network: nn.Module, folder: Path, config: TrainConfig) -> None:
        self.network = network
        self.folder = folder
        self.config = config
        self.parameters = {n: p for n, p in network.named_parameters() if p.requires_grad}
        self.optimizer = torch.optim.AdamW(
            list(self.parameters.values()), lr=config.learning_rate, weight_decay=1e-4
        )
        self.average = {n: p.detach().clone() for n, p in self.parameters.items()}
        self.step = 0
        self.seconds = 0.0
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / "checkpoint.pt"
        if self.path.exists():
            self._load()

    def _load(self) -> None:
        state = torch.load(self.path, weights_only=True)
        with torch.no_grad():
            for name, value in state["weights"].items():
                self.parameters[name].copy_(value)
        self.average = state["average"]
        self.optimizer.load_state_dict(state["optimizer"])
        self.step, self.seconds = state["step"], state["seconds"]
        print(f"resumed at step {self.step} after {self.seconds / 60:.1f} min", flush=True)

    def save(self) -> None:
        """Write the checkpoint; a crash leaves the previous one whole."""
        state = {
            "weights": {n: p.detach() for n, p in self.parameters.items()},
            "average": self.average,
            "optimizer": self.optimizer.state_dict(),
            "step": self.step,
            "seconds": self.seconds,
            "config": asdict(self.config),
            "version": __version__,
        }
        partial = self.path.with_suffix(".partial")
        torch.save(state, partial)
        os.replace(partial, self.path)

    def run(self, loss: Loss, validate: Validate) -> None:
        """Train until the time budget is used up, then leave the averaged weights in place."""
        saved = started = time.monotonic()
        before = self.seconds
        logged: dict[str, float] = {}
        while self.seconds < self.config.minutes * 60:
            rate = self._learning_rate()
            for group in self.optimizer.param_groups:
                group["lr"] = rate
            value, parts = loss(self.step)
            value.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(list(self.parameters.values()), 1.0)
            self.optimizer.step()
            self.optimizer.zero_grad(set_to_none=True)
            self._update_average()
            self.step += 1
            for key, part in parts.items():
                logged[key] = 0.98 * logged.get(key, part) + 0.02 * part
            self.seconds = before + time.monotonic() - started
            if self.step % self.config.validate_every == 0:
                self._log(rate, logged, validate)
            if time.monotonic() - saved > self.config.save_minutes * 60:
                self.save()
                saved = time.monotonic()
        self.save()
        self.use_average()
        print({k: round(v, 5) for k, v in validate().items()}, flush=True)

    def _learning_rate(self) -> float:
        progress = min(1.0, self.seconds / (self.config.minutes * 60))
        decay = 0.5 * (1 + math.cos(math.pi * progress))
        return self.config.learning_rate * min(1.0, (self.step + 1) / self.config.warmup) * decay

    def _update_average(self) -> None:
        # a young average would remember the initial weights
        decay = min(self.config.ema, (1 + self.step) / (10 + self.step))
        values = [p.detach() for p in self.parameters.values()]
        torch._foreach_lerp_(list(self.average.values()), values, 1 - decay)

    def use_average(self) -> None:
        """Put the averaged weights into the network."""
        with torch.no_grad():
            for name, value in self.average.items():
                self.parameters[name].copy_(value)

    def _log(self, rate: float, logged: dict[str, float], validate: Validate) -> None:
        current = {n: p.detach().clone() for n, p in self.parameters.items()}
        self.use_average()
        row: dict[str, Any] = {"step": self.step, "minutes": self.seconds / 60, "lr": rate}
        row |= logged | {f"val_{k}": v for k, v in validate().items()}
        with torch.no_grad():
            for name, value in current.items():
                self.parameters[name].copy_(value)
        path = self.folder / "curve.csv"
        fresh = not path.exists()
        with path.open("a", newline="") as f:
            writer = csv.DictWriter(f, fieldnames=list(row))
            if fresh:
                writer.writeheader()
            writer.writerow(row)
        print(" ".join(f"{k}={v:.5g}" for k, v in row.items()), flush=True)

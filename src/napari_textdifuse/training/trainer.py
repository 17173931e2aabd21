"""A resumable training loop: EMA, checkpoints, curves; the stages define their losses.

Everything except the moment of stopping depends on the step number and the checkpoint alone, so
that a run that was killed and resumed has the curve and weights of an uninterrupted one.
"""

from __future__ import annotations

import csv
import io
import math
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from .._version import __version__
from ..errors import Cancelled, InputError, ReadError, WriteError, name_of
from ..io._files import write_bytes
from .config import FREE, STOPPING, TrainConfig, differences
from .progress import Progress, StopRequest, note

__all__ = ["Loss", "Samples", "TrainConfig", "Trainer", "Validate"]

#: A stage's loss: step number in; loss and values for the log out.
Loss = Callable[[int], tuple[Tensor, dict[str, float]]]
#: A stage's validation on fixed held-out crops.
Validate = Callable[[], dict[str, float]]
#: A stage's columns of images of a few held-out items, ``(B, C, H, W)`` in [-1, 1].
Samples = Callable[[], Sequence[Tensor]]


class Trainer:
    """Trains parameters of a network; can be killed and resumed.

    Parameters
    ----------
    network : nn.Module
        Only parameters with ``requires_grad`` are trained and averaged.
    folder : Path
        Folder of ``checkpoint.pt``, ``curve.csv`` and ``samples/``; an existing checkpoint is
        resumed.
    config : TrainConfig

    Raises
    ------
    InputError
        If the checkpoint belongs to a run with another configuration.
    ReadError
        If the checkpoint is damaged.
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
        self.cooldown_start: int | None = None
        self.logged: dict[str, float] = {}
        self.curve: list[dict[str, float]] = []
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise WriteError(
                f"{name_of(folder)} cannot be created: {error.strerror or error}."
            ) from error
        self.path = folder / "checkpoint.pt"
        if self.path.exists():
            self._load()

    def _load(self) -> None:
        device = next(iter(self.parameters.values())).device
        state = load_checkpoint(self.path, device)
        fixed = () if state["cooldown_start"] is None else STOPPING
        free = tuple(name for name in FREE if name not in fixed)
        changed = differences(state["config"], self.config.to_dict(), free)
        if changed:
            raise InputError(
                f"the run in {name_of(self.folder)} has other settings: {'; '.join(changed)}; "
                "use the same settings, or another --out."
            )
        with torch.no_grad():
            for name, value in state["weights"].items():
                self.parameters[name].copy_(value)
        self.average = state["average"]
        self.optimizer.load_state_dict(state["optimizer"])
        for name in ("step", "seconds", "cooldown_start", "logged", "curve"):
            setattr(self, name, state[name])
        note(f"resumed at step {self.step} after {self.seconds / 60:.1f} min")
        if (state["version"], state["torch"]) != (__version__, torch.__version__):
            note(
                f"the run was started with version {state['version']} and torch {state['torch']}; "
                "its curve may differ slightly from here on"
            )
        self._write_curve()  # drop lines that are newer than the checkpoint

    def save(self) -> None:
        """Write the checkpoint; a crash leaves the previous one intact."""
        state = {
            "weights": {n: p.detach() for n, p in self.parameters.items()},
            "average": self.average,
            "optimizer": self.optimizer.state_dict(),
            "step": self.step,
            "seconds": self.seconds,
            "cooldown_start": self.cooldown_start,
            "logged": self.logged,
            "curve": self.curve,
            "config": self.config.to_dict(),
            "version": __version__,
            "torch": str(torch.__version__),
        }
        save_checkpoint(self.path, state)

    def run(self, loss: Loss, validate: Validate, samples: Samples | None = None) -> None:
        """Train until steps or time are used up; the network then has the averaged weights.

        Parameters
        ----------
        loss, validate : callable
        samples : callable, optional
            Images to write at each validation.

        Raises
        ------
        Cancelled
            After Ctrl-C or SIGTERM; the checkpoint is written.
        InputError
            If the loss is no longer a finite number.
        """
        progress = Progress(self.config, self.step)
        try:
            with StopRequest() as stop:
                self._loop(loss, validate, samples, progress, stop)
        finally:
            progress.close()
        if not self.curve or self.curve[-1]["step"] != self.step:
            self._log(validate, samples, progress)
        self.save()
        self.use_average()

    def _loop(
        self,
        loss: Loss,
        validate: Validate,
        samples: Samples | None,
        progress: Progress,
        stop: StopRequest,
    ) -> None:
        saved = time.monotonic()
        started = saved - self.seconds
        while not self._finished():
            value, parts = self._advance(loss)
            for key, part in parts.items():
                self.logged[key] = 0.98 * self.logged.get(key, part) + 0.02 * part
            self.seconds = time.monotonic() - started
            progress.update(self.step, value, self.seconds)
            if self.step % self.config.validate_every == 0:
                self._log(validate, samples, progress)
            if stop.asked or time.monotonic() - saved >= self.config.save_minutes * 60:
                self.save()
                saved = time.monotonic()
            if stop.asked:
                note(f"saved at step {self.step}; the same command continues from there")
                raise Cancelled(f"training was stopped at step {self.step}; it can be continued.")

    def _advance(self, loss: Loss) -> tuple[float, dict[str, float]]:
        """Take one step."""
        rate = self.config.rate(self.step, self.cooldown_start)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        value, parts = loss(self.step)
        number = value.item()
        if not math.isfinite(number):
            raise InputError(
                f"the loss became {number} at step {self.step}; start again with a lower --rate "
                "and another --out."
            )
        value.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(list(self.parameters.values()), 1.0)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self._update_average()
        self.step += 1
        return number, parts

    def _finished(self) -> bool:
        """Return whether the run is finished; begin the cool-down when it is due."""
        config = self.config
        if self.cooldown_start is None:
            if config.steps is not None and self.step >= max(0, config.steps - config.cooldown):
                self.cooldown_start = self.step
            elif config.minutes is not None and self.seconds >= config.minutes * 60:
                self.cooldown_start = self.step
                self.save()  # the clock chose this step; a resumed run must keep it
        if self.cooldown_start is None:
            return False
        end = self.cooldown_start + config.cooldown
        if config.steps is not None:
            end = min(end, max(config.steps, self.cooldown_start))
        return self.step >= end

    def _update_average(self) -> None:
        # a new average would contain the initial weights
        decay = min(self.config.ema, (1 + self.step) / (10 + self.step))
        values = [p.detach() for p in self.parameters.values()]
        torch._foreach_lerp_(list(self.average.values()), values, 1 - decay)

    def use_average(self) -> None:
        """Load the averaged weights into the network."""
        with torch.no_grad():
            for name, value in self.average.items():
                self.parameters[name].copy_(value)

    def _log(self, validate: Validate, samples: Samples | None, progress: Progress) -> None:
        """Validate the averaged weights and add a line to the curve."""
        current = {n: p.detach().clone() for n, p in self.parameters.items()}
        self.use_average()
        rate = self.config.rate(max(0, self.step - 1), self.cooldown_start)
        row: dict[str, Any] = {"step": self.step, "minutes": self.seconds / 60, "lr": rate}
        row |= self.logged | {f"val_{k}": v for k, v in validate().items()}
        if samples is not None:
            with torch.no_grad():
                write_grid(self.folder / "samples" / f"step-{self.step:06d}.png", samples())
        with torch.no_grad():
            for name, value in current.items():
                self.parameters[name].copy_(value)
        self.curve.append(row)
        self._write_curve()
        progress.row(row)

    def _write_curve(self) -> None:
        text = io.StringIO(newline="")
        names = list(dict.fromkeys(name for row in self.curve for name in row))
        writer = csv.DictWriter(text, fieldnames=names, lineterminator="\n")
        writer.writeheader()
        writer.writerows(self.curve)
        write_bytes(self.folder / "curve.csv", text.getvalue().encode())


#: White pixels between images.
GAP = 2


def write_grid(path: Path, columns: Sequence[Tensor], rows: int = 4) -> Path:
    """Write images side by side as PNG.

    Parameters
    ----------
    path : Path
        The folder is created if missing.
    columns : sequence of Tensor, each (B, C, H, W)
        In [-1, 1], C 1 or 3; one image of each per row.
    rows : int
        Largest number of items.
    """
    from PIL import Image

    stacks = [c[:rows].detach().float().cpu().expand(-1, 3, -1, -1).numpy() for c in columns]
    border = ((0, 0), (0, 0), (0, GAP), (0, GAP))
    padded = [np.pad((s + 1) / 2, border, constant_values=1) for s in stacks]
    lines = [np.concatenate([p[i] for p in padded], axis=2) for i in range(len(padded[0]))]
    picture = np.moveaxis(np.concatenate(lines, axis=1), 0, -1)
    buffer = io.BytesIO()
    Image.fromarray(np.rint(np.clip(picture, 0, 1) * 255).astype(np.uint8)).save(buffer, "PNG")
    path.parent.mkdir(parents=True, exist_ok=True)
    return write_bytes(path, buffer.getvalue())


def save_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Write `state` atomically: a crash leaves the previous checkpoint or this one.

    Raises
    ------
    WriteError
        If the disk is full or the folder cannot be written to.
    """
    # one fixed name: the next run replaces leftovers of a killed run
    partial = path.with_name(f".{path.name}.partial")
    try:
        with partial.open("wb") as file:
            torch.save(state, file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
    except (OSError, RuntimeError) as error:  # torch reports a full disk as a RuntimeError
        partial.unlink(missing_ok=True)
        raise WriteError(
            f"{name_of(path)} could not be written: {error}; free some space and run the command "
            "again."
        ) from error


def load_checkpoint(path: Path, device: torch.device) -> dict[str, Any]:
    """Read a checkpoint; nothing in it is executed.

    Raises
    ------
    ReadError
        If it is damaged or not one.
    """
    try:
        state: dict[str, Any] = torch.load(path, map_location=device, weights_only=True)
        state["step"], state["config"], state["cooldown_start"]
    except Exception as error:
        raise ReadError(
            f"{name_of(path)} is damaged or not a checkpoint of this version; choose another --out."
        ) from error
    return state

"""Configuration of a training run; stored in its checkpoint."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, field
from typing import Any

#: Fields that a resumed run may change: when to stop and save, and the device.
FREE = ("minutes", "steps", "cooldown", "save_minutes", "device")
#: Those of them that are fixed during the cool-down.
STOPPING = ("minutes", "steps", "cooldown")


@dataclass(frozen=True)
class TrainConfig:
    """Duration, method and data of a training run.

    Parameters
    ----------
    minutes : float, optional
        Time budget over all sessions of the run. It only determines the step at which the
        cool-down of `cooldown` steps begins.
    steps : int, optional
        Length of the run in steps, including the cool-down. If `minutes` is also given, the
        earlier limit applies.
    cooldown : int
        Final steps, during which the rate falls to 0 along a half cosine.
    learning_rate : float
        Rate of AdamW between warm-up and cool-down.
    warmup : int
        Steps of linear warm-up.
    ema : float
        Decay of the averaged weights, which are validated and written.
    batch : int
        Pairs (or images) per step; the diffusion stage uses both images of a pair separately.
    crop : int
        Side of the square crops in pixels.
    seed : int
        For the initial weights, the crops, their degradations and the noise.
    validate_every : int
        Steps between validations.
    save_minutes : float
        Time between checkpoints.
    device : str
        Device: ``"cpu"``, ``"cuda"`` or ``"mps"``.
    compile : bool
        Use ``torch.compile`` if the stage supports it.
    diffusion : bool
        False trains a plain autoencoder, for comparison, without noise and steps. Later stages
        use the setting of their start.
    intensity : float
        Weight of the intensity term of the fusion loss (Eq. 10); 0 leaves it out.
    level : {"maximum", "salience", "adaptive"}
        Target of that term, see `losses.level_target`.
    gradient : {"signed", "magnitude"}
        Target of its gradient term, see `losses.fusion_loss`.
    gradient_weight : float
        Weight of the gradient term; the paper has 0.2 for "magnitude"; 0 leaves it out.
    correlation : float
        Weight of `losses.correlation_loss`, which the paper does not have.
    structure : float
        Weight of `losses.structure_loss`, which the paper does not have.
    overshoot : float
        Weight of `losses.overshoot_loss`, which the paper does not have.
    haze : float
        Weight of `losses.haze_loss`, which the paper does not have.
    joint : bool
        Train encoder and decoder together with the fusion control, with the fusion loss; the
        paper freezes them after the diffusion stage.
    stage : str
        Name of the stage.
    start : str
        SHA-256 of the initial weights; empty for new ones.
    network : dict
        Shape of the network, from `UNetConfig.to_dict`.
    data : dict
        Names of training and held-out images, and a checksum of all values.
    """

    minutes: float | None = 60.0
    steps: int | None = None
    cooldown: int = 200
    learning_rate: float = 4e-4
    warmup: int = 100
    ema: float = 0.998
    batch: int = 4
    crop: int = 128
    seed: int = 0
    validate_every: int = 250
    save_minutes: float = 3.0
    device: str = "cpu"
    compile: bool = False
    diffusion: bool = True
    intensity: float = 1.0
    level: str = "maximum"
    gradient: str = "signed"
    gradient_weight: float = 4.0
    correlation: float = 0.05
    structure: float = 0.0
    overshoot: float = 0.0
    haze: float = 0.0
    joint: bool = False
    stage: str = ""
    start: str = ""
    network: dict[str, Any] = field(default_factory=dict)
    data: dict[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, as read back from JSON."""
        values: dict[str, Any] = json.loads(json.dumps(asdict(self)))
        return values

    def rate(self, step: int, cooldown_start: int | None) -> float:
        """Return the learning rate of a step, which depends on step numbers, never on the clock.

        Parameters
        ----------
        step : int
            Counted from 0.
        cooldown_start : int or None
            Step at which the rate begins to fall; None if not yet known.
        """
        rate = self.learning_rate * min(1.0, (step + 1) / max(1, self.warmup))
        if cooldown_start is not None and step >= cooldown_start:
            rate *= 0.5 * (
                1 + math.cos(math.pi * (step - cooldown_start + 1) / (self.cooldown + 1))
            )
        return rate


def differences(old: dict[str, Any], new: dict[str, Any], free: tuple[str, ...]) -> list[str]:
    """Return the differences between a run's stored configuration and a new one.

    Returns
    -------
    list of str
        Such as ``"crop 96 (now 128)"``; for long lists the numbers of added and removed items.
    """
    found = []
    for name in sorted((old.keys() | new.keys()) - set(free)):
        before, now = old.get(name), new.get(name)
        if before == now:
            continue
        if isinstance(before, dict) and isinstance(now, dict):
            found += [f"{name}.{text}" for text in differences(before, now, ())]
        elif isinstance(before, list) and isinstance(now, list) and max(len(before), len(now)) > 8:
            more, fewer = len(set(now) - set(before)), len(set(before) - set(now))
            found.append(f"{name} ({more} added, {fewer} removed)")
        else:
            found.append(f"{name} {before} (now {now})")
    return found

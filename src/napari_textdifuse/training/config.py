"""What a training run is made of; stored in its checkpoint."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, field
from typing import Any

#: Fields that a resumed run may change: when to stop and save, and where to compute.
FREE = ("minutes", "steps", "cooldown", "save_minutes", "device")
#: Of these, the ones that are fixed once the rate has begun to fall.
STOPPING = ("minutes", "steps", "cooldown")


@dataclass(frozen=True)
class TrainConfig:
    """How long, how and on what to train.

    Parameters
    ----------
    minutes : float, optional
        Time budget over all sessions of the run. It only decides at which step the cool-down
        begins, which then takes `cooldown` steps more.
    steps : int, optional
        Length of the run in steps, cool-down included. With `minutes` as well, whichever comes
        first.
    cooldown : int
        Steps at the end over which the rate falls to 0 along a half cosine.
    learning_rate : float
        Rate of AdamW between warm-up and cool-down.
    warmup : int
        Steps of linear warm-up.
    ema : float
        Decay of the averaged weights, which are the ones that are validated and written.
    batch : int
        Pairs (or images) per step; the diffusion stage sees both images of a pair one by one.
    crop : int
        Side of the square crops in pixels.
    seed : int
        Of the first weights, the crops, their degradations and the noise.
    validate_every : int
        Steps between validations.
    save_minutes : float
        Time between checkpoints.
    device : str
        Where to compute: ``"cpu"``, ``"cuda"`` or ``"mps"``.
    compile : bool
        Use ``torch.compile`` where the stage knows how.
    diffusion : bool
        False trains a plain autoencoder, for comparison: it sees neither noise nor step. Stages
        after the first take over what their start was.
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
        Train encoder and decoder along with the fusion control, all towards the fusion loss; the
        paper keeps them as the diffusion stage left them.
    stage : str
        Name of the stage.
    start : str
        SHA-256 of the weights that the run began with; empty for new ones.
    network : dict
        Shape of the network, as `UNetConfig.to_dict` gives it.
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
        """Return plain values, as JSON would give them back."""
        values: dict[str, Any] = json.loads(json.dumps(asdict(self)))
        return values

    def rate(self, step: int, cooldown_start: int | None) -> float:
        """Learning rate of a step: a function of step numbers, never of the clock.

        Parameters
        ----------
        step : int
            Counted from 0.
        cooldown_start : int or None
            Step at which the rate begins to fall; None while that is not known.
        """
        rate = self.learning_rate * min(1.0, (step + 1) / max(1, self.warmup))
        if cooldown_start is not None and step >= cooldown_start:
            rate *= 0.5 * (
                1 + math.cos(math.pi * (step - cooldown_start + 1) / (self.cooldown + 1))
            )
        return rate


def differences(old: dict[str, Any], new: dict[str, Any], free: tuple[str, ...]) -> list[str]:
    """Name the fields in which a run's stored configuration and a new one differ.

    Returns
    -------
    list of str
        Such as ``"crop 96 (now 128)"``; long lists are compared by what was added and removed.
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

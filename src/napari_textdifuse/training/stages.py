"""The stages of training, by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .chroma import train_chroma
from .config import TrainConfig
from .diffusion import train_diffusion
from .fcm import train_fcm
from .modulation import train_modulation
from .uncertainty import train_uncertainty

#: A stage: network, training and held-out sampler, folder, configuration. It sets
#: ``requires_grad``, makes its losses and hands them to a `Trainer`.
Train = Callable[[Any, Any, Any, Path, TrainConfig], None]


@dataclass(frozen=True)
class Stage:
    """One stage.

    Parameters
    ----------
    train : callable
        ``train(network, train, held_out, folder, config)``.
    pairs : bool
        Whether it needs pairs of images.
    colour : bool
        Whether it trains the chrominance network, on colour pictures.
    compiles : bool
        Whether ``--compile`` does anything.
    """

    train: Train
    pairs: bool = False
    colour: bool = False
    compiles: bool = False


STAGES: dict[str, Stage] = {
    "diffusion": Stage(train_diffusion, compiles=True),
    "fcm": Stage(train_fcm, pairs=True),
    "modulation": Stage(train_modulation, pairs=True),
    "uncertainty": Stage(train_uncertainty, pairs=True),
    "chroma": Stage(train_chroma, colour=True),
}

"""Loaded weights, and what every fusion with them needs."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from ..diffusion import Schedule
from .backend import Backend


@dataclass(frozen=True)
class Loaded:
    """A network on its device.

    Parameters
    ----------
    backend : Backend
    schedule : Schedule
    device : torch.device
    name, sha256 : str
        Of the weights.
    """

    backend: Backend
    schedule: Schedule
    device: torch.device
    name: str
    sha256: str

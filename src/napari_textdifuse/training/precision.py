"""Mixed precision where the device gains from it."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch

from ..device import choose_precision


def autocast(device: torch.device) -> AbstractContextManager[Any]:
    """bfloat16 autocast where the hardware multiplies it natively, else float32.

    Weights, losses and averages stay in float32; bfloat16 needs no loss scaling.
    """
    if choose_precision(device) == torch.bfloat16:
        return torch.autocast(device.type, torch.bfloat16)
    return nullcontext()

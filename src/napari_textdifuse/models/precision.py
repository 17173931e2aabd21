"""Half precision on devices that benefit from it, except where values must stay exact."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any, TypeVar

import torch

from ..device import choose_precision
from .chroma import ChromaNetwork
from .light import LightNetwork

Network = TypeVar("Network", LightNetwork, ChromaNetwork)


def cast(network: Network, dtype: torch.dtype) -> Network:
    """Cast to `dtype` in place, except the last layers, which output pixel values."""
    network.to(dtype)
    network.decoder.head.float()
    if network.decoder.refine is not None:
        network.decoder.refine.head.float()
    if isinstance(network, LightNetwork) and network.error is not None:
        network.error.head.float()
    if isinstance(network, ChromaNetwork):  # a cast is one small number for a whole image
        network.context.float()
        network.light.float()
    return network


def autocast(device: torch.device) -> AbstractContextManager[Any]:
    """bfloat16 autocast where the hardware multiplies it natively, else float32.

    Weights, losses and averages stay in float32; bfloat16 needs no loss scaling.
    """
    if choose_precision(device) == torch.bfloat16:
        return torch.autocast(device.type, torch.bfloat16)
    return nullcontext()

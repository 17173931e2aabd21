"""Casting a network without losing what must stay exact."""

from __future__ import annotations

from typing import TypeVar

import torch

from .chroma import ChromaNetwork
from .light import LightNetwork

Network = TypeVar("Network", LightNetwork, ChromaNetwork)


def cast(network: Network, dtype: torch.dtype) -> Network:
    """Cast to `dtype` in place, except the last layers, which make pixel values."""
    network.to(dtype)
    network.decoder.head.float()
    if network.decoder.refine is not None:
        network.decoder.refine.head.float()
    if isinstance(network, LightNetwork) and network.error is not None:
        network.error.head.float()
    if isinstance(network, ChromaNetwork):  # a cast is one small number for a whole picture
        network.context.float()
        network.light.float()
    return network

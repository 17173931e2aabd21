"""Casting a network without losing what must stay exact."""

from __future__ import annotations

import torch

from .light import LightNetwork


def cast(network: LightNetwork, dtype: torch.dtype) -> LightNetwork:
    """Cast to `dtype` in place, except the last layer, which makes pixel values."""
    network.to(dtype)
    network.decoder.head.float()
    return network

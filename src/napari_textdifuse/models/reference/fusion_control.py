"""The authors' fusion control module: layers, and the plain, differentiable evaluation."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from .blocks import NormConv, conv3x3, convolve
from .packing import CHANNELS

REDUCTION = 16


class ChannelAttention(nn.Module):
    """Gains of the channels from their mean and maximum."""

    def __init__(self) -> None:
        super().__init__()
        hidden = CHANNELS // REDUCTION
        self.shared_MLP = nn.Sequential(
            nn.Conv2d(CHANNELS, hidden, 1, bias=False),
            nn.ReLU(),
            nn.Conv2d(hidden, CHANNELS, 1, bias=False),
        )

    def forward(self, mean: Tensor, peak: Tensor) -> Tensor:
        """Gains from channel statistics, all ``(B, C, 1, 1)``, float32."""
        return torch.sigmoid(self.shared_MLP(mean) + self.shared_MLP(peak))


class SpatialAttention(nn.Module):
    """Gains of the pixels from mean and maximum over the channels."""

    def __init__(self) -> None:
        super().__init__()
        self.conv2d = nn.Conv2d(2, 1, 7, padding=3)

    def forward(self, maps: Tensor) -> Tensor:
        """Gains ``(B, 1, H, W)`` from ``(B, 2, H, W)``, float32."""
        return torch.sigmoid(self.conv2d(maps))


class CBAM(nn.Module):
    """Channel, then spatial attention (Woo et al., ECCV 2018)."""

    def __init__(self) -> None:
        super().__init__()
        self.channel_attention = ChannelAttention()
        self.spatial_attention = SpatialAttention()

    def forward(self, x: Tensor) -> Tensor:
        mean, peak = x.mean(dim=(2, 3), keepdim=True), x.amax(dim=(2, 3), keepdim=True)
        x = x * self.channel_attention(mean, peak)
        maps = torch.cat([x.mean(dim=1, keepdim=True), x.amax(dim=1, keepdim=True)], dim=1)
        out: Tensor = x * self.spatial_attention(maps)
        return out


class ReferenceControl(nn.Module):
    """Weights of two packed feature maps (Eq. 3), independent of each other and not normalised.

    The checkpoints contain a third branch (``middleBlock4``, ``CBMA4``, ``outBlock3``) whose output
    the release never uses; it is loaded so that the keys fit, and not evaluated.
    """

    def __init__(self) -> None:
        super().__init__()
        self.inBlock = conv3x3(2 * CHANNELS, CHANNELS)
        self.middleBlock1, self.CBMA1 = _block(), CBAM()
        self.middleBlock2, self.middleBlock3, self.middleBlock4 = _block(), _block(), _block()
        self.CBMA2, self.CBMA3, self.CBMA4 = CBAM(), CBAM(), CBAM()
        self.outBlock1, self.outBlock2, self.outBlock3 = _block(), _block(), _block()

    def branch(self, source: int) -> tuple[NormConv, CBAM, NormConv]:
        """Return the layers that weight source 1 or 2; a sigmoid follows the last."""
        # the release numbers them the other way round: outBlock1 weights source 2
        return {
            1: (self.middleBlock3, self.CBMA3, self.outBlock2),
            2: (self.middleBlock2, self.CBMA2, self.outBlock1),
        }[source]

    def forward(self, map1: Tensor, map2: Tensor) -> tuple[Tensor, Tensor]:
        """Weigh both sources, keeping little for the backward pass.

        For images at full size see `bands.fuse_in_bands`, which gives the same numbers.

        Parameters
        ----------
        map1, map2 : Tensor, shape (B, 544, H, W)
            Packed features; the convolutions run in their precision.

        Returns
        -------
        weight1, weight2 : Tensor, shape (B, 544, H, W), float32
            In (0, 1).
        """
        dtype = map1.dtype

        def attended(x: Tensor, block: NormConv, attention: CBAM) -> Tensor:
            out: Tensor = attention(_through(block, x, dtype))
            return out.to(dtype)

        def weights(x: Tensor, head: NormConv) -> Tensor:
            return torch.sigmoid(_through(head, x, dtype))

        h = convolve(self.inBlock, torch.cat([map1, map2], dim=1), dtype)
        h = _checkpointed(attended, h, self.middleBlock1, self.CBMA1)
        middle, attention, head = self.branch(1)
        weight1 = _checkpointed(weights, _checkpointed(attended, h, middle, attention), head)
        middle, attention, head = self.branch(2)
        weight2 = _checkpointed(weights, _checkpointed(attended, h, middle, attention), head)
        return weight1, weight2


def _block() -> NormConv:
    return NormConv(CHANNELS, CHANNELS)


def _through(block: NormConv, x: Tensor, dtype: torch.dtype) -> Tensor:
    """Evaluate a block with its convolution in `dtype`; returns float32."""
    return convolve(block.conv, F.silu(block.norm(x)), dtype).float()


def _checkpointed(function: Callable[..., Tensor], x: Tensor, *modules: nn.Module) -> Tensor:
    """Evaluate; in training keep only the input and compute again in the backward pass."""
    if torch.is_grad_enabled():
        out: Tensor = checkpoint(
            function, x, *modules, use_reentrant=False, preserve_rng_state=False
        )
        return out
    return function(x, *modules)

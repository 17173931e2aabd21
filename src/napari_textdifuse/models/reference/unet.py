"""The authors' encoder ("stage 1") and decoder ("stage 2")."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from ..unet import timestep_embedding
from .blocks import (
    AttentionBlock,
    Downsample,
    NormConv,
    ResidualBlock,
    TimestepSequential,
    Upsample,
    conv3x3,
    time_layers,
)

#: Channels at scales 1, 2, 4, 8 and 16.
WIDTHS = (128, 128, 256, 384, 512)
#: Levels from this one on have attention.
ATTENTION_FROM = 3
#: Channels of the 15 skips, shallow to deep, and the scale of each.
SKIP_CHANNELS = (128, 128, 128, 128, 128, 128, 128, 256, 256, 256, 384, 384, 384, 512, 512)
SKIP_SCALES = (1, 1, 1, 2, 2, 2, 4, 4, 4, 8, 8, 8, 16, 16, 16)


def _block(c_in: int, c_out: int, level: int) -> list[nn.Module]:
    block: list[nn.Module] = [ResidualBlock(c_in, c_out)]
    return [*block, AttentionBlock(c_out)] if level >= ATTENTION_FROM else block


class ReferenceEncoder(nn.Module):
    """Noisy sample and condition to 15 skips and the deepest features (Eq. 2)."""

    def __init__(self) -> None:
        super().__init__()
        self.time_embed = time_layers()
        blocks = [TimestepSequential([conv3x3(2, WIDTHS[0])])]
        width = WIDTHS[0]
        for level, wanted in enumerate(WIDTHS):
            for _ in range(2):
                blocks.append(TimestepSequential(_block(width, wanted, level)))
                width = wanted
            if level < len(WIDTHS) - 1:
                blocks.append(TimestepSequential([Downsample(width)]))
        self.input_blocks = nn.ModuleList(blocks)
        self.middle_block = TimestepSequential(
            [ResidualBlock(width, width), AttentionBlock(width), ResidualBlock(width, width)]
        )

    @property
    def dtype(self) -> torch.dtype:
        """Precision of the features."""
        weight = self.get_parameter("input_blocks.0.0.weight")
        return weight.dtype

    def forward(self, z: Tensor, condition: Tensor, t: Tensor) -> tuple[list[Tensor], Tensor]:
        """Encode.

        Parameters
        ----------
        z, condition : Tensor, shape (B, 1, H, W)
            Noisy sample and degraded component in [-1, 1]; H and W multiples of 16.
        t : Tensor, shape (B,)
            Step numbers of the full schedule.

        Returns
        -------
        skips : list of Tensor
            Shallow to deep.
        hidden : Tensor, shape (B, 512, H / 16, W / 16)
        """
        emb = self.time_embed(timestep_embedding(t, 128))
        h = torch.cat([z, condition], dim=1).to(self.dtype)
        skips = []
        for block in self.input_blocks:
            h = block(h, emb)
            skips.append(h)
        return skips, self.middle_block(h, emb)


class ReferenceDecoder(nn.Module):
    """Features to predicted noise and variance coefficient (Eq. 4)."""

    def __init__(self) -> None:
        super().__init__()
        self.time_embed = time_layers()
        blocks, width, skips = [], WIDTHS[-1], list(SKIP_CHANNELS)
        for level in reversed(range(len(WIDTHS))):
            for i in range(3):
                parts = _block(width + skips.pop(), WIDTHS[level], level)
                width = WIDTHS[level]
                if level and i == 2:
                    parts.append(Upsample(width))
                blocks.append(TimestepSequential(parts))
        self.output_blocks = nn.ModuleList(blocks)
        self.out = NormConv(width, 2)

    def forward(self, skips: list[Tensor], hidden: Tensor, t: Tensor) -> Tensor:
        """Decode.

        Parameters
        ----------
        skips : list of Tensor
            Shallow to deep; emptied, so that each is released when it has been used.
        hidden : Tensor, shape (B, 512, H / 16, W / 16)
        t : Tensor, shape (B,)

        Returns
        -------
        Tensor, shape (B, 2, H, W), float32
            Predicted noise, and the iDDPM coefficient in about [-1, 1].
        """
        emb = self.time_embed(timestep_embedding(t, 128))
        h = hidden
        for block in self.output_blocks:
            x = torch.cat([h, skips.pop()], dim=1)
            # in training recompute in the backward pass rather than keep
            h = (
                checkpoint(block, x, emb, use_reentrant=False, preserve_rng_state=False)
                if x.requires_grad
                else block(x, emb)
            )
        out: Tensor = self.out(h)
        return out.float()

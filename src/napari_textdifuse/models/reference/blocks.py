"""Building blocks of the authors' U-Net (that of Nichol & Dhariwal 2021).

Attribute names are the checkpoints' keys. Convolutions run in the precision of their weights;
statistics, activations and the time embedding are always float32.
"""

from __future__ import annotations

from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

GROUPS = 32
EPSILON = 1e-5
TIME_DIM = 512
HEADS = 4


class Norm(nn.GroupNorm):
    """Group normalisation in float32, whatever comes in."""

    def __init__(self, channels: int) -> None:
        super().__init__(GROUPS, channels, eps=EPSILON)

    def forward(self, x: Tensor) -> Tensor:
        weight, bias = self.weight.float(), self.bias.float()
        return F.group_norm(x.float(), self.num_groups, weight, bias, self.eps)


class NormConv(nn.Sequential):
    """Normalisation, SiLU and a 3x3 convolution."""

    def __init__(self, c_in: int, c_out: int) -> None:
        super().__init__(Norm(c_in), nn.SiLU(), conv3x3(c_in, c_out))

    @property
    def norm(self) -> Norm:
        """Normalisation."""
        return cast(Norm, self[0])

    @property
    def conv(self) -> nn.Conv2d:
        """Convolution."""
        return cast(nn.Conv2d, self[2])

    def forward(self, x: Tensor) -> Tensor:
        return convolve(self.conv, F.silu(self.norm(x)), self.conv.weight.dtype)


def conv3x3(c_in: int, c_out: int, stride: int = 1) -> nn.Conv2d:
    """3x3 convolution with zero padding."""
    return nn.Conv2d(c_in, c_out, 3, stride=stride, padding=1)


class ResidualBlock(nn.Module):
    """Two normalised 3x3 convolutions; the time embedding scales and shifts between them."""

    def __init__(self, c_in: int, c_out: int) -> None:
        super().__init__()
        self.in_layers = NormConv(c_in, c_out)
        self.emb_layers = nn.Sequential(nn.SiLU(), nn.Linear(TIME_DIM, 2 * c_out))
        # the third place is the release's dropout of rate 0
        self.out_layers = nn.Sequential(
            Norm(c_out), nn.SiLU(), nn.Identity(), conv3x3(c_out, c_out)
        )
        self.skip_connection = nn.Conv2d(c_in, c_out, 1) if c_in != c_out else nn.Identity()

    def forward(self, x: Tensor, emb: Tensor) -> Tensor:
        h = self.in_layers(x)
        scale, shift = self.emb_layers(emb)[:, :, None, None].chunk(2, dim=1)
        norm, _, _, conv = self.out_layers
        h = conv(F.silu(norm(h) * (1 + scale) + shift).to(x.dtype))
        out: Tensor = self.skip_connection(x) + h
        return out


class AttentionBlock(nn.Module):
    """Self-attention over all pixels; queries, keys and values are thirds, each split in heads."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = Norm(channels)
        self.qkv = nn.Conv1d(channels, 3 * channels, 1)
        self.proj_out = nn.Conv1d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        batch, channels, height, width = x.shape
        qkv = self.qkv(self.norm(x).to(x.dtype).flatten(2))
        # pixels before channels and contiguous: only then is the n x n matrix never stored
        parts = qkv.view(batch, 3, HEADS, channels // HEADS, -1).transpose(3, 4).contiguous()
        h = F.scaled_dot_product_attention(parts[:, 0], parts[:, 1], parts[:, 2])
        h = self.proj_out(h.transpose(2, 3).reshape(batch, channels, -1))
        out: Tensor = x + h.view(batch, channels, height, width)
        return out


class Downsample(nn.Module):
    """3x3 convolution of stride 2."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.op = conv3x3(channels, channels, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.op(x)
        return out


class Upsample(nn.Module):
    """Nearest neighbour to twice the size, then a 3x3 convolution."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = conv3x3(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.conv(F.interpolate(x, scale_factor=2, mode="nearest"))
        return out


class TimestepSequential(nn.ModuleList):
    """Modules one after the other; residual blocks get the time embedding too."""

    def forward(self, x: Tensor, emb: Tensor) -> Tensor:
        for module in self:
            x = module(x, emb) if isinstance(module, ResidualBlock) else module(x)
        return x


def time_layers() -> nn.Sequential:
    """Two linear layers on the sinusoidal embedding."""
    return nn.Sequential(nn.Linear(128, TIME_DIM), nn.SiLU(), nn.Linear(TIME_DIM, TIME_DIM))


def convolve(conv: nn.Conv2d, x: Tensor, dtype: torch.dtype, rows_padded: bool = False) -> Tensor:
    """Apply a 3x3 convolution in a chosen precision, whatever that of its weights.

    Parameters
    ----------
    conv : nn.Conv2d
    x : Tensor, shape (B, C, H, W)
    dtype : torch.dtype
    rows_padded : bool
        The rows above and below are there already; only the columns get zeros.
    """
    bias = None if conv.bias is None else conv.bias.to(dtype)
    padding = (0, 1) if rows_padded else (1, 1)
    return F.conv2d(x.to(dtype), conv.weight.to(dtype), bias, padding=padding)

"""The light conditional diffusion U-Net: an encoder and a decoder that can run separately.

The encoder receives the noisy sample and the (degraded) condition, the decoder only features.
Between the two, the fusion control module mixes the features of two encoder runs (Eq. 2-4).

Differences from the authors' network, for interaction on a CPU: the image is folded into
2x2 patches at the input (as in FFDNet), there is one skip per level, and normalisation is per
pixel over channels, so that a result does not depend on the size of the image or tile.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import asdict, dataclass, fields
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

#: Kinds of restoration, in the order of the condition vector: noise and blur; light and contrast.
RESTORATIONS = ("noise", "light")
#: Largest number of levels of a network.
LEVELS = 8
#: Allowed range of each field of `UNetConfig`, wider than useful values.
RANGES = {
    "patch": (1, 16),
    "base": (2, 4096),
    "multipliers": (1, 64),
    "blocks": (1, 64),
    "time_dim": (2, 8192),
    "refine": (0, 1024),
    "control_fine": (0, 1024),
    "control_cell": (0, 65536),
    "restore": (0, len(RESTORATIONS)),
    "uncertainty": (0, 1024),
}


@dataclass(frozen=True)
class UNetConfig:
    """Shape of the network; saved with the weights.

    Parameters
    ----------
    patch : int
        Side of the pixel patches folded into channels at the input.
    base : int
        Channels of the finest level.
    multipliers : tuple of int
        Channels of each level, as multiples of `base`; every level halves the resolution.
    blocks : tuple of int
        Residual blocks of each level, the same in encoder and decoder.
    time_dim : int
        Width of the time embedding.
    refine : int
        Channels of the last layers at full resolution, across patch borders; 0 for none.
    control_fine : int
        Channels of the fusion control's layers at full resolution; 0 for none.
    control_cell : int
        Side in pixels of the cells over which the fusion control's attention computes means and
        maxima; 0 for the whole image. With cells, a tile of a large image has the same weights
        as within the image, and images are treated like the crops of training.
    restore : int
        Kinds of restoration whose strength is a condition of the network (see
        `conditions.RestorationEmbedding`); 0 for a network that always restores in full.
    uncertainty : int
        Channels of the head that predicts the error of the estimate; 0 for none.

    Raises
    ------
    ValueError
        If a value is not an integer or outside `RANGES`.
    """

    patch: int = 2
    base: int = 48
    multipliers: tuple[int, ...] = (1, 2, 3, 4)
    blocks: tuple[int, ...] = (2, 2, 2, 2)
    time_dim: int = 192
    refine: int = 16
    control_fine: int = 8
    control_cell: int = 64
    restore: int = 2
    uncertainty: int = 24

    def __post_init__(self) -> None:
        for name, (low, high) in RANGES.items():
            value = getattr(self, name)
            several = name in ("multipliers", "blocks")
            if several and not (isinstance(value, tuple) and 1 <= len(value) <= LEVELS):
                raise ValueError(f"{name} must be a list of 1 to {LEVELS} numbers, not {value!r}")
            for number in value if several else (value,):
                # true is an int in Python
                if type(number) is not int or not low <= number <= high:
                    raise ValueError(
                        f"{name} must be {'integers' if several else 'an integer'} from "
                        f"{low} to {high}, not {number!r}"
                    )
        if len(self.blocks) != len(self.multipliers):
            raise ValueError("multipliers and blocks must be lists of the same length")
        if self.time_dim % 2:
            raise ValueError(f"time_dim must be even, not {self.time_dim}")
        if self.restore not in (0, len(RESTORATIONS)):
            raise ValueError(f"restore must be 0 or {len(RESTORATIONS)}, not {self.restore}")

    @property
    def channels(self) -> tuple[int, ...]:
        """Channels of each level, finest first."""
        return tuple(self.base * m for m in self.multipliers)

    @property
    def multiple(self) -> int:
        """Height and width must be multiples of this; the pipeline pads."""
        return int(self.patch * 2 ** (len(self.multipliers) - 1))

    def to_dict(self) -> dict[str, Any]:
        """Return the configuration as plain values for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> UNetConfig:
        """Inverse of `to_dict`.

        Raises
        ------
        ValueError
            If a value is missing, unknown or impossible.
        """
        known = {field.name for field in fields(cls)}
        unknown = [str(key) for key in values if key not in known]
        if unknown:
            raise ValueError(f"{unknown[0]} is not known")
        given: dict[str, Any] = {
            k: tuple(v) if isinstance(v, list) else v for k, v in values.items()
        }
        # fields that older files lack
        absent = ("refine", "control_fine", "control_cell", "restore", "uncertainty")
        missing = [name for name in RANGES if name not in given and name not in absent]
        if missing:
            raise ValueError(f"{missing[0]} is missing")
        return cls(**dict.fromkeys(absent, 0) | given)


def timestep_embedding(t: Tensor, dim: int) -> Tensor:
    """Sinusoidal embedding of diffusion steps.

    Parameters
    ----------
    t : Tensor, shape (B,)
        Step numbers of the full schedule, 0 (least noise) to 999.
    dim : int
        Even width of the embedding.

    Returns
    -------
    Tensor, shape (B, dim), float32
    """
    half = dim // 2
    frequency = torch.exp(-math.log(10000.0) * torch.arange(half, device=t.device) / half)
    angle = t.float()[:, None] * frequency[None]
    return torch.cat([angle.cos(), angle.sin()], dim=1)


class ChannelNorm(nn.Module):
    """Layer normalisation over channels, pixel by pixel (no statistics over space)."""

    def __init__(self, channels: int, affine: bool = True) -> None:
        super().__init__()
        self.channels = channels
        self.weight = nn.Parameter(torch.ones(channels)) if affine else None
        self.bias = nn.Parameter(torch.zeros(channels)) if affine else None

    def forward(self, x: Tensor) -> Tensor:
        weight = self.weight.to(x.dtype) if self.weight is not None else None
        bias = self.bias.to(x.dtype) if self.bias is not None else None
        return self.scaled(x, weight, bias)

    def scaled(self, x: Tensor, weight: Tensor | None, bias: Tensor | None) -> Tensor:
        """Normalise, then scale and shift each channel."""
        # channels-last memory makes this permutation free
        y = F.layer_norm(x.permute(0, 2, 3, 1), (self.channels,), weight, bias, 1e-5)
        return y.permute(0, 3, 1, 2)


class ResBlock(nn.Module):
    """Two 3x3 convolutions; the time embedding scales and shifts between them (FiLM).

    An embedding of one row is that of all items, which is faster.
    """

    def __init__(self, c_in: int, c_out: int, time_dim: int) -> None:
        super().__init__()
        self.norm1 = ChannelNorm(c_in)
        self.conv1 = nn.Conv2d(c_in, c_out, 3, padding=1)
        self.film = nn.Linear(time_dim, 2 * c_out)
        self.norm2 = ChannelNorm(c_out, affine=False)
        self.conv2 = nn.Conv2d(c_out, c_out, 3, padding=1)
        self.skip = nn.Conv2d(c_in, c_out, 1) if c_in != c_out else nn.Identity()
        for parameter in self.conv2.parameters():
            nn.init.zeros_(parameter)

    def forward(self, x: Tensor, emb: Tensor) -> Tensor:
        # in place where it can be: a pass over memory costs as much as a small convolution
        h = self.conv1(F.silu(self.norm1(x), inplace=True))
        scale, shift = self.film(emb).to(h.dtype).chunk(2, dim=1)
        if len(emb) == 1:
            h = self.norm2.scaled(h, 1 + scale[0], shift[0])
        else:
            h = torch.addcmul(shift[..., None, None], self.norm2(h), 1 + scale[..., None, None])
        out: Tensor = self.conv2(F.silu(h, inplace=True))
        return out.add_(self.skip(x))


class LevelBlocks(nn.ModuleList):
    """The residual blocks of one level."""

    def __init__(self, channels: int, blocks: int, time_dim: int) -> None:
        super().__init__(ResBlock(channels, channels, time_dim) for _ in range(blocks))

    def forward(self, x: Tensor, emb: Tensor) -> Tensor:
        for block in self:
            x = block(x, emb)
        return x


class TimeEmbedding(nn.Module):
    """Sinusoid, then two linear layers."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.dim = dim
        self.layers = nn.Sequential(nn.Linear(dim, dim), nn.SiLU(), nn.Linear(dim, dim), nn.SiLU())

    def forward(self, t: Tensor) -> Tensor:
        dtype = next(self.layers.parameters()).dtype
        out: Tensor = self.layers(timestep_embedding(t, self.dim).to(dtype))
        return out


def _shared_row(emb: Tensor) -> Tensor:
    """Return a single row where all are equal."""
    return emb[:1] if bool((emb == emb[:1]).all()) else emb


class Encoder(nn.Module):
    """Noisy sample and condition to one feature map per level, finest first (Eq. 2).

    Parameters
    ----------
    config : UNetConfig
    inputs : int
        Channels of sample and condition together.
    """

    def __init__(self, config: UNetConfig, inputs: int = 2) -> None:
        super().__init__()
        self.config = config
        widths = config.channels
        self.time = TimeEmbedding(config.time_dim)
        self.stem = nn.Conv2d(inputs * config.patch**2, widths[0], 3, padding=1)
        self.levels = nn.ModuleList(
            LevelBlocks(c, n, config.time_dim) for c, n in zip(widths, config.blocks, strict=True)
        )
        self.downs = nn.ModuleList(
            nn.Conv2d(a, b, 2, stride=2) for a, b in itertools.pairwise(widths)
        )

    def forward(
        self, z: Tensor, condition: Tensor, t: Tensor, context: Tensor | None = None
    ) -> list[Tensor]:
        """Encode.

        Parameters
        ----------
        z, condition : Tensor, shape (B, C, H, W)
            Noisy sample and degraded component in [-1, 1]; H and W multiples of
            ``config.multiple``.
        t : Tensor, shape (B,)
            Step numbers.
        context : Tensor, shape (B, time_dim), optional
            Description of the whole image, added to the time embedding.

        Returns
        -------
        list of Tensor
            Features, finest level first, ``(B, C_l, H / (patch 2^l), W / (patch 2^l))``.
        """
        emb = self.time(t)
        emb = _shared_row(emb if context is None else emb + context)
        x = F.pixel_unshuffle(torch.cat([z, condition], dim=1), self.config.patch)
        x = self.stem(x.contiguous(memory_format=torch.channels_last))
        features = []
        for i, stage in enumerate(self.levels):
            if i:
                x = self.downs[i - 1](x)
            x = stage(x, emb)
            features.append(x)
        return features


class Refine(nn.Module):
    """A correction at full resolution, across the patch borders."""

    def __init__(self, c_in: int, channels: int, patch: int, c_out: int = 2) -> None:
        super().__init__()
        self.patch = patch
        self.spread = nn.Conv2d(c_in, channels * patch**2, 1)
        self.mix = nn.Conv2d(channels, channels, 3, padding=1)
        self.head = nn.Conv2d(channels, c_out, 3, padding=1)
        for parameter in self.head.parameters():
            nn.init.zeros_(parameter)

    def forward(self, x: Tensor) -> Tensor:
        x = F.silu(F.pixel_shuffle(self.spread(x), self.patch))
        x = F.silu(self.mix(x.contiguous(memory_format=torch.channels_last)))
        out: Tensor = self.head(x.to(self.head.weight.dtype))
        return out.float()


class Decoder(nn.Module):
    """Features to the correction of the condition and the variance coefficient (Eq. 4).

    Parameters
    ----------
    config : UNetConfig
    outputs : int
        Channels of the component.
    """

    def __init__(self, config: UNetConfig, outputs: int = 1) -> None:
        super().__init__()
        self.outputs = outputs
        self.config = config
        widths = config.channels
        self.time = TimeEmbedding(config.time_dim)
        self.levels = nn.ModuleList(
            LevelBlocks(c, n, config.time_dim) for c, n in zip(widths, config.blocks, strict=True)
        )
        self.ups = nn.ModuleList(nn.Conv2d(b, 4 * a, 1) for a, b in itertools.pairwise(widths))
        self.merges = nn.ModuleList(nn.Conv2d(2 * a, a, 1) for a in widths[:-1])
        self.norm = ChannelNorm(widths[0])
        self.head = nn.Conv2d(widths[0], 2 * outputs * config.patch**2, 3, padding=1)
        self.refine = (
            Refine(widths[0], config.refine, config.patch, 2 * outputs) if config.refine else None
        )
        for parameter in self.head.parameters():
            nn.init.zeros_(parameter)

    def forward(
        self, features: list[Tensor], t: Tensor, context: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Decode.

        Parameters
        ----------
        features : list of Tensor
            As from `Encoder`, finest first.
        t : Tensor, shape (B,)
        context : Tensor, shape (B, time_dim), optional
            As for `Encoder`.

        Returns
        -------
        residual, variance : Tensor, shape (B, outputs, H, W), float32
            What to add to the condition to get the clean estimate, and the iDDPM interpolation
            coefficient in about [-1, 1].
        """
        return self.heads(self.features(features, t, context))

    def features(self, features: list[Tensor], t: Tensor, context: Tensor | None = None) -> Tensor:
        """Return the input of the last layers, ``(B, C_0, H / patch, W / patch)``."""
        emb = self.time(t)
        emb = _shared_row(emb if context is None else emb + context)
        x = features[-1]
        for i in reversed(range(len(features))):
            if i < len(features) - 1:
                x = F.pixel_shuffle(self.ups[i](x), 2)
                x = self.merges[i](torch.cat([x, features[i]], dim=1))
                x = x.contiguous(memory_format=torch.channels_last)
            x = self.levels[i](x, emb)
        return F.silu(self.norm(x))

    def heads(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Convert `features` to residual and variance."""
        # the last layer stays in float32: bfloat16 causes bands in smooth regions
        head = self.head(x.to(self.head.weight.dtype))
        out = F.pixel_shuffle(head, self.config.patch).float()
        if self.refine is not None:
            out = out + self.refine(x)
        return out[:, : self.outputs], out[:, self.outputs :]

"""The fusion control module (FCM): which source each feature should come from (Eq. 3)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .unet import ChannelNorm


class CBAM(nn.Module):
    """Channel, then spatial attention (Woo et al., ECCV 2018)."""

    def __init__(self, channels: int, reduction: int = 4) -> None:
        super().__init__()
        hidden = max(channels // reduction, 4)
        self.mlp = nn.Sequential(
            nn.Conv2d(channels, hidden, 1), nn.ReLU(), nn.Conv2d(hidden, channels, 1)
        )
        self.spatial = nn.Conv2d(2, 1, 7, padding=3)

    def forward(self, x: Tensor) -> Tensor:
        mean = x.mean(dim=(2, 3), keepdim=True)
        peak = x.amax(dim=(2, 3), keepdim=True)
        x = x * torch.sigmoid(self.mlp(mean) + self.mlp(peak))
        maps = torch.cat([x.mean(dim=1, keepdim=True), x.amax(dim=1, keepdim=True)], dim=1)
        out: Tensor = x * torch.sigmoid(self.spatial(maps))
        return out


class LevelControl(nn.Module):
    """Weights of one source's features at one level, seen beside the other source's."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        hidden = channels // 2
        self.norm = ChannelNorm(2 * channels)
        self.conv1 = nn.Conv2d(2 * channels, hidden, 3, padding=1)
        self.conv2 = nn.Conv2d(hidden, hidden, 3, padding=1)
        self.attention = CBAM(hidden)
        self.head = nn.Conv2d(hidden, channels, 1)
        # equal weights of one half at the start: the untrained module is the average
        for parameter in self.head.parameters():
            nn.init.zeros_(parameter)

    def forward(self, own: Tensor, other: Tensor) -> tuple[Tensor, Tensor]:
        h = F.silu(self.conv1(self.norm(torch.cat([own, other], dim=1))))
        h = self.attention(h + F.silu(self.conv2(h)))
        return torch.sigmoid(self.head(h)), h


class FusionControl(nn.Module):
    """One `LevelControl` per level, shared by both sources, and weights for the pixels.

    The same network weighs X beside Y and Y beside X, so exchanging the sources exchanges the
    weights and leaves the fused features as they were.

    Parameters
    ----------
    channels : tuple of int
        Of each level, finest first.
    patch : int
        Side of the pixel patches of the finest level.
    """

    def __init__(self, channels: tuple[int, ...], patch: int = 2) -> None:
        super().__init__()
        self.patch = patch
        self.levels = nn.ModuleList(LevelControl(c) for c in channels)
        self.pixels = nn.Conv2d(channels[0] // 2, 2 * patch**2, 1)
        for parameter in self.pixels.parameters():
            nn.init.zeros_(parameter)

    def forward(self, features: list[Tensor]) -> tuple[Tensor, Tensor, list[Tensor]]:
        """Weigh both sources.

        Parameters
        ----------
        features : list of Tensor, each (2 B, C_l, h_l, w_l)
            Features of X (first half of the batch) and of Y (second half).

        Returns
        -------
        pixels : Tensor, shape (2 B, 1, H, W), float32
            Weights of the sources themselves, the finest features there are: the source's share
            and a signed correction in (-1, 1), with which detail of both can be added up.
        share : Tensor, shape (2 B, 1, H, W), float32
            The part of the pixel weights that says which source is shown; X and Y add up to 1.
        weights : list of Tensor, each (2 B, C_l, h_l, w_l)
            Independent weights ``w_X`` and ``w_Y`` in (0, 1), in the order of the features.
        """
        weights = []
        for i, (level, f) in enumerate(zip(self.levels, features, strict=True)):
            x, y = f.chunk(2)
            weight, hidden = level(f, torch.cat([y, x]))
            weights.append(weight)
            if i == 0:
                logits = F.pixel_shuffle(self.pixels(hidden), self.patch).float()
        own, other = logits[:, :1].chunk(2)
        share = torch.sigmoid(own - other)
        share = torch.cat([share, 1 - share])
        return share + torch.tanh(logits[:, 1:]), share, weights


def combine(weighted: list[Tensor]) -> list[Tensor]:
    """Add the weighted features of the two sources: ``w_X * F_X + w_Y * F_Y`` (Eq. 3)."""
    return [x + y for x, y in (w.chunk(2) for w in weighted)]

"""The fusion control module (FCM): weights of both sources for each feature (Eq. 3)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .unet import ChannelNorm, UNetConfig


class CBAM(nn.Module):
    """Channel attention, then spatial attention (Woo et al., ECCV 2018).

    Parameters
    ----------
    channels : int
    cell : int
        Side of the square cells of the channel attention, which is interpolated between them;
        0 for the whole image, as in the article.
    reduction : int
        Ratio of channels to hidden channels of the channel attention.
    """

    def __init__(self, channels: int, cell: int = 0, reduction: int = 4) -> None:
        super().__init__()
        self.cell = cell
        hidden = max(channels // reduction, 4)
        self.mlp = nn.Sequential(
            nn.Conv2d(channels, hidden, 1), nn.ReLU(), nn.Conv2d(hidden, channels, 1)
        )
        self.spatial = nn.Conv2d(2, 1, 7, padding=3)

    def forward(self, x: Tensor) -> Tensor:
        x = x * torch.sigmoid(self._channel_logits(x))
        maps = torch.cat([x.mean(dim=1, keepdim=True), x.amax(dim=1, keepdim=True)], dim=1)
        out: Tensor = x * torch.sigmoid(self.spatial(maps))
        return out

    def _channel_logits(self, x: Tensor) -> Tensor:
        height, width = x.shape[-2:]
        if not self.cell:
            mean, peak = x.mean(dim=(2, 3), keepdim=True), x.amax(dim=(2, 3), keepdim=True)
            return self.mlp(mean) + self.mlp(peak)
        cell = min(self.cell, height), min(self.cell, width)
        # cells at the border are averaged over their pixels
        mean = F.avg_pool2d(x, cell, ceil_mode=True, count_include_pad=False)
        logits = self.mlp(mean) + self.mlp(F.max_pool2d(x, cell, ceil_mode=True))
        size = logits.shape[-2] * cell[0], logits.shape[-1] * cell[1]
        smooth = F.interpolate(logits, size=size, mode="bilinear", align_corners=False)
        return smooth[..., :height, :width]


class LevelControl(nn.Module):
    """Weights of one source's features at one level, conditioned on the other source's."""

    def __init__(self, channels: int, cell: int) -> None:
        super().__init__()
        hidden = channels // 2
        self.norm = ChannelNorm(2 * channels)
        self.conv1 = nn.Conv2d(2 * channels, hidden, 3, padding=1)
        self.conv2 = nn.Conv2d(hidden, hidden, 3, padding=1)
        self.attention = CBAM(hidden, cell)
        self.head = nn.Conv2d(hidden, channels, 1)
        # initial weights are one half: the untrained module is the average
        for parameter in self.head.parameters():
            nn.init.zeros_(parameter)

    def forward(self, own: Tensor, other: Tensor) -> tuple[Tensor, Tensor]:
        h = F.silu(self.conv1(self.norm(torch.cat([own, other], dim=1))))
        h = self.attention(h + F.silu(self.conv2(h)))
        return torch.sigmoid(self.head(h)), h


class FineControl(nn.Module):
    """A correction of the pixel weights at full resolution, from the neighbouring pixels."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(4, channels, 3, padding=1)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1)
        self.head = nn.Conv2d(channels, 2, 3, padding=1)
        for parameter in self.head.parameters():
            nn.init.zeros_(parameter)

    def forward(self, x: Tensor) -> Tensor:
        x = F.silu(self.conv1(x.contiguous(memory_format=torch.channels_last)))
        out: Tensor = self.head(F.silu(self.conv2(x)))
        return out


class FusionControl(nn.Module):
    """One `LevelControl` per level, shared by both sources, and weights for the pixels.

    The same network weights X given Y and Y given X, so exchanging the sources exchanges the
    weights and leaves the fused features as they were.

    Parameters
    ----------
    config : UNetConfig
    """

    def __init__(self, config: UNetConfig) -> None:
        super().__init__()
        self.patch = config.patch
        self.levels = nn.ModuleList(
            LevelControl(c, config.control_cell // (config.patch * 2**i))
            for i, c in enumerate(config.channels)
        )
        self.pixels = nn.Conv2d(config.channels[0] // 2, 2 * config.patch**2, 1)
        for parameter in self.pixels.parameters():
            nn.init.zeros_(parameter)
        self.fine = FineControl(config.control_fine) if config.control_fine else None

    def forward(
        self, features: list[Tensor], sources: Tensor
    ) -> tuple[Tensor, Tensor, list[Tensor]]:
        """Weight both sources.

        Parameters
        ----------
        features : list of Tensor, each (2 B, C_l, h_l, w_l)
            Features of X (first half of the batch) and of Y (second half).
        sources : Tensor, shape (2 B, 1, H, W)
            X and Y themselves, in [-1, 1].

        Returns
        -------
        pixels : Tensor, shape (2 B, 1, H, W), float32
            Weights of the sources themselves, the finest features: the source's share plus a
            signed correction in (-1, 1), so that details of both can be added.
        share : Tensor, shape (2 B, 1, H, W), float32
            Share of each source in the pixel weights; X and Y add up to 1.
        weights : list of Tensor, each (2 B, C_l, h_l, w_l)
            Independent weights ``w_X`` and ``w_Y`` in (0, 1), in the order of the features.
        """
        weights = []
        for i, (level, f) in enumerate(zip(self.levels, features, strict=True)):
            x, y = f.chunk(2)
            weight, hidden = level(f, torch.cat([y, x]))
            weights.append(weight)
            if i == 0:
                logits = F.pixel_shuffle(self.pixels(hidden), self.patch)
        if self.fine is not None:
            x, y = sources.to(logits.dtype).chunk(2)
            both = torch.cat([torch.cat([x, y]), torch.cat([y, x])], dim=1)
            logits = logits + self.fine(torch.cat([logits, both], dim=1))
        logits = logits.float()
        own, other = logits[:, :1].chunk(2)
        share = torch.sigmoid(own - other)
        share = torch.cat([share, 1 - share])
        return share + torch.tanh(logits[:, 1:]), share, weights


def combine(weighted: list[Tensor]) -> list[Tensor]:
    """Add the weighted features of the two sources: ``w_X * F_X + w_Y * F_Y`` (Eq. 3)."""
    return [x + y for x, y in (w.chunk(2) for w in weighted)]


def lean_weights(weights: Tensor, balance: float) -> Tensor:
    """Shift the weights of X and Y towards one source (``lambda w`` of Eq. 12, for all pixels).

    Parameters
    ----------
    weights : Tensor, shape (2 B, ...)
        Of X in the first half, of Y in the second.
    balance : float
        From -1, X alone, to 1, Y alone; in between the weights change linearly.
    """
    x, y = ((1 - abs(balance)) * w for w in weights.chunk(2))
    return torch.cat([x + max(-balance, 0.0), y + max(balance, 0.0)])

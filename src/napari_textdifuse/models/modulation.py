"""The modulation block: coefficients that emphasise a selected object (Eq. 12)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .unet import ChannelNorm

#: The exponent of the contrast prior is ``1 / (1 + SLOPE * strength)``.
SLOPE = 1.5


def apply_gain(brightness: Tensor, gain: Tensor) -> Tensor:
    """Apply the contrast prior.

    Parameters
    ----------
    brightness : Tensor
        In [0, 1].
    gain : Tensor
        Signed strength per pixel: positive brightens, negative darkens, 0 has no effect.

    Returns
    -------
    Tensor
    """
    exponent = 1 / (1 + SLOPE * gain.abs())
    v = brightness.clamp(1e-4, 1 - 1e-4)
    return torch.where(gain >= 0, v**exponent, 1 - (1 - v) ** exponent)


class LevelModulation(nn.Module):
    """Coefficients of one source's weighted features at one level."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        hidden = channels // 2
        self.norm = ChannelNorm(channels)
        self.conv = nn.Conv2d(channels + 2, hidden, 3, padding=1)
        self.head = nn.Conv2d(hidden, channels, 1)
        for parameter in self.head.parameters():
            nn.init.zeros_(parameter)

    def forward(self, weighted: Tensor, mask: Tensor, gain: Tensor) -> Tensor:
        h = torch.cat([self.norm(weighted), mask, gain], dim=1)
        h = torch.tanh(self.head(F.silu(self.conv(h))))
        # gain 0 gives exactly 1: no prompt and strength 0 are equal
        return 1 + 2 * gain.abs() * h


class Modulation(nn.Module):
    """`lambda_X` and `lambda_Y` per level, pixel and channel, from a mask and a signed strength.

    Trained so that the decoded object follows a power law away from its surroundings (see
    `training.modulation`); the strength's sign means brighter (+) or darker (-).
    """

    def __init__(self, channels: tuple[int, ...]) -> None:
        super().__init__()
        self.levels = nn.ModuleList(LevelModulation(c) for c in channels)

    def forward(self, weighted: list[Tensor], gain: Tensor) -> list[Tensor]:
        """Return the modulated features.

        Parameters
        ----------
        weighted : list of Tensor, each (2 B, C_l, h_l, w_l)
            ``w_X F_X`` and ``w_Y F_Y``.
        gain : Tensor, shape (B, 1, H, W)
            Signed strength per pixel; 0 outside the mask.

        Returns
        -------
        list of Tensor
            ``lambda_X w_X F_X`` and ``lambda_Y w_Y F_Y``, shaped as `weighted`.
        """
        out = []
        mask = (gain != 0).to(gain.dtype)
        for level, w in zip(self.levels, weighted, strict=True):
            size = (w.shape[-2], w.shape[-1])
            g = F.adaptive_avg_pool2d(gain, size).to(w.dtype)
            m = F.adaptive_avg_pool2d(mask, size).to(w.dtype)
            g, m = torch.cat([g, g]), torch.cat([m, m])
            out.append(w * level(w, m, g))
        return out

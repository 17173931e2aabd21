"""How far the estimate may be off, pixel by pixel."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor, nn

#: Scale that an untrained head gives, of brightness in [0, 1].
FIRST = 0.02
#: Bounds of the logarithm of the scale: a tenth of a grey value of 8 bits, and the whole range.
LOWEST, HIGHEST = math.log(0.1 / 255), 0.0


@dataclass(frozen=True)
class ErrorCalibration:
    """Turns an expected absolute error into a standard deviation, as measured on known images.

    Nine in ten results lie within 1.645 deviations of what perfect images would have given.

    Parameters
    ----------
    expected, deviation : sequence of float
        Natural logarithms of the expected error, rising, and of the deviation that belongs to it.
    """

    expected: Sequence[float]
    deviation: Sequence[float]

    def __call__(self, error: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Return the standard deviation at each pixel, of brightness in [0, 1]."""
        logs = np.interp(np.log(error + 1e-9), self.expected, self.deviation)
        return np.exp(logs).astype(np.float32)


class ErrorHead(nn.Module):
    """Scale of a Laplace distribution of the error of the estimate (Kendall & Gal 2017).

    It sees the decoder's last features and the picture, and sends no gradient back to either, so
    that training it leaves the picture as it is.

    Parameters
    ----------
    features : int
        Channels of the decoder's last features.
    channels : int
    patch : int
    """

    def __init__(self, features: int, channels: int, patch: int) -> None:
        super().__init__()
        self.patch = patch
        self.conv1 = nn.Conv2d(features + 2 * patch**2, channels, 3, padding=1)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1)
        self.head = nn.Conv2d(channels, patch**2, 3, padding=1)
        nn.init.zeros_(self.head.weight)
        nn.init.constant_(self.head.bias, math.log(FIRST))  # type: ignore[arg-type]

    def forward(self, features: Tensor, fused: Tensor, residual: Tensor) -> Tensor:
        """Predict the logarithm of the scale.

        Parameters
        ----------
        features : Tensor, shape (B, C, H / patch, W / patch)
        fused, residual : Tensor, shape (B, 1, H, W)
            The weighted sources in [-1, 1] and what the decoder adds to them.

        Returns
        -------
        Tensor, shape (B, 1, H, W), float32
            Natural logarithm of the mean absolute error, of brightness in [0, 1].
        """
        seen = F.pixel_unshuffle(torch.cat([fused, residual], dim=1).detach(), self.patch)
        x = torch.cat([features.detach(), seen.to(features.dtype)], dim=1)
        x = F.silu(self.conv1(x.contiguous(memory_format=torch.channels_last)))
        x = F.silu(self.conv2(x))
        out = self.head(x.to(self.head.weight.dtype)).float()
        return F.pixel_shuffle(out, self.patch).clamp(LOWEST, HIGHEST)

"""Expected error of the estimate at each pixel."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor, nn

#: Bound of an untrained head, of brightness in [0, 1].
FIRST = 0.02
#: Bounds of its logarithm: a tenth of a grey value of 8 bits, and the whole range.
LOWEST, HIGHEST = math.log(0.1 / 255), 0.0
#: Share of the errors that lie below the bound.
SHARE = 0.9
#: Least deviation: rounding to 8 bits alone causes errors up to half a grey value.
ROUNDING = 0.5 / 255 / 1.645
#: Side in pixels of the cells over which the head averages noise and light.
CELL = 64


@dataclass(frozen=True)
class ErrorCalibration:
    """Converts the bound of the error to a standard deviation, as measured on known images.

    Nine in ten results lie within 1.645 deviations of the result for perfect images.

    Parameters
    ----------
    expected, deviation : sequence of float
        Natural logarithms of the bound, increasing, and of the matching deviation.
    modalities : sequence of str
        Modalities of the measurement; empty for any.
    weights : sequence of float, length 5
        The deviation's logarithm grows by the first, and by the others times the noise and
        sharpness of the images (`fusion.degradation`): the head cannot tell blur under noise from
        smooth tissue pixel by pixel. Empty if it was not measured.
    ranges : sequence of (float, float), length 4
        Lowest and highest of each that was measured; beyond, the nearest is used.
    """

    expected: Sequence[float]
    deviation: Sequence[float]
    modalities: Sequence[str] = ()
    weights: Sequence[float] = ()
    ranges: Sequence[Sequence[float]] = ()

    def covers(self, *modalities: str | None) -> bool:
        """Return whether the calibration includes all these modalities."""
        return not self.modalities or all(m in self.modalities for m in modalities)

    def for_images(self, degradation: npt.NDArray[np.float64]) -> ErrorCalibration:
        """Return the calibration for images with this noise and sharpness.

        Parameters
        ----------
        degradation : ndarray, shape (4,)
            From `fusion.degradation.degradation_of`.
        """
        if not self.weights:
            return self
        low, high = np.transpose(self.ranges)
        first, *slopes = self.weights
        change = first + float(np.dot(slopes, np.clip(degradation, low, high)))
        deviation = [value + change for value in self.deviation]
        return replace(self, deviation=deviation, weights=(), ranges=())

    def __call__(self, error: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Return the standard deviation at each pixel, of brightness in [0, 1]."""
        logs = np.interp(np.log(error + 1e-9), self.expected, self.deviation)
        return np.maximum(np.exp(logs), ROUNDING).astype(np.float32)


class ErrorHead(nn.Module):
    """Predicts the bound of nine in ten errors of the estimate.

    A quantile of the error (Koenker & Bassett 1978) needs no assumption about the distribution.
    The inputs are the decoder's last features, the estimate and its difference from both sources,
    at each pixel and averaged over cells of `CELL` pixels. No gradient flows back, so that
    training the head does not change the image. The order of the sources has no effect.

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
        self.conv1 = nn.Conv2d(features + 4 * patch**2, channels, 3, padding=1)
        self.around = nn.Conv2d(2 * channels, channels, 1)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=2, dilation=2)
        self.conv3 = nn.Conv2d(channels, channels, 3, padding=4, dilation=4)
        self.head = nn.Conv2d(channels, patch**2, 3, padding=1)
        nn.init.zeros_(self.head.weight)
        nn.init.constant_(self.head.bias, math.log(FIRST))  # type: ignore[arg-type]

    def forward(self, features: Tensor, fused: Tensor, residual: Tensor, sources: Tensor) -> Tensor:
        """Predict the logarithm of the bound.

        Parameters
        ----------
        features : Tensor, shape (B, C, H / patch, W / patch)
        fused, residual : Tensor, shape (B, 1, H, W)
            The weighted sources in [-1, 1] and the decoder's correction.
        sources : Tensor, shape (2 B, 1, H, W)
            Both sources in [-1, 1]; X in the first half.

        Returns
        -------
        Tensor, shape (B, 1, H, W), float32
            Natural logarithm of the bound, of brightness in [0, 1].
        """
        removed = (source - fused - residual for source in sources.chunk(2))
        x, y = removed
        images = [fused, residual, torch.maximum(x, y), torch.minimum(x, y)]
        seen = F.pixel_unshuffle(torch.cat(images, dim=1).detach(), self.patch)
        h = torch.cat([features.detach(), seen.to(features.dtype)], dim=1)
        h = F.silu(self.conv1(h.contiguous(memory_format=torch.channels_last)))
        h = h + self._surround(h)
        h = h + F.silu(self.conv2(h))
        h = h + F.silu(self.conv3(h))
        out = self.head(h.to(self.head.weight.dtype)).float()
        return F.pixel_shuffle(out, self.patch).clamp(LOWEST, HIGHEST)

    def _surround(self, h: Tensor) -> Tensor:
        height, width = h.shape[-2:]
        cell = min(CELL // self.patch, height), min(CELL // self.patch, width)
        means = [
            F.avg_pool2d(v, cell, ceil_mode=True, count_include_pad=False) for v in (h, h.abs())
        ]
        cells = self.around(torch.cat(means, dim=1))
        size = cells.shape[-2] * cell[0], cells.shape[-1] * cell[1]
        smooth = F.interpolate(cells, size=size, mode="bilinear", align_corners=False)
        return smooth[..., :height, :width]

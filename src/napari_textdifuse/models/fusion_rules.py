"""Fixed fusion rules instead of the fusion control module (the paper's Table 6)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

RULES = ("max", "add", "mean", "variance")

#: Side of the windows of the local variance, in pixels or elements of a feature map.
WINDOW = 5
#: Far below any visible variance; gives equal weights where both sources are flat.
EPSILON = 1e-6


class FusionRule(nn.Module):
    """Weights features and pixels by a rule; replaces `FusionControl`, without parameters.

    Exchanging the sources exchanges the weights.

    Parameters
    ----------
    rule : {"max", "add", "mean", "variance"}
        ``"max"``: the value of larger magnitude, per position and channel;
        ``"add"``: the sum; ``"mean"``: the average; ``"variance"``: weights in proportion to the
        variance in windows of `WINDOW` x `WINDOW`.

    Raises
    ------
    ValueError
        If there is no such rule.
    """

    def __init__(self, rule: str) -> None:
        super().__init__()
        if rule not in RULES:
            raise ValueError(f"fusion must be fcm or one of {', '.join(RULES)}, not {rule!r}.")
        self.rule = rule

    def forward(
        self, features: list[Tensor], sources: Tensor
    ) -> tuple[Tensor, Tensor, list[Tensor]]:
        """Weight both sources; parameters and results as in `FusionControl.forward`.

        The pixels are weighted as brightness in [0, 1], where the larger magnitude is the brighter
        one.
        """
        pixels = self.weights((sources.float() + 1) / 2)
        x, y = pixels.chunk(2)
        total = x + y
        return pixels, pixels / torch.cat([total, total]), [self.weights(f) for f in features]

    def weights(self, values: Tensor) -> Tensor:
        """Weights of both sources.

        Parameters
        ----------
        values : Tensor, shape (2 B, C, H, W)
            X in the first half of the batch, Y in the second.

        Returns
        -------
        Tensor
            Of the same shape and type.
        """
        if self.rule == "add":
            return torch.ones_like(values)
        if self.rule == "mean":
            return torch.full_like(values, 0.5)
        if self.rule == "max":
            own, other = values.abs(), _exchanged(values).abs()
            return (torch.sign(own - other) + 1) / 2
        own = _variance(values) + EPSILON
        return (own / (own + _exchanged(own))).to(values.dtype)


def _exchanged(values: Tensor) -> Tensor:
    x, y = values.chunk(2)
    return torch.cat([y, x])


def _variance(values: Tensor) -> Tensor:
    """Local variance in float32; windows at the border use the pixels inside."""
    values = values.float()

    def mean(v: Tensor) -> Tensor:
        return F.avg_pool2d(v, WINDOW, stride=1, padding=WINDOW // 2, count_include_pad=False)

    return (mean(values.square()) - mean(values).square()).clamp(min=0)

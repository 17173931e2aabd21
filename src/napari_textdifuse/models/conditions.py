"""The condition of the network: how much of each restoration is wanted."""

from __future__ import annotations

from torch import Tensor, nn

#: Kinds of restoration, in the order of the condition vector: noise and blur; light and contrast.
RESTORATIONS = ("noise", "light")


class RestorationEmbedding(nn.Module):
    """Strengths in [0, 1], one per kind, to an addition to the time embedding.

    Full restoration (all 1) adds exactly 0, whatever the weights: networks that were trained
    without the condition go on unchanged.

    Parameters
    ----------
    kinds : int
        Length of the condition vector.
    dim : int
        Width of the time embedding.
    """

    def __init__(self, kinds: int, dim: int, hidden: int = 64) -> None:
        super().__init__()
        # no biases: nothing left out must give nothing added
        first, last = (nn.Linear(a, b, bias=False) for a, b in ((kinds, hidden), (hidden, dim)))
        nn.init.zeros_(last.weight)
        self.layers = nn.Sequential(first, nn.SiLU(), last)

    def forward(self, restore: Tensor) -> Tensor:
        """Embed ``(B, kinds)`` strengths, ``(B, dim)``."""
        dtype = next(self.layers.parameters()).dtype
        out: Tensor = self.layers((1 - restore).to(dtype))
        return out

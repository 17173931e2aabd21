"""`DetectorNetwork`: boxes of persons, cars and bicycles in a pair of infrared and visible images.

Backbone, neck and heads are those of NanoDet-g (R. Lyu, Apache 2.0), with batch normalisation
folded into the convolutions. The first stage exists once for each image; the two
outputs are averaged, so that either image may be absent.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

#: Strides of the three heads, in pixels.
STRIDES = (8, 16, 32)
#: A box edge is a distribution over this many distances, in strides.
BINS = 11
#: Mean and standard deviation of the input in 0 to 255, in the order blue, green, red.
MEAN = (103.53, 116.28, 123.675)
DEVIATION = (57.375, 57.12, 58.395)


class _Conv(nn.Module):
    def __init__(self, inputs: int, outputs: int, side: int = 3, stride: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, side, stride, side // 2)

    def forward(self, x: Tensor) -> Tensor:
        return F.leaky_relu(self.conv(x), 0.1)


class _CrossStage(nn.Module):
    """Blocks that pass half of their channels unchanged and double their number."""

    def __init__(self, channels: int, blocks: int) -> None:
        super().__init__()
        half = channels // 2
        self.first = nn.ModuleList(_Conv(channels, half) for _ in range(blocks))
        self.second = nn.ModuleList(_Conv(half, half) for _ in range(blocks))
        self.last = _Conv(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        y = x
        for first, second in zip(self.first, self.second, strict=True):
            z = first(y)
            y = torch.cat([second(z), z], 1)
        return torch.cat([self.last(y), x], 1)


class _Stem(nn.Module):
    """Converts an image to 64 channels at a quarter of its size."""

    def __init__(self) -> None:
        super().__init__()
        self.first = _Conv(3, 32, 3, 2)
        self.second = _Conv(32, 32)
        self.stage = _CrossStage(32, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = F.max_pool2d(self.first(x), 3, 2, 1)
        y: Tensor = self.stage(self.second(x))
        return y


class DetectorNetwork(nn.Module):
    """Detects objects in a pair of images.

    Parameters
    ----------
    classes : int
        Number of kinds of object.
    """

    def __init__(self, classes: int = 3) -> None:
        super().__init__()
        self.classes = classes
        self.visible, self.infrared = _Stem(), _Stem()
        self.down = nn.ModuleList(_Conv(c, c, 3, 2) for c in (64, 128, 256))
        self.stage = nn.ModuleList([_CrossStage(64, 2), _CrossStage(128, 2), _CrossStage(256, 3)])
        self.lateral = nn.ModuleList(nn.Conv2d(c, 128, 1) for c in (128, 256, 512))
        self.head = nn.ModuleList(_Conv(128, 128) for _ in STRIDES)
        self.out = nn.ModuleList(nn.Conv2d(128, classes + 4 * BINS, 1) for _ in STRIDES)

    def forward(self, visible: Tensor | None, infrared: Tensor | None) -> list[Tensor]:
        """Return the output of each head.

        Parameters
        ----------
        visible, infrared : Tensor, shape (B, 3, Y, X), or None
            In 0 to 255, blue first; sides divisible by 32; at least one of them.

        Returns
        -------
        list of Tensor, shape (B, classes + 4 * BINS, Y / stride, X / stride)
        """
        seen = [
            stem(self._normalised(picture))
            for stem, picture in ((self.visible, visible), (self.infrared, infrared))
            if picture is not None
        ]
        return self.forward_heads(torch.stack(seen).mean(0) if len(seen) > 1 else seen[0])

    def forward_heads(self, x: Tensor) -> list[Tensor]:
        """Return the output of each head for the averaged first stage."""
        levels = []
        for down, stage, lateral in zip(self.down, self.stage, self.lateral, strict=True):
            x = stage(down(x))
            levels.append(lateral(x))
        for high in (1, 0):
            levels[high] = levels[high] + _resize_to(levels[high + 1], levels[high])
        for high in (1, 2):
            levels[high] = levels[high] + _resize_to(levels[high - 1], levels[high])
        return [
            out(head(level)) for level, head, out in zip(levels, self.head, self.out, strict=True)
        ]

    @staticmethod
    def _normalised(picture: Tensor) -> Tensor:
        mean, deviation = (picture.new_tensor(v).view(1, 3, 1, 1) for v in (MEAN, DEVIATION))
        return (picture - mean) / deviation


def _resize_to(level: Tensor, other: Tensor) -> Tensor:
    return F.interpolate(level, size=other.shape[-2:], mode="bilinear", align_corners=False)


def centres(outcome: Tensor, stride: int) -> Tensor:
    """Return the ``(x, y)`` of a head's anchor points, shape (Y * X, 2)."""
    rows, columns = outcome.shape[-2:]
    y, x = torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij")
    return ((torch.stack([x, y], -1).reshape(-1, 2) + 0.5) * stride).to(outcome)


def decoded(outcomes: list[Tensor], classes: int) -> tuple[Tensor, Tensor]:
    """Decode the heads' outputs to boxes.

    Parameters
    ----------
    outcomes : list of Tensor
        From `DetectorNetwork.forward`.
    classes : int

    Returns
    -------
    boxes : Tensor, shape (B, N, 4)
        Edges ``(x0, y0, x1, y1)`` in pixels of the input.
    scores : Tensor, shape (B, N, classes)
        In [0, 1].
    """
    boxes, scores = [], []
    for outcome, stride in zip(outcomes, STRIDES, strict=True):
        flat = outcome.flatten(2).transpose(1, 2)
        scores.append(flat[..., :classes].sigmoid())
        edges = flat[..., classes:].reshape(*flat.shape[:2], 4, BINS).softmax(-1)
        far = (edges * torch.arange(BINS).to(edges)).sum(-1) * stride
        middle = centres(outcome, stride)
        boxes.append(torch.cat([middle - far[..., :2], middle + far[..., 2:]], -1))
    return torch.cat(boxes, 1), torch.cat(scores, 1)

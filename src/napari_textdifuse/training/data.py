"""Random training crops; every draw is a function of the seed and the step number alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ..errors import InputError
from .degrade import degrade
from .sources import Example, Pixels, as_floats

Floats = npt.NDArray[np.float32]

#: Crops darker than this are drawn anew: medical images are mostly black.
DARK = 12 / 255
#: Share of pairs that are left as they are, besides what `degrade` leaves: most images that people
#: fuse are good ones, and texture must not be taken for noise.
CLEAN_PAIRS = 0.3
#: Modalities with an up and down and a reading direction: only mirrored, never turned.
SCENES = ("VIS", "IR")


@dataclass(frozen=True)
class Batch:
    """Crops of pairs in [-1, 1], each ``float32 (B, 1, H, W)``: clean and degraded."""

    clean_a: Tensor
    clean_b: Tensor
    seen_a: Tensor
    seen_b: Tensor


@dataclass(frozen=True)
class Crop:
    """Crops of one example in [0, 1], clean and degraded; one of each per image."""

    clean: tuple[Floats, ...]
    seen: tuple[Floats, ...]


class CropSampler:
    """Draws random crops.

    Parameters
    ----------
    examples : sequence of Example
    crop : int
        Side of the square crops in pixels.
    seed : int
    device : str or torch.device
        Where batches are put.
    """

    def __init__(
        self,
        examples: Sequence[Example],
        crop: int,
        seed: int = 0,
        device: str | torch.device = "cpu",
    ) -> None:
        self.examples = examples
        self.crop = crop
        self.seed = seed
        self.device = torch.device(device)
        self._sets = sorted({e.set_name for e in examples})
        self._by_set = {s: [e for e in examples if e.set_name == s] for s in self._sets}

    def singles(self, step: int, size: int) -> tuple[Tensor, Tensor]:
        """Return `size` images of batch number `step`, clean and degraded.

        Sets are drawn in equal shares; of a pair both images are taken.
        """
        rng = np.random.default_rng((self.seed, step))
        clean: list[Floats] = []
        seen: list[Floats] = []
        while len(clean) < size:
            crop = self._draw(rng)
            clean += crop.clean
            seen += crop.seen
        return self._tensor(clean[:size]), self._tensor(seen[:size])

    def batch(self, step: int, size: int) -> Batch:
        """Return `size` pairs of batch number `step`.

        Raises
        ------
        InputError
            If there are single images among the examples.
        """
        if any(len(e.images) != 2 for e in self.examples):
            raise InputError("this stage needs pairs of images; use --pairs or --data.")
        rng = np.random.default_rng((self.seed, step))
        crops = [self._draw(rng) for _ in range(size)]
        return Batch(
            *(self._tensor([c.clean[i] for c in crops]) for i in (0, 1)),
            *(self._tensor([c.seen[i] for c in crops]) for i in (0, 1)),
        )

    def _tensor(self, crops: list[Floats]) -> Tensor:
        return torch.from_numpy(np.stack(crops)[:, None] * 2 - 1).to(self.device)

    def _draw(self, rng: np.random.Generator) -> Crop:
        group = self._by_set[self._sets[rng.integers(len(self._sets))]]
        example = group[rng.integers(len(group))]
        images = self._cut(example.images, rng)
        scene = any(m in SCENES for m in example.modalities)
        flips = rng.random(3) < 0.5
        for axis in (0, 1):
            if flips[axis] and (axis == 1 or not scene):
                images = [np.flip(x, axis) for x in images]
        if flips[2] and not scene:
            images = [x.T for x in images]
        clean = tuple(as_floats(x) for x in images)
        if len(clean) == 2 and rng.random() < CLEAN_PAIRS:
            return Crop(clean, clean)
        seen = tuple(degrade(x, m, rng) for x, m in zip(clean, example.modalities, strict=True))
        return Crop(clean, seen)

    def _cut(self, images: tuple[Pixels, ...], rng: np.random.Generator) -> list[Pixels]:
        shape = images[0].shape
        short = [(0, max(0, self.crop - n)) for n in shape]
        padded = [
            np.pad(x, short, mode="symmetric") if any(n for _, n in short) else x for x in images
        ]
        for _ in range(4):
            y, x = (int(rng.integers(n - self.crop + 1)) for n in padded[0].shape)
            window = np.s_[y : y + self.crop, x : x + self.crop]
            if max(float(as_floats(p[window]).mean()) for p in padded) > DARK:
                break
        return [p[window] for p in padded]

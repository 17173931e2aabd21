"""Random training crops; every draw depends on the seed and the step number alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ..errors import InputError
from ..volume import FUNCTIONAL
from .degrade import Degrade, degrade_in_steps
from .sources import Example, Pixels, as_floats

Floats = npt.NDArray[np.float32]

#: Darker crops are drawn again: medical images are mostly black.
DARK = 12 / 255
#: Share of undegraded pairs, in addition to those of `degrade`: most images that users fuse are
#: good, and texture must not be mistaken for noise.
CLEAN_PAIRS = 0.3
#: Share of pairs of an image with itself, which must be returned unchanged.
SAME = 0.1
#: Shares of medical pairs in which the functional image is of another head, is displayed in
#: another colour map, and in which the anatomy is as bright as after a contrast agent.
MIXED, REMAPPED, ENHANCED = 0.15, 0.4, 0.15
#: Modalities with an upright orientation: only mirrored, never rotated.
SCENES = ("VIS", "IR")


@dataclass(frozen=True)
class Batch:
    """Crops of pairs in [-1, 1], each ``float32 (B, 1, H, W)``.

    Parameters
    ----------
    clean_a, clean_b : Tensor
    seen_a, seen_b : Tensor
        Degraded.
    lit_a, lit_b : Tensor
        With the changes of light and contrast, before blur and noise.
    same : Tensor of bool, shape (B,)
        Whether both images are the same.
    scene : Tensor of bool, shape (B,)
        Whether the pair is visible light and infrared, as opposed to medical.
    """

    clean_a: Tensor
    clean_b: Tensor
    seen_a: Tensor
    seen_b: Tensor
    lit_a: Tensor
    lit_b: Tensor
    same: Tensor
    scene: Tensor


@dataclass(frozen=True)
class Crop:
    """Crops of one example in [0, 1]; one of each kind per image."""

    clean: tuple[Floats, ...]
    seen: tuple[Floats, ...]
    lit: tuple[Floats, ...]
    same: bool = False
    scene: bool = False


class CropSampler:
    """Draws random crops.

    Parameters
    ----------
    examples : sequence of Example
    crop : int
        Side of the square crops in pixels.
    seed : int
    device : str or torch.device
        Device of the batches.
    degrade : callable
        A function like `degrade_in_steps`.
    clean : float
        Share of undegraded pairs.
    """

    def __init__(
        self,
        examples: Sequence[Example],
        crop: int,
        seed: int = 0,
        device: str | torch.device = "cpu",
        degrade: Degrade = degrade_in_steps,
        clean: float = CLEAN_PAIRS,
    ) -> None:
        self.examples = examples
        self.crop = crop
        self.seed = seed
        self.device = torch.device(device)
        self.degrade, self.clean = degrade, clean
        self._sets = sorted({e.set_name for e in examples})
        self._by_set = {s: [e for e in examples if e.set_name == s] for s in self._sets}

    def singles(self, step: int, size: int) -> tuple[Tensor, Tensor]:
        """Return `size` images of batch number `step`, clean and degraded.

        Sets are drawn in equal shares; both images of a pair are used.
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
            If an example is a single image.
        """
        if any(len(e.images) != 2 for e in self.examples):
            raise InputError("this stage needs pairs of images; use --pairs or --data.")
        rng = np.random.default_rng((self.seed, step))
        crops = [self._draw(rng) for _ in range(size)]
        kinds = [getattr(c, kind) for kind in ("clean", "seen", "lit") for c in crops]
        images = [self._tensor([k[i] for k in kinds]).chunk(3) for i in (0, 1)]
        (clean_a, seen_a, lit_a), (clean_b, seen_b, lit_b) = images
        same, scene = (
            torch.tensor(v, device=self.device)
            for v in ([c.same for c in crops], [c.scene for c in crops])
        )
        return Batch(clean_a, clean_b, seen_a, seen_b, lit_a, lit_b, same, scene)

    def _tensor(self, crops: list[Floats]) -> Tensor:
        return torch.from_numpy(np.stack(crops)[:, None] * 2 - 1).to(self.device)

    def _draw(self, rng: np.random.Generator) -> Crop:
        group = self._by_set[self._sets[rng.integers(len(self._sets))]]
        example = group[rng.integers(len(group))]
        images = self._cut(self._mixed(example, group, rng), rng)
        scene = any(m in SCENES for m in example.modalities)
        flips = rng.random(3) < 0.5
        for axis in (0, 1):
            if flips[axis] and (axis == 1 or not scene):
                images = [np.flip(x, axis) for x in images]
        if flips[2] and not scene:
            images = [x.T for x in images]
        clean = tuple(
            _tone(as_floats(x), m, rng, len(images) == 2)
            for x, m in zip(images, example.modalities, strict=True)
        )
        modalities, same = example.modalities, len(clean) == 2 and rng.random() < SAME
        if same:
            only = int(rng.integers(2))
            clean, modalities = (clean[only],) * 2, (modalities[only],) * 2
        if len(clean) == 2 and rng.random() < self.clean:
            return Crop(clean, clean, clean, same, scene)
        steps = [self.degrade(x, m, rng) for x, m in zip(clean, modalities, strict=True)]
        if same:
            steps = steps[:1] * 2
        lit, seen = zip(*steps, strict=True)
        return Crop(clean, seen, lit, same, scene)

    def _mixed(
        self, example: Example, group: list[Example], rng: np.random.Generator
    ) -> tuple[Pixels, ...]:
        """Return the example's images, with the functional one sometimes from another head."""
        images = example.images
        if len(images) == 2 and example.modalities[0] in FUNCTIONAL and rng.random() < MIXED:
            other = group[rng.integers(len(group))].images[0]
            if other.shape == images[1].shape:
                return other, images[1]
        return images

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


def _tone(x: Floats, modality: str, rng: np.random.Generator, pair: bool) -> Floats:
    """Remap a functional image, or brighten an anatomy like an enhanced one."""
    if not pair:
        return x
    if modality in FUNCTIONAL and rng.random() < REMAPPED:
        low = np.float32(rng.uniform(0, 1))  # from a map with a long dark part to one without
        return (low * x**2 + (1 - low) * np.sqrt(x)).astype(np.float32)
    if modality == "MR" and rng.random() < ENHANCED:
        return np.clip(x * np.float32(rng.uniform(1, 2)), 0, 1)
    return x

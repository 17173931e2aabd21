"""Distillation: a small network that gives a trained network's first estimate in one evaluation.

The teacher starts from noise; the student has neither noise nor step as input, because it makes
only one step. It learns the teacher's fused image, its share of both sources and how it follows the
conditions for restoration and balance. Both networks have the same parts, so everything that works
with one works with the other.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from ..diffusion import Schedule
from ..models import LightNetwork, UNetConfig
from ..models.precision import autocast
from .config import TrainConfig
from .data import CropSampler
from .losses import similarity, slopes
from .restoration import draw_restoration
from .trainer import Trainer

#: Shape of the student where none is given.
STUDENT = UNetConfig(
    base=32, multipliers=(1, 2, 3, 4), blocks=(1, 1, 1, 2), refine=8, uncertainty=0
)
#: Steps in which each output of the teacher is used; repetitions are drawn from the latest `BANK`.
REUSE, BANK = 5, 500
#: One batch in so many leans towards one source.
BALANCED_EVERY = 6
#: Weights of the terms besides the absolute difference.
GRADIENT, STRUCTURE, SHARE = 4.0, 0.2, 0.2


@dataclass(frozen=True)
class TeacherBatch:
    """Input of both networks, and the output of the teacher.

    Parameters
    ----------
    x, y : Tensor, shape (B, 1, H, W)
        Sources as seen, in [-1, 1].
    restore : Tensor, shape (2 B, 2)
    balance : float
    fused : Tensor, shape (B, 1, H, W)
        In [-1, 1].
    share : Tensor, shape (B, 1, H, W)
        Of X, in [0, 1].
    """

    x: Tensor
    y: Tensor
    restore: Tensor
    balance: float
    fused: Tensor
    share: Tensor


def train_distill(
    network: LightNetwork,
    train: CropSampler,
    held_out: CropSampler,
    folder: Path,
    config: TrainConfig,
    teacher: LightNetwork,
) -> None:
    """Train all of a network but its modulation towards a teacher.

    Parameters
    ----------
    network : LightNetwork
        The student, without diffusion.
    train, held_out : CropSampler
        Of pairs.
    folder : Path
        Checkpoint, curve and samples.
    config : TrainConfig
    teacher : LightNetwork
        Not changed.
    """
    network.requires_grad_(True)
    network.modulation.requires_grad_(False)
    teacher.requires_grad_(False)
    distillation = Distillation(network, teacher, train, held_out, config)
    Trainer(network, folder, config).run(
        distillation.loss, distillation.validate, distillation.samples
    )


class Distillation:
    """Batches with the teacher's output, and how far the student is from it.

    Parameters
    ----------
    network, teacher : LightNetwork
    train, held_out : CropSampler
    config : TrainConfig
    """

    def __init__(
        self,
        network: LightNetwork,
        teacher: LightNetwork,
        train: CropSampler,
        held_out: CropSampler,
        config: TrainConfig,
    ) -> None:
        self.network, self.teacher = network, teacher
        self.train, self.held_out, self.config = train, held_out, config
        self._last = Schedule("cosine").steps - 1
        self._conditioned = network.config.restore > 0 and teacher.config.restore > 0
        self._bank: dict[int, TeacherBatch] = {}
        self._checked: TeacherBatch | None = None

    def loss(self, step: int) -> tuple[Tensor, dict[str, float]]:
        """Return the loss of a training step, and its terms."""
        newest = step // REUSE
        number = newest
        if step % REUSE:  # the others repeat earlier batches
            drawn = torch.Generator().manual_seed(self.config.seed * 10_000_019 + step)
            number = int(torch.randint(max(0, newest - BANK + 1), newest + 1, (), generator=drawn))
        return self._terms(self._training_batch(number))

    @torch.no_grad()
    def validate(self) -> dict[str, float]:
        """Return the loss on held-out crops, and its terms."""
        total, parts = self._terms(self._held_out_batch())
        return {"loss": float(total)} | parts

    @torch.no_grad()
    def samples(self) -> tuple[Tensor, ...]:
        """Return both sources as seen, the teacher's image and the student's."""
        seen = self._held_out_batch()
        fused, _ = self._student(seen)
        return tuple(v[:8] for v in (seen.x, seen.y, seen.fused, fused.clamp(-1, 1)))

    def _fuse(
        self,
        model: LightNetwork,
        z: Tensor,
        x: Tensor,
        y: Tensor,
        restore: Tensor,
        balance: float,
    ) -> tuple[Tensor, Tensor]:
        t = torch.full((len(x),), self._last, device=self.train.device)
        with autocast(self.train.device):
            weighted = model.encode_and_weight(
                z, x, y, t, restore if self._conditioned else None, balance=balance
            )
            fused, _ = model.decode(weighted, t)
        return fused, weighted.share

    def _student(self, seen: TeacherBatch) -> tuple[Tensor, Tensor]:
        nothing = torch.zeros_like(seen.x)
        return self._fuse(self.network, nothing, seen.x, seen.y, seen.restore, seen.balance)

    @torch.no_grad()
    def _teach(self, sampler: CropSampler, number: int, count: int) -> TeacherBatch:
        generator = torch.Generator().manual_seed(sampler.seed * 10_000_019 + number)
        batch = sampler.batch(number, count)
        device = self.train.device
        noise = torch.randn(batch.seen_a.shape, generator=generator).to(device)
        restore = draw_restoration(count, generator).to(device)
        balance = float(2 * torch.rand((), generator=generator) - 1)
        balance = 0.0 if number % BALANCED_EVERY else balance
        x, y = batch.seen_a, batch.seen_b
        fused, share = self._fuse(self.teacher, noise, x, y, restore, balance)
        return TeacherBatch(x, y, restore, balance, fused.clamp(-1, 1), share.float())

    def _training_batch(self, number: int) -> TeacherBatch:
        if number not in self._bank:
            self._bank[number] = self._teach(self.train, number, self.config.batch)
            self._bank.pop(number - BANK, None)  # drawn no more
        return self._bank[number]

    def _held_out_batch(self) -> TeacherBatch:
        if self._checked is None:
            self._checked = self._teach(self.held_out, 1, 16)
        return self._checked

    def _terms(self, seen: TeacherBatch) -> tuple[Tensor, dict[str, float]]:
        fused, share = self._student(seen)
        fused, wanted = (fused + 1) / 2, (seen.fused + 1) / 2
        parts = {
            "level": (fused - wanted).abs().mean(),
            "gradient": (slopes(fused) - slopes(wanted)).abs().mean(),
            "structure": 1 - similarity(fused, wanted).mean(),
            "share": (share.float() - seen.share).abs().mean(),
        }
        total = parts["level"] + GRADIENT * parts["gradient"]
        total = total + STRUCTURE * parts["structure"] + SHARE * parts["share"]
        return total, {name: float(value.detach()) for name, value in parts.items()}

"""Distillation: a small network that gives a trained network's first estimate in one evaluation.

The teacher starts from noise; the student has neither noise nor step as input, because it makes
only one step. It learns the teacher's fused image, its share of both sources and how it follows the
conditions for restoration and balance. Both networks have the same parts, so everything that works
with one works with the other.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
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
    device = train.device
    last = Schedule("cosine").steps - 1
    conditioned = network.config.restore > 0 and teacher.config.restore > 0

    def fuse(
        model: LightNetwork, z: Tensor, x: Tensor, y: Tensor, restore: Tensor, balance: float
    ) -> tuple[Tensor, Tensor]:
        t = torch.full((len(x),), last, device=device)
        with autocast(device):
            weighted = model.encode_and_weight(
                z, x, y, t, restore if conditioned else None, balance=balance
            )
            fused, _ = model.decode(weighted, t)
        return fused, weighted.share

    @torch.no_grad()
    def teach(sampler: CropSampler, number: int, count: int) -> TeacherBatch:
        generator = torch.Generator().manual_seed(sampler.seed * 10_000_019 + number)
        batch = sampler.batch(number, count)
        noise = torch.randn(batch.seen_a.shape, generator=generator).to(device)
        restore = draw_restoration(count, generator).to(device)
        balance = float(2 * torch.rand((), generator=generator) - 1)
        balance = 0.0 if number % BALANCED_EVERY else balance
        fused, share = fuse(teacher, noise, batch.seen_a, batch.seen_b, restore, balance)
        return TeacherBatch(
            batch.seen_a, batch.seen_b, restore, balance, fused.clamp(-1, 1), share.float()
        )

    bank: dict[int, TeacherBatch] = {}

    def banked(number: int) -> TeacherBatch:
        if number not in bank:
            bank[number] = teach(train, number, config.batch)
            bank.pop(number - BANK, None)  # drawn no more
        return bank[number]

    def terms(seen: TeacherBatch) -> tuple[Tensor, dict[str, float]]:
        nothing = torch.zeros_like(seen.x)
        fused, share = fuse(network, nothing, seen.x, seen.y, seen.restore, seen.balance)
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

    def loss(step: int) -> tuple[Tensor, dict[str, float]]:
        newest = step // REUSE
        number = newest
        if step % REUSE:  # the others repeat earlier batches
            drawn = torch.Generator().manual_seed(config.seed * 10_000_019 + step)
            number = int(torch.randint(max(0, newest - BANK + 1), newest + 1, (), generator=drawn))
        return terms(banked(number))

    checked = lru_cache(maxsize=1)(lambda: teach(held_out, 1, 16))

    @torch.no_grad()
    def validate() -> dict[str, float]:
        total, parts = terms(checked())
        return {"loss": float(total)} | parts

    @torch.no_grad()
    def samples() -> tuple[Tensor, ...]:
        """Both sources as seen, the teacher's image and the student's."""
        seen = checked()
        fused, _ = fuse(
            network, torch.zeros_like(seen.x), seen.x, seen.y, seen.restore, seen.balance
        )
        return tuple(v[:8] for v in (seen.x, seen.y, seen.fused, fused.clamp(-1, 1)))

    Trainer(network, folder, config).run(loss, validate, samples)

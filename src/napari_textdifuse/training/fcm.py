"""Stage 2: the fusion control module, with encoder and decoder frozen (Eq. 9-11)."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from ..diffusion import Schedule
from ..models import LightNetwork
from .data import Batch, CropSampler
from .losses import correlation_loss, fusion_loss
from .trainer import TrainConfig, Trainer


def tensors(batch: Batch) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Clean X and Y, then degraded X and Y."""
    a, b, c, d = (
        torch.from_numpy(v) for v in (batch.clean_a, batch.clean_b, batch.seen_a, batch.seen_b)
    )
    return a, b, c, d


def chain_sample(
    network: LightNetwork,
    schedule: Schedule,
    x: Tensor,
    y: Tensor,
    noise: Tensor,
    t: Tensor,
) -> Tensor:
    """Sample the fused chain at step `t` as a sampler would meet it.

    The clean estimate from pure noise is noised again to step `t`. Items at the last step keep
    the noise itself.
    """
    last = torch.full_like(t, schedule.steps - 1)
    with torch.no_grad():
        estimate, _ = network.decode(network.weigh(noise, x, y, last), last)
        z = schedule.add_noise(estimate.clamp(-1, 1), noise, t)
    start = (t == schedule.steps - 1).view(-1, 1, 1, 1)
    return torch.where(start, noise, z)


def train_fcm(
    network: LightNetwork,
    train: CropSampler,
    held_out: CropSampler,
    folder: Path,
    config: TrainConfig,
    pairs_per_step: int = 4,
    compile_network: bool = False,
    gradient: str = "signed",
    weight: float = 4.0,
    correlation: float = 0.05,
) -> None:
    """Train the fusion control module.

    Parameters
    ----------
    network : LightNetwork
        With trained encoder and decoder.
    train, held_out : CropSampler
    folder : Path
    config : TrainConfig
    pairs_per_step : int
    compile_network : bool
        Not used in this stage.
    gradient, weight
        See `losses.fusion_loss`.
    correlation : float
        Weight of `losses.correlation_loss`. The paper's loss is ``gradient="magnitude",
        weight=0.2, correlation=0``.
    """
    schedule = Schedule("cosine")
    network.requires_grad_(False)
    network.fcm.requires_grad_(True)

    def terms(batch: Batch, generator: torch.Generator, t: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        clean_x, clean_y, x, y = tensors(batch)
        noise = torch.randn(x.shape, generator=generator)
        with torch.autocast(x.device.type, torch.bfloat16):
            z = chain_sample(network, schedule, x, y, noise, t)
            estimate, _ = network.decode(network.weigh(z, x, y, t), t)
        fused, x01, y01 = ((v + 1) / 2 for v in (estimate, clean_x, clean_y))
        intensity, slope = fusion_loss(fused, x01, y01, gradient, weight)
        return intensity, slope, correlation_loss(fused, x01, y01)

    def loss(step: int) -> tuple[Tensor, dict[str, float]]:
        generator = torch.Generator().manual_seed(train.seed * 10_000_019 + step)
        t = torch.randint(100, 1000, (pairs_per_step,), generator=generator)
        t[: max(1, pairs_per_step // 4)] = schedule.steps - 1
        intensity, slope, apart = terms(train.batch(step, pairs_per_step), generator, t)
        parts = {"intensity": intensity.item(), "gradient": slope.item(), "apart": apart.item()}
        return intensity + slope + correlation * apart, parts

    fixed = held_out.batch(0, 8)

    @torch.no_grad()
    def validate() -> dict[str, float]:
        values: dict[str, float] = {}
        for step in (999, 499, 249):
            generator = torch.Generator().manual_seed(1)
            intensity, slope, apart = terms(fixed, generator, torch.full((8,), step))
            values |= {f"int_{step}": float(intensity), f"grad_{step}": float(slope)}
            values |= {f"apart_{step}": float(apart)}
        return values

    Trainer(network, folder, config).run(loss, validate)

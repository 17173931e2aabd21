"""Stage 2: the fusion control module, encoder and decoder frozen or along (Eq. 9-11)."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from ..diffusion import Schedule
from ..models import LightNetwork
from .config import TrainConfig
from .data import Batch, CropSampler
from .losses import correlation_loss, fusion_loss, overshoot_loss, structure_loss
from .precision import autocast
from .trainer import Trainer


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
        estimate, _ = network.decode(network.encode_and_weight(noise, x, y, last), last)
        z = schedule.add_noise(estimate.clamp(-1, 1), noise, t)
    start = (t == schedule.steps - 1).view(-1, 1, 1, 1)
    return torch.where(start, noise, z)


def train_fcm(
    network: LightNetwork,
    train: CropSampler,
    held_out: CropSampler,
    folder: Path,
    config: TrainConfig,
) -> None:
    """Train the fusion control module, with ``config.joint`` the whole chain around it.

    Every other step all samples are pure noise, where every chain starts and short ones do most
    of their work; the others are noised estimates from between.

    Parameters
    ----------
    network : LightNetwork
        With trained encoder and decoder.
    train, held_out : CropSampler
        Of pairs.
    folder : Path
        Checkpoint, curve and samples.
    config : TrainConfig
        The paper's loss is ``gradient="magnitude", gradient_weight=0.2, correlation=0``.
    """
    schedule = Schedule("cosine")
    last = schedule.steps - 1
    network.requires_grad_(False)
    for part in (network.fcm, *((network.encoder, network.decoder) if config.joint else ())):
        part.requires_grad_(True)
    device = train.device

    def fuse(batch: Batch, generator: torch.Generator, t: Tensor) -> Tensor:
        noise = torch.randn(batch.seen_a.shape, generator=generator).to(device)
        with autocast(device):
            z = noise
            if bool((t < last).any()):
                z = chain_sample(network, schedule, batch.seen_a, batch.seen_b, noise, t)
            estimate, _ = network.decode(
                network.encode_and_weight(z, batch.seen_a, batch.seen_b, t), t
            )
        return estimate

    def terms(
        batch: Batch, generator: torch.Generator, t: Tensor
    ) -> tuple[Tensor, dict[str, float]]:
        estimate = fuse(batch, generator, t)
        fused, x01, y01 = ((v + 1) / 2 for v in (estimate, batch.clean_a, batch.clean_b))
        level, slope = fusion_loss(
            fused, x01, y01, config.gradient, config.gradient_weight, config.intensity
        )
        apart = correlation_loss(fused, x01, y01)
        shape = structure_loss(fused, x01, y01)
        beyond = overshoot_loss(fused, x01, y01)
        total = level + slope + config.correlation * apart
        total = total + config.structure * shape + config.overshoot * beyond
        parts = {"intensity": level, "gradient": slope, "apart": apart, "structure": shape}
        parts["beyond"] = beyond
        return total, {name: float(value.detach()) for name, value in parts.items()}

    def loss(step: int) -> tuple[Tensor, dict[str, float]]:
        generator = torch.Generator().manual_seed(train.seed * 10_000_019 + step)
        t = torch.randint(100, last, (config.batch,), generator=generator)
        if step % 2 == 0:
            t[:] = last
        return terms(train.batch(step, config.batch), generator, t.to(device))

    fixed = held_out.batch(0, 8)

    def at(step: int) -> tuple[torch.Generator, Tensor]:
        return torch.Generator().manual_seed(1), torch.full((8,), step, device=device)

    @torch.no_grad()
    def validate() -> dict[str, float]:
        values: dict[str, float] = {}
        losses = []
        for step in (last, 499, 249):
            total, parts = terms(fixed, *at(step))
            losses.append(float(total))
            values |= {f"{name}_{step}": value for name, value in parts.items()}
        return {"loss": sum(losses) / len(losses)} | values

    def samples() -> tuple[Tensor, ...]:
        """Both sources as seen, and the fused estimate from pure noise."""
        return fixed.seen_a, fixed.seen_b, fuse(fixed, *at(last))

    Trainer(network, folder, config).run(loss, validate, samples)

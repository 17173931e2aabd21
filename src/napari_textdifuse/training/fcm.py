"""Stage 2: the fusion control module, with encoder and decoder frozen or trained (Eq. 9-11).

In joint training the network also learns the strength of restoration.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from ..diffusion import Schedule
from ..models import LightNetwork
from ..models.precision import autocast
from .config import TrainConfig
from .data import Batch, CropSampler
from .losses import (
    correlation_loss,
    fusion_loss,
    haze_loss,
    overshoot_loss,
    structure_loss,
)
from .restoration import draw_restoration, target_pair
from .trainer import Trainer

#: One step in this many starts between the ends of the schedule.
INTERMEDIATE_EVERY = 4


def chain_sample(
    network: LightNetwork,
    schedule: Schedule,
    x: Tensor,
    y: Tensor,
    noise: Tensor,
    t: Tensor,
    restore: Tensor | None = None,
) -> Tensor:
    """Return samples of the fused chain at step `t`, as in a sampler.

    The clean estimate from pure noise is noised again to step `t`. Items at the last step keep
    the noise itself.
    """
    last = torch.full_like(t, schedule.steps - 1)
    with torch.no_grad():
        estimate, _ = network.decode(network.encode_and_weight(noise, x, y, last, restore), last)
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
    """Train the fusion control module; with ``config.joint`` also encoder and decoder.

    In three steps of four all samples are pure noise, where every chain starts and short ones do
    most of their work. The others are noised estimates in between.

    Parameters
    ----------
    network : LightNetwork
        With trained encoder and decoder. If it has the restoration condition, it learns to follow
        it in joint training.
    train, held_out : CropSampler
        Of pairs.
    folder : Path
        Checkpoint, curve and samples.
    config : TrainConfig
        The paper's loss is ``level="maximum", gradient="magnitude", gradient_weight=0.2,
        correlation=0``.
    """
    schedule = Schedule("cosine")
    last = schedule.steps - 1
    network.requires_grad_(False)
    for part in _trained(network, config.joint):
        part.requires_grad_(True)
    device = train.device
    conditioned = config.joint and network.config.restore > 0

    def fuse(x: Tensor, y: Tensor, noise: Tensor, t: Tensor, restore: Tensor | None) -> Tensor:
        with autocast(device):
            z = noise
            if bool((t < last).any()):
                z = chain_sample(network, schedule, x, y, noise, t, restore)
            weighted = network.encode_and_weight(z, x, y, t, restore)
            estimate, _ = network.decode(weighted, t)
        return estimate

    def terms(
        batch: Batch, noise: Tensor, t: Tensor, restore: Tensor
    ) -> tuple[Tensor, dict[str, float]]:
        asked = restore if conditioned else None
        estimate = fuse(batch.seen_a, batch.seen_b, noise, t, asked)
        x, y = target_pair(batch, restore)
        fused, x01, y01 = ((v + 1) / 2 for v in (estimate, x, y))
        level, slope = fusion_loss(
            fused,
            x01,
            y01,
            config.gradient,
            config.gradient_weight,
            config.intensity,
            config.level,
        )
        apart = correlation_loss(fused, x01, y01, ~batch.same)
        shape = structure_loss(fused, x01, y01)
        beyond = overshoot_loss(fused, x01, y01)
        haze = haze_loss(fused, x01, y01)
        total = level + slope + config.correlation * apart
        total = total + config.structure * shape + config.overshoot * beyond
        total = total + config.haze * haze
        parts = {"intensity": level, "gradient": slope, "apart": apart, "structure": shape}
        parts |= {"beyond": beyond, "haze": haze}
        return total, {name: float(value.detach()) for name, value in parts.items()}

    def loss(step: int) -> tuple[Tensor, dict[str, float]]:
        generator = torch.Generator().manual_seed(train.seed * 10_000_019 + step)
        t = torch.randint(100, last, (config.batch,), generator=generator)
        if step % INTERMEDIATE_EVERY:
            t[:] = last
        batch = train.batch(step, config.batch)
        noise = torch.randn(batch.seen_a.shape, generator=generator).to(device)
        restore = draw_restoration(config.batch, generator)
        if not conditioned:
            restore = torch.ones_like(restore)
        return terms(batch, noise, t.to(device), restore.to(device))

    fixed = held_out.batch(0, 8)
    start = torch.randn(fixed.seen_a.shape, generator=torch.Generator().manual_seed(1)).to(device)
    everything = torch.ones((16, 2), device=device)

    @torch.no_grad()
    def validate() -> dict[str, float]:
        values: dict[str, float] = {}
        losses = []
        for step in (last, 249):
            t = torch.full((8,), step, device=device)
            total, parts = terms(fixed, start, t, everything)
            losses.append(float(total))
            values |= {f"{name}_{step}": value for name, value in parts.items()}
        t = torch.full((8,), last, device=device)
        if conditioned:
            values["off"] = float(terms(fixed, start, t, 0 * everything)[0])
        twice = fuse(fixed.clean_b, fixed.clean_b, start, t, None)
        values["same"] = float((twice.clamp(-1, 1) - fixed.clean_b).abs().mean() / 2 * 255)
        return {"loss": sum(losses) / len(losses)} | values

    def samples() -> tuple[Tensor, ...]:
        """Both sources as seen, and the fused estimate from pure noise."""
        t = torch.full((8,), last, device=device)
        estimate = fuse(fixed.seen_a, fixed.seen_b, start, t, None)
        return fixed.seen_a, fixed.seen_b, estimate.clamp(-1, 1)

    Trainer(network, folder, config).run(loss, validate, samples)


def _trained(network: LightNetwork, joint: bool) -> list[nn.Module]:
    around = (network.encoder, network.decoder, network.restore_encoder, network.restore_decoder)
    parts = (network.fcm, *(around if joint else ()))
    return [part for part in parts if part is not None]

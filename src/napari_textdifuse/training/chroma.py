"""The chrominance diffusion, trained on clean/degraded natural images (Sec. 3.2)."""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from ..diffusion import Schedule
from ..models.chroma import CHROMA_SCALE, ChromaNetwork, to_rgb
from ..models.precision import autocast
from .chroma_data import ColourSampler
from .config import TrainConfig
from .losses import variational_bound
from .trainer import Trainer

#: Weight of the variational bound relative to the error of the clean estimate.
BOUND_WEIGHT = 1e-5
#: The error is squared below this size and absolute above it (CbCr times `CHROMA_SCALE`).
HUBER = 0.02
#: Weight of the error of the cast's log gains, and number of extra small images for it.
LIGHT_WEIGHT, LIGHT_EXTRA = 0.3, 24


def ratio_error(a: Tensor, b: Tensor) -> Tensor:
    """Mean error of the log ratios R/G and B/G; a common gain is brightness, not colour."""
    difference = a - b
    return (difference[:, ::2] - difference[:, 1:2]).abs().mean()


def train_chroma(
    network: ChromaNetwork,
    train: ColourSampler,
    held_out: ColourSampler,
    folder: Path,
    config: TrainConfig,
) -> None:
    """Train the chrominance network.

    Parameters
    ----------
    network : ChromaNetwork
    train, held_out : ColourSampler
    folder : Path
        Checkpoint, curve and samples.
    config : TrainConfig
    """
    schedule = Schedule("cosine")
    device, n = train.device, config.batch

    def loss(step: int) -> tuple[Tensor, dict[str, float]]:
        batch = train.batch(step, n)
        # random numbers are drawn on the CPU, so that they are the same on every device
        draw = torch.Generator().manual_seed(train.seed * 10_000_019 + step)
        noise = torch.randn(batch.clean.shape, generator=draw).to(device)
        u = (torch.rand(n, generator=draw) + torch.randperm(n, generator=draw)) / n
        t = (u * 1000).long().clamp(max=999)
        # errors of the first step remain: half of the batch starts from pure noise
        t[torch.randperm(n, generator=draw)[: (n + 1) // 2]] = 999
        t = t.to(device)
        z = schedule.add_noise(batch.clean, noise, t)
        small_luma, small_chroma, log_gains = train.lights(step, LIGHT_EXTRA)
        extra = network.log_gains(network.encode_context(small_luma, small_chroma))
        context = network.encode_context(batch.whole_luma, batch.whole_chroma)
        with autocast(device):
            x0, variance = network.restore(z, batch.luma, batch.seen, context, t)
        light = ratio_error(
            torch.cat([extra, network.log_gains(context)]), torch.cat([log_gains, batch.log_gains])
        )
        error = F.smooth_l1_loss(x0, batch.clean, beta=HUBER)
        bound = variational_bound(schedule, z, batch.clean, x0, variance, t)
        parts = {"error": error.item(), "bound": bound.item(), "light": light.item()}
        return error + LIGHT_WEIGHT * light + BOUND_WEIGHT * bound, parts

    fixed, lights = held_out.batch(0, 32), held_out.lights(0, 128)
    draw = torch.Generator().manual_seed(1)
    noise = torch.randn(fixed.clean.shape, generator=draw).to(device)
    scale = 255 / CHROMA_SCALE

    def estimate(step: int) -> Tensor:
        t = torch.full((len(noise),), step, device=device)
        z = schedule.add_noise(fixed.clean, noise, t)
        with torch.no_grad():
            context = network.encode_context(fixed.whole_luma, fixed.whole_chroma)
            x0, _ = network.restore(z, fixed.luma, fixed.seen, context, t)
        return x0

    def validate() -> dict[str, float]:
        """Root mean square error, and that of the mean of a crop, in 8-bit levels."""
        estimates = {str(t): estimate(t) for t in (999, 249)}
        errors = [F.smooth_l1_loss(x0, fixed.clean, beta=HUBER) for x0 in estimates.values()]
        with torch.no_grad():
            found = network.log_gains(network.encode_context(*lights[:2]))
        values = {"loss": float(torch.stack(errors).mean())}
        values["light_in"] = float(ratio_error(torch.zeros_like(found), lights[2]))
        values["light"] = float(ratio_error(found, lights[2]))
        for name, x0 in ({"in": fixed.seen} | estimates).items():
            error = (x0 - fixed.clean) * scale
            values[f"rms_{name}"] = float(error.square().mean().sqrt())
            values[f"shift_{name}"] = float(error.mean(dim=(2, 3)).abs().mean())
        return values

    def samples() -> tuple[Tensor, ...]:
        """Degraded input, estimate from pure noise, clean image, all in degraded brightness."""
        rows = (fixed.seen, estimate(999), fixed.clean)
        return tuple(to_rgb(torch.cat([fixed.luma, x], dim=1)).clamp(0, 1) * 2 - 1 for x in rows)

    Trainer(network, folder, config).run(loss, validate, samples)

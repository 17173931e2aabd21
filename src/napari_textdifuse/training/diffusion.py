"""Stage 1: the restoration diffusion, trained on clean/degraded single images (Eq. 1)."""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from ..diffusion import Schedule
from ..models import LightNetwork
from ..models.precision import autocast
from .config import TrainConfig
from .data import CropSampler
from .losses import variational_bound
from .trainer import Trainer

#: Weight of the variational bound relative to the error of the clean estimate.
BOUND_WEIGHT = 1e-5
#: The error is squared below this size (of a range of 2) and absolute above it: a squared error
#: alone barely notices the small residues that spoil an image that was clean to begin with.
HUBER = 0.02


def psnr(a: Tensor, b: Tensor) -> float:
    """Mean peak signal-to-noise ratio in dB of images in [-1, 1]."""
    error = (a - b).clamp(-2, 2).square().mean(dim=(1, 2, 3)).clamp(min=1e-6)
    return float((10 * torch.log10(4 / error)).mean())


def train_diffusion(
    network: LightNetwork,
    train: CropSampler,
    held_out: CropSampler,
    folder: Path,
    config: TrainConfig,
) -> None:
    """Train encoder and decoder.

    Parameters
    ----------
    network : LightNetwork
    train, held_out : CropSampler
        Of single images or pairs.
    folder : Path
        Checkpoint, curve and samples.
    config : TrainConfig
        A batch contains twice as many single images as ``config.batch``. With ``config.compile``
        the start takes minutes, and steps are faster.
    """
    schedule = Schedule("cosine")
    network.requires_grad_(False)
    network.encoder.requires_grad_(True)
    network.decoder.requires_grad_(True)
    restore = torch.compile(network.restore) if config.compile else network.restore
    device = train.device
    size = 2 * config.batch

    def loss(step: int) -> tuple[Tensor, dict[str, float]]:
        clean, seen = train.singles(step, size)
        # random numbers are drawn on the CPU, so that they are the same on every device
        draw = torch.Generator().manual_seed(train.seed * 10_000_019 + step)
        noise = torch.randn(clean.shape, generator=draw).to(device)
        # stratified over the schedule, with every eighth sample at pure noise, where the few-step
        # samplers start
        u = (torch.rand(size, generator=draw) + torch.randperm(size, generator=draw)) / size
        t = (u * 1000).long().clamp(max=999)
        t[torch.randint(size, (1,), generator=draw)] = 999
        t = t.to(device)
        z = schedule.add_noise(clean, noise, t)
        with autocast(device):
            x0, variance = restore(z, seen, t)
        error = F.smooth_l1_loss(x0, clean, beta=HUBER)
        bound = variational_bound(schedule, z, clean, x0, variance, t)
        return error + BOUND_WEIGHT * bound, {
            "error": error.item(),
            "bound": bound.item(),
        }

    clean, seen = held_out.singles(0, 32)
    touched = (seen != clean).flatten(1).any(dim=1)
    draw = torch.Generator().manual_seed(1)
    noise = torch.randn(clean.shape, generator=draw).to(device)

    def estimate(step: int) -> Tensor:
        t = torch.full((len(clean),), step, device=device)
        with torch.no_grad(), autocast(device):
            x0, _ = network.restore(schedule.add_noise(clean, noise, t), seen, t)
        return x0

    def validate() -> dict[str, float]:
        estimates = {t: estimate(t) for t in (999, 499, 249)}
        errors = [F.smooth_l1_loss(x0, clean, beta=HUBER) for x0 in estimates.values()]
        values = {"loss": float(torch.stack(errors).mean())}
        values["psnr_in"] = psnr(seen[touched], clean[touched])
        for t, x0 in estimates.items():
            values[f"psnr_{t}"] = psnr(x0[touched], clean[touched])
            values[f"psnr_{t}_clean"] = psnr(x0[~touched], clean[~touched])
        return values

    def samples() -> tuple[Tensor, ...]:
        """Degraded input, estimate from pure noise, clean image."""
        return seen, estimate(999), clean

    Trainer(network, folder, config).run(loss, validate, samples)

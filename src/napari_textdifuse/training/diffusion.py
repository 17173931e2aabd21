"""Stage 1: the restoration diffusion, trained on clean/degraded single images (Eq. 1)."""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from ..diffusion import Schedule
from ..models import LightNetwork
from .data import Batch, CropSampler
from .losses import variational_bound
from .trainer import TrainConfig, Trainer

#: Weight of the variational bound beside the error of the clean estimate.
BOUND_WEIGHT = 1e-5
#: The error is squared below this size (of a range of 2) and absolute above it: a squared error
#: alone barely notices the small residues that spoil a picture that was clean to begin with.
HUBER = 0.02


def _singles(batch: Batch) -> tuple[Tensor, Tensor]:
    """Both sources of every pair as single images: clean and degraded."""
    clean = torch.from_numpy(batch.clean_a), torch.from_numpy(batch.clean_b)
    seen = torch.from_numpy(batch.seen_a), torch.from_numpy(batch.seen_b)
    return torch.cat(clean), torch.cat(seen)


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
    pairs_per_step: int = 4,
    compile_network: bool = False,
) -> None:
    """Train encoder and decoder.

    Parameters
    ----------
    network : LightNetwork
    train, held_out : CropSampler
    folder : Path
        Checkpoint and curve.
    config : TrainConfig
    pairs_per_step : int
        A batch holds twice as many single images.
    compile_network : bool
        Use ``torch.compile``: minutes to start, then faster; for long runs.
    """
    schedule = Schedule("cosine")
    network.requires_grad_(False)
    network.encoder.requires_grad_(True)
    network.decoder.requires_grad_(True)
    restore = torch.compile(network.restore) if compile_network else network.restore

    def loss(step: int) -> tuple[Tensor, dict[str, float]]:
        clean, seen = _singles(train.batch(step, pairs_per_step))
        draw = torch.Generator().manual_seed(train.seed * 10_000_019 + step)
        noise = torch.randn(clean.shape, generator=draw)
        # stratified over the schedule, with every eighth sample at pure noise, where the few-step
        # samplers start
        n = len(clean)
        u = (torch.rand(n, generator=draw) + torch.randperm(n, generator=draw)) / n
        t = (u * 1000).long().clamp(max=999)
        t[torch.randint(n, (1,), generator=draw)] = 999
        z = schedule.add_noise(clean, noise, t)
        with torch.autocast(clean.device.type, torch.bfloat16):
            x0, variance = restore(z, seen, t)
        error = F.smooth_l1_loss(x0, clean, beta=HUBER)
        bound = variational_bound(schedule, z, clean, x0, variance, t)
        return error + BOUND_WEIGHT * bound, {
            "error": error.item(),
            "bound": bound.item(),
        }

    clean, seen = _singles(held_out.batch(0, 16))
    touched = (seen != clean).flatten(1).any(dim=1)
    noise = torch.randn(clean.shape, generator=torch.Generator().manual_seed(1))

    @torch.no_grad()
    def validate() -> dict[str, float]:
        values = {"psnr_in": psnr(seen[touched], clean[touched])}
        for t in (999, 499, 249):
            ts = torch.full((len(clean),), t)
            z = schedule.add_noise(clean, noise, ts)
            with torch.autocast(clean.device.type, torch.bfloat16):
                x0, _ = network.restore(z, seen, ts)
            values[f"psnr_{t}"] = psnr(x0[touched], clean[touched])
            values[f"psnr_{t}_clean"] = psnr(x0[~touched], clean[~touched])
        return values

    Trainer(network, folder, config).run(loss, validate)

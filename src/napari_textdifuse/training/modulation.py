"""Stage 3: the modulation block, with everything else frozen (Eq. 12).

The contrast prior: inside a mask, the decoded brightness ``v`` should follow
``v ** (1 / (1 + s))`` (brighter) or ``1 - (1 - v) ** (1 / (1 + s))`` (darker) of the unmodulated
estimate. A power law keeps the order of brightness, so texture inside the object survives, and
keeps black and white.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from scipy import ndimage
from torch import Tensor

from ..diffusion import Schedule
from ..models import LightNetwork
from ..models.modulation import apply_gain
from ..models.precision import autocast
from .config import TrainConfig
from .data import CropSampler
from .fcm import chain_sample
from .losses import slopes
from .trainer import Trainer


def random_gain(shape: tuple[int, int, int, int], rng: np.random.Generator) -> Tensor:
    """Draw blob-shaped masks, each with a random signed strength."""
    gain = np.zeros(shape, np.float32)
    for item in gain[:, 0]:
        field = ndimage.gaussian_filter(rng.standard_normal(item.shape), rng.uniform(3, 20))
        mask = field > np.quantile(field, rng.uniform(0.4, 0.97))
        item[mask] = rng.choice((-1.0, 1.0, 1.0)) * rng.uniform(0.1, 2.0)
    return torch.from_numpy(gain)


def train_modulation(
    network: LightNetwork,
    train: CropSampler,
    held_out: CropSampler,
    folder: Path,
    config: TrainConfig,
) -> None:
    """Train the modulation block.

    Parameters
    ----------
    network : LightNetwork
        With trained encoder, decoder and fusion control.
    train, held_out : CropSampler
        Of pairs.
    folder : Path
        Checkpoint, curve and samples.
    config : TrainConfig
    """
    schedule = Schedule("cosine")
    network.requires_grad_(False)
    network.modulation.requires_grad_(True)
    device = train.device

    def fused(sampler: CropSampler, step: int, count: int) -> tuple[Tensor, Tensor, Tensor]:
        """Return fused estimates before and after modulation, in [0, 1], and the requested gain."""
        generator = torch.Generator().manual_seed(sampler.seed * 10_000_019 + step)
        rng = np.random.default_rng((sampler.seed, step, 7))
        batch = sampler.batch(step, count)
        x, y = batch.seen_a, batch.seen_b
        noise = torch.randn(x.shape, generator=generator).to(device)
        t = torch.randint(100, 1000, (count,), generator=generator)
        t[: max(1, count // 4)] = schedule.steps - 1
        t = t.to(device)
        gain = random_gain((count, 1, x.shape[2], x.shape[3]), rng).to(device)
        with autocast(device):
            z = chain_sample(network, schedule, x, y, noise, t)
            weighted = network.encode_and_weight(z, x, y, t)
            with torch.no_grad():
                plain, _ = network.decode(weighted, t)
            moved, _ = network.decode(network.modulate(weighted, gain), t)
        return ((plain + 1) / 2).clamp(0, 1), (moved + 1) / 2, gain

    def error(sampler: CropSampler, step: int, count: int) -> tuple[Tensor, Tensor]:
        before, after, gain = fused(sampler, step, count)
        target = apply_gain(before, gain)
        inside = (gain != 0).float()
        # the sampler replaces everything outside the mask, so only the inside counts
        area = inside.sum().clamp(min=1)
        level = ((after - target).abs() * inside).sum() / area
        slope = ((slopes(after) - slopes(target)).abs() * _eroded(inside)).sum() / area
        return level, slope

    def loss(step: int) -> tuple[Tensor, dict[str, float]]:
        level, slope = error(train, step, config.batch)
        return level + slope, {"level": level.item(), "slope": slope.item()}

    @torch.no_grad()
    def validate() -> dict[str, float]:
        level, slope = (float(v) for v in error(held_out, 0, 8))
        return {"loss": level + slope, "level": level, "slope": slope}

    def samples() -> tuple[Tensor, ...]:
        """Before and after modulation, and the request: brighter, darker or grey."""
        before, after, gain = fused(held_out, 0, 8)
        return before * 2 - 1, after * 2 - 1, gain / 2

    Trainer(network, folder, config).run(loss, validate, samples)


def _eroded(inside: Tensor) -> Tensor:
    return -F.max_pool2d(-inside, 3, stride=1, padding=1)

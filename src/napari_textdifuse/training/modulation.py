"""Stage 3: the modulation block, everything else frozen (Eq. 12).

The contrast prior: inside a mask, the decoded brightness ``v`` should follow
``v ** (1 / (1 + s))`` (brighter) or ``1 - (1 - v) ** (1 / (1 + s))`` (darker) of the unmodulated
estimate. A power law keeps the order of brightness, so texture inside the object survives, and
leaves black and white where they are.
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
from .data import CropSampler
from .fcm import chain_sample, tensors
from .losses import sobel
from .trainer import TrainConfig, Trainer

#: The exponent is ``1 + SLOPE * strength``.
SLOPE = 1.5


def emphasised(brightness: Tensor, gain: Tensor) -> Tensor:
    """Apply the contrast prior.

    Parameters
    ----------
    brightness : Tensor
        In [0, 1].
    gain : Tensor
        Signed strength per pixel: positive brightens, negative darkens, 0 leaves as is.

    Returns
    -------
    Tensor
    """
    exponent = 1 / (1 + SLOPE * gain.abs())
    v = brightness.clamp(1e-4, 1 - 1e-4)
    return torch.where(gain >= 0, v**exponent, 1 - (1 - v) ** exponent)


def random_gain(shape: tuple[int, int, int, int], rng: np.random.Generator) -> Tensor:
    """Draw blob-shaped masks with a random signed strength each."""
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
    pairs_per_step: int = 4,
    compile_network: bool = False,
) -> None:
    """Train the modulation block.

    Parameters
    ----------
    network : LightNetwork
        With trained encoder, decoder and fusion control.
    train, held_out : CropSampler
    folder : Path
    config : TrainConfig
    pairs_per_step : int
    compile_network : bool
        Not used in this stage.
    """
    schedule = Schedule("cosine")
    network.requires_grad_(False)
    network.modulation.requires_grad_(True)

    def error(sampler: CropSampler, step: int, count: int) -> tuple[Tensor, Tensor]:
        generator = torch.Generator().manual_seed(sampler.seed * 10_000_019 + step)
        rng = np.random.default_rng((sampler.seed, step, 7))
        _, _, x, y = tensors(sampler.batch(step, count))
        noise = torch.randn(x.shape, generator=generator)
        t = torch.randint(100, 1000, (count,), generator=generator)
        t[: max(1, count // 4)] = schedule.steps - 1
        gain = random_gain((count, 1, x.shape[2], x.shape[3]), rng)
        with torch.autocast(x.device.type, torch.bfloat16):
            z = chain_sample(network, schedule, x, y, noise, t)
            weighted = network.weigh(z, x, y, t)
            with torch.no_grad():
                plain, _ = network.decode(weighted, t)
            moved, _ = network.decode(network.modulate(weighted, gain), t)
        before = ((plain + 1) / 2).clamp(0, 1)
        after = (moved + 1) / 2
        target = emphasised(before, gain)
        inside = (gain != 0).float()
        # the sampler replaces everything outside the mask, so only the inside is judged
        area = inside.sum().clamp(min=1)
        level = ((after - target).abs() * inside).sum() / area
        slope = ((sobel(after) - sobel(target)).abs() * _eroded(inside)).sum() / area
        return level, slope

    def loss(step: int) -> tuple[Tensor, dict[str, float]]:
        level, slope = error(train, step, pairs_per_step)
        return level + slope, {"level": level.item(), "slope": slope.item()}

    @torch.no_grad()
    def validate() -> dict[str, float]:
        level, slope = error(held_out, 0, 8)
        return {"level": float(level), "slope": float(slope)}

    Trainer(network, folder, config).run(loss, validate)


def _eroded(inside: Tensor) -> Tensor:
    return -F.max_pool2d(-inside, 3, stride=1, padding=1)

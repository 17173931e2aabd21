"""Stage 4: the head for the bound of the error, with everything else frozen.

The error of a result is its distance to the same network's result for the same pair without noise
and blur, in the right light, from the same starting noise. The head learns the bound below which
nine in ten errors lie, with the quantile loss on the logarithm (Koenker & Bassett 1978);
`benchmarks/uncertainty.py` checks and calibrates it.

The inputs of the head do not change during training, so the network runs once for each of
`BANK` batches, and every step uses one of these.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import torch
from torch import Tensor

from ..diffusion import Schedule
from ..errors import InputError
from ..models import LightNetwork
from ..models.light import WeightedFeatures
from ..models.precision import autocast
from ..models.uncertainty import SHARE
from .config import TrainConfig
from .data import CropSampler
from .degrade import degrade_for_errors
from .losses import quantile_loss
from .restoration import draw_restoration, reference_pair
from .trainer import Trainer

#: Number of batches that are drawn and used repeatedly.
BANK = 300
#: Share of undegraded pairs.
CLEAN = 0.1


@dataclass(frozen=True)
class ErrorBatch:
    """Inputs of the head for a batch, and the errors.

    Parameters
    ----------
    features : Tensor, shape (B, C, H / patch, W / patch), float16
    fused, residual : Tensor, shape (B, 1, H, W)
        See `ErrorHead.forward`.
    sources : Tensor, shape (2 B, 1, H, W)
    error : Tensor, shape (B, 1, H, W)
        Absolute, of brightness in [0, 1].
    """

    features: Tensor
    fused: Tensor
    residual: Tensor
    sources: Tensor
    error: Tensor


def train_uncertainty(
    network: LightNetwork,
    train: CropSampler,
    held_out: CropSampler,
    folder: Path,
    config: TrainConfig,
) -> None:
    """Train the head for the bound of the error.

    Parameters
    ----------
    network : LightNetwork
        With trained encoder, decoder and fusion control, and a head.
    train, held_out : CropSampler
        Of pairs.
    folder : Path
        Checkpoint, curve and samples.
    config : TrainConfig

    Raises
    ------
    InputError
        If the network has no head for its error.
    """
    if network.error is None:
        raise InputError(
            "these weights have no head for the expected error; add one with --uncertainty 24."
        )
    network.requires_grad_(False)
    head = network.error.requires_grad_(True)
    device = train.device
    last = Schedule("cosine").steps - 1
    conditioned = network.config.restore > 0
    train, held_out = (
        CropSampler(s.examples, s.crop, s.seed, s.device, degrade_for_errors, CLEAN)
        for s in (train, held_out)
    )

    def weighted(x: Tensor, y: Tensor, noise: Tensor, restore: Tensor) -> WeightedFeatures:
        t = torch.full((len(x),), last, device=device)
        return network.encode_and_weight(noise, x, y, t, restore if conditioned else None)

    @torch.no_grad()
    def look(sampler: CropSampler, number: int, count: int) -> ErrorBatch:
        """Fuse a degraded batch and its clean counterpart."""
        generator = torch.Generator().manual_seed(sampler.seed * 10_000_019 + number)
        batch = sampler.batch(number, count)
        noise = torch.randn(batch.seen_a.shape, generator=generator).to(device)
        restore = torch.ones(2 * count, 2)
        if conditioned and number % 4 == 0:
            restore = draw_restoration(count, generator)
        restore = restore.to(device)
        x, y, asked = reference_pair(batch, restore)
        t = torch.full((count,), last, device=device)
        with autocast(device):
            reference, _ = network.decode(weighted(x, y, noise, asked), t)
            seen = weighted(batch.seen_a, batch.seen_b, noise, restore)
            features, fused, residual = network.decoded(seen, t)
        error = ((fused + residual).clamp(-1, 1) - reference.clamp(-1, 1)).abs() / 2
        return ErrorBatch(features.half(), fused, residual, seen.sources, error)

    @lru_cache(maxsize=BANK)
    def training_batch(number: int) -> ErrorBatch:
        return look(train, number, config.batch)

    def bound(seen: ErrorBatch) -> Tensor:
        return head(seen.features.float(), seen.fused, seen.residual, seen.sources)

    def loss(step: int) -> tuple[Tensor, dict[str, float]]:
        chosen = torch.Generator().manual_seed(config.seed * 10_000_019 + step)
        seen = training_batch(int(torch.randint(BANK, (), generator=chosen)))
        level = bound(seen)
        total = quantile_loss(level, seen.error, SHARE)
        return total, {"quantile": float(total.detach()), "covered": _covered(seen.error, level)}

    checked = lru_cache(maxsize=1)(lambda: look(held_out, 1, 16))

    @torch.no_grad()
    def validate() -> dict[str, float]:
        seen = checked()
        level = bound(seen)
        total = float(quantile_loss(level, seen.error, SHARE))
        return {"loss": total, "covered": _covered(seen.error, level)}

    @torch.no_grad()
    def samples() -> tuple[Tensor, ...]:
        """Return the estimate, and its error and bound ten times as bright."""
        seen = checked()
        shown = ((10 * v).clamp(max=1) * 2 - 1 for v in (seen.error, bound(seen).exp()))
        return tuple(v[:8] for v in (seen.fused + seen.residual, *shown))

    Trainer(network, folder, config).run(loss, validate, samples)


def _covered(error: Tensor, level: Tensor) -> float:
    return float((error.log() <= level.detach()).float().mean())

"""Stage 4: the head for the expected error, everything else frozen.

The error of a result is its distance to what the same network makes of the same pair without noise
and blur, and in the right light, from the same starting noise. The head learns the scale of a
Laplace distribution of it (Kendall & Gal 2017); `benchmarks/uncertainty.py` calibrates the scale.
"""

from __future__ import annotations

import math
from pathlib import Path

import torch
from torch import Tensor

from ..diffusion import Schedule
from ..errors import InputError
from ..models import LightNetwork
from .config import TrainConfig
from .data import CropSampler
from .losses import error_likelihood
from .precision import autocast
from .restoration import draw_restoration, reference_pair
from .trainer import Trainer

#: Nine in ten values of a Laplace distribution lie within so many mean absolute errors.
LN10 = math.log(10)


def train_uncertainty(
    network: LightNetwork,
    train: CropSampler,
    held_out: CropSampler,
    folder: Path,
    config: TrainConfig,
) -> None:
    """Train the head for the expected error.

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
            "these weights have no head for the expected error; add one with --uncertainty 16."
        )
    network.requires_grad_(False)
    network.error.requires_grad_(True)
    device = train.device
    last = Schedule("cosine").steps - 1
    conditioned = network.config.restore > 0

    def fuse(x: Tensor, y: Tensor, noise: Tensor, restore: Tensor) -> tuple[Tensor, Tensor]:
        t = torch.full((len(x),), last, device=device)
        with autocast(device):
            weighted = network.encode_and_weight(noise, x, y, t, restore if conditioned else None)
            estimate, _, error = network.decode_with_error(weighted, t)
        assert error is not None
        return estimate.clamp(-1, 1), error

    def terms(sampler: CropSampler, step: int, count: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Negative log-likelihood, errors, expected errors and the estimate."""
        generator = torch.Generator().manual_seed(sampler.seed * 10_000_019 + step)
        batch = sampler.batch(step, count)
        noise = torch.randn(batch.seen_a.shape, generator=generator).to(device)
        restore = draw_restoration(count, generator).to(device)
        if not conditioned:
            restore = torch.ones_like(restore)
        with torch.no_grad():
            x, y, asked = reference_pair(batch, restore)
            reference, _ = fuse(x, y, noise, asked)
        estimate, expected = fuse(batch.seen_a, batch.seen_b, noise, restore)
        error = (estimate.detach() - reference).abs() / 2
        return error_likelihood(expected, error), error, expected, estimate

    def loss(step: int) -> tuple[Tensor, dict[str, float]]:
        total, error, expected, _ = terms(train, step, config.batch)
        return total, {"likelihood": float(total.detach()), "covered": _covered(error, expected)}

    @torch.no_grad()
    def validate() -> dict[str, float]:
        total, error, expected, _ = terms(held_out, 0, 16)
        return {"loss": float(total), "covered": _covered(error, expected)}

    @torch.no_grad()
    def samples() -> tuple[Tensor, ...]:
        """Return the estimate, its error and the expected error, both ten times as bright."""
        _, error, expected, estimate = terms(held_out, 0, 8)
        shown = ((10 * v).clamp(max=1) * 2 - 1 for v in (error, expected))
        return estimate, *shown

    Trainer(network, folder, config).run(loss, validate, samples)


def _covered(error: Tensor, expected: Tensor) -> float:
    return float((error <= expected.detach() * LN10).float().mean())

"""The fused diffusion chain: one sample, two conditions, one clean estimate per step."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ..diffusion import Schedule, next_sample
from ..models import LightNetwork


@dataclass(frozen=True)
class ChainStep:
    """State after one network evaluation.

    Parameters
    ----------
    z : Tensor, shape (B, 1, H, W)
        The sample the step started from.
    estimate : Tensor, shape (B, 1, H, W)
        Clean estimate (Eq. 8), clamped to [-1, 1].
    share : Tensor, shape (B, 1, H, W)
        Pixel weight of X in the fused condition, in [0, 1].
    """

    z: Tensor
    estimate: Tensor
    share: Tensor


class FusionChain:
    """Runs Eq. 2-8 for a batch of brightness pairs.

    Parameters
    ----------
    network : LightNetwork
        In evaluation mode, on its device.
    schedule : Schedule
    timesteps : sequence of int
        Steps to visit, noisiest first.
    sampler : {"ddim", "ancestral"}
    """

    def __init__(
        self,
        network: LightNetwork,
        schedule: Schedule,
        timesteps: Sequence[int],
        sampler: str = "ddim",
    ) -> None:
        self.network = network
        self.schedule = schedule
        self.timesteps = list(timesteps)
        self.sampler = sampler

    def base(
        self, x: Tensor, y: Tensor, noise: Tensor, generator: torch.Generator | None = None
    ) -> Iterator[ChainStep]:
        """Yield the unmodulated chain, one item per network evaluation.

        Parameters
        ----------
        x, y, noise : Tensor, shape (B, 1, H, W)
            Brightness of the two sources in [-1, 1], and the shared starting noise ``Z_T``.
        generator : torch.Generator, optional
            Noise of the ancestral sampler.
        """
        z = noise
        for i, t in enumerate(self.timesteps):
            ts = torch.full((len(z),), t, device=z.device)
            weighted = self.network.weigh(z, x, y, ts)
            estimate, variance = self.network.decode(weighted, ts)
            estimate = estimate.clamp(-1, 1)
            yield ChainStep(z, estimate, weighted.share)
            z = self._next(i, z, estimate, variance, generator)

    def modulated(
        self,
        x: Tensor,
        y: Tensor,
        base: Sequence[ChainStep],
        gain: Tensor,
        blend: Tensor,
        generator: torch.Generator | None = None,
    ) -> Iterator[Tensor]:
        """Yield the clean estimates of the re-modulated chain (Eq. 12-13).

        At every step the sample outside the mask is that of the base chain:
        ``Z <- (1 - M) Z_base + M Z_modulated``.

        Parameters
        ----------
        x, y : Tensor, shape (B, 1, H, W)
        base : sequence of ChainStep
            The finished base chain.
        gain : Tensor, shape (B, 1, H, W)
            Signed strength of the modulation.
        blend : Tensor, shape (B, 1, H, W)
            ``M`` in [0, 1]; exactly 0 outside the objects.
        generator : torch.Generator, optional
            In the state it had at the start of the base chain, for equal ancestral noise.
        """
        z = base[0].z
        for i, t in enumerate(self.timesteps):
            z = (1 - blend) * base[i].z + blend * z
            ts = torch.full((len(z),), t, device=z.device)
            weighted = self.network.modulate(self.network.weigh(z, x, y, ts), gain)
            estimate, variance = self.network.decode(weighted, ts)
            estimate = estimate.clamp(-1, 1)
            yield (1 - blend) * base[i].estimate + blend * estimate
            z = self._next(i, z, estimate, variance, generator)

    def _next(
        self, i: int, z: Tensor, estimate: Tensor, variance: Tensor, g: torch.Generator | None
    ) -> Tensor:
        following = self.timesteps[i + 1] if i + 1 < len(self.timesteps) else None
        return next_sample(
            self.schedule, self.sampler, z, estimate, variance, self.timesteps[i], following, g
        )

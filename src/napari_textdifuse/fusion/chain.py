"""The fused diffusion chain: one sample, two conditions, one clean estimate per step."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ..diffusion import Sampler, Schedule, make_sampler
from ..errors import WeightsError
from ..models.protocol import FusionNetwork

NOT_FINITE = (
    "The network's result contains values that are not finite, so the weights are damaged or badly "
    "trained; use other weights."
)
#: Encodes and weights the sample of a modulated chain: index of the step, sample, step numbers of
#: the full schedule; returns what the network's `decode` takes.
EncodeAndWeight = Callable[[int, Tensor, Tensor], Any]
#: Takes the unmodulated and the modulated clean estimate of a step and returns the latter, amended.
EnforcePrior = Callable[[Tensor, Tensor], Tensor]


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
    error : Tensor, shape (B, 1, H, W), or None
        Bound below which nine in ten errors of the result lie, of brightness in [0, 1]; None after
        the first step and from networks that do not know it.
    """

    z: Tensor
    estimate: Tensor
    share: Tensor
    error: Tensor | None = None

    def only(self, item: int) -> ChainStep:
        """Return one item of the batch, as a batch of one."""
        one = slice(item, item + 1)
        return ChainStep(self.z[one], self.estimate[one], self.share[one])


class FusionChain:
    """Runs Eq. 2-8 for a batch of brightness pairs.

    Parameters
    ----------
    network : FusionNetwork
        In evaluation mode, on its device.
    schedule : Schedule
    timesteps : sequence of int
        Steps to visit, noisiest first.
    sampler : str
        See `diffusion.make_sampler`.
    balance : float
        From -1, X alone, to 1, Y alone; see `FusionNetwork`.
    restore : tuple of float, optional
        Strength of each of `models.unet.RESTORATIONS`; by default full, as for networks
        without the condition.
    bound_error : bool
        Whether to estimate the bound of the error, if the network can.
    """

    def __init__(
        self,
        network: FusionNetwork,
        schedule: Schedule,
        timesteps: Sequence[int],
        sampler: str = "ddim",
        balance: float = 0.0,
        restore: tuple[float, ...] | None = None,
        bound_error: bool = True,
    ) -> None:
        self.network = network
        self.schedule = schedule
        self.timesteps = list(timesteps)
        self.sampler = sampler
        self.balance = balance
        self.restore = restore
        self.bound_error = bound_error

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
        z, sampler = noise, self.start(generator)
        for i, t in enumerate(self.timesteps):
            ts = torch.full((len(z),), t, device=z.device)
            weighted = self.encode_and_weight(z, x, y, ts)
            error = None
            if i == 0 and self.bound_error:  # the head was trained at the first step of a chain
                estimate, variance, error = self.network.decode_with_error(weighted, ts)
            else:
                estimate, variance = self.network.decode(weighted, ts)
            _check(estimate, weighted.share, *(() if error is None else (error,)))
            estimate = estimate.clamp(-1, 1)
            yield ChainStep(z, estimate, weighted.share, error)
            z = sampler.step(i, z, estimate, variance)

    def modulated(
        self,
        base: Sequence[ChainStep],
        encode_and_weight: EncodeAndWeight,
        blend: Tensor,
        generator: torch.Generator | None = None,
        enforce_prior: EnforcePrior | None = None,
    ) -> Iterator[Tensor]:
        """Yield the clean estimates of the re-modulated chain (Eq. 12-13).

        At every step the sample outside the mask is that of the base chain:
        ``Z <- (1 - M) Z_base + M Z_modulated``.

        Parameters
        ----------
        base : sequence of ChainStep
            The finished base chain.
        encode_and_weight : callable
            Weights both sources so that the objects stand out; see `EncodeAndWeight`.
        blend : Tensor, shape (B, 1, H, W)
            ``M`` in [0, 1]; exactly 0 outside the objects.
        generator : torch.Generator, optional
            In the state of the start of the base chain, for equal ancestral noise.
        enforce_prior : callable, optional
            Amends each estimate; see `EnforcePrior`.
        """
        z, sampler = base[0].z, self.start(generator)
        for i, t in enumerate(self.timesteps):
            z = (1 - blend) * base[i].z + blend * z
            ts = torch.full((len(z),), t, device=z.device)
            estimate, variance = self.network.decode(encode_and_weight(i, z, ts), ts)
            _check(estimate)
            if enforce_prior is not None:
                estimate = enforce_prior(base[i].estimate, estimate)
            estimate = estimate.clamp(-1, 1)
            yield (1 - blend) * base[i].estimate + blend * estimate
            z = sampler.step(i, z, estimate, variance)

    def encode_and_weight(self, z: Tensor, x: Tensor, y: Tensor, t: Tensor) -> Any:
        """Encode and weight with the network, with the balance and restoration of the chain."""
        options: dict[str, Any] = {"balance": self.balance} if self.balance else {}
        if self.restore is not None:
            wanted = torch.tensor([self.restore], device=z.device)
            options["restore"] = wanted.expand(2 * len(z), -1)
        return self.network.encode_and_weight(z, x, y, t, **options)

    def start(self, generator: torch.Generator | None = None) -> Sampler:
        """Return a fresh sampler for one chain over the same steps."""
        return make_sampler(self.sampler, self.schedule, self.timesteps, generator)


def _check(*values: Tensor) -> None:
    """Refuse values that are not finite; clamping would turn them into a black image."""
    if not all(bool(value.isfinite().all()) for value in values):
        raise WeightsError(NOT_FINITE)

"""From one noisy sample to the next: DDIM and ancestral iDDPM steps."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from .schedule import Schedule

SAMPLERS = ("ddim", "ancestral")


def next_sample(
    schedule: Schedule,
    sampler: str,
    z: Tensor,
    x0: Tensor,
    variance: Tensor,
    t: int,
    t_next: int | None,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Advance a chain by one step.

    Parameters
    ----------
    schedule : Schedule
    sampler : {"ddim", "ancestral"}
        Deterministic DDIM with eta 0 (Song et al. 2021), or iDDPM's ancestral step with learned
        variance (Eq. 5-7, noise term included).
    z, x0 : Tensor
        Sample at step `t` and the clean estimate made from it.
    variance : Tensor
        The network's interpolation coefficient, in about [-1, 1].
    t, t_next : int
        Step numbers; `t_next` None means that `t` was the last one.
    generator : torch.Generator, optional
        Source of the ancestral noise.

    Returns
    -------
    Tensor
        Sample at `t_next`, or `x0` itself after the last step.
    """
    if sampler not in SAMPLERS:
        raise ValueError(f"sampler must be one of {', '.join(SAMPLERS)}, not {sampler!r}.")
    if t_next is None:
        return x0
    if sampler == "ddim":
        a, a_next = float(schedule.alphas_cumprod[t]), float(schedule.alphas_cumprod[t_next])
        noise = (z - math.sqrt(a) * x0) / math.sqrt(1 - a)
        return math.sqrt(a_next) * x0 + math.sqrt(1 - a_next) * noise
    posterior = schedule.posterior(x0, z, t, t_next)
    share = (variance + 1) / 2
    log_variance = share * posterior.log_variance_max + (1 - share) * posterior.log_variance_min
    draw = torch.randn(z.shape, generator=generator, dtype=torch.float32).to(z.device)
    return posterior.mean + torch.exp(0.5 * log_variance) * draw

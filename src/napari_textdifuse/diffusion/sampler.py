"""Samplers: from one noisy sample of a chain to the next.

Kept here rather than taken from a library: two chains share their samples at every step (the base
chain and the re-modulated one, Eq. 13), coefficients are float64, and a step is a few lines. The
tests compare them with recorded numbers of *diffusers* and with closed forms.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from .schedule import RespacedSchedule, Schedule

SAMPLERS = ("ddim", "dpm++", "ancestral", "mean")


class Sampler(Protocol):
    """The sampler of one chain; create a new one for every chain."""

    def step(self, i: int, z: Tensor, x0: Tensor, variance: Tensor) -> Tensor:
        """Advance by one step.

        Parameters
        ----------
        i : int
            Index into the chain's timesteps; called with 0, 1, 2, ... in this order.
        z, x0 : Tensor
            Sample at step `i` and the clean estimate made from it.
        variance : Tensor
            The network's interpolation coefficient, in about [-1, 1].

        Returns
        -------
        Tensor
            Sample at step ``i + 1``, or `x0` itself after the last step.
        """


def step_generator(seed: int) -> torch.Generator:
    """Return the random numbers that a chain adds from step to step.

    The stream is independent of every starting noise, which is drawn from `seed` itself: its seed
    is the first word of ``numpy.random.SeedSequence(seed, spawn_key=(1,))``. With ``seed + 1``
    instead, the steps of one sample would repeat the starting noise of the next.

    Parameters
    ----------
    seed : int
        That of the chain's starting noise.
    """
    word = np.random.SeedSequence(seed, spawn_key=(1,)).generate_state(1)[0]
    return torch.Generator().manual_seed(int(word))


def make_sampler(
    name: str,
    schedule: Schedule,
    timesteps: Sequence[int],
    generator: torch.Generator | None = None,
) -> Sampler:
    """Start a chain.

    Parameters
    ----------
    name : {"ddim", "dpm++", "ancestral", "mean"}
        Deterministic DDIM with eta 0 (Song et al. 2021); DPM-Solver++(2M), deterministic and of
        second order (Lu et al. 2022); iDDPM's ancestral step with learned variance and noise
        (Eq. 5-7); or the posterior mean alone, as the authors' released code samples.
    schedule : Schedule
    timesteps : sequence of int
        Step numbers of the full schedule, falling.
    generator : torch.Generator, optional
        Source of the ancestral noise.

    Raises
    ------
    ValueError
        If there is no such sampler, or the steps do not fall or are not in the schedule.
    """
    steps = list(timesteps)
    if any(a <= b for a, b in pairwise(steps)) or not steps:
        raise ValueError(f"timesteps must decrease from step to step, not {steps}.")
    if steps[0] >= schedule.steps or steps[-1] < 0:
        raise ValueError(f"timesteps must lie between 0 and {schedule.steps - 1}, not {steps}.")
    if name == "ddim":
        return _Ddim(schedule, steps)
    if name == "dpm++":
        return _MultistepSolver(schedule, steps)
    if name == "ancestral":
        return _Ancestral(schedule, steps, generator)
    if name == "mean":
        return _Mean(schedule, steps, None)
    raise ValueError(f"sampler must be one of {', '.join(SAMPLERS)}, not {name!r}.")


class _Chain:
    def __init__(self, schedule: Schedule, timesteps: list[int]) -> None:
        self.schedule = schedule
        self.timesteps = timesteps

    def next_timestep(self, i: int) -> int | None:
        return self.timesteps[i + 1] if i + 1 < len(self.timesteps) else None


class _Ddim(_Chain):
    def step(self, i: int, z: Tensor, x0: Tensor, variance: Tensor) -> Tensor:
        t, t_next = self.timesteps[i], self.next_timestep(i)
        if t_next is None:
            return x0
        a, a_next = (float(self.schedule.alphas_cumprod[n]) for n in (t, t_next))
        noise = (z - math.sqrt(a) * x0) / math.sqrt(1 - a)
        return math.sqrt(a_next) * x0 + math.sqrt(1 - a_next) * noise


class _MultistepSolver(_Chain):
    """DPM-Solver++(2M) in the clean estimate; the first step is of first order."""

    def __init__(self, schedule: Schedule, timesteps: list[int]) -> None:
        super().__init__(schedule, timesteps)
        self.before: tuple[Tensor, float] | None = None

    def step(self, i: int, z: Tensor, x0: Tensor, variance: Tensor) -> Tensor:
        t, t_next = self.timesteps[i], self.next_timestep(i)
        if t_next is None:
            return x0
        a, a_next = (float(self.schedule.alphas_cumprod[n]) for n in (t, t_next))
        # half the log signal-to-noise ratio, in which the solver's steps are polynomial
        here, there = (0.5 * (math.log(v) - math.log1p(-v)) for v in (a, a_next))
        estimate = x0
        if self.before is not None:
            earlier, at = self.before
            ratio = (here - at) / (there - here)
            estimate = x0 + (x0 - earlier) / (2 * ratio)
        self.before = x0, here
        shrink = math.sqrt((1 - a_next) / (1 - a))
        gain = -math.sqrt(a_next) * math.expm1(here - there)
        return shrink * z + gain * estimate


class _Ancestral(_Chain):
    def __init__(
        self, schedule: Schedule, timesteps: list[int], generator: torch.Generator | None
    ) -> None:
        super().__init__(schedule, timesteps)
        self.posterior = RespacedSchedule(schedule.alphas_cumprod, timesteps)
        self.generator = generator

    def mean(self, i: int, z: Tensor, x0: Tensor) -> Tensor:
        index = len(self.timesteps) - 1 - i
        first, second = self.posterior.posterior_mean_coef1, self.posterior.posterior_mean_coef2
        return float(first[index]) * x0 + float(second[index]) * z

    def step(self, i: int, z: Tensor, x0: Tensor, variance: Tensor) -> Tensor:
        if self.next_timestep(i) is None:
            return x0
        log_variance = self.posterior.log_variance(variance, len(self.timesteps) - 1 - i)
        # drawn on the CPU: the same noise on every device
        draw = torch.randn(z.shape, generator=self.generator, dtype=torch.float32).to(z.device)
        return self.mean(i, z, x0) + torch.exp(0.5 * log_variance) * draw


class _Mean(_Ancestral):
    def step(self, i: int, z: Tensor, x0: Tensor, variance: Tensor) -> Tensor:
        return x0 if self.next_timestep(i) is None else self.mean(i, z, x0)

"""Noise schedules of a 1000-step diffusion, and the steps a sampler visits."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

Float64 = npt.NDArray[np.float64]


def cosine_alphas_cumprod(steps: int = 1000) -> Float64:
    """Cumulative signal share of the cosine schedule (Nichol & Dhariwal 2021, Eq. 17).

    Parameters
    ----------
    steps : int
        Length of the full schedule.

    Returns
    -------
    ndarray of float64, shape (steps,)
        Index 0 is the least noise.
    """

    def alpha_bar(u: float) -> float:
        return math.cos((u + 0.008) / 1.008 * math.pi / 2) ** 2

    edges = [alpha_bar(i / steps) for i in range(steps + 1)]
    betas = np.asarray([min(1 - b / a, 0.999) for a, b in pairwise(edges)])
    return np.cumprod(1 - betas).astype(np.float64)


def linear_alphas_cumprod(steps: int = 1000) -> Float64:
    """Cumulative signal share of the linear schedule (Ho et al. 2020), scaled to `steps`."""
    scale = 1000 / steps
    betas = np.linspace(scale * 1e-4, scale * 0.02, steps)
    return np.cumprod(1 - betas).astype(np.float64)


#: Schedules by name, as stored in a network's configuration.
SCHEDULES: dict[str, Callable[[int], Float64]] = {
    "cosine": cosine_alphas_cumprod,
    "linear": linear_alphas_cumprod,
}


def trailing_timesteps(count: int, steps: int = 1000) -> list[int]:
    """Return `count` step numbers from the noisiest down, evenly spaced and ending above 0.

    The first is always ``steps - 1`` (pure noise), so no step is spent on an image that is
    already clean (Lin et al., WACV 2024, "trailing").

    Raises
    ------
    ValueError
        If `count` is not between 1 and `steps`.
    """
    if not 1 <= count <= steps:
        raise ValueError(f"steps must be between 1 and {steps}, not {count}.")
    return [round(steps - i * steps / count) - 1 for i in range(count)]


@dataclass(frozen=True)
class Posterior:
    """Gaussian of the next sample given the clean estimate (Eq. 5-7)."""

    mean: Tensor
    log_variance_min: Tensor
    log_variance_max: Tensor


class Schedule:
    """Noise levels of a full schedule, and the Gaussians between its steps.

    Parameters
    ----------
    name : {"cosine", "linear"}
    steps : int
        Length of the full schedule.
    """

    def __init__(self, name: str = "cosine", steps: int = 1000) -> None:
        self.name = name
        self.steps = steps
        self.alphas_cumprod: Float64 = SCHEDULES[name](steps)
        self._alpha = torch.from_numpy(np.sqrt(self.alphas_cumprod)).float()
        self._sigma = torch.from_numpy(np.sqrt(1 - self.alphas_cumprod)).float()

    def _at(self, t: Tensor, like: Tensor) -> tuple[Tensor, Tensor]:
        index = t.long().cpu()
        shape = (-1,) + (1,) * (like.ndim - 1)
        return (
            self._alpha[index].to(like.device).view(shape),
            self._sigma[index].to(like.device).view(shape),
        )

    def add_noise(self, x0: Tensor, noise: Tensor, t: Tensor) -> Tensor:
        """Sample ``q(z_t | x0)``: ``sqrt(a) x0 + sqrt(1 - a) noise``."""
        alpha, sigma = self._at(t, x0)
        return alpha * x0 + sigma * noise

    def posterior(self, x0: Tensor, z: Tensor, t: int, t_next: int) -> Posterior:
        """``q(z_next | z_t, x0)`` between two steps of a respaced chain (Eq. 5-6).

        Parameters
        ----------
        x0, z : Tensor
            Clean estimate and sample at step `t`.
        t, t_next : int
            Step numbers of the full schedule, ``t > t_next``.
        """
        a, a_next = float(self.alphas_cumprod[t]), float(self.alphas_cumprod[t_next])
        beta = 1 - a / a_next
        variance = beta * (1 - a_next) / (1 - a)
        mean = (
            math.sqrt(a_next) * beta / (1 - a) * x0
            + math.sqrt(a / a_next) * (1 - a_next) / (1 - a) * z
        )
        lowest = torch.tensor(math.log(max(variance, 1e-20)), device=z.device)
        highest = torch.tensor(math.log(max(beta, 1e-20)), device=z.device)
        return Posterior(mean, lowest, highest)

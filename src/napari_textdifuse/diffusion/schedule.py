"""Noise schedules of a 1000-step diffusion, and the steps a sampler visits."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
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


def even_timesteps(count: int, steps: int = 1000) -> list[int]:
    """Return `count` step numbers from the noisiest down to 0, evenly spaced.

    The spacing of the authors' released code: ``i (steps - 1) / (count - 1)``, rounded half to
    even.

    Raises
    ------
    ValueError
        If `count` is not between 2 and `steps`.
    """
    if not 2 <= count <= steps:
        raise ValueError(f"steps must be between 2 and {steps}, not {count}.")
    return [round(i * (steps - 1) / (count - 1)) for i in reversed(range(count))]


class RespacedSchedule:
    """Closed forms of a chain that visits some steps only (Nichol & Dhariwal 2021, Sec. 4).

    All arrays are float64 and run along the visited steps, index 0 the least noise.

    Parameters
    ----------
    alphas_cumprod : ndarray, shape (T,)
        Of the full schedule.
    timesteps : sequence of int
        Visited steps in any order.

    Attributes
    ----------
    timestep_map : ndarray of int
    betas, alphas_cumprod : ndarray
    posterior_mean_coef1, posterior_mean_coef2 : ndarray
        Factors of the clean estimate and of the sample in the posterior mean (Eq. 6).
    posterior_variance : ndarray
    posterior_log_variance_clipped : ndarray
        Its logarithm, with the value at index 1 repeated at index 0, where the variance is 0
        (beta if there is no index 1).
    """

    def __init__(self, alphas_cumprod: Float64, timesteps: Sequence[int]) -> None:
        self.timestep_map = np.sort(np.asarray(timesteps, dtype=np.int64))
        acp = alphas_cumprod[self.timestep_map]
        before = np.append(1.0, acp[:-1])
        self.alphas_cumprod: Float64 = acp
        self.betas: Float64 = 1 - acp / before
        self.posterior_variance: Float64 = self.betas * (1 - before) / (1 - acp)
        clipped = self.posterior_variance.copy()
        clipped[0] = clipped[1] if len(clipped) > 1 else self.betas[0]
        self.posterior_log_variance_clipped: Float64 = np.log(clipped)
        self.posterior_mean_coef1: Float64 = self.betas * np.sqrt(before) / (1 - acp)
        self.posterior_mean_coef2: Float64 = (1 - before) * np.sqrt(1 - self.betas) / (1 - acp)

    def log_variance(self, variance: Tensor, i: int) -> Tensor:
        """Interpolate the learned-range log variance at visited step `i`.

        Parameters
        ----------
        variance : Tensor
            The network's coefficient; -1 is the posterior variance, 1 is beta; not clamped.
        i : int
        """
        share = (variance + 1) / 2
        low, high = self.posterior_log_variance_clipped[i], math.log(self.betas[i])
        return share * high + (1 - share) * float(low)


class Schedule:
    """Noise levels of a full schedule.

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

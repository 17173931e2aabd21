"""Noise schedules and samplers; no networks and no files."""

from .sampler import SAMPLERS, Sampler, make_sampler
from .schedule import (
    Respaced,
    Schedule,
    cosine_alphas_cumprod,
    even_timesteps,
    linear_alphas_cumprod,
    trailing_timesteps,
)

__all__ = [
    "SAMPLERS",
    "Respaced",
    "Sampler",
    "Schedule",
    "cosine_alphas_cumprod",
    "even_timesteps",
    "linear_alphas_cumprod",
    "make_sampler",
    "trailing_timesteps",
]

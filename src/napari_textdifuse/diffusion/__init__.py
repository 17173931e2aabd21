"""Noise schedules and samplers; no networks and no files."""

from .sampler import SAMPLERS, next_sample
from .schedule import Schedule, cosine_alphas_cumprod, linear_alphas_cumprod, trailing_timesteps

__all__ = [
    "SAMPLERS",
    "Schedule",
    "cosine_alphas_cumprod",
    "linear_alphas_cumprod",
    "next_sample",
    "trailing_timesteps",
]

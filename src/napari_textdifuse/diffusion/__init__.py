"""Noise schedules and samplers; no networks and no files."""

from .sampler import SAMPLERS, Sampler, make_sampler
from .schedule import (
    RespacedSchedule,
    Schedule,
    cosine_alphas_cumprod,
    even_timesteps,
    linear_alphas_cumprod,
    trailing_timesteps,
)

__all__ = [
    "SAMPLERS",
    "RespacedSchedule",
    "Sampler",
    "Schedule",
    "cosine_alphas_cumprod",
    "even_timesteps",
    "linear_alphas_cumprod",
    "make_sampler",
    "trailing_timesteps",
]

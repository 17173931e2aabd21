"""Noise schedules and samplers, without networks or files.

In: the number of steps, a sample and the clean estimate that a network made from it.
Out: step numbers of the schedule, and the sample of the next step.
"""

from .sampler import SAMPLERS, Sampler, make_sampler, step_generator
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
    "step_generator",
    "trailing_timesteps",
]

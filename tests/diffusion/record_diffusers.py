"""Record what the schedulers of the diffusers package give; ``pip install diffusers`` first.

    python tests/diffusion/record_diffusers.py

Recorded instead of imported by the tests: the package brings 60 MB and seconds of import time.
"""

from pathlib import Path

import numpy as np
import torch
from diffusers import DDIMScheduler, DDPMScheduler, DPMSolverMultistepScheduler

COMMON = {
    "num_train_timesteps": 1000,
    "beta_start": 1e-4,
    "beta_end": 0.02,
    "beta_schedule": "linear",
    "prediction_type": "sample",
    "timestep_spacing": "trailing",
}


def chain(scheduler, noise, estimates, **options):
    z, states = noise, []
    for t, x0 in zip(scheduler.timesteps, estimates, strict=True):
        z = scheduler.step(x0, t, z, **options).prev_sample
        states.append(z)
    return torch.stack(states).numpy()


def main() -> None:
    g = torch.Generator().manual_seed(0)
    noise = torch.randn(1, 1, 6, 6, generator=g)
    estimates = torch.rand(5, 1, 1, 6, 6, generator=g) * 2 - 1
    ddim = DDIMScheduler(**COMMON, clip_sample=False, set_alpha_to_one=True)
    solver = DPMSolverMultistepScheduler(**COMMON, final_sigmas_type="zero")
    ancestral = DDPMScheduler(**COMMON, clip_sample=False, variance_type="fixed_small")
    # a divisor of 1000: with others their DDIM steps to other timesteps than it lists
    for scheduler in (ddim, solver, ancestral):
        scheduler.set_timesteps(5)
    noisy = chain(ancestral, noise, estimates, generator=torch.Generator().manual_seed(5))
    ancestral._get_variance = lambda *args, **kwargs: torch.tensor(0.0)
    np.savez_compressed(
        Path(__file__).parent / "data" / "diffusers.npz",
        timesteps=ddim.timesteps.numpy(),
        noise=noise.numpy(),
        estimates=estimates.numpy(),
        **{
            "ddim": chain(ddim, noise, estimates),
            "dpm++": chain(solver, noise, estimates),
            "ancestral": noisy,
            "mean": chain(ancestral, noise, estimates),
        },
    )


if __name__ == "__main__":
    main()

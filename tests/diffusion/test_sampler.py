from __future__ import annotations

import math
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch

from napari_textdifuse.diffusion import (
    SAMPLERS,
    Schedule,
    linear_alphas_cumprod,
    make_sampler,
    trailing_timesteps,
)

RECORDED = Path(__file__).parent / "data" / "diffusers.npz"
#: Data of a single Gaussian, for which the best clean estimate and the chain's end are known.
MEAN, SPREAD = 0.4, 0.3


def best_estimate(schedule: Schedule, z: torch.Tensor, t: int) -> torch.Tensor:
    """``E[x0 | z]`` for x0 ~ N(MEAN, SPREAD^2)."""
    a = schedule.alphas_cumprod[t]
    gain = math.sqrt(a) * SPREAD**2 / (a * SPREAD**2 + 1 - a)
    return MEAN + gain * (z - math.sqrt(a) * MEAN)


def run(name: str, steps: list[int], z: torch.Tensor, seed: int = 0, v: float = 0.0):
    schedule, states = Schedule(), []
    sampler = make_sampler(name, schedule, steps, torch.Generator().manual_seed(seed))
    for i, t in enumerate(steps):
        x0 = best_estimate(schedule, z, t)
        z = sampler.step(i, z, x0, torch.full_like(z, v))
        states.append(z)
    return states


def exact_flow(schedule: Schedule, z: torch.Tensor, t: int, t_next: int) -> torch.Tensor:
    """Solution of the probability-flow equation: quantiles of the Gaussians are kept."""

    def moments(n: int) -> tuple[float, float]:
        a = schedule.alphas_cumprod[n]
        return math.sqrt(a) * MEAN, math.sqrt(a * SPREAD**2 + 1 - a)

    (mean, spread), (mean_next, spread_next) = moments(t), moments(t_next)
    return mean_next + spread_next * (z - mean) / spread


@pytest.mark.parametrize(("name", "order"), [("ddim", 1), ("dpm++", 2)])
def test_solvers_converge_to_the_exact_flow_at_their_order(name, order):
    # between two levels where the schedule's own last, clipped step does not dominate
    z = torch.linspace(-2, 2, 9, dtype=torch.float64)
    exact = exact_flow(Schedule(), z, 900, 100)
    errors = []
    for count in (64, 128, 256):
        steps = [round(900 - 800 * i / count) for i in range(count + 1)]
        errors.append(float((run(name, steps, z)[-2] - exact).abs().max()))
    rates = [math.log2(a / b) for a, b in pairwise(errors)]
    assert min(rates) > order - 0.25
    assert max(rates) < order + 0.25


def test_the_second_order_solver_needs_fewer_steps():
    z = torch.linspace(-2, 2, 9, dtype=torch.float64)
    steps = [900, 700, 500, 300, 100]
    exact = exact_flow(Schedule(), z, 900, 100)
    ddim, solver = (float((run(n, steps, z)[-2] - exact).abs().max()) for n in ("ddim", "dpm++"))
    assert solver < ddim / 2


@pytest.mark.parametrize("name", ["ddim", "dpm++", "ancestral", "mean"])
def test_numbers_recorded_from_diffusers(name):
    """See record_diffusers.py next to the recorded numbers."""
    recorded = np.load(RECORDED)
    steps = recorded["timesteps"].tolist()
    schedule = Schedule("linear")
    np.testing.assert_allclose(schedule.alphas_cumprod, linear_alphas_cumprod())
    z = torch.from_numpy(recorded["noise"])
    sampler = make_sampler(name, schedule, steps, torch.Generator().manual_seed(5))
    for i in range(len(steps)):
        x0 = torch.from_numpy(recorded["estimates"][i])
        z = sampler.step(i, z, x0, torch.full_like(z, -1.0))
        np.testing.assert_allclose(z, recorded[name][i], rtol=0, atol=2e-6)


def test_ddim_with_the_true_image_lands_on_the_noised_image():
    schedule = Schedule()
    g = torch.Generator().manual_seed(0)
    x0, noise = (torch.randn(1, 1, 8, 8, generator=g) for _ in range(2))
    z = schedule.add_noise(x0, noise, torch.tensor([749]))
    expected = schedule.add_noise(x0, noise, torch.tensor([249]))
    found = make_sampler("ddim", schedule, [749, 249]).step(0, z, x0, x0)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)


def test_ancestral_noise_has_the_learned_variance():
    schedule, z = Schedule(), torch.zeros(1, 1, 200, 200)
    a_next, a = schedule.alphas_cumprod[[400, 600]]
    beta = 1 - a / a_next

    def spread(coefficient: float) -> float:
        g = torch.Generator().manual_seed(3)
        sampler = make_sampler("ancestral", schedule, [600, 400], g)
        return float(sampler.step(0, z, z, torch.full_like(z, coefficient)).var())

    # between index 0 and 1 of a respaced chain; -1 is the posterior variance, 1 is beta
    assert spread(-1) == pytest.approx(beta * (1 - a_next) / (1 - a), rel=0.03)
    assert spread(1) == pytest.approx(beta, rel=0.03)


@pytest.mark.parametrize("name", SAMPLERS)
def test_only_the_ancestral_sampler_depends_on_its_seed(name):
    z, steps = torch.linspace(-1, 1, 16), trailing_timesteps(5)
    same = [
        torch.equal(a, b) for a, b in zip(*(run(name, steps, z, s) for s in (0, 1)), strict=True)
    ]
    assert same == [name != "ancestral"] * 5


def test_ancestral_chains_end_in_the_distribution_of_the_data():
    z = torch.randn(20_000, generator=torch.Generator().manual_seed(1))
    end = run("ancestral", trailing_timesteps(200), z, v=-1.0)[-2]
    assert float(end.mean()) == pytest.approx(MEAN, abs=0.02)
    assert float(end.std()) == pytest.approx(SPREAD, rel=0.05)
    # without the noise term the spread is lost
    assert float(run("mean", trailing_timesteps(200), z)[-2].std()) < SPREAD / 2


@pytest.mark.parametrize("name", SAMPLERS)
def test_the_last_step_returns_the_clean_estimate_itself(name):
    x = torch.ones(1, 1, 2, 2)
    assert make_sampler(name, Schedule(), [249]).step(0, x * 2, x, x) is x


def test_chains_that_cannot_be_are_refused():
    with pytest.raises(ValueError, match="'euler'"):
        make_sampler("euler", Schedule(), [999, 499])
    for steps in ([], [1, 1], [1, 2]):
        with pytest.raises(ValueError, match="must decrease"):
            make_sampler("ddim", Schedule(), steps)
    for steps in ([1000, 499], [999, -1]):
        with pytest.raises(ValueError, match="between 0 and 999"):
            make_sampler("ddim", Schedule(), steps)

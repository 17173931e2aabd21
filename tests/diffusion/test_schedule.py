from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from napari_textdifuse.diffusion import (
    Schedule,
    cosine_alphas_cumprod,
    linear_alphas_cumprod,
    next_sample,
    trailing_timesteps,
)


def test_cosine_schedule_follows_the_published_formula():
    acp = cosine_alphas_cumprod(1000)

    def f(u):
        return math.cos((u + 0.008) / 1.008 * math.pi / 2) ** 2

    for i in (0, 1, 250, 500, 900):
        assert acp[i] == pytest.approx(f((i + 1) / 1000) / f(0), rel=1e-9)
    assert 0 < acp[-1] < 1e-6  # the last beta is clipped to 0.999
    assert (np.diff(acp) < 0).all()


def test_linear_schedule_follows_ho_et_al():
    acp = linear_alphas_cumprod(1000)
    assert acp[0] == pytest.approx(1 - 1e-4)
    assert acp[-1] == pytest.approx(np.prod(1 - np.linspace(1e-4, 0.02, 1000)))


@pytest.mark.parametrize(
    ("count", "expected"), [(1, [999]), (2, [999, 499]), (4, [999, 749, 499, 249])]
)
def test_trailing_timesteps_start_at_pure_noise(count, expected):
    assert trailing_timesteps(count) == expected


@pytest.mark.parametrize("count", [0, 1001])
def test_impossible_step_counts_are_refused(count):
    with pytest.raises(ValueError, match="between 1 and 1000"):
        trailing_timesteps(count)


def test_noise_and_signal_share_the_variance():
    schedule = Schedule()
    g = torch.Generator().manual_seed(0)
    x0, noise = (torch.randn(3, 1, 64, 64, generator=g) for _ in range(2))
    t = torch.tensor([0, 400, 999])
    z = schedule.add_noise(x0, noise, t)
    torch.testing.assert_close(z[0], x0[0], atol=0.05, rtol=0)
    torch.testing.assert_close(z[2], noise[2], atol=0.01, rtol=0)
    assert float(z[1].std()) == pytest.approx(1, abs=0.05)


def test_posterior_is_the_product_of_two_gaussians():
    """Bayes by completing the square, independent of the published coefficients."""
    schedule = Schedule()
    t, t_next = 600, 400
    a, a_next = schedule.alphas_cumprod[[t, t_next]]
    step = a / a_next  # z_t = sqrt(step) z_next + sqrt(1 - step) noise
    x0, z = 0.3, -0.7
    precision = step / (1 - step) + 1 / (1 - a_next)
    mean = (math.sqrt(step) * z / (1 - step) + math.sqrt(a_next) * x0 / (1 - a_next)) / precision
    found = schedule.posterior(torch.tensor(x0), torch.tensor(z), t, t_next)
    assert float(found.mean) == pytest.approx(mean, abs=1e-6)
    assert float(found.log_variance_min.exp()) == pytest.approx(1 / precision, rel=1e-5)
    assert float(found.log_variance_max.exp()) == pytest.approx(1 - step, rel=1e-5)


def test_ddim_with_the_true_image_lands_on_the_noised_image():
    schedule = Schedule()
    g = torch.Generator().manual_seed(0)
    x0, noise = (torch.randn(1, 1, 8, 8, generator=g) for _ in range(2))
    z = schedule.add_noise(x0, noise, torch.tensor([749]))
    expected = schedule.add_noise(x0, noise, torch.tensor([249]))
    found = next_sample(schedule, "ddim", z, x0, torch.zeros_like(x0), 749, 249)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)


def test_ancestral_noise_has_the_learned_variance():
    schedule = Schedule()
    x0 = torch.zeros(1, 1, 200, 200)
    z = torch.zeros_like(x0)

    def spread(coefficient: float) -> float:
        g = torch.Generator().manual_seed(3)
        variance = torch.full_like(x0, coefficient)
        return float(next_sample(schedule, "ancestral", z, x0, variance, 600, 400, g).var())

    bounds = schedule.posterior(x0, z, 600, 400)
    assert spread(-1) == pytest.approx(float(bounds.log_variance_min.exp()), rel=0.03)
    assert spread(1) == pytest.approx(float(bounds.log_variance_max.exp()), rel=0.03)


def test_last_step_returns_the_clean_estimate_and_unknown_samplers_are_refused():
    schedule, x = Schedule(), torch.ones(1, 1, 2, 2)
    assert next_sample(schedule, "ancestral", x * 2, x, x, 249, None) is x
    with pytest.raises(ValueError, match="ddim"):
        next_sample(schedule, "euler", x, x, x, 249, None)

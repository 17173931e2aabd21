from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
import torch

from napari_textdifuse.diffusion import (
    RespacedSchedule,
    Schedule,
    cosine_alphas_cumprod,
    even_timesteps,
    linear_alphas_cumprod,
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
    acp = Schedule().alphas_cumprod
    a_next, a = acp[[400, 600]]
    step = a / a_next  # z_t = sqrt(step) z_next + sqrt(1 - step) noise
    precision = step / (1 - step) + 1 / (1 - a_next)
    spaced = RespacedSchedule(acp, [600, 400])
    coef1, coef2 = spaced.posterior_mean_coef1[1], spaced.posterior_mean_coef2[1]
    assert coef1 == pytest.approx(math.sqrt(a_next) / (1 - a_next) / precision, rel=1e-9)
    assert coef2 == pytest.approx(math.sqrt(step) / (1 - step) / precision, rel=1e-9)
    assert spaced.posterior_variance[1] == pytest.approx(1 / precision, rel=1e-9)
    low, high = (spaced.log_variance(torch.tensor(v), 1).exp().item() for v in (-1.0, 1.0))
    assert (low, high) == (pytest.approx(1 / precision), pytest.approx(1 - step))


@pytest.mark.parametrize("steps", [5, 25])
def test_respaced_chains_have_the_released_numbers(goldens, steps):
    recorded = {k.split("/")[1]: goldens[k] for k in goldens if k.startswith(f"sched{steps}/")}
    times = even_timesteps(steps)
    spaced = RespacedSchedule(cosine_alphas_cumprod(), times)
    assert times[::-1] == recorded["timestep_map"].tolist()
    acp = spaced.alphas_cumprod
    found = vars(spaced) | {
        "sqrt_recip_alphas_cumprod": np.sqrt(1 / acp),
        "sqrt_recipm1_alphas_cumprod": np.sqrt(1 / acp - 1),
    }
    assert len(recorded) == 9
    for name, values in recorded.items():
        np.testing.assert_allclose(found[name], values, rtol=1e-9, atol=1e-12, err_msg=name)


def test_a_chain_of_all_steps_is_the_full_schedule():
    acp = cosine_alphas_cumprod()
    spaced = RespacedSchedule(acp, even_timesteps(1000))
    alpha_bar = [math.cos((i / 1000 + 0.008) / 1.008 * math.pi / 2) ** 2 for i in range(1001)]
    betas = [min(1 - b / a, 0.999) for a, b in pairwise(alpha_bar)]
    np.testing.assert_allclose(spaced.betas, betas, rtol=1e-6, atol=0)
    np.testing.assert_allclose(spaced.alphas_cumprod, acp)
    # a step of the full chain adds the variance that its beta says
    np.testing.assert_allclose(
        spaced.posterior_mean_coef1 * 1 + spaced.posterior_mean_coef2 * np.sqrt(acp),
        np.sqrt(np.append(1, acp[:-1])),
    )


@pytest.mark.parametrize("count", [1, 1001])
def test_the_even_spacing_needs_two_ends(count):
    with pytest.raises(ValueError, match="between 2 and 1000"):
        even_timesteps(count)
    assert even_timesteps(2) == [999, 0]

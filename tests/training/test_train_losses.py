from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy import ndimage
from skimage.metrics import structural_similarity

from napari_textdifuse.diffusion import Schedule
from napari_textdifuse.models.modulation import apply_gain
from napari_textdifuse.training.losses import (
    LEAST_ERROR,
    correlation_loss,
    fusion_loss,
    haze_loss,
    level_target,
    overshoot_loss,
    quantile_loss,
    similarity,
    slopes,
    structure_loss,
    variational_bound,
)


def test_variational_bound_is_least_for_the_true_image_and_variance():
    schedule = Schedule()
    g = torch.Generator().manual_seed(0)
    x0, noise = (torch.randn(4, 1, 8, 8, generator=g) for _ in range(2))
    t = torch.tensor([100, 300, 500, 700])
    z = schedule.add_noise(x0, noise, t)
    lowest = torch.full_like(x0, -1.0)

    def bound(estimate, variance):
        return float(variational_bound(schedule, z, x0, estimate, variance, t))

    assert bound(x0, lowest) == pytest.approx(0, abs=1e-4)
    assert bound(x0 + 0.5, lowest) > bound(x0 + 0.1, lowest) > 0
    assert bound(x0, -lowest) > 0


def test_fusion_loss_targets():
    x, y = torch.zeros(1, 1, 8, 8), torch.zeros(1, 1, 8, 8)
    x[..., 4:] = 1
    assert sum(fusion_loss(x, x, y)) == pytest.approx(0)
    # the maximum of both is x: with y as the result, half the image is off by 1
    assert float(fusion_loss(y, x, y)[0]) == pytest.approx(0.5)
    without = fusion_loss(y, x, y, intensity=0)
    assert float(without[0]) == 0
    assert float(without[1]) == float(fusion_loss(y, x, y)[1]) > 0
    assert float(fusion_loss(y, x, y, weight=0)[1]) == 0
    flipped = 1 - x  # same gradient magnitude, wrong sign
    assert float(fusion_loss(flipped, x, y, "magnitude", 1)[1]) == pytest.approx(0, abs=1e-3)
    assert float(fusion_loss(flipped, x, y, "signed", 1)[1]) > 0.1
    assert float(slopes(x)[0, 0].max()) == pytest.approx(1)  # scaled so that a step of 1 gives 1
    with pytest.raises(ValueError, match="signed"):
        fusion_loss(x, x, y, "other")


def test_emphasis_keeps_order_and_ends():
    v = torch.linspace(0, 1, 11)
    for gain in (1.0, -1.0):
        out = apply_gain(v, torch.full_like(v, gain))
        assert (out.diff() > 0).all()
        assert ((out - v) * gain >= -1e-3).all()
        torch.testing.assert_close(out[[0, -1]], v[[0, -1]], atol=0.03, rtol=0)
    torch.testing.assert_close(apply_gain(v, torch.zeros_like(v)), v, atol=1e-3, rtol=0)


def test_similarity_is_that_of_scikit_image():
    rng = np.random.default_rng(0)
    x = ndimage.gaussian_filter(rng.random((40, 50)), 2) * 4 % 1
    y = np.clip(x + rng.normal(0, 0.1, x.shape), 0, 1)
    tensors = [torch.from_numpy(v)[None, None] for v in (x, y)]
    expected = structural_similarity(
        x, y, win_size=7, data_range=1, use_sample_covariance=False, full=True
    )[1][3:-3, 3:-3].mean()
    assert float(similarity(*tensors)) == pytest.approx(expected, abs=1e-6)
    assert float(structure_loss(tensors[0], *tensors)) == pytest.approx(1 - expected, abs=1e-6)


def test_overshoot_counts_what_lies_beyond_both_sources():
    x, y = torch.tensor([[[[0.2, 0.6, 0.5]]]]), torch.tensor([[[[0.4, 0.3, 0.5]]]])
    within = torch.tensor([[[[0.3, 0.6, 0.5]]]])
    assert float(overshoot_loss(within, x, y)) == 0
    beyond = torch.tensor([[[[0.7, 0.2, 0.5]]]])  # 0.3 above, 0.1 below, 0
    assert float(overshoot_loss(beyond, x, y)) == pytest.approx(0.4 / 3)
    assert float(overshoot_loss(beyond, y, x)) == pytest.approx(0.4 / 3)


def test_haze_is_the_brightness_of_the_darkest_pixels_above_the_darker_source():
    x, y = torch.full((1, 1, 10, 10), 0.8), torch.full((1, 1, 10, 10), 0.5)
    x[..., 0, :2] = 0.1  # two pixels in a hundred
    fused = torch.full((1, 1, 10, 10), 0.6)
    fused[..., 5, :2] = torch.tensor([0.3, 0.4])
    assert float(haze_loss(fused, x, y)) == pytest.approx(0.35 - 0.1)
    assert float(haze_loss(fused, y, x)) == pytest.approx(0.35 - 0.1)
    assert float(haze_loss(x, fused, fused)) == 0


def test_the_level_follows_the_source_that_shows_something():
    flat, textured = torch.full((1, 1, 64, 64), 0.7), torch.full((1, 1, 64, 64), 0.2)
    textured[..., ::2] = 0.4
    level = level_target(flat, textured, "salience")
    assert (level - textured).abs().max() < 0.02
    torch.testing.assert_close(level_target(textured, flat, "salience"), level)
    assert level_target(flat, textured).equal(flat)
    for kind in ("maximum", "salience", "adaptive"):
        torch.testing.assert_close(level_target(textured, textured, kind), textured)
    with pytest.raises(ValueError, match="salience"):
        level_target(flat, flat, "other")
    assert float(fusion_loss(level, flat, textured, level="salience")[0]) == pytest.approx(0)


def test_the_adaptive_level_follows_salience_in_bright_pairs_only():
    flat, textured = torch.full((1, 1, 64, 64), 0.7), torch.full((1, 1, 64, 64), 0.2)
    textured[..., ::2] = 0.4
    way = (level_target(flat, textured, "adaptive") - flat) / (
        level_target(flat, textured, "salience") - flat
    )
    torch.testing.assert_close(way, torch.full_like(way, 0.6), atol=2e-3, rtol=0)
    dark = level_target(0.3 * flat, 0.3 * textured, "adaptive")  # mean .21, five widths below
    assert (dark - 0.3 * flat).abs().max() < 2e-3


def test_equal_pairs_do_not_count_in_the_correlation():
    x, y = torch.rand(2, 2, 1, 16, 16, generator=torch.Generator().manual_seed(0))
    each = [float(correlation_loss(x[i : i + 1], x[i : i + 1], y[i : i + 1])) for i in (0, 1)]
    counted = float(correlation_loss(x, x, y, torch.tensor([True, False])))
    assert counted == pytest.approx(each[0] / 2, rel=1e-4)
    assert float(correlation_loss(x, x, y)) == pytest.approx(sum(each) / 2, rel=1e-4)


def test_the_best_level_has_the_wanted_share_of_errors_below_it():
    error = torch.linspace(0, 1, 1001)  # nine in ten lie below 0.9
    best = float(quantile_loss(torch.tensor(0.9 + LEAST_ERROR).log(), error, 0.9))
    for bound in (0.85, 0.95):
        assert float(quantile_loss(torch.tensor(bound).log(), error, 0.9)) > best + 1e-4


def test_an_error_above_the_level_costs_nine_times_as_much_as_one_below():
    error = torch.tensor([0.1 - LEAST_ERROR])
    above = float(quantile_loss(torch.tensor(0.05).log(), error, 0.9))
    below = float(quantile_loss(torch.tensor(0.2).log(), error, 0.9))
    assert above == pytest.approx(0.9 * math.log(2))
    assert below == pytest.approx(0.1 * math.log(2))

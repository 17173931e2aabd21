"""What can be read back from fused colours, where the answer is known."""

from __future__ import annotations

import math

import numpy as np
import pytest

from napari_textdifuse.evaluation import METRICS, evaluate
from napari_textdifuse.evaluation.readback import readback

RNG = np.random.default_rng(0)
A, B, NOISE = (RNG.uniform(0.1, 1, (96, 96)) for _ in range(3))


def rgb(*channels: np.ndarray) -> np.ndarray:
    return np.stack(channels, axis=-1)


def test_a_copy_tells_all_of_one_and_nothing_of_the_other():
    a, b = readback(A, B, A)
    assert a == pytest.approx(1, abs=1e-3)
    assert b == pytest.approx(0, abs=0.12)  # the mean of 15 draws has 1 + 1/15 of the variance
    assert readback(A, B, B)[1] == pytest.approx(1, abs=1e-3)


def test_independent_channels_tell_both():
    assert min(readback(A, B, rgb(A, B, 0 * A))) > 0.99
    assert min(readback(A, B, rgb(A, (A + B) / 2, A))) > 0.99


def test_noise_tells_nothing():
    for value in readback(A, B, rgb(NOISE, NOISE, NOISE)):
        assert value == pytest.approx(-1 / 15, abs=0.06)


def test_any_invertible_change_of_the_copy_tells_all():
    assert readback(A, B, 1 - A**2)[0] == pytest.approx(1, abs=2e-3)


def test_the_mean_tells_half_of_each():
    """Of independent uniform sources, E[a | a + b] is the mean, which leaves half the variance."""
    for value in readback(A, B, (A + B) / 2):
        assert value == pytest.approx(0.5, abs=0.06)


def test_colour_that_is_clipped_away_is_not_read():
    level = RNG.uniform(0.2, 1, (96, 96))
    hot = rgb(level, 0.5 * level, 0 * level)
    assert readback(hot, B, np.ones((96, 96, 3)))[0] < 0
    assert readback(hot, B, rgb(level, B, 0 * B))[0] > 0.98


def test_only_pixels_that_say_something_count():
    """Black air around both is right for free; it must not raise the figure."""
    inside = np.zeros((96, 96))
    inside[16:80, 16:80] = 1
    a, b = A * inside, B * inside
    with_air = readback(a, b, (a + b) / 2)
    assert max(with_air) < 0.6


@pytest.mark.parametrize("a", [np.full((96, 96), 0.5), np.zeros((96, 96))])
def test_uniform_sources_have_nothing_to_read(a):
    assert math.isnan(readback(a, B, B)[0])
    assert readback(a, B, B)[1] == pytest.approx(1, abs=1e-3)


def test_small_images_are_undefined():
    assert math.isnan(evaluate(*(A[:20, :20],) * 3)["readback"])


def test_evaluate_gives_the_worse_of_both():
    both = readback(A, B, (A + B) / 2)
    assert METRICS[-1] == "readback"
    assert evaluate(A, B, (A + B) / 2)["readback"] == pytest.approx(min(both), abs=0.02)


def test_evaluate_takes_colours_and_integers_of_any_size():
    picture, grey = (np.rint(65535 * v).astype(np.uint16) for v in (rgb(A, B, 0 * A), B))
    fused = (rgb(A, B, 0 * A) * 255).astype(np.uint8)
    eight = (np.rint(255 * rgb(A, B, 0 * A)).astype(np.uint8), np.rint(255 * B).astype(np.uint8))
    assert evaluate(*eight, fused)["readback"] > 0.99
    assert evaluate(picture, grey, fused)["readback"] > 0.98

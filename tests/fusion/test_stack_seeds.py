"""Samples of one fusion draw from random numbers of their own."""

from __future__ import annotations

import numpy as np
import torch

from napari_textdifuse.diffusion import step_generator
from napari_textdifuse.fusion.chain import FusionChain


def test_no_sample_repeats_the_noise_of_another(tiny_pipeline, monkeypatch):
    drawn = []
    plain = FusionChain.base

    def base(self, x, y, noise, generator=None):
        again = torch.Generator()
        again.set_state(generator.get_state())
        drawn.append(noise.ravel().numpy().copy())
        drawn.append(torch.randn(noise.shape, generator=again).ravel().numpy())
        return plain(self, x, y, noise, generator)

    monkeypatch.setattr(FusionChain, "base", base)
    a, b = np.random.default_rng(0).random((2, 32, 40))
    tiny_pipeline(a, b, sampler="ancestral", samples=3, seed=7, steps=2)
    assert len(drawn) == 6
    alike = np.corrcoef(drawn) - np.eye(6)
    assert np.abs(alike).max() < 0.2


def test_the_starting_noise_is_that_of_the_seed(tiny_pipeline, monkeypatch):
    starts = []
    plain = FusionChain.base

    def base(self, x, y, noise, generator=None):
        starts.append(noise.clone())
        return plain(self, x, y, noise, generator)

    monkeypatch.setattr(FusionChain, "base", base)
    a, b = np.random.default_rng(0).random((2, 32, 40))
    tiny_pipeline(a, b, samples=2, seed=7, steps=1)
    for k, start in enumerate(starts):
        expected = torch.randn(start.shape[-2:], generator=torch.Generator().manual_seed(7 + k))
        assert torch.equal(start[0, 0], expected)


def test_the_steps_have_a_documented_seed():
    word = np.random.SeedSequence(3, spawn_key=(1,)).generate_state(1)[0]
    assert step_generator(3).initial_seed() == int(word)

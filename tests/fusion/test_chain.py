"""What couples the two chains (Eq. 12-13), and which noise each chain and sample gets."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
import torch

from napari_textdifuse.diffusion import Schedule
from napari_textdifuse.fusion.chain import FusionChain


@dataclass
class Features:
    sample: torch.Tensor
    share: torch.Tensor


class Linear:
    """Estimates half the sample plus half the first source; simple enough for closed forms."""

    multiple, dtype = 1, torch.float32

    def encode_and_weight(self, z, x, y, t):
        return Features(0.5 * z + 0.5 * x, torch.full_like(z, 0.25))

    def decode(self, weighted, t):
        return weighted.sample, torch.zeros_like(weighted.sample)

    def decode_with_error(self, weighted, t):
        return *self.decode(weighted, t), torch.full_like(weighted.sample, 0.1)


def draw(seed):
    return 0.5 * torch.randn(1, 1, 6, 8, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("sampler", ["ddim", "mean"])
def test_the_modulated_chain_starts_every_step_from_both_samples(sampler):
    """Eq. 13: outside the mask the base chain's sample, inside its own, on the edge a mix."""
    network, times = Linear(), [800, 500, 200]
    chain = FusionChain(network, Schedule("cosine"), times, sampler)
    x, y, noise = draw(0), draw(1), draw(2)
    base = list(chain.base(x, y, noise))
    blend = torch.zeros_like(x)
    blend[..., 2:5, 2:7] = 0.5
    blend[..., 3:4, 3:6] = 1
    seen = []

    def brighter(i, z, t):
        seen.append(z)
        found = network.encode_and_weight(z, x, y, t)
        return Features(found.sample + 0.2, found.share)

    estimates = list(chain.modulated(base, brighter, blend))
    own, stepper = noise, chain.start()
    for i, step in enumerate(base):
        mixed = (1 - blend) * step.z + blend * own
        torch.testing.assert_close(seen[i], mixed)
        changed = (0.5 * mixed + 0.5 * x + 0.2).clamp(-1, 1)
        torch.testing.assert_close(estimates[i], (1 - blend) * step.estimate + blend * changed)
        own = stepper.step(i, mixed, changed, torch.zeros_like(x))
    # the chains part inside the mask, so that the mix is not the chain's own sample anywhere else
    assert (own - base[-1].z).abs()[blend > 0].max() > 0.1
    for i, step in enumerate(base):
        assert torch.equal(seen[i][blend == 0], step.z[blend == 0])


def test_samples_are_the_mean_and_deviation_of_single_seeds(tiny_pipeline):
    rng = np.random.default_rng(3)
    a, b = rng.random((2, 21, 30), dtype=np.float32)
    mask = np.zeros(a.shape, np.uint8)
    mask[4:12, 5:20] = 1
    single = [tiny_pipeline(a, b, mask=mask, seed=seed) for seed in (5, 6, 7)]
    several = tiny_pipeline(a, b, mask=mask, seed=5, samples=3)
    fused = np.stack([one.fused for one in single])
    np.testing.assert_allclose(several.fused, fused.mean(axis=0), atol=1e-6)
    np.testing.assert_allclose(several.uncertainty, fused.std(axis=0), atol=1e-6)
    assert several.uncertainty.mean() > 1e-3
    np.testing.assert_array_equal(several.contribution, single[0].contribution)


def test_ancestral_noise_is_not_the_starting_noise(tiny_pipeline, monkeypatch):
    started = []

    def upcoming(generator, like):
        copy = torch.Generator()
        copy.set_state(generator.get_state())
        return torch.randn(like.shape, generator=copy)

    base, modulated = FusionChain.base, FusionChain.modulated

    def watched_base(self, x, y, noise, generator=None):
        started.append((noise, upcoming(generator, noise)))
        return base(self, x, y, noise, generator)

    def watched_modulated(self, steps, encode_and_weight, blend, generator=None, *rest):
        started.append((steps[0].z, upcoming(generator, blend)))
        return modulated(self, steps, encode_and_weight, blend, generator, *rest)

    monkeypatch.setattr(FusionChain, "base", watched_base)
    monkeypatch.setattr(FusionChain, "modulated", watched_modulated)
    a, b = np.random.default_rng(3).random((2, 24, 32), dtype=np.float32)
    tiny_pipeline(a, b, mask=a > 0.8, sampler="ancestral", steps=3)
    (noise, first), (again, second) = started
    assert torch.equal(noise, again)
    assert torch.equal(first, second)  # both chains get the same
    assert abs(np.corrcoef(noise.ravel(), first.ravel())[0, 1]) < 0.2


def test_the_error_comes_with_the_first_step():
    chain = FusionChain(Linear(), Schedule("cosine"), [800, 500, 200])
    steps = list(chain.base(draw(0), draw(1), draw(2)))
    assert [step.error is None for step in steps] == [False, True, True]
    assert steps[-1].only(0).z.shape == (1, 1, 6, 8)

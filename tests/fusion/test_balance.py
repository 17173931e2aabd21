"""More of one image or of the other, in the whole image."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import ndimage
from skimage.metrics import structural_similarity

from napari_textdifuse import FusionPipeline, Volume
from napari_textdifuse.diffusion import make_sampler
from napari_textdifuse.errors import InputError
from napari_textdifuse.fusion.chain import FusionChain
from napari_textdifuse.models.fusion_control import lean_weights

LEVELS = (-1.0, -0.6, -0.2, 0.0, 0.2, 0.6, 1.0)


@pytest.fixture(scope="module")
def pipe() -> FusionPipeline:
    return FusionPipeline.from_pretrained(device="cpu")


def texture(seed: int) -> np.ndarray:
    """Smooth structure between 0.1 and 0.9."""
    noise = ndimage.gaussian_filter(np.random.default_rng(seed).random((96, 96)), 4)
    return (0.1 + 0.8 * (noise - noise.min()) / np.ptp(noise)).astype(np.float32)


@pytest.fixture(scope="module")
def pair() -> tuple[np.ndarray, np.ndarray]:
    return texture(0), texture(1)


def restored_alone(pipe: FusionPipeline, image: np.ndarray, steps: int) -> np.ndarray:
    """The single restoration chain of Eq. 1, written out."""
    network = pipe.backend.network
    times = pipe.backend.timesteps(steps)
    noise = torch.randn((1, *image.shape), generator=torch.Generator().manual_seed(0))
    z, condition = noise[None], torch.from_numpy(image)[None, None] * 2 - 1
    sampler = make_sampler("ddim", pipe.backend.schedule, times, None)
    with torch.inference_mode():
        for i, t in enumerate(times):
            estimate, variance = network.restore(z, condition, torch.full((1,), t))
            estimate = estimate.clamp(-1, 1)
            z = sampler.step(i, z, estimate, variance)
    return ((estimate[0, 0] + 1) / 2).numpy()


def test_weights_by_hand():
    weights = torch.tensor([0.3, 0.9])  # of X and of Y
    torch.testing.assert_close(lean_weights(weights, 0.5), torch.tensor([0.15, 0.95]))
    torch.testing.assert_close(lean_weights(weights, -0.5), torch.tensor([0.65, 0.45]))
    torch.testing.assert_close(lean_weights(weights, 1.0), torch.tensor([0.0, 1.0]))
    torch.testing.assert_close(lean_weights(weights, -1.0), torch.tensor([1.0, 0.0]))


def test_the_ends_are_the_restored_single_images(pipe, pair):
    for balance, image in ((-1, pair[0]), (1, pair[1])):
        fused = pipe(*pair, steps=2, balance=balance).fused
        alone = restored_alone(pipe, image, 2)
        np.testing.assert_allclose(fused, np.clip(alone, 0, 1), atol=2e-3)
        assert structural_similarity(fused, alone, data_range=1) >= 0.97


def test_zero_changes_nothing(pipe, pair):
    np.testing.assert_array_equal(pipe(*pair, steps=1, balance=0).fused, pipe(*pair, steps=1).fused)


def test_it_is_monotone(pipe, pair):
    results = [pipe(*pair, steps=1, balance=b) for b in LEVELS]
    for image, falling in ((pair[0], False), (pair[1], True)):
        away = np.array([np.abs(r.fused - image).mean() for r in results])
        assert (np.diff(away) * (-1 if falling else 1) > 0).all()
    shares = np.array([r.contribution.mean() for r in results])
    assert (np.diff(shares) < 0).all()
    assert shares[0] == pytest.approx(1, abs=1e-6)
    assert shares[-1] == pytest.approx(0, abs=1e-6)


def test_pet_alone_has_its_own_colours_and_mri_alone_has_none(pipe, pair):
    a = Volume(pair[0], modality="MR", window=(0.0, 1.0))
    b = Volume(pair[1], modality="PT", unit="SUVbw", window=(0.0, 1.0))
    mri = pipe(a, b, steps=1, balance=-1).fused
    assert np.ptp(mri, axis=-1).max() < 1e-6
    assert structural_similarity(mri[..., 0], pair[0], data_range=1) >= 0.97
    pet, swapped = pipe(a, b, steps=1, balance=1).fused, pipe(b, a, steps=1, balance=-1).fused
    np.testing.assert_allclose(pet, swapped, atol=2e-3)
    from napari_textdifuse.colormaps import apply_colours, colour_table

    own = apply_colours(colour_table(), pair[1])
    assert np.abs(pet - own).mean() < 0.02


def test_objects_still_stand_out(pipe, pair):
    mask = np.zeros((96, 96), np.uint8)
    mask[30:60, 30:60] = 1
    plain = pipe(*pair, steps=1, balance=0.5)
    shown = pipe(*pair, mask=mask, steps=1, balance=0.5)
    np.testing.assert_array_equal(plain.fused[mask == 0], shown.fused[mask == 0])
    assert np.abs(plain.fused - shown.fused)[mask == 1].mean() > 0.02
    assert shown.record["balance"] == 0.5


def test_the_chain_leans_at_every_step(pipe, pair):
    """With the sample of another step, too, nothing of the other image comes in."""
    network = pipe.backend.network
    x, y = (torch.from_numpy(v)[None, None] * 2 - 1 for v in pair)
    noise = torch.randn(x.shape, generator=torch.Generator().manual_seed(0))
    for other in (-x, 0 * x):
        chains = [
            FusionChain(network, pipe.backend.schedule, pipe.backend.timesteps(3), balance=1.0)
            for _ in range(2)
        ]
        with torch.inference_mode():
            ends = [
                list(chain.base(v, y, noise))[-1].estimate
                for chain, v in zip(chains, (x, other), strict=True)
            ]
        torch.testing.assert_close(*ends, atol=1e-4, rtol=0)


@pytest.mark.parametrize("bad", [-1.1, 2, float("nan"), "more", True, None])
def test_what_is_not_a_balance(pipe, pair, bad):
    with pytest.raises(InputError, match="balance must be between -1 and 1"):
        pipe(*pair, steps=1, balance=bad)

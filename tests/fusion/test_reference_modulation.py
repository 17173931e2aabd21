"""Re-modulation of the reference network: the FCM tuned at test time."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import ndimage

from napari_textdifuse.diffusion import Schedule
from napari_textdifuse.fusion.chain import FusionChain
from napari_textdifuse.fusion.reference_modulation import (
    LEARNING_RATE,
    TunedControl,
    local_contrast,
    modulation_loss,
    small_size,
)
from napari_textdifuse.models.gradients import magnitude, sobel


def magnitude_of_slopes(image):
    return magnitude(sobel(image, replicate=False))


def picture(seed, shape=(16, 16)):
    return torch.rand(1, 1, *shape, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def test_gradient_and_contrast_against_plain_formulas():
    image = (picture(0, (20, 30)) + 1) / 2
    plain = image[0, 0].numpy().astype(np.float64)
    slopes = [ndimage.sobel(plain, axis, mode="constant") for axis in (0, 1)]
    np.testing.assert_allclose(magnitude_of_slopes(image)[0, 0], np.hypot(*slopes), atol=1e-4)
    mean, square = (ndimage.uniform_filter(v, 5, mode="constant") for v in (plain, plain**2))
    np.testing.assert_allclose(local_contrast(image)[0, 0], np.sqrt(square - mean**2), atol=1e-5)


def test_loss_keeps_outside_and_rewards_contrast_inside():
    wanted = picture(0) * 0.3
    weight = torch.zeros_like(wanted)
    area = torch.tensor(64.0)
    assert modulation_loss(wanted, wanted, weight, area) == 0
    assert modulation_loss(wanted + 0.2, wanted, weight, area) > 0.09
    weight[..., 4:12, 4:12] = 1
    expected = -(100 * magnitude_of_slopes((wanted + 1) / 2) + 3 * local_contrast((wanted + 1) / 2))
    found = modulation_loss(wanted, wanted, weight, area)
    assert found.item() == pytest.approx(expected[..., 4:12, 4:12].mean().item(), rel=1e-5)
    livelier = torch.where(weight > 0, wanted * 2, wanted)
    assert modulation_loss(livelier, wanted, weight, area) < found
    assert modulation_loss(wanted, wanted, weight / 2, area) == pytest.approx(found.item() / 2)


@pytest.mark.parametrize(
    ("size", "small"),
    [
        ((480, 640), (256, 352)),
        ((640, 480), (352, 256)),
        ((256, 256), (256, 256)),
        ((32, 48), (32, 48)),
        ((16, 640), (16, 640)),
    ],
)
def test_small_version(size, small):
    assert small_size(*size) == small


@pytest.fixture(scope="module")
def chain(reference_network):
    return FusionChain(reference_network, Schedule("cosine"), [500, 250, 0], "mean")


@pytest.fixture(scope="module")
def base(chain):
    with torch.inference_mode():
        return list(chain.base(picture(1), picture(2), torch.randn(1, 1, 16, 16)))


def modulated(chain, base):
    """Run the modulated chain as the engine does; also returns the tuned copy's owner."""
    blend = torch.zeros(1, 1, 16, 16)
    blend[..., 4:12, 4:12] = 1
    with torch.inference_mode():
        tuned = TunedControl(
            chain.network, picture(1), picture(2), base, blend, chain.start(), seed=3
        )
        return list(chain.modulated(base, tuned, blend)), tuned, blend


@pytest.fixture(scope="module")
def once(chain, base):
    return modulated(chain, base)


def test_only_the_mask_changes(base, once):
    estimates, _, blend = once
    assert len(estimates) == 3
    for step, estimate in zip(base, estimates, strict=True):
        assert torch.equal(estimate[blend == 0], step.estimate[blend == 0])
    assert not torch.equal(estimates[-1][blend == 1], base[-1].estimate[blend == 1])


def test_the_copy_is_tuned_and_the_network_is_not(reference_network, goldens, once):
    _, tuned, _ = once
    own, copied = reference_network.fcm.state_dict(), tuned.fcm.state_dict()
    moved = (copied["outBlock1.2.weight"] - own["outBlock1.2.weight"]).abs().max().item()
    assert 0.5 * LEARNING_RATE < moved < 4 * LEARNING_RATE  # Adam: at most about one rate a step
    for name in ("middleBlock4.2.weight", "CBMA4.spatial_attention.conv2d.bias"):
        assert torch.equal(copied[name], own[name])
    assert not any(p.requires_grad for p in reference_network.parameters())
    assert torch.equal(own["inBlock.bias"], reference_network.fcm.inBlock.bias)


def test_nothing_is_carried_over(chain, base, once):
    again, _, _ = modulated(chain, base)
    for one, two in zip(once[0], again, strict=True):
        assert torch.equal(one, two)


def test_tuning_lowers_its_loss(reference_network, chain):
    """Repeated steps on one sample; the released rate is too small to see in three."""
    with torch.inference_mode():
        base = list(chain.base(picture(1), picture(2), torch.randn(1, 1, 16, 16)))
        gain = torch.ones(1, 1, 16, 16)
        tuned = TunedControl(
            reference_network, picture(1), picture(2), base, gain, chain.start(), seed=3
        )
    t, losses = torch.tensor([250]), []
    start = tuned.z.clone()
    for _ in range(3):
        tuned.z = start
        with torch.no_grad():
            weighted = reference_network.encode_and_weight(
                start, *tuned.small_pair, t, fcm=tuned.fcm
            )
            estimate, _ = reference_network.decode(weighted, t)
        losses.append(modulation_loss(estimate, base[1].estimate, gain, tuned.area).item())
        with torch.inference_mode():
            tuned(1, start, t)
    assert losses[2] < losses[1] < losses[0]

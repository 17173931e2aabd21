"""The condition of the light network (restoration), and its expected error."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from napari_textdifuse.models import LightNetwork, UNetConfig, cast
from napari_textdifuse.models.uncertainty import FIRST, ErrorHead
from napari_textdifuse.models.unet import ResBlock

CONFIG = UNetConfig(base=8, multipliers=(1, 2), blocks=(1, 1), time_dim=16)


@pytest.fixture
def network() -> LightNetwork:
    torch.manual_seed(0)
    network = LightNetwork(CONFIG)
    for parameter in network.parameters():
        if not parameter.any():
            nn.init.normal_(parameter, std=0.1)
    return network.eval()


def inputs(n: int = 2):
    g = torch.Generator().manual_seed(1)
    z, x, y = (torch.randn(n, 1, 32, 32, generator=g) for _ in range(3))
    return z, x, y, torch.full((n,), 500)


def fused(network: LightNetwork, restore: torch.Tensor | None, swapped: bool = False):
    z, x, y, t = inputs()
    pair = (y, x) if swapped else (x, y)
    with torch.no_grad():
        return network.decode(network.encode_and_weight(z, *pair, t, restore), t)[0]


def test_full_restoration_is_what_it_was_without_the_condition_bit_for_bit(network):
    assert fused(network, torch.ones(4, 2)).equal(fused(network, None))


@pytest.mark.parametrize("kind", [0, 1])
def test_each_kind_reaches_the_image(network, kind):
    restore = torch.ones(4, 2)
    restore[:, kind] = 0
    assert not torch.allclose(fused(network, restore), fused(network, None), atol=1e-3)


def test_a_new_condition_is_without_effect():
    torch.manual_seed(0)
    fresh = LightNetwork(CONFIG)
    nn.init.normal_(fresh.decoder.head.weight)
    assert fused(fresh, torch.zeros(4, 2)).equal(fused(fresh, None))


def test_exchanging_sources_and_strengths_exchanges_nothing_in_the_result(network):
    strengths = torch.rand(4, 2, generator=torch.Generator().manual_seed(2))
    first, second = strengths.chunk(2)
    there = fused(network, strengths)
    back = fused(network, torch.cat([second, first]), swapped=True)
    torch.testing.assert_close(there, back, atol=1e-5, rtol=1e-5)


def test_older_networks_have_no_condition():
    old = {k: v for k, v in CONFIG.to_dict().items() if k not in ("restore", "uncertainty")}
    network = LightNetwork(UNetConfig.from_dict(old))
    assert not any(name.startswith(("restore", "error")) for name in network.state_dict())
    with pytest.raises(ValueError, match="always restore fully"):
        fused(network, torch.ones(4, 2))


def test_the_expected_error_comes_with_the_same_image(network):
    z, x, y, t = inputs()
    weighted = network.encode_and_weight(z, x, y, t)
    estimate, variance, error = network.decode_with_error(weighted, t)
    assert estimate.equal(network.decode(weighted, t)[0])
    assert variance.equal(network.decode(weighted, t)[1])
    assert error.shape == estimate.shape
    assert error.min() > 0
    assert error.std() > 0
    bare = LightNetwork(UNetConfig.from_dict(CONFIG.to_dict() | {"uncertainty": 0}))
    assert bare.decode_with_error(bare.encode_and_weight(z, x, y, t), t)[2] is None


def test_the_error_sends_no_gradient_into_the_image(network):
    z, x, y, t = inputs()
    network.decode_with_error(network.encode_and_weight(z, x, y, t), t)[2].log().mean().backward()
    moved = {name.split(".")[0] for name, p in network.named_parameters() if p.grad is not None}
    assert moved == {"error"}


def test_an_untrained_error_is_small_and_everywhere_the_same():
    head = ErrorHead(8, 4, 2)
    sources = torch.randn(2, 1, 12, 12)
    scale = head(torch.randn(1, 8, 6, 6), *torch.randn(2, 1, 1, 12, 12), sources).exp()
    torch.testing.assert_close(scale, torch.full((1, 1, 12, 12), FIRST))


def test_exchanging_the_sources_leaves_the_error(network):
    z, x, y, t = inputs()
    there, back = (
        network.decode_with_error(network.encode_and_weight(z, *pair, t), t)[2]
        for pair in ((x, y), (y, x))
    )
    torch.testing.assert_close(there, back, atol=1e-5, rtol=1e-4)


def test_the_error_depends_on_what_was_taken_from_the_sources(network):
    features, fused, residual = torch.randn(1, 8, 16, 16), *torch.zeros(2, 1, 1, 32, 32)
    near, far = torch.zeros(2, 1, 32, 32), torch.zeros(2, 1, 32, 32)
    far[1, 0, 16, 16] = 1
    change = network.error(features, fused, residual, far) - network.error(
        features, fused, residual, near
    )
    assert change.abs().amax() > 1e-3
    assert change.abs()[..., :4, :4].amax() > 0  # through the cell around


def test_the_error_stays_exact_in_half_precision(network):
    z, x, y, t = inputs()
    cast(network, torch.bfloat16)
    assert network.error.head.weight.dtype == torch.float32
    weighted = network.encode_and_weight(z, x, y, t, torch.zeros(4, 2))
    assert network.decode_with_error(weighted, t)[2].dtype == torch.float32


def test_one_embedding_for_all_items_is_that_of_each():
    torch.manual_seed(0)
    block = ResBlock(6, 6, 16)
    torch.nn.init.normal_(block.conv2.weight, std=0.3)  # starts at zero
    x, emb = torch.randn(3, 6, 8, 8), torch.randn(1, 16)
    one, each = block(x, emb), block(x, emb.expand(3, -1))
    torch.testing.assert_close(one, each)
    assert (one - block(x, 0 * emb)).abs().max() > 0.1

from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_textdifuse.models import FusionControl, LightNetwork, UNetConfig, cast

CONFIG = UNetConfig(base=8, multipliers=(1, 2, 2), blocks=(1, 1, 1), time_dim=16)


@pytest.fixture
def network() -> LightNetwork:
    torch.manual_seed(0)
    network = LightNetwork(CONFIG)
    for parameter in network.parameters():
        if not parameter.any():
            torch.nn.init.normal_(parameter, std=0.1)
    return network.eval().requires_grad_(False)


def inputs(n: int = 1, size: int = 32):
    g = torch.Generator().manual_seed(1)
    z, x, y = (torch.randn(n, 1, size, size, generator=g) for _ in range(3))
    return z, x, y, torch.full((n,), 500)


def test_shapes_and_configuration_round_trip(network):
    z, x, y, t = inputs(2)
    weighted = network.encode_and_weight(z, x, y, t)
    shapes = [tuple(w.shape) for w in weighted.features]
    assert shapes == [(4, 8, 16, 16), (4, 16, 8, 8), (4, 16, 4, 4)]
    estimate, variance = network.decode(weighted, t)
    assert estimate.shape == variance.shape == weighted.share.shape == z.shape
    assert weighted.condition.shape == (4, 1, 32, 32)
    assert CONFIG.multiple == 8
    assert UNetConfig.from_dict(CONFIG.to_dict()) == CONFIG


def test_untrained_control_gives_the_average():
    control = FusionControl(UNetConfig(base=8, multipliers=(1,), blocks=(1,)))
    pixels, share, weights = control([torch.randn(2, 8, 6, 6)], torch.randn(2, 1, 12, 12))
    assert (pixels == 0.5).all()
    assert (share == 0.5).all()
    assert (weights[0] == 0.5).all()


@pytest.mark.parametrize(("cell", "same"), [(32, True), (0, False)])
def test_attention_over_cells_does_not_look_across_the_image(cell, same):
    torch.manual_seed(0)
    control = FusionControl(UNetConfig(base=8, multipliers=(1,), blocks=(1,), control_cell=cell))
    for parameter in control.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    features, sources = [torch.randn(2, 8, 80, 80)], torch.randn(2, 1, 160, 160)
    pixels, _, weights = control(features, sources)
    features[0][..., 64:] += 3.0  # four cells away from the first
    far, _, far_weights = control(features, sources)
    here = np.s_[..., :24, :24]
    assert torch.equal(weights[0][here], far_weights[0][here]) == same
    assert torch.equal(pixels[here], far[here]) == same


def test_files_without_the_newer_fields_mean_the_older_network():
    old = {k: v for k, v in CONFIG.to_dict().items() if k not in ("refine", "control_fine")}
    assert UNetConfig.from_dict(old).refine == 0
    names = LightNetwork(UNetConfig.from_dict(old)).state_dict()
    assert not any("refine" in n or "fine." in n for n in names)


def test_untrained_network_gives_the_average_of_the_sources():
    z, x, y, t = inputs()
    fresh = LightNetwork(CONFIG)
    estimate, _ = fresh.decode(fresh.encode_and_weight(z, x, y, t), t)
    torch.testing.assert_close(estimate, (x + y) / 2)
    torch.testing.assert_close(fresh.restore(z, x, t)[0], x)


def test_exchanging_the_sources_leaves_the_fused_chain_as_it_was(network):
    z, x, y, t = inputs()
    forward, backward = network.encode_and_weight(z, x, y, t), network.encode_and_weight(z, y, x, t)
    a, b = network.decode(forward, t)[0], network.decode(backward, t)[0]
    torch.testing.assert_close(a, b, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(forward.share, 1 - backward.share)
    assert forward.share.std() > 0


def test_modulation_with_gain_zero_is_the_identity_bit_for_bit(network):
    z, x, y, t = inputs()
    weighted = network.encode_and_weight(z, x, y, t)
    same = network.modulate(weighted, torch.zeros_like(z))
    pairs = zip(weighted.features, same.features, strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)
    other = network.modulate(weighted, torch.ones_like(z))
    assert not torch.equal(weighted.features[0], other.features[0])


def test_the_condition_and_the_step_reach_the_output(network):
    z, x, y, t = inputs()
    base = network.restore(z, x, t)[0]
    assert not torch.allclose(base, network.restore(z, y, t)[0])
    assert not torch.allclose(base, network.restore(z, x, t - 400)[0])


def test_normalisation_does_not_mix_pixels(network):
    """A change far away must not change a pixel: needed for tiles to agree."""
    z, x, _, t = inputs(size=128)
    far = x.clone()
    far[..., 100:, 100:] += 3
    a, b = network.restore(z, x, t)[0], network.restore(z, far, t)[0]
    torch.testing.assert_close(a[..., :32, :32], b[..., :32, :32])


def test_cast_keeps_the_last_layer_exact(network):
    cast(network, torch.bfloat16)
    assert network.decoder.head.weight.dtype == torch.float32
    z, x, y, t = inputs()
    weighted = network.encode_and_weight(z, x, y, t)
    assert weighted.features[0].dtype == torch.bfloat16
    assert weighted.condition.dtype == torch.float32
    assert network.decode(weighted, t)[0].dtype == torch.float32

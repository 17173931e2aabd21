"""Fixed rules in the place of the fusion control, and the network without diffusion."""

from __future__ import annotations

import pytest
import torch

from napari_textdifuse.models import RULES, FusionRule, LightNetwork, UNetConfig
from napari_textdifuse.models.fusion_rules import WINDOW

CONFIG = UNetConfig(base=8, multipliers=(1, 2), blocks=(1, 1), time_dim=16)


def make(**options) -> LightNetwork:
    torch.manual_seed(0)
    network = LightNetwork(CONFIG, **options)
    for parameter in network.parameters():
        if not parameter.any():
            torch.nn.init.normal_(parameter, std=0.1)
    return network.eval().requires_grad_(False)


def inputs(size: int = 16):
    g = torch.Generator().manual_seed(1)
    z, x, y = (torch.rand(1, 1, size, size, generator=g) * 2 - 1 for _ in range(3))
    return z, x, y, torch.full((1,), 500)


EXPECTED = {
    "max": lambda x, y: torch.where(x.abs() > y.abs(), x, y),
    "add": lambda x, y: x + y,
    "mean": lambda x, y: (x + y) / 2,
}


@pytest.mark.parametrize("rule", EXPECTED)
def test_rules_weigh_features_and_pixels(rule):
    z, x, y, t = inputs()
    network = make(fusion=rule)
    weighted = network.encode_and_weight(z, x, y, t)
    pairs = [(network.encoder(z, source, t), source) for source in (x, y)]
    for of_x, of_y, found in zip(pairs[0][0], pairs[1][0], weighted.features, strict=True):
        torch.testing.assert_close(sum(found.chunk(2)), EXPECTED[rule](of_x, of_y))
    shown = EXPECTED[rule]((x + 1) / 2, (y + 1) / 2)
    torch.testing.assert_close(sum(weighted.condition.chunk(2)), shown)
    assert ((weighted.share >= 0) & (weighted.share <= 1)).all()


def test_variance_weights_are_those_of_a_plain_loop():
    values = torch.randn(2, 3, 9, 8, generator=torch.Generator().manual_seed(0))
    found, half = FusionRule("variance").weights(values), WINDOW // 2
    for i, j in ((4, 4), (0, 0), (8, 3)):  # inside, in a corner, at the border
        rows, columns = slice(max(i - half, 0), i + half + 1), slice(max(j - half, 0), j + half + 1)
        spread = values[:, :, rows, columns].var(dim=(2, 3), correction=0)
        torch.testing.assert_close(found[:, :, i, j], spread / spread.sum(0), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("rule", RULES)
def test_equal_places_are_shared_equally_and_order_has_no_say(rule):
    g = torch.Generator().manual_seed(2)
    x, y = (torch.rand(1, 1, 12, 12, generator=g) * 2 - 1 for _ in range(2))
    x[..., :6], y[..., :6] = -1, -1  # black in both
    module = FusionRule(rule)
    pixels, share, _ = module([], torch.cat([x, y]))
    torch.testing.assert_close(share[0, :, :, :3], torch.full((1, 12, 3), 0.5))
    back = module([], torch.cat([y, x]))
    torch.testing.assert_close(torch.cat(back[0].chunk(2)[::-1]), pixels)
    torch.testing.assert_close(share.chunk(2)[0] + share.chunk(2)[1], torch.ones_like(x))


def test_rules_keep_the_precision_of_the_features_and_have_no_weights():
    for rule in RULES:
        module = FusionRule(rule)
        values = torch.randn(2, 4, 6, 6, dtype=torch.bfloat16)
        assert module.weights(values).dtype == torch.bfloat16
        assert not module.state_dict()


def test_unknown_rules_are_refused():
    with pytest.raises(
        ValueError, match=r"fcm or one of max, add, mean, variance, not 'median'\.$"
    ):
        LightNetwork(CONFIG, fusion="median")


def test_without_diffusion_neither_noise_nor_step_reach_the_output():
    z, x, y, t = inputs()
    plain, full = make(diffusion=False), make()
    for network, same in ((plain, True), (full, False)):
        fused = network.decode(network.encode_and_weight(z, x, y, t), t)[0]
        other = network.decode(network.encode_and_weight(-z, x, y, t - 300), t - 300)[0]
        assert torch.equal(fused, other) == same
        restored, again = network.restore(z, x, t)[0], network.restore(-z, x, t - 300)[0]
        assert torch.equal(restored, again) == same
    # it is the same network, shown zeros
    blank, start = torch.zeros_like(z), torch.zeros_like(t)
    shown = full.decode(full.encode_and_weight(blank, x, y, start), start)[0]
    torch.testing.assert_close(plain.decode(plain.encode_and_weight(z, x, y, t), t)[0], shown)

"""The authors' FCM in bands of rows gives what it gives on the whole image."""

from __future__ import annotations

import pytest
import torch

from napari_textdifuse.models.reference import bands
from napari_textdifuse.models.reference.bands import fuse_in_bands


@pytest.fixture(scope="module")
def maps():
    generator = torch.Generator().manual_seed(0)
    # gradients over the rows make every band differ from the next
    slope = torch.linspace(-2, 2, 14)[:, None]
    return [torch.randn(1, 544, 14, 9, generator=generator) + slope for _ in range(2)]


def test_every_row_is_covered_once():
    for height, width in ((1, 1), (16, 16), (480, 640), (1024, 1024)):
        covered = [n for start, stop in bands.bands(height, width, 544) for n in range(start, stop)]
        assert covered == list(range(height))
    assert len(list(bands.bands(480, 640, 544))) > 10


@pytest.mark.parametrize("rows", [4, 5, 13])
def test_bands_agree_with_the_whole(reference_network, maps, monkeypatch, rows):
    monkeypatch.setattr(bands, "BAND_BYTES", rows * 4 * 544 * 9)
    assert len(list(bands.bands(14, 9, 544))) > 1
    map1, map2 = maps
    with torch.no_grad():
        weight1, weight2 = reference_network.fcm(map1, map2)
    fused, untouched = map1.clone(), map2.clone()
    share = fuse_in_bands(reference_network.fcm, fused, untouched)
    torch.testing.assert_close(fused, weight1 * map1 + weight2 * map2, rtol=0, atol=1e-4)
    mean1, mean2 = (w.mean(dim=1, keepdim=True) for w in (weight1, weight2))
    torch.testing.assert_close(share, mean1 / (mean1 + mean2), rtol=0, atol=1e-5)
    assert torch.equal(untouched, map2)


def test_large_offsets_do_not_spoil_the_statistics(reference_network, maps, monkeypatch):
    monkeypatch.setattr(bands, "BAND_BYTES", 4 * 4 * 544 * 9)
    far = maps[0] + 300
    norm = reference_network.fcm.middleBlock1.norm
    scale, shift = bands._normalisation(norm, bands.Field(far))
    torch.testing.assert_close(far * scale + shift, norm(far), rtol=0, atol=2e-3)


@pytest.mark.parametrize(("balance", "kept"), [(1.0, 1), (-1.0, 0)])
def test_balance_keeps_the_features_of_one_source(reference_network, balance, kept):
    """At the ends the decoder gets what it gets for a single image (Eq. 1)."""
    draw = torch.Generator().manual_seed(1)
    z, *pair = (torch.randn(1, 1, 16, 16, generator=draw) for _ in range(3))
    t = torch.tensor([500])
    with torch.no_grad():
        ends = reference_network.encode_and_weight(z, *pair, t, balance=balance)
        half = reference_network.encode_and_weight(z, *pair, t, balance=balance / 2)
        plain = reference_network.encode_and_weight(z, *pair, t)
        alone = reference_network.encode(z, pair[kept], t)
    torch.testing.assert_close(ends.fused, alone, rtol=0, atol=1e-5)
    torch.testing.assert_close(half.fused, (plain.fused + alone) / 2, rtol=0, atol=1e-5)
    torch.testing.assert_close(ends.share, torch.full_like(ends.share, 1.0 - kept))

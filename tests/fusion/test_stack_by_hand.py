"""How slices, balance, memory and colours go through a stack: values that follow by hand."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from napari_textdifuse import Volume
from napari_textdifuse.colour import rgb_to_ycbcr, ycbcr_to_rgb
from napari_textdifuse.fusion import engine as engines
from napari_textdifuse.fusion import pair as pairs
from napari_textdifuse.fusion.backend import LightBackend
from napari_textdifuse.fusion.colour_cast import ChromaDecision, decide
from napari_textdifuse.fusion.emphasis import _vivid, ensure_visible
from napari_textdifuse.fusion.options import FusionOptions
from napari_textdifuse.fusion.pair import make_pair
from napari_textdifuse.fusion.prepare import Prepared
from napari_textdifuse.fusion.stack import StackFuser


def noise(*shape, seed=0):
    return np.random.default_rng(seed).integers(0, 256, shape).astype(np.uint8)


@pytest.fixture
def volumes():
    return noise(6, 20, 24), noise(6, 20, 24, seed=1)


# --- slabs and parts


def test_slabs_contain_as_many_slices_as_fit(volumes, monkeypatch):
    pair = make_pair(*(Volume(v) for v in volumes))
    assert len(pair.slabs) == 1
    monkeypatch.setattr(pairs, "SLAB_PIXELS", 4 * 20 * 24 + 1)
    found = make_pair(*(Volume(v) for v in volumes)).slabs
    assert [(slab.start, slab.stop) for slab in found] == [(0, 4), (4, 6)]


def test_slices_of_a_range_are_numbered_from_its_first_one(tiny_pipeline, volumes, monkeypatch):
    whole = tiny_pipeline(*volumes, steps=1, slices=(3, 6))
    monkeypatch.setattr(pairs, "SLAB_PIXELS", 2 * 20 * 24)
    np.testing.assert_array_equal(
        tiny_pipeline(*volumes, steps=1, slices=(3, 6)).fused, whole.fused
    )


def test_a_smaller_image_b_without_geometry_is_not_cut_by_number():
    pair = make_pair(Volume(noise(4, 8, 8)), Volume(noise(3, 8, 8)))
    assert pair.partner_of(2) is pair.b
    equal = make_pair(Volume(noise(4, 8, 8)), Volume(noise(4, 8, 8)))
    assert equal.partner_of(2).shape == (2, 8, 8)


def test_the_geometry_of_image_b_measures_the_objects_of_both(tiny_pipeline, volumes):
    a, b = volumes
    mask = np.zeros(a.shape, np.uint8)
    mask[2:4, 5:10, 5:15] = 1
    placed = Volume(b, affine=np.diag([2.0, 2.0, 5.0, 1.0]), name="b")
    (row,) = tiny_pipeline(a, placed, mask=mask, steps=1).objects
    assert row["volume_mL"] == pytest.approx(2 * 5 * 10 * 20 / 1000)


def test_one_slice_with_another_balance(tiny_pipeline, volumes):
    session = tiny_pipeline.session(*volumes, steps=1)
    one = session.with_balance(0.4, 2)
    assert len(one.pair.selection) == 1
    np.testing.assert_array_equal(one.fuse().fused[0], session.with_balance(0.4).fuse().fused[2])
    flat = tiny_pipeline.session(volumes[0][0], volumes[1][0], steps=1)
    assert flat.with_balance(0.4, 0).fuse().fused.shape == (20, 24)


# --- memory and batches


def test_memory_is_counted_with_the_fused_image_and_the_plain_one(tiny_pipeline, volumes):
    a, b = (v[:3] for v in volumes)
    roomy = tiny_pipeline.session(a, b, steps=1)
    roomy.fuse()
    kept = roomy._fuser._cached[0, 0].base
    slice_bytes = kept.nbytes + 2 * kept.luma.nbytes
    for spare, count in ((0, 2), (-1, 1)):
        session = tiny_pipeline.session(a, b, steps=1, memory=2 * slice_bytes + spare)
        session.fuse()
        assert len(session._fuser._cached) == count


def test_batches_are_chosen_by_the_pixels_of_a_slice(tiny_pipeline, monkeypatch):
    asked = []
    monkeypatch.setattr(engines, "batch_size", lambda device, pixels: asked.append(pixels) or 1)
    backend = tiny_pipeline.backend
    engine = engines.SliceEngine(backend, backend.network, 1, "ddim", 0.0, None, True)
    engine.batch((20, 24))
    engine.batch((engines.TILE + 1, 24))
    assert asked == [20 * 24, engines.TILE * 24]


# --- balance and colours


@pytest.mark.parametrize(
    ("balance", "source", "left"),
    [(0.0, "a", 0.0), (0.4, "b", 0.0), (0.4, "a", 0.4), (-0.4, "b", 0.4), (-0.4, "a", 0.0)],
)
def test_colours_fade_towards_the_image_without_them(tiny_pipeline, balance, source, left):
    backend = tiny_pipeline.backend
    fuser = StackFuser(
        backend,
        SimpleNamespace(
            network=backend.network, swapped=False, deviation=None, corrections=frozenset()
        ),
        ChromaDecision(False, "", source),
        FusionOptions(balance=balance, steps=1),
        0,
    )
    assert fuser.finisher.colourless == pytest.approx(left)


def test_the_running_estimate_gets_the_colours_of_its_slice(tiny_pipeline):
    colours = noise(3, 20, 24, 3)
    session = tiny_pipeline.session(colours, noise(3, 20, 24), steps=1, chroma="keep")
    session.fuse()
    estimate = np.full((24, 32), 0.5, np.float32)  # padded by the network
    for index in range(3):
        chroma = rgb_to_ycbcr(colours[index] / np.float32(255))[1]
        expected = ycbcr_to_rgb(estimate[:20, :24], chroma)
        np.testing.assert_allclose(session.in_colour(index, estimate), expected, atol=1e-6)
    assert session.in_colour(3, estimate) is estimate


def prepared(light):
    """Three slices of daylight; `light` tells which are under a lamp."""
    base = np.random.default_rng(0).uniform(0.3, 0.6, (3, 64, 64, 3)).astype(np.float32)
    for index in light:
        base[index] = base[index].mean(axis=-1, keepdims=True) * np.float32([1.4, 1.0, 0.5])
    luma, chroma = rgb_to_ycbcr(np.clip(base, 0, 1))
    a = Volume((255 * base).astype(np.uint8), rgb=True, modality="VIS")
    return Prepared(a, Volume(luma, modality="IR"), luma, luma, chroma, "a", (), False)


def test_the_middle_slice_decides_whether_the_light_has_a_cast():
    assert decide(prepared([1]), "auto", True).restore
    assert not decide(prepared([0, 2]), "auto", True).restore


# --- emphasis


def test_the_contrast_prior_is_a_least_change_in_its_own_direction():
    before = torch.zeros(1, 1, 6, 6)
    for gain, bound in ((0.5, torch.ge), (-0.5, torch.le)):
        map_ = torch.full_like(before, gain)
        unchanged = LightBackend.enforce_contrast_prior(None, before, before, map_)
        far = LightBackend.enforce_contrast_prior(None, before, before + np.sign(gain), map_)
        assert bound(unchanged, before + 0.01 * np.sign(gain)).all()
        assert bound(far, unchanged + 0.1 * np.sign(gain)).all()


@pytest.mark.parametrize("rgb", [(0.5, 0.4, 0.3), (0.95, 0.8, 0.8), (0.42, 0.4, 0.41)])
def test_vivid_colours_reach_the_gamut_with_their_brightness_and_hue(rgb):
    (vivid,) = _vivid(np.float32([rgb]))
    y = np.dot((0.299, 0.587, 0.114), rgb)
    offset = np.array(rgb) - y
    room = np.where(offset > 0, (1 - y) / offset, -y / offset)
    np.testing.assert_allclose(vivid, y + min(4.0, room.min()) * offset, atol=1e-5)


@pytest.mark.parametrize(("inside", "around", "sign"), [(0.6, 0.5, 1), (0.4, 0.5, -1)])
def test_an_object_becomes_visible_in_the_direction_that_it_has(inside, around, sign):
    labels = np.zeros((40, 40), np.uint8)
    labels[12:28, 12:28] = 1
    plain = np.where(labels == 1, inside, around).astype(np.float32)
    picture, _ = ensure_visible(plain, plain, labels, 1.0)
    assert sign * (picture[18:22, 18:22].mean() - inside) > 0.01

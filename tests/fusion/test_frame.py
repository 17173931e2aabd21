"""Air around the body is not computed: black, and what lies inside is that of the cut image."""

from __future__ import annotations

import numpy as np
import pytest


@pytest.fixture
def pair():
    rng = np.random.default_rng(3)
    a, b = np.zeros((2, 256, 320), np.uint8)
    a[20:60, 20:90] = rng.integers(1, 256, (40, 70))
    b[30:50, 10:70] = rng.integers(1, 256, (20, 60))
    return a, b


def test_inside_the_frame_the_result_is_that_of_the_cut_images(tiny_pipeline, pair):
    whole = tiny_pipeline(*pair, steps=2).fused
    # content to row 60 and column 90, 32 more, up to the grid of 64
    cut = tiny_pipeline(*(image[:128, :128] for image in pair), steps=2).fused
    np.testing.assert_array_equal(whole[:128, :128], cut)
    assert not whole[128:].any()
    assert not whole[:, 128:].any()


def test_an_object_inside_the_frame_is_emphasised_as_in_the_cut_images(tiny_pipeline, pair):
    mask = np.zeros((256, 320), np.uint8)
    mask[32:44, 30:50] = 3
    whole = tiny_pipeline(*pair, mask=mask, steps=1)
    cut = tiny_pipeline(*(image[:128, :128] for image in pair), mask=mask[:128, :128], steps=1)
    np.testing.assert_array_equal(whole.fused[:128, :128], cut.fused)
    assert (whole.fused[:128, :128] != tiny_pipeline(*pair, steps=1).fused[:128, :128]).any()


@pytest.mark.parametrize("place", [np.s_[200:220, 200:230], np.s_[30:40, 30:40]])
def test_all_evaluations_are_counted_also_for_an_object_in_the_air(tiny_pipeline, pair, place):
    mask = np.zeros((256, 320), np.uint8)
    mask[place] = 1
    seen = []
    tiny_pipeline(*pair, mask=mask, steps=2, callback=lambda p: seen.append(p) or True)
    assert {p.estimate.shape for p in seen if p.estimate is not None} == {(256, 320)}
    inside = place[0].start < 128
    assert [p.step for p in seen] == ([1, 2, 3, 4] if inside else [1, 2])
    assert {p.total for p in seen} == {4}


def test_a_session_keeps_the_frame(tiny_pipeline, pair):
    session = tiny_pipeline.session(*pair, steps=1)
    mask = np.zeros((256, 320), np.uint8)
    mask[32:44, 30:50] = 1
    plain = session.fuse().fused
    session.fuse(mask=mask)
    np.testing.assert_array_equal(session.fuse().fused, plain)
    np.testing.assert_array_equal(
        session.fuse(mask=mask).fused, tiny_pipeline(*pair, mask=mask, steps=1).fused
    )

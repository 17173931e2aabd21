"""Which image comes first does not change the colours of a scene."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from napari_textdifuse import read
from napari_textdifuse.samples import load_sample


def lab(rgb):
    from skimage.color import rgb2lab

    return rgb2lab(rgb)


@pytest.mark.parametrize("known", [True, False], ids=["modalities known", "modalities unknown"])
@pytest.mark.parametrize("chroma", ["auto", "keep"])
def test_visible_and_infrared_in_either_order(tiny_pipeline, known, chroma):
    visible, infrared = load_sample("street")
    cut = (slice(100, 164), slice(120, 200))
    pair = [
        replace(v, array=v.array[cut], modality=v.modality if known else None, sources={})
        for v in (visible, infrared)
    ]
    one = tiny_pipeline(*pair, steps=1, chroma=chroma)
    other = tiny_pipeline(*pair[::-1], steps=1, chroma=chroma)
    assert (one.record["colour_from"], other.record["colour_from"]) == ("a", "b")
    first, second = lab(one.fused), lab(other.fused)
    assert np.ptp(first[..., 1:]) > 10  # there are colours
    np.testing.assert_allclose(first[..., 1:], second[..., 1:], atol=0.1)
    np.testing.assert_allclose(first[..., 0], second[..., 0], atol=0.1)


def test_grey_saved_as_rgb_takes_no_colour_away(tiny_pipeline, tmp_path):
    from PIL import Image

    visible, infrared = load_sample("street")
    colour = visible.array[100:148, 120:180]
    grey = infrared.array[100:148, 120:180]
    paths = [tmp_path / name for name in ("scene.png", "heat.png", "heat3.png")]
    for path, array in zip(paths, (colour, grey, np.stack([grey] * 3, axis=-1)), strict=True):
        Image.fromarray(array).save(path)
    results = [
        tiny_pipeline(*map(read, pair), steps=1).fused
        for pair in (paths[:2], [paths[0], paths[2]], [paths[2], paths[0]])
    ]
    assert results[0].shape == (48, 60, 3)
    for other in results[1:]:
        np.testing.assert_allclose(other, results[0], atol=2e-3)

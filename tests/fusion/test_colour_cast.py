"""A cast is found where light made one, and nowhere else."""

from __future__ import annotations

import numpy as np
import pytest
from skimage import data
from skimage.color import rgb2lab

from napari_textdifuse import fuse
from napari_textdifuse.colour import rgb_to_ycbcr
from napari_textdifuse.fusion.colour_cast import find_cast, undo_cast


def scene(seed, dark=1.0):
    """Things of many colours, some as large as a few blocks, on grey ground."""
    rng = np.random.default_rng(seed)
    picture = np.full((200, 260, 3), 0.45)
    for _ in range(60):
        y, x = rng.integers(0, 190), rng.integers(0, 250)
        h, w = rng.integers(8, 50, 2)
        colour = rng.uniform(0.2, 0.7) * rng.uniform(0.7, 1.3, 3)
        picture[y : y + h, x : x + w] = colour
    return (picture * dark + rng.normal(0, 0.01, picture.shape)).clip(0, 1).astype(np.float32)


def lit(picture, gains):
    return (picture * gains).clip(0, 1).astype(np.float32)


LIGHTS = {
    "yellow to red": (1.2, 1.0, 0.6),
    "blue": (0.6, 0.85, 1.25),
    "green": (0.75, 1.15, 0.75),
    "magenta": (1.15, 0.75, 1.15),
}


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("kind", LIGHTS)
def test_made_up_casts(kind, seed):
    found = find_cast(lit(scene(seed), LIGHTS[kind]))
    assert found.kind == kind
    assert found.ratio > 1.2


@pytest.mark.parametrize("seed", range(5))
def test_lamps_at_night(seed):
    assert find_cast(lit(scene(seed, 0.25), LIGHTS["yellow to red"])).kind == "yellow to red"


@pytest.mark.parametrize("dark", [1, 0.25])
@pytest.mark.parametrize("seed", range(5))
def test_things_of_many_colours_are_not_a_cast(seed, dark):
    assert find_cast(scene(seed, dark)).kind is None


@pytest.mark.parametrize("seed", range(5))
def test_a_weak_blue_cast_unless_something_is_white(seed):
    """Open shade under a sunlit sky is blue, but the light of the image is not."""
    blue = lit(scene(seed), (0.8, 0.92, 1.15))
    assert find_cast(blue).kind == "blue"
    blue[:20, :30] = 1
    assert find_cast(blue).kind is None


def test_one_large_coloured_thing_is_not_a_cast():
    """Half of the image is sky, or lawn, or brick."""
    for colour in ((0.4, 0.6, 0.9), (0.25, 0.5, 0.15), (0.6, 0.3, 0.2)):
        picture = scene(1)
        picture[:100] = colour
        assert find_cast(picture).kind is None


@pytest.mark.parametrize("name", ["astronaut", "chelsea", "coffee"])
def test_real_images_get_a_cast_when_they_are_lit(name):
    """Photographs of scikit-image; a cat and coffee are brown themselves, an astronaut is not."""
    picture = getattr(data, name)() / np.float32(255)
    if name == "astronaut":
        assert find_cast(picture).kind is None
    assert find_cast(lit(picture, (1.2, 1.0, 0.5))).kind == "yellow to red"


@pytest.mark.parametrize("shape", [(1, 1), (5, 300), (40, 40)])
def test_small_and_white_images(shape):
    assert find_cast(np.ones((*shape, 3), np.float32)).kind is None


def test_clean_colours_are_kept_and_the_record_says_why():
    picture = (scene(0)[:96, :96] * 255).astype(np.uint8)
    infrared = picture[..., 1]
    stated = {"modality": {"a": "VIS", "b": "IR"}, "steps": 1}
    kept = fuse(picture, infrared, **stated)
    assert kept.record["chroma"] == {"restored": False, "reason": "the light has no cast"}
    yellow = fuse((lit(picture / 255, (1.2, 1, 0.6)) * 255).astype(np.uint8), infrared, **stated)
    assert yellow.record["chroma"]["restored"]
    assert any("colour cast" in note for note in yellow.record["warnings"])


@pytest.mark.parametrize("kind", LIGHTS)
def test_a_made_up_cast_is_undone(kind):
    """Up to the mean colour that the things have of their own."""
    clean = scene(3)
    luma, chroma = rgb_to_ycbcr(lit(clean, LIGHTS[kind]))
    expected = rgb_to_ycbcr(clean)[1]
    before = np.abs((chroma - expected).mean(axis=(0, 1))).max()
    after = np.abs((undo_cast(luma, chroma) - expected).mean(axis=(0, 1))).max()
    assert before > 0.05
    assert after < 0.2 * before


def test_a_grey_image_and_a_white_one_stay_as_they_are():
    for level in (0.3, 1.0):
        luma, chroma = np.full((20, 20), level, np.float32), np.zeros((20, 20, 2), np.float32)
        np.testing.assert_allclose(undo_cast(luma, chroma), chroma, atol=1e-6)


def test_a_lit_scene_comes_out_with_a_third_of_its_cast_at_most():
    picture = (lit(scene(2)[:96, :96], (1.2, 1, 0.6)) * 255).astype(np.uint8)
    infrared = (scene(2)[:96, :96, 1] * 255).astype(np.uint8)
    stated = {"modality": {"a": "VIS", "b": "IR"}, "steps": 1}
    casts = [
        np.abs(rgb2lab(fuse(picture, infrared, chroma=c, **stated).fused)[..., 1:].mean((0, 1)))
        for c in ("keep", "auto")
    ]
    assert casts[0].max() > 15
    assert casts[1].max() < casts[0].max() / 3

"""Colours that stand for measured values, from the option to the pixels."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from skimage.color import deltaE_ciede2000, rgb2lab

from napari_textdifuse import FusionPipeline, Volume
from napari_textdifuse.errors import InputError

SIZE = 96


@pytest.fixture(scope="module")
def pipe() -> FusionPipeline:
    return FusionPipeline.from_pretrained(device="cpu")


@pytest.fixture(scope="module")
def pair() -> tuple[Volume, Volume]:
    """An MRI with two bright lesions; in PET the left one is hot, the right one is cold."""
    y, x = np.mgrid[:SIZE, :SIZE]
    head = np.hypot(y - 48, x - 48) < 40
    left, right = (np.hypot(y - 48, x - c) < 10 for c in (32, 64))
    mri = np.where(left | right, 1.0, 0.45 * head).astype(np.float32)
    pet = (5 * np.where(left, 0.9, np.where(right, 0.2, 0.35 * head))).astype(np.float32)
    window = {"window": (0.0, 5.0)}
    return (
        Volume(mri, modality="MR", window=(0.0, 1.0), name="MRI"),
        Volume(pet, modality="PT", unit="SUVbw", name="PET", **window),
    )


def lesions(fused) -> tuple[np.ndarray, np.ndarray]:
    lab = rgb2lab(fused)
    return lab[44:53, 28:37].mean((0, 1)), lab[44:53, 60:69].mean((0, 1))


def test_hot_and_cold_lesions_are_distinguished_where_mri_is_bright(pipe, pair):
    result = pipe(*pair, steps=1)
    assert deltaE_ciede2000(*lesions(result.fused)) >= 15
    assert result.record["colour_from"] == "b"
    assert result.record["colormap"] == "functional"
    np.testing.assert_allclose(result.fused[:4], 0, atol=0.02)  # air stays black


@pytest.mark.parametrize("name", ["hot", "green"])
def test_colour_map_by_name(pipe, pair, name):
    result = pipe(*pair, steps=1, colormap=name)
    assert result.record["colormap"] == name
    red, green, blue = result.fused[48, 32]
    assert (green > red + 0.1) if name == "green" else (red > blue + 0.1)


def test_colour_map_as_array_is_that_of_the_name(pipe, pair):
    by_name = pipe(*pair, steps=1, colormap="green").fused
    by_array = pipe(*pair, steps=1, colormap=[[0, 0, 0], [0, 1, 0]]).fused
    np.testing.assert_array_equal(by_name, by_array)


def test_grey_with_grey_stays_grey_and_tint_shows_one_in_colour(pipe, pair):
    mri, _ = pair
    ct = replace(mri, array=mri.array.T * 500, modality="CT", unit="HU", window=(0.0, 500.0))
    assert pipe(mri, ct, steps=1).fused.ndim == 2
    result = pipe(mri, ct, steps=1, tint="b")
    assert result.fused.shape == (SIZE, SIZE, 3)
    assert result.record["colour_from"] == "b"
    assert np.ptp(result.fused[48, 48]) > 0.05
    assert pipe(mri, ct, steps=1, tint="a").record["colour_from"] == "a"


def test_colour_of_either_image(pipe):
    a, b = (np.zeros((32, 32, 3), np.float32) for _ in range(2))
    a[8:24, 8:24, 0], b[8:24, 8:24, 2] = 0.8, 0.8
    first = pipe(a, b, steps=1).fused[16, 16]
    second = pipe(a, b, steps=1, colour="b").fused[16, 16]
    assert first[0] > first[2]
    assert second[2] > second[0]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"colour": "a"}, "image A has no colour"),
        ({"tint": "c"}, "tint must be"),
        ({"colour": 1}, "colour must be"),
        ({"colormap": "no such map"}, "there is no colour map"),
    ],
)
def test_what_cannot_be_coloured(pipe, pair, options, words):
    with pytest.raises(InputError, match=words):
        pipe(*pair, steps=1, **options)


def test_a_coloured_image_is_not_tinted(pipe):
    picture = np.zeros((32, 32, 3), np.float32)
    picture[8:24, 8:24, 0] = 1
    with pytest.raises(InputError, match="cannot be tinted"):
        pipe(picture, picture[..., 0], steps=1, tint="a")


def _scene() -> tuple[np.ndarray, np.ndarray]:
    """An infrared image, and a coloured one of the same place."""
    y, x = np.mgrid[:SIZE, :SIZE]
    infrared = (40 + 180 * (np.hypot(y - 30, x - 60) < 12)).astype(np.uint8)
    visible = np.stack([200 - y, 60 + x, 90 + y // 2], axis=-1).astype(np.uint8)
    return infrared, visible


@pytest.mark.parametrize(
    ("kinds", "chosen", "words"),
    [
        (("VIS", "IR"), "a", "image A, visible light (colour='b'"),
        (("IR", "VIS"), "b", "image B, visible light (colour='a'"),
        (("MR", "PT"), "b", "image B, PET (colour='a'"),
        (("IR", None), "b", "image B (colour='a'"),
        (("NM", "PT"), "a", "image A, SPECT (colour='b'"),
        (("VIS", "VIS"), "a", "image A (colour='b'"),
        ((None, None), "a", "image A (colour='b'"),
    ],
)
def test_of_two_coloured_images_the_colours_that_mean_something_are_shown(
    pipe, kinds, chosen, words
):
    one = _scene()[1]
    pictures = [
        Volume(p, rgb=True, modality=m) for p, m in zip((one, one[::-1]), kinds, strict=True)
    ]
    result = pipe(*pictures, steps=1, chroma="keep")
    assert result.record["colour_from"] == chosen
    (note,) = [n for n in result.record["warnings"] if "Both images have colour" in n]
    assert f"the colour of {words} takes that of image" in note
    for role in "ab":
        asked = pipe(*pictures, steps=1, chroma="keep", colour=role)
        assert asked.record["colour_from"] == role
        assert not any("Both images" in n for n in asked.record["warnings"])
        assert np.array_equal(asked.fused, result.fused) == (role == chosen)


def _as_layer(array: np.ndarray) -> object:
    from napari.layers import Image

    return Image(array, rgb=array.ndim == 3)


def _as_nibabel(array: np.ndarray) -> object:
    return Volume(array, rgb=array.ndim == 3).to_nibabel()


def _as_dask(array: np.ndarray) -> object:
    return pytest.importorskip("dask.array").from_array(array)


def _with_alpha(array: np.ndarray) -> np.ndarray:
    return np.dstack([array, np.full((SIZE, SIZE), 127, np.uint8)])


def _as_float(array: np.ndarray) -> np.ndarray:
    return (array / 255).astype(np.float32)


@pytest.mark.parametrize(
    "form", [np.asarray, _with_alpha, _as_float, _as_dask, _as_layer, _as_nibabel]
)
def test_grey_in_three_channels_takes_no_colour_away(pipe, form):
    infrared, visible = _scene()
    same = [np.asarray, _as_float][form is _as_float]
    expected = pipe(same(infrared), same(visible), steps=1)
    three, other = form(np.stack([infrared] * 3, axis=-1)), form(visible)
    for a, b, role in ((three, other, "b"), (other, three, "a")):
        result = pipe(a, b, steps=1)
        fused = result.fused.reshape(expected.fused.shape)
        np.testing.assert_allclose(fused, expected.fused, atol=1e-6)
        assert result.record["colour_from"] == role
        assert any("read as grey" in note for note in result.record["warnings"])
        assert not any("Both images have colour" in note for note in result.record["warnings"])
    with pytest.raises(InputError, match="has no colour"):
        pipe(three, other, steps=1, colour="a")

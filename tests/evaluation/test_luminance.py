"""How values of every type become 8-bit brightness."""

import numpy as np
import pytest
from PIL import Image

from napari_textdifuse import Volume, evaluate
from napari_textdifuse.errors import InputError
from napari_textdifuse.evaluation import luminance8


@pytest.fixture
def colours():
    return np.random.default_rng(1).integers(0, 256, (48, 50, 3)).astype(np.uint8)


def test_primaries():
    rgb = np.array([[[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 255]]], dtype=np.uint8)
    assert luminance8(rgb).tolist() == [[76, 150, 29, 255]]


def test_equals_the_y_of_pillow(colours):
    y = np.asarray(Image.fromarray(colours).convert("L")).astype(int)
    # Pillow rounds its coefficients to 16 bits, which can tip a value next to a half.
    assert np.abs(luminance8(colours) - y).max() <= 1
    assert (luminance8(colours) == y).mean() > 0.999


def test_types_of_one_image_give_one_brightness(colours):
    grey = colours[..., 0]
    for same in (grey / 255, (grey / 255).astype(np.float32), grey.astype(np.uint16) * 257):
        np.testing.assert_array_equal(luminance8(same), grey)
    difference = luminance8(colours).astype(int) - luminance8(colours / 255)
    assert np.abs(difference).max() <= 1  # exact halves are rounded either way
    assert (difference == 0).mean() > 0.99


def test_grey_colour_image_keeps_its_values(colours):
    grey = colours[..., 0]
    np.testing.assert_array_equal(luminance8(np.stack([grey] * 3, axis=-1)), grey)


def test_alpha_is_ignored(colours):
    alpha = np.zeros((48, 50, 1), dtype=np.uint8)
    rgba = np.concatenate([colours, alpha], axis=-1)
    np.testing.assert_array_equal(luminance8(rgba), luminance8(colours))
    expected = luminance8(colours / 255)
    np.testing.assert_array_equal(luminance8(rgba / 255), expected)


def test_narrow_volume_is_not_taken_for_colour_when_said_so():
    stack = np.zeros((5, 6, 3), dtype=np.uint8)
    assert luminance8(stack).shape == (5, 6)
    assert luminance8(stack, rgb=False).shape == (5, 6, 3)


def test_booleans_are_black_and_white():
    assert luminance8(np.array([[False, True]])).tolist() == [[0, 255]]


def test_result_is_never_stretched():
    dull = np.full((4, 4), 0.25)
    dull[0, 0] = 0.5
    assert luminance8(dull).max() == 128


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (np.array([[0.0, 7.5]]), r"0 to 7\.5 are not in \[0, 1\]"),
        (np.array([[0.0, np.nan]]), "not finite"),
        (np.array([[0, 5]], dtype=np.int16), "signed integers have no defined"),
        (np.array([[0j]]), "complex numbers have no defined"),
    ],
)
def test_unusable_values_are_named(image, message):
    with pytest.raises(InputError, match=message):
        luminance8(image)


def test_rounding_beyond_the_range_is_forgiven():
    assert luminance8(np.array([[-1e-6, 1 + 1e-6]])).tolist() == [[0, 255]]


def test_measured_sources_are_shown_with_their_window():
    hounsfield = np.linspace(-1000, 2000, 48 * 48).reshape(48, 48).astype(np.int16)
    ct = Volume(hounsfield, unit="HU", modality="CT", window=(0.0, 1000.0))
    shown = np.clip(hounsfield / 1000, 0, 1)
    result, expected = evaluate(ct, ct, shown), evaluate(shown, shown, shown)
    assert result == pytest.approx(expected, rel=1e-6)
    assert result["SSIM"] == pytest.approx(2, abs=1e-6)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (np.full((3, 3), np.nan), "image A: no value is a finite number"),
        (np.zeros((0, 3)), "image A: the image is empty"),
        (np.zeros(5), r"image A: an? array of 5"),
        (np.zeros((3, 3), dtype=complex), "image A: complex numbers"),
    ],
)
def test_unusable_source_is_named(source, message):
    with pytest.raises(InputError, match=message):
        evaluate(source, np.zeros((3, 3)), np.zeros((3, 3)))


def test_unusable_result_is_named():
    image = np.zeros((3, 3))
    with pytest.raises(InputError, match="the fused image: values from 0 to 255"):
        evaluate(image, image, image + 255)

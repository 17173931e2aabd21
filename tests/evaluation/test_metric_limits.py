"""Where a measure begins and ends: both sides of every limit, and values worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from napari_textdifuse import Volume, evaluate
from napari_textdifuse.errors import GeometryError, InputError
from napari_textdifuse.evaluation import metrics
from napari_textdifuse.evaluation.artefacts import (
    artefacts,
    black_level,
    flat_noise,
    flat_regions,
    new_structure,
)
from napari_textdifuse.evaluation.baselines import laplacian, maximum, overlay
from napari_textdifuse.evaluation.chromaticity import hue_difference
from napari_textdifuse.evaluation.luminance import luminance8, shown_colours
from napari_textdifuse.evaluation.readback import readback

RNG = np.random.default_rng(6)
NOISE = RNG.normal(0, 1, (80, 80))
TEXTURE = RNG.integers(0, 256, (64, 64)).astype(np.uint8)


def test_ground_is_black_only_where_both_are():
    black, grey = np.zeros((40, 40)), np.full((40, 40), 90.0)
    assert flat_regions(black, grey).all()
    assert flat_regions(grey, black).all()
    assert not flat_regions(black, black).any()


@pytest.mark.parametrize(("level", "flat"), [(1.9, False), (2.0, True)])
def test_ground_is_black_below_2(level, flat):
    dark = np.full((40, 40), level)
    assert flat_regions(dark, dark).all() == flat
    assert math.isnan(black_level(dark, dark, dark)) == flat
    assert math.isnan(black_level(dark, dark + 5, dark))


@pytest.mark.parametrize(("sigma", "least", "most"), [(7, 0.9, 1.0), (16, 0.0, 0.4)])
def test_flat_is_judged_after_a_gaussian_of_1_5_pixels(sigma, least, most):
    """White noise leaves sigma / (2 sqrt(pi) 1.5): 1.3 and 3.0, on both sides of 2."""
    found = flat_regions(128 + sigma * NOISE, np.full(NOISE.shape, 128.0)).mean()
    assert least <= found <= most


def test_flat_is_judged_in_windows_of_7():
    """The first window of 7 whose variance passes 4 ends 1.5 pixels from the step of 40: there
    the Gaussian leaves 6.3, and 1.9 one pixel further, so the variance is (6.3^2 + 1.9^2) / 7 -
    1.2^2 = 4.7; a pixel earlier it is 0.5.
    """
    step = np.where(np.arange(60) < 30, 100.0, 140.0) * np.ones((60, 1))
    flat = flat_regions(step, np.full((60, 60), 100.0))[30]
    near = np.flatnonzero(~flat)
    assert (near.min(), near.max()) == (25, 34)


def test_noise_of_fewer_than_100_flat_pixels_is_undefined():
    flat = np.zeros((20, 20), bool)
    flat.flat[:99] = True
    image = 10 * NOISE[:20, :20]
    assert math.isnan(flat_noise(image, flat))
    flat.flat[99] = True
    up, down, left, right = (
        np.pad(image, 1, mode="edge")[1 + y : 21 + y, 1 + x : 21 + x]
        for y, x in ((-1, 0), (1, 0), (0, -1), (0, 1))
    )
    laplacian = up + down + left + right - 4 * image
    assert flat_noise(image, flat) == pytest.approx(laplacian[flat].std() / math.sqrt(20))


def test_a_table_of_artefacts_holds_the_single_ones():
    a, b, f = (np.rint(120 + 3 * k * NOISE[k : 60 + k, :60]) for k in (1, 2, 4))
    a[:20], b[:20], f[:20] = 0, 1, 5
    values = artefacts(a, b, f)
    flat = flat_regions(a, b)
    assert values["flat"] == flat_noise(f, flat)
    assert values["flat_a"] == flat_noise(a, flat)
    assert values["flat_b"] == flat_noise(b, flat)
    assert values["black"] == 5
    assert values["below"] == 0
    assert values["above"] == max(0, f.max() - max(a.max(), b.max()))
    new = new_structure(a, b, f)
    assert values["new_mean"] == new.mean()
    assert values["new_p99"] == np.percentile(new, 99)


def test_new_structure_is_the_residual_of_least_squares_in_9_by_9():
    """One pixel by numpy's solver, with the ridge of rounding to 8 bits on the variances."""
    from scipy import ndimage

    a, b, f = (100 + 20 * NOISE[k : 30 + k, k : 30 + k] for k in (0, 13, 29))
    smooth = [ndimage.gaussian_filter(s, 1.5) for s in (a, b)]
    guides = np.stack([a, b, np.abs(a - b), *smooth])
    for row, column in ((15, 15), (0, 3), (29, 29)):
        window = np.s_[max(0, row - 4) : row + 5, max(0, column - 4) : column + 5]
        x = guides[:, *window].reshape(5, -1)
        centred = x - x.mean(axis=1, keepdims=True)
        y = f[window].ravel() - f[window].mean()
        normal = centred @ centred.T / y.size + np.eye(5) / 12
        weights = np.linalg.solve(normal, centred @ y / y.size)
        here = guides[:, row, column] - x.mean(axis=1)
        expected = abs(f[row, column] - f[window].mean() - weights @ here)
        assert new_structure(a, b, f)[row, column] == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(("shift", "refused"), [(0.19, False), (0.21, True)])
def test_grids_agree_to_a_tenth_of_a_voxel(shift, refused):
    """2 mm voxels next to 3 mm ones: the finer side decides."""
    here = np.diag([2.0, 3.0, 2.0, 1.0])
    there = here.copy()
    there[1, 3] += shift
    a, b = (Volume(TEXTURE, affine=m) for m in (here, there))
    if refused:
        with pytest.raises(GeometryError, match=r"up to 0\.21 mm apart"):
            evaluate(a, b, TEXTURE)
    else:
        assert evaluate(a, b, TEXTURE)["SSIM"] == pytest.approx(2)


def test_the_farthest_corner_of_a_volume_counts():
    stack = np.stack([TEXTURE[:20, :30]] * 5)
    here = np.eye(4)
    there = np.diag([1, 1, 1 + 0.026, 1])  # 4 steps of 0.026 mm along the slices
    with pytest.raises(GeometryError, match=r"up to 0\.10 mm apart"):
        evaluate(Volume(stack, affine=here), Volume(stack, affine=there), stack)
    wider = np.diag([1 + 0.01, 1, 1, 1])  # 29 steps of 0.01 mm along x
    with pytest.raises(GeometryError, match=r"up to 0\.29 mm apart"):
        evaluate(Volume(stack, affine=here), Volume(stack, affine=wider), stack)


def test_a_flat_source_passes_nothing_on():
    """Variance below 1e-10 is flat: what looks like a gain of a million is rounding."""
    ripple = NOISE[:60, :60]
    assert metrics.visual_information_fidelity(3e-6 * ripple, 20 * ripple) == 0
    assert metrics.visual_information_fidelity(1e-3 * ripple, 20 * ripple) > 1


def test_fidelity_needs_41_pixels_and_an_edge_needs_an_edge():
    assert math.isnan(metrics.visual_information_fidelity(NOISE[:40], NOISE[:40]))
    assert metrics.visual_information_fidelity(NOISE[:41], NOISE[:41]) == pytest.approx(1)
    black = np.zeros((9, 9))
    assert math.isnan(metrics.edge_preservation(black, black, black))


def test_correlation_of_almost_nothing_is_0():
    assert metrics.difference_correlation(NOISE * 1e-12, NOISE * 1e-12, NOISE * 2e-12) == 0
    assert metrics.difference_correlation(NOISE, 0 * NOISE, -NOISE) == pytest.approx(-1)


def test_mean_of_rows_leaves_out_what_is_undefined():
    rows = [dict.fromkeys(metrics.METRICS, v) for v in (1.0, 2.0, math.nan)]
    del rows[1]["EN"]
    means = metrics.mean_of(rows)
    assert means["EN"] == 1
    assert means["AG"] == 1.5
    assert math.isnan(metrics.mean_of(rows[2:])["SD"])


def test_names_of_files_and_volumes_stand_in_messages(tmp_path):
    named = Volume(TEXTURE, name="T1")
    with pytest.raises(InputError, match=r"^image A \(T1\) is 64 x 64 and image B is 64 x 9"):
        evaluate(named, TEXTURE[:, :9], TEXTURE)
    with pytest.raises(InputError, match=r"^image A is 64 x 64 and the fused image \(T1\) is 9 x"):
        evaluate(Volume(TEXTURE), TEXTURE, Volume(TEXTURE[:9], name="T1"))


@pytest.mark.parametrize("value", [-0.9e-3, 1 + 0.9e-3])
def test_a_thousandth_beyond_the_range_is_forgiven(value):
    assert luminance8(np.array([[0.5, value]]))[0, 1] in (0, 255)
    beyond = 0.5 + 1.001 * (value - 0.5)
    with pytest.raises(InputError, match="not in"):
        luminance8(np.array([[0.5, beyond]]))


def test_a_half_is_rounded_up_in_colour():
    """299 R + 587 G + 114 B thousandths: (0, 0, 22) is 2.508 and (1, 1, 5) is 1.456."""
    rgb = np.array([[[0, 0, 22], [1, 1, 5], [255, 255, 255]]], np.uint8)
    assert luminance8(rgb).tolist() == [[3, 1, 255]]
    assert luminance8(rgb / 255).tolist() == [[3, 1, 255]]


def test_integers_use_the_whole_range_of_their_type():
    assert luminance8(np.array([[0, 65535, 32768]], np.uint16)).tolist() == [[0, 255, 128]]
    assert luminance8(np.array([[2**32 - 1, 2**31]], np.uint32)).tolist() == [[255, 128]]


def test_colours_that_are_shown():
    rgba = np.zeros((4, 5, 4), np.uint16)
    rgba[..., 0] = 65535
    volume = Volume(rgba, rgb=True)
    brightness = luminance8(rgba)
    shown = shown_colours(volume, brightness, False)
    assert shown.shape == (4, 5, 3)
    assert shown[0, 0].tolist() == [1, 0, 0]
    eight = Volume((rgba // 257).astype(np.uint8), rgb=True)
    assert shown_colours(eight, brightness, True)[0, 0].tolist() == [1, 0, 0]
    grey = shown_colours(Volume(TEXTURE), TEXTURE, True)
    np.testing.assert_array_equal(grey, TEXTURE / 255)


@pytest.mark.parametrize(("span", "defined"), [(23, False), (25, True)])
def test_hue_counts_from_a_chroma_of_24(span, defined):
    picture = np.full((4, 4, 3), 100, np.float32)
    picture[..., 0] += span
    other = picture.copy()
    other[..., 0] += 40
    assert math.isnan(hue_difference(picture / 255, other / 255)[0]) != defined
    assert math.isnan(hue_difference(other / 255, picture / 255)[1]) != defined


def test_opposite_hues_are_180_degrees_apart():
    red, cyan = (np.full((4, 4, 3), c, np.float32) for c in ([0.8, 0.2, 0.2], [0.2, 0.8, 0.8]))
    assert hue_difference(red, cyan)[0] == pytest.approx(180, abs=1e-3)
    assert hue_difference(cyan, red)[0] == pytest.approx(180, abs=1e-3)
    green = np.full((4, 4, 3), [0.2, 0.8, 0.2], np.float32)
    assert hue_difference(red, green)[0] == pytest.approx(120, abs=1e-3)
    assert hue_difference(green, red)[0] == pytest.approx(120, abs=1e-3)


def test_readback_learns_and_reads_on_squares_of_16():
    """Values of the training squares cannot be read on the others."""
    y, x = np.indices((96, 96))
    learned = (y // 16 + x // 16) % 2 == 0
    a = np.random.default_rng(1).uniform(0.1, 1, (96, 96))
    assert readback(a, a, np.where(learned, a, 0.5))[0] < 0.05
    constant = np.where(learned, a, 0.5)  # where it is read, the source never differs
    assert math.isnan(readback(constant, a, a)[0])
    assert readback(np.where(learned, 0.5, a), a, a)[0] < 0


@pytest.mark.parametrize(("rows", "defined"), [(199, False), (200, True)])
def test_readback_needs_200_pixels_on_either_side(rows, defined):
    """One column of each kind of square that is not black."""
    a = np.zeros((rows * 2 + 64, 32))
    index = np.arange(len(a))
    first, second = np.flatnonzero(index // 16 % 2 == 0), np.flatnonzero(index // 16 % 2 == 1)
    values = np.random.default_rng(2).uniform(0.2, 1, rows)
    a[first[:rows], 0] = values
    a[second[:rows], 0] = values
    assert math.isnan(readback(a, a, a)[0]) != defined


@pytest.mark.parametrize(("top", "counts"), [(8, False), (9, True)])
def test_readback_begins_above_8(top, counts):
    """Of levels up to 8 nothing counts, so nothing is defined."""
    a, b = np.random.default_rng(3).integers(top - 3, top + 1, (2, 96, 96)) / 255
    assert math.isnan(readback(a, b, a)[0]) != counts


@pytest.mark.parametrize(("top", "counts"), [(24, False), (25, True)])
def test_readback_of_colour_begins_above_24(top, counts):
    red = np.zeros((96, 96, 3))
    red[..., 0] = np.random.default_rng(4).integers(top - 3, top + 1, (96, 96))
    red[..., 1] = np.random.default_rng(5).integers(0, 9, (96, 96))
    bright = np.random.default_rng(6).uniform(0.5, 1, (96, 96))
    assert math.isnan(readback(red / 255, bright, bright)[1]) != counts


def test_pyramid_by_hand():
    """Burt & Adelson with loops: one level, mirrored borders, the stronger detail of both."""
    kernel = np.array([1, 4, 6, 4, 1]) / 16
    a, b = (RNG.random((6, 9)).astype(np.float32) for _ in range(2))

    def at(image, y, x):
        (h, w), mirror = image.shape, lambda i, n: n - 1 - abs(n - 1 - abs(i))
        return image[mirror(y, h), mirror(x, w)]

    def smooth(image):
        out = np.zeros(image.shape)
        for y, x in np.ndindex(image.shape):
            for i, j in np.ndindex(5, 5):
                out[y, x] += kernel[i] * kernel[j] * at(image, y + i - 2, x + j - 2)
        return out

    def expand(small, shape):
        full = np.zeros(shape)
        full[::2, ::2] = small
        return 4 * smooth(full)

    small = [smooth(image)[::2, ::2] for image in (a, b)]
    detail = [image - expand(s, a.shape) for image, s in zip((a, b), small, strict=True)]
    stronger = np.where(np.abs(detail[0]) >= np.abs(detail[1]), *detail)
    expected = np.clip(expand((small[0] + small[1]) / 2, a.shape) + stronger, 0, 1)
    np.testing.assert_allclose(laplacian(a, b, levels=1), expected, atol=1e-5)
    np.testing.assert_allclose(laplacian(a, b, levels=0), (a + b) / 2, atol=1e-6)
    # 6 x 9 is halved to 3 x 5 and no further
    np.testing.assert_array_equal(laplacian(a, b, levels=5), laplacian(a, b, levels=1))


def test_overlay_and_maximum_of_a_grey_and_a_colour_image():
    grey = np.full((2, 3), 0.2, np.float32)
    colour = np.full((2, 3, 3), [0.6, 0.4, 1.0], np.float32)
    np.testing.assert_allclose(overlay(grey, colour)[0, 0], [0.4, 0.3, 0.6], atol=1e-6)
    np.testing.assert_allclose(maximum(grey, colour)[0, 0], [0.6, 0.4, 1.0], atol=1e-5)

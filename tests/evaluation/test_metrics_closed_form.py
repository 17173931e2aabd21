"""Metrics against values that follow from their definitions by hand."""

import math

import numpy as np
import pytest

from napari_textdifuse import Volume, evaluate
from napari_textdifuse.errors import GeometryError, InputError
from napari_textdifuse.evaluation import METRICS, metrics


@pytest.fixture
def texture():
    """An image with all grey levels in equal number: 64 x 64, 16 pixels each."""
    rng = np.random.default_rng(7)
    return rng.permutation(np.repeat(np.arange(256, dtype=np.uint8), 16)).reshape(64, 64)


def test_entropy_of_equally_frequent_levels_is_8_bits(texture):
    assert metrics.entropy(texture) == pytest.approx(8, abs=1e-12)


def test_entropy_of_two_equally_frequent_levels_is_1_bit():
    assert metrics.entropy(np.tile([[3.0, 200.0]], (8, 4))) == pytest.approx(1)


def test_copy_of_both_sources_reaches_each_maximum(texture):
    result = evaluate(texture, texture, texture)
    assert result["SSIM"] == pytest.approx(2)
    assert result["VIF"] == pytest.approx(2, abs=1e-6)
    assert result["MI"] == pytest.approx(2 * 8 * math.log(2))  # twice the entropy, in nats
    # The sigmoids of Qabf end at these values for a perfect copy.
    strength, orientation = 0.9994 / (1 + math.exp(-7.5)), 0.9879 / (1 + math.exp(-22 * 0.2))
    assert result["Qabf"] == pytest.approx(strength * orientation)


def test_standard_deviation_of_two_values_is_half_their_distance():
    f = np.tile(np.array([[10, 70]], dtype=np.uint8), (8, 4))
    assert evaluate(f, f, f)["SD"] == pytest.approx(30)


def test_gradient_metrics_of_a_ramp():
    ramp = np.tile(4.0 * np.arange(16), (9, 1))  # 4 per column, 0 per row
    assert metrics.average_gradient(ramp) == pytest.approx(4 / math.sqrt(2))
    assert metrics.spatial_frequency(ramp) == pytest.approx(4)
    plane = ramp + 3.0 * np.arange(9)[:, None]
    assert metrics.average_gradient(plane) == pytest.approx(5 / math.sqrt(2))
    assert metrics.spatial_frequency(plane) == pytest.approx(5)


def test_spatial_frequency_of_stripes():
    stripes = np.tile([[0.0, 100.0]], (6, 5))
    assert metrics.spatial_frequency(stripes) == pytest.approx(100)
    assert metrics.average_gradient(np.tile([[0.0, 100.0]], (6, 1))) == pytest.approx(70.710678)


def test_difference_correlation_of_a_sum_is_2(texture):
    a, b = texture // 2, texture[::-1] // 2
    assert evaluate(a, b, a + b)["SCD"] == pytest.approx(2)


def test_difference_correlation_of_a_uniform_source_is_0(texture):
    uniform = np.full_like(texture, 40)
    # corr(a, f - b) = corr(a, a - 40) = 1, and the uniform source adds nothing.
    assert evaluate(texture, uniform, texture)["SCD"] == pytest.approx(1)


def test_registration_search_with_an_independent_image_is_0():
    a = np.repeat([[0.0, 255.0]], 2, axis=0)
    assert metrics.mutual_information(a, a.T) == pytest.approx(0, abs=1e-12)
    assert metrics.mutual_information(a, 255 - a) == pytest.approx(math.log(2))


def test_similarity_falls_with_noise(texture):
    smooth = np.add.outer(np.arange(64), np.arange(64)).astype(np.uint8)
    noise = (texture.astype(float) - 127.5) / 8
    results = [
        evaluate(smooth, smooth, np.clip(np.rint(smooth + k * noise), 0, 255).astype(np.uint8))
        for k in (0, 1, 3)
    ]
    for name in ("VIF", "MI", "Qabf", "SSIM"):
        values = [result[name] for result in results]
        assert values == sorted(values, reverse=True), name
        assert values[0] > values[1] + 0.05, name


def test_sources_may_be_swapped(texture):
    a, b = texture, texture.T.copy()
    f = np.maximum(a, b)
    one, two = evaluate(a, b, f), evaluate(b, a, f)
    assert one == pytest.approx(two, rel=1e-9)


def test_inverted_copy_carries_no_fidelity(texture):
    assert metrics.visual_information_fidelity(texture * 1.0, 255.0 - texture) < 1e-6


@pytest.mark.parametrize(
    ("shape", "undefined"),
    [
        ((1, 1), {"AG", "SF", "VIF", "Qabf", "SSIM", "readback"}),
        ((1, 50), {"AG", "SF", "VIF", "SSIM", "readback"}),
        ((6, 6), {"VIF", "SSIM", "readback"}),
        ((40, 60), {"VIF"}),
        ((41, 41), set()),
    ],
)
def test_small_images_give_nan_only_where_undefined(shape, undefined):
    x = (np.arange(math.prod(shape)).reshape(shape) % 251).astype(np.uint8)
    result = evaluate(x, x, x)
    assert tuple(result) == METRICS
    assert {name for name, value in result.items() if math.isnan(value)} == undefined
    assert all(isinstance(value, float) for value in result.values())


def test_uniform_images():
    grey = np.full((48, 48), 90, dtype=np.uint8)
    result = evaluate(grey, grey, grey)
    assert result["EN"] == result["SD"] == result["AG"] == result["SF"] == result["SCD"] == 0
    assert result["MI"] == 0
    assert result["SSIM"] == pytest.approx(2)
    assert math.isnan(result["VIF"])
    # The border against the zeros outside is the only edge.
    assert result["Qabf"] == pytest.approx(0.9868, abs=0.02)


def test_volume_is_the_mean_over_slices_with_content(texture):
    empty = np.zeros_like(texture)
    a = np.stack([empty, texture, texture.T])
    b = np.stack([empty, texture.T, texture[::-1]])
    f = np.maximum(a, b)
    rows = [evaluate(a[z], b[z], f[z]) for z in (1, 2)]
    expected = {name: (rows[0][name] + rows[1][name]) / 2 for name in METRICS}
    assert evaluate(a, b, f) == pytest.approx(expected)


def test_slice_where_a_metric_is_undefined_is_left_out_of_its_mean(texture):
    uniform = np.full_like(texture, 3)
    a = np.stack([texture, texture])
    b = np.stack([uniform, texture])
    result = evaluate(a, b, a)
    assert result["VIF"] == pytest.approx(2, abs=1e-6)
    assert result["SCD"] == pytest.approx((1 + 0) / 2)


def test_different_shapes_are_named(texture):
    with pytest.raises(InputError, match=r"image A is 64 x 64 and the fused image is 32 x 64"):
        evaluate(texture, texture, texture[:32])
    with pytest.raises(InputError, match=r"image A is 64 x 64 and image B is 64 x 10"):
        evaluate(texture, texture[:, :10], texture)


def test_images_apart_in_space_are_refused(texture):
    shifted = np.eye(4)
    shifted[0, 3] = 2
    a, b = Volume(texture, affine=np.eye(4)), Volume(texture, affine=shifted)
    with pytest.raises(GeometryError, match=r"2\.00 mm apart"):
        evaluate(a, b, texture)
    assert evaluate(a, Volume(texture), texture)["SSIM"] == pytest.approx(2)


def test_luminance_function_wants_images(texture):
    with pytest.raises(InputError, match="one shape"):
        metrics.evaluate_luminance(texture, texture, texture[:5])

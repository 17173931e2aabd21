"""Further metrics: against slow implementations from the articles, and against closed forms."""

import math

import numpy as np
import pytest
import slow_further as slow
from PIL import Image

from napari_textdifuse import evaluate
from napari_textdifuse.errors import InputError
from napari_textdifuse.evaluation import (
    FURTHER_METRICS,
    LOWER_IS_BETTER,
    METRICS,
    evaluate_folders,
    further,
    metric_names,
)
from napari_textdifuse.evaluation.metrics import evaluate_luminance


def scene(height, width, seed=5):
    """Two sources with blocks, ramps, noise and black ground, and a result that is neither."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    a = 3 * (x % 70) + 40 * ((y // 6 + x // 9) % 2) + rng.integers(0, 9, (height, width))
    b = 4 * (y % 60) + 50 * ((x - 20) ** 2 + (y - 25) ** 2 < 150)
    b = (b + rng.integers(0, 9, (height, width))) * (x > 8)
    f = np.where((x + y) % 5 < 3, np.maximum(a, b), (a + b) // 2)
    return tuple(np.clip(image, 0, 255).astype(np.uint8) for image in (a, b, f))


@pytest.fixture(scope="module")
def images():
    return scene(37, 42)


def taken(images, name):
    return evaluate_luminance(*images, [name])[name]


def test_correlation_equals_numpys(images):
    assert taken(images, "CC") == pytest.approx(slow.slow_cc(*images), rel=1e-9)


def test_artefacts_equal_the_slow_implementation(images):
    expected = slow.slow_nabf(*images)
    assert 0.05 < expected < 0.5
    assert taken(images, "Nabf") == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("feature", ["pixel", "gradient"])
def test_feature_information_equals_the_slow_implementation(images, feature):
    expected = slow.slow_fmi(*images, feature)
    assert 0.1 < expected < 0.9
    assert taken(images, f"FMI_{feature}") == pytest.approx(expected, rel=1e-7)


def test_contrast_preservation_equals_the_slow_implementation(images):
    expected = slow.slow_qcb(*images)
    assert 0.2 < expected < 0.9
    assert taken(images, "Qcb") == pytest.approx(expected, rel=1e-7)


def test_visible_difference_equals_the_slow_implementation(images):
    assert taken(images, "Qcv") == pytest.approx(slow.slow_qcv(*images), rel=1e-7)


def test_multiscale_similarity_equals_the_slow_implementation():
    a, b, f = scene(163, 170)  # halves of odd sizes too
    expected = slow.slow_ms_ssim(a, f) + slow.slow_ms_ssim(b, f)
    assert taken((a, b, f), "MS-SSIM") == pytest.approx(expected, rel=1e-9)


def test_multiscale_similarity_equals_pytorch_msssim():
    # ms_ssim(x, y, data_range=255) of pytorch-msssim 1.0.0, whose window is float32; of both
    assert taken(scene(176, 192), "MS-SSIM") == pytest.approx(1.1392864248, rel=5e-6)


@pytest.fixture
def texture():
    """A smooth random image of 176 x 176."""
    from scipy import ndimage

    noise = ndimage.gaussian_filter(np.random.default_rng(3).normal(size=(176, 176)), 1.5)
    return np.rint((noise - noise.min()) / np.ptp(noise) * 255).astype(np.uint8)


def test_copy_of_both_sources_reaches_each_best(texture):
    result = evaluate(texture, texture, texture, metrics="all")
    assert tuple(result) == (*METRICS, *FURTHER_METRICS)
    best = {"MS-SSIM": 2, "CC": 1, "Nabf": 0, "FMI_pixel": 1, "FMI_gradient": 1, "Qcb": 1, "Qcv": 0}
    assert {name: result[name] for name in FURTHER_METRICS} == pytest.approx(best)


def test_noise_makes_each_worse(texture):
    noise = np.random.default_rng(4).normal(size=texture.shape)
    rows = [
        evaluate(
            texture,
            texture,
            np.clip(np.rint(texture + sigma * noise), 0, 255).astype(np.uint8),
            metrics=FURTHER_METRICS,
        )
        for sigma in (0, 4, 16)
    ]
    for name in FURTHER_METRICS:
        values = [row[name] for row in rows]
        assert values == sorted(values, reverse=name not in LOWER_IS_BETTER), name
        assert abs(values[2] - values[1]) > 1e-3, name


def test_sources_may_be_swapped(images):
    a, b, f = images
    one, two = (evaluate_luminance(*pair, f, FURTHER_METRICS) for pair in ((a, b), (b, a)))
    assert one == pytest.approx(two, rel=1e-9, nan_ok=True)


def test_inverse_correlates_with_minus_1(texture):
    assert taken((texture, texture, 255 - texture), "CC") == pytest.approx(-1)
    uniform = np.full_like(texture, 9)
    assert taken((texture, uniform, texture), "CC") == pytest.approx(0.5)


def test_stronger_edges_than_the_sources_are_artefacts():
    ramp = np.tile(8.0 * np.arange(16), (16, 1))  # gradient 8, and 16 in the result
    flat = np.full((16, 16), 50.0)
    ratio, q_turn = 0.5, 0.9995 / (1 + math.exp(-11))
    kept = math.sqrt(0.9999 / (1 + math.exp(-19 * (ratio - 0.5))) * q_turn)
    lost = (1 - kept) * 8**1.5
    # the flat source weighs 0.001 and keeps nothing; the mirrored border has no gradient
    nothing = math.sqrt(0.9999 / (1 + math.exp(9.5)) * 0.9995 / (1 + math.exp(11)))
    expected = 14 * (lost + 0.001 * (1 - nothing)) / (14 * 8**1.5 + 2 * 0.001 + 16 * 0.001)
    assert further.fusion_artefacts(ramp, flat, 2 * ramp) == pytest.approx(expected, rel=1e-3)
    assert further.fusion_artefacts(ramp, flat, ramp) == 0


def test_window_against_a_uniform_one_shares_no_information():
    window = np.arange(9.0).reshape(3, 3)
    flat = np.full((3, 3), 7.0)
    assert further.feature_information(window, flat, flat) == pytest.approx(0.5)  # 0 and a copy
    assert further.feature_information(window, window, 3 * window + 2) == pytest.approx(1)


def test_offset_and_scale_cost_nothing_in_stretched_metrics(texture):
    half = (texture // 2 * 2).astype(np.uint8)
    dull = half // 2 + 60
    assert taken((half, half, dull), "Qcb") == pytest.approx(1, abs=0.05)
    assert taken((half, half, dull), "Qcv") < 1


def test_black_result_differs_by_the_filtered_source():
    """One wave along X: the filter multiplies its terms, so its mean square is known."""
    wave = np.tile([255.0, 218, 128, 37, 0, 37, 128, 218], (64, 8))
    spectrum = np.abs(np.fft.fft(wave[0])) / 64
    r = np.abs(np.fft.fftfreq(64, 1 / 64)) / 4
    response = 2.6 * (0.0192 + 0.144 * r) * np.exp(-((0.144 * r) ** 1.1))
    expected = ((spectrum * response) ** 2).sum()  # Parseval
    assert further.visible_difference(wave, wave, np.zeros((64, 64))) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("shape", "undefined"),
    [
        ((1, 1), {"MS-SSIM", "FMI_pixel", "FMI_gradient", "Qcb", "Qcv"}),
        ((1, 50), {"MS-SSIM", "FMI_pixel", "FMI_gradient"}),
        ((2, 2), {"MS-SSIM", "FMI_pixel", "FMI_gradient"}),
        ((160, 200), {"MS-SSIM"}),
        ((161, 161), set()),
    ],
)
def test_small_images_give_nan_only_where_undefined(shape, undefined):
    x = (np.arange(math.prod(shape)).reshape(shape) * 7 % 251).astype(np.uint8)
    result = evaluate(x, x, x, metrics=FURTHER_METRICS)
    assert {name for name, value in result.items() if math.isnan(value)} == undefined


def test_uniform_images_say_nothing():
    grey = np.full((48, 48), 90, dtype=np.uint8)
    result = evaluate(grey, grey, grey, metrics=FURTHER_METRICS)
    assert result["CC"] == result["Nabf"] == 0
    assert math.isnan(result["Qcb"])
    assert math.isnan(result["Qcv"])


def test_uniform_source_takes_no_part(images):
    a, _, f = images
    grey = np.full_like(a, 90)
    for name in ("Qcb", "Qcv"):
        assert taken((a, grey, f), name) == pytest.approx(taken((a, a, f), name)), name


def test_only_what_is_asked_for_is_measured(images):
    result = evaluate(*images, metrics=["qcb", "readback", "EN", "Qcb"])
    assert list(result) == ["Qcb", "readback", "EN"]
    assert list(evaluate(*images, metrics="ssim")) == ["SSIM"]
    assert list(evaluate(*images)) == list(METRICS)
    volume = [np.stack([image, image]) for image in images]
    assert evaluate(*volume, metrics=["Qcv"]) == pytest.approx(evaluate(*images, metrics=["Qcv"]))


def test_unknown_metric_is_refused(images):
    with pytest.raises(InputError, match=r"no metric 'PSNR'; choose from EN, .*Qcv, or all"):
        evaluate(*images, metrics=["EN", "PSNR"])
    assert metric_names("all") == (*METRICS, *FURTHER_METRICS)


def test_folders_have_the_columns_asked_for(images, tmp_path):
    folders = [tmp_path / role for role in "abf"]
    for folder, image in zip(folders, images, strict=True):
        folder.mkdir()
        Image.fromarray(image).save(folder / "one.png")
    report = evaluate_folders(*folders, metrics=["CC", "Nabf"])
    assert report.to_dict()["metrics"] == ["CC", "Nabf"]
    assert report.mean == evaluate(*images, metrics=["CC", "Nabf"])
    table = report.to_csv(tmp_path / "t.csv").read_text().splitlines()
    assert table[0] == "name,CC,Nabf"

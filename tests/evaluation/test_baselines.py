"""Classical fusions: what each keeps and what it does with colour."""

import sys

import numpy as np
import pytest

from napari_textdifuse.colour import rgb_to_ycbcr
from napari_textdifuse.errors import InputError, MissingDependencyError
from napari_textdifuse.evaluation import baselines
from napari_textdifuse.evaluation.baselines import BASELINES


@pytest.fixture
def grey():
    return np.random.default_rng(3).random((33, 46), dtype=np.float32)


@pytest.fixture
def colour():
    rng = np.random.default_rng(4)
    return (0.3 + 0.4 * rng.random((33, 46, 3))).astype(np.float32)


@pytest.fixture(params=BASELINES)
def fuse(request):
    if request.param == "wavelet":
        pytest.importorskip("pywt", reason="the wavelet baseline needs PyWavelets")
    return BASELINES[request.param]


def test_image_fused_with_itself_is_unchanged(fuse, grey, colour):
    for image in (grey, colour):
        fused = fuse(image, image)
        assert fused.dtype == np.float32
        np.testing.assert_allclose(fused, image, atol=2e-6)


def test_result_has_colour_if_either_source_has(fuse, grey, colour):
    assert fuse(grey, grey[::-1]).shape == grey.shape
    assert fuse(grey, colour).shape == colour.shape
    assert fuse(colour, grey).shape == colour.shape


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (2, 3), (5, 4), (31, 64)])
def test_any_shape_gives_values_in_range(fuse, shape):
    rng = np.random.default_rng(5)
    a, b = rng.random((2, *shape), dtype=np.float32)
    fused = fuse(a, b)
    assert fused.shape == shape
    assert fused.min() >= 0
    assert fused.max() <= 1


def test_chrominance_is_carried_through(grey, colour):
    y, cbcr = rgb_to_ycbcr(colour)
    fused_y, fused_cbcr = rgb_to_ycbcr(baselines.average(0.2 * grey + 0.4, colour))
    np.testing.assert_allclose(fused_cbcr, cbcr, atol=1e-5)
    np.testing.assert_allclose(fused_y, (0.2 * grey + 0.4 + y) / 2, atol=1e-5)


def test_pixelwise_rules(grey):
    other = grey[::-1]
    np.testing.assert_allclose(baselines.average(grey, other), (grey + other) / 2, atol=1e-6)
    np.testing.assert_array_equal(baselines.maximum(grey, other), np.maximum(grey, other))


def test_overlay_blends_colours(grey, colour):
    expected = (colour + grey[..., None]) / 2
    np.testing.assert_allclose(baselines.overlay(colour, grey), expected, atol=1e-6)
    np.testing.assert_allclose(baselines.overlay(grey, colour), expected, atol=1e-6)


@pytest.mark.parametrize("name", ["laplacian", "wavelet"])
def test_detail_of_each_source_survives_at_full_strength(name):
    if name == "wavelet":
        pytest.importorskip("pywt", reason="the wavelet baseline needs PyWavelets")
    stripes = 0.5 + 0.2 * (np.indices((64, 64)).sum(axis=0) % 2 * 2 - 1)
    left, right = np.full((64, 64), 0.5), np.full((64, 64), 0.5)
    left[:, :24], right[:, 40:] = stripes[:, :24], stripes[:, 40:]
    fused = BASELINES[name](left.astype(np.float32), right.astype(np.float32))
    for columns in (slice(4, 16), slice(48, 60)):
        assert fused[:, columns].std() == pytest.approx(0.2, abs=0.01)
        assert baselines.average(left, right)[:, columns].std() == pytest.approx(0.1, abs=0.01)
    assert fused[:, 30:34].std() < 0.02


def test_base_is_the_mean():
    low, high = np.full((40, 40), 0.2, np.float32), np.full((40, 40), 0.6, np.float32)
    np.testing.assert_allclose(baselines.laplacian(low, high), 0.4, atol=1e-6)


def test_shapes_must_agree(fuse, grey):
    with pytest.raises(InputError, match="resample"):
        fuse(grey, grey[:-1])
    with pytest.raises(InputError, match="neither"):
        fuse(grey[None, ..., None], grey)


def test_wavelet_without_pywavelets_says_what_to_install(grey, monkeypatch):
    monkeypatch.setitem(sys.modules, "pywt", None)
    with pytest.raises(MissingDependencyError, match=r"napari-textdifuse\[benchmark\]"):
        baselines.wavelet(grey, grey)

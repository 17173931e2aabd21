"""Metrics against slow implementations written from the articles, pixel by pixel.

The recorded numbers were computed with `slow_metrics`, which shares no code with the package.
"""

import numpy as np
import pytest
from slow_metrics import slow_all

from napari_textdifuse.evaluation.metrics import evaluate_luminance

HEIGHT, WIDTH = 45, 52

RECORDED = {
    "EN": 7.327726140,
    "AG": 15.798089780,
    "SD": 43.698965141,
    "SCD": 1.251944243,
    "VIF": 0.162422112,
    "SF": 38.005435727,
    "MI": 6.150110054,
    "Qabf": 0.319861775,
    "SSIM": 0.784798536,
}


@pytest.fixture(scope="module")
def images():
    """Two sources with blocks, ramps and noise, and a result that is neither."""
    rng = np.random.default_rng(2024)
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    a = 3 * x + 40 * ((y // 6 + x // 9) % 2) + rng.integers(0, 9, (HEIGHT, WIDTH))
    b = 4 * y + 50 * ((x - 20) ** 2 + (y - 25) ** 2 < 150) + rng.integers(0, 9, (HEIGHT, WIDTH))
    f = np.where((x + y) % 5 < 3, np.maximum(a, b), (a + b) // 2)
    return tuple(np.clip(image, 0, 255).astype(np.uint8) for image in (a, b, f))


def test_equals_the_recorded_numbers(images):
    assert evaluate_luminance(*images) == pytest.approx(RECORDED, rel=1e-6)


def test_equals_the_slow_implementations(images):
    assert evaluate_luminance(*images) == pytest.approx(slow_all(*images), rel=1e-6)

"""The calibration of the stated error."""

from __future__ import annotations

import numpy as np
import pytest
import uncertainty as bench

from napari_textdifuse.models.uncertainty import ErrorCalibration


def cases(count: int, seed: int) -> list[bench.Case]:
    """Images whose errors are normal, twice the bound, and depend on noise and sharpness."""
    rng = np.random.default_rng(seed)
    made = []
    for _ in range(count):
        seen = rng.uniform((-6, -6, -2, -1), (-2, -2, 1, 0.1))
        bounds = np.exp(rng.uniform(-5, -2, 20_000))
        deviation = 2 * bounds * np.exp(0.3 * seen[0] - 0.2 * seen[2])
        made.append(bench.Case("set", "kind", np.abs(rng.normal(0, deviation)), bounds, seen))
    return made


def test_nine_errors_in_ten_are_covered_in_every_image():
    entry = bench.fit(cases(60, 0), ["MR", "CT"])
    assert entry["weights"][1:] == pytest.approx([0.3, 0, -0.2, 0], abs=0.02)
    assert entry["ranges"][0] == pytest.approx([-6, -2], abs=0.3)
    assert entry["modalities"] == ["MR", "CT"]
    for case in cases(20, 1):
        ratios = case.ratios(ErrorCalibration(**entry))
        assert np.mean(ratios <= 1.645) == pytest.approx(0.9, abs=0.03)


def test_the_degradations_of_the_fit_are_of_every_kind():
    rng = np.random.default_rng(0)
    image = np.indices((64, 64)).sum(axis=0) % 2 * np.float32(0.5) + np.float32(0.25)
    made = bench.random_degradations(3, 10.0, rng)
    noise, blur, both = (change(image, False, rng) for change in made.values())
    flat = np.full((64, 64), 0.5, np.float32)
    assert 1 / 255 < np.std(noise - image) < 10.5 / 255
    assert np.std(blur) < 0.8 * np.std(image)
    assert len(np.unique(blur[1:-1, 1:-1].round(3))) < 20
    assert np.std(both) < 0.8 * np.std(image)
    assert np.std(list(made.values())[1](flat, False, rng)) < 1e-6
    assert np.std(list(made.values())[2](flat, False, rng)) > 1 / 255 * 0.9

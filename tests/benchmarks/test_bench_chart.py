from __future__ import annotations

import chart
import numpy as np
import pytest


def patches(colours: np.ndarray) -> np.ndarray:
    return np.repeat(np.repeat(colours, chart.SIDE, 0), chart.SIDE, 1)


def test_a_grey_image_of_the_mri_tells_no_pet():
    mri, _ = chart.sources()
    wide, step, anatomy = chart.measure(np.repeat(mri.array[..., None], 3, -1))
    assert wide == pytest.approx(0, abs=0.5)
    assert step == pytest.approx(0, abs=0.5)
    assert anatomy > 80


def test_the_overlay_tells_both():
    level = np.linspace(0, 1, chart.LEVELS)
    red = np.zeros((chart.LEVELS, chart.LEVELS, 3))
    red += 0.5 * level[:, None, None]
    red[..., 0] += 0.5 * level
    assert all(f > w for f, w in zip(chart.measure(patches(red)), chart.WANTED, strict=True))


def test_the_embedded_weights_pass(tmp_path, capsys):
    assert chart.main(["--steps", "1", "--out", str(tmp_path)]) == 0
    assert "functional" in (tmp_path / "chart.md").read_text(encoding="utf-8")
    assert {p.name for p in tmp_path.glob("*.png")} == {"chart-functional.png", "chart-hot.png"}
    assert "wanted" in capsys.readouterr().out

"""The quality benchmark, end to end on made-up pairs with the classical methods."""

import csv
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from napari_textdifuse.evaluation import METRICS, evaluate

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture(autouse=True)
def importable(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))


@pytest.fixture
def data(tmp_path):
    """Three colour and grey pairs; the third has an empty source."""
    rng = np.random.default_rng(0)
    for name, channels in (("PET", (3,)), ("MRI", ())):
        folder = tmp_path / "data" / "PET-MRI" / name
        folder.mkdir(parents=True)
        for stem in ("1001", "1002", "1003"):
            picture = rng.integers(0, 256, (44, 46, *channels)).astype(np.uint8)
            if stem == "1003" and name == "PET":
                picture[:] = 0
            Image.fromarray(picture).save(folder / f"{stem}.png")
    return tmp_path / "data"


def run(data, out, *options):
    import fusion_quality

    common = ["--data", str(data), "--sets", "PET-MRI", "--out", str(out)]
    return fusion_quality.main([*common, "--methods", "average", "maximum", *options])


def load(path):
    with Image.open(path) as image:
        return np.asarray(image)


def test_writes_a_table_a_report_and_a_sheet(data, tmp_path):
    assert run(data, tmp_path / "out" / "x") == 0
    with (tmp_path / "out" / "x.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [(row["name"], row["method"]) for row in rows] == [
        (stem, method) for stem in ("1001", "1002") for method in ("average", "maximum")
    ]
    folder = data / "PET-MRI"
    a, b = (load(folder / name / "1002.png") for name in ("PET", "MRI"))
    from napari_textdifuse.evaluation.baselines import maximum

    fused = maximum((a / 255).astype(np.float32), (b / 255).astype(np.float32))
    expected = evaluate(a, b, np.rint(fused * 255).astype(np.uint8))
    for name in METRICS:
        assert float(rows[3][name]) == pytest.approx(expected[name], abs=2e-3), name
    report = (tmp_path / "out" / "x.md").read_text()
    assert "## PET-MRI (2 pairs)" in report
    mean = (float(rows[1]["SD"]) + float(rows[3]["SD"])) / 2
    line = next(line for line in report.splitlines() if line.startswith("| maximum"))
    assert f"{mean:.2f}" in line.split("|")[4]
    # Labels, then per pair a label and a row of four columns (a, b and two methods).
    with Image.open(tmp_path / "out" / "x.png") as sheet:
        assert sheet.width == 4 * 196 + 4


def test_degraded_pairs_are_measured_against_the_clean_ones(data, tmp_path):
    run(data, tmp_path / "clean")
    run(data, tmp_path / "noisy", "--degrade", "noise20")
    clean, noisy = (
        list(csv.DictReader((tmp_path / f"{name}.csv").read_text().splitlines()))
        for name in ("clean", "noisy")
    )
    for a, b in zip(clean, noisy, strict=True):
        assert float(b["SSIM"]) < float(a["SSIM"])
    assert "rank (SCD VIF Qabf SSIM)" in (tmp_path / "noisy.md").read_text()


def test_degradation_repeats_and_follows_the_kind_of_pair():
    from _pairs import Pair, degrade

    flat = np.full((200, 200), 100, dtype=np.uint8)
    medical, scene = Pair("s", "x", flat, flat, scene=False), Pair("s", "x", flat, flat, scene=True)
    for one, two in zip(degrade(medical, "metrics"), degrade(medical, "metrics"), strict=True):
        np.testing.assert_array_equal(one, two)
        assert one.std() == pytest.approx(15, rel=0.02)
        assert one.mean() == pytest.approx(100, abs=0.5)
    dark, infrared = degrade(scene, "metrics")
    assert infrared.std() == pytest.approx(25, rel=0.02)
    assert dark.mean() == pytest.approx(255 * (100 / 255) ** 2.2, abs=3)


def test_selection_of_pairs(data, tmp_path):
    names = tmp_path / "names.txt"
    names.write_text("PET-MRI/1002\n")
    assert run(data, tmp_path / "x", "--names", str(names)) == 0
    lines = (tmp_path / "x.csv").read_text().splitlines()[1:]
    assert {line.split(",")[1] for line in lines} == {"1002"}


def test_wrong_options_end_with_2_and_one_line(data, tmp_path, capsys):
    assert run(data / "PET-MRI", tmp_path / "x") == 2
    assert run(data, tmp_path / "x", "--methods", "magic") == 2
    error = capsys.readouterr().err.splitlines()
    assert len(error) == 2
    assert "has no pair of subfolders" in error[0]
    assert "magic" in error[1]


def test_mean_rank_shares_ties_and_puts_undefined_last():
    from _report import mean_ranks

    means = {
        "x": {"EN": 3.0, "SD": 1.0},
        "y": {"EN": 2.0, "SD": 1.0},
        "z": {"EN": float("nan"), "SD": 0.5},
    }
    assert mean_ranks(means, ("EN", "SD")) == {"x": 1.25, "y": 1.75, "z": 3.0}


def test_bootstrap_interval_has_the_width_of_the_standard_error():
    from _report import bootstrap_interval

    values = np.random.default_rng(1).normal(5, 2, 400)
    low, high = bootstrap_interval(values)
    assert low < values.mean() < high
    assert high - low == pytest.approx(2 * 1.96 * 2 / 20, rel=0.15)
    assert bootstrap_interval(np.array([1.0, np.nan, 1.0])) == (1.0, 1.0)

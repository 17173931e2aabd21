"""The sampler benchmark on made-up pairs."""

import csv

import numpy as np
import pytest
import samplers


def test_distances_fall_to_none_at_the_target(data, tmp_path, tiny_weights, monkeypatch):
    monkeypatch.setattr(samplers, "TARGET", 6)
    out = tmp_path / "out" / "table.md"
    options = ["--data", str(data), "--sets", "Road", "--split", "all", "--limit", "1"]
    options += ["--weights", str(tiny_weights), "--device", "cpu", "--side", "32"]
    options += ["--degrade", "metrics", "--samplers", "ddim", "dpm++", "--steps", "1", "3"]
    assert samplers.main([*options, "--out", str(out)]) == 0
    with out.with_suffix(".csv").open(newline="") as stream:
        rows = {(r["sampler"], r["steps"]): float(r["MAD"]) for r in csv.DictReader(stream)}
    assert rows.keys() == {(name, n) for name in ("ddim", "dpm++") for n in ("1", "3", "6")}
    assert rows["ddim", "6"] == rows["dpm++", "6"] == 0
    assert rows["ddim", "1"] > 0
    assert rows["ddim", "1"] != rows["dpm++", "1"]  # another target
    text = out.read_text()
    assert "## Road, metrics, 1 pair\n" in text
    assert [line.split("|")[2].strip() for line in text.splitlines() if "| ddim" in line] == [
        "1",
        "3",
        "6",
    ]


def test_distances_in_grey_levels():
    one = np.full((4, 4), 0.5, np.float32)
    found = samplers.distances(one + np.float32(2 / 255), one)
    assert found == pytest.approx({"MAD": 2, "MSE": 4}, rel=1e-4)
    assert samplers.middle(np.arange(30).reshape(5, 6), 3).tolist()[0] == [7, 8, 9]


def test_impossible_sides_are_refused(data, capsys):
    assert samplers.main(["--data", str(data), "--sets", "Road", "--side", "4"]) == 2
    assert "--side must be at least 16" in capsys.readouterr().err

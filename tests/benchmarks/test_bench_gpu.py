"""The GPU benchmark runs where there is none, and says so."""

import gpu
import pytest


def test_every_table_on_the_cpu(tiny_weights, tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(gpu.MATRIX, "cpu", 64)
    out = tmp_path / "gpu.md"
    options = ["--device", "cpu", "--weights", str(tiny_weights), "--sizes", "32", "--batches"]
    options += ["1", "2", "--repeats", "1", "--train-size", "16", "--train-batch", "2"]
    assert gpu.main([*options, "--out", str(out)]) == 0
    text = out.read_text()
    assert text == capsys.readouterr().out
    assert text.startswith("No GPU: measured on cpu")
    assert "there is no CUDA device" in text
    rows = [line.split("|")[1:-1] for line in text.splitlines() if line.startswith("| 32 |")]
    single = next(row for row in rows if row[1].strip() == "float32" and row[2].strip() == "1")
    assert float(single[3]) > 0
    (half,) = [row for row in rows if "/255" in row[2]]
    assert 0 < float(half[2].split("/")[0]) < 5
    trained = next(line for line in text.splitlines() if line.startswith("| 16 | 2 |"))
    steps, crops = (float(cell) for cell in trained.split("|")[3:5])
    assert crops == pytest.approx(2 * steps, rel=0.1, abs=0.1)

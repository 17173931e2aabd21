"""The speed benchmark on a tiny network: every table appears, in its own processes."""

import pytest
import speed

pytestmark = pytest.mark.skipif(
    not hasattr(speed.os, "fork"), reason="peak memory is not measured on this system"
)


def test_tables(tiny_weights, tmp_path, capsys):
    out = tmp_path / "deep" / "speed.md"
    options = ["--sizes", "16x32", "--steps", "1", "--repeats", "1", "--threads", "1"]
    options += ["--weights", str(tiny_weights), "--slices", "2"]
    assert speed.main([*options, "--out", str(out)]) == 0
    text = out.read_text()
    assert text == capsys.readouterr().out
    line = next(line for line in text.splitlines() if line.startswith("| 16x32 | 1 |"))
    cold, load, first, warm, peak, tera = (float(cell) for cell in line.split("|")[3:-1])
    assert cold >= load + first - 0.02
    assert warm <= cold
    assert 0.05 < peak < 5  # GiB
    assert tera >= 0
    assert next(line for line in text.splitlines() if line.startswith("| 16x32 | 2 |"))


def test_a_failure_is_one_line():
    with pytest.raises(SystemExit, match=r"^speed: nonsense") as error:
        speed.measure("nonsense", {}, threads=1)
    assert len(str(error.value).splitlines()) == 1

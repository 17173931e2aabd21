"""The quality benchmark, end to end on made-up pairs."""

import csv

import fusion_quality
import numpy as np
import pytest
from _bench import methods
from _bench.report import _best
from _bench.sheet import LIMIT, Strip, crop_of_interest, write_sheets
from PIL import Image

from napari_textdifuse.evaluation import METRICS, evaluate
from napari_textdifuse.evaluation.baselines import maximum

#: Where a row of the report, split at its bars, has the rank: after the name and the metrics.
RANK = 2 + len(METRICS)


def run(data, out, *options, sets=("PET-MRI",), names=("average", "maximum")):
    common = ["--data", str(data), "--sets", *sets, "--out", str(out)]
    return fusion_quality.main([*common, "--methods", *names, *options])


def read(path):
    with path.open(newline="") as stream:
        return list(csv.DictReader(stream))


def load(path):
    with Image.open(path) as image:
        return np.asarray(image)


def test_measures_every_pair_with_every_method(data, tmp_path):
    out = tmp_path / "out"
    assert run(data, out) == 0
    rows = read(out / "images.csv")
    assert [(row["name"], row["case"], row["method"]) for row in rows] == [
        (stem, stem[0], method) for stem in ("1001", "2002") for method in ("average", "maximum")
    ]
    a, b = (load(data / "PET-MRI" / name / "2002.png") for name in ("PET", "MRI"))
    fused = maximum((a / 255).astype(np.float32), (b / 255).astype(np.float32))
    expected = evaluate(a, b, np.rint(fused * 255).astype(np.uint8))
    for name in METRICS:
        assert float(rows[3][name]) == pytest.approx(expected[name], abs=2e-3), name
    assert float(rows[3]["outside_mean"]) < 1
    report = (out / "report.md").read_text()
    assert "### PET-MRI, 2 pairs, as they are" in report
    means = [(float(rows[1][name]) + float(rows[3][name])) / 2 for name in METRICS]
    cells = next(line for line in report.splitlines() if line.startswith("| maximum")).split("|")
    for cell, value in zip(cells[2:], means, strict=False):
        assert f"{value:.2f}" in cell
    found = {(row["method"], row["measure"]): row for row in read(out / "summary.csv")}
    row = found["maximum", "SD"]
    assert float(row["low"]) <= float(row["mean"]) <= float(row["high"])
    with Image.open(out / "sheet-PET-MRI-none.png") as sheet:
        assert sheet.width == 4 * 188 + 4  # a, b and two methods


def test_a_run_that_was_stopped_goes_on(data, tmp_path, monkeypatch):
    out, calls = tmp_path / "out", []
    original = methods.BASELINES["average"]

    def counted(a, b):
        calls.append(a.shape)
        if len(calls) == 2 and not out.joinpath("again").exists():
            raise KeyboardInterrupt
        return original(a, b)

    monkeypatch.setitem(methods.BASELINES, "average", counted)
    with pytest.raises(KeyboardInterrupt):
        run(data, out, names=["average"])
    assert len(read(out / "images.csv")) == 1
    with (out / "images.csv").open("a") as stream:
        stream.write("PET-MRI,2002,2,no")  # cut off in the middle of a line
    (out / "again").touch()
    run(data, out, names=["average"])
    assert len(calls) == 3  # the first pair was not fused again
    before = (out / "images.csv").read_text()
    run(data, out, names=["average"])
    assert len(calls) == 3
    assert (out / "images.csv").read_text() == before
    (out / "pictures/none/PET-MRI/average/1001.png").unlink()  # the sheet needs it
    run(data, out, names=["average"])
    assert len(calls) == 4


def test_results_of_other_weights_are_measured_again(data, tmp_path, tiny_weights):
    out, options = tmp_path / "out", ("--weights", str(tiny_weights), "--limit", "1")
    run(data, out, *options, "--steps", "1", names=["textdifuse"])
    first = read(out / "images.csv")
    run(data, out, *options, "--steps", "2", names=["textdifuse"])
    second = read(out / "images.csv")
    assert len(first) == len(second) == 1
    assert "steps=1" in first[0]["version"]
    assert "steps=2" in second[0]["version"]
    assert first[0]["EN"] != second[0]["EN"]


def test_degraded_pairs_are_measured_against_the_clean_ones(data, tmp_path):
    run(data, tmp_path, "--degrade", "none", "noise20", "--rows", "0")
    rows = {(r["condition"], r["name"], r["method"]): r for r in read(tmp_path / "images.csv")}
    for stem in ("1001", "2002"):
        clean, noisy = (float(rows[c, stem, "maximum"]["SSIM"]) for c in ("none", "noise20"))
        assert noisy < clean - 0.02
    assert ("noise20", "1001", "nlm+laplacian") in rows
    assert ("none", "1001", "nlm+laplacian") not in rows
    report = (tmp_path / "report.md").read_text()
    assert "rank (SCD VIF Qabf SSIM)" in report
    assert "### PET-MRI, all conditions" in report
    assert not list(tmp_path.glob("*.png"))


def test_the_oracle_is_told_the_gamma_and_not_ranked(data, tmp_path):
    run(data, tmp_path, "--degrade", "gamma2", sets=["Road"])
    rows = {(r["name"], r["method"]): float(r["SSIM"]) for r in read(tmp_path / "images.csv")}
    name = "nlm+ungamma (oracle)"
    assert rows["day", name] > rows["day", "nlm+laplacian"]
    line = next(x for x in (tmp_path / "report.md").read_text().splitlines() if name in x)
    assert line.split("|")[RANK].strip() == ""


def test_a_cast_that_is_passed_on_is_not_reduced(data, tmp_path):
    run(data, tmp_path, "--degrade", "cast20", sets=["Road"])
    row = next(row for row in read(tmp_path / "images.csv") if row["method"] == "average")
    before, after, floor = (float(row[f"cast_{name}"]) for name in ("before", "after", "floor"))
    assert before > 5
    assert after == pytest.approx(before, rel=0.35)  # the gamut costs a little
    assert floor < after
    assert float(row["own_after"]) == pytest.approx(float(row["own_before"]), rel=0.05)


def test_results_of_others_are_compared_on_the_same_pairs_only(data, tmp_path, capsys):
    run(data, tmp_path / "first", "--write-inputs", str(tmp_path / "inputs"))
    np.testing.assert_array_equal(
        load(tmp_path / "inputs/none/PET-MRI/b/1001.png"), load(data / "PET-MRI/MRI/1001.png")
    )
    results = tmp_path / "first" / "pictures" / "none" / "PET-MRI" / "maximum"
    other = tmp_path / "other" / "PET-MRI"
    other.mkdir(parents=True)
    for file in results.iterdir():
        (other / file.name).write_bytes(file.read_bytes())
    some = tmp_path / "some" / "PET-MRI"
    some.mkdir(parents=True)
    (some / "1001.png").write_bytes((results / "1001.png").read_bytes())
    folders = [f"twin={other.parent}", f"half={some.parent}"]
    run(data, tmp_path / "out", "--others", *folders)
    summary = read(tmp_path / "out" / "summary.csv")
    means = {(row["method"], row["measure"]): row["mean"] for row in summary}
    assert means["twin", "VIF"] == means["maximum", "VIF"]
    assert ("half", "VIF") not in means
    assert "half (1)" in (tmp_path / "out" / "report.md").read_text()
    assert "no result for PET-MRI/2002" in capsys.readouterr().err


def test_an_undefined_metric_is_not_best(data, tmp_path):
    """MS-SSIM needs 161 pixels."""
    assert run(data, tmp_path / "out", "--further", "--rows", "0") == 0
    report = (tmp_path / "out" / "report.md").read_text("utf-8")
    assert "| nan |" in report
    assert "**nan**" not in report
    assert _best([np.nan, 1.0, 3.0]) == _best([3.0, np.nan]) == 3
    assert _best([np.nan, 1.0, 3.0], low=True) == 1


def test_rows_of_a_table(data, tmp_path):
    table = tmp_path / "others.csv"
    names = ",".join(METRICS)
    high, low = (",".join([value] * len(METRICS)) for value in ("900", "-9"))
    lines = [f"set,method,name,{names}", f"PET-MRI,Elsewhere,,{high}", f"PET-MRI,Low,,{low}"]
    lines += [f"PET-MRI,Here,{stem},{high}" for stem in ("1001", "2002", "9009")]
    table.write_text("\n".join(lines) + "\n")
    assert run(data, tmp_path / "out", "--table", str(table)) == 0
    measured, elsewhere = (tmp_path / "out" / "report.md").read_text().split("#### ")
    here = next(line for line in measured.splitlines() if line.startswith("| Here"))
    assert here.split("|")[RANK].strip() == "1.0"  # ranked: the same pairs
    assert "Elsewhere" not in measured
    assert "other pairs" in elsewhere
    assert "Elsewhere (table)" in elsewhere
    table.write_text(f"set,method,{names}\nPET-MRI,X,{'a,' * (len(METRICS) - 1)}b\n")
    assert run(data, tmp_path / "out", "--table", str(table)) == 2


def test_selection_of_pairs(data, tmp_path):
    names = tmp_path / "names.txt"
    names.write_text("PET-MRI/2002\n")
    assert run(data, tmp_path / "x", "--names", str(names)) == 0
    assert {row["name"] for row in read(tmp_path / "x" / "images.csv")} == {"2002"}


def test_wrong_options_end_with_2_and_one_line(data, tmp_path, capsys):
    for wrong, message in (
        (("--methods", "magic"), "magic"),
        (("--degrade", "fog"), "fog"),
        (("--others", "x=/nowhere"), "existing folder"),
        (("--split", "held-out"), "holds no pair"),
        (("--table", str(tmp_path / "none.csv")), "cannot be read"),
    ):
        assert run(data, tmp_path / "x", *wrong) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert message in line
    assert run(data / "PET-MRI", tmp_path / "x") == 2
    assert "has no pair of subfolders" in capsys.readouterr().err


def test_large_sheets_are_split_into_pages(tmp_path):
    rng = np.random.default_rng(0)
    noise = [rng.integers(0, 256, (184, 184, 3)).astype(np.uint8) for _ in range(8)]
    strips = [Strip(f"pair {i}", noise) for i in range(4)]
    pages = write_sheets(tmp_path / "sheet.png", list("abcdefgh"), strips)
    assert len(pages) > 1
    assert all(page.stat().st_size <= LIMIT for page in pages)
    (only,) = write_sheets(tmp_path / "sheet.png", list("ab"), [Strip("x", noise[:2])])
    assert list(tmp_path.iterdir()) == [only]  # pages of an earlier run are gone


def test_the_crop_shows_detail_of_both_sources():
    rng = np.random.default_rng(0)
    a, b = np.full((2, 120, 160), 90, dtype=np.uint8)
    a[:, :80] = rng.integers(0, 256, (120, 80))
    b[70:110, 30:70] = rng.integers(0, 256, (40, 40))
    rows, columns = crop_of_interest(a, b)
    assert rows.stop - rows.start == columns.stop - columns.start == 30
    assert 65 <= rows.start <= 85
    assert 25 <= columns.start <= 45

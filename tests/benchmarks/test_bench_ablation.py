"""The ablation benchmark on made-up pairs."""

import csv
import json
import shutil

import ablation
import pytest

from napari_textdifuse.models import RULES


def run(data, out, *options):
    common = ["--data", str(data), "--sets", "Road", "--split", "all", "--out", str(out)]
    return ablation.main([*common, "--steps", "1", "--device", "cpu", *options])


@pytest.fixture
def no_diffusion(tiny_weights, tmp_path):
    folder = shutil.copytree(tiny_weights, tmp_path / "plain")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"diffusion": False}))
    return folder


def test_one_row_per_part_that_is_left_out(data, tmp_path, tiny_weights, no_diffusion):
    out, weights = tmp_path / "out", str(tiny_weights)
    options = ("--weights", weights, "--no-gradient", weights, "--no-diffusion", str(no_diffusion))
    assert run(data, out, *options, "--degrade", "none", "noise20") == 0
    with (out / "images.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    names = [*(f"{rule}, no FCM" for rule in RULES), "no L_grad", "no diffusion", "full"]
    assert [row["method"] for row in rows if row["name"] == "day"] == names * 2
    value = {row["method"]: row["SD"] for row in rows if row["name"] == "day"}
    assert value["full"] == value["no L_grad"]  # the same weights here
    assert len(set(value.values())) == len(names) - 1
    report = (out / "report.md").read_text()
    assert report.index("as they are") < report.index("degraded: noise20")
    for name in names:
        assert report.count(f"\n| {name} |") >= 2
    assert (out / "summary.csv").is_file()


def test_weights_that_a_row_is_not_about_are_refused(
    data, tmp_path, tiny_weights, no_diffusion, capsys
):
    assert run(data, tmp_path / "out", "--weights", str(no_diffusion)) == 2
    assert "not the full model" in capsys.readouterr().err
    options = ("--weights", str(tiny_weights), "--no-diffusion", str(tiny_weights))
    assert run(data, tmp_path / "out", *options) == 2
    assert '"diffusion": false' in capsys.readouterr().err

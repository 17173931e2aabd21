"""``evaluate``, ``weights``, ``info``, ``sample`` and the program itself."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from cli_images import write_grey
from huggingface_hub import constants

from napari_textdifuse import Volume, __version__
from napari_textdifuse.cli import sample as sample_module
from napari_textdifuse.cli import weights as weights_module
from napari_textdifuse.cli.report import ProgressLine
from napari_textdifuse.evaluation import METRICS, evaluate, metric_names


@pytest.fixture
def measured(tmp_path):
    for k, role in enumerate(("a", "b", "fused")):
        (tmp_path / role).mkdir()
        write_grey(tmp_path / role / "one.png", (90, 100), seed=k)
        write_grey(tmp_path / role / "two.png", (90, 100), seed=k + 1)
    write_grey(tmp_path / "a" / "three.png")
    return tuple(v for role in ("a", "b", "fused") for v in (f"--{role}", tmp_path / role))


def test_evaluate_json_and_csv(textdifuse, measured, tmp_path):
    ran = textdifuse("evaluate", *measured, "--csv", tmp_path / "t.csv", "--json")
    assert ran.status == 0
    content = json.loads(ran.out)
    assert content["metrics"] == list(METRICS)
    assert content["count"] == 2
    assert content["missing"] == ["three"]
    assert [row["name"] for row in content["images"]] == ["one", "two"]
    expected = evaluate(*(tmp_path / role / "one.png" for role in ("a", "b", "fused")))
    assert content["images"][0] == pytest.approx(expected | {"name": "one"})
    for metric in METRICS:
        both = [row[metric] for row in content["images"]]
        assert content["mean"][metric] == pytest.approx(np.mean(both))
    with (tmp_path / "t.csv").open(newline="") as file:
        assert [row[0] for row in csv.reader(file)] == ["name", "one", "two", "mean"]


def test_evaluate_prints_a_table(textdifuse, measured):
    ran = textdifuse("evaluate", *measured)
    lines = ran.out.splitlines()
    assert lines[0].split() == list(METRICS)
    assert [line.split()[0] for line in lines[1:]] == ["one", "two", "mean"]
    assert "three is missing in b and fused" in ran.err


def test_evaluate_takes_the_metrics_asked_for(textdifuse, measured):
    ran = textdifuse("evaluate", *measured, "--metrics", "cc", "FMI_gradient")
    assert ran.out.splitlines()[0].split() == ["CC", "FMI_gradient"]
    ran = textdifuse("evaluate", *measured, "--metrics", "all", "--json")
    assert json.loads(ran.out)["metrics"] == list(metric_names("all"))
    ran = textdifuse("evaluate", *measured, "--metrics", "PSNR")
    assert ran.status == 2
    assert "no metric 'PSNR'; choose from EN" in ran.err


def test_batch_output_can_be_evaluated(textdifuse, fast, measured, tmp_path):
    a, b = measured[1], measured[3]
    textdifuse("batch", a, b, "--out", tmp_path / "made", *fast)
    ran = textdifuse("evaluate", "--a", a, "--b", b, "--fused", tmp_path / "made", "--json")
    assert ran.status == 0
    assert json.loads(ran.out)["count"] == 2
    assert json.loads(ran.out)["missing"] == ["three"]  # not the folder of records


def test_weights_are_listed_and_verified(textdifuse, tiny_weights, tmp_path, monkeypatch):
    monkeypatch.setattr(weights_module, "embedded_names", lambda: [str(tiny_weights)])
    monkeypatch.setattr(constants, "HF_HOME", str(tmp_path / "hf"))  # not the user's downloads
    config = json.loads((tiny_weights / "config.json").read_text())
    ran = textdifuse("weights", "list", "--json")
    (entry,) = json.loads(ran.out)["weights"]
    folder = str(tiny_weights)
    assert entry == {"name": folder, "version": "tiny", "sha256": config["sha256"], "path": folder}
    assert "SHA-256 is correct" in textdifuse("weights", "verify").out
    assert "Nothing to download" in textdifuse("weights", "download").out

    damaged = tmp_path / "damaged"
    damaged.mkdir()
    for file in tiny_weights.iterdir():
        (damaged / file.name).write_bytes(file.read_bytes())
    (damaged / "model.safetensors").write_bytes(b"x")
    ran = textdifuse("weights", "verify", damaged)
    assert ran.status == 2
    assert "damaged" in ran.err


def test_info(textdifuse):
    content = json.loads(textdifuse("info", "--json").out)
    assert content["version"] == __version__
    assert content["devices"]["cpu"] is True
    assert content["packages"]["torch"]
    assert set(content["optional"]) >= {"napari", "torchvision", "SimpleITK"}
    terms = {term["term"]: term for term in content["locators"]["lexicon"]}
    assert {"tumour", "person"} <= set(terms)
    assert terms["tumour"]["source"]
    text = textdifuse("info").out
    assert "tumour" in text
    assert "configuration files: none" in text


def test_sample_uses_its_own_prompt(textdifuse, fast, tmp_path, monkeypatch):
    ball = np.zeros((4, 20, 20), np.float32)
    ball[1:3, 6:14, 6:14] = 1000.0
    base = np.tile(np.linspace(0, 60, 20, dtype=np.float32), (4, 20, 1))
    pair = (
        Volume(base, affine=np.eye(4), modality="MR"),
        Volume(ball - 10, affine=np.eye(4), modality="CT", unit="HU"),
    )
    sample = SimpleNamespace(a="brain/t1.nii.gz", b="brain/ct.nii.gz", prompt="bone")
    monkeypatch.setitem(sample_module.SAMPLES, "ball", sample)
    monkeypatch.setattr(sample_module, "load_sample", lambda name: pair)
    ran = textdifuse("sample", "ball", "--out", tmp_path / "o", "--json", *fast)
    assert ran.status == 0, ran.err
    record = json.loads(ran.out)["record"]
    assert record["label_names"] == {"1": "bone"}
    assert json.loads(ran.out)["files"]["mask"] == "mask.nii.gz"


def test_samplers_are_those_of_the_library():
    from napari_textdifuse import diffusion
    from napari_textdifuse.cli import app

    assert app.SAMPLERS == diffusion.SAMPLERS


def test_version_and_help(textdifuse):
    assert textdifuse("--version").out == f"textdifuse {__version__}\n"
    ran = textdifuse("fuse", "--help")
    assert ran.status == 0
    assert "--prompt" in ran.out


def test_progress_on_a_terminal_and_elsewhere(capsys, monkeypatch):
    state = SimpleNamespace(step=3, total=8, slice_index=1, slices=4)
    with ProgressLine("fusing", interval=0) as line:
        line(state)
    assert capsys.readouterr().err == "textdifuse: fusing: step 3 of 8, slice 2 of 4\n"
    with ProgressLine("fusing") as line:  # nothing within ten seconds
        line(state)
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    with ProgressLine("fusing") as line:
        line.last = 0
        line(state)
    text = capsys.readouterr().err
    assert text.startswith("\rfusing: step 3 of 8")
    assert text.endswith(" \r")


def test_as_a_program_without_torch(tmp_path):
    """Help and wrong arguments must answer at once."""
    code = (
        "import sys; from napari_textdifuse.cli import main; status = main(sys.argv[1:]); "
        "heavy = {'torch', 'numpy', 'scipy', 'napari', 'qtpy'} & set(sys.modules); "
        "assert not heavy, heavy; sys.exit(status)"
    )
    for arguments, status in ((["--help"], 0), (["fuse", "a", "b", "--out", "x"], 2)):
        command = [sys.executable, "-c", code, *arguments]
        ran = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
        assert ran.returncode == status, ran.stderr
        assert len(ran.stderr.splitlines()) == (status == 2)


def test_as_a_module(fast, pictures, tmp_path):
    """A whole run in a process of its own: nothing but what is said on purpose."""
    command = [sys.executable, "-m", "napari_textdifuse", "fuse", *pictures, "--out", "o", *fast]
    ran = subprocess.run(
        [*map(str, command), "--json"], capture_output=True, text=True, cwd=tmp_path, check=False
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stderr == ""
    assert json.loads(ran.stdout)["files"]["fused"] == "fused.png"
    assert (tmp_path / "o/fused.png").is_file()

"""``textdifuse train``: from folders to weights that ``fuse`` takes, whatever happens between."""

from __future__ import annotations

import csv
import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from scipy import ndimage

TINY = ("--base", 8, "--multipliers", 1, 2)
SHORT = (
    *("--steps", 30, "--cooldown", 6, "--warmup", 3, "--validate-every", 5, "--rate", "2e-3"),
    *("--crop", 32, "--batch", 2, "--device", "cpu", "--save-minutes", 0),
)

#: Runs the command and dies, as by kill -9, in the middle of writing a checkpoint.
KILLED = """
import os, signal, sys
from napari_textdifuse.cli import main
replace, calls = os.replace, []
def dying(source, target):
    if str(target).endswith("checkpoint.pt"):
        calls.append(target)
        if len(calls) == int(sys.argv[1]):
            os.kill(os.getpid(), getattr(signal, "SIGKILL", signal.SIGTERM))
    replace(source, target)
os.replace = dying
main(sys.argv[2:])
"""


@pytest.fixture(scope="module")
def scans(tmp_path_factory) -> Path:
    """Five registered pairs: blobs, and the same blobs inverted."""
    root = tmp_path_factory.mktemp("scans")
    for number in range(5):
        field = ndimage.gaussian_filter(np.random.default_rng(number).standard_normal((40, 44)), 4)
        field = np.rint(220 * (field - field.min()) / np.ptp(field) + 20).astype(np.uint8)
        for folder, values in (("us", field), ("mr", 255 - field)):
            (root / folder).mkdir(exist_ok=True)
            Image.fromarray(values).save(root / folder / f"case{number}.png")
    return root


def rows(run: Path) -> list[dict[str, str]]:
    """The curve without the wall clock."""
    with (run / "curve.csv").open(newline="") as file:
        return [{k: v for k, v in row.items() if k != "minutes"} for row in csv.DictReader(file)]


def test_kill_9_and_resume_give_the_curve_and_weights_of_one_run(textdifuse, scans, tmp_path):
    images = ("--images", f"US={scans / 'us'}", "--images", f"MR={scans / 'mr'}")
    straight, killed = tmp_path / "a", tmp_path / "b"
    command = ("train", "diffusion", *images, *TINY, *SHORT)
    assert textdifuse(*command, "--out", straight, "--name", "x").status == 0

    arguments = [str(a) for a in (*command, "--out", killed, "--name", "x")]
    process = subprocess.run(
        [sys.executable, "-c", KILLED, "18", *arguments],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        timeout=600,
    )
    assert process.returncode in (-9, 15)  # 15: TerminateProcess on Windows
    assert len(rows(killed)) == 3  # up to step 15; the checkpoint is of step 17

    resumed = textdifuse(*arguments)
    assert resumed.status == 0, resumed.err
    assert "resumed at step 17" in resumed.err
    assert rows(killed) == rows(straight)
    assert [int(row["step"]) for row in rows(straight)] == [5, 10, 15, 20, 25, 30]
    a, b = (load_file(run / "weights.safetensors") for run in (straight, killed))
    assert a.keys() == b.keys()
    assert all(a[name].equal(b[name]) for name in a)
    assert (straight / "model.safetensors").read_bytes() == (
        killed / "model.safetensors"
    ).read_bytes()
    losses = [float(row["val_loss"]) for row in rows(straight)]
    assert losses[-1] < losses[0]
    assert {p.name for p in killed.iterdir()} == {
        *("checkpoint.pt", "curve.csv", "samples"),
        *("config.json", "model.safetensors", "weights.safetensors"),
    }


def test_from_folders_to_a_fused_image(textdifuse, scans, tmp_path):
    """The three stages, each beginning with the folder of the one before, then ``fuse``."""
    pairs = ("--pairs", f"us={scans / 'us'}", f"mri={scans / 'mr'}")
    short = ("--steps", 3, "--cooldown", 0, *SHORT[8:])
    one = textdifuse("train", "diffusion", *pairs, *TINY, *short, "--out", tmp_path / "1")
    assert one.status == 0, one.err
    assert "held out: 1 from 1 case" in one.err
    assert "average of both" in one.err
    two = textdifuse(
        "train", "fcm", *pairs, *short, "--start", tmp_path / "1", "--out", tmp_path / "2"
    )
    assert two.status == 0, two.err
    assert "average" not in two.err
    three = textdifuse(
        *("train", "modulation", *pairs, *short, "--start", tmp_path / "2"),
        *("--out", tmp_path / "3", "--name", "mine-1"),
    )
    assert three.status == 0, three.err
    assert three.out.strip() == str(tmp_path / "3")
    config = json.loads((tmp_path / "3" / "config.json").read_text())
    assert config["name"] == "mine-1"
    assert config["training"]["stages"] == ["diffusion", "fcm", "modulation"]
    assert "case" not in json.dumps(config)  # names of images stay out of weights

    done = textdifuse(
        *("fuse", scans / "us" / "case1.png", scans / "mr" / "case1.png"),
        *("--weights", tmp_path / "3", "--device", "cpu", "--steps", 1, "--out", tmp_path / "f"),
    )
    assert done.status == 0, done.err
    assert (tmp_path / "f" / "fused.png").is_file()
    copied = textdifuse("train", "export", "--start", tmp_path / "3", "--out", tmp_path / "w")
    assert copied.status == 0, copied.err
    assert textdifuse("weights", "verify", tmp_path / "w").status == 0


def test_a_distilled_network_serves_the_preset_fast(textdifuse, scans, tmp_path):
    pairs = ("--pairs", f"US={scans / 'us'}", f"MR={scans / 'mr'}")
    short = ("--steps", 2, "--cooldown", 1, "--crop", 32, "--batch", 2, "--device", "cpu")
    small = (*TINY, "--blocks", 1, 1)
    run = textdifuse(
        *("train", "distill", *pairs, "--start", "light", *small, *short),
        *("--out", tmp_path / "run"),
    )
    assert run.status == 0, run.err
    export = ("train", "export", "--start", "light", "--out", tmp_path / "w")
    done = textdifuse(*export, "--fast", tmp_path / "run")
    assert done.status == 0, done.err
    assert textdifuse("weights", "verify", tmp_path / "w").status == 0
    files = scans / "us" / "case1.png", scans / "mr" / "case1.png"

    def fused(*options):
        done = textdifuse("fuse", *files, "--device", "cpu", *options, "--out", tmp_path / "f")
        assert done.status == 0, done.err
        record = json.loads((tmp_path / "f" / "record.json").read_text())
        with Image.open(tmp_path / "f" / "fused.png") as image:
            return np.asarray(image).astype(int), record

    both, alone = ("--weights", tmp_path / "w"), ("--weights", tmp_path / "run")
    fast, record = fused(*both, "--quality", "fast")
    student, _ = fused(*alone, "--steps", 1)
    np.testing.assert_array_equal(fast, student)
    digest = hashlib.sha256((tmp_path / "w" / "fast.safetensors").read_bytes()).hexdigest()
    assert record["network"] == {"name": "fast", "sha256": digest}
    assert record["steps"] == 1
    one, record = fused(*both, "--steps", 1)
    assert "network" not in record
    plain = tmp_path / "plain"  # without a distilled network, "fast" is one step
    assert textdifuse("train", "export", "--start", "light", "--out", plain).status == 0
    np.testing.assert_array_equal(one, fused("--quality", "fast", "--weights", plain)[0])
    assert np.abs(one - fast).mean() > 1
    wrong = textdifuse(*export, "--fast", "light")
    assert wrong.status == 2
    assert "stage distill" in wrong.err
    # the file of the exported network has half the precision of the run's
    for student, out in ((tmp_path / "run", "more"), (tmp_path / "w" / "fast.safetensors", "half")):
        again = textdifuse(
            *("train", "distill", *pairs, "--start", "light", "--student", student, *short),
            *("--rate", 1e-9, "--out", tmp_path / out),
        )
        assert again.status == 0, again.err
        first, second = (
            load_file(folder / "weights.safetensors")
            for folder in (tmp_path / "run", tmp_path / out)
        )
        assert all(torch.allclose(first[k], second[k], atol=1e-3) for k in first)


def test_chroma_is_trained_on_colour_images(textdifuse, tmp_path):
    for number in range(3):
        rng = np.random.default_rng(number)
        picture = rng.integers(0, 255, (70, 80, 3), dtype=np.uint8)
        (tmp_path / "vis").mkdir(exist_ok=True)
        Image.fromarray(picture).save(tmp_path / "vis" / f"{number}.png")
    run = textdifuse(
        *("train", "chroma", "--images", f"VIS={tmp_path / 'vis'}", "--out", tmp_path / "run"),
        *("--steps", 1, "--cooldown", 0, "--crop", 32, "--batch", 2, "--device", "cpu"),
    )
    assert run.status == 0, run.err
    assert (tmp_path / "run" / "weights.safetensors").is_file()
    again = textdifuse(
        *("train", "chroma", "--images", f"VIS={tmp_path / 'vis'}", "--out", tmp_path / "more"),
        *("--steps", 1, "--cooldown", 0, "--crop", 32, "--batch", 2, "--device", "cpu"),
        *("--rate", 1e-9, "--start", tmp_path / "run"),
    )
    assert again.status == 0, again.err
    first, second = (
        load_file(tmp_path / folder / "weights.safetensors") for folder in ("run", "more")
    )
    assert all(torch.allclose(first[k], second[k], atol=1e-6) for k in first)
    export = ("train", "export", "--start", "light", "--out", tmp_path / "w")
    done = textdifuse(*export, "--chroma", tmp_path / "run")
    assert done.status == 0, done.err
    assert textdifuse("weights", "verify", tmp_path / "w").status == 0
    assert (tmp_path / "w" / "chroma.safetensors").is_file()
    wrong = textdifuse(*export, "--chroma", tmp_path / "vis")
    assert wrong.status == 2
    assert "stage chroma" in wrong.err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("diffusion",), "no training images"),
        (("diffusion", "--images", "MR"), "MODALITY=DIR"),
        (("diffusion", "--images", "MR=nowhere"), "not a folder"),
        (("diffusion", "--images", "US={us}", "--crop", 36, *TINY[:2]), "multiple of 16"),
        (("diffusion", "--images", "US={us}", "--held-out", "case9", "--crop", 32), "case9"),
        (("diffusion", "--images", "US={us}", "--start", "light", *TINY[:2]), "base 48, not 8"),
        (("diffusion", "--images", "US={us}", "--device", "cuda:99"), "device"),
        (("diffusion", "--images", "US={us}", "--minutes", 0), "above 0"),
        (("fcm", "--start", "light"), "--pairs"),
        (("fcm", "--pairs", "US={us}", "MR={mr}"), "--start"),
        (("fcm", "--start", "light", "--images", "US={us}"), "--images"),
        (("fcm", "--start", "light", "--compile"), "--compile"),
        (("fcm", "--start", "nowhere", "--pairs", "US={us}", "MR={mr}"), "nowhere"),
        (("chroma", "--images", "VIS={us}", "--device", "cpu"), "colour images"),
    ],
)
def test_wrong_options_are_one_line(arguments, words, textdifuse, scans, tmp_path):
    places = {"us": scans / "us", "mr": scans / "mr"}
    filled = [str(a).format(**places) for a in arguments]
    run = textdifuse("train", *filled, "--out", tmp_path / "run")
    assert run.status == 2, run.err
    last = run.err.strip().splitlines()[-1]
    assert last.startswith("textdifuse: error:")
    assert words in last
    assert not (tmp_path / "run" / "weights.safetensors").exists()


def test_another_split_is_refused_on_resume(textdifuse, scans, tmp_path):
    command = ("train", "diffusion", "--images", f"US={scans / 'us'}", *TINY, *SHORT[8:])
    command = (*command, "--steps", 1, "--cooldown", 0, "--out", tmp_path / "run")
    assert textdifuse(*command, "--held-out", "case1").status == 0
    other = textdifuse(*command, "--held-out", "case2")
    assert other.status == 2
    assert "data.held_out" in other.err

"""Every command of README and docs runs on small real files; what comes out is checked.

The network is the tests' tiny one, on one step: what the commands do around it is what counts.
"""

from __future__ import annotations

import csv
import json
import shlex
import shutil
from pathlib import Path

import numpy as np
import pytest

from napari_textdifuse import read
from napari_textdifuse.cli import build_parser, main
from napari_textdifuse.intensity import PRESETS

from documented import documented_commands

#: Commands that are not run here, by what they contain, and why.
NOT_RUN = {
    "textdifuse train": "training takes minutes; tests/cli/test_cli_train.py runs every stage",
    "--locator-command voxtell": "VoxTell and its weights are no part of the project; "
    "tests/locate/test_command.py runs a program in its place",
    "--locator-command totalsegmentator": "as VoxTell",
    "--locator atlas": "needs an atlas; tests/locate/test_atlas.py makes one and runs it",
    "--weights checkpoints": "the authors' weights are 480 MB and are not shipped; "
    "tests/models and tests/fusion load files of that layout",
    "--scheduler": "needs a cluster; tests/cli/test_cluster.py has one in its own process",
}
#: Commands whose first part is run: the whole takes minutes with tests running next to it.
SHORTENED = {"textdifuse sample": ("--slices", "26:29")}


def reason(command: str) -> str | None:
    return next((why for part, why in NOT_RUN.items() if part in command), None)


RUN = sorted({command for _, command in documented_commands() if reason(command) is None})


def test_nothing_that_is_listed_as_not_run_has_gone():
    commands = [command for _, command in documented_commands()]
    unused = [part for part in NOT_RUN if not any(part in c for c in commands)]
    assert unused == []
    assert len(RUN) > 12


@pytest.fixture
def here(documented_files, tmp_path, monkeypatch):
    """A copy of the files to work in."""
    folder = tmp_path / "work"
    shutil.copytree(documented_files, folder)
    monkeypatch.chdir(folder)
    return folder


@pytest.mark.parametrize("command", RUN)
def test_the_command_does_what_the_page_says(
    command, here, tiny_weights, capsys, request, monkeypatch
):
    words = shlex.split(command)[1:]
    if "owner/name" in words:
        hub = request.getfixturevalue("hub")
        hub.add("owner/name", {path.name: path.read_bytes() for path in tiny_weights.iterdir()})
        monkeypatch.setenv("HF_TOKEN", hub.token)
        if "push" in words:
            hub.private.add("owner/name")
            words.append("--yes")  # an answer to its question
        elif "download" not in words:
            assert main(["weights", "download", "owner/name", "--yes"]) == 0
    if "registered/transform.json" in words:
        pytest.importorskip("SimpleITK")
        assert main(["register", "t1.nii.gz", "pet.nii.gz", "--out", "registered"]) == 0
    if words[0] == "evaluate":
        shutil.copytree(words[words.index("--a") + 1], "fused")
        for file in Path("fused").glob("*.nii.gz"):
            write_shown(file)
    options = build_parser().parse_args(words)
    for start, more in SHORTENED.items():
        words += more if command.startswith(start) else ()
    if options.command in ("fuse", "batch", "sample"):
        words += ["--device", "cpu", "--steps", "1"]
        words += [] if options.weights else ["--weights", str(tiny_weights)]
    capsys.readouterr()
    status = main(words)
    said = capsys.readouterr()
    assert status == 0, said.err
    CHECKS[options.command](build_parser().parse_args(words), said.out)


def write_shown(file):
    """Turn a copy of an image into what a fused one is: display values."""
    from napari_textdifuse.io import write

    volume = read(file)
    low, high = float(volume.array.min()), float(volume.array.max())
    shown = ((volume.array - low) / (high - low)).astype(np.float32)
    write(file, volume.with_array(shown, unit="a.u.", modality=None))


def check_fused(options, record, fused, mask):
    values = fused.array
    assert np.isfinite(values).all()
    assert 0 <= values.min() < values.max() <= (255 if values.dtype == np.uint8 else 1)
    assert record["notice"]
    if options.window_b == "bone":
        assert record["inputs"]["b"]["window"] == [PRESETS["bone"].low, PRESETS["bone"].high]
        assert record["inputs"]["b"]["unit"] == "HU"
    if isinstance(options.window_b, tuple):
        assert record["inputs"]["b"]["window"] == list(options.window_b)
    if options.slices is not None:
        first, last = options.slices if isinstance(options.slices, tuple) else (0, 1)
        axis = {0: 0, "axial": 0, "coronal": 1}[options.axis]
        assert fused.shape[axis] == last - first
    if options.prompt is not None:
        terms = [term.strip() for term in options.prompt.split(",")]
        assert list(record["label_names"].values()) == terms
        assert mask is not None
        assert mask.shape == fused.shape
        if "tumour" in terms:
            assert (mask.array == 1 + terms.index("tumour")).any()
    if options.register is not None:
        assert record["registration"]["matrix"]


def check_fuse(options, out):
    folder = options.out
    ending = ".png" if str(getattr(options, "a", "")).endswith(".png") else ".nii.gz"
    record = json.loads((folder / "record.json").read_text())
    dicom = getattr(options, "dicom", None) is not None
    mask = folder / ("mask.dcm" if dicom else f"mask{ending}")
    fused = read(folder / ("fused" if dicom else f"fused{ending}"))
    check_fused(options, record, fused, read(mask) if mask.exists() else None)
    assert (folder / "preview.png").is_file()
    if options.slices is None and ending == ".nii.gz":
        source = read(options.a)
        assert fused.shape == source.shape
        np.testing.assert_allclose(fused.affine, source.affine, atol=1e-4)


def check_batch(options, out):
    folder = options.out or Path(options.a) / "derivatives/textdifuse"
    assert (folder / "report.html").stat().st_size > 10_000
    rows = list(csv.DictReader((folder / "report.csv").read_text().splitlines()))
    assert {row["state"] for row in rows} == {"fused"}
    if options.json:
        summary = json.loads(out)
        assert (summary["done"], summary["failed"]) == (1, [])
    if options.bids:
        fused = folder / "sub-01/anat/sub-01_desc-fused_T1w.nii.gz"
        mask = read(folder / "sub-01/anat/sub-01_desc-tumour_mask.nii.gz")
        record = json.loads(Path(str(fused).replace(".nii.gz", ".json")).read_text())
        check_fused(options, record, read(fused), mask)
        return
    if options.dicom is not None:
        case = folder / "case01"
        record = json.loads((case / "record.json").read_text())
        check_fused(options, record, read(case / "fused"), read(case / "mask.dcm"))
        return
    for record_file in (folder / "records").iterdir():
        fused = next(folder.glob(f"{record_file.stem}.[np]*"))
        mask = folder / "masks" / fused.name
        record = json.loads(record_file.read_text())
        check_fused(options, record, read(fused), read(mask) if mask.exists() else None)


def check_evaluate(options, out):
    rows = list(csv.reader(options.csv.read_text().splitlines()))
    assert rows[-1][0] == "mean"
    assert all(float(value) >= 0 for value in rows[-1][1:2])
    assert len(rows) >= 3


def check_register(options, out):
    moved = read(options.out / "moving.nii.gz")
    assert moved.affine is not None
    assert json.loads((options.out / "transform.json").read_text())
    assert (options.out / "checkerboard.png").is_file()


def check_info(options, out):
    assert "device: " in out
    assert "tumour" in out


def check_weights(options, out):
    said = {"verify": "SHA-256 is correct", "download": "checksums are correct", "push": "owner/name@"}
    assert said[options.action] in out


CHECKS = {
    "fuse": check_fuse,
    "sample": check_fuse,
    "batch": check_batch,
    "evaluate": check_evaluate,
    "register": check_register,
    "info": check_info,
    "weights": check_weights,
}

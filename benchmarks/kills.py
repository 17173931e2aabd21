"""Commands that are killed at random moments: nothing half written, nothing left behind.

    python benchmarks/kills.py [--count 8] [--only fuse]

Each command runs completely, which gives its duration. Then it is sent SIGKILL, SIGTERM or SIGINT
at a random moment of that duration, until it was killed `--count` times. After each kill every
visible file is opened completely, and every file that a record lists must exist. After the last one
the command runs to its end: staging folders that are left then are counted, and the result must be
complete. Processes are forked after the imports, so that the kills meet the work (Linux).
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

ROOT = Path(__file__).parents[1]
SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
STAGING = ".textdifuse-*"
#: Names of files that are continued, so that they may be incomplete.
CONTINUED = (".incomplete", ".part", ".lock")
TINY = ("--base", "8", "--multipliers", "1", "2", "--crop", "32", "--batch", "2")


def prepare(folder: Path) -> dict[str, list[str]]:
    """Create images and weights; return the arguments of each command, without ``--out``."""
    import torch

    from napari_textdifuse.models import LightNetwork, UNetConfig
    from napari_textdifuse.weights import save_light

    network = LightNetwork(UNetConfig(base=8, multipliers=(1, 2), blocks=(1, 1), time_dim=16))
    weights = folder / "weights"
    save_light(network, weights, "tiny")
    torch.set_num_threads(1)
    noise = np.random.default_rng(0)
    for side in "ab":
        (folder / side).mkdir()
        for number in range(4):
            values = noise.integers(0, 255, (96, 112), np.uint8)
            Image.fromarray(values).save(folder / side / f"{number}.png")
    mask = np.zeros((96, 112), np.uint8)
    mask[20:60, 30:70] = 1
    Image.fromarray(mask).save(folder / "mask.png")
    a, b = str(folder / "a"), str(folder / "b")
    fast = ["--weights", str(weights), "--device", "cpu", "--steps", "4"]
    return {
        "fuse": ["fuse", f"{a}/0.png", f"{b}/0.png", "--mask", str(folder / "mask.png"), *fast],
        "batch": ["batch", a, b, *fast],
        "sample": ["sample", "street", "--prompt", "person", *fast],
        "train": [
            *("train", "diffusion", "--images", f"MR={a}", *TINY, "--steps", "30"),
            *("--cooldown", "6", "--warmup", "3", "--validate-every", "5", "--device", "cpu"),
            *("--save-minutes", "0"),
        ],
        "weights": ["weights", "download", "someone/tiny", "--yes"],
    }


def started(arguments: list[str], hub: str | None, home: Path) -> int:
    """Fork a process that runs a command; return its number."""
    process = os.fork()
    if process:
        return process
    os.environ["HF_HOME"] = str(home)
    silent = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silent, 1)
    os.dup2(silent, 2)
    status = 1
    try:
        from huggingface_hub import constants, hf_api

        from napari_textdifuse.cli import main

        constants.HF_HUB_CACHE = str(home / "hub")
        if hub is not None:
            constants.ENDPOINT = hf_api.api.endpoint = hub
            template = hub + "/{repo_id}/resolve/{revision}/{filename}"
            constants.HUGGINGFACE_CO_URL_TEMPLATE = template
        status = main(arguments)
    except SystemExit as end:
        status = int(end.code or 0)
    except KeyboardInterrupt:  # before the command has begun
        status = 130
    finally:
        os._exit(status)


def ended(process: int) -> int:
    """Wait for a process; return its status, negative for a signal."""
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


def broken(folder: Path) -> list[str]:
    """Return the visible files that cannot be opened, and those that a record misses."""
    found = []
    for path in sorted(folder.rglob("*")):
        hidden = any(part.startswith(".textdifuse-") for part in path.parts)
        if hidden or not path.is_file() or path.name.endswith(CONTINUED):
            continue
        try:
            _open(path)
        except Exception as error:
            found.append(f"{path.name}: {error}")
    return found


def _open(path: Path) -> None:
    if path.suffix in (".png", ".jpg", ".tif"):
        with Image.open(path) as image:
            image.load()
    elif path.name.endswith((".nii", ".nii.gz")):
        import nibabel

        np.asarray(nibabel.load(path).dataobj)
    elif path.suffix == ".json":
        content = json.loads(path.read_text("utf-8"))
        outputs = content.get("outputs", {}) if path.name == "record.json" else {}
        names = outputs.values() if isinstance(outputs, dict) else ()
        for name in names:
            if isinstance(name, str) and "." in name and not (path.parent / name).exists():
                raise ValueError(f"lists {name}, which does not exist")
    elif path.suffix == ".safetensors":
        from safetensors.numpy import load_file

        load_file(path)
    elif path.suffix == ".pt":
        import torch

        torch.load(path, map_location="cpu", weights_only=True)
    elif path.suffix == ".csv" and not path.read_text("utf-8").endswith("\n"):
        raise ValueError("its last line is cut off")


def loop(name: str, command: list[str], folder: Path, count: int, hub: str | None) -> list[str]:
    """Kill a command again and again; return a row of the table."""
    drawn = random.Random(f"{name} {count}")
    home, out = folder / f"home-{name}", folder / f"out-{name}"
    where = [] if name == "weights" else ["--out", str(out)]
    duration = 0.0
    for _ in range(2):  # the first run also warms the disk
        begin = time.monotonic()
        status = ended(started([*command, *where], hub, home))
        duration = time.monotonic() - begin
        if status:
            raise SystemExit(f"{name} fails without a kill: status {status}")
        for place in (home, out):
            shutil.rmtree(place, ignore_errors=True)
    kinds: dict[str, int] = {}
    faults: list[str] = []
    killed = staged = 0
    for _ in range(4 * count):
        if killed == count:
            break
        number = drawn.choice(SIGNALS)
        process = started([*command, *where], hub, home)
        time.sleep(drawn.random() * duration)
        os.kill(process, number)
        status = ended(process)
        if status in (-number, 130):
            killed += 1
            kinds[number.name] = kinds.get(number.name, 0) + 1
        elif status:
            faults.append(f"status {status} after {number.name}")
        staged = max(staged, len(list(folder.rglob(STAGING))))
        faults += broken(out) + broken(home)
        if status == 0:  # it was faster than before: begin again
            for place in (home, out):
                shutil.rmtree(place, ignore_errors=True)
    status = ended(started([*command, *where], hub, home))
    left = len(list(folder.rglob(STAGING)))
    faults += broken(out) + broken(home) + ([f"status {status} at the end"] if status else [])
    for fault in faults:
        print(f"{name}: {fault}", file=sys.stderr)
    signals = ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items()))
    return [name, f"{duration:.1f}", str(killed), signals, str(len(faults)), str(staged), str(left)]


def main() -> int:
    """Kill the commands, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=8, help="kills per command")
    parser.add_argument("--only", help="this command only")
    options = parser.parse_args()
    import huggingface_hub.hf_api  # noqa: F401

    import napari_textdifuse.cli.batch
    import napari_textdifuse.cli.fuse
    import napari_textdifuse.cli.train
    import napari_textdifuse.cli.weights
    import napari_textdifuse.training  # noqa: F401

    sys.path.insert(0, str(ROOT / "tests"))
    from loopback_hub import Hub

    rows: list[list[str]] = []
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        commands: dict[str, list[str]] = prepare(folder)
        hub = Hub()
        files = {path.name: path.read_bytes() for path in (folder / "weights").iterdir()}
        hub.add("someone/tiny", files)
        serve: Callable[[], None] = hub.serve_forever
        server = os.fork()
        if not server:
            serve()
        try:
            for name, command in commands.items():
                if options.only in (None, name):
                    rows.append(loop(name, command, folder, options.count, hub.url))
                    print(" | ".join(rows[-1]), file=sys.stderr)
        finally:
            os.kill(server, signal.SIGKILL)
            os.waitpid(server, 0)
    print("| command | s | killed | by | faults | staging at most | left after the next run |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for row in rows:
        print(f"| {' | '.join(row)} |")
    return int(any(row[4] != "0" or row[6] != "0" for row in rows))


if __name__ == "__main__":
    raise SystemExit(main())

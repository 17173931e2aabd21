"""Cost of small files that claim or unpack to far more: time, memory, and the message.

Each is read by a process of its own. Time is that of the processor, so that other programs do not
count; memory is the peak beyond that of reading a small image.
Printed as a Markdown table.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from _bench.bombs import BOMBS

_READ = """
import sys, time
sys.path.insert(0, sys.argv[3])
from _bench.memory import peak_bytes
import numpy as np
import pydicom, nibabel, tifffile, PIL.Image, highdicom
from napari_textdifuse import io
from napari_textdifuse.errors import TextDiFuseError
PIL.Image.fromarray(np.zeros((8, 8), np.uint8)).save(sys.argv[2])
io.read(sys.argv[2])
before, begun = peak_bytes(), time.process_time()
try:
    io.read(sys.argv[1])
    answer = "read"
except TextDiFuseError as error:
    answer = f"{type(error).__name__}: {error}"
print(time.process_time() - begun, peak_bytes() - before, answer)
"""


@dataclass(frozen=True)
class Outcome:
    """What reading one file cost.

    Parameters
    ----------
    size : int
        Of the file, in bytes; 0 if it is not a file.
    seconds : float
        Of the processor; by the clock where there was no answer.
    megabytes : float
    answer : str
    """

    size: int
    seconds: float
    megabytes: float
    answer: str


def measure(name: str, timeout: float) -> Outcome:
    """Make one of `BOMBS` and read it in a process of its own."""
    here = str(Path(__file__).parent)
    with tempfile.TemporaryDirectory() as folder:
        path = BOMBS[name](Path(folder))
        size = path.stat().st_size if path.is_file() else 0
        begun = time.perf_counter()
        try:
            run = subprocess.run(
                [sys.executable, "-c", _READ, path, Path(folder) / "small.png", here],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=timeout,
            )
        except subprocess.TimeoutExpired:
            return Outcome(size, time.perf_counter() - begun, float("nan"), "no answer")
        seconds, taken, *answer = run.stdout.split(" ", 2) if run.stdout else ("nan", "nan")
        said = answer[0].strip() if answer else f"crash: {run.stderr[-200:]}"
        return Outcome(size, float(seconds), float(taken) / 2**20, said)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", help="those whose name contains this")
    parser.add_argument("--timeout", type=float, default=120)
    options = parser.parse_args(arguments)
    print("| file | kB | s | MB | answer |\n| --- | --: | --: | --: | --- |", flush=True)
    for name in BOMBS:
        if options.only and options.only not in name:
            continue
        found = measure(name, options.timeout)
        print(
            f"| {name} | {found.size / 1000:,.0f} | {found.seconds:.1f} | {found.megabytes:.0f} | "
            f"{found.answer} |",
            flush=True,
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())

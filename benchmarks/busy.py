"""Slowdown of a fusion with as many busy processes as cores; the limit is 3.

    python benchmarks/busy.py [--side 320] [--repeats 3]

Both are measured in one run and in turns, by the clock; other work on the machine slows both down,
so read the ratio on a quiet one.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import time

import numpy as np

from napari_textdifuse import FusionPipeline


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--side", type=int, default=320)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    rng = np.random.default_rng(0)
    a, b = (rng.random((options.side, options.side), dtype=np.float32) for _ in range(2))
    pipeline = FusionPipeline.from_pretrained(device="cpu")
    pipeline(a, b, quality="fast")

    def seconds() -> float:
        start = time.perf_counter()
        pipeline(a, b, quality="fast")
        return time.perf_counter() - start

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    alone, crowded = [], []
    for _ in range(options.repeats):
        alone.append(seconds())
        spin = [sys.executable, "-c", "while True: pass"]
        busy = [subprocess.Popen(spin) for _ in range(cores or 1)]
        try:
            time.sleep(0.5)
            crowded.append(seconds())
        finally:
            for process in busy:
                process.kill()
                process.wait()
    quiet, loaded = statistics.median(alone), statistics.median(crowded)
    print(
        f"{cores} cores, {options.side} x {options.side}: alone {quiet:.2f} s, "
        f"next to {cores} busy processes {loaded:.2f} s, ratio {loaded / quiet:.2f}"
    )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

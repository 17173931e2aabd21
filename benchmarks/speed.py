"""Time and peak memory of the default pipeline; see README.md beside this file.

Each row is measured in a fresh process, so that one run's memory does not hide another's.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import time

HEAD = ("image", "steps", "load s", "first fusion s", "next fusion s", "peak memory MiB")


def main() -> int:
    options = parse()
    if options.measure:
        width, height = size(options.sizes[0])
        steps = None if options.steps[0] == "default" else int(options.steps[0])
        print(json.dumps(measure(width, height, steps, options)))
        return 0
    print(f"{platform.processor() or platform.machine()}, {options.threads} threads\n")
    print(f"| {' | '.join(HEAD)} |\n|{' --- |' * len(HEAD)}")
    for image in options.sizes:
        for steps in options.steps:
            cells = in_fresh_process(image, steps, options)
            print(f"| {image} | {steps} | {' | '.join(cells)} |", flush=True)
    return 0


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", nargs="+", default=["256x256", "640x480"], help="WxH")
    parser.add_argument("--steps", nargs="+", default=["default", "1", "2", "5", "10"])
    parser.add_argument("--repeats", type=int, default=3, help="the median is shown")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--weights", help="name or folder of the weights")
    parser.add_argument("--measure", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args()


def size(text: str) -> tuple[int, int]:
    width, _, height = text.partition("x")
    return int(width), int(height)


def in_fresh_process(image: str, steps: str, options: argparse.Namespace) -> list[str]:
    command = [sys.executable, __file__, "--measure", "--sizes", image, "--steps", steps]
    command += ["--repeats", str(options.repeats), "--device", options.device]
    command += ["--weights", options.weights] if options.weights else []
    threads = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS"), str(options.threads))
    run = subprocess.run(
        command, env=os.environ | threads, capture_output=True, text=True, check=False
    )
    if run.returncode:
        sys.exit(f"{image}, {steps} steps: {run.stderr.strip().splitlines()[-1]}")
    found = json.loads(run.stdout.splitlines()[-1])
    seconds = [f"{found[key]:.2f}" for key in ("load", "first", "next")]
    return [*seconds, f"{found['peak_mib']:.0f}"]


def measure(
    width: int, height: int, steps: int | None, options: argparse.Namespace
) -> dict[str, float]:
    import resource  # not on Windows

    import numpy as np

    rng = np.random.default_rng(0)
    a = rng.random((height, width, 3), dtype=np.float32)
    b = rng.random((height, width), dtype=np.float32)
    start = time.perf_counter()
    from napari_textdifuse import FusionPipeline

    pipe = FusionPipeline.from_pretrained(options.weights, device=options.device)
    seconds = [time.perf_counter() - start]
    for _ in range(1 + options.repeats):
        start = time.perf_counter()
        pipe(a, b, seed=0, steps=steps)
        seconds.append(time.perf_counter() - start)
    unit = 2**20 if sys.platform == "darwin" else 2**10  # bytes there, KiB elsewhere
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit
    load, first, *rest = seconds
    return {"load": load, "first": first, "next": sorted(rest)[len(rest) // 2], "peak_mib": peak}


if __name__ == "__main__":
    sys.exit(main())

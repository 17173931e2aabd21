"""One evaluation of the light network by other means than plain PyTorch; see README.md.

``torch.compile`` and, where it is installed, OpenVINO, side by side in one process.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import torch
from torch import Tensor, nn

from napari_textdifuse.models import LightNetwork, cast
from napari_textdifuse.weights import load_light, open_folder

Run = Callable[[], Any]


class Step(nn.Module):
    """One network evaluation of the fused chain."""

    def __init__(self, network: LightNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, z: Tensor, x: Tensor, y: Tensor, t: Tensor) -> Tensor:
        """Return the clean estimate."""
        estimate: Tensor = self.network.decode(self.network.encode_and_weight(z, x, y, t), t)[0]
        return estimate


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("--side", type=int, default=256)
    add("--batches", type=int, nargs="*", default=[1, 2, 4, 8], help="images at once, eager")
    add("--repeats", type=int, default=6)
    add("--threads", type=int, default=os.cpu_count() or 1)
    add("--weights", help="name or folder")
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    with torch.inference_mode():
        table(options)
    return 0


def table(options: argparse.Namespace) -> None:
    """Print one row per way; a ratio above 1 is faster than plain PyTorch in bfloat16."""
    inputs = example(options, 1)
    light = load_light(open_folder(options.weights)).eval().requires_grad_(False)
    half = Step(cast(light, torch.bfloat16))
    least, _ = best(lambda: half(*inputs), options.repeats)
    print(f"{options.side}x{options.side}, {options.threads} threads\n")
    print("| way | s per image | ratio | start s |")
    print("| --- | --- | --- | --- |")
    for size in options.batches:
        batch = example(options, size)
        seconds, start = best(lambda b=batch: half(*b), options.repeats)  # type: ignore[misc]
        row(f"PyTorch bfloat16, batch {size}", seconds / size, least, start)
    compiled = torch.compile(half)
    row(
        "torch.compile bfloat16", *_ordered(best(lambda: compiled(*inputs), options.repeats), least)
    )
    if find_spec("openvino") is None:
        print("\nOpenVINO is not installed; pip install openvino adds its rows.")
        return
    full = Step(load_light(open_folder(options.weights)).float().eval().requires_grad_(False))
    for precision in ("bf16", "f32"):
        run = openvino(full, inputs, precision, options.threads)
        row(f"OpenVINO {precision}", *_ordered(best(run, options.repeats), least))


def openvino(step: Step, inputs: tuple[Tensor, ...], precision: str, threads: int) -> Run:
    """Convert the evaluation for OpenVINO's CPU plug-in."""
    import openvino as ov

    model = ov.convert_model(step, example_input=inputs)
    settings = {"INFERENCE_PRECISION_HINT": precision, "INFERENCE_NUM_THREADS": threads}
    compiled = ov.Core().compile_model(model, "CPU", settings | {"PERFORMANCE_HINT": "LATENCY"})
    arrays = [v.numpy() for v in inputs]
    return lambda: compiled(arrays)


def example(options: argparse.Namespace, size: int) -> tuple[Tensor, ...]:
    """Sample, two sources and the step."""
    images = torch.rand(3, size, 1, options.side, options.side) * 2 - 1
    return (*images, torch.full((size,), 999))


def best(run: Run, repeats: int) -> tuple[float, float]:
    """Return the least time of one call, and the time of the first."""
    begun = time.perf_counter()
    run()
    start = time.perf_counter() - begun
    seconds = []
    for _ in range(repeats):
        begun = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - begun)
    return min(seconds), start


def _ordered(times: tuple[float, float], least: float) -> tuple[float, float, float]:
    return times[0], least, times[1]


def row(name: str, seconds: float, least: float, start: float) -> None:
    print(f"| {name} | {seconds:.3f} | {least / seconds:.2f} | {start:.1f} |", flush=True)


if __name__ == "__main__":
    raise SystemExit(main())

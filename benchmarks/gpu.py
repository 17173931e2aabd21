"""GPU measurements in one call: slices and training steps per second, share of peak, precision.

On a machine without one it runs on the CPU (use small sizes) and says so in its first line; what
needs CUDA is then left out by name.

    python benchmarks/gpu.py --out benchmarks/results/gpu.md
    python benchmarks/gpu.py --device cpu --sizes 64 --batches 1 2 --repeats 1 --train-size 32
"""

from __future__ import annotations

import argparse
import copy
import platform
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from napari_textdifuse.device import choose_device
from napari_textdifuse.models import LightNetwork
from napari_textdifuse.models.precision import autocast, cast
from napari_textdifuse.weights import open_folder
from napari_textdifuse.weights.store import load_light

#: Side of the matrices whose product is the peak that a program reaches here.
MATRIX = {"cuda": 8192, "cpu": 1024}


class Bench:
    """The network of some weights on one device.

    Parameters
    ----------
    options : argparse.Namespace
    """

    def __init__(self, options: argparse.Namespace) -> None:
        self.device = choose_device(options.device)
        self.repeats = options.repeats
        self.cuda = self.device.type == "cuda"
        self.original: LightNetwork = load_light(open_folder(options.weights)).eval()

    def network(self, dtype: torch.dtype) -> LightNetwork:
        """Return a copy in a precision, on the device."""
        return cast(copy.deepcopy(self.original), dtype).to(self.device)

    def seconds(self, run: Callable[[], object]) -> float:
        """Return the median time of a call, after two that warm up."""
        times = []
        for number in range(self.repeats + 2):
            self.wait()
            started = time.perf_counter()
            run()
            self.wait()
            if number >= 2:
                times.append(time.perf_counter() - started)
        return statistics.median(times)

    def wait(self) -> None:
        """Wait for what the device has yet to do."""
        if self.cuda:
            torch.cuda.synchronize(self.device)

    def images(self, batch: int, size: int) -> tuple[Tensor, ...]:
        """Return noise, two smooth sources in [-1, 1], and the first step."""
        draw = torch.Generator().manual_seed(0)
        coarse = torch.rand((2, batch, 1, size // 8, size // 8), generator=draw) * 2 - 1
        x, y = (
            torch.nn.functional.interpolate(v, size=(size, size), mode="bilinear") for v in coarse
        )
        z = torch.randn(x.shape, generator=draw)
        t = torch.full((batch,), 999)
        return tuple(v.to(self.device) for v in (z, x, y, t))

    def peak(self, dtype: torch.dtype) -> float:
        """Return the operations per second of a large matrix product."""
        side = MATRIX["cuda" if self.cuda else "cpu"]
        a, b = (torch.randn(side, side, device=self.device, dtype=dtype) for _ in range(2))
        return 2 * side**3 / self.seconds(lambda: a @ b)


def fuse(network: LightNetwork, images: tuple[Tensor, ...]) -> Tensor:
    """Make one evaluation of a chain; the default number of steps is the preset's."""
    z, x, y, t = images
    estimate: Tensor = network.decode(network.encode_and_weight(z, x, y, t), t)[0]
    return estimate


@torch.inference_mode()
def inference(bench: Bench, options: argparse.Namespace, line: Callable[[str], None]) -> None:
    """Measure slices per second and the share of the peak."""
    line("\n## One evaluation\n")
    line("| size | precision | batch | slices/s | TFLOP/s | share of a matrix product |")
    line("| --- | --- | --- | --- | --- | --- |")
    for dtype in precisions(bench):
        network, peak = bench.network(dtype), bench.peak(dtype)
        for size in options.sizes:
            with FlopCounterMode(display=False) as counter:
                fuse(network, bench.images(1, size))
            best = 0.0
            for batch in options.batches:
                try:
                    images = bench.images(batch, size)
                    rate = batch / bench.seconds(lambda n=network, i=images: fuse(n, i))
                except torch.cuda.OutOfMemoryError:
                    line(f"| {size} | {name(dtype)} | {batch} | out of memory | | |")
                    break
                work = rate * counter.get_total_flops()
                line(
                    f"| {size} | {name(dtype)} | {batch} | {rate:.2f} | {work / 1e12:.2f} "
                    f"| {100 * work / peak:.0f} % |"
                )
                if rate < 1.03 * best:
                    break
                best = rate


@torch.inference_mode()
def graphs(bench: Bench, options: argparse.Namespace, line: Callable[[str], None]) -> None:
    """Compare a captured graph with ordinary launches, one slice at a time."""
    line("\n## CUDA graphs, one slice\n")
    if not bench.cuda:
        line("Not measured: there is no CUDA device.")
        return
    line("| size | launches, slices/s | graph, slices/s | largest difference |")
    line("| --- | --- | --- | --- |")
    for size in options.sizes:
        network, images = bench.network(precisions(bench)[-1]), bench.images(1, size)
        plain = bench.seconds(lambda n=network, i=images: fuse(n, i))
        expected = fuse(network, images).clone()
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            out = fuse(network, images)
        captured = bench.seconds(graph.replay)
        difference = float((out - expected).abs().max()) * 127.5
        line(f"| {size} | {1 / plain:.1f} | {1 / captured:.1f} | {difference:.3f}/255 |")


@torch.inference_mode()
def difference(bench: Bench, options: argparse.Namespace, line: Callable[[str], None]) -> None:
    """Compare half precision with float32, in pixels."""
    line("\n## Half against float, one evaluation\n")
    line("| size | precision | mean difference | largest |")
    line("| --- | --- | --- | --- |")
    exact, *halves = precisions(bench)
    for dtype in halves:
        for size in options.sizes:
            images = bench.images(1, size)
            a, b = (fuse(bench.network(d), images).clamp(-1, 1) for d in (exact, dtype))
            off = (a - b).abs() * 127.5
            line(f"| {size} | {name(dtype)} | {off.mean():.3f}/255 | {off.max():.2f}/255 |")


def training(bench: Bench, options: argparse.Namespace, line: Callable[[str], None]) -> None:
    """Measure optimiser steps of the restoration stage."""
    line("\n## Training, restoration stage\n")
    line("| crop | batch | steps/s | crops/s |")
    line("| --- | --- | --- | --- |")
    network = copy.deepcopy(bench.original).float().to(bench.device).train()
    network.requires_grad_(True)
    optimiser = torch.optim.AdamW(network.parameters(), lr=1e-5)
    z, x, y, t = bench.images(options.train_batch, options.train_size)

    def step() -> None:
        with autocast(bench.device):
            estimate, _ = network.restore(z, x, t)
        optimiser.zero_grad(set_to_none=True)
        (estimate - y).abs().mean().backward()
        optimiser.step()

    rate = 1 / bench.seconds(step)
    line(
        f"| {options.train_size} | {options.train_batch} | {rate:.2f} "
        f"| {rate * options.train_batch:.1f} |"
    )


def precisions(bench: Bench) -> list[torch.dtype]:
    """Return float32 and the halves that are worth a row."""
    halves = [torch.float16, torch.bfloat16] if bench.cuda else [torch.bfloat16]
    return [torch.float32, *halves]


def name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    add = parser.add_argument
    add("--device", default="auto")
    add("--weights", help="default: the embedded weights")
    add("--sizes", nargs="+", type=int, default=[256, 512])
    add("--batches", nargs="+", type=int, default=[1, 2, 4, 8, 16, 32, 64])
    add("--repeats", type=int, default=20)
    add("--train-size", type=int, default=128)
    add("--train-batch", type=int, default=16)
    add("--out", type=Path, help="Markdown file, complete after every line")
    options = parser.parse_args(arguments)
    bench, lines = Bench(options), []

    def line(text: str) -> None:
        print(text, flush=True)
        lines.append(text)
        if options.out:
            options.out.write_text("\n".join(lines) + "\n", encoding="utf-8")

    if bench.cuda:
        line(f"{torch.cuda.get_device_name(bench.device)}, torch {torch.__version__}")
    else:
        line(f"No GPU: measured on {bench.device} ({platform.machine()}), only to try the script.")
    for part in (inference, graphs, difference, training):
        part(bench, options, line)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

"""One measurement of speed or memory in a process of its own; prints one line of JSON.

Called by ``speed.py``: ``python -m _bench.worker KIND OPTIONS``, options as JSON.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from statistics import median
from typing import Any

from .memory import peak_bytes

Options = dict[str, Any]


def _clouds(rng: Any, shape: tuple[int, ...]) -> Any:
    """Return an image without noise: the quality fast leaves noisy ones to the full network."""
    from scipy import ndimage

    image = ndimage.gaussian_filter(rng.random(shape, dtype="float32"), 4)
    return (image - image.min()) / (image.max() - image.min())


def _effort(options: dict[str, Any]) -> dict[str, Any]:
    """Return the number of steps, or the quality, as arguments of a pipeline."""
    steps = options.get("steps")
    return {"quality": steps} if isinstance(steps, str) else {"steps": steps}


def main() -> int:
    kind, options = sys.argv[1], json.loads(sys.argv[2])
    print(json.dumps(_KINDS[kind](options) | {"peak_gib": peak_memory(options)}))
    return 0


def fuse(options: Options) -> Options:
    """Time from the start of the process to the first result, later results, and operations.

    Options: width, height, slices (0: an image), steps, device, weights, repeats, started (time
    of the process' start), flops (count operations).
    """
    import numpy as np

    shape: tuple[int, ...] = (options["height"], options["width"])
    rng = np.random.default_rng(0)
    if options.get("slices"):
        shape = (options["slices"], *shape)
    a: Any = np.stack([_clouds(rng, shape) for _ in range(3)], axis=-1)
    b: Any = _clouds(rng, shape)
    if options.get("slices"):
        from napari_textdifuse import Volume

        a, b = Volume(a, rgb=True), Volume(b)
    start = time.perf_counter()
    from napari_textdifuse import FusionPipeline

    pipe = FusionPipeline.from_pretrained(options.get("weights"), device=options["device"])
    load = time.perf_counter() - start
    start = time.perf_counter()
    record = pipe(a, b, seed=0, **_effort(options)).record
    seconds = [time.perf_counter() - start]
    cold = time.time() - options["started"] if "started" in options else None
    seconds += [
        _timed(lambda: pipe(a, b, seed=0, **_effort(options))) for _ in range(options["repeats"])
    ]
    found = {
        "load": load,
        "cold": cold,
        "first": seconds[0],
        "warm": median(seconds[1:] or seconds),
        "precision": record["precision"],
        "device": record["device"],
    }
    if options.get("flops"):
        peak = peak_memory(options)  # before counting, which holds on to more
        flops = _operations(lambda: pipe(a, b, seed=0, **_effort(options)))
        found |= {"flops": flops, "peak_before": peak}
    return found


def reference(options: Options) -> Options:
    """Time one step of the authors' architecture with random weights.

    Options: width, height, device, dtype ("float32", as the authors run it), repeats.
    """
    import torch

    from napari_textdifuse.models.reference import ReferenceNetwork

    torch.manual_seed(0)
    device = torch.device(options["device"])
    network = ReferenceNetwork().eval().requires_grad_(False)
    if options["dtype"] != "float32":
        network.cast(getattr(torch, options["dtype"]))
    network.to(device)
    t = torch.full((1,), 500, device=device)

    @torch.inference_mode()
    def step(height: int, width: int) -> None:
        z, x, y = (torch.rand(1, 1, height, width, device=device) * 2 - 1 for _ in range(3))
        network.decode(network.encode_and_weight(z, x, y, t), t)
        _wait(device.type)

    step(32, 32)  # what is only done once
    seconds = [
        _timed(lambda: step(options["height"], options["width"]))
        for _ in range(max(1, options["repeats"]))
    ]
    return {"step": min(seconds), "parameters": sum(p.numel() for p in network.parameters())}


def machine(options: Options) -> Options:
    """Highest rate of floating-point operations that large products and convolutions reach.

    Options: device, dtype.
    """
    import torch
    from torch.nn import functional

    device, dtype = options["device"], getattr(torch, options["dtype"])
    rates = {}
    with torch.inference_mode():
        for n in (1024, 2048, 4096) if device == "cpu" else (4096, 8192, 16384):
            p, q = (torch.randn(n, n, device=device, dtype=dtype) for _ in range(2))
            rates[f"matrix product {n}"] = 2 * n**3 / _best(lambda p=p, q=q: p @ q, device)
        for channels, side in ((128, 128), (256, 64)) if device == "cpu" else ((256, 256),):
            x = torch.randn(4, channels, side, side, device=device, dtype=dtype)
            w = torch.randn(channels, channels, 3, 3, device=device, dtype=dtype)
            x, w = (v.contiguous(memory_format=torch.channels_last) for v in (x, w))
            work = 2 * 9 * channels**2 * 4 * side**2
            best = _best(lambda x=x, w=w: functional.conv2d(x, w, padding=1), device)
            rates[f"convolution {channels}x{side}x{side}"] = work / best
        # Copies show what memory allows; a copy reads and writes each byte.
        big = torch.randn(2**26, device=device)
        copy = torch.empty_like(big)
        bandwidth = 2 * 4 * 2**26 / _best(lambda: copy.copy_(big), device)
    return {"rates": rates, "peak": max(rates.values()), "bandwidth": bandwidth}


def profile(options: Options) -> Options:
    """Which kinds of operations the time of a fusion goes to. Options as for `fuse`."""
    import numpy as np
    import torch

    from napari_textdifuse import FusionPipeline

    rng = np.random.default_rng(0)
    shape = options["height"], options["width"]
    a, b = np.stack([_clouds(rng, shape) for _ in range(3)], axis=-1), _clouds(rng, shape)
    pipe = FusionPipeline.from_pretrained(options.get("weights"), device=options["device"])
    pipe(a, b, **_effort(options))
    cuda = pipe.backend.device.type == "cuda"
    kinds = [torch.profiler.ProfilerActivity.CPU]
    kinds += [torch.profiler.ProfilerActivity.CUDA] if cuda else []
    with torch.profiler.profile(activities=kinds) as profiler:
        wall = _timed(lambda: pipe(a, b, **_effort(options)))
    name = "self_device_time_total" if cuda else "self_cpu_time_total"
    spent = {event.key: getattr(event, name) / 1e6 for event in profiler.key_averages()}
    top = sorted(spent.items(), key=lambda item: -item[1])[:8]
    return {"wall": wall, "inside": sum(spent.values()), "top": dict(top)}


def peak_memory(options: Options) -> float:
    """Peak of resident memory, or of the device's memory on CUDA, in GiB."""
    if str(options.get("device", "")).startswith("cuda"):
        import torch

        return torch.cuda.max_memory_allocated() / 2**30
    return peak_bytes() / 2**30


def _timed(run: Callable[[], Any]) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def _best(run: Callable[[], Any], device: str, seconds: float = 1.5) -> float:
    """Shortest of the runs that fit into some seconds, at least three."""

    def once() -> None:
        run()
        _wait(device)

    once()
    times: list[float] = []
    while len(times) < 3 or sum(times) < seconds:
        times.append(_timed(once))
    return min(times)


def _wait(device: str) -> None:
    if device.startswith("cuda"):
        import torch

        torch.cuda.synchronize()


def _operations(run: Callable[[], Any]) -> float:
    """Floating-point operations of convolutions and products; 0 if the framework sees none."""
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter:
        run()
    return float(counter.get_total_flops())


_KINDS = {"fuse": fuse, "reference": reference, "machine": machine, "profile": profile}

if __name__ == "__main__":
    os.environ.setdefault("KMP_WARNINGS", "0")
    sys.exit(main())

"""Device, precision and batch size."""

from __future__ import annotations

import torch

from .errors import InputError

DEVICES = ("auto", "cpu", "cuda", "mps")
#: Working memory of the light network per pixel, rounded up: 1 kB was measured in bfloat16.
BYTES_PER_PIXEL = 3000


def choose_device(name: str = "auto") -> torch.device:
    """Return the device to run on.

    Parameters
    ----------
    name : {"auto", "cpu", "cuda", "mps"} or ``"cuda:1"``, for example
        "auto" takes CUDA, then MPS, then the CPU.

    Raises
    ------
    InputError
        If the device is unknown or not available.
    """
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    kind, _, index = name.partition(":")
    if kind not in DEVICES or (index and not index.isdigit()):
        raise InputError(f"device must be one of {', '.join(DEVICES)}, not {name!r}.")
    here = {
        "cpu": True,
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
    }
    if not here[kind] or (kind == "cuda" and int(index or 0) >= torch.cuda.device_count()):
        raise InputError(f"This machine has no device {name!r}; use device='auto' or 'cpu'.")
    return torch.device(name)


def choose_precision(device: torch.device) -> torch.dtype:
    """Return bfloat16 if the hardware multiplies it natively, else float32."""
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float32
    if device.type == "cpu":
        capability = torch.backends.cpu.get_cpu_capability()
        native = torch.ops.mkldnn._is_mkldnn_bf16_supported()
        if capability.startswith("AVX512") and native:
            return torch.bfloat16
    return torch.float32


def batch_size(device: torch.device, pixels: int, cap: int = 16) -> int:
    """Return the batch size of the light network for an image size.

    1 on a CPU: one image keeps all cores busy, and a batch of eight gains 7 % (measured with
    ``benchmarks/backends.py``). On a GPU as many as fit into half of its free memory.

    Parameters
    ----------
    device : torch.device
    pixels : int
        Of one image.
    cap : int
        Upper limit; larger batches bring no gain and delay cancellation.
    """
    if device.type != "cuda":
        return 1
    free, _ = torch.cuda.mem_get_info(device)
    return max(1, min(cap, int(free / 2 / (pixels * BYTES_PER_PIXEL))))

"""Weights for the reference network by rule, and what the authors' code computed with them.

``models/data/official_arch.npz`` was recorded with the publicly released Text-DiFuse code, in
float32 on a CPU. It holds no weights: every tensor is drawn from its key.
"""

from __future__ import annotations

import math
import zlib
from pathlib import Path

import numpy as np
import torch

GOLDENS = Path(__file__).parent / "models" / "data" / "official_arch.npz"
#: Parts of a full key and the released file of each.
FILES = {"stage1": "diffusion_stage1.pth", "stage2": "diffusion_stage2.pth", "fcm": "FCM-VIS-IR.pt"}
#: Loaded, but without influence on any output.
DEAD = ("middleBlock4", "CBMA4", "outBlock3")


def draw(key: str, shape: tuple[int, ...]) -> np.ndarray:
    """Fill one tensor."""
    generator = np.random.Generator(np.random.PCG64(zlib.crc32(key.encode())))
    n = generator.standard_normal(shape, dtype=np.float32)
    if len(shape) >= 2:
        n *= np.float32(1 / math.sqrt(math.prod(shape[1:])))
        return n
    return np.float32(key.endswith(".weight")) + np.float32(0.1) * n


def fill(goldens: dict[str, np.ndarray]) -> dict[str, dict[str, torch.Tensor]]:
    """Draw all tensors and check them against the recorded checksums."""
    states: dict[str, dict[str, torch.Tensor]] = {part: {} for part in FILES}
    names = ("state_keys", "state_shapes", "state_crc32")
    for key, shape, checksum in zip(*(goldens[n] for n in names), strict=True):
        value = draw(str(key), tuple(int(n) for n in str(shape).split("x")))
        assert zlib.crc32(value.tobytes()) == checksum, f"the fill of {key} differs"
        part, name = str(key).split(".", 1)
        states[part][name] = torch.from_numpy(value)
    return states

"""Sample pictures, so that a run can be judged by eye."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from torch import Tensor

from ..io._atomic import write_bytes

#: White pixels between pictures.
GAP = 2


def write_grid(path: Path, columns: Sequence[Tensor], rows: int = 4) -> Path:
    """Write pictures side by side as PNG.

    Parameters
    ----------
    path : Path
        The folder is made if missing.
    columns : sequence of Tensor, each (B, C, H, W)
        In [-1, 1], C 1 or 3; one picture of each per row.
    rows : int
        At most so many items are shown.
    """
    from PIL import Image

    stacks = [c[:rows].detach().float().cpu().expand(-1, 3, -1, -1).numpy() for c in columns]
    border = ((0, 0), (0, 0), (0, GAP), (0, GAP))
    padded = [np.pad((s + 1) / 2, border, constant_values=1) for s in stacks]
    lines = [np.concatenate([p[i] for p in padded], axis=2) for i in range(len(padded[0]))]
    picture = np.moveaxis(np.concatenate(lines, axis=1), 0, -1)
    buffer = io.BytesIO()
    Image.fromarray(np.rint(np.clip(picture, 0, 1) * 255).astype(np.uint8)).save(buffer, "PNG")
    path.parent.mkdir(parents=True, exist_ok=True)
    return write_bytes(path, buffer.getvalue())

"""The measured objects of all pairs of a batch in one table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..io._atomic import write_bytes
from ..measure import to_csv

NAME = "objects.csv"


def write_objects(out: Path, rows: Sequence[Mapping[str, Any]]) -> Path | None:
    """Write one row per pair and label.

    Parameters
    ----------
    out : Path
        Of the batch.
    rows : sequence of dict
        Those of `measure_objects`, with the pair as ``name``.

    Returns
    -------
    Path or None
        ``objects.csv`` in `out`; None where no pair has a mask, then an old table is removed.
    """
    path = out / NAME
    if not rows:
        path.unlink(missing_ok=True)
        return None
    return write_bytes(path, to_csv(rows, {"name": ""}).encode())

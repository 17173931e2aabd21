"""The measured objects of all pairs of a batch in one table."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from ..io._atomic import write_bytes
from ..measure import to_csv
from .outputs import load_record

NAME = "objects.csv"


def write_objects(out: Path, names: Iterable[str]) -> Path | None:
    """Write one row per pair and label, from the records that lie in a batch's folder.

    Parameters
    ----------
    out : Path
        Of the batch; records lie in ``records/NAME.json``.
    names : iterable of str
        Pairs, in this order. Those without a record are left out.

    Returns
    -------
    Path or None
        ``objects.csv`` in `out`; None where no pair has a mask, then an old table is removed.
    """
    rows = []
    for name in names:
        objects = load_record(out / "records" / f"{name}.json").get("objects")
        rows += [{"name": name} | row for row in objects or () if isinstance(row, dict)]
    path = out / NAME
    if not rows:
        path.unlink(missing_ok=True)
        return None
    return write_bytes(path, to_csv(rows, {"name": ""}).encode())

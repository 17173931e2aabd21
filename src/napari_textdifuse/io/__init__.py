"""Read and write images; the format libraries load on first use."""

from __future__ import annotations

from ._read import list_series, read
from ._series import SeriesInfo
from ._write import write, write_json

__all__ = ["SeriesInfo", "list_series", "read", "write", "write_json"]

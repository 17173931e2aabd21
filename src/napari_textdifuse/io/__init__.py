"""Read and write images; the format libraries load on first use.

In: a file, a folder of DICOM series or an image of another library; to write, a `Volume`.
Out: a `Volume` with its geometry in RAS mm, its unit and modality; to write, a complete file or
none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ._read import list_series, read, read_times
from ._series import SeriesInfo
from ._write import write, write_json

if TYPE_CHECKING:
    from .dicom_write import write_dicom
    from .dicom_write_segments import write_segmentation

__all__ = [
    "SeriesInfo",
    "list_series",
    "read",
    "read_times",
    "write",
    "write_dicom",
    "write_json",
    "write_segmentation",
]

_LAZY = {"write_dicom": "dicom_write", "write_segmentation": "dicom_write_segments"}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f".{_LAZY[name]}", __name__), name)

"""Weights on this machine: found, checked against SHA-256, loaded without running code, saved.

In: the name of embedded weights, a weights folder, or a folder with the authors' checkpoints.
Out: `WeightsFolder` or `ReleasedFolder`, and networks in evaluation mode.
"""

from .released import ReleasedFolder, load_control, load_released
from .store import (
    EMBEDDED,
    WeightsFolder,
    calibration,
    embedded_names,
    load_chroma,
    load_light,
    open_folder,
    save_light,
)

__all__ = [
    "EMBEDDED",
    "ReleasedFolder",
    "WeightsFolder",
    "calibration",
    "embedded_names",
    "load_chroma",
    "load_control",
    "load_light",
    "load_released",
    "open_folder",
    "save_light",
]

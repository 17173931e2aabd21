"""Weights on this machine: found, checked against SHA-256, loaded without running code, saved.

In: the name of embedded weights or of weights on the hub, a weights folder, or a folder with the
authors' checkpoints.
Out: `WeightsFolder` or `ReleasedFolder`, and networks in evaluation mode.
"""

from .opening import EMBEDDED, embedded_names, open_folder
from .released import ReleasedFolder, load_control, load_released
from .store import WeightsFolder, calibration, load_chroma, load_fast, load_light, save_light

__all__ = [
    "EMBEDDED",
    "ReleasedFolder",
    "WeightsFolder",
    "calibration",
    "embedded_names",
    "load_chroma",
    "load_control",
    "load_fast",
    "load_light",
    "load_released",
    "open_folder",
    "save_light",
]

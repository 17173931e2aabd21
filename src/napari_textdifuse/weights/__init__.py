"""Weights folders: the embedded one, and the same layout anywhere else.

A folder holds ``config.json`` (architecture, schedule, SHA-256 of the weights) and
``model.safetensors``; ``MODEL_CARD.md`` says how they were made. A folder with the authors'
released checkpoints needs neither.
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

"""Weights folders: the embedded one, and the same layout anywhere else.

A folder holds ``config.json`` (architecture, schedule, SHA-256 of the weights) and
``model.safetensors``; ``MODEL_CARD.md`` says how they were made.
"""

from .store import EMBEDDED, WeightsFolder, embedded_names, load_light, open_folder, save_light

__all__ = [
    "EMBEDDED",
    "WeightsFolder",
    "embedded_names",
    "load_light",
    "open_folder",
    "save_light",
]

"""How good is a fusion: ten metrics, whole folders, and classical methods to compare with."""

from __future__ import annotations

from .folders import Report, evaluate_folders
from .luminance import luminance8
from .metrics import LUMINANCE_METRICS, METRICS, evaluate
from .readback import readback

__all__ = [
    "LUMINANCE_METRICS",
    "METRICS",
    "Report",
    "evaluate",
    "evaluate_folders",
    "luminance8",
    "readback",
]

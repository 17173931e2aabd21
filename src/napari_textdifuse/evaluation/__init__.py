"""How good is a fusion: nine metrics, whole folders, and classical methods to compare with."""

from __future__ import annotations

from .folders import Report, evaluate_folders
from .luminance import luminance8
from .metrics import METRICS, evaluate

__all__ = ["METRICS", "Report", "evaluate", "evaluate_folders", "luminance8"]

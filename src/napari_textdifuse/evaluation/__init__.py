"""Quality of fusion: metrics, evaluation of folders, and classical methods for comparison.

In: a fused image and its two sources, as arrays, volumes, paths or folders of them.
Out: one number per metric, or a `Report` with one row per image.
"""

from __future__ import annotations

from .folders import Report, evaluate_folders
from .luminance import luminance8
from .metrics import (
    FURTHER_METRICS,
    LOWER_IS_BETTER,
    LUMINANCE_METRICS,
    METRICS,
    evaluate,
    metric_names,
)
from .readback import readback

__all__ = [
    "FURTHER_METRICS",
    "LOWER_IS_BETTER",
    "LUMINANCE_METRICS",
    "METRICS",
    "Report",
    "evaluate",
    "evaluate_folders",
    "luminance8",
    "metric_names",
    "readback",
]

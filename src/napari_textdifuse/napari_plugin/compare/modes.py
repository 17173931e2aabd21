"""All ways of looking, in the order of their buttons."""

from __future__ import annotations

from .composed import CheckerboardMode, CurtainMode
from .mode import Mode
from .switched import BlendMode, FlickerMode, SideBySideMode

__all__ = ["MODES", "BlendMode", "CheckerboardMode", "CurtainMode", "FlickerMode", "SideBySideMode"]

MODES: tuple[type[Mode], ...] = (
    CurtainMode,
    CheckerboardMode,
    FlickerMode,
    BlendMode,
    SideBySideMode,
)

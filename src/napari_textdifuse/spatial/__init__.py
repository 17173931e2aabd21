"""Bring two images onto one grid."""

from __future__ import annotations

from .resample import Resampled, resample_to

__all__ = ["Resampled", "resample_to"]

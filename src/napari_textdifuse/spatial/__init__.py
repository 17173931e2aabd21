"""Bring two images onto one grid."""

from __future__ import annotations

from ._registration_progress import RegistrationProgress
from .checkerboard import checkerboard
from .registration import Aligned, Registration, aligned, register
from .resample import Resampled, resample_to

__all__ = [
    "Aligned",
    "Registration",
    "RegistrationProgress",
    "Resampled",
    "aligned",
    "checkerboard",
    "register",
    "resample_to",
]

"""Bring two images onto one grid."""

from __future__ import annotations

from ._registration_progress import RegistrationProgress
from .agreement import Alignment, check_alignment
from .checkerboard import checkerboard
from .registration import Aligned, Registration, aligned, register
from .resample import Resampled, resample_to

__all__ = [
    "Aligned",
    "Alignment",
    "Registration",
    "RegistrationProgress",
    "Resampled",
    "aligned",
    "check_alignment",
    "checkerboard",
    "register",
    "resample_to",
]

"""Where images lie: one grid for two, registration, and whether they lie on each other.

In come `Volume` objects with affines in RAS mm (or without), out come volumes on another grid or
with another affine, masks of what is covered, and rigid or affine transforms; no napari, no files
but transforms.
"""

from __future__ import annotations

from .agreement import Alignment, check_alignment, checkerboard
from .registration import Aligned, Registration, aligned, register
from .registration_search import RegistrationProgress
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

"""Geometry: resampling two images onto one grid, registration, and checks of alignment.

In: `Volume` objects with affines in RAS mm (or without), and layers of napari.
Out: volumes on another grid or with another affine, masks of the overlap, rigid or affine
transforms. napari is never imported; the only files are those of transforms.
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

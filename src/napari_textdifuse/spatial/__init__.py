"""Geometry: resampling two images onto one grid, registration, and checks of alignment.

In: `Volume` objects with affines in RAS mm (or without), and layers of napari.
Out: volumes on another grid or with another affine, masks of the overlap, rigid or affine
transforms. napari is never imported; the only files are those of transforms.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
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

#: Where each name is; a panel that only reads layers does not load the rest.
_HOME = {
    "Aligned": "registration",
    "Alignment": "agreement",
    "Registration": "registration",
    "RegistrationProgress": "registration_search",
    "Resampled": "resample",
    "aligned": "registration",
    "check_alignment": "agreement",
    "checkerboard": "agreement",
    "register": "registration",
    "resample_to": "resample",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_HOME[name]}", __name__), name)

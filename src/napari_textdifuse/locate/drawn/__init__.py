"""From boxes, polygons, points and painted labels to a label mask.

In: a `Drawing` in pixels of the grid and the two images on it.
Out: `Location`; the outlines of boxes and points are found in the images by a `Refiner`.
"""

from __future__ import annotations

from .drawing import Drawing, numbered, polygon_corners
from .outline import Outline, Refiner
from .refine import REFINERS, fill, get_refiner, refine

__all__ = [
    "REFINERS",
    "Drawing",
    "Outline",
    "Refiner",
    "fill",
    "get_refiner",
    "numbered",
    "polygon_corners",
    "refine",
]

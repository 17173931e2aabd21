"""Drawn prompts: boxes, polygons, points and painted labels, with outlines found in the images."""

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

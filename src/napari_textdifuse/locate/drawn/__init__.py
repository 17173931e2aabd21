"""Drawn prompts: boxes, polygons, points and painted labels, with outlines found in the images."""

from __future__ import annotations

from .drawing import Drawing
from .outline import Outline, Refiner
from .refine import REFINERS, get_refiner, refine

__all__ = ["REFINERS", "Drawing", "Outline", "Refiner", "get_refiner", "refine"]

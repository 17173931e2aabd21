"""The interface of a refiner."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from ...volume import Volume
from ..regions import Mask
from .drawing import DrawnObject


@dataclass(frozen=True, eq=False)
class Outline:
    """An object in the image.

    Parameters
    ----------
    window : tuple of slice
        Position of `mask` in the image.
    mask : ndarray of bool
    score : float
        In [0, 1]; its meaning depends on the refiner, 1 for objects used as drawn.
    source : int or None
        Which image it was found in; None for objects used as drawn.
    note : str
        How it was found, as the end of a sentence.
    """

    window: tuple[slice, ...]
    mask: Mask
    score: float
    source: int | None
    note: str


@runtime_checkable
class Refiner(Protocol):
    """Anything that finds the outline of an object from a box or from points."""

    name: str

    def outline(self, images: Sequence[Volume], item: DrawnObject) -> Outline | None:
        """Find one object.

        Parameters
        ----------
        images : sequence of Volume
            On one grid.
        item : DrawnObject
            Of kind "box" or "point".

        Returns
        -------
        Outline or None
            None if nothing stands out.
        """
        ...

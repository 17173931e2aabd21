"""Pipelines, loaded once for each device and weights."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ...fusion import FusionPipeline

#: Makes the pipeline for a device; called in the worker thread.
MakePipeline = Callable[[str], "FusionPipeline"]


class Pipelines:
    """Makes and keeps pipelines.

    Parameters
    ----------
    make : callable, optional
        By default with the weights that are asked for.
    """

    def __init__(self, make: MakePipeline | None = None) -> None:
        self._make = make
        self._cached: dict[tuple[str, str | None], FusionPipeline] = {}

    def get(self, device: str, weights: str | None) -> FusionPipeline:
        """Return the pipeline; called in the worker, one at a time."""
        if (device, weights) not in self._cached:
            if self._make is not None:
                self._cached[device, weights] = self._make(device)
            else:
                from ...fusion import FusionPipeline

                self._cached[device, weights] = FusionPipeline.from_pretrained(weights, device)
        return self._cached[device, weights]

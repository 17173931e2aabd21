"""The running estimate, as a layer that is gone when the result comes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from napari.layers import Image

from .._layers import KEY
from .._results import cut_geometry

if TYPE_CHECKING:
    from napari.components import LayerList

    from .job import Job

NAME = "Preview (running)"
#: In ``metadata["textdifuse"]`` of the layer.
MARK = "preview"


class Preview:
    """Shows one slice after the other while it becomes clear.

    Parameters
    ----------
    layers : LayerList
    job : Job
        Running: it knows by now which slices were chosen.
    """

    def __init__(self, layers: LayerList, job: Job) -> None:
        self._layers = layers
        self._job = job
        self._layer: Image | None = None
        self._data = np.zeros((0, 0), np.float32)

    def show(self, index: int, estimate: npt.NDArray[np.float32]) -> None:
        """Show the estimate of a slice; tiles of large pictures are not shown."""
        session = self._job.session
        if session is None:
            return
        shape = session.pair.turned_shape
        rows, columns = shape[-2:]
        fits = 0 <= estimate.shape[0] - rows < 64 and 0 <= estimate.shape[1] - columns < 64
        if not fits:
            return
        axis, first = self._job.start
        if self._layer is not None and self._layer not in self._layers:
            return  # the user deleted it
        if self._layer is None:
            self._data = np.zeros(shape, np.float32)
            turned = np.moveaxis(self._data, 0, axis) if len(shape) == 3 else self._data
            geometry = cut_geometry(self._job.a, axis, first)
            self._layer = Image(
                turned,
                name=NAME,
                colormap="gray",
                contrast_limits=(0, 1),
                metadata={KEY: {MARK: True}},
                **geometry,
            )
            self._layers.append(self._layer)
        plane = self._data if self._data.ndim == 2 else self._data[index]
        plane[...] = estimate[:rows, :columns]
        self._layer.refresh()

    def remove(self) -> None:
        """Take the layer away."""
        if self._layer is not None and self._layer in self._layers:
            self._layers.remove(self._layer)
        self._layer = None

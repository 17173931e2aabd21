"""The running estimate, in a layer of its own until the result is complete."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from napari.layers import Image, Points, Shapes

from ..layers import KEY
from ..results import cut_geometry, put_in, take_out

if TYPE_CHECKING:
    from napari.components import LayerList

    from .job import Job

#: In ``metadata["textdifuse"]`` of a layer whose result is still to come.
MARK = "preview"


def is_preview(layer: Image) -> bool:
    """Return whether a layer's result is not yet complete."""
    return MARK in layer.metadata.get(KEY, {})


class Preview:
    """Shows one slice after the other during the fusion.

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
        self._turned: npt.NDArray[np.float32] = np.zeros(0, np.float32)

    def show(self, index: int, estimate: npt.NDArray[np.float32]) -> None:
        """Show the estimate of a slice; tiles of large images are not shown."""
        session = self._job.session
        if session is None or not self._fits(estimate, session.pair.reoriented_shape):
            return
        if self._layer is None:
            self._begin(session.pair.reoriented_shape)
        elif self._layer not in self._layers:
            return  # the user deleted it
        shape = session.pair.reoriented_shape
        plane = self._turned if len(shape) == 2 else self._turned[index]
        shown = estimate[: shape[-2], : shape[-1]]
        plane[..., :3] = shown if shown.ndim == 3 else shown[..., None]
        plane[..., 3] = 1
        if self._layer is not None:
            self._layer.refresh()

    def close(self) -> None:
        """Remove the layer."""
        layer, self._layer = self._layer, None
        if layer is not None and layer in self._layers:
            take_out(self._layers, layer)
            # napari's parts of a removed layer refer to each other, and keep it for some time
            layer.data = np.zeros((1,) * layer.ndim + (4,), np.float32)

    @staticmethod
    def _fits(estimate: npt.NDArray[np.float32], shape: tuple[int, ...]) -> bool:
        """Return whether it is a whole slice, padded to the network's multiple, not a tile."""
        return all(0 <= e - n < 64 for e, n in zip(estimate.shape[:2], shape[-2:], strict=True))

    def _begin(self, shape: tuple[int, ...]) -> None:
        job, (axis, first) = self._job, self._job.start
        # transparent where nothing is known yet, so the images below stay visible
        self._turned = np.zeros((*shape, 4), np.float32)
        self._layer = Image(
            np.moveaxis(self._turned, 0, axis) if len(shape) == 3 else self._turned,
            name=f"Fused: {job.a.name} + {job.b.name} (running)",
            rgb=True,
            metadata={KEY: {MARK: True}},
            **cut_geometry(job.placement, axis, first),
        )
        # below what the user draws, whose layer stays selected
        images = [k for k, v in enumerate(self._layers) if not isinstance(v, (Points, Shapes))]
        put_in(self._layers, max(images, default=-1) + 1, self._layer)

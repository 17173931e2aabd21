"""The running estimate, in the layer that the result will be in."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from napari.layers import Image

from ..layers import KEY
from ..results import cut_geometry, earlier_result, fused_name

if TYPE_CHECKING:
    from napari.components import LayerList

    from .job import Job

#: In ``metadata["textdifuse"]`` of a layer whose result is still to come.
MARK = "preview"


class Preview:
    """Shows one slice after the other while it becomes clear.

    An earlier result that will be replaced is drawn over, and given back if nothing comes of it;
    else there is a new layer.

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
        self._before: npt.NDArray[np.float32] | None = None
        self._turned: npt.NDArray[np.float32] = np.zeros(0, np.float32)

    def show(self, index: int, estimate: npt.NDArray[np.float32]) -> None:
        """Show the estimate of a slice; tiles of large pictures are not shown."""
        session = self._job.session
        if session is None or not self._fits(estimate, session.pair.turned_shape):
            return
        if self._layer is None:
            self._begin(session.pair.turned_shape, session.coloured)
        elif self._layer not in self._layers:
            return  # the user deleted it
        shape = session.pair.turned_shape
        plane = self._turned if len(shape) == 2 else self._turned[index]
        shown = estimate[: shape[-2], : shape[-1]]
        plane[...] = shown[..., None] if session.coloured else shown
        if self._layer is not None:
            self._layer.refresh()

    def keep(self) -> Image | None:
        """Return the layer, for a finished result; None if there is none."""
        layer, self._layer = self._layer, None
        return layer if layer is not None and layer in self._layers else None

    def undo(self) -> None:
        """Give back what was drawn over, or take the layer away."""
        layer = self.keep()
        if layer is None:
            return
        if self._before is None:
            self._layers.remove(layer)
        else:
            layer.data = self._before

    @staticmethod
    def _fits(estimate: npt.NDArray[np.float32], shape: tuple[int, ...]) -> bool:
        """Tell whether it is a whole slice, padded to the network's multiple, and no tile."""
        return all(0 <= e - n < 64 for e, n in zip(estimate.shape, shape[-2:], strict=True))

    def _begin(self, shape: tuple[int, ...], coloured: bool) -> None:
        job, (axis, first) = self._job, self._job.start
        shape = (*shape, 3) if coloured else shape
        name = fused_name(job.a.name, job.b.name)
        data = np.zeros(shape, np.float32)
        deep = data.ndim - coloured == 3
        layer = earlier_result(self._layers, name) if job.replace else None
        image = np.moveaxis(data, 0, axis) if deep else data
        same = isinstance(layer, Image) and layer.rgb == coloured
        if layer is not None and same and layer.data.shape == image.shape:
            self._before = layer.data
            image[...] = layer.data
            layer.data = image
        else:
            look = {} if coloured else {"colormap": "gray", "contrast_limits": (0, 1)}
            meta = {KEY: {MARK: True}}
            place = cut_geometry(job.a, axis, first)
            layer = Image(image, name=name, rgb=coloured, metadata=meta, **look, **place)
            self._layers.append(layer)
        self._layer, self._turned = layer, data

"""A finished job's result in the viewer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Labels

from ...volume import Volume
from ..results import result_layers, show_layer

if TYPE_CHECKING:
    from napari.components import LayerList

    from ...fusion import FusionResult
    from .job import Job


def show_result(
    layers: LayerList, result: FusionResult, job: Job, target: Any = None
) -> Labels | None:
    """Add the layers of a result, or update the earlier ones of the same names.

    Parameters
    ----------
    layers : LayerList
    result : FusionResult
    job : Job
    target : Layer, optional
        Where the fused image was previewed.

    Returns
    -------
    Labels or None
        The mask's layer.
    """
    sources = _sources(result, job) if "difference" in job.shown else []
    made = result_layers(
        result, job.a, job.b.name, job.prompt, start=job.start, sources=sources, shown=job.shown
    )
    mask = None
    for number, layer_data in enumerate(made[:1] if job.fused_only else made):
        place = target if number == 0 else None
        layer = show_layer(layers, layer_data, replace=job.replace, target=place)
        if isinstance(layer, Labels):
            mask = layer
    return mask


def _sources(result: FusionResult, job: Job) -> list[tuple[str, Volume]]:
    """Return both images' brightness in [0, 1] on the grid of the result."""
    if job.session is None:
        return []
    from ...fusion.prepare import brightness

    pair = job.session.pair
    done = result.contribution.shape[pair.selection.axis]
    found = []
    for name, stack in zip((job.a.name, job.b.name), brightness(pair), strict=True):
        turned = stack[0] if pair.a.ndim == 2 else np.moveaxis(stack[:done], 0, pair.selection.axis)
        found.append((name, Volume(turned)))
    return found

"""A finished job's result in the viewer: what it replaces, its position and what is visible."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Image, Labels, Layer, Points, Shapes
from qtpy.QtCore import QTimer

from ...volume import Volume
from ..layers import KEY
from ..results import (
    OUTLINE,
    RESULT,
    Title,
    fits,
    identity,
    is_result,
    make_title,
    result_layers,
    result_of,
    take_out,
    update,
)
from .values import quiet_status

if TYPE_CHECKING:
    from napari.components import LayerList, ViewerModel

    from ...fusion import FusionResult
    from .job import Job


#: In ``metadata["textdifuse"]`` of a mask from a file that is shown as outlines.
OUTLINED = "outlined"
#: In the identity and name of a result whose mask was painted on; a further one gets a number.
CORRECTED = "corrected"


@dataclass(frozen=True)
class Shown:
    """The layers of a result.

    Parameters
    ----------
    key : str
        Which result it is.
    fused : Image
    mask : Labels or None
    """

    key: str
    fused: Image
    mask: Labels | None


def show_result(
    layers: LayerList, result: FusionResult, job: Job, ndisplay: int = 2
) -> Shown | None:
    """Add the layers of a result, which replace the same earlier result and no other.

    An incomplete result replaces only an incomplete one. Other results are hidden. The new one
    is on top, below drawn points and shapes, and its mask is selected.

    Parameters
    ----------
    layers : LayerList
    result : FusionResult
    job : Job
    ndisplay : int
        How many axes the viewer displays.

    Returns
    -------
    Shown or None
        None if a corrected image was deleted meanwhile.
    """
    if job.corrects is not None:
        return _update_fused(layers, result, job, job.corrects)
    key = identity(result.record, result.label_names.values(), job.drawn)
    title, words = title_of(job, result), None
    if job.replaces is not None:
        updated = [result_of(v) for v in layers if result_of(v).get("id") == job.replaces]
        if not any(known["role"] == "fused" for known in updated):
            return None  # the user deleted it
        if words := updated[0].get(CORRECTED):
            key = f"{key} {words}"
    elif not job.replace:
        key, title = _another(layers, key, title)
    sources = _sources(result, job) if "difference" in job.shown else []
    made = result_layers(
        result,
        job.placement,
        job.b.name,
        title,
        key=key,
        start=job.start,
        sources=sources,
        shown=job.shown,
    )
    if words:  # at the end, as `mark_corrected` does
        for _, attributes, _ in made:
            attributes["name"] += f", {words}"
    complete = bool(result.record.get("complete", True))
    earlier = [
        layer
        for layer in layers
        if result_of(layer)
        and result_of(layer)["id"] in (key, job.replaces)
        and (complete or not result_of(layer)["complete"])
    ]
    # if both exist, the displayed one is kept and the other removed
    earlier.sort(key=lambda layer: result_of(layer)["id"] == job.replaces)
    roles = {result_of(layer)["role"]: layer for layer in earlier}
    group = []
    for layer_data in made:
        role = layer_data[1]["metadata"][KEY][RESULT]["role"]
        before = roles.get(role)
        if before is not None and fits(before, layer_data):
            update(before, layer_data)
            group.append(before)
            continue
        if before is not None:
            take_out(layers, before)
        layer = Layer.create(*layer_data)
        if isinstance(layer, Labels):
            as_outline(layer, ndisplay)
        layers.append(layer)
        group.append(layer)
    by_role = {result_of(layer)["role"]: layer for layer in group}
    for layer in earlier:
        if layer in layers and layer not in group:
            take_out(layers, layer)
    if job.replaces is None:
        _bring_to_front(layers, group)
    for layer in group:
        if words:
            result_of(layer)[CORRECTED] = words
    return Shown(key, by_role["fused"], by_role.get("mask"))


def show_slice(layers: LayerList, result: FusionResult, job: Job, fused: Image) -> None:
    """Put one slice of a running update into a fused image; its array is replaced, not changed.

    Parameters
    ----------
    layers : LayerList
    result : FusionResult
        Of the one slice.
    job : Job
    fused : Image
        Of all slices.
    """
    axis = job.start[0]
    data = np.asarray(fused.data)
    first = int((fused.metadata[KEY]["record"].get("slices") or {}).get("first", 0))
    place = (slice(None),) * axis + (slice(job.start[1] - first, job.start[1] - first + 1),)
    if fused in layers and data[place].shape == result.fused.shape:
        data = data.copy()
        data[place] = result.fused
        fused.data = data


def _update_fused(layers: LayerList, result: FusionResult, job: Job, mask: Labels) -> Shown | None:
    """Replace a fusion by the corrected one; visibility and selection do not change."""
    known = result_of(mask)
    fused = fused_of(layers, mask)
    if fused is None:
        return None  # the user deleted it
    title = title_of(job, result)
    (layer_data,) = (
        data
        for data in result_layers(result, job.placement, job.b.name, title, start=job.start)
        if data[1]["metadata"][KEY][RESULT]["role"] == "fused"
    )
    layer_data[1]["name"] = fused.name
    layer_data[1]["metadata"][KEY][RESULT] = dict(result_of(fused))
    if fits(fused, layer_data):
        update(fused, layer_data)
    return Shown(known["id"], fused, mask)


def fused_of(layers: LayerList, mask: Labels) -> Image | None:
    """Return the fused image that a mask belongs to."""
    known = result_of(mask)
    for layer in layers:
        other = result_of(layer)
        same = all(other.get(key) == known.get(key) for key in ("id", "complete"))
        if isinstance(layer, Image) and same and other.get("role") == "fused":
            return layer
    return None


def title_of(job: Job, result: FusionResult) -> Title:
    """Name a result by its images, terms, slices and settings."""
    names = result.label_names.values() if job.drawn is None else [f"drawn in {job.drawn}"]
    slices = result.record.get("slices")
    if slices and job.a.ndim > slices["axis"]:
        slices = slices | {"of": job.a.shape[slices["axis"]]}
    if slices and not result.record.get("complete", True):
        done = result.contribution.shape[slices["axis"]]
        slices = slices | {"last": slices["first"] + done - 1}
    return make_title(f"{job.a.name} + {job.b.name}", names, slices, job.settings_words)


def mark_corrected(layers: LayerList, mask: Labels) -> None:
    """Protect a result with a painted mask from being replaced by a run of its prompt."""
    known = result_of(mask)
    if not known or known.get(CORRECTED):
        return
    key = known["id"]
    there = {result_of(layer).get("id") for layer in layers}
    numbered = (CORRECTED if n == 1 else f"{CORRECTED} {n}" for n in count(1))
    words = next(words for words in numbered if f"{key} {words}" not in there)
    for layer in layers:
        belongs = result_of(layer)
        if belongs.get("id") == key and belongs["complete"] == known["complete"]:
            belongs |= {"id": f"{key} {words}", CORRECTED: words}
            layer.name = f"{layer.name}, {words}"


def go_to_slices(viewer: ViewerModel, job: Job) -> None:
    """Show the first slice that a cancelled job finished."""
    image = job.layers[0]() if job.layers else None
    axis, first = job.start
    if image is not None and image.ndim >= 3:
        number = image.ndim - 3 + axis
        index = np.zeros(image.ndim)
        index[number] = first
        viewer.dims.set_point(viewer.dims.ndim - 3 + axis, image.data_to_world(index)[number])


def as_outline(mask: Labels, ndisplay: int = 2) -> None:
    """Show a mask as outlines, and filled while a painting tool is selected."""
    mask.events.mode.connect(lambda: _outline(mask, 2))
    _keep_quiet_in_3d(mask)
    _outline(mask, ndisplay)


def _keep_quiet_in_3d(mask: Labels) -> None:
    """Let napari draw a mask in 3-D without a warning about outlines, and query its status.

    napari slices layers before any plugin learns of the change to 3-D, so the outlines cannot be
    switched off in time; and it asks labels for a status before the pointer has a direction, which
    they cannot answer. The methods of this one layer are wrapped.
    """
    mask.get_status = partial(quiet_status, mask)
    plain = getattr(mask, "_calculate_contour", None)
    if plain is None:
        return

    def calculate(labels: Any, data_slice: Any) -> Any:
        return None if labels.ndim > 2 else plain(labels, data_slice)

    mask._calculate_contour = calculate


def draw_in_order(layers: LayerList) -> None:
    """Let napari draw layers in their order again, once its display has changed.

    From 3-D to 2-D it draws a layer that was added in 3-D below the others.
    """
    QTimer.singleShot(0, layers.events.reordered)


def follow_display(layers: LayerList, ndisplay: int) -> None:
    """Fill masks in 3-D, where napari draws no outlines."""
    for layer in layers:
        if not isinstance(layer, Labels):
            continue
        if result_of(layer).get("role") == "mask":
            _outline(layer, ndisplay)
        elif is_result(layer) and not layer.metadata[KEY].get(OUTLINED):
            layer.metadata[KEY][OUTLINED] = True  # a mask that was saved and opened again
            as_outline(layer, ndisplay)
        elif is_result(layer):
            _outline(layer, ndisplay)


def _outline(mask: Labels, ndisplay: int) -> None:
    painting = str(mask.mode) not in ("pan_zoom", "transform")
    filled = painting or ndisplay == 3
    if filled and mask.contour:
        mask.contour = 0
    elif not filled and not mask.contour:
        mask.contour = OUTLINE
    opacity = 0.5 if painting else 1.0
    if (filled or mask.contour == OUTLINE) and mask.opacity != opacity:
        mask.opacity = opacity


def _another(layers: LayerList, key: str, title: Title) -> tuple[str, Title]:
    """Return an identity and a title that no result has yet."""
    there = {result_of(layer).get("id") for layer in layers}
    if key not in there:
        return key, title
    number = next(n for n in count(2) if f"{key} {n}" not in there)
    return f"{key} {number}", replace(title, rest=f"{title.rest}, no. {number}")


def _bring_to_front(layers: LayerList, group: list[Layer]) -> None:
    """Move a result to the top, below drawn points and shapes, and hide the others."""
    drawn = [v for v in layers if isinstance(v, (Points, Shapes)) and not is_result(v)]
    rest = [v for v in layers if v not in group and v not in drawn]
    wanted = [*rest, *group, *drawn]
    for place, layer in enumerate(wanted):
        index = layers.index(layer)
        if index != place:
            layers.move(index, place)
    # only what changes: napari redraws everything each time, even for a hidden layer
    for layer in rest:
        if RESULT in layer.metadata.get(KEY, {}) and layer.visible:
            layer.visible = False
    for layer in group:
        if result_of(layer)["role"] in ("fused", "mask") and not layer.visible:
            layer.visible = True
    layers.selection.active = group[-1]


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

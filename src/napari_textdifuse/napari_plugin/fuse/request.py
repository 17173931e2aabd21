"""What the controls of the panel ask for, as a job."""

from __future__ import annotations

import weakref
from functools import partial
from typing import Any

from napari.layers import Image

from ...errors import InputError
from ...spatial.layers import read_layer
from ..compare.choice import shown_time
from ..file_order import turn_of
from ..layers import Placement
from ..models.store import chosen_weights
from .drawn import prompt_of
from .form import NONE, Form
from .job import Job, Pipelines


def make_job(form: Form, viewer: Any, pipelines: Pipelines) -> Job:
    """Read the chosen layers and all settings, in the GUI thread.

    Parameters
    ----------
    form : Form
    viewer : napari.viewer.Viewer
        Its position selects time points and slices.
    pipelines : Pipelines

    Raises
    ------
    TextDiFuseError
        If the choices cannot be fused.
    """
    a, b = _chosen_images(form)
    drawn = form.drawn.value
    fuse_options: dict[str, Any] = {"strength": form.strength.value}
    if drawn is not None:
        follow = bool(form.follow.value)
        fuse_options |= prompt_of(drawn, a, follow=follow, point=viewer.dims.point)
    if form.locator.value != "lexicon":
        fuse_options["locator"] = form.locator.value
    time_a, time_b = shown_time(viewer, a), shown_time(viewer, b)
    device, weights = str(form.device.value), chosen_weights()
    return Job(
        read_layer(a, a.name, time_a),
        read_layer(b, b.name, time_b),
        Placement.of(a, time_a),
        prompt=None if drawn is not None else form.prompt.value.strip() or None,
        fuse_options=fuse_options,
        options=_options(form, viewer),
        pipeline=partial(pipelines.get, device, weights),
        shown=tuple(form.extras.value),
        replace=bool(form.replace.value),
        drawn=None if drawn is None else drawn.name,
        settings_words=_settings_words(form),
        layers=(weakref.ref(a), weakref.ref(b)),
        place=(device, weights),
        opened=None if a.source.path is None else str(a.source.path),
        displayed_slice=form.extent.displayed_slice(viewer),
        turns=(turn_of(a), turn_of(b)),
    )


def _chosen_images(form: Form) -> tuple[Image, Image]:
    a, b = form.image_a.value, form.image_b.value
    if a is None or b is None:
        raise InputError("Fusion needs two image layers: open or choose an image for A and for B.")
    if a is b:
        raise InputError(f"Image A and image B are both {a.name!r}; choose two different layers.")
    return a, b


def _options(form: Form, viewer: Any) -> dict[str, Any]:
    """Return options of `FusionPipeline.session`."""
    options: dict[str, Any] = {
        "quality": form.quality.value,
        "seed": form.seed.value,
        **form.extent.selection(viewer),
    }
    windows = {"a": form.window_a.window, "b": form.window_b.window}
    if any(window is not None for window in windows.values()):
        options["windows"] = windows
    options |= form.window_a.colours | form.window_b.colours
    if form.balance.value:
        options["balance"] = form.balance.value
    if form.restoration.wanted is not None:
        options["restore"] = form.restoration.wanted
    if form.samples.value > 1:
        options["samples"] = form.samples.value
    if form.register.value != NONE:
        options["register"] = form.register.value
    return options


def _settings_words(form: Form) -> tuple[str, ...]:
    """Return the non-default settings that change the result, for its name."""
    words = []
    if form.quality.value != "standard":
        words.append(str(form.quality.value))
    if form.strength.value != 1:
        words.append(f"strength {form.strength.value:g}")
    if form.balance.value:
        words.append(f"balance {form.balance.value:+g}")
    if form.restoration.words:
        words.append(form.restoration.words)
    if form.seed.value:
        words.append(f"seed {form.seed.value}")
    if form.samples.value > 1:
        words.append(f"{form.samples.value} samples")
    if form.register.value != NONE:
        words.append(str(form.register.value))
    if form.locator.value != "lexicon":
        words.append(str(form.locator.value))
    for window in (form.window_a, form.window_b):
        if window.words:
            words.append(window.words)
    return tuple(words)

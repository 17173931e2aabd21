"""Unexpected orders in a real window: layers renamed, deleted, corrected twice, drawn in 3-D."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from head_layers import head
from napari.layers import Image, Layer

from napari_textdifuse.napari_plugin.fuse.preview import Preview
from napari_textdifuse.napari_plugin.fuse.widget import FusionWidget


@dataclass
class Session:
    """A person at the panel."""

    viewer: Any
    panel: FusionWidget
    qtbot: Any

    def fuse(self, prompt: str | None = None, button: str = "fuse") -> None:
        if prompt is not None:
            self.panel.prompt.value = prompt
        getattr(self.panel, button).native.click()
        self.qtbot.waitUntil(lambda: not self.panel.running, timeout=120_000)

    @property
    def active(self) -> Any:
        return self.viewer.layers.selection.active

    @property
    def visible_layers(self) -> list[str]:
        return [layer.name for layer in self.viewer.layers if layer.visible]


@pytest.fixture
def session(make_napari_viewer, qtbot, tiny_pipeline) -> Callable[..., Session]:
    def make(*layers: Layer, pipeline: Any = tiny_pipeline) -> Session:
        viewer = make_napari_viewer(show=True)
        for layer in layers or (head("t1", "MR", 0), head("pet", "PT", 1, "SUVbw")):
            viewer.add_layer(layer)
        panel = FusionWidget(viewer, make_pipeline=lambda device: pipeline)
        viewer.window.add_dock_widget(panel, name="Fuse")
        panel.quality.value = "fast"
        return Session(viewer, panel, qtbot)

    return make


FIRST = ["Fused: t1 + pet, tumour, fast", "Mask: tumour, fast (t1 + pet)"]


def test_a_renamed_source_stays_chosen_and_names_its_results(session, notifications):
    s = session()
    s.fuse("tumour")
    pet = s.viewer.layers["pet"]
    pet.name = "FDG"
    assert s.panel.image_b.native.currentText() == "FDG"
    s.fuse("tumour")
    assert s.visible_layers == ["t1", "FDG", *(name.replace("pet", "FDG") for name in FIRST)]
    s.viewer.layers.append(head("pet", "PT", 2, "SUVbw"))
    assert s.panel.image_b.value is pet, "another image under the old name is not the chosen one"
    s.viewer.layers.remove(pet)
    s.viewer.layers.append(pet)
    assert s.panel.image_b.value is pet
    pet.name = "late"
    s.viewer.layers.remove(pet)
    again = head("late", "PT", 1, "SUVbw")
    s.viewer.layers.append(again)
    assert s.panel.image_b.value is again, "the file, opened again"
    assert notifications == []


@pytest.mark.parametrize("part", [0, 1])
def test_a_deleted_part_of_a_result_comes_back(session, notifications, part):
    s = session()
    s.fuse("tumour")
    s.viewer.layers.remove(s.viewer.layers[FIRST[part]])
    assert not s.panel.update_from_mask.enabled
    s.fuse("Tumor")
    assert s.visible_layers == ["t1", "pet", *FIRST]
    assert s.active.name == FIRST[1]
    assert s.panel.update_from_mask.enabled
    assert notifications == []


def test_a_second_correction_keeps_the_first(session, notifications):
    s = session()
    images = {}
    for number, (words, z) in enumerate([("corrected", 4), ("corrected 2", 1)]):
        s.fuse("tumour")
        mask = s.active
        mask.mode = "paint"
        mask.paint((z, 15, 15), 1)
        mask.mode = "pan_zoom"
        assert s.visible_layers == ["t1", "pet", *(f"{name}, {words}" for name in FIRST)]
        images[number] = s.viewer.layers[f"{FIRST[0]}, {words}"]
        before = {key: image.data.copy() for key, image in images.items()}
        s.fuse(button="update_from_mask")
        for key, image in images.items():
            changed = np.abs(image.data - before[key]).reshape(6, -1).max(axis=1) > 0
            assert np.flatnonzero(changed).tolist() == ([z] if key == number else [])
    assert notifications == []


def test_update_and_save_act_on_the_selected_result_and_no_other(session, notifications):
    s = session()
    s.fuse("tumour")
    first = s.active
    s.panel.seed.value = 5
    s.fuse("tumour")
    second = s.active
    layers = s.viewer.layers
    layers.selection.active = layers[FIRST[0]]
    assert s.panel._correction.mask()[0] is first
    assert s.panel._shown.savable().options["seed"] == 0
    layers.selection.active = second
    assert s.panel._correction.mask()[0] is second
    s.fuse("")
    assert s.panel._correction.mask()[0] is None, "a result without a mask updates no other one"
    layers.selection.active = layers["t1"]
    second.visible = False
    first.visible = True
    assert s.panel._correction.mask()[0] is first, "the one in sight"
    s.panel.swap.native.click()
    assert not s.panel.update_from_mask.enabled
    assert "t1 + pet" in s.panel.update_from_mask.tooltip


def test_the_first_run_in_3d_with_the_pointer_on_the_canvas(session, notifications):
    s = session()
    s.viewer.dims.ndisplay = 3
    s.viewer.mouse_over_canvas = True  # as it is in a window under the pointer
    s.fuse("tumour")
    assert s.visible_layers == ["t1", "pet", *FIRST]
    assert s.active.contour == 0, "napari draws no outlines in 3-D"
    s.viewer.dims.ndisplay = 2
    assert s.active.contour == 1
    assert notifications == []


def test_values_that_no_spin_box_expects(session, notifications):
    values = np.random.default_rng(0).random((4, 20, 24))
    s = session(Image(values * 1e30, name="large"), Image(values, name="other"))
    s.panel.more.value = True
    assert s.panel.window_a.high.value == pytest.approx(values.max() * 1e30)
    fields, area = s.panel._fields.native, s.panel._area.viewport()
    s.qtbot.waitUntil(lambda: fields.width() <= area.width(), timeout=120_000)
    s.fuse("")
    assert "too large" in s.panel.message.text
    assert s.panel.message.level == "error"


@pytest.mark.parametrize("tool", ["points", "box"])
def test_a_selected_drawing_is_cleared_and_the_canvas_goes_on(session, notifications, tool):
    """napari draws what is selected, and fails if those points are gone."""
    s = session()
    getattr(s.panel.drawing, tool).native.click()
    drawn = s.panel.drawn.value
    if tool == "points":
        drawn.add(np.array([[2.0, 5, 5]]))
    else:
        corners = np.array([[2.0, 3, 3], [2, 3, 9], [2, 9, 9], [2, 9, 3]])
        drawn.add(corners, shape_type="rectangle")
    s.viewer.dims.set_current_step(0, 2)
    drawn.mode = "select"
    drawn.selected_data = {0}
    s.viewer.screenshot(flash=False)
    drawn.visible = False  # napari takes no notice of new data meanwhile
    s.panel.drawing.clear_drawing.native.click()
    assert (len(drawn.data), set(drawn.selected_data)) == (0, set())
    s.viewer.layers.append(head("later", "MR", 3))
    s.viewer.screenshot(flash=False)
    drawn.visible = True
    s.panel.drawn.value = None
    s.fuse("tumour")
    assert s.visible_layers[-2:] == [FIRST[1], drawn.name]
    assert notifications == []


def test_a_run_ends_although_its_preview_cannot_be_removed(session, monkeypatch, qtbot):
    """What another plugin does to a removed layer may fail."""
    s = session()
    closed = []

    def close(preview):
        closed.append(preview)
        raise KeyError("another plugin")

    monkeypatch.setattr(Preview, "close", close)
    with qtbot.captureExceptions() as raised:
        s.fuse("")
        s.fuse("tumour")
    assert len(closed) == 2
    assert [kind for kind, *_ in raised] == [KeyError, KeyError]
    assert {"Fused: t1 + pet, fast", *FIRST} <= {layer.name for layer in s.viewer.layers}


def test_drawing_begins_in_3d_and_goes_on_with_its_layer(session, notifications):
    s = session()
    s.viewer.mouse_over_canvas = True
    s.viewer.dims.ndisplay = 3
    s.panel.drawing.paint.native.click()
    assert s.viewer.dims.ndisplay == 2
    paint = s.panel.drawn.value
    s.panel.drawing.box.native.click()
    box = s.panel.drawn.value
    assert box.units == s.panel.image_a.value.units
    box.mode = "pan_zoom"
    s.viewer.dims.ndisplay = 3
    s.panel.drawing.box.native.click()
    assert s.panel.drawn.value is box, "the second rectangle lies on the same layer"
    assert str(box.mode) == "add_rectangle"
    s.panel.drawn.value = paint
    s.panel.drawing.paint.native.click()
    assert s.panel.drawn.value is paint
    s.panel.drawing.points.native.click()
    assert s.panel.drawn.value.units == s.panel.image_a.value.units
    s.panel.drawn.value = None
    s.fuse("tumour")
    s.panel.drawn.value = s.active
    s.panel.drawing.paint.native.click()
    assert s.panel.drawn.value.name == "Paint on t1 [1]", "the mask of a result is not painted over"
    assert notifications == [], "napari warns where layers differ in units"

"""Nothing that a run adds or removes makes the window wait longer than napari needs for it."""

from __future__ import annotations

import gc

import numpy as np
from head_layers import head
from napari.components import ViewerModel

from napari_textdifuse.napari_plugin.fuse.widget import FusionWidget
from napari_textdifuse.napari_plugin.results import take_out


def test_a_removed_layer_leads_to_no_search_of_all_objects(make_napari_viewer):
    """With frozen objects it only came later: in the middle of the next result."""
    viewer = make_napari_viewer()
    layer = viewer.add_image(np.zeros((4, 4)))
    gc.collect()
    collect, before = gc.collect, gc.get_stats()[2]["collections"]
    take_out(viewer.layers, layer)
    assert gc.collect is collect
    gc.enable()  # for each test it is off
    for _ in range(300):  # enough for Python to look at the oldest ones
        [[k] for k in range(1000)]
    assert gc.get_stats()[2]["collections"] == before


def test_the_canvas_follows_a_whole_result_at_once(qtbot, tiny_pipeline, monkeypatch):
    monkeypatch.setattr("napari_textdifuse.napari_plugin.task.PREVIEW_INTERVAL", 0)
    viewer = ViewerModel()
    for layer in (head("t1", "MR", 0), head("pet", "PT", 1, "SUVbw")):
        viewer.add_layer(layer)
    widget = FusionWidget(viewer, make_pipeline=lambda device: tiny_pipeline)
    qtbot.addWidget(widget.native)
    widget.prompt.value = "tumour"
    seen, events = [], viewer.layers.events
    for name in ("begin_batch", "end_batch", "inserted", "removed"):
        getattr(events, name).connect(lambda event: seen.append(event.type))
    widget.fuse.native.click()
    qtbot.waitUntil(lambda: not widget.running, timeout=120_000)
    preview = ["inserted", "begin_batch", "removed"]
    assert seen == [*preview, "inserted", "inserted", "end_batch"]

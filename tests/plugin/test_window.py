"""In a real napari window (under Xvfb where there is no screen)."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import threading

import numpy as np
import pytest
from napari import current_viewer
from npe2 import PluginManifest
from qtpy.QtCore import QThreadPool

from napari_textdifuse import Volume
from napari_textdifuse.errors import Cancelled
from napari_textdifuse.napari_plugin.fuse.widget import FusionWidget
from napari_textdifuse.napari_plugin.layers import to_layer
from napari_textdifuse.napari_plugin.menus import fuse_selected
from napari_textdifuse.napari_plugin.task import Task


@pytest.fixture
def docked(make_napari_viewer, phantom, slow_pipeline, tiny_pipeline):
    viewer = make_napari_viewer()
    for name in ("one", "two"):
        viewer._add_layer_from_data(*to_layer(phantom(np.diag([-2.0, -2, 3, 1]), name=name)))
    shape = viewer.layers[0].data.shape
    slow_pipeline.result = tiny_pipeline(
        Volume(np.ones(shape)), Volume(np.eye(*shape[1:]) + np.zeros(shape)), steps=1
    )
    widget = FusionWidget(viewer, make_pipeline=lambda device: slow_pipeline)
    return viewer, widget, viewer.window.add_dock_widget(widget, name="Fuse")


def test_a_run_in_the_window_while_it_stays_alive(docked, slow_pipeline, qtbot):
    viewer, widget, _ = docked
    assert [layer.name for layer in (widget.image_a.value, widget.image_b.value)] == ["one", "two"]
    widget.fuse.native.click()
    qtbot.waitUntil(lambda: widget.progress.value > 3, timeout=120_000)
    viewer.dims.set_point(0, 3.0)  # the user goes on scrolling
    slow_pipeline.allow()
    qtbot.waitUntil(lambda: not widget.running, timeout=120_000)
    fused = viewer.layers["Fused: one + two"]
    np.testing.assert_array_equal(fused.extent.world, viewer.layers["one"].extent.world)
    assert viewer.screenshot(flash=False).any()


def test_closing_the_panel_in_a_run(docked, slow_pipeline, qtbot):
    viewer, widget, dock = docked
    widget.fuse.native.click()
    qtbot.waitUntil(slow_pipeline.started.is_set, timeout=120_000)
    viewer.window.remove_dock_widget(dock)
    qtbot.waitUntil(slow_pipeline.stopped.is_set, timeout=120_000)
    qtbot.wait(50)
    assert len(viewer.layers) == 2


def test_closing_the_viewer_in_a_run(docked, slow_pipeline, qtbot):
    viewer, widget, _ = docked
    widget.fuse.native.click()
    qtbot.waitUntil(slow_pipeline.started.is_set, timeout=120_000)
    (busy,) = viewer.window._task_status_manager.get_status()  # asked about before it closes
    assert "a fusion by Text-DiFuse" in busy
    assert "object at" not in busy
    viewer.close()
    qtbot.waitUntil(slow_pipeline.stopped.is_set, timeout=120_000)
    qtbot.wait(50)


def test_closing_a_window_leaves_the_work_of_another_alone(
    docked, make_napari_viewer, slow_pipeline, qtbot
):
    """napari assigns a worker to the window used last, though a queued run is another's."""
    viewer, widget, _ = docked
    other = make_napari_viewer()
    assert current_viewer() is other
    outcomes = []
    widget._runner.finished.connect(lambda job, outcome: outcomes.append(outcome))
    slow_pipeline.allow()
    for seed in (1, 2):
        widget.seed.value = seed
        widget.fuse.native.click()
    qtbot.waitUntil(lambda: len(slow_pipeline.calls) == 2, timeout=120_000)
    (busy,) = viewer.window._task_status_manager.get_status()
    assert "a fusion by Text-DiFuse" in busy
    assert not other.window._task_status_manager.is_busy()
    other.close()
    slow_pipeline.allow()
    qtbot.waitUntil(lambda: not widget.running, timeout=120_000)
    assert not any(isinstance(outcome, Exception) for outcome in outcomes)
    assert len(outcomes) == 2


def test_a_program_that_ends_waits_for_its_workers():
    code = (
        "import time; from qtpy.QtWidgets import QApplication; app = QApplication([]); "
        "from napari_textdifuse.napari_plugin.task import Task; "
        "task = Task(lambda report: time.sleep(1)); task.start()"
    )
    environment = os.environ | {"QT_QPA_PLATFORM": "offscreen"}
    ended = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=600
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")


def test_closing_napari_right_after_the_panel_opened():
    """The panel's first workers still import modules, whose garbage includes the closed window."""
    code = """
import napari, numpy as np
from qtpy.QtCore import QTimer
viewer = napari.Viewer()
for name, known in (("t1", {"modality": "MR"}), ("pet", {"modality": "PT", "unit": "SUVbw"})):
    image = np.random.default_rng(0).random((6, 20, 24))
    viewer.add_image(image, name=name, metadata={"textdifuse": known})
from napari_textdifuse.napari_plugin.fuse.widget import FusionWidget
viewer.window.add_dock_widget(FusionWidget(viewer), name="Fuse")
QTimer.singleShot(300, viewer.close)
napari.run()
import gc
assert gc.isenabled(), "a script that goes on would never free cyclic garbage"
"""
    ended = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=600
    )
    assert ended.returncode == 0, ended.stderr[-2000:]


def test_work_that_is_cancelled_before_it_begins_does_not_begin(qtbot):
    """Begun after napari has closed, it would collect the closed window's objects."""
    gate, begun = threading.Event(), []
    pool = QThreadPool.globalInstance()
    waiting = [Task(lambda report: gate.wait()) for _ in range(pool.maxThreadCount())]
    task = Task(lambda report: begun.append(True))
    try:
        for other in waiting:
            other.start()
        with qtbot.waitSignal(task.finished, timeout=120_000) as ended:
            task.start()  # queued: every thread is taken
            task.cancel()
            gate.set()
    finally:
        gate.set()
    qtbot.waitUntil(lambda: not Task._running, timeout=120_000)
    assert not begun
    assert isinstance(ended.args[0], Cancelled)


def test_garbage_is_collected_in_the_main_thread_while_work_runs(qtbot):
    seen = []
    task = Task(lambda report: seen.append(gc.isenabled()))
    gc.enable()
    try:
        with qtbot.waitSignal(task.finished, timeout=120_000):
            task.start()
        assert seen == [False]
        assert gc.isenabled()
    finally:
        gc.disable()


def test_the_status_bar_explains_its_values(docked, slow_pipeline, qtbot):
    viewer, widget, _ = docked
    slow_pipeline.allow()
    status_bar = viewer.window._qt_window.statusBar()
    assert status_bar.toolTip() == ""
    widget.fuse.native.click()
    qtbot.waitUntil(lambda: not widget.running, timeout=120_000)
    assert "a.u.: arbitrary units" in status_bar.toolTip()


def test_the_layers_menu_takes_the_selected_layers(make_napari_viewer, phantom, qtbot):
    from napari._app_model import get_app_model
    from napari.utils.notifications import notification_manager

    viewer = make_napari_viewer()
    for name, modality in (("other", None), ("pet", "PT"), ("t1", "MR")):
        volume = phantom(np.diag([-2.0, 2, 3, 1]), name=name, modality=modality)
        viewer._add_layer_from_data(*to_layer(volume))
    viewer.layers.selection = {viewer.layers["pet"], viewer.layers["t1"]}
    fuse_selected(viewer)
    (dock,) = viewer.window.dock_widgets.values()
    assert (dock.image_a.value.name, dock.image_b.value.name) == ("t1", "pet")
    # one panel each, whether it is opened by a button or by the menu
    before = dict(viewer.window.dock_widgets)
    fuse_selected(viewer)
    assert dict(viewer.window.dock_widgets) == before
    dock.view.planes.native.click()
    dock.view.planes.native.click()
    manifest = PluginManifest.from_distribution("napari-textdifuse")
    menu = {f"{w.display_name} ({manifest.display_name})" for w in manifest.contributions.widgets}
    assert len(viewer.window.dock_widgets) == 2
    assert set(viewer.window.dock_widgets) <= menu
    viewer.layers.selection = {viewer.layers["pet"]}
    fuse_selected(viewer)
    assert "1 are selected" in str(notification_manager.records[-1].message)
    menus = get_app_model().menus.get_menu("napari/layers/visualize")
    titles = [getattr(getattr(item, "command", None), "title", "") for item in menus]
    assert "Fuse the two selected images (Text-DiFuse)" in titles


def test_keys_press_the_buttons_and_go_with_the_panel(docked, slow_pipeline, qtbot):
    viewer, widget, dock = docked
    slow_pipeline.allow()
    assert "Control-Alt-F" in widget.fuse.tooltip
    keys = {str(key) for key in viewer.keymap}
    assert {"Ctrl+Alt+F", "Ctrl+Alt+X", "Ctrl+Alt+U"} <= keys
    pressed = next(v for k, v in viewer.keymap.items() if str(k) == "Ctrl+Alt+F")
    pressed(viewer)
    qtbot.waitUntil(lambda: not widget.running, timeout=120_000)
    assert "Fused: one + two" in viewer.layers
    viewer.window.remove_dock_widget(dock)
    assert not {"Ctrl+Alt+F", "Ctrl+Alt+X"} & {str(key) for key in viewer.keymap}


def test_a_panel_from_the_menu_works_on_the_layers_themselves(
    make_napari_viewer, phantom, tiny_pipeline, qtbot, monkeypatch
):
    """napari hands a panel that it makes a proxy of the viewer, and so proxies of all layers."""
    viewer = make_napari_viewer()
    for name in ("one", "two"):
        viewer._add_layer_from_data(*to_layer(phantom(np.diag([-2.0, 2, 3, 1]), name=name)))
    _, widget = viewer.window.add_plugin_dock_widget("napari-textdifuse", "Fuse two images")
    monkeypatch.setattr(widget._pipelines, "get", lambda device, weights: tiny_pipeline)
    widget.drawn.value = viewer.add_labels(
        np.pad(np.ones((1, 3, 3), np.uint8), ((2, 2), (1, 2), (2, 2))),
        name="mine",
        scale=viewer.layers["one"].scale,
        translate=viewer.layers["one"].translate,
    )
    widget.fuse.native.click()
    qtbot.waitUntil(lambda: not widget.running, timeout=120_000)
    mask = viewer.layers.selection.active
    assert widget.update_from_mask.enabled, widget.update_from_mask.tooltip
    mask.paint((2, 4, 4), 1)
    before = len(viewer.layers)
    widget.update_from_mask.native.click()
    qtbot.waitUntil(lambda: not widget.running, timeout=120_000)
    assert widget.message.level == "info", widget.message.text
    assert len(viewer.layers) == before
    place = mask.data_to_world((2, 4, 4))
    assert "| one" in mask.get_status(place, dims_displayed=[1, 2], world=True)["coordinates"]


def test_the_fused_image_covers_its_sources_after_a_run_in_3d(
    make_napari_viewer, tiny_pipeline, qtbot
):
    viewer = make_napari_viewer(show=True)
    for name, modality in (("t1", "MR"), ("pet", "PT")):
        unit = "SUVbw" if modality == "PT" else "a.u."
        values = np.full((3, 40, 40), 10, np.float32)
        values[:, ::5] = 0
        affine = np.diag([-1.0, -1, 2, 1])
        volume = Volume(values, affine=affine, modality=modality, unit=unit, name=name)
        viewer._add_layer_from_data(*to_layer(volume))
    widget = FusionWidget(viewer, make_pipeline=lambda device: tiny_pipeline)
    viewer.window.add_dock_widget(widget, name="Fuse")
    viewer.dims.ndisplay = 3
    widget.fuse.native.click()
    qtbot.waitUntil(lambda: not widget.running, timeout=120_000)
    viewer.dims.ndisplay = 2
    widget.colour_bar.value = False
    viewer.reset_view()
    fused = viewer.layers[-1]
    sources = viewer.layers["t1"], viewer.layers["pet"]

    def picture():
        return viewer.screenshot(flash=False)

    def covered() -> bool:
        for layer in sources:
            layer.visible = True
        with_sources = picture()
        for layer in sources:
            layer.visible = False
        return np.array_equal(picture(), with_sources)

    qtbot.waitUntil(covered, timeout=120_000)
    fused.visible = False
    black = picture()
    fused.visible = True
    assert not np.array_equal(picture(), black), "it was the fused image that covered them"

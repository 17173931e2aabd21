"""Both panels in a real napari window: what is on the canvas, and what stays after closing."""

from __future__ import annotations

import gc
import subprocess
import sys
import weakref

import numpy as np
import pytest
from qtpy.QtCore import QTimer

from napari_textdifuse.napari_plugin.compare.composed import CurtainMode
from napari_textdifuse.napari_plugin.compare.composite import Composite
from napari_textdifuse.napari_plugin.compare.sampling import LayerView
from napari_textdifuse.napari_plugin.compare.switched import FlickerMode, SideBySideMode
from napari_textdifuse.napari_plugin.compare.view_panel import MODES
from napari_textdifuse.napari_plugin.compare.widget import CompareWidget
from napari_textdifuse.napari_plugin.models.widget import ModelsWidget


@pytest.fixture
def docked(make_napari_viewer, request):
    """A viewer with two images and the panel; hidden, which is faster, unless asked otherwise."""
    viewer = make_napari_viewer(show=getattr(request, "param", False))
    for name, level in (("red", (255, 0, 0)), ("green", (0, 255, 0))):
        viewer.add_image(np.full((4, 30, 40, 3), level, np.uint8), name=name, rgb=True)
    widget = CompareWidget(viewer)
    return viewer, widget, viewer.window.add_dock_widget(widget, name="Compare")


def colours(viewer) -> np.ndarray:
    """Colours at a quarter and at three quarters of the canvas's width."""
    shot = viewer.screenshot(flash=False)
    height, width = shot.shape[:2]
    return shot[height // 2, [3 * width // 8, 5 * width // 8], :3].tolist()


RED, GREEN = [255, 0, 0], [0, 255, 0]


on_screen = pytest.mark.parametrize("docked", [True], indirect=True)


@on_screen
def test_each_mode_on_the_canvas(docked, qtbot):
    viewer, widget, _ = docked

    def expect(*wanted):
        qtbot.waitUntil(lambda: colours(viewer) == [*wanted], timeout=120_000)

    expect(GREEN, GREEN)
    widget.view.buttons[CurtainMode].click()
    expect(RED, GREEN)
    widget.view.slider.setValue(0)
    expect(GREEN, GREEN)
    widget.view.slider.setValue(widget.view.slider.maximum())
    expect(RED, RED)
    widget.view.buttons[SideBySideMode].click()
    expect(RED, GREEN)
    widget.view.off.click()
    expect(GREEN, GREEN)
    assert len(viewer.layers) == 2


def test_closing_the_panel_in_each_mode(docked, qtbot):
    viewer, widget, dock = docked
    for mode in MODES:
        widget.view.buttons[mode].click()
        timer = getattr(widget.view._mode, "timer", QTimer())
        viewer.window.remove_dock_widget(dock)
        qtbot.wait(20)
        assert widget.view.mode is None
        assert not timer.isActive()
        assert [layer.name for layer in viewer.layers] == ["red", "green"]
        assert all(layer.visible and layer.opacity == 1 for layer in viewer.layers)
        assert not viewer.canvas.grid.enabled
        widget.deleteLater()
        widget = CompareWidget(viewer)  # as from the menu
        dock = viewer.window.add_dock_widget(widget, name="Compare")
    viewer.window.remove_dock_widget(dock)
    # and the viewer goes on without it
    viewer.add_image(np.zeros((30, 40)), name="new")
    del viewer.layers["red"]
    viewer.dims.ndisplay = 3


@pytest.mark.parametrize("mode", [CurtainMode, FlickerMode, SideBySideMode])
def test_closing_the_viewer_in_a_mode(docked, mode, qtbot):
    viewer, widget, _ = docked
    widget.view.buttons[mode].click()
    viewer.close()
    qtbot.wait(20)


@on_screen
def test_flicker_ends_when_another_tab_is_shown(docked, qtbot):
    _, widget, _ = docked
    qtbot.waitUntil(widget.view.isVisible, timeout=120_000)
    widget.view.buttons[FlickerMode].click()
    assert widget.view.mode is FlickerMode
    widget.tabs.setCurrentIndex(1)
    assert widget.view.mode is None
    widget.tabs.setCurrentIndex(0)
    widget.view.buttons[CurtainMode].click()
    widget.tabs.setCurrentIndex(1)
    assert widget.view.mode is CurtainMode  # measured while it is displayed
    widget.view.stop()


def test_nothing_of_a_closed_panel_is_kept_alive(make_napari_viewer, qtbot):
    viewer = make_napari_viewer()
    viewer.add_image(np.zeros((30, 40)))
    viewer.add_image(np.ones((30, 40)))
    widget = CompareWidget(viewer)
    dock = viewer.window.add_dock_widget(widget, name="Compare")
    for button in widget.view.buttons.values():
        button.click()
    gone = [weakref.ref(part) for part in (widget, widget.view, widget.metrics)]
    viewer.window.remove_dock_widget(dock)
    widget.deleteLater()
    del widget, dock, button

    def nothing() -> bool:
        gc.collect()
        return not any(ref() for ref in gone)

    qtbot.waitUntil(nothing, timeout=120_000)


def test_dragging_the_line_reads_no_image_again_and_one_slice_only(make_napari_viewer, monkeypatch):
    viewer = make_napari_viewer()
    for _ in range(2):
        viewer.add_image(np.random.default_rng(0).random((8, 256, 256), dtype=np.float32))
    widget = CompareWidget(viewer)
    viewer.window.add_dock_widget(widget, name="Compare")
    widget.view.buttons[CurtainMode].click()
    composed, read = [], []
    plain_compose, plain_read = Composite.__getitem__, LayerView.pixels

    def compose(self, key):
        pixels = plain_compose(self, key)
        composed.append(pixels.shape)
        return pixels

    monkeypatch.setattr(Composite, "__getitem__", compose)
    monkeypatch.setattr(LayerView, "pixels", lambda *a: read.append(1) or plain_read(*a))
    for position in range(20, 180, 20):
        widget.view.slider.setValue(position)
    assert composed == [(1, 256, 256, 4)] * 8
    assert not read


def test_the_models_panel_in_the_window(make_napari_viewer, qtbot, monkeypatch, tmp_path):
    monkeypatch.setenv("TEXTDIFUSE_CONFIG", str(tmp_path))
    viewer = make_napari_viewer()
    widget = ModelsWidget(viewer)
    dock = viewer.window.add_dock_widget(widget, name="Models")
    assert "Looking" in widget.hint.text()
    qtbot.waitUntil(lambda: not widget.running, timeout=120_000)
    assert widget.tree.topLevelItemCount() == 3
    assert widget.hint.text() == ""
    widget.refresh()
    viewer.window.remove_dock_widget(dock)  # while it is looking
    assert not widget.running
    qtbot.wait(50)


def test_opening_loads_no_network_library():
    """Neither torch nor the hub's client: opening must be quick."""
    code = (
        "import sys, napari_textdifuse.napari_plugin.compare.widget;"
        "import napari_textdifuse.napari_plugin.models.widget;"
        "heavy = {'torch', 'transformers', 'huggingface_hub', 'nibabel', 'pydicom'};"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"

"""A session by hand: accept and reject, balance, a stated fact, a box that the mouse draws.

At every step the layers' names, order, visibility and selection are what a person expects.
"""

from __future__ import annotations

import numpy as np
from head_layers import head
from napari.layers import Shapes
from qtpy.QtCore import QPoint, Qt

from napari_textdifuse.napari_plugin.fuse.facts_line import FactsDialog
from napari_textdifuse.napari_plugin.fuse.widget import FusionWidget

PAIR = ["t1", "pet"]
FIRST = ["Fused: t1 + pet, tumour, fast", "Mask: tumour, fast (t1 + pet)"]


def drag(viewer, qtbot, start, end):
    """Drag from one place of the displayed slice to another; world coordinates, y first."""
    canvas = viewer.window._qt_viewer.canvas
    to_pixels = canvas.view.scene.transform
    places = [QPoint(*map(round, to_pixels.map([*v[::-1], 0])[:2].tolist())) for v in (start, end)]
    steps = [places[0] + (places[1] - places[0]) * k / 4 for k in range(1, 5)]
    button = Qt.MouseButton.LeftButton
    qtbot.mouseMove(canvas.native, places[0])
    qtbot.mousePress(canvas.native, button, pos=places[0])
    for place in steps:
        qtbot.mouseMove(canvas.native, place)
        qtbot.wait(20)
    qtbot.mouseRelease(canvas.native, button, pos=places[1])


def test_a_session_by_hand(make_napari_viewer, qtbot, tiny_pipeline, notifications):
    viewer = make_napari_viewer(show=True)
    t1, pet = head("t1", "MR", 0), head("pet", "PT", 1, "SUVbw")
    pet.data[4:6, 13:17, 14:18] = 12  # a second hot spot
    for layer in (t1, pet):
        viewer.add_layer(layer)
    widget = FusionWidget(viewer, make_pipeline=lambda device: tiny_pipeline)
    viewer.window.add_dock_widget(widget, name="Fuse")
    widget.quality.value = "fast"

    def done() -> None:
        qtbot.waitUntil(lambda: not widget.running, timeout=120_000)

    def expect(names: list[str], selected: str) -> None:
        shown = [layer.name for layer in viewer.layers if layer.visible]
        assert (shown, viewer.layers.selection.active.name) == ([*PAIR, *names], selected)

    widget.prompt.value = "tumour"
    widget.fuse.native.click()
    done()
    expect(FIRST, FIRST[1])
    mask, fused = viewer.layers.selection.active, viewer.layers[FIRST[0]]
    box = widget.candidates
    assert [box.tree.topLevelItem(k).text(0) for k in range(2)] == ["tumour 1", "tumour 2"]
    # accept one: a decision, and nothing else changes
    before = fused.data
    box.tree.setCurrentItem(box.tree.topLevelItem(0))
    box.accept.click()
    done()
    assert box.tree.topLevelItem(0).text(2) == "accepted"
    assert fused.data is before
    expect(FIRST, FIRST[1])
    # reject the other: its pixels leave the mask and the fusion
    marked = int(np.count_nonzero(mask.data))
    box.tree.setCurrentItem(box.tree.topLevelItem(1))
    box.reject.click()
    done()
    assert 0 < np.count_nonzero(mask.data) < marked
    assert box.tree.topLevelItem(1).text(2) == "rejected"
    corrected = [f"{name}, corrected" for name in FIRST]
    expect(corrected, corrected[1])
    # balance: the displayed result, at once, and with its decisions
    before, rejected = fused.data.copy(), mask.data.copy()
    ended = []
    widget._runner.finished.connect(lambda job, outcome: ended.append(job))
    widget.balance.value = 0.3
    qtbot.waitUntil(lambda: bool(ended), timeout=120_000)  # the displayed slice, then all
    done()
    assert fused in viewer.layers
    assert not np.array_equal(fused.data, before)
    np.testing.assert_array_equal(mask.data, rejected)
    balanced = [name.replace("fast", "fast, balance +0.3") for name in corrected]
    expect(balanced, balanced[1])
    # what image A is, stated in the dialog
    widget.facts_a.edit.click()
    (dialog,) = widget.native.findChildren(FactsDialog)
    assert dialog.isVisible()
    dialog.boxes["contrast"].setCurrentText("T1")
    dialog.accept()
    assert widget.facts_a.text.startswith("MRI, T1, no unit")
    expect(balanced, balanced[1])
    # a box, drawn with the mouse
    viewer.dims.set_current_step(0, 2)
    numbering = viewer.dims.nsteps
    widget.drawing.box.native.click()
    drawn = viewer.layers.selection.active
    assert isinstance(drawn, Shapes)
    assert str(drawn.mode) == "add_rectangle"
    assert widget.drawn.value is drawn
    assert not widget.prompt.enabled, "the box replaces the word"
    expect([*balanced, "Box on t1"], "Box on t1")
    qtbot.wait(200)
    assert viewer.dims.nsteps == numbering, "the layer renumbers no slices"
    assert viewer.dims.current_step[0] == 2
    corner, other = (t1.data_to_world(v)[1:] for v in ((2, 4, 5), (2, 12, 15)))
    drag(viewer, qtbot, corner, other)
    assert viewer.dims.nsteps == numbering
    assert len(drawn.data) == 1
    found = np.array(drawn.data[0])
    np.testing.assert_allclose(found[:, 0], 2)
    np.testing.assert_allclose(np.ptp(found[:, 1:], axis=0), (8, 10), atol=2)
    widget.follow.value = False
    widget.fuse.native.click()
    done()
    boxed = [layer.name for layer in viewer.layers if layer.visible][2:]
    assert boxed[0].startswith("Fused: t1 + pet, drawn in Box on t1")
    assert boxed[1].startswith("Mask: drawn in Box on t1")
    assert boxed[2] == "Box on t1", "what the user draws stays on top"
    expect(boxed, boxed[1])
    inside = np.argwhere(viewer.layers[boxed[1]].data)
    assert set(inside[:, 0]) == {2}
    assert fused in viewer.layers, "another prompt hides the corrected result"
    assert not fused.visible
    assert notifications == []

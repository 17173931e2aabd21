"""What was wrong in sessions by hand: typed ranges, long messages, comparisons left open ..."""

from __future__ import annotations

import numpy as np
import pytest
from head_layers import head
from napari.layers import Image
from qtpy.QtCore import QPoint, Qt
from qtpy.QtWidgets import QMessageBox, QSlider

from napari_textdifuse import Volume
from napari_textdifuse.io import write
from napari_textdifuse.napari_plugin.compare.composed import CurtainMode
from napari_textdifuse.napari_plugin.compare.switched import BlendMode
from napari_textdifuse.napari_plugin.compare.widget import CompareWidget
from napari_textdifuse.napari_plugin.fuse.colour_bar import caption
from napari_textdifuse.napari_plugin.fuse.extent_box import RANGE
from napari_textdifuse.napari_plugin.fuse.message_line import LINES, MessageLine
from napari_textdifuse.napari_plugin.fuse.outcome import Message
from napari_textdifuse.napari_plugin.fuse.save_dialog import SaveDialog
from napari_textdifuse.napari_plugin.fuse.widget import FusionWidget
from napari_textdifuse.napari_plugin.fuse.window_box import OWN
from napari_textdifuse.napari_plugin.models.widget import ModelsWidget

LONG = (
    "'liver' needs a CT of the abdomen, and this pair is an MRI and a PET. Choose another word. "
    "The words that this pair can show are: brain, grey matter, white matter, ventricle, tumour."
)


def open_panel(make_napari_viewer, pipeline):
    viewer = make_napari_viewer(show=True)
    for layer in (head("t1", "MR", 0), head("pet", "PT", 1, "SUVbw")):
        viewer.add_layer(layer)
    widget = FusionWidget(viewer, make_pipeline=lambda device: pipeline)
    viewer.window.add_dock_widget(widget, name="Fuse")
    widget.quality.value = "fast"
    return viewer, widget


@pytest.fixture
def window(make_napari_viewer, tiny_pipeline):
    return open_panel(make_napari_viewer, tiny_pipeline)


def fuse(widget, qtbot, prompt):
    widget.prompt.value = prompt
    widget.fuse.native.click()
    qtbot.waitUntil(lambda: not widget.running, timeout=120_000)


def typed(box, text, qtbot):
    box.native.setFocus()
    box.native.selectAll()
    qtbot.keyClicks(box.native, text)


def test_a_range_is_typed_in_any_order(window, qtbot):
    """With every key, half a number had moved the other end."""
    _, widget = window
    extent = widget.extent
    extent.what.value = RANGE
    extent.first.max = extent.last.max = 59
    extent.last.value = 40
    typed(extent.first, "30", qtbot)
    qtbot.keyClick(extent.first.native, Qt.Key.Key_Return)
    assert (extent.first.value, extent.last.value) == (30, 40)
    typed(extent.last, "50", qtbot)
    qtbot.keyClick(extent.last.native, Qt.Key.Key_Return)
    assert (extent.first.value, extent.last.value) == (30, 50), "5 is below 30, but it is no end"
    typed(extent.last, "31", qtbot)
    assert extent.selection(window[0]) == {"slices": (30, 32)}, "also without leaving the field"
    box = widget.window_a
    box.choice.value = OWN
    box.low.value, box.high.value = 100, 900
    typed(box.high, "750", qtbot)
    assert box.low.value == 100
    assert box.window == (100, 750)


@pytest.mark.parametrize("mode", [CurtainMode, BlendMode])
def test_a_new_result_ends_a_comparison(window, qtbot, mode):
    """It lay below the result, and its end showed the earlier one again."""
    viewer, widget = window
    compare = CompareWidget(viewer)
    viewer.window.add_dock_widget(compare, name="Compare")
    fuse(widget, qtbot, "tumour")
    first = viewer.layers["Fused: t1 + pet, tumour, fast"]
    compare.view.start(mode)
    assert compare.view.mode is mode
    fuse(widget, qtbot, "brain")
    expected = ["t1", "pet", "Fused: t1 + pet, brain, fast", "Mask: brain, fast (t1 + pet)"]
    assert compare.view.mode is None
    assert [v.name for v in viewer.layers if v.visible] == expected
    assert not first.visible
    compare.view.start(mode)
    widget.update_from_mask.native.click()
    qtbot.waitUntil(lambda: not widget.running, timeout=120_000)
    assert compare.view.mode is mode, "an update changes no view"


def test_a_new_result_ends_the_checkerboard(window, qtbot):
    viewer, widget = window
    widget.alignment.button.click()
    assert widget.alignment.button.isChecked()
    fuse(widget, qtbot, "tumour")
    assert not widget.alignment.button.isChecked()
    assert not [v for v in viewer.layers if v.name.startswith("Checkerboard")]


def test_an_image_opened_above_a_result_is_seen_alone(window, qtbot, tmp_path):
    viewer, widget = window
    fuse(widget, qtbot, "tumour")
    values = np.random.default_rng(0).random((6, 20, 24)).astype(np.float32)
    for name, modality, opacity in (("second", "NM", 1), ("third", "MR", 0.5)):
        volume = Volume(values, affine=np.diag([-4.0, -4, 5, 1]), modality=modality, name=name)
        write(tmp_path / f"{name}.nii.gz", volume)
        viewer.open(tmp_path / f"{name}.nii.gz", plugin="napari-textdifuse")
        top = viewer.layers[-1]
        assert (top.name, top.opacity) == (name, opacity)
        assert top.blending.startswith("translucent")


def test_an_image_that_napari_opens_above_a_result_is_seen_alone(window, qtbot, tmp_path):
    """Then the panel, not the reader, would mix it with the other input."""
    from PIL import Image as Picture

    viewer, widget = window
    fuse(widget, qtbot, "tumour")
    del viewer.layers["pet"]
    Picture.fromarray(np.full((20, 24), 200, np.uint8)).save(tmp_path / "visible.png")
    viewer.open(tmp_path / "visible.png", plugin="napari")
    assert (viewer.layers[-1].name, viewer.layers[-1].opacity) == ("visible", 1)


def test_a_long_message_takes_two_lines_and_the_rest_is_shown_on_demand(qtbot):
    line = MessageLine()
    qtbot.addWidget(line)
    line.resize(390, 40)
    line.show()
    height = line.height()
    spacing = line._label.fontMetrics().lineSpacing()
    for text, shown in (
        (LONG, LONG.partition(" The")[0]),
        ("x" * 40 + " " + "y" * 40 + " " + "z" * 40, None),
        ("word " * 60, None),
    ):
        line.show_message(Message(text, "warning"))
        assert line.height() == height
        assert line._label.heightForWidth(line._label.width()) <= LINES * spacing
        assert line.shown == shown or (shown is None and line.shown.endswith(" ..."))
        assert line._button.isVisible()
        line._button.click()
        (box,) = line.findChildren(QMessageBox)
        assert box.text() == text
        box.close()
        qtbot.waitUntil(lambda: not line.findChildren(QMessageBox), timeout=120_000)
    line.resize(1600, 40)
    line.show_message(Message(LONG, "warning"))
    assert line.shown == LONG
    assert not line._button.isVisible()


def test_rows_stay_where_they_are_when_there_is_less_room(window, qtbot):
    viewer, widget = window
    native = viewer.window._qt_window

    def resize(height):
        native.resize(1280, height)
        qtbot.waitUntil(lambda: native.height() == height, timeout=120_000)
        qtbot.wait(100)  # lays out

    resize(900)

    def places():
        fields = (widget.image_b, widget.prompt, widget.quality, widget.more)
        return [field.native.mapTo(widget.native, QPoint(0, 0)).y() for field in fields]

    before = places()
    widget.message.show_message(Message(LONG, "warning", ("more",)))
    resize(880)
    qtbot.waitUntil(lambda: places() == before, timeout=120_000)


def test_saving_names_no_path_and_the_buttons_stay(window, qtbot, tmp_path, monkeypatch):
    _, widget = window
    fuse(widget, qtbot, "tumour")
    said = []
    monkeypatch.setattr(widget._saver, "_say", said.append)
    widget.save_to(tmp_path / "results")
    qtbot.waitUntil(lambda: not widget.saving, timeout=120_000)
    assert said[0].text == "Saving in results ..."
    job = widget._shown.savable()
    dialog = SaveDialog(widget.native, job.result, None)
    qtbot.addWidget(dialog)
    dialog.show()
    heights = set()
    for row in range(dialog.how.count()):
        dialog.how.setCurrentIndex(row)
        qtbot.wait(50)
        heights.add(dialog.buttons.mapTo(dialog, QPoint(0, 0)).y())
    assert len(heights) == 1


def test_a_click_next_to_the_handle_moves_every_slider(window, qtbot):
    """It had changed the balance by 0.00001, and fused again."""
    _, widget = window
    widget.more.value = True
    widget.restoration.each.native.click()
    widget.strengths.follow({1: "tumour", 2: "brain"}, 1.0)
    sliders = widget.native.findChildren(QSlider)
    assert len(sliders) == 9
    for slider in sliders:
        assert slider.pageStep() == 4 * slider.singleStep()
        assert slider.pageStep() > (slider.maximum() - slider.minimum()) / 20
    qtbot.keyClick(widget.strength.native.findChild(QSlider), Qt.Key.Key_PageDown)
    assert widget.strength.value == pytest.approx(0.8)


def test_the_line_says_that_the_only_candidate_was_rejected(window, qtbot):
    """It had said "Fused t1 and pet", as if nothing had been asked for."""
    _, widget = window
    fuse(widget, qtbot, "tumour")
    widget.candidates.reject.click()
    qtbot.waitUntil(lambda: not widget.running, timeout=120_000)
    assert widget.message.text == "Rejected by hand, out of 1 candidate: tumour."
    widget.candidates.undo.click()
    qtbot.waitUntil(lambda: not widget.running, timeout=120_000)
    assert widget.message.text.startswith("tumour: 1 object, 2 slices")


def test_panels_that_are_opened_at_once_are_tabs(make_napari_viewer, qtbot):
    """As ``napari -w`` opens them; one had stood below the others."""
    viewer = make_napari_viewer(show=True)
    made = (FusionWidget, CompareWidget, ModelsWidget)
    docks = [viewer.window.add_dock_widget(make(viewer), name=make.__name__) for make in made]
    window = viewer.window._qt_window

    def tabs() -> bool:
        return all(set(window.tabifiedDockWidgets(v)) == {*docks} - {v} for v in docks)

    qtbot.waitUntil(tabs, timeout=120_000)


def test_the_caption_of_the_colour_bar_is_short():
    layer = Image(np.zeros((4, 4)), metadata={"textdifuse": {"modality": "NM", "unit": "a.u."}})
    assert caption(layer) == "SPECT, no unit"


def test_cancel_keeps_finished_slices_that_have_a_mask(make_napari_viewer, hold, qtbot):
    """The mask is resampled onto image B to be measured, where the stop was noticed again."""
    pipeline = hold(lambda progress: progress.slices > 1 and progress.slice_index == 4)
    viewer, widget = open_panel(make_napari_viewer, pipeline)
    widget.prompt.value = "tumour"
    widget.fuse.native.click()
    qtbot.waitUntil(pipeline.reached.is_set, timeout=120_000)
    widget.cancel.native.click()
    pipeline.release()
    qtbot.waitUntil(lambda: not widget.running, timeout=120_000)
    assert widget.message.text.startswith("Cancelled: 4 of 6 slices kept, slices 0-3")
    mask = viewer.layers.selection.active
    assert mask.name == "Mask: tumour, slices 0-3, fast (t1 + pet) (incomplete)"
    assert mask.features["volume_mL"].iloc[1] > 0

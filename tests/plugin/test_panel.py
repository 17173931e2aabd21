"""The fusion panel in use: size, drawing, values under the cursor, saving, words."""

from __future__ import annotations

import json
import re
from types import SimpleNamespace

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Image, Labels, Layer
from qtpy.QtCore import QPoint
from qtpy.QtWidgets import QComboBox, QLabel, QWidget

from napari_textdifuse import Volume
from napari_textdifuse.errors import InputError, TextDiFuseError
from napari_textdifuse.locate import get_locator, locator_names
from napari_textdifuse.napari_plugin.fuse.drawn import prompt_of
from napari_textdifuse.napari_plugin.fuse.outcome import describe, in_panel_words
from napari_textdifuse.napari_plugin.fuse.prompt_completion import ranked
from napari_textdifuse.napari_plugin.fuse.values import SourceValues
from napari_textdifuse.napari_plugin.fuse.widget import FusionWidget
from napari_textdifuse.napari_plugin.fuse.window_box import AS_SHOWN, AUTOMATIC
from napari_textdifuse.napari_plugin.layers import to_layer

LABELS = {"Image A", "Image B", "Prompt", "Quality", "Register", "Seed", "Samples", "Device"}


def scan(modality, seed, unit="a.u."):
    values = np.random.default_rng(seed).random((5, 20, 24)).astype(np.float32) * 4 + 1
    affine = np.diag([-1.0, -1, 2, 1])
    return Volume(values, affine=affine, modality=modality, unit=unit, name=modality.lower())


def pair(viewer):
    for volume in (scan("MR", 0), scan("PT", 1, "SUVbw")):
        viewer.add_layer(Layer.create(*to_layer(volume)))


@pytest.fixture
def panel(qtbot, tiny_pipeline):
    viewer = ViewerModel()
    pair(viewer)
    widget = FusionWidget(viewer, make_pipeline=lambda device: tiny_pipeline)
    for event in (viewer.layers.events.inserted, viewer.layers.events.removed):
        event.connect(widget.reset_choices)
    qtbot.addWidget(widget.native)
    widget.quality.value = "fast"
    return viewer, widget


def run(widget, qtbot):
    widget.fuse.native.click()
    qtbot.waitUntil(lambda: not widget.running, timeout=120_000)


def test_three_panels_fit_a_small_window_as_tabs(make_napari_viewer, qtbot):
    viewer = make_napari_viewer(show=True)
    pair(viewer)
    names = ("Fuse two images", "Compare images", "Models")
    docks = []
    for name in names:
        docks.append(viewer.window.add_plugin_dock_widget("napari-textdifuse", name)[0])
        qtbot.wait(200)
    window = viewer.window._qt_window
    qtbot.waitUntil(lambda: len(window.tabifiedDockWidgets(docks[0])) == 2, timeout=120_000)

    def fits():
        needed = window.minimumSizeHint()
        assert needed.width() <= 1066, "1600 pixels at 150 %"
        assert needed.height() <= 666, "1000 pixels at 150 %"

    qtbot.waitUntil(fits, timeout=120_000)


@pytest.mark.parametrize("size", [(1280, 800), (1066, 666)])
def test_nothing_of_the_panel_is_off_screen(make_napari_viewer, tiny_pipeline, qtbot, size):
    viewer = make_napari_viewer(show=True)
    pair(viewer)
    widget = FusionWidget(viewer, make_pipeline=lambda device: tiny_pipeline)
    viewer.window.add_dock_widget(widget, name="Fuse")
    window = viewer.window._qt_window
    viewer.window.resize(*size)
    widget.quality.value, widget.more.value = "fast", True
    widget.prompt.value = "tumour"
    run(widget, qtbot)

    def fits():  # once everything is laid out
        assert (window.width(), window.height()) == size
        for button in (
            widget.fuse,
            widget.cancel,
            widget.update_from_mask,
            widget.save,
            widget.progress,
        ):
            corner = button.native.mapTo(window, button.native.rect().bottomRight())
            assert window.rect().contains(corner), button.name
        area = widget._area
        assert widget._fields.native.width() <= area.viewport().width(), "only rows scroll"
        assert area.verticalScrollBar().maximum() > 0

    qtbot.waitUntil(fits, timeout=120_000)


def test_folded_settings_are_laid_out_when_they_are_first_shown(panel, qtbot):
    _, widget = panel
    native = [field.native for field in widget._folded]
    assert not any(widget.native.isAncestorOf(field) for field in native), "opening is quicker"
    widget.native.show()
    widget.more.value = True
    assert all(field.isVisible() for field in native)
    labels = [v for v in widget._fields.native.findChildren(QLabel) if v.text() in LABELS]
    assert len(labels) == len(LABELS)
    assert len({label.mapTo(widget._fields.native, QPoint()).x() for label in labels}) == 1
    assert len({label.width() for label in labels}) == 1, "one column"
    after, focus = [], widget.more.native
    while (focus := focus.nextInFocusChain()) is not widget.fuse.native:
        after.append(focus)
    assert set(native[-2:]) <= set(after), "the Tab key goes down the rows, then to the footer"
    widget.more.value = False
    assert not any(field.isVisible() for field in native)


def test_first_run_in_3d_and_values_of_both_sources(panel, qtbot, notifications):
    viewer, widget = panel
    viewer.dims.ndisplay = 3
    labels = np.zeros((5, 20, 24), np.uint8)
    labels[2, 4:9, 5:11] = 1
    a, b = widget.image_a.value, widget.image_b.value
    viewer.add_labels(labels, scale=a.scale, translate=a.translate, name="mine")
    widget.drawn.value = viewer.layers["mine"]
    assert not widget.prompt.enabled, "the drawing marks what stands out"
    run(widget, qtbot)
    mask, fused = viewer.layers[-1], viewer.layers[-2]
    # the status asked for before the cursor was over the canvas
    status = mask.get_status((0, 0, 0), view_direction=None, dims_displayed=[0, 1, 2], world=True)
    assert "value" in status
    viewer.dims.ndisplay = 2
    assert mask.contour == 1
    world = a.data_to_world((2, 6, 7))
    share = f"from PET {100 * (1 - widget._shown.savable().result.contribution[2, 6, 7]):.0f} %"
    for layer in (fused, mask):
        shown = layer.get_status(world, dims_displayed=[1, 2], world=True)["coordinates"]
        assert f"MRI {a.data[2, 6, 7]:.3g} a.u. | PET {b.data[2, 6, 7]:.3g} SUV | {share}" in shown
        assert len(shown) < 100, "the features of the object would push the values out of sight"
    assert notifications == []


def test_values_follow_the_place_in_space():
    a = Volume(np.zeros((2, 3, 4)), affine=np.diag([2.0, 2, 2, 1]), modality="MR")
    shifted = np.diag([1.0, 1, 1, 1])
    shifted[0, 3] = 2
    b = Volume(np.arange(4 * 6 * 8.0).reshape(4, 6, 8), affine=shifted, modality="PT", unit="SUVbw")
    values = SourceValues(a, b, start=(0, 1))
    # slice 0 of the result is slice 1 of A at 2 mm; x = 2 mm is the first column of B
    assert values.at("b", [(0, 1, 1)])[0] == b.array[2, 2, 0]
    assert np.isnan(values.at("b", [(0, 1, 0)])[0])
    assert "PET outside" in values.words((0, 1, 0))


def test_buttons_make_the_layer_to_draw_on(panel, qtbot):
    viewer, widget = panel
    viewer.dims.set_current_step(0, 3)
    widget.drawing.box.native.click()
    box = widget.drawn.value
    assert (box.ndim, str(box.mode)) == (3, "add_rectangle")
    assert viewer.layers.selection.active is box
    widget.drawing.points.native.click()
    points = widget.drawn.value
    points.add(np.array([[6.0, 5, 5]]))
    widget.drawing.points.native.click()
    assert widget.drawn.value is points
    points.add(np.array([[6.0, 15, 15]]))
    assert points.features["label"].tolist() == [1, 0]
    widget.drawing.paint.native.click()
    paint = widget.drawn.value
    assert isinstance(paint, Labels)
    np.testing.assert_array_equal(paint.extent.world, widget.image_a.value.extent.world)
    paint.paint((3, 5, 5), 1)
    widget.drawing.clear_drawing.native.click()
    assert not paint.data.any()
    paint.undo()
    assert paint.data.any()


def test_a_flat_drawing_lies_on_the_slice_displayed(panel):
    viewer, widget = panel
    image = widget.image_a.value
    flat = viewer.add_shapes([np.array([[4, 5], [4, 12], [10, 12], [10, 5]], float)], ndim=2)
    world = image.data_to_world((3, 0, 0))
    drawing = prompt_of(flat, image, point=world)["drawing"]
    assert drawing.boxes[0][[2, 5]].tolist() == [3, 4]


def test_images_are_fused_as_shown_once_the_user_changed_them(panel, qtbot, notifications):
    viewer, widget = panel
    pet = widget.image_b.value
    assert widget.window_b.choice.value == AUTOMATIC
    pet.contrast_limits = (1, 3)
    pet.colormap = "viridis"
    assert widget.window_b.choice.value == AS_SHOWN
    run(widget, qtbot)
    record = viewer.layers[-1].metadata["textdifuse"]["record"]
    assert record["inputs"]["b"]["window"] == [1, 3]
    assert "viridis" in json.dumps(record["colormap"])
    assert widget.window_a.choice.value == AUTOMATIC


def test_a_range_cannot_cross(panel):
    _, widget = panel
    widget.extent.what.value = "range"
    assert (widget.extent.first.value, widget.extent.last.value) == (0, 4)
    widget.extent.last.value = 2
    widget.extent.first.value = 3
    assert (widget.extent.first.value, widget.extent.last.value) == (3, 3)
    with pytest.raises(ValueError, match="5"):
        widget.extent.last.value = 5


def test_a_result_is_saved_as_the_command_line_does(panel, qtbot, tmp_path, notifications):
    _, widget = panel
    assert not widget.save.enabled
    run(widget, qtbot)
    assert widget.save.enabled
    widget.save_to(tmp_path / "out")
    qtbot.waitUntil(lambda: "Saved" in widget.message.text, timeout=120_000)
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert {"fused.nii.gz", "contribution.nii.gz", "record.json", "preview.png"} <= names
    record = json.loads((tmp_path / "out" / "record.json").read_text())
    assert record["seed"] == 0


def test_enter_fuses_and_errors_go_with_the_next_run(panel, qtbot, notifications):
    viewer, widget = panel
    widget.image_b.value = widget.image_a.value
    widget.fuse.native.click()
    assert widget.message.level == "error"
    widget.image_b.value = next(v for v in viewer.layers if isinstance(v, Image) and v.name == "pt")
    qtbot.keyClick(widget.prompt.native, "\r")
    assert widget.running
    assert widget.message.text == ""
    qtbot.waitUntil(lambda: not widget.running, timeout=120_000)
    assert widget.message.level == "info"


@pytest.mark.parametrize(
    ("typed", "start", "first"),
    [("tu", 0, "tumour"), ("show the tu", 9, "tumour"), ("grey ma", 0, "grey matter")],
)
def test_words_complete_inside_sentences_those_that_begin_like_it_first(typed, start, first):
    words = ["pituitary tumor", "tumour", "grey matter", "white matter"]
    assert ranked(typed, words)[0] == start
    assert ranked(typed, words)[1][0] == first


def test_a_term_that_another_one_covers_was_found():
    rows = [
        {"term": "tumour", "voxels": 0, "objects": 1},
        {"term": "ventricle", "voxels": 0, "objects": 0},
    ]
    message = describe(SimpleNamespace(record={}, objects=rows), ("a", "b"), (0, 0))
    assert message.text == "tumour: covered by another term; ventricle: not found"
    assert message.level == "warning"


def test_messages_speak_of_the_panel():
    error = InputError("'x' is not known; pass mask= or boxes=.")
    assert in_panel_words(str(error)) == "'x' is not known; draw a mask and choose it under Drawn."
    note = "tumour: not marked: not plausible; draw it, or choose another locator."
    assert in_panel_words(note).endswith("draw it, or choose another way under Find with.")


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        (
            "run 'textdifuse weights download owlvit --yes' (615 MB), or name a folder with "
            "weights= of the locator.",
            "download owlvit (615 MB) in the Models panel.",
        ),
        (
            "state the modality, such as with modality={'a': 'CT', 'b': 'MR'}, or pass mask= or "
            "boxes=.",
            "state the modality with State..., or draw a mask and choose it under Drawn.",
        ),
        (
            "Name the folder of an atlas with atlas=, or set TEXTDIFUSE_ATLAS.",
            "Set TEXTDIFUSE_ATLAS before napari starts.",
        ),
        (
            "This machine has no device 'cuda'; use device='auto' or 'cpu'.",
            "set Device to auto or cpu.",
        ),
        (
            "No weights named 'o/n' were found. If they are on the Hugging Face hub, download them "
            "first with 'textdifuse weights download o/n --yes' or from_pretrained(..., "
            "download=True).",
            "were found. Add weights in the Models panel.",
        ),
    ],
)
def test_messages_name_the_controls_of_the_panel(message, shown):
    assert in_panel_words(message).endswith(shown)


def test_no_text_of_the_panel_needs_a_glossary(panel, qtbot):
    _, widget = panel
    widget.more.value = True
    widget.prompt.value = "tumour"
    run(widget, qtbot)
    widget.facts_b.ask()
    texts = [(widget.message.text, "")]
    for part in widget.native.findChildren(QWidget):
        text = getattr(part, "text", "")
        said = [text() if callable(text) else text]
        if isinstance(part, QComboBox) and part.currentText() not in locator_names():
            said += [part.itemText(k) for k in range(part.count())]
        texts += [(text, part.toolTip()) for text in (*said, part.toolTip())]
    assert len(texts) > 100
    for text, tip in texts:
        assert not re.search(r"\bSUVbw\b|\ba\.u\.|\blocators?\b", text), text
        explained = tip if text == "lexicon" else text
        assert "lexicon" not in text or "lexicon: a list of terms" in explained


@pytest.mark.parametrize("name", ["atlas", "command"])
def test_messages_name_no_options_of_the_command_line(monkeypatch, name):
    monkeypatch.delenv(f"TEXTDIFUSE_{'LOCATOR_COMMAND' if name == 'command' else 'ATLAS'}", False)
    with pytest.raises(TextDiFuseError) as missing:
        get_locator(name).locate([scan("MR", 0)], "hippocampus")
    words = in_panel_words(str(missing.value))
    assert re.fullmatch(
        rf"Find with: '{name}' has no \w+; set TEXTDIFUSE_\w+ before napari starts\.", words
    ), words


def test_words_that_the_images_cannot_show_come_last(panel, qtbot):
    _, widget = panel
    completer = widget._completer
    completer.offer(lambda: (["person", "tumour", "brain parenchyma"], ["person"]))
    qtbot.keyClicks(widget.prompt.native, "p")
    found = [completer._model.item(k).text() for k in range(completer._model.rowCount())]
    assert found == ["brain parenchyma", "person (not in these images)"]


def test_completion_in_the_middle_of_a_sentence(panel, qtbot):
    _, widget = panel
    line, completer = widget.prompt.native, widget._completer
    completer.offer(lambda: (["tumour", "ventricle"], []))
    line.setText("show the  and the ventricle")
    line.setCursorPosition(9)
    qtbot.keyClicks(line, "tu")
    assert completer._model.item(0).text() == "tumour"
    assert completer.pathFromIndex(completer._model.index(0, 0)) == (
        "show the tumour and the ventricle"
    )


def test_a_renamed_drawing_stays_the_prompt(make_napari_viewer, tiny_pipeline, qtbot):
    viewer = make_napari_viewer()
    pair(viewer)
    widget = FusionWidget(viewer, make_pipeline=lambda device: tiny_pipeline)
    viewer.window.add_dock_widget(widget, name="Fuse")
    widget.drawing.box.native.click()
    box = widget.drawn.value
    box.name = "mine"
    assert widget.drawn.value is box
    assert widget.drawn.native.currentText() == "mine"
    viewer.layers.remove(box)
    assert widget.drawn.value is None

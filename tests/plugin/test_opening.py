"""In a real window: how images open, what can be chosen, and the preview."""

from __future__ import annotations

import subprocess
import sys
import warnings

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Image, Labels
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QApplication, QStyleOptionViewItem

from napari_textdifuse import Volume, write
from napari_textdifuse.locate import LocatorInfo
from napari_textdifuse.napari_plugin.fuse import form
from napari_textdifuse.napari_plugin.fuse.availability import grey_out
from napari_textdifuse.napari_plugin.fuse.colour_bar import length_outside
from napari_textdifuse.napari_plugin.fuse.drawn import prompt_of
from napari_textdifuse.napari_plugin.fuse.outcome import clipping_notes
from napari_textdifuse.napari_plugin.fuse.preview import Preview, is_preview
from napari_textdifuse.napari_plugin.fuse.prompt_completion import UNABLE
from napari_textdifuse.napari_plugin.fuse.window_box import OWN
from napari_textdifuse.napari_plugin.reader import read_layers


def head(modality: str, unit: str = "a.u.") -> Volume:
    values = np.random.default_rng(len(modality + unit)).random((6, 20, 24)).astype(np.float32) + 1
    values[2:4, 6:10, 7:11] = 14
    affine = np.diag([-4.0, -4, 5, 1])
    return Volume(values, affine=affine, modality=modality, unit=unit, name=modality.lower())


@pytest.fixture
def window(panel_in_window):
    return panel_in_window(head("MR"), head("PT", "SUVbw"))


def activate(viewer):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        QApplication.setActiveWindow(viewer.window._qt_window)  # no window manager does it here


def run(widget, qtbot):
    widget.fuse.native.click()
    qtbot.waitUntil(lambda: not widget.running, timeout=120_000)


def test_pet_opens_in_the_map_it_is_fused_in_with_a_bar_and_its_unit(window, qtbot, notifications):
    viewer, widget = window
    pet = viewer.layers["pt"]
    assert pet.colormap.name == "functional"
    assert pet.colorbar.visible
    text = viewer.canvas.overlays.text
    assert (text.visible, text.text) == (True, "PET, SUV")
    pet.visible = False
    assert not text.visible, "the unit goes with the bar"
    pet.visible = True
    assert text.visible
    viewer.canvas.grid.enabled = True
    assert not pet.colorbar.visible, "it would cover a small field"
    assert not text.visible
    viewer.canvas.grid.enabled = False
    assert pet.colorbar.visible
    assert text.visible
    run(widget, qtbot)
    fused = viewer.layers[-1]
    assert fused.metadata["textdifuse"]["record"]["colormap"] == "functional"
    automatic = np.array(fused.data)
    widget.window_a.choice.value = widget.window_b.choice.value = "as shown"
    run(widget, qtbot)
    np.testing.assert_allclose(viewer.layers[-1].data, automatic, atol=2e-3)
    widget.colour_bar.value = False
    assert not pet.colorbar.visible
    assert not text.visible
    widget.colour_bar.value = True
    widget.image_b.value = None
    assert not pet.colorbar.visible
    assert not widget.colour_bar.enabled
    assert notifications == []


@pytest.mark.parametrize(
    ("canvas", "zoom", "length"),
    [
        ((728, 520), 2.0, 90),  # 164 pixels above the image
        ((728, 520), 2.5, 60),  # 114
        ((728, 520), 4.0, 60),  # there is no room
        ((400, 1000), 2.0, 150),  # the bar lies next to the image
    ],
)
def test_the_length_of_the_colour_bar_by_hand(canvas, zoom, length):
    viewer = ViewerModel()
    viewer.add_image(np.zeros((4, 200, 224)))  # from -0.5 to 199.5
    viewer.canvas.size = canvas
    viewer.scene.camera.zoom, viewer.scene.camera.center = zoom, (0, 99.5, 111.5)
    assert length_outside(viewer) == length
    viewer.scene.camera.center = (0, 99.5 - 40, 111.5)  # the image moves down
    assert length_outside(viewer) >= length
    viewer.dims.ndisplay = 3
    assert length_outside(viewer) == 60


def test_the_colour_bar_covers_nothing_of_the_images(window, qtbot):
    viewer, widget = window
    viewer.window._qt_window.resize(1280, 800)
    bar = viewer.layers["pt"].colorbar

    def picture(visible):
        widget.colour_bar.value = visible
        return viewer.screenshot(flash=False).astype(int)

    def covers_nothing():
        viewer.reset_view()
        changed = np.abs(picture(True) - picture(False)).max(axis=-1) > 0
        height, width = viewer.canvas.size
        assert changed.shape == (height, width)
        assert height > 1.2 * width
        rows = np.flatnonzero(changed.any(axis=1))
        top = height / 2 - np.ptp(viewer.layers.extent.world[:, 1]) / 2 * viewer.scene.camera.zoom
        assert len(rows) > 0
        assert rows[-1] < top

    qtbot.waitUntil(covers_nothing, timeout=120_000)
    assert bar.size == (25, 150), "as napari has it, once it is not shown"


def test_masks_in_3d_keys_and_what_is_greyed(window, qtbot, notifications):
    viewer, widget = window
    # Control-Alt-F in the prompt, while the canvas has no focus
    widget.prompt.native.setFocus()
    widget.prompt.value = "tumour"
    modifiers = Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.AltModifier
    activate(viewer)
    qtbot.keyClick(widget.prompt.native, Qt.Key.Key_F, modifiers)
    qtbot.waitUntil(lambda: not widget.running and len(viewer.layers) == 4, timeout=120_000)
    mask = viewer.layers[-1]
    assert mask.contour == 1
    viewer.dims.ndisplay = 3
    assert mask.contour == 0
    viewer.dims.ndisplay = 2
    assert mask.contour == 1
    assert notifications == [], "napari says nothing about contours in 3-D"
    # words that PET and MRI cannot show
    widget.prompt.native.textEdited.emit("perso")
    model = widget._completer.model()
    shown = [model.item(k) for k in range(model.rowCount())]
    (item,) = [v for v in shown if v.text() == "person (not in these images)"]
    assert not item.isEnabled()
    assert item.toolTip() == UNABLE
    popup = widget._completer.popup()
    for theme, dark in (("dark", True), ("light", False)):
        viewer.theme = theme
        widget.prompt.native.textEdited.emit("perso")
        image = popup.grab().toImage()
        assert (image.pixelColor(image.width() - 9, image.height() - 9).lightness() < 128) == dark
    widget.prompt.native.textEdited.emit("tumo")
    assert model.item(0).isEnabled()
    # finders without their models; what is there in truth is known by now, and shown
    qtbot.waitUntil(lambda: widget._availability._task is None, timeout=120_000)
    grey_out(
        widget.locator,
        [
            LocatorInfo("owlvit-sam", "s", missing=("The detector is not here.",)),
            LocatorInfo("lexicon", "a list of words"),
        ],
    )
    rows = {
        name: widget.locator.native.model().item(k) for k, name in enumerate(widget.locator.choices)
    }
    assert not rows["owlvit-sam"].isEnabled()
    assert "not here" in rows["owlvit-sam"].toolTip()
    for name, text in (("owlvit-sam", "owlvit-sam (not set up)"), ("lexicon", "lexicon")):
        option, index = QStyleOptionViewItem(), rows[name].index()
        widget.locator.native.itemDelegate().initStyleOption(option, index)
        assert option.text == text, "the reason can be read without a tooltip"
        assert widget.locator.native.itemText(index.row()) == name
    assert rows["lexicon"].isEnabled()


def test_numbers_of_a_range_do_not_cross(window):
    _, widget = window
    box = widget.window_b
    box.choice.value = OWN
    box.low.value = 3.0
    box.high.value = 9.0
    box.low.value = 12.0
    assert box.high.value > box.low.value == 12.0
    box.high.value = 1.0
    assert box.low.value < box.high.value == 1.0
    box.state = (OWN, 20.0, 30.0)
    assert (box.low.value, box.high.value) == (20.0, 30.0)
    box.state = (OWN, 2.0, 3.0)
    assert (box.low.value, box.high.value) == (2.0, 3.0)


def test_clipping_is_said(tiny_pipeline):
    windows = {"a": (1.0, 15.0), "b": (1.5, 10.0)}
    pet = head("PT", "SUVbw")
    session = tiny_pipeline.session(head("MR"), pet, windows=windows)
    above = 100 * (pet.array > 10).mean()
    below = 100 * (pet.array < 1.5).mean()
    assert clipping_notes(session.pair) == (
        f"Image B: {above:.1f} % of the values are above the range (10 SUV) and are shown as "
        "its limit.",
        f"Image B: {below:.1f} % of the values are below the range (1.5 SUV) and are shown as "
        "its limit.",
    )


def test_the_preview_is_in_colour_and_begins_with_the_slice_displayed(window, qtbot, monkeypatch):
    viewer, widget = window
    shown = []
    plain = Preview.show

    def note(self, index, estimate):
        shown.append((index, np.array(estimate)))
        plain(self, index, estimate)
        (layer,) = [v for v in viewer.layers if isinstance(v, Image) and is_preview(v)]
        assert layer.data.shape[-1] == 4

    monkeypatch.setattr(Preview, "show", note)
    monkeypatch.setattr("napari_textdifuse.napari_plugin.task.PREVIEW_INTERVAL", 0.0)
    viewer.dims.set_current_step(0, 3)
    run(widget, qtbot)
    indices = [index for index, _ in shown]
    assert indices[0] == 3
    assert set(indices) == set(range(6))
    assert all(estimate.shape[-1] == 3 for _, estimate in shown)
    # what is hot in the PET has colour
    hot = shown[0][1][6:10, 7:11]
    assert np.ptp(hot, axis=-1).max() > 0.05


def test_the_preview_takes_no_tool_from_the_hand(window, qtbot, monkeypatch):
    viewer, widget = window
    widget.drawing.paint.native.click()
    paint = widget.drawn.value
    shapes = viewer.add_shapes(ndim=3, name="notes")
    viewer.layers.selection.active = paint
    widget.drawn.value = None
    seen = []
    plain = Preview.show

    def note(self, index, estimate):
        plain(self, index, estimate)
        active, above = viewer.layers.selection.active, viewer.layers[-1]
        seen.append((active is paint, str(paint.mode), above is shapes))

    monkeypatch.setattr(Preview, "show", note)
    run(widget, qtbot)
    assert set(seen) == {(True, "paint", True)}


def test_enter_in_the_list_of_completions_only_completes(window, qtbot):
    viewer, widget = window
    line, popup = widget.prompt.native, widget._completer.popup()
    activate(viewer)
    line.setFocus()
    qtbot.keyClicks(line, "tumo")
    qtbot.waitUntil(popup.isVisible, timeout=120_000)
    qtbot.keyClick(popup, Qt.Key.Key_Down)
    qtbot.keyClick(popup, Qt.Key.Key_Return)
    assert (line.text(), widget.running) == ("tumour", False)
    qtbot.keyClick(line, Qt.Key.Key_Return)
    assert widget.running
    qtbot.waitUntil(lambda: not widget.running, timeout=120_000)


def test_a_drawing_renumbers_no_slices(window, qtbot):
    viewer, widget = window
    assert not widget.drawing.clear_drawing.enabled, "nothing is drawn"
    viewer.dims.set_current_step(0, 4)
    before = viewer.dims.range
    for button in (widget.drawing.box, widget.drawing.points, widget.drawing.paint):
        button.native.click()
        assert viewer.dims.range == before
        assert viewer.dims.current_step[0] == 4
    assert widget.drawing.clear_drawing.enabled
    box, points = (v for v in viewer.layers if v.name.startswith(("Box", "Points")))
    box.add(np.array([[4, 3, 3], [4, 3, 9], [4, 9, 9], [4, 9, 3]]), shape_type="rectangle")
    points.add(np.array([[4, 6, 6]]))
    assert viewer.dims.range == before
    for drawn in (box, points):  # both mark pixels of image A
        drawing = prompt_of(drawn, widget.image_a.value)["drawing"]
        found = drawing.points if drawing.boxes is None else drawing.boxes
        expected = [6.5, 6.5, 4.5] if drawing.boxes is None else [3.5, 3.5, 4, 9.5, 9.5, 5]
        np.testing.assert_allclose(np.asarray(found)[0], expected)


def test_names_and_order_of_files(make_napari_viewer, tmp_path):
    for folder, modality in (("first", "MR"), ("second", "MR"), ("third", "CT")):
        (tmp_path / folder).mkdir()
        write(tmp_path / folder / "head.nii.gz", head(modality))
    paths = [str(tmp_path / folder / "head.nii.gz") for folder in ("third", "first", "second")]
    layers = read_layers(paths)
    assert [v[1]["name"] for v in layers] == ["head (MR)", "head (second)", "head"]
    assert layers[-1][1]["metadata"]["textdifuse"]["modality"] == "CT"
    opacity = [v[1].get("opacity", 1) for v in layers]
    assert opacity == [1, 0.5, 1], "the second is seen through"
    viewer = make_napari_viewer()
    viewer.open(paths[0], plugin="napari-textdifuse")
    viewer.open(paths[1], plugin="napari-textdifuse")
    assert [layer.name for layer in viewer.layers] == ["head", "head (MR)"]


def test_a_result_keeps_its_names_and_colours_when_it_is_opened_again(window, qtbot, tmp_path):
    viewer, widget = window
    widget.extras.value = ["contribution"]
    widget.prompt.value = "tumour"
    run(widget, qtbot)
    kept = [v for v in viewer.layers if v.name not in ("mr", "pt")]
    names = [layer.name for layer in kept]
    viewer.layers.selection = set(kept)
    written = viewer.layers.save(
        str(tmp_path / "all.nii.gz"), selected=True, plugin="napari-textdifuse"
    )
    assert len(written) == 3
    for path in written:
        viewer.open(path, plugin="napari-textdifuse")
    opened = list(viewer.layers)[-3:]
    for before, after in zip(names, opened, strict=True):
        assert after.name.startswith(before)
    share, fused, mask = opened
    assert share.colormap.name == "viridis"
    assert share.contrast_limits == [0, 1]
    assert fused.rgb
    assert isinstance(mask, Labels)
    np.testing.assert_allclose(
        mask.colormap.map(np.array([1])), kept[-1].colormap.map(np.array([1]))
    )
    assert mask.contour == 1, "as outlines, as all masks"
    assert widget.image_a.value.name == "mr", "results are no inputs"


@pytest.mark.parametrize("suffix", ["png", "tif"])
@pytest.mark.parametrize("panel_first", [True, False])
def test_images_that_napari_opens_are_both_seen(make_napari_viewer, tmp_path, suffix, panel_first):
    from imageio.v3 import imwrite

    viewer = make_napari_viewer()
    if panel_first:
        viewer.window.add_plugin_dock_widget("napari-textdifuse", "Fuse two images")
    for k, name in enumerate(("visible", "infrared", "third")):
        values = np.random.default_rng(k).integers(0, 255, (20, 24), np.uint8)
        imwrite(tmp_path / f"{name}.{suffix}", values)
    for name in ("visible", "infrared"):
        viewer.open(tmp_path / f"{name}.{suffix}", plugin="napari")
    if not panel_first:
        viewer.window.add_plugin_dock_widget("napari-textdifuse", "Fuse two images")
    lower, upper = viewer.layers
    assert (lower.opacity, upper.opacity) == (1, 0.5)
    upper.opacity = 1  # what the user chooses stays
    upper.name = "renamed"
    viewer.open(tmp_path / f"third.{suffix}", plugin="napari")
    assert [layer.opacity for layer in viewer.layers] == [1, 1, 1]


def test_files_of_the_same_name_are_named_after_their_folders(make_napari_viewer, tmp_path):
    from imageio.v3 import imwrite

    viewer = make_napari_viewer()
    viewer.window.add_plugin_dock_widget("napari-textdifuse", "Fuse two images")
    for k, folder in enumerate(("IR", "VIS", "mine")):
        (tmp_path / folder).mkdir()
        values = np.random.default_rng(k).integers(0, 255, (20, 24), np.uint8)
        imwrite(tmp_path / folder / "0081.png", values)
    viewer.open([tmp_path / folder / "0081.png" for folder in ("IR", "VIS")], plugin="napari")
    assert [layer.name for layer in viewer.layers] == ["0081 (IR)", "0081 (VIS)"]
    (panel,) = viewer.window.dock_widgets.values()
    assert (panel.image_a.value.name, panel.image_b.value.name) == ("0081 (VIS)", "0081 (IR)")
    viewer.layers[0].name = "warm"  # what the user chooses stays
    viewer.open(tmp_path / "mine" / "0081.png", plugin="napari")
    assert [layer.name for layer in viewer.layers][:2] == ["warm", "0081 (VIS)"]


def test_the_panel_opens_without_slow_libraries():
    code = (
        "import sys, napari_textdifuse.napari_plugin.fuse.widget; "
        "slow = 'torch', 'scipy.ndimage', 'SimpleITK', 'napari_textdifuse.spatial.registration', "
        "'napari_textdifuse.spatial.agreement', 'napari_textdifuse.measure'; "
        "print([name for name in slow if name in sys.modules])"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    assert done.stdout == "[]\n", done.stderr


def test_registration_without_its_library_is_greyed_with_the_reason(qtbot, monkeypatch):
    monkeypatch.setattr(form, "find_spec", lambda name: None)
    panel = form.Form(lambda *_: [], lambda *_: [])
    qtbot.addWidget(panel.native)
    panel.apply({"register": "rigid"})
    assert panel.register.value == form.NONE, "a choice remembered from another computer"
    box = panel.register.native
    option = QStyleOptionViewItem()
    for row, enabled in ((0, True), (1, False), (2, False)):
        item = box.model().item(row)
        assert item.isEnabled() == enabled
        box.itemDelegate().initStyleOption(option, item.index())
        assert option.text.endswith("(needs SimpleITK)") != enabled
        assert ("pip install" in item.toolTip()) != enabled
    assert box.isEnabled(), "so that the list can be opened"

"""The ways of looking, by their controls: what is on the screen, and that all is put back."""

from __future__ import annotations

import hashlib
from types import SimpleNamespace

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Image, Labels
from qtpy.QtCore import Qt

from napari_textdifuse.napari_plugin.compare.composed import CheckerboardMode, CurtainMode
from napari_textdifuse.napari_plugin.compare.composite import LINE, Curtain
from napari_textdifuse.napari_plugin.compare.mode import Changes
from napari_textdifuse.napari_plugin.compare.switched import BlendMode, FlickerMode, SideBySideMode
from napari_textdifuse.napari_plugin.compare.view_panel import MODES
from napari_textdifuse.napari_plugin.compare.widget import CompareWidget
from napari_textdifuse.napari_plugin.layers import KEY

RNG = np.random.default_rng(0)


def picture(level: int, name: str, shape=(6, 20, 30), **geometry) -> Image:
    """A grey image whose slices z have the value level + z, shown in grey from 0 to 255."""
    data = np.zeros(shape, np.uint8) + level
    if len(shape) == 3:
        data += np.arange(shape[0], dtype=np.uint8)[:, None, None]
    return Image(data, name=name, contrast_limits=(0, 255), **geometry)


@pytest.fixture
def viewer() -> ViewerModel:
    model = ViewerModel()
    for layer in (
        picture(40, "one"),
        picture(160, "two"),
        Labels(np.zeros((6, 20, 30), np.uint8), name="mask"),
        picture(250, "other", opacity=0.4, blending="additive"),
    ):
        model.add_layer(layer)
    model.dims.set_point(0, 3)
    return model


@pytest.fixture
def make(qtbot):
    made = []

    def make_widget(viewer) -> CompareWidget:
        widget = CompareWidget(viewer)
        qtbot.addWidget(widget)
        made.append(widget)
        return widget

    yield make_widget
    for widget in made:
        if not widget._closed:
            widget.end()


def press(widget: CompareWidget, mode) -> None:
    button = widget.view.off if mode is None else widget.view.buttons[mode]
    assert button.isEnabled(), button.toolTip()
    button.click()


def slide(widget: CompareWidget, value: float) -> None:
    _, low, high, _, _ = widget.view.mode.setting
    slider = widget.view.slider
    slider.setValue(round((value - low) / (high - low) * slider.maximum()))


def check(widget: CompareWidget, *names: str) -> None:
    """Check exactly these images, one click after the other."""
    for wanted in (True, False):
        for row in range(widget.view.images.count()):
            item = widget.view.images.item(row)
            if (item.text() in names) == wanted:
                item.setCheckState(Qt.CheckState.Checked if wanted else Qt.CheckState.Unchecked)


def state(viewer) -> list:
    grid = viewer.canvas.grid
    return [
        [
            (
                layer.name,
                layer.visible,
                layer.opacity,
                layer.blending,
                layer.scale.tolist(),
                layer.translate.tolist(),
                hashlib.sha256(np.ascontiguousarray(layer.data)).hexdigest(),
                dict(layer.metadata),
            )
            for layer in viewer.layers
        ],
        (grid.enabled, grid.stride, grid.shape),
        (viewer.scene.camera.zoom, viewer.scene.camera.center),
        viewer.layers.selection.active.name,
    ]


def derived(viewer) -> Image:
    found = [layer for layer in viewer.layers if "comparison" in layer.metadata.get(KEY, {})]
    assert len(found) == 1
    return found[0]


def screen(layer: Image) -> np.ndarray:
    """What the layer shows of the slice in front, as RGBA."""
    return np.asarray(layer._slice.image.raw)


def test_the_first_two_images_are_suggested_and_one_is_not_enough(make, viewer):
    widget = make(viewer)
    assert [layer.name for layer in widget.view.chosen] == ["one", "two"]
    check(widget, "one")
    for mode in MODES:
        assert not widget.view.buttons[mode].isEnabled()
        assert "two or more" in widget.view.buttons[mode].toolTip()
    assert "two or more" in widget.view.hint.text()
    check(widget, "one", "other")
    assert all(widget.view.buttons[mode].isEnabled() for mode in MODES)


def test_curtain(make, viewer):
    before = state(viewer)
    widget = make(viewer)
    press(widget, CurtainMode)
    layer = derived(viewer)
    shown = screen(layer)
    assert shown.shape == (20, 30, 4)
    assert (shown[:, :15, 0] == 43).all()  # one, slice 3
    assert (shown[:, 15] == LINE).all()
    assert (shown[:, 16:, 0] == 163).all()  # two
    assert [v.name for v in viewer.layers if v.visible] == [layer.name, "mask"]
    assert viewer.layers.index(layer) == 2  # right above the images, below the mask

    slide(widget, 20)
    assert (screen(layer)[:, :6, 0] == 43).all()
    assert (screen(layer)[:, 7:, 0] == 163).all()
    for end, level in ((0, 163), (100, 43)):
        slide(widget, end)
        assert (screen(layer)[..., 0] == level).all()

    slide(widget, 50)
    viewer.dims.set_point(0, 5)  # another slice
    assert (screen(layer)[:, :15, 0] == 45).all()
    viewer.dims.set_point(0, 3)
    viewer.layers["one"].contrast_limits = (0, 86)  # the user's display is followed
    assert screen(layer)[0, 0, 0] == pytest.approx(43 / 86 * 255, abs=1)
    viewer.layers["one"].contrast_limits = (0, 255)
    viewer.layers["one"].data = viewer.layers["one"].data + np.uint8(10)
    assert screen(layer)[0, 0, 0] == 53
    viewer.layers["one"].data = viewer.layers["one"].data - np.uint8(10)

    press(widget, None)
    assert state(viewer) == before


def test_the_line_stays_upright_when_the_axes_are_rolled(make, viewer):
    widget = make(viewer)
    press(widget, CurtainMode)
    viewer.dims.order = (2, 0, 1)  # y runs to the right
    shown = screen(derived(viewer))
    assert shown.shape == (6, 20, 4)
    assert (shown[:, :10, 0] == np.arange(40, 46)[:, None]).all()
    assert (shown[:, 11:, 0] == np.arange(160, 166)[:, None]).all()


def test_three_images_share_the_curtain_and_the_board(make, viewer):
    widget = make(viewer)
    check(widget, "one", "two", "other")
    press(widget, CurtainMode)
    row = screen(derived(viewer))[0, :, 0]
    assert (row[:10] == 43).all()
    assert (row[11:20] == 163).all()
    assert (row[21:] == 253).all()
    press(widget, CheckerboardMode)
    slide(widget, 2)
    assert screen(derived(viewer))[[0, 0, 19, 19], [0, 29, 0, 29], 0].tolist() == [
        43,
        163,
        163,
        253,
    ]


def test_checkerboard(make, viewer):
    before = state(viewer)
    widget = make(viewer)
    press(widget, CheckerboardMode)
    slide(widget, 3)  # squares of 10 pixels
    shown = screen(derived(viewer))[..., 0]
    y, x = np.indices(shown.shape) // 10
    np.testing.assert_array_equal(shown, np.where((y + x) % 2, 163, 43))
    press(widget, None)
    assert state(viewer) == before


def test_images_on_other_grids_are_put_where_they_lie_in_the_world(make):
    viewer = ViewerModel()
    values = RNG.integers(1, 255, (8, 9)).astype(np.uint8)
    fine = Image(values, contrast_limits=(0, 255), scale=(1, 1), name="fine")
    # every pixel of the coarse image covers 2 x 3 of the fine one, shifted by (2, 3)
    coarse = Image(
        RNG.integers(1, 255, (2, 2)).astype(np.uint8),
        contrast_limits=(0, 255),
        scale=(2, 3),
        translate=(2.5, 4),
        name="coarse",
    )
    viewer.add_layer(fine)
    viewer.add_layer(coarse)
    widget = make(viewer)
    press(widget, CurtainMode)
    layer = derived(viewer)
    np.testing.assert_allclose(layer.extent.world, fine.extent.world)
    slide(widget, 100)
    np.testing.assert_array_equal(screen(layer)[..., 0], values)
    slide(widget, 0)
    shown = screen(layer)
    expected = np.zeros((8, 9), np.uint8)
    expected[2:6, 3:9] = np.kron(coarse.data, np.ones((2, 3), np.uint8))
    np.testing.assert_array_equal(shown[..., 0] * (shown[..., 3] > 0), expected)
    # and it follows when the user moves a layer
    coarse.translate = (0.5, 1)
    shown = screen(layer)
    expected = np.roll(expected, (-2, -3), (0, 1))
    np.testing.assert_array_equal(shown[..., 0] * (shown[..., 3] > 0), expected)


def test_colour_time_and_pyramids_go_together(make):
    viewer = ViewerModel()
    colour = np.zeros((4, 12, 12, 3), np.float32)
    colour[..., 0] = 1
    viewer.add_image(colour, rgb=True, name="colour")
    series = np.zeros((2, 4, 12, 12), np.uint8)
    series[1] = 200
    viewer.add_image(series, name="series", contrast_limits=(0, 255))
    full = np.full((4, 24, 24), 90, np.uint8)
    viewer.add_image(
        [full, full[:, ::2, ::2]],
        name="pyramid",
        multiscale=True,
        contrast_limits=(0, 255),
        scale=(1, 0.5, 0.5),
    )
    widget = make(viewer)
    check(widget, "colour", "series", "pyramid")
    press(widget, CurtainMode)
    layer = derived(viewer)
    viewer.dims.set_point(0, 1)
    shown = screen(layer)
    assert shown[0, 0].tolist() == [255, 0, 0, 255]
    assert shown[0, shown.shape[1] // 2].tolist() == [200, 200, 200, 255]
    assert shown[0, -1, 0] == 90
    viewer.dims.set_point(0, 0)
    assert screen(layer)[0, shown.shape[1] // 2, 0] == 0


def test_lengths_in_other_units_meet_in_millimetres(make):
    viewer = ViewerModel()
    viewer.add_image(
        np.full((10, 10), 50, np.uint8), name="mm", units="mm", contrast_limits=(0, 255)
    )
    viewer.add_image(
        np.full((10, 10), 150, np.uint8),
        name="um",
        units="um",
        scale=(1000, 1000),
        contrast_limits=(0, 255),
    )
    widget = make(viewer)
    press(widget, CurtainMode)
    layer = derived(viewer)
    assert [str(unit) for unit in layer.units] == ["millimeter", "millimeter"]
    assert screen(layer).shape == (10, 10, 4)
    assert screen(layer)[0, [0, 9], 0].tolist() == [50, 150]


def test_flicker(make, viewer, qtbot):
    before = state(viewer)
    widget = make(viewer)
    widget.show()
    press(widget, FlickerMode)
    slide(widget, 5)
    timer = widget.view._mode.timer
    assert timer.isActive()
    assert timer.interval() == 200
    timer.stop()  # its turns are made here, one by one
    for name in ("one", "two", "one", "two"):
        assert [v.name for v in viewer.layers if v.visible and isinstance(v, Image)] == [name]
        assert widget.view.hint.text() == f"Shown: {name}"
        timer.timeout.emit()
    timer.start()
    widget.hide()  # nobody looks
    assert not timer.isActive()
    assert widget.view.mode is None
    assert state(viewer) == before


def test_flicker_is_never_fast_enough_to_harm():
    _, _, fastest, _, _ = FlickerMode.setting
    assert fastest / 2 < 3  # flashes a second: WCAG 2.2, 2.3.1


def test_blend_fades_and_keeps_what_the_user_changes(make, viewer):
    before = state(viewer)
    widget = make(viewer)
    press(widget, BlendMode)
    one, two, other = (viewer.layers[name] for name in ("one", "two", "other"))
    assert (one.opacity, two.opacity, other.visible) == (1, 0.5, False)
    slide(widget, 80)
    assert two.opacity == pytest.approx(0.8)
    assert "one 20%, two 80%" in widget.view.hint.text()
    press(widget, None)
    assert state(viewer) == before

    other.opacity = 0.4
    check(widget, "one", "other")
    press(widget, BlendMode)
    assert other.blending == "translucent"
    other.opacity = 0.9  # by hand, meanwhile
    press(widget, None)
    assert other.opacity == 0.9
    assert other.blending == "additive"


def test_side_by_side_uses_the_grid_and_leaves_it_as_it_was(make, viewer):
    viewer.canvas.grid.stride = 2
    before = state(viewer)
    widget = make(viewer)
    press(widget, SideBySideMode)
    grid = viewer.canvas.grid
    places = {
        layer.name: grid.position(i, viewer.layers)
        for i, layer in enumerate(viewer.layers)
        if layer.visible
    }
    assert places == {"one": (0, 0), "two": (0, 1)}
    assert not widget.view.slider.isVisibleTo(widget.view)  # nothing to set
    press(widget, None)
    assert state(viewer) == before


@pytest.mark.parametrize("first", MODES)
def test_switching_closing_and_deleting_leave_nothing_behind(make, viewer, first):
    before = state(viewer)
    widget = make(viewer)
    for second in MODES:
        press(widget, first)
        press(widget, second)
        assert widget.view.mode is second
        press(widget, None)
        assert state(viewer) == before
    press(widget, first)
    widget.end()  # closed
    assert state(viewer) == before

    widget = make(viewer)
    press(widget, first)
    del viewer.layers["two"]
    assert widget.view.mode is None
    assert widget.view.off.isChecked()
    assert [v[:4] for v in state(viewer)[0]] == [v[:4] for v in before[0] if v[0] != "two"]
    assert [layer.name for layer in widget.view.chosen] == ["one", "other"]


@pytest.mark.parametrize("mode", [CurtainMode, CheckerboardMode])
def test_deleting_the_derived_layer_ends_the_mode(make, viewer, mode):
    before = state(viewer)
    widget = make(viewer)
    press(widget, mode)
    viewer.layers.remove(derived(viewer))
    assert widget.view.mode is None
    assert state(viewer)[0] == before[0]


@pytest.mark.parametrize("mode", MODES)
def test_clearing_the_viewer_in_a_mode(make, viewer, mode):
    widget = make(viewer)
    press(widget, mode)
    viewer.layers.clear()
    assert widget.view.mode is None
    assert len(viewer.layers) == 0


def test_three_dimensions_end_what_needs_two_and_say_why(make, viewer):
    before = state(viewer)
    widget = make(viewer)
    press(widget, CurtainMode)
    viewer.dims.ndisplay = 3
    assert widget.view.mode is None
    assert state(viewer)[0] == before[0]
    assert "from 3D to 2D" in widget.view.buttons[CurtainMode].toolTip()
    assert not widget.view.buttons[CheckerboardMode].isEnabled()
    press(widget, BlendMode)
    viewer.dims.ndisplay = 2
    assert widget.view.mode is BlendMode
    assert widget.view.buttons[CurtainMode].isEnabled()


def test_unchecking_in_a_mode_goes_on_with_the_rest_or_ends_it(make, viewer):
    before = state(viewer)
    widget = make(viewer)
    check(widget, "one", "two", "other")
    press(widget, CurtainMode)
    check(widget, "one", "two")
    assert widget.view.mode is CurtainMode
    assert derived(viewer).name == "Curtain: one | two"
    check(widget, "one")
    assert widget.view.mode is None
    assert state(viewer) == before


def test_a_new_and_a_renamed_layer_appear_in_the_list(make, viewer):
    widget = make(viewer)
    press(widget, CurtainMode)
    viewer.layers["other"].name = "renamed"
    viewer.add_layer(picture(10, "new"))
    names = [widget.view.images.item(i).text() for i in range(widget.view.images.count())]
    assert names == ["one", "two", "renamed", "new"]  # and not the curtain
    assert widget.view.mode is CurtainMode


def test_a_fusion_is_suggested_with_its_sources(make, viewer):
    record = {"record": {"inputs": {}}}
    viewer.add_layer(
        Image(np.zeros((6, 20, 30)), name="Fused: other + one", metadata={KEY: record})
    )
    widget = make(viewer)
    assert {layer.name for layer in widget.view.chosen} == {"other", "one", "Fused: other + one"}


def test_saving_a_composite_gives_real_pixels(make, viewer):
    widget = make(viewer)
    press(widget, CurtainMode)
    whole = np.asarray(derived(viewer).data)
    assert whole.shape == (6, 20, 30, 4)
    np.testing.assert_array_equal(whole[3], screen(derived(viewer)))


def test_changes_keep_what_others_set():
    from napari_textdifuse.napari_plugin.compare.mode import Changes

    thing, changes = SimpleNamespace(a=1, b=2), Changes()
    changes.set(thing, "a", 5)
    changes.set(thing, "a", 6)
    changes.set(thing, "b", 7)
    thing.b = 8
    changes.undo()
    assert (thing.a, thing.b) == (1, 8)
    thing.a = 9
    changes.undo()
    assert thing.a == 9


def test_the_line_is_dragged_in_the_image(make, viewer):
    panel = make(viewer).view
    panel.start(CurtainMode)
    left, right = -0.5, 29.5
    before = list(viewer.mouse_drag_callbacks)[:-1]
    drag = viewer.mouse_drag_callbacks[-1]

    def move(start, *places):
        event = SimpleNamespace(type="mouse_press", position=(3.0, 10.0, start))
        steps = drag(viewer, event)
        for place in places:
            next(steps, None)
            event.type, event.position = "mouse_move", (3.0, 10.0, place)
        next(steps, None)
        assert viewer.scene.camera.mouse_pan is (not places or steps.gi_frame is None)
        event.type = "mouse_release"
        next(steps, None)
        assert viewer.scene.camera.mouse_pan

    middle = (left + right) / 2
    move(middle, middle - 6)
    assert panel._mode.pattern.position == pytest.approx((middle - 6 - left) / 30)
    assert panel.slider.value() == round(200 * (middle - 6 - left) / 30)
    assert panel.value.text() == "30 %"
    # next to the line the image is moved, not the line
    move(middle + 6, middle)
    assert panel.value.text() == "30 %"
    # beyond the edge it stops there
    move(left + 9, right + 50)
    assert panel.value.text() == "100 %"
    panel.stop()
    assert list(viewer.mouse_drag_callbacks) == before


@pytest.mark.parametrize("count", [2, 3, 4])
def test_a_dragged_line_stays_under_the_mouse(count):
    curtain = Curtain()
    for line in range(1, count):
        for share in (0.0, 0.1, 0.45, 0.5, 0.8, 1.0):
            curtain.position = Curtain.position_of(line, share, count)
            assert curtain.lines(count)[line - 1] == pytest.approx(share)
            assert curtain.nearest(share, count)[1] == pytest.approx(0)


def test_captions_side_by_side(make, viewer):
    panel = make(viewer).view
    panel.start(SideBySideMode)
    named = [layer.name for layer in viewer.layers if layer.name_overlay.visible]
    assert named == ["one", "two"]
    assert {layer.name_overlay.font_size for layer in viewer.layers} == {10}
    panel.stop()
    assert not any(layer.name_overlay.visible for layer in viewer.layers)


def test_a_long_caption_fits_its_field(make_napari_viewer, make):
    """The terms are at its end: two results of a pair had the same caption."""
    viewer = make_napari_viewer(show=True)
    for term in ("grey matter", "ventricle"):
        name = f"Fused: MR series 3 + NM series 5, {term}"
        viewer.add_image(np.zeros((20, 20)), name=name)
    panel = make(viewer).view
    panel.start(SideBySideMode)
    canvas = viewer.window._qt_viewer.canvas
    for layer in viewer.layers:
        text = canvas._layer_overlay_to_visual[layer][layer.name_overlay]
        assert 0.4 < text.x_size / (viewer.canvas.size[1] / 2) < 1
    panel.stop()
    assert {layer.name_overlay.font_size for layer in viewer.layers} == {10}


def test_what_a_closed_window_deleted_is_not_restored():
    class Overlay:
        def __init__(self):
            self.shown, self.gone = False, False

        @property
        def visible(self):
            return self.shown

        @visible.setter
        def visible(self, value):
            if self.gone:
                raise RuntimeError("Internal C++ object already deleted.")
            self.shown = value

    first, second, changes = Overlay(), Overlay(), Changes()
    for overlay in (first, second):
        changes.set(overlay, "visible", True)
    second.gone = True
    changes.undo()
    assert (first.shown, second.shown) == (False, True)

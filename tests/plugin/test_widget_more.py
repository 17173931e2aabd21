"""The rest of the fusion widget: roles, windows, slices, drawings, preview, queue, corrections."""

from __future__ import annotations

import json
import threading

import dask.array as da
import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Image, Labels, Layer, Shapes

from napari_textdifuse import FusionPipeline, Volume
from napari_textdifuse.cli import main
from napari_textdifuse.io import read, write
from napari_textdifuse.napari_plugin.fuse.extent_box import CURRENT, RANGE, estimate
from napari_textdifuse.napari_plugin.fuse.settings import settings_path
from napari_textdifuse.napari_plugin.fuse.widget import FusionWidget
from napari_textdifuse.napari_plugin.layers import KEY, to_layer


def scan(modality, seed, shape=(5, 20, 24), **fields):
    values = np.random.default_rng(seed).random(shape).astype(np.float32) * 4 + 1
    fields.setdefault("affine", np.diag([-1.0, -1, 2, 1]))
    return Volume(values, modality=modality, name=modality.lower(), **fields)


@pytest.fixture
def viewer() -> ViewerModel:
    model = ViewerModel()
    for volume in (scan("PT", 1, unit="SUVbw"), scan("MR", 0)):
        model.add_layer(Layer.create(*to_layer(volume)))
    return model


@pytest.fixture
def make(qtbot, tiny_pipeline):
    def make_widget(viewer, pipeline=tiny_pipeline) -> FusionWidget:
        widget = FusionWidget(viewer, make_pipeline=lambda device: pipeline)
        for event in (viewer.layers.events.inserted, viewer.layers.events.removed):
            event.connect(widget.reset_choices)
        qtbot.addWidget(widget.native)
        return widget

    return make_widget


def run(widget, qtbot, button="fuse"):
    getattr(widget, button).native.click()
    qtbot.waitUntil(lambda: not widget.running, timeout=120_000)


def only(viewer, text):
    (layer,) = (v for v in viewer.layers if text in v.name)
    return layer


def test_the_anatomy_is_image_a_whatever_came_first(make, viewer):
    widget = make(viewer)
    assert (widget.image_a.value.name, widget.image_b.value.name) == ("mr", "pt")
    widget.swap.native.click()
    assert (widget.image_a.value.name, widget.image_b.value.name) == ("pt", "mr")


@pytest.mark.parametrize(
    ("names", "a", "b"),
    [
        (("FDG_PET", "T1w T1"), "T1w T1", "FDG_PET"),
        (("ir 7", "visible 7"), "visible 7", "ir 7"),
        (("spect", "ct"), "ct", "spect"),
        (("x", "y"), "x", "y"),
    ],
)
def test_names_tell_roles_where_nothing_else_does(make, names, a, b):
    model = ViewerModel()
    for name in names:
        model.add_image(np.random.default_rng(0).random((8, 8)), name=name)
    widget = make(model)
    assert (widget.image_a.value.name, widget.image_b.value.name) == (a, b)


def test_windows_belong_to_the_unit(make, viewer, qtbot, notifications):
    widget = make(viewer)
    assert widget.window_b.label == "Range B (SUV)"
    assert "PET 0-5 SUV" in widget.window_b.choice.choices
    assert "brain" not in widget.window_b.choice.choices
    widget.window_b.choice.value = "PET 0-10 SUV"
    assert (widget.window_b.low.value, widget.window_b.high.value) == (0, 10)
    assert not widget.window_b.low.enabled
    widget.window_a.choice.value = "own"
    widget.window_a.low.value, widget.window_a.high.value = 2, 4.5
    run(widget, qtbot)
    inputs = only(viewer, "Fused").metadata[KEY]["record"]["inputs"]
    assert inputs["a"]["window"] == [2, 4.5]
    assert inputs["b"]["window"] == [0, 10]
    widget.swap.native.click()
    assert widget.window_a.label == "Range A (SUV)"
    assert widget.window_b.choice.value == "own"


@pytest.mark.parametrize("order", [(0, 1, 2), (1, 0, 2), (2, 0, 1)])
def test_the_slice_displayed_is_fused_where_it_lies(make, viewer, qtbot, order, notifications):
    widget = make(viewer)
    viewer.dims.order = order
    axis = order[0]
    viewer.dims.set_current_step(axis, 3)
    widget.extent.what.value = CURRENT
    run(widget, qtbot)
    fused, source = only(viewer, "Fused"), widget.image_a.value
    assert fused.data.shape[axis] == 1
    chosen = fused.metadata[KEY]["record"]["slices"]
    assert (chosen["axis"], chosen["first"], chosen["last"]) == (axis, 3, 3)
    index = np.zeros(3)
    index[axis] = 3
    np.testing.assert_allclose(fused.data_to_world((0, 0, 0)), source.data_to_world(index))


def test_a_range_and_its_geometry_in_files(make, viewer, qtbot, notifications, tiny_pipeline):
    widget = make(viewer)
    widget.extent.what.value = RANGE
    widget.extent.first.value, widget.extent.last.value = 1, 3
    run(widget, qtbot)
    fused, source = only(viewer, "Fused"), widget.image_a.value
    assert fused.data.shape[0] == 3
    affine = np.array(source.metadata[KEY]["affine"])
    np.testing.assert_allclose(
        np.array(fused.metadata[KEY]["affine"])[:3, 3], (affine @ [0, 0, 1, 1])[:3]
    )
    update_from_mask = tiny_pipeline(
        fused, fused, steps=1
    )  # the result as an input keeps its place
    np.testing.assert_allclose(update_from_mask.affine, fused.metadata[KEY]["affine"])


def test_images_have_no_slices_to_choose(make):
    model = ViewerModel()
    for seed in (0, 1):
        model.add_image(np.random.default_rng(seed).random((16, 16)))
    widget = make(model)
    assert not widget.extent.what.enabled
    assert widget.extent.what.tooltip == "Image A is 2-D."


@pytest.fixture
def every_preview(monkeypatch):
    monkeypatch.setattr("napari_textdifuse.napari_plugin.task.PREVIEW_INTERVAL", 0)


@pytest.mark.parametrize("kinds", [("MR", "PT"), ("MR", "CT")])
def test_the_result_grows_in_a_preview(make, qtbot, every_preview, notifications, kinds):
    viewer = ViewerModel()
    for seed, kind in enumerate(kinds):
        viewer.add_layer(Layer.create(*to_layer(scan(kind, seed))))
    widget = make(viewer)
    grown = []

    def look(event):
        layer = event.value
        assert layer not in widget.image_a.choices
        if "(running)" in layer.name:
            assert not layer.data[..., 3].all(), "the images below stay in sight"
            layer.events.set_data.connect(lambda: grown.append(layer.data.any((1, 2, 3)).sum()))

    viewer.layers.events.inserted.connect(look)
    run(widget, qtbot)
    assert {1, 2, 3, 4, 5} <= set(grown)
    (fused,) = viewer.layers[2:]
    assert fused.name == f"Fused: mr + {kinds[1].lower()}"
    assert fused.metadata[KEY]["record"]["complete"]
    assert fused not in widget.image_a.choices


def test_a_cancelled_run_changes_no_earlier_result(
    make, viewer, hold, qtbot, every_preview, notifications
):
    armed = threading.Event()
    pipeline = hold(lambda progress: armed.is_set() and progress.slices > 1 and progress.step > 2)
    widget = make(viewer, pipeline)
    run(widget, qtbot)
    fused = only(viewer, "Fused")
    before = fused.data.copy()
    widget.quality.value = "best"
    armed.set()
    widget.fuse.native.click()
    qtbot.waitUntil(lambda: len(viewer.layers) == 4, timeout=120_000)
    widget.cancel.native.click()
    pipeline.release()
    qtbot.waitUntil(lambda: not widget.running, timeout=120_000)
    assert fused in viewer.layers
    np.testing.assert_array_equal(fused.data, before)
    assert not any("(running)" in layer.name for layer in viewer.layers)


def test_the_user_may_delete_the_preview(make, viewer, hold, qtbot, every_preview, notifications):
    pipeline = hold(lambda progress: progress.slices > 1 and progress.slice_index == 2)
    widget = make(viewer, pipeline)
    widget.fuse.native.click()
    qtbot.waitUntil(lambda: len(viewer.layers) == 3, timeout=120_000)
    deleted = viewer.layers.pop()
    assert deleted.name == "Fused: mr + pt (running)"
    pipeline.release()
    qtbot.waitUntil(lambda: not widget.running, timeout=120_000)
    assert [v.name for v in viewer.layers] == ["pt", "mr", "Fused: mr + pt"]
    assert viewer.layers[2] is not deleted


def test_runs_wait_for_each_other(make, viewer, slow_pipeline, tiny_pipeline, qtbot):
    slow_pipeline.result = tiny_pipeline(scan("MR", 0), scan("PT", 1), steps=1)
    widget = make(viewer, slow_pipeline)
    for seed in (1, 2, 3):
        widget.seed.value = seed
        widget.fuse.native.click()
    assert widget.fuse.text == "Fuse (2 waiting)"
    slow_pipeline.allow(3)
    qtbot.waitUntil(lambda: not widget.running, timeout=120_000)
    assert [call["seed"] for call in slow_pipeline.calls] == [1, 2, 3]
    assert widget.fuse.text == "Fuse"


def test_fuse_pressed_twice_runs_once(make, viewer, slow_pipeline, tiny_pipeline, qtbot):
    slow_pipeline.result = tiny_pipeline(scan("MR", 0), scan("PT", 1), steps=1)
    widget = make(viewer, slow_pipeline)
    widget.fuse.native.click()
    widget.fuse.native.click()
    assert widget.fuse.text == "Fuse"
    assert widget.message.text == "The same fusion is already running or waiting."
    for prompt in ("tumour", "tumour", "bone"):  # another one waits, and it waits once
        widget.prompt.value = prompt
        widget.fuse.native.click()
    assert widget.fuse.text == "Fuse (2 waiting)"
    for text in ("Fuse (1 waiting)", "Fuse"):
        slow_pipeline.allow()
        qtbot.waitUntil(lambda text=text: widget.fuse.text == text, timeout=120_000)
    assert widget.running, "the last one waits no longer"
    slow_pipeline.allow()
    qtbot.waitUntil(lambda: not widget.running, timeout=120_000)
    assert [call["prompt"] for call in slow_pipeline.calls] == [None, "tumour", "bone"]
    # once it is done, or after Cancel, the same may be wanted again
    widget.fuse.native.click()
    qtbot.waitUntil(lambda: widget.progress.value > 3, timeout=120_000)
    widget.cancel.native.click()
    widget.fuse.native.click()
    qtbot.waitUntil(lambda: len(slow_pipeline.calls) == 5, timeout=120_000)
    slow_pipeline.allow()
    qtbot.waitUntil(lambda: not widget.running, timeout=120_000)
    assert len(slow_pipeline.calls) == 5


def test_waiting_runs_of_a_pair_share_its_chains(make, viewer, tiny_pipeline, qtbot):
    widget = make(viewer)
    ran = []
    widget._runner.finished.connect(lambda job, outcome: ran.append(job.session))
    for prompt in ("", "tumour"):
        widget.prompt.value = prompt
        widget.fuse.native.click()
    qtbot.waitUntil(lambda: not widget.running, timeout=120_000)
    assert len(ran) == 2
    assert ran[0] is ran[1]


def test_cancel_does_not_wait_for_what_is_being_loaded(viewer, slow_pipeline, qtbot):
    slow_pipeline.allow(2)
    loading, loaded = threading.Event(), threading.Event()

    def make_pipeline(device: str):
        loading.set()
        assert loaded.wait(120), "the test ended"
        return slow_pipeline

    widget = FusionWidget(viewer, make_pipeline)
    qtbot.addWidget(widget.native)
    ended = []
    widget._runner.finished.connect(lambda job, outcome: ended.append(job.prompt))
    widget.fuse.native.click()
    qtbot.waitUntil(loading.is_set, timeout=120_000)
    widget.cancel.native.click()
    qtbot.waitUntil(lambda: not widget.running, timeout=120_000)
    assert widget.message.text == "Cancelled: nothing was kept."
    assert (widget.cancel.text, widget.cancel.enabled) == ("Cancel", False)
    # the next run begins while the worker of the cancelled one is still loading
    widget.prompt.value = "tumour"
    widget.fuse.native.click()
    loaded.set()
    qtbot.waitUntil(lambda: len(slow_pipeline.calls) == 2, timeout=120_000)
    qtbot.waitUntil(lambda: not widget.running and not widget._runner._left, timeout=120_000)
    assert ended == [None, "tumour"]
    assert len(viewer.layers) == 2, "the cancelled run adds nothing"


def test_cancel_stops_one_and_goes_on_with_the_next(make, viewer, slow_pipeline, qtbot):
    widget = make(viewer, slow_pipeline)
    for seed in (1, 2):
        widget.seed.value = seed
        widget.fuse.native.click()
    qtbot.waitUntil(lambda: widget.progress.value > 3, timeout=120_000)
    widget.cancel.native.click()
    qtbot.waitUntil(lambda: len(slow_pipeline.calls) == 2, timeout=120_000)
    assert widget.cancel.enabled
    assert widget.cancel.text == "Cancel"
    widget.cancel.native.click()
    qtbot.waitUntil(lambda: not widget.running, timeout=120_000)


def test_finished_slices_of_a_cancelled_volume_stay(make, viewer, hold, qtbot, notifications):
    pipeline = hold(lambda progress: progress.slices > 1 and progress.slice_index == 3)
    widget = make(viewer, pipeline)
    widget.fuse.native.click()
    qtbot.waitUntil(pipeline.reached.is_set, timeout=120_000)
    widget.cancel.native.click()
    pipeline.release()
    qtbot.waitUntil(lambda: not widget.running, timeout=120_000)
    part = only(viewer, "Fused")
    assert part.data.shape[0] == 3
    assert part.name == "Fused: mr + pt, slices 0-2 (incomplete)"
    assert widget.message.text == "Cancelled: 3 of 5 slices kept, slices 0-2."
    assert viewer.dims.current_step[0] == 0
    assert part.metadata[KEY]["record"]["complete"] is False
    assert notifications == []


def test_more_layers_of_a_result(make, viewer, qtbot, notifications):
    widget = make(viewer)
    labels = np.zeros((5, 20, 24), np.uint8)
    labels[1:3, 4:9, 5:11] = 1
    viewer.add_labels(labels, scale=(2, 1, 1), translate=widget.image_a.value.translate)
    widget.drawn.value = viewer.layers[-1]
    widget.samples.value = 2
    widget.extras.value = ["contribution", "uncertainty", "difference", "boxes"]
    run(widget, qtbot)
    names = [v.name for v in viewer.layers[3:]]
    title = "drawn in labels, 2 samples (mr + pt)"
    assert names == [
        f"Share of mr: {title}",
        f"Uncertainty: {title}",
        f"Fused minus mr: {title}",
        f"Fused minus pt: {title}",
        "Fused: mr + pt, drawn in labels, 2 samples",
        f"Boxes: {title}",
        f"Mask: {title}",
    ]
    fused, less_mr = only(viewer, "Fused: "), only(viewer, "Fused minus mr")
    assert not less_mr.visible
    assert np.abs(less_mr.data).max() <= 1
    (box,) = only(viewer, "Boxes").data
    assert box.min(axis=0).tolist() == [1, 3.5, 4.5]
    assert box.max(axis=0).tolist() == [1, 8.5, 10.5]
    assert fused.metadata[KEY]["sources"] == {"a": "mr", "b": "pt"}
    run(widget, qtbot)
    assert len(viewer.layers) == 10, "replaced, not added"
    widget.extras.value = []
    run(widget, qtbot)
    assert len(viewer.layers) == 5, "replaced whole"
    widget.replace.value = False
    run(widget, qtbot)
    assert len(viewer.layers) == 7
    assert viewer.layers[-1].name == "Mask: drawn in labels, 2 samples, no. 2 (mr + pt)"


def test_a_rectangle_in_a_slice_is_a_prompt(make, viewer, qtbot, notifications):
    widget = make(viewer)
    a = widget.image_a.value
    rectangle = np.array([[2, 4, 5], [2, 4, 12], [2, 10, 12], [2, 10, 5]], float)
    world = np.array([a.data_to_world(p) for p in rectangle])
    viewer.add_shapes([world], shape_type="rectangle", name="mine")
    widget.drawn.value = viewer.layers["mine"]
    widget.follow.value = False
    run(widget, qtbot)
    mask = only(viewer, "Mask")
    where = np.nonzero(mask.data)
    assert set(where[0]) == {2}
    assert 4 <= where[1].min() <= where[1].max() <= 10
    assert 5 <= where[2].min() <= where[2].max() <= 12
    assert only(viewer, "Fused").metadata[KEY]["record"]["drawn"] == "drawing"


def test_an_ellipse_and_a_polygon_are_taken_as_drawn(make, qtbot, notifications):
    model = ViewerModel()
    for seed in (0, 1):
        model.add_image(np.random.default_rng(seed).random((40, 48)), name=f"image {seed}")
    corners = np.array([[4, 4], [4, 16], [20, 16], [20, 4]], float)
    model.add_shapes([corners], shape_type="ellipse", name="mine")
    model.layers["mine"].add_polygons([corners + 22])
    widget = make(model)
    widget.drawn.value = model.layers["mine"]
    run(widget, qtbot)
    mask = only(model, "Mask").data
    assert (mask == 1).sum() == pytest.approx(np.pi * 8 * 6, rel=0.1)
    assert mask[12, 10] == 1
    assert mask[5, 5] == 0
    assert mask[34, 32] == 2


@pytest.mark.parametrize("kind", ["points", "labels"])
def test_an_empty_drawing_is_one_sentence(make, viewer, notifications, kind):
    widget = make(viewer)
    if kind == "points":
        viewer.add_points(np.zeros((0, 3)), name="nothing")
    else:
        viewer.add_labels(np.zeros(viewer.layers[0].data.shape, np.uint8), name="nothing")
    widget.drawn.value = viewer.layers["nothing"]
    widget.fuse.native.click()
    assert notifications == ["Layer 'nothing' is empty; draw on it, or choose no layer."]


@pytest.fixture
def corrected(make, viewer, qtbot, notifications):
    """A finished fusion with a mask, in a widget."""
    widget = make(viewer)
    labels = np.zeros((5, 20, 24), np.uint8)
    labels[1:3, 4:9, 5:11] = 2
    viewer.add_labels(labels, scale=(2, 1, 1), translate=widget.image_a.value.translate)
    widget.drawn.value = viewer.layers[-1]
    run(widget, qtbot)
    return widget


def test_a_painted_mask_changes_only_its_slice(corrected, viewer, qtbot, tiny_pipeline):
    fused, mask = only(viewer, "Fused"), only(viewer, "Mask")
    before = fused.data.copy()
    painted = mask.data.copy()
    mask.data_setitem((np.full(9, 3), np.repeat([2, 3, 4], 3), np.tile([2, 3, 4], 3)), 1)
    run(corrected, qtbot, "update_from_mask")
    changed = np.abs(fused.data - before).reshape(5, -1).max(axis=1) > 0
    assert changed.tolist() == [False, False, False, True, False]
    assert only(viewer, "Fused") is fused
    assert len(viewer.layers) == 5
    a, b = corrected.image_a.value, corrected.image_b.value
    scratch = tiny_pipeline(a, b, mask=mask.data)
    np.testing.assert_array_equal(fused.data, scratch.fused)
    mask.undo()
    np.testing.assert_array_equal(mask.data, painted)
    run(corrected, qtbot, "update_from_mask")
    np.testing.assert_array_equal(fused.data, before)


def test_live_corrections_follow_the_brush(corrected, viewer, qtbot):
    fused, mask = only(viewer, "Fused"), only(viewer, "Mask")
    before = fused.data.copy()
    corrected.live.value = True
    mask.brush_size = 4
    mask.paint((4, 10, 10), 1)
    qtbot.waitUntil(lambda: not np.array_equal(fused.data, before), timeout=120_000)
    assert not np.array_equal(fused.data[4], before[4])
    np.testing.assert_array_equal(fused.data[:4], before[:4])


def test_a_deleted_mask_is_said(corrected, viewer, qtbot, notifications):
    viewer.layers.remove(only(viewer, "Mask"))
    assert not corrected.update_from_mask.enabled
    assert corrected.update_from_mask.tooltip.startswith("There is no mask yet")


def test_another_strength_reuses_the_chains(make, viewer, qtbot, notifications, tiny_pipeline):
    sessions = []

    class Counting:
        def session(self, *images, **options):
            sessions.append(tiny_pipeline.session(*images, **options))
            return sessions[-1]

    widget = make(viewer, Counting())
    run(widget, qtbot)
    widget.strength.value = 0.5
    run(widget, qtbot)
    assert len(sessions) == 1
    widget.seed.value = 4
    run(widget, qtbot)
    assert len(sessions) == 2


def test_settings_are_kept_and_reset(make, viewer, qtbot, notifications):
    widget = make(viewer)
    widget.quality.value, widget.seed.value, widget.extras.value = "fast", 7, ["boxes"]
    run(widget, qtbot)
    assert json.loads(settings_path().read_text())["seed"] == 7
    another = make(viewer)
    assert (another.quality.value, another.seed.value) == ("fast", 7)
    assert another.extras.value == ["boxes"]
    another.reset.native.click()
    assert (another.quality.value, another.seed.value) == ("standard", 0)
    assert not settings_path().exists()
    settings_path().write_text('{"quality": "splendid", "seed": -3, "device": 5}')
    assert make(viewer).quality.value == "standard"


def test_dask_and_multiscale_layers(make, qtbot, notifications, tiny_pipeline):
    model = ViewerModel()
    one, two = (np.random.default_rng(seed).random((3, 32, 32)) for seed in (0, 1))
    model.add_image(da.from_array(one, chunks=(1, 32, 32)), name="lazy")
    model.add_image([two, two[:, ::2, ::2]], multiscale=True, name="pyramid")
    widget = make(model)
    run(widget, qtbot)
    fused = only(model, "Fused")
    assert fused.data.shape == (3, 32, 32)
    np.testing.assert_allclose(fused.data, tiny_pipeline(one, two).fused, atol=2e-3)


def test_what_cannot_be_fused_is_one_sentence(make, qtbot, notifications):
    model = ViewerModel()
    model.add_image(np.ones((3, 16, 16)) * np.arange(16), name="volume")
    model.add_image(np.ones((16, 16, 3), np.uint8), rgb=True, name="picture")
    widget = make(model)
    run(widget, qtbot)
    assert len(notifications) == 1
    assert "3-D" in notifications[0]
    assert "2-D" in notifications[0]


def test_images_that_do_not_overlap(make, viewer, qtbot, notifications):
    viewer.layers.pop(0)
    away = np.diag([-1.0, -1, 2, 1])
    away[:3, 3] = 500
    viewer.add_layer(Layer.create(*to_layer(scan("PT", 1, affine=away))))
    run(make(viewer), qtbot)
    assert len(notifications) == 1
    assert "do not overlap" in notifications[0]


def test_labels_are_not_offered_as_images(make, viewer):
    viewer.add_labels(np.zeros((5, 20, 24), int), name="labels")
    widget = make(viewer)
    assert all(isinstance(layer, Image) for layer in widget.image_a.choices if layer)
    assert [v.name for v in widget.drawn.choices if v is not None] == ["labels"]
    assert isinstance(widget.drawn.choices[-1], (Labels, Shapes, type(None)))


def test_widget_api_and_command_line_agree(
    make, qtbot, notifications, tmp_path, tiny_weights, viewer
):
    volumes = {"a": scan("MR", 0), "b": scan("CT", 1, unit="HU")}  # grey: no 8-bit colours
    files = {role: write(tmp_path / f"{role}.nii.gz", volume) for role, volume in volumes.items()}
    pipeline = FusionPipeline.from_pretrained(tiny_weights, device="cpu")
    out = tmp_path / "out"
    arguments = ["fuse", files["a"], files["b"], "--out", out, "--weights", tiny_weights]
    arguments += ["--device", "cpu", "--seed", "5", "--slices", "1:4", "--window-b", "0.5:3"]
    assert main([str(v) for v in arguments]) == 0
    a, b = (read(file) for file in files.values())
    by_api = pipeline(a, b, seed=5, slices=(1, 4), windows={"b": (0.5, 3)}).fused
    model = ViewerModel()
    for volume in (a, b):
        model.add_layer(Layer.create(*to_layer(volume)))
    widget = make(model, pipeline)
    widget.image_a.value, widget.image_b.value = model.layers[0], model.layers[1]
    widget.seed.value = 5
    widget.extent.what.value = RANGE
    widget.extent.first.value, widget.extent.last.value = 1, 3
    widget.window_b.choice.value = "own"
    widget.window_b.low.value, widget.window_b.high.value = 0.5, 3
    run(widget, qtbot)
    by_widget = np.asarray(only(model, "Fused").data)
    written = Layer.create(*to_layer(read(out / "fused.nii.gz"))).data
    shown = Layer.create(*to_layer(Volume(by_api, affine=a.affine))).data
    np.testing.assert_array_equal(by_widget, shown)
    np.testing.assert_array_equal(by_widget, written)


def test_the_memory_estimate_is_near_what_was_measured():
    assert estimate((256, 256)) == pytest.approx(0.35, abs=0.05)
    assert estimate((480, 640)) == pytest.approx(0.58, abs=0.1)
    assert estimate((4096, 4096)) == pytest.approx(2.6, abs=0.3)
    assert estimate((128, 256, 256)) == pytest.approx(1.08, abs=0.1)


def test_the_device_says_what_it_needs(make, viewer):
    widget = make(viewer)
    assert "About 0.3 GiB" in widget.device.tooltip
    big = da.zeros((300, 512, 512), dtype="u1")
    widget.image_a.value = viewer.add_image(big, name="big")
    assert "About 6.4 GiB" in widget.device.tooltip
    widget.extent.what.value = CURRENT
    assert "About 0.6 GiB" in widget.device.tooltip


def test_each_object_has_its_strength(make, viewer, qtbot, notifications, tiny_pipeline):
    widget = make(viewer)
    labels = np.zeros((5, 20, 24), np.uint8)
    labels[1, 4:9, 5:11], labels[3, 10:16, 5:11] = 1, 2
    viewer.add_labels(labels, scale=(2, 1, 1), translate=widget.image_a.value.translate)
    widget.drawn.value = viewer.layers[-1]
    run(widget, qtbot)
    assert widget.strengths.strengths == {1: 1.0, 2: 1.0}
    fused = only(viewer, "Fused")
    before = fused.data.copy()
    widget.strengths[1].value = 0.2
    run(widget, qtbot, "update_from_mask")
    changed = np.abs(fused.data - before).reshape(5, -1).max(axis=1) > 0
    assert changed.tolist() == [False, False, False, True, False]
    assert fused.metadata[KEY]["record"]["strength"] == {"1": 1.0, "2": 0.2} or (
        fused.metadata[KEY]["record"]["strength"] == {1: 1.0, 2: 0.2}
    )
    widget.drawn.value = None
    run(widget, qtbot)
    assert widget.strengths.strengths is None


def test_a_drawing_is_followed_through_the_volume(make, qtbot, notifications):
    ball = np.hypot(*np.mgrid[-16:16, -16:16]) < 9
    values = np.random.default_rng(0).normal(0.2, 0.02, (7, 32, 32)).astype(np.float32)
    values[1:6] += 0.6 * ball
    model = ViewerModel()
    for name in ("one", "two"):
        model.add_image(np.clip(values, 0, 1), name=name)
    corners = np.array([[3, 5, 5], [3, 5, 26], [3, 26, 26], [3, 26, 5]], float)
    model.add_shapes([corners], shape_type="rectangle", name="mine")
    widget = make(model)
    widget.drawn.value = model.layers["mine"]
    run(widget, qtbot)
    mask = only(model, "Mask").data
    assert mask.any(axis=(1, 2)).tolist() == [False, True, True, True, True, True, False]

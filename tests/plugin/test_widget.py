"""The widget as its user meets it: choices, progress, Cancel, messages and results."""

from __future__ import annotations

import copy
import hashlib
import threading
from types import SimpleNamespace

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Image, Labels, Layer

from napari_textdifuse import Volume
from napari_textdifuse.napari_plugin.fuse.widget import FusionWidget
from napari_textdifuse.napari_plugin.layers import KEY, to_layer


@pytest.fixture
def images(phantom) -> tuple[Layer, Layer]:
    """An MRI and a PET with a hot spot: other spacings, flips, origins and shapes."""
    rng = np.random.default_rng(1)
    mri_affine = np.diag([-2.0, 2, 2.5, 1])
    mri_affine[:3, 3] = (30, -20, 5)
    mri = Volume(
        rng.integers(1, 900, (6, 20, 24)).astype(np.int16),
        affine=mri_affine,
        modality="MR",
        name="t1",
    )
    pet_affine = np.diag([4.0, 4, 5, 1])
    pet_affine[:3, 3] = (-24, -24, 0)
    values = rng.random((6, 14, 16)).astype(np.float32) + 1
    values[2:4, 6:8, 7:9] = 14
    pet = Volume(values, affine=pet_affine, modality="PT", unit="SUVbw", name="pet")
    return Layer.create(*to_layer(mri)), Layer.create(*to_layer(pet))


@pytest.fixture
def viewer(images) -> ViewerModel:
    model = ViewerModel()
    for layer in images:
        model.add_layer(layer)
    return model


@pytest.fixture
def make(qtbot):
    """Make a widget with a pipeline; like napari, keep its choices up to date."""

    def make_widget(viewer: ViewerModel, pipeline) -> FusionWidget:
        widget = FusionWidget(viewer, make_pipeline=lambda device: pipeline)
        for event in (viewer.layers.events.inserted, viewer.layers.events.removed):
            event.connect(widget.reset_choices)
        qtbot.addWidget(widget.native)
        return widget

    return make_widget


def run(widget: FusionWidget, qtbot, timeout: int = 120_000) -> list[float]:
    """Press Fuse and wait; return the shares of progress that were shown."""
    seen: list[float] = []
    widget.progress.changed.connect(lambda value: seen.append(value / max(widget.progress.max, 1)))
    widget.fuse.native.click()
    qtbot.waitUntil(lambda: not widget.running, timeout=timeout)
    return seen


def state(layer: Layer) -> tuple:
    return (
        hashlib.sha256(np.ascontiguousarray(layer.data)).hexdigest(),
        tuple(layer.scale),
        tuple(layer.translate),
        layer.affine.affine_matrix.tolist(),
        layer.units,
        layer.name,
        copy.deepcopy(layer.metadata),
        layer.colormap.name,
        tuple(layer.contrast_limits),
    )


def test_a_run_adds_the_fused_image_and_the_mask(
    make, viewer, images, tiny_pipeline, notifications, qtbot
):
    before = [state(layer) for layer in images]
    widget = make(viewer, tiny_pipeline)
    assert (widget.image_a.value, widget.image_b.value) == images
    widget.prompt.value = "tumour"
    seen = run(widget, qtbot)

    assert [layer.name for layer in viewer.layers] == [
        "t1",
        "pet",
        "Fused: t1 + pet, tumour",
        "Mask: tumour (t1 + pet)",
    ]
    fused, mask = viewer.layers[2:]
    assert isinstance(fused, Image)
    assert isinstance(mask, Labels)
    assert fused.rgb
    assert mask.data.max() == 1
    for layer in (fused, mask):
        np.testing.assert_array_equal(layer.extent.world, images[0].extent.world)
        assert layer.units == images[0].units
        assert layer.axis_labels == images[0].axis_labels
        known = layer.metadata[KEY]
        assert known["record"]["prompt"] == "tumour"
        assert known["record"]["seed"] == 0
        assert list(known["objects"]) == ["1"]
        np.testing.assert_allclose(known["affine"], images[0].metadata[KEY]["affine"])
    # the hot spot of the PET and the mask on the MRI's grid are at one place in the world
    hot = np.argwhere(images[1].data > 10).mean(axis=0)
    found = np.argwhere(mask.data).mean(axis=0)
    np.testing.assert_allclose(mask.data_to_world(found), images[1].data_to_world(hot), atol=2.5)
    assert [state(layer) for layer in images] == before
    assert seen == sorted(seen)
    assert len(seen) > 3
    assert seen[-1] == 1
    assert widget.fuse.enabled
    assert not widget.cancel.enabled
    assert viewer.layers.selection.active is mask
    assert mask.contour == 1, "what the mask marks stays in sight"
    assert notifications == []
    assert widget.message.level == "info"
    assert widget.message.text.startswith("tumour: 1 object, ")
    assert "SUVmax 14.0 (in PET)" in widget.message.text
    table = mask.features.set_index("index")
    assert table.loc[1, "b_SUVmax"] == 14.0
    assert table.loc[1, "volume_mL"] == known["record"]["objects"][0]["volume_mL"]
    assert any("rule" in note for note in widget.message.details)


def test_a_moved_layer_gives_results_where_it_lies(make, viewer, images, tiny_pipeline, qtbot):
    images[0].affine = np.array([[1, 0, 0, 1.5], [0, 1, 0, -2], [0, 0, 1, 3.0], [0, 0, 0, 1]])
    run(make(viewer, tiny_pipeline), qtbot)
    np.testing.assert_allclose(viewer.layers[2].extent.world, images[0].extent.world)


def test_the_same_again_updates_the_result_in_place(
    make, viewer, images, tiny_pipeline, notifications, qtbot
):
    widget = make(viewer, tiny_pipeline)
    run(widget, qtbot)
    fused = viewer.layers[2]
    assert "Mask" not in " ".join(layer.name for layer in viewer.layers)
    first, fused.opacity = fused.metadata[KEY]["record"], 0.4
    run(widget, qtbot)
    assert [layer.name for layer in viewer.layers] == ["t1", "pet", "Fused: t1 + pet"]
    assert viewer.layers[2] is fused
    assert fused.metadata[KEY]["record"] is not first
    assert fused.opacity == 0.4


def test_other_settings_make_another_result(make, viewer, tiny_pipeline, notifications, qtbot):
    widget = make(viewer, tiny_pipeline)
    run(widget, qtbot)
    widget.seed.value, widget.quality.value = 3, "fast"
    run(widget, qtbot)
    assert [(layer.name, layer.visible) for layer in viewer.layers[2:]] == [
        ("Fused: t1 + pet", False),
        ("Fused: t1 + pet, fast, seed 3", True),
    ]


def test_a_layer_of_the_user_with_a_results_name_is_left_alone(
    make, viewer, tiny_pipeline, notifications, qtbot
):
    own = viewer.add_image(np.ones((4, 4)), name="Fused: t1 + pet")
    run(make(viewer, tiny_pipeline), qtbot)
    assert own.data.shape == (4, 4)
    assert len(viewer.layers) == 4
    assert viewer.layers[3].name == "Fused: t1 + pet [1]"


def test_results_are_not_inputs_and_other_images_make_another_result(
    make, viewer, images, tiny_pipeline, notifications, qtbot
):
    widget = make(viewer, tiny_pipeline)
    run(widget, qtbot)
    assert set(widget.image_a.choices) == {None, *images}
    images[1].metadata[KEY]["modality"] = "CT"
    run(widget, qtbot)
    assert [layer.rgb for layer in viewer.layers[2:]] == [True, False]
    assert [layer.visible for layer in viewer.layers[2:]] == [False, True]


def test_cancel_really_stops_and_says_so(make, viewer, slow_pipeline, notifications, qtbot):
    widget = make(viewer, slow_pipeline)
    widget.fuse.native.click()
    qtbot.waitUntil(lambda: widget.progress.value > 3, timeout=120_000)
    assert widget.cancel.enabled
    assert slow_pipeline.thread != threading.main_thread().name
    widget.cancel.native.click()
    assert widget.cancel.text == "Cancelling..."
    assert not widget.cancel.enabled
    assert widget.running, "it may not say it has stopped before it has"
    qtbot.waitUntil(lambda: not widget.running, timeout=120_000)
    assert slow_pipeline.stopped.is_set()
    assert (widget.cancel.text, widget.cancel.enabled) == ("Cancel", False)
    assert widget.fuse.enabled
    assert widget.progress.value == 0
    assert len(viewer.layers) == 2
    assert notifications == []


def test_cancel_stops_the_real_pipeline(make, viewer, hold, notifications, qtbot):
    pipeline = hold(lambda progress: progress.slices > 1 and progress.step == 3)
    widget = make(viewer, pipeline)
    steps = []
    widget._runner.progressed.connect(lambda step, *_: steps.append(step))
    widget.quality.value = "best"
    widget.fuse.native.click()
    qtbot.waitUntil(lambda: widget.progress.value == 2, timeout=120_000)
    widget.cancel.native.click()
    pipeline.release()
    qtbot.waitUntil(lambda: not widget.running, timeout=120_000)
    assert max(steps) <= 3, "the next step is the last"
    assert len(viewer.layers) == 2
    assert notifications == []
    widget.quality.value = "fast"
    run(widget, qtbot)  # and it can be used again
    assert len(viewer.layers) == 3


def test_the_pipeline_is_made_once_and_in_the_worker(viewer, tiny_pipeline, notifications, qtbot):
    made = []

    def make_pipeline(device: str):
        made.append((device, threading.current_thread() is threading.main_thread()))
        return tiny_pipeline

    widget = FusionWidget(viewer, make_pipeline)
    qtbot.addWidget(widget.native)
    assert made == []
    run(widget, qtbot)
    run(widget, qtbot)
    assert made == [("auto", False)]


def test_without_further_ado_the_embedded_weights_are_used(notifications, qtbot):
    viewer = ViewerModel()
    for seed in (0, 1):
        values = np.random.default_rng(seed).random((32, 40))
        viewer.add_image(values, name=f"image {seed}", scale=(2, 3))
    widget = FusionWidget(viewer)
    qtbot.addWidget(widget.native)
    widget.quality.value, widget.device.value = "fast", "cpu"
    run(widget, qtbot)
    fused = viewer.layers["Fused: image 0 + image 1, fast"]
    assert fused.data.shape == (32, 40)
    assert tuple(fused.scale) == (2, 3)
    assert fused.metadata[KEY]["record"]["weights"].startswith("light")


def test_options_reach_the_pipeline(make, viewer, slow_pipeline, qtbot):
    slow_pipeline.allow()
    widget = make(viewer, slow_pipeline)
    widget.prompt.value = "  tumour "
    widget.strength.value, widget.seed.value = 1.5, 11
    widget.quality.value = "best"
    assert widget.strength.label == "Strength 1.50"
    run(widget, qtbot)
    call = slow_pipeline.calls[0]
    assert call["a"].modality == "MR"
    assert call["b"].unit == "SUVbw"
    del call["a"], call["b"]
    assert call == {"prompt": "tumour", "quality": "best", "strength": 1.5, "seed": 11}


@pytest.mark.parametrize(
    ("prompt", "word"), [("xylophone", "xylophone"), ("tumor, xylophone", "xylophone")]
)
def test_an_unknown_prompt_is_one_sentence(
    prompt, word, make, viewer, tiny_pipeline, notifications, qtbot
):
    widget = make(viewer, tiny_pipeline)
    widget.prompt.value = prompt
    run(widget, qtbot)
    assert notifications == []
    assert widget.message.level == "warning"
    said = " ".join([widget.message.text, *widget.message.details])
    assert word in said
    assert "Traceback" not in said
    assert "mask=" not in said
    assert len(viewer.layers) in (2, 4)  # a locator may go on with the terms it knows
    assert widget.fuse.enabled


def test_nothing_is_checked_before_fuse_is_pressed(make, slow_pipeline, notifications, qtbot):
    viewer = ViewerModel()
    viewer.add_points(np.zeros((1, 2)))
    widget = make(viewer, slow_pipeline)
    assert widget.image_a.value is None
    assert notifications == []
    widget.fuse.native.click()
    assert notifications == [
        "Fusion needs two image layers: open or choose an image for A and for B."
    ]
    first = viewer.add_image(np.ones((3, 3)), name="one")
    assert (widget.image_a.value, widget.image_b.value) == (first, None)
    second = viewer.add_image(np.ones((3, 3)), name="two")
    assert (widget.image_a.value, widget.image_b.value) == (first, second)
    assert len(notifications) == 1
    assert slow_pipeline.calls == []


def test_the_same_layer_twice_is_refused(make, viewer, slow_pipeline, notifications, qtbot):
    widget = make(viewer, slow_pipeline)
    widget.image_b.value = widget.image_a.value
    widget.fuse.native.click()
    assert notifications == ["Image A and image B are both 't1'; choose two different layers."]
    viewer.add_points(np.zeros((1, 3)))
    assert widget.image_b.value is widget.image_a.value, "the user's choice stays"
    assert slow_pipeline.calls == []


def test_the_time_point_displayed_is_fused(make, viewer, tiny_pipeline, notifications, qtbot):
    series = np.random.default_rng(0).random((3, 2, 24, 24), dtype=np.float32)
    viewer.layers.clear()
    movie = viewer.add_image(series, name="movie")
    still = viewer.add_image(series[1] * 0.5, name="still")
    widget = make(viewer, tiny_pipeline)
    widget.image_a.value, widget.image_b.value = movie, still
    viewer.dims.set_current_step(0, 2)
    run(widget, qtbot)
    assert notifications == []
    (fused,) = (v for v in viewer.layers if v not in (movie, still))
    expected = tiny_pipeline(series[2], series[1] * 0.5, quality=widget.quality.value).fused
    np.testing.assert_allclose(np.asarray(fused.data), expected, atol=0.02)


def test_a_layer_that_is_not_a_volume_is_named(make, viewer, tiny_pipeline, notifications, qtbot):
    widget = make(viewer, tiny_pipeline)
    widget.image_b.value = viewer.add_image(np.zeros((2, 2, 3, 4, 5)), name="movie")
    run(widget, qtbot)
    assert len(notifications) == 1
    assert "'movie'" in notifications[0]
    assert "2 x 2 x 3 x 4 x 5" in notifications[0]


def test_a_bug_is_told_in_one_sentence_and_logged(make, viewer, notifications, caplog, qtbot):
    def broken(*args, **kwargs):
        raise RuntimeError("out of memory\nsecond line")

    widget = make(viewer, SimpleNamespace(session=broken))
    run(widget, qtbot)
    assert notifications == ["The fusion failed unexpectedly (RuntimeError: out of memory)."]
    assert "second line" in caplog.text
    assert widget.fuse.enabled


def test_a_layer_may_be_deleted_during_a_run(
    make, viewer, images, slow_pipeline, tiny_pipeline, notifications, qtbot
):
    widget = make(viewer, slow_pipeline)
    extent = images[0].extent.world
    slow_pipeline.result = tiny_pipeline(
        Volume(images[0].data), Volume(np.ones_like(images[0].data)), steps=1
    )
    widget.fuse.native.click()
    qtbot.waitUntil(slow_pipeline.started.is_set, timeout=120_000)
    viewer.layers.clear()
    slow_pipeline.allow()
    qtbot.waitUntil(lambda: not widget.running, timeout=120_000)
    assert [layer.name for layer in viewer.layers] == ["Fused: t1 + pet"]
    np.testing.assert_array_equal(viewer.layers[0].extent.world, extent)


def test_closing_the_panel_stops_the_run(viewer, slow_pipeline, notifications, qtbot):
    widget = FusionWidget(viewer, make_pipeline=lambda device: slow_pipeline)
    widget.fuse.native.click()
    qtbot.waitUntil(slow_pipeline.started.is_set, timeout=120_000)
    widget.native.deleteLater()
    qtbot.waitUntil(slow_pipeline.stopped.is_set, timeout=120_000)
    qtbot.wait(50)
    assert len(viewer.layers) == 2
    assert notifications == []

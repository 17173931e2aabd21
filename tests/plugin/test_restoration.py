"""In a real window: how much is restored, and that both of two images are seen."""

from __future__ import annotations

import json

import numpy as np
import pytest

from napari_textdifuse import Volume, write
from napari_textdifuse.colormaps import apply_colours, colour_table
from napari_textdifuse.napari_plugin.fuse.availability import always_restored
from napari_textdifuse.napari_plugin.fuse.outcome import in_panel_words, restoration_words
from napari_textdifuse.napari_plugin.fuse.widget import FusionWidget
from napari_textdifuse.napari_plugin.layers import to_layer
from napari_textdifuse.weights import embedded_names


def head(modality: str, unit: str = "a.u.") -> Volume:
    values = np.random.default_rng(len(modality)).random((20, 24)).astype(np.float32)
    return Volume(values, affine=np.diag([-4.0, -4, 5, 1]), modality=modality, unit=unit)


@pytest.fixture(scope="module")
def embedded():
    from napari_textdifuse.fusion import FusionPipeline

    return FusionPipeline.from_pretrained(device="cpu")


@pytest.fixture
def window(make_napari_viewer, embedded):
    viewer = make_napari_viewer(show=True)
    for volume in (head("MR"), head("PT", "SUVbw")):
        viewer._add_layer_from_data(*to_layer(volume, volume.modality))
    widget = FusionWidget(viewer, make_pipeline=lambda device: embedded)
    viewer.window.add_dock_widget(widget, name="Fuse")
    widget.quality.value = "fast"
    return viewer, widget


def run(widget, qtbot):
    widget.fuse.native.click()
    qtbot.waitUntil(lambda: not widget.running, timeout=120_000)
    assert widget.message.level == "info", widget.message.text


def record(viewer):
    return viewer.layers[-1].metadata["textdifuse"]["record"]


def test_restoration_is_recorded_said_and_remembered(window, qtbot):
    viewer, widget = window
    run(widget, qtbot)
    full = viewer.layers[-1]
    assert record(viewer)["restore"] == {"noise": 1.0, "light": 1.0, "colour": 1.0}
    assert "estoration" not in widget.message.text
    assert "estoration" not in full.name
    widget.restoration.all.value = 0
    assert widget.restoration.label == "Restoration 0 %"
    run(widget, qtbot)
    assert record(viewer)["restore"] == {"noise": 0.0, "light": 0.0, "colour": 0.0}
    assert widget.message.text.endswith("Restoration 0 %.")
    measured = viewer.layers[-1]
    assert measured is not full
    assert full in viewer.layers, "another setting is another result"
    assert "restoration 0 %" in measured.name
    assert np.abs(measured.data - full.data).mean() > 1e-3
    widget.restoration.each.native.click()
    assert widget.restoration.sliders["light"].native.isVisible()
    widget.restoration.sliders["light"].value = 50
    widget.restoration.sliders["colour"].value = 100
    run(widget, qtbot)
    assert record(viewer)["restore"] == {"noise": 0.0, "light": 0.5, "colour": 1.0}
    assert widget.message.text.endswith("Restoration of noise 0 %, light 50 %.")
    again = FusionWidget(viewer)
    qtbot.addWidget(again.native)
    assert again.restoration.value == {"noise": 0.0, "light": 0.5, "colour": 1.0}
    widget.reset.native.click()
    assert widget.restoration.wanted is None
    assert widget.restoration.sliders["light"].value == 100


def test_what_weights_always_restore_is_greyed_with_the_reason(window, qtbot, tmp_path):
    _, widget = window
    assert always_restored(None) == {}
    from napari_textdifuse.weights import open_folder

    config = dict(open_folder(embedded_names()[0]).config)
    config["unet"] = {k: v for k, v in config["unet"].items() if k != "restore"}
    config["name"] = "older"
    (tmp_path / "config.json").write_text(json.dumps(config))
    reasons = always_restored(str(tmp_path))
    assert set(reasons) == {"noise", "light"}
    box = widget.restoration
    box.value = 0.5
    box.each.native.click()
    box.follow(reasons)
    assert not box.all.enabled
    assert "older" in box.all.tooltip
    assert [box.sliders[k].enabled for k in ("noise", "light", "colour")] == [False, False, True]
    assert box.wanted == {"noise": 1.0, "light": 1.0, "colour": 0.5}
    box.follow({})
    assert box.all.enabled
    assert box.wanted == {"noise": 0.5, "light": 0.5, "colour": 0.5}


def test_restoration_in_words():
    assert restoration_words(None) == ""
    assert restoration_words({"noise": 1, "light": 1, "colour": 1}) == ""
    assert restoration_words({"noise": 0.25, "light": 0.25, "colour": 0.25}) == "restoration 25 %"
    assert restoration_words({"light": 0}) == "restoration of light 0 %"
    text = "The weights x always mend noise; use restore=1, or the embedded weights."
    assert "set Restoration to 100 %, or" in in_panel_words(text)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (("MR", "a.u."), ("CT", "HU")),
        (("CT", "HU"), ("MR", "a.u.")),
        (("PT", "SUVbw"), ("MR", "a.u.")),
        (("MR", "a.u."), ("PT", "SUVbw")),
        (("MR", "a.u."), ("MR", "a.u.")),
        (("VIS", "a.u."), ("IR", "a.u.")),
    ],
)
def test_the_second_image_lets_the_first_through(make_napari_viewer, tmp_path, first, second):
    viewer = make_napari_viewer(show=True)
    level = {"CT": (-1000.0, 1000.0), "PT": (0.0, 10.0)}
    shape = (4, 20, 24)
    for name, (modality, unit), half in (("one", first, 0), ("two", second, 1)):
        low, high = level.get(modality, (0.0, 1.0))
        values = np.full(shape, low, np.float32)
        values[:, :, 12 * half : 12 * half + 12] = high
        volume = Volume(values, affine=np.diag([-4.0, -4, 5, 1]), modality=modality, unit=unit)
        write(tmp_path / f"{name}.nii.gz", volume)
        viewer.open(tmp_path / f"{name}.nii.gz", plugin="napari-textdifuse")
    top = viewer.layers[-1]
    assert top.name == "two"
    assert (top.blending, top.opacity) == ("translucent_no_depth", 0.5)
    assert (viewer.layers[0].blending, viewer.layers[0].opacity) == ("translucent_no_depth", 1)
    viewer.reset_view()
    picture = viewer.screenshot(canvas_only=True, flash=False)[..., :3].astype(float).max(axis=-1)
    rows, columns = picture.shape
    left, right = (picture[rows // 2, int(columns * part)] for part in (0.4, 0.6))
    assert min(left, right) > 60, "the bright half of each is seen"


def test_a_brain_window_does_not_bleach_the_mri(make_napari_viewer, tmp_path):
    """The soft tissue of a head CT is bright in its own window: the sum of both was white."""
    viewer = make_napari_viewer(show=True)
    for name, modality, level in (("ct", "CT", 60.0), ("mr", "MR", 900.0)):
        values = np.full((4, 20, 24), level, np.float32)
        values[:, :, :12] *= 0.6
        window = (0.0, 80.0) if modality == "CT" else (0.0, 1000.0)
        volume = Volume(
            values, affine=np.diag([-4.0, -4, 5, 1]), modality=modality, name=name, window=window
        )
        write(tmp_path / f"{name}.nii.gz", volume)
        viewer.open(tmp_path / f"{name}.nii.gz", plugin="napari-textdifuse")
        viewer.layers[-1].contrast_limits = window
    viewer.reset_view()
    picture = viewer.screenshot(canvas_only=True, flash=False)[..., 0].astype(float)
    rows, columns = picture.shape
    left, right = (picture[rows // 2, int(columns * part)] for part in (0.4, 0.6))
    assert right == pytest.approx(255 * (0.75 + 0.9) / 2, abs=4), "the mean of both"
    assert left == pytest.approx(0.6 * right, abs=4)


@pytest.mark.parametrize("functional", ["PT", "NM"])
def test_uptake_over_a_bright_t1_leaves_both_readable(make_napari_viewer, tmp_path, functional):
    """Their sum was white where the anatomy was bright, whatever the uptake."""
    viewer = make_napari_viewer(show=True)
    grey, level = np.zeros((4, 20, 24), np.float32), np.zeros((4, 20, 24), np.float32)
    grey[:, :10], grey[:, 10:] = 900, 400
    level[:, :, :12], level[:, :, 12:] = 2, 9
    for name, modality, values in (("t1", "MR", grey), ("uptake", functional, level)):
        affine = np.diag([-4.0, -4, 5, 1])
        write(tmp_path / f"{name}.nii.gz", Volume(values, affine=affine, modality=modality))
        viewer.open(tmp_path / f"{name}.nii.gz", plugin="napari-textdifuse")
    viewer.layers[0].contrast_limits, viewer.layers[1].contrast_limits = (0, 1000), (0, 10)
    viewer.layers[1].colorbar.visible = False
    viewer.reset_view()
    picture = viewer.screenshot(canvas_only=True, flash=False)[..., :3].astype(float)
    rows, columns = picture.shape[:2]
    for y, brightness in ((0.4, 0.9), (0.6, 0.4)):
        for x, share in ((0.4, 0.2), (0.6, 0.9)):
            colour = apply_colours(colour_table(), np.array(share))
            seen = picture[int(rows * y), int(columns * x)]
            np.testing.assert_allclose(seen, 255 * (brightness + colour) / 2, atol=4)


@pytest.mark.parametrize(
    ("modalities", "opacities"),
    [(("MR", "MR", "MR"), [1, 0.5, 1]), (("MR", "CT", "PT"), [1, 0.5, 0.5])],
)
def test_a_third_image_is_opaque_unless_it_is_functional(
    make_napari_viewer, tmp_path, modalities, opacities
):
    viewer = make_napari_viewer(show=True)
    for k, modality in enumerate(modalities):
        values = np.random.default_rng(k).random((4, 8, 9)).astype(np.float32)
        write(tmp_path / f"{k}.nii.gz", Volume(values, modality=modality))
        viewer.open(tmp_path / f"{k}.nii.gz", plugin="napari-textdifuse")
    assert [layer.opacity for layer in viewer.layers] == opacities


def test_cancel_reaches_work_that_reports_nothing(qtbot):
    import threading
    import time

    from napari_textdifuse.errors import Cancelled
    from napari_textdifuse.napari_plugin.task import FusionRun
    from napari_textdifuse.stopping import check_stop

    begun = threading.Event()

    def job(report):
        end = time.monotonic() + 120
        while time.monotonic() < end:  # as within one evaluation of a network
            begun.set()
            check_stop()
            time.sleep(0.002)

    run, outcomes = FusionRun(job), []
    run.finished.connect(outcomes.append)
    run.start()
    assert begun.wait(120)
    run.cancel()
    qtbot.waitUntil(lambda: bool(outcomes), timeout=120_000)
    assert isinstance(outcomes[0], Cancelled)

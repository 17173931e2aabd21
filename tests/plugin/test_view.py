"""Ways of looking at a result, in a real window: fade, three planes, projection, live balance."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from qtpy.QtCore import QPointF

from napari_textdifuse import Volume
from napari_textdifuse.napari_plugin.planes.picture import draw, field_of
from napari_textdifuse.napari_plugin.planes.widget import PlanesWidget

#: RAS mm, oblique to no axis, the patient's left at low x of the array.
AFFINE = np.array([[-4.0, 0, 0, 40], [0, -4, 0, 36], [0, 0, 5, -20], [0, 0, 0, 1]])


def head(modality: str, unit: str = "a.u.") -> Volume:
    """Noise, with a hot spot on the patient's left, far in front, in slices 4 and 5."""
    values = np.random.default_rng(len(modality + unit)).random((6, 20, 24)).astype(np.float32) + 1
    values[4:, 2:5, 18:22] = 14
    return Volume(values, affine=AFFINE, modality=modality, unit=unit, name=modality.lower())


@pytest.fixture
def window(panel_in_window):
    return panel_in_window(head("MR"), head("PT", "SUVbw"))


def run(widget, qtbot):
    widget.fuse.native.click()
    qtbot.waitUntil(lambda: not widget.running, timeout=120_000)


def looks(viewer):
    return {
        layer.name: (layer.visible, layer.opacity, str(layer.blending)) for layer in viewer.layers
    }


def test_fade_planes_and_projection(window, qtbot, notifications):
    viewer, widget = window
    widget.prompt.value = "tumour"
    run(widget, qtbot)
    mr, pt = viewer.layers["mr"], viewer.layers["pt"]
    fused, mask = viewer.layers[-2], viewer.layers[-1]
    before = looks(viewer)

    # one slider from A over B to the fused image, and back to what was there
    widget.view.fade.value = 0.0
    assert (mr.visible, mr.opacity, fused.visible) == (True, 1.0, False)
    widget.view.fade.value = 1.5
    assert (pt.visible, fused.visible, fused.opacity) == (True, True, 0.5)
    assert mask.visible, "outlines stay"
    widget.view.fade.value = 2.0
    assert looks(viewer) == before

    viewer.dims.set_current_step(0, 4)
    # the projection shows the PET alone, not mirrored: the patient's left on the right
    assert "pt" in widget.view.projection.tooltip
    widget.view.projection.native.click()
    assert [layer.name for layer in viewer.layers if layer.visible] == ["pt"]
    assert (viewer.dims.ndisplay, pt.rendering) == (3, "mip")
    shot = viewer.screenshot(flash=False)[..., :3].sum(axis=-1).astype(int)
    rows, columns = np.nonzero(shot > 0.9 * shot.max())
    assert columns.mean() > shot.shape[1] / 2, "seen from the front"
    assert rows.mean() < shot.shape[0] / 2, "the head at the top"
    widget.view.projection.native.click()
    assert viewer.dims.ndisplay == 2
    assert looks(viewer) == before
    assert viewer.dims.current_step[0] == 4, "the slice is the same"

    # three planes in one click, linked with the viewer
    widget.view.planes.native.click()
    planes = next(w for w in viewer.window._qt_window.findChildren(PlanesWidget))
    planes.draw()
    axial, coronal, sagittal = planes.views
    assert axial.picture.shape[:2] == (213, 256)
    axial.resize(256, 213)
    area = axial.area()
    axial._point_at(QPointF(area.left() + 0.25 * area.width(), area.top() + 0.5 * area.height()))
    low, high = fused.extent.world[:, -1] + (-2, 2)
    assert viewer.dims.point[-1] == pytest.approx(low + 0.25 * (high - low), abs=2.1)
    coronal.stepped.emit(1, 1)
    assert viewer.dims.point[-2] == pytest.approx(np.mean(fused.extent.world[:, -2]), abs=6.1)
    assert coronal._field.ends(0) == ("S", "I")
    assert sagittal._field.ends(1) == ("A", "P")
    assert axial._field.ends(2) == ("R", "L")
    assert notifications == []


def test_planes_show_what_the_viewer_shows(window):
    viewer, _ = window
    mr = viewer.layers["mr"]
    viewer.layers["pt"].visible = False
    field = field_of([mr])
    world = mr.data_to_world((5, 3, 20))
    low, high = mr.contrast_limits
    for axis in range(3):
        picture = draw([mr], field, world, axis)
        down, right = ((1, 2), (0, 2), (0, 1))[axis]
        row = int(field.share(down, world[down]) * picture.shape[0])
        column = int(field.share(right, world[right]) * picture.shape[1])
        expected = np.clip((14 - low) / (high - low), 0, 1) * 255
        np.testing.assert_allclose(picture[row, column], expected, atol=1)
    # z runs to the head, which is at the top of the coronal plane
    assert field.share(0, world[0]) < 0.5
    labels = np.zeros(mr.data.shape, np.uint8)
    labels[5, 2:5, 18:22] = 1
    mask = viewer.add_labels(labels, scale=mr.scale, translate=mr.translate, units=mr.units)
    mask.contour = 1
    outlined = draw([mask], field, world, 0)
    middle = int(field.share(1, world[1]) * 213), int(field.share(2, world[2]) * 256)
    assert outlined.any()
    assert not outlined[middle].any(), "an outline lets through what it marks"


def test_the_balance_acts_on_the_slice_displayed_first(panel_in_window, hold, qtbot, tiny_pipeline):
    armed = threading.Event()
    pipeline = hold(lambda progress: armed.is_set() and progress.slices > 1)
    viewer, widget = panel_in_window(head("MR"), head("PT", "SUVbw"), pipeline=pipeline)
    ended = []
    widget._runner.finished.connect(lambda job, outcome: ended.append(job))
    widget.prompt.value = "tumour"
    run(widget, qtbot)
    fused, mask = viewer.layers[-2], viewer.layers[-1]
    order = list(viewer.layers)
    first = np.array(fused.data)
    viewer.dims.set_current_step(0, 4)
    seen = []
    fused.events.data.connect(lambda: seen.append(np.array(fused.data)))
    ended.clear()
    widget.balance.value = 0.5
    assert not widget.running, "debounced"
    qtbot.waitUntil(lambda: len(ended) == 2, timeout=120_000)
    assert [job.only for job in ended] == [4, None]
    changed = [k for k in range(6) if not np.array_equal(seen[0][k], first[k])]
    assert changed == [4], "the slice in sight comes first, and alone"
    assert list(viewer.layers) == order, "nothing was added or moved"
    a, b = (viewer.layers[name] for name in ("mr", "pt"))
    scratch = tiny_pipeline(a, b, "tumour", quality="fast", balance=0.5)
    np.testing.assert_allclose(fused.data, scratch.fused, atol=1e-5)
    np.testing.assert_allclose(seen[0][4], scratch.fused[4], atol=1e-5)
    assert fused.name == "Fused: mr + pt, tumour, fast, balance +0.5"
    assert mask.name == "Mask: tumour, fast, balance +0.5 (mr + pt)"
    # the same choice by the button is the same result
    run(widget, qtbot)
    assert list(viewer.layers) == order
    # a correction keeps the balance
    mask.paint((1, 10, 10), 1)
    widget.update_from_mask.native.click()
    qtbot.waitUntil(lambda: not widget.running, timeout=120_000)
    record = fused.metadata["textdifuse"]["record"]
    assert record["balance"] == 0.5
    assert fused.name.endswith("corrected")
    # stopped: as it was
    now = np.array(fused.data)
    armed.set()
    widget.balance.value = -0.5
    qtbot.waitUntil(pipeline.reached.is_set, timeout=120_000)
    qtbot.waitUntil(lambda: not np.array_equal(fused.data[4], now[4]), timeout=120_000)
    widget.cancel.native.click()
    pipeline.release()
    qtbot.waitUntil(lambda: not widget.running, timeout=120_000)
    assert widget.balance.value == 0.5
    assert widget.message.text.startswith("Cancelled")
    np.testing.assert_array_equal(fused.data, now)
    qtbot.wait(400)
    assert not widget.running, "the slider's return starts nothing"


def test_a_session_with_another_balance_is_one_that_was_opened_with_it(tiny_pipeline):
    a, b = head("MR"), head("PT", "SUVbw")
    session = tiny_pipeline.session(a, b, quality="fast")
    session.fuse()
    other = session.with_balance(0.4)
    expected = tiny_pipeline(a, b, quality="fast", balance=0.4)
    np.testing.assert_allclose(other.fuse().fused, expected.fused, atol=1e-6)
    one = session.with_balance(0.4, 2).fuse()
    np.testing.assert_allclose(one.fused, expected.fused[2:3], atol=1e-6)
    np.testing.assert_allclose(one.affine, session.fuse().affine @ shift(2))


def shift(z: float) -> np.ndarray:
    matrix = np.eye(4)
    matrix[2, 3] = z
    return matrix

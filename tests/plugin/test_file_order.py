"""A layer's axes and those of its file: arrays, places, drawings and slices follow each other."""

from __future__ import annotations

import re
from types import SimpleNamespace

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Layer
from nibabel.orientations import axcodes2ornt, inv_ornt_aff, ornt_transform

from napari_textdifuse import Volume
from napari_textdifuse.napari_plugin.file_order import turn_of
from napari_textdifuse.napari_plugin.fuse.widget import FusionWidget
from napari_textdifuse.napari_plugin.layers import to_layer
from napari_textdifuse.spatial.layers import read_layer

SHAPE = (4, 5, 6)
CODES = ["LPS", "RAS", "PIR", "SLA", "AIL", "IRP", "RSA", "LAI"]


def stored_as(codes):
    """An affine of RAS mm whose index axes x, y, z run along these directions."""
    turn = ornt_transform(axcodes2ornt("RAS"), axcodes2ornt(tuple(codes)))
    affine = np.diag([1.5, 2.0, 3.0, 1]) @ np.linalg.inv(inv_ornt_aff(turn, SHAPE[::-1]))
    affine[:3, 3] = 7, -9, 11
    return affine


@pytest.fixture(params=CODES)
def stored(request, phantom):
    return phantom(stored_as(request.param), SHAPE, name=request.param)


def test_a_file_comes_back_bit_by_bit(stored):
    layer = Layer.create(*to_layer(stored))
    turn = turn_of(layer)
    if stored.name == "LPS":
        assert turn is None, "as on the screen"
        return
    back = turn.volume_to_file(read_layer(layer, "a"))
    np.testing.assert_array_equal(back.array, stored.array)
    np.testing.assert_array_equal(back.affine, stored.affine)
    again = turn.volume_to_layer(back)
    np.testing.assert_array_equal(again.array, layer.data)
    np.testing.assert_allclose(again.affine, layer.metadata["textdifuse"]["affine"], atol=1e-9)


def test_a_layer_that_was_cut_has_the_place_of_its_part(stored):
    layer = Layer.create(*to_layer(stored))
    turn = turn_of(layer)
    if turn is None:
        return
    layer.data = layer.data[:, :3]  # at its end: the transform stays
    back = turn.volume_to_file(read_layer(layer, "a"))
    x, y, z = (
        back.affine
        @ np.array([*np.indices(back.shape)[::-1].reshape(3, -1), [1] * back.array.size], float)
    )[:3]
    np.testing.assert_allclose(back.array.ravel(), 1000 + x + 0.1 * y + 0.01 * z, rtol=1e-5)


def test_points_boxes_and_slices_follow(stored):
    layer = Layer.create(*to_layer(stored))
    turn = turn_of(layer)
    if turn is None:
        return
    index = (1, 2, 3)  # z, y, x of the layer
    (point,) = turn.points_to_file([np.array(index[::-1]) + 0.5], layer.data.shape)
    assert stored.array[tuple((point[::-1] - 0.5).astype(int))] == layer.data[index]
    box = np.array([[1, 0, 2, 3, 4, 3]])
    (filed,) = turn.boxes_to_file(box, layer.data.shape)
    low, high = filed[:3][::-1].astype(int), filed[3:][::-1].astype(int)
    inside = stored.array[tuple(slice(v, w) for v, w in zip(low, high, strict=True))]
    np.testing.assert_array_equal(
        np.sort(inside.ravel()), np.sort(layer.data[2:3, 0:4, 1:3].ravel())
    )
    np.testing.assert_array_equal(turn.boxes_to_layer([filed], layer.data.shape), box)
    for axis in range(3):
        for chosen in (1, (1, 3)):
            options = turn.extent_to_file(
                {"axis": axis, "slices": chosen, "seed": 3}, layer.data.shape
            )
            assert options.pop("seed") == 3
            found = options["slices"]
            part = slice(*found) if isinstance(found, tuple) else slice(found, found + 1)
            wanted = slice(*chosen) if isinstance(chosen, tuple) else slice(chosen, chosen + 1)
            a = np.moveaxis(stored.array, options.get("axis", 0), 0)[part]
            b = np.moveaxis(layer.data, axis, 0)[wanted]
            np.testing.assert_array_equal(np.sort(a.ravel()), np.sort(b.ravel()))


class Stored:
    """A session in the file's order that marks one voxel and stops after some slices."""

    def __init__(self, pair, done):
        self.pair, self.done = pair, done

    def fuse(self, prompt, callback, **asked):
        from napari_textdifuse.errors import Cancelled
        from napari_textdifuse.fusion.progress import Progress
        from napari_textdifuse.fusion.result import FusionResult
        from napari_textdifuse.locate import Detections

        a, chosen = self.pair.a.array, self.pair.selection
        self.asked = asked
        for index in range(self.done):
            plane = np.moveaxis(a, chosen.axis, 0)[chosen.start + index]
            padded = np.pad(plane, ((0, 2), (0, 3)))
            callback(Progress(index, self.done, index, len(chosen), padded))
        part = np.moveaxis(
            np.moveaxis(a, chosen.axis, 0)[chosen.start :][: self.done], 0, chosen.axis
        )
        record = {"slices": chosen.to_dict(), "complete": self.done == len(chosen)}
        grid = self.pair.grid(self.done)
        rows = [{"centroid_voxel": [0, part.shape[1] - 1, 0]}]
        result = FusionResult(
            part, None, Detections(), part, None, record, affine=grid.affine, objects=rows
        )
        if self.done < len(chosen):
            raise Cancelled("stopped", partial=result)
        return result


@pytest.mark.parametrize(("axis", "done"), [(0, 3), (0, 2), (1, 3), (2, 1)])
def test_a_session_of_a_file_is_seen_in_the_order_of_its_layer(stored, axis, done):
    from napari_textdifuse.errors import Cancelled
    from napari_textdifuse.fusion.pair import Pair
    from napari_textdifuse.fusion.slices import Selection
    from napari_textdifuse.napari_plugin.fuse.job import place_of
    from napari_textdifuse.napari_plugin.fuse.outcome import describe
    from napari_textdifuse.napari_plugin.fuse.turned_session import TurnedSession

    layer = Layer.create(*to_layer(stored))
    turn = turn_of(layer)
    if turn is None:
        return
    options = turn.extent_to_file({"axis": axis, "slices": (1, 4)}, layer.data.shape)
    start, stop = options["slices"]
    count = stored.shape[options.get("axis", 0)]
    chosen = Selection(options.get("axis", 0), start, stop, count)
    session = TurnedSession(Stored(Pair(stored, stored, chosen, {}), done), turn)
    assert (session.pair.selection.axis, session.pair.selection.start) == (axis, 1)
    seen = {}
    try:
        result = session.fuse(None, callback=lambda s: seen.__setitem__(s.slice_index, s.estimate))
    except Cancelled as cancelled:
        result = cancelled.partial
    shown = np.moveaxis(layer.data, axis, 0)
    for index, estimate in seen.items():
        np.testing.assert_array_equal(estimate, shown[1 + index])
    assert len(seen) == done
    found_axis, first = place_of(result)
    assert found_axis == axis
    part = np.moveaxis(shown[first : first + done], 0, axis)
    np.testing.assert_array_equal(result.fused, part)
    index = result.objects[0]["centroid_voxel"]
    assert result.fused[tuple(index)] == session.latest.fused[0, -1, 0]
    assert result.record["objects"] == result.objects
    if done < 3:
        message = describe(Cancelled("stopped", partial=result), ("a", "b"), place_of(result), 3)
        assert message.text.startswith(f"Cancelled: {done} of 3 slices kept, slice")
        assert re.search(rf"slices? {first}\b", message.text)
    world = read_layer(layer, "a").affine @ np.eye(4)
    corner = np.eye(4)
    corner[2 - axis, 3] = first
    np.testing.assert_allclose(result.affine, world @ corner, atol=1e-9)
    np.testing.assert_array_equal(session.latest.fused.shape, session.latest.contribution.shape)


def test_a_layer_of_other_axes_has_no_order_of_a_file(stored):
    known = to_layer(stored)[1]["metadata"]
    assert turn_of(SimpleNamespace(metadata=known, ndim=2)) is None
    flat = Volume(np.zeros((4, 5)), affine=np.eye(4))
    assert turn_of(Layer.create(*to_layer(flat))).axes == (0, 1)


@pytest.mark.parametrize("codes", ["RAS", "PIR"])
def test_a_panel_on_files_of_another_order(qtbot, tiny_pipeline, notifications, codes):
    model = ViewerModel()
    for seed, (name, modality) in enumerate([("t1", "MR"), ("t2", "MR")]):
        values = np.random.default_rng(seed).random(SHAPE).astype(np.float32) + 1
        volume = Volume(values, affine=stored_as(codes), modality=modality, name=name)
        model.add_layer(Layer.create(*to_layer(volume)))
    panel = FusionWidget(model, make_pipeline=lambda device: tiny_pipeline)
    qtbot.addWidget(panel.native)
    panel.quality.value = "fast"
    a = panel.image_a.value
    depth, height, width = a.data.shape
    low, high, left, right = 0.6, 2.4, -0.4, 1.4
    corners = np.array([[1, low, left], [1, low, right], [1, high, right], [1, high, left]])
    model.add_shapes([corners], shape_type="rectangle", scale=a.scale, translate=a.translate)
    panel.reset_choices()
    panel.drawn.value = model.layers[-1]
    panel.follow.value = False
    panel.extent.what.value = "range"
    panel.extent.first.value, panel.extent.last.value = 1, depth - 1
    panel.fuse.native.click()
    qtbot.waitUntil(lambda: not panel.running, timeout=120_000)
    fused, mask = model.layers[-3], model.layers[-2]  # below the drawing
    assert mask.data.shape == (depth - 1, height, width)
    found = np.argwhere(mask.data)
    assert set(found[:, 0]) == {0}, "the box lies in slice 1, the first of the range"
    assert found[:, 1:].min(axis=0).tolist() == [1, 0]
    assert found[:, 1:].max(axis=0).tolist() == [2, 1]
    np.testing.assert_allclose(mask.data_to_world((0, 0, 0)), a.data_to_world((1, 0, 0)))
    assert f"slices 1-{depth - 1}" in fused.name
    # one slice of the displayed result with another balance, and all of them
    one, all_of_them = (panel._shown.rebalanced(fused, 0.4, only) for only in (2, None))
    slices = [job.run(lambda state: True).fused for job in (one, all_of_them)]
    assert slices[0].shape == (1, height, width)
    np.testing.assert_array_equal(slices[0][0], slices[1][1])
    # a correction on the mask
    mask.data[1, :2, :2] = 1
    before = fused.data.copy()
    model.layers.selection.active = mask
    panel.update_from_mask.native.click()
    qtbot.waitUntil(lambda: not panel.running, timeout=120_000)
    changed = np.abs(fused.data - before).reshape(depth - 1, -1).max(axis=1) > 0
    assert np.flatnonzero(changed).tolist() == [1]
    assert notifications == []

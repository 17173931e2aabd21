from __future__ import annotations

import dask.array as da
import numpy as np
import pytest

from napari_textdifuse import Volume
from napari_textdifuse.colour import rgb_to_ycbcr, ycbcr_to_rgb
from napari_textdifuse.errors import Cancelled, GeometryError, InputError
from napari_textdifuse.fusion import pair as pair_module
from napari_textdifuse.locate.drawn import Drawing
from napari_textdifuse.spatial import Registration


def scan(shape=(5, 20, 24), seed=0, affine=None, **fields):
    values = np.random.default_rng(seed).random(shape).astype(np.float32) + 0.2
    return Volume(values, affine=np.diag([1.0, 1, 2, 1]) if affine is None else affine, **fields)


def square(shape=(20, 24), value=1, start=6):
    mask = np.zeros(shape, np.uint8)
    mask[..., start : start + 6, start : start + 8] = value
    return mask


def test_a_session_gives_the_pixels_of_a_run_from_scratch(tiny_pipeline):
    a, b = scan(), scan(seed=1)
    first, second = square(a.shape), square(a.shape, start=9)
    session = tiny_pipeline.session(a, b, seed=3)
    for mask, strength in (
        (None, 1.0),
        (first, 1.0),
        (second, 1.0),
        (second, {1: 0.3}),
        (None, 1.0),
    ):
        again = session.fuse(mask=mask, strength=strength)
        scratch = tiny_pipeline(a, b, mask=mask, strength=strength, seed=3)
        np.testing.assert_array_equal(again.fused, scratch.fused)
        np.testing.assert_array_equal(again.contribution, scratch.contribution)


def test_only_what_changed_is_computed(tiny_pipeline):
    a, b = scan(), scan(seed=1)
    session = tiny_pipeline.session(a, b)
    seen = []
    session.fuse(callback=seen.append)
    assert len(seen) == 5 * 4
    mask = square(a.shape)
    seen.clear()
    session.fuse(mask=mask, callback=seen.append)
    assert [p.step for p in seen] == list(range(1, 21))
    assert seen[-1].total == 20
    mask[3, 2, 2] = 1
    seen.clear()
    session.fuse(mask=mask, callback=seen.append)
    assert {p.slice_index for p in seen} == {3}
    assert [(p.step, p.total) for p in seen] == [(1, 4), (2, 4), (3, 4), (4, 4)]
    seen.clear()
    session.fuse(mask=mask, callback=seen.append)
    assert seen == []


def test_a_mask_that_is_painted_on_later_does_not_change_what_is_kept(tiny_pipeline):
    a, b = scan((20, 24), affine=np.eye(4)), scan((20, 24), 1, affine=np.eye(4))
    session = tiny_pipeline.session(a, b)
    mask = square()
    before = session.fuse(mask=mask)
    kept = before.fused.copy()
    mask[:] = 0
    mask[2:5, 2:5] = 1
    after = session.fuse(mask=mask)
    np.testing.assert_array_equal(before.fused, kept)
    np.testing.assert_array_equal(after.fused, tiny_pipeline(a, b, mask=mask).fused)


@pytest.mark.parametrize("memory", [0, 60_000])
def test_without_memory_everything_is_computed_again(tiny_pipeline, memory):
    a, b = scan(), scan(seed=1)
    mask = square(a.shape)
    session = tiny_pipeline.session(a, b, memory=memory)
    session.fuse(mask=mask)
    seen = []
    again = session.fuse(mask=mask, callback=seen.append)
    assert len(seen) == seen[-1].total == (40 if memory == 0 else 32)
    np.testing.assert_array_equal(again.fused, tiny_pipeline(a, b, mask=mask).fused)


def test_samples_are_kept_too(tiny_pipeline):
    a, b = scan(), scan(seed=1)
    session = tiny_pipeline.session(a, b, samples=2)
    session.fuse()
    again = session.fuse(mask=square(a.shape))
    scratch = tiny_pipeline(a, b, mask=square(a.shape), samples=2)
    np.testing.assert_array_equal(again.fused, scratch.fused)
    np.testing.assert_array_equal(again.uncertainty, scratch.uncertainty)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_range_is_what_it_is_in_the_whole(tiny_pipeline, axis):
    a, b = scan(), scan(seed=1)
    mask = square(a.shape)
    whole = tiny_pipeline(a, b, mask=mask, axis=axis)
    part = tiny_pipeline(a, b, mask=mask, axis=axis, slices=(1, 4))
    cut = (slice(None),) * axis + (slice(1, 4),)
    assert whole.fused.shape == a.shape
    np.testing.assert_array_equal(part.fused, whole.fused[cut])
    np.testing.assert_array_equal(part.contribution, whole.contribution[cut])
    np.testing.assert_array_equal(part.mask, mask[cut])
    shift = np.zeros(3)
    shift[2 - axis] = 1
    np.testing.assert_allclose(part.affine[:3, 3], (a.affine @ [*shift, 1])[:3])
    assert part.record["slices"] == {"axis": axis, "first": 1, "last": 3, "of": a.shape[axis]}
    assert whole.record["complete"]


def test_one_slice_of_a_volume_stays_a_volume(tiny_pipeline):
    a, b = scan(), scan(seed=1)
    result = tiny_pipeline(a, b, slices=-1, mask=square())
    assert result.fused.shape == result.mask.shape == (1, 20, 24)
    np.testing.assert_array_equal(result.mask[0], square())


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_masks_on_the_result_and_boxes_on_the_image_follow(tiny_pipeline, axis):
    a, b = scan((12, 14, 16)), scan((12, 14, 16), seed=1)
    mask = np.zeros(a.shape, np.uint8)
    mask[2:7, 3:8, 4:9] = 1
    cut = (slice(None),) * axis + (slice(1, 6),)
    boxed = tiny_pipeline(a, b, boxes=[[4, 3, 2, 9, 8, 7]], axis=axis, slices=(1, 6))
    np.testing.assert_array_equal(boxed.mask, mask[cut])
    where = np.nonzero(boxed.mask)
    ends = [[w.min() for w in where[::-1]] + [w.max() + 1 for w in where[::-1]]]
    np.testing.assert_array_equal(boxed.detections.boxes, ends)
    on_result = tiny_pipeline(a, b, mask=boxed.mask, axis=axis, slices=(1, 6))
    placed = Volume(mask, affine=a.affine)
    by_place = tiny_pipeline(a, b, mask=placed, axis=axis, slices=(1, 6))
    np.testing.assert_array_equal(on_result.fused, boxed.fused)
    np.testing.assert_array_equal(by_place.fused, boxed.fused)


def test_boxes_outside_the_range_are_said(tiny_pipeline):
    boxes = [[2, 2, 0, 6, 6, 1], [2, 2, 3, 6, 6, 4]]
    result = tiny_pipeline(scan(), scan(seed=1), boxes=boxes, slices=(3, 5))
    assert len(result.detections) == 1
    assert "1 of 2 boxes are outside the chosen slices." in result.record["warnings"]


@pytest.mark.parametrize("axis", [0, 1])
def test_slab_by_slab_gives_the_same(tiny_pipeline, monkeypatch, axis):
    """Lazy inputs in different grids, prepared two slices at a time."""
    turned = np.array([[1.1, 0, 0, -1], [0, 0.9, 0, 1], [0, 0, 1.5, 0], [0, 0, 0, 1.0]])
    a, b = scan((6, 20, 24)), scan((9, 24, 22), seed=1, affine=turned)
    mask = square(a.shape)
    whole = tiny_pipeline(a, b, mask=mask, axis=axis)
    pixels = a.array.size // a.shape[axis]
    monkeypatch.setattr(pair_module, "SLAB_PIXELS", 2 * pixels)
    lazy = [
        Volume(da.from_array(v.array, chunks=(1, -1, -1)), affine=v.affine, name=v.name)
        for v in (a, b)
    ]
    parts = tiny_pipeline(*lazy, mask=mask, axis=axis)
    np.testing.assert_allclose(parts.fused, whole.fused, atol=2e-3)
    np.testing.assert_array_equal(parts.mask, whole.mask)
    assert parts.record["inputs"] == whole.record["inputs"]


def test_the_running_estimate_of_a_slab_gets_the_colours_of_its_slice(tiny_pipeline, monkeypatch):
    monkeypatch.setattr(pair_module, "SLAB_PIXELS", 2 * 20 * 24)
    colours = np.random.default_rng(0).random((6, 20, 24, 3)).astype(np.float32)
    a = Volume(da.from_array(colours, chunks=(1, -1, -1, -1)), rgb=True, affine=np.eye(4))
    b = scan((6, 20, 24), affine=np.eye(4))
    session = tiny_pipeline.session(a, b, slices=(1, 6), steps=1, chroma="keep")
    seen = {}

    def keep(progress):
        estimate = np.full((20, 24), 0.5, np.float32)
        seen[progress.slice_index] = session.in_colour(progress.slice_index, estimate)

    session.fuse(callback=keep)
    assert sorted(seen) == [0, 1, 2, 3, 4]
    for index, shown in seen.items():
        expected = ycbcr_to_rgb(
            np.full((20, 24), 0.5, np.float32), rgb_to_ycbcr(colours[index + 1])[1]
        )
        np.testing.assert_allclose(shown, expected, atol=0.02)


def test_a_slab_may_lie_outside_the_other_image(tiny_pipeline, monkeypatch):
    monkeypatch.setattr(pair_module, "SLAB_PIXELS", 20 * 24)
    below = np.diag([1.0, 1, 2, 1])
    below[2, 3] = 8  # covers the last slice only
    result = tiny_pipeline(scan(), scan(seed=1, affine=below))
    assert (
        "Only 20% of image is covered by image; the rest was filled." in (result.record["warnings"])
    )
    below[2, 3] = 100
    with pytest.raises(GeometryError, match="do not overlap"):
        tiny_pipeline(scan(), scan(seed=1, affine=below))


def test_a_cancelled_volume_keeps_its_finished_slices(tiny_pipeline):
    a, b = scan(), scan(seed=1)
    boxes = [[2, 2, 0, 9, 9, 4], [12, 2, 3, 18, 9, 5]]
    whole = tiny_pipeline(a, b, boxes=boxes)
    with pytest.raises(Cancelled, match="2 of 5 slices") as stopped:
        tiny_pipeline(a, b, boxes=boxes, callback=lambda p: p.slice_index < 2)
    partial = stopped.value.partial
    np.testing.assert_array_equal(partial.fused, whole.fused[:2])
    np.testing.assert_array_equal(partial.mask, whole.mask[:2])
    np.testing.assert_array_equal(partial.detections.boxes, [[2, 2, 0, 9, 9, 2]])
    assert not partial.record["complete"]
    np.testing.assert_array_equal(partial.affine, a.affine)


@pytest.mark.parametrize("boxes", [None, [[2, 2, 0, 9, 9, 4]]], ids=["plain", "measured"])
def test_a_stop_within_an_evaluation_keeps_the_finished_slices_too(tiny_pipeline, boxes):
    """Objects are measured on the grid of image B, for which the mask is resampled."""
    from napari_textdifuse.stopping import stop_when

    a, b = scan(), scan(seed=1)
    whole = tiny_pipeline(a, b, boxes=boxes)
    reported, asked = [], []

    def wanted():
        asked.append(len(reported))
        return bool(reported) and reported[-1].slice_index == 2

    with stop_when(wanted), pytest.raises(Cancelled, match="2 of 5 slices") as stopped:
        tiny_pipeline(a, b, boxes=boxes, callback=lambda p: reported.append(p))
    assert reported[-1].step < reported[-1].total / 5 * 3, "before slice 2 was finished"
    assert max(np.bincount(asked)) > 3, "asked often within one evaluation"
    partial = stopped.value.partial
    np.testing.assert_array_equal(partial.fused, whole.fused[:2])
    assert [row["voxels"] for row in partial.objects] == [2 * 7 * 7] * (boxes is not None)


@pytest.mark.parametrize("shape", [(20, 24), (5, 20, 24)])
def test_nothing_finished_leaves_nothing(tiny_pipeline, shape):
    with pytest.raises(Cancelled, match="no result") as stopped:
        tiny_pipeline(scan(shape), scan(shape, seed=1), callback=lambda p: p.step < 3)
    assert stopped.value.partial is None


def test_a_session_survives_a_cancel(tiny_pipeline):
    a, b = scan(), scan(seed=1)
    session = tiny_pipeline.session(a, b)
    with pytest.raises(Cancelled):
        session.fuse(callback=lambda p: p.slice_index < 3)
    seen = []
    result = session.fuse(callback=seen.append)
    assert len(seen) == seen[-1].total == 2 * 4
    np.testing.assert_array_equal(result.fused, tiny_pipeline(a, b).fused)


def test_a_transform_moves_the_second_image(tiny_pipeline, tmp_path):
    a, b = scan(), scan(seed=1)
    away = np.eye(4)
    away[:3, 3] = [3, -2, 4]
    moved = Volume(b.array, affine=np.linalg.inv(away) @ b.affine)
    given = Registration(away, "rigid", None, float("nan"), 5.4, 0.0)
    result = tiny_pipeline(a, moved, register=given)
    np.testing.assert_array_equal(result.fused, tiny_pipeline(a, b).fused)
    assert result.record["registration"]["matrix"] == away.tolist()
    assert any("moved by a given rigid transform" in n for n in result.record["warnings"])
    file = given.save(tmp_path / "found.json")
    np.testing.assert_array_equal(tiny_pipeline(a, moved, register=file).fused, result.fused)


def test_registration_reports_and_stops(tiny_pipeline):
    seen = []

    def stop(progress):
        seen.append(progress)
        return False

    with pytest.raises(Cancelled):
        tiny_pipeline(scan(), scan(seed=1), register="rigid", callback=stop)
    assert seen[0].stage == "registration"
    assert seen[0].estimate is None


@pytest.mark.parametrize("wrong", ["rgid", 3])
def test_transforms_that_are_none(tiny_pipeline, wrong):
    with pytest.raises(InputError, match="register must be rigid, affine"):
        tiny_pipeline(scan(), scan(seed=1), register=wrong)


def test_time_points_are_chosen(tiny_pipeline):
    series = np.random.default_rng(0).random((3, 4, 20, 24)).astype(np.float32)
    b = scan((4, 20, 24), affine=np.eye(4)).array
    result = tiny_pipeline(series, b, time=2)
    np.testing.assert_array_equal(result.fused, tiny_pipeline(series[2], b).fused)
    assert result.record["time"] == [2, 2]
    with pytest.raises(InputError, match="3 time points"):
        tiny_pipeline(series, b)


def test_windows_change_the_image_and_are_recorded(tiny_pipeline):
    a, b = scan((20, 24)), scan((20, 24), seed=1)
    result = tiny_pipeline(a, b, windows={"b": (0.5, 0.9)})
    assert not np.array_equal(result.fused, tiny_pipeline(a, b).fused)
    assert result.record["inputs"]["b"]["window"] == [0.5, 0.9]
    assert result.record["inputs"]["b"]["window_from"] == "asked for"


def test_images_have_no_slices(tiny_pipeline):
    with pytest.raises(InputError, match="2-D image"):
        tiny_pipeline(scan((20, 24)), scan((20, 24)), slices=3)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_drawings_follow_the_slices(tiny_pipeline, axis):
    a, b = scan((12, 14, 16)), scan((12, 14, 16), seed=1)
    box = [4, 3, 2, 9, 8, 7]
    other = [box[3 * (k // 3) + k % 3] for k in range(6)]
    other[2 - axis], other[5 - axis] = 0, 1  # not in the range
    drawing = Drawing(
        boxes=[other, box],
        box_values=[7, 5],
        points=[np.full(3, 3.5), np.full(3, 0.5)],
        point_labels=[0, 0],
    )
    options = {"axis": axis, "slices": (1, 6), "refiner": "none"}
    result = tiny_pipeline(a, b, drawing=drawing, **options)
    filled = tiny_pipeline(a, b, boxes=[box], axis=axis, slices=(1, 6))
    np.testing.assert_array_equal(result.mask, 5 * filled.mask)
    assert result.record["drawn"] == "drawing"
    with pytest.raises(InputError, match="outside the chosen slices"):
        tiny_pipeline(a, b, drawing=Drawing(boxes=[other]), **options)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_polygon_lies_in_a_slice_of_the_axis(tiny_pipeline, axis):
    a, b = scan((12, 14, 16)), scan((12, 14, 16), seed=1)
    corners = np.full((4, 3), 3.5)
    along = [k for k in range(3) if k != 2 - axis]
    corners[:, along] = [[2, 2], [2, 8], [9, 8], [9, 2]]
    result = tiny_pipeline(a, b, drawing=Drawing(polygons=[corners]), axis=axis, slices=(2, 6))
    where = np.nonzero(result.mask)
    assert set(where[axis]) == {1}
    assert (result.mask != 0).sum() == 6 * 7


def test_painted_labels_of_a_drawing_lie_on_the_image_or_the_result(tiny_pipeline):
    a, b = scan(), scan(seed=1)
    mask = square(a.shape, value=3)
    options = {"slices": (1, 4), "refiner": "none"}
    whole = tiny_pipeline(a, b, drawing=Drawing(labels=mask), **options)
    part = tiny_pipeline(a, b, drawing=Drawing(labels=mask[1:4]), **options)
    np.testing.assert_array_equal(whole.mask, mask[1:4])
    np.testing.assert_array_equal(whole.mask, part.mask)


def test_one_kind_of_drawing_at_a_time(tiny_pipeline):
    a, b = scan((20, 24)), scan((20, 24), seed=1)
    with pytest.raises(InputError, match="only one of mask and drawing"):
        tiny_pipeline(a, b, mask=square(), drawing=Drawing(boxes=[1, 1, 5, 5]))


def test_the_same_mask_by_any_way_gives_the_same_image(tiny_pipeline):
    a, b = scan((20, 24)), scan((20, 24), seed=1)
    box = [6, 6, 14, 12]
    by_mask = tiny_pipeline(a, b, mask=square())
    by_box = tiny_pipeline(a, b, boxes=[box])
    drawn = tiny_pipeline(a, b, "ball", drawing=Drawing(boxes=[box]), refiner="none")
    assert drawn.label_names == {1: "ball"}
    np.testing.assert_array_equal(by_mask.fused, by_box.fused)
    np.testing.assert_array_equal(by_mask.fused, drawn.fused)

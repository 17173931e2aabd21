from __future__ import annotations

import dask.array as da
import numpy as np
import pytest

from napari_textdifuse.errors import InputError
from napari_textdifuse.fusion.slices import (
    boxes_from_front,
    cut,
    cut_boxes,
    cut_pair,
    from_front,
    select,
    slabs,
    to_front,
)
from napari_textdifuse.intensity import choose_windows, whole_window
from napari_textdifuse.spatial import resample_to
from napari_textdifuse.volume import Volume


def affine(order=(0, 1, 2), signs=(1, 1, 1), spacing=(1.5, 2, 3), tilt=0.0):
    """Index axis k (of x, y, z) runs along patient axis order[k]."""
    matrix = np.eye(4)
    matrix[:3, :3] = 0
    for k, (world, sign, step) in enumerate(zip(order, signs, spacing, strict=True)):
        matrix[world, k] = sign * step
    c, s = np.cos(np.radians(tilt)), np.sin(np.radians(tilt))
    turn = np.array([[1, 0, 0], [0, c, -s], [0, s, c]])
    matrix[:3, :3] = turn @ matrix[:3, :3]
    matrix[:3, 3] = [10, 20, 30]
    return matrix


def volume(shape=(6, 7, 8), **fields):
    fields.setdefault("affine", affine())
    return Volume(np.arange(np.prod(shape), dtype=np.float32).reshape(shape), **fields)


def world_of(v, z, y, x):
    return (v.affine @ [x, y, z, 1])[:3]


@pytest.mark.parametrize(
    ("slices", "expected"),
    [
        (None, (0, 6)),
        (2, (2, 3)),
        (np.int64(2), (2, 3)),
        (-1, (5, 6)),
        ((1, 4), (1, 4)),
        ((None, 4), (0, 4)),
        (slice(3, None), (3, 6)),
        (slice(-2, None), (4, 6)),
        (slice(2, 100), (2, 6)),
    ],
)
def test_what_can_be_chosen(slices, expected):
    chosen = select(volume(), slices)
    assert (chosen.start, chosen.stop) == expected
    assert chosen.count == 6
    assert chosen.whole == (expected == (0, 6))


@pytest.mark.parametrize(
    ("slices", "axis", "words"),
    [
        (6, 0, "slice 6 does not exist: PET has slices 0 to 5 along axis 0"),
        (-7, 0, "does not exist"),
        (7, 1, "slices 0 to 6 along axis 1"),
        ((4, 4), 0, "empty"),
        (slice(4, 2), 0, "empty"),
        (slice(0, 6, 2), 0, "skipped"),
        ((1, 2, 3), 0, r"\(start, stop\)"),
        (1.5, 0, "must be integers"),
        (True, 0, "must be integers"),
        ("all", 0, "must be integers"),
        (None, 3, "axis must be"),
        (None, "oblique", "axis must be"),
        (None, True, "axis must be"),
    ],
)
def test_what_cannot(slices, axis, words):
    with pytest.raises(InputError, match=words):
        select(volume(name="PET"), slices, axis)


@pytest.mark.parametrize("order", [(0, 1, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0)])
@pytest.mark.parametrize(("plane", "patient"), [("axial", 2), ("coronal", 1), ("sagittal", 0)])
def test_planes_are_found_by_the_affine(order, plane, patient):
    v = volume(affine=affine(order, signs=(-1, 1, -1)))
    chosen = select(v, axis=plane)
    step = np.zeros(3)
    step[chosen.axis] = 1
    moved = world_of(v, *step) - world_of(v, 0, 0, 0)
    assert np.abs(moved).argmax() == patient
    assert chosen.count == v.shape[chosen.axis]
    assert chosen.notes == ()


def test_oblique_planes_are_said():
    chosen = select(volume(affine=affine(tilt=20)), axis="axial")
    assert chosen.axis == 0
    assert chosen.notes == ("Axial slices are those of the grid, 20 degrees from the plane.",)


def test_planes_need_geometry():
    with pytest.raises(InputError, match=r"no geometry .* axial"):
        select(volume(affine=None), axis="axial")


def test_images_have_no_slices():
    picture = Volume(np.ones((5, 6)), name="picture")
    chosen = select(picture)
    assert cut(picture, chosen) is picture
    assert to_front(picture, 0) is picture
    with pytest.raises(InputError, match="2-D image"):
        select(picture, 3)


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("rgb", [False, True])
def test_a_cut_keeps_its_place(axis, rgb):
    whole = volume((6, 7, 8, 3), rgb=True) if rgb else volume()
    part = cut(whole, select(whole, (2, 5), axis))
    expected = np.take(whole.array, range(2, 5), axis)
    np.testing.assert_array_equal(part.array, expected)
    shift = np.zeros(3)
    shift[axis] = 2
    np.testing.assert_allclose(world_of(part, 0, 0, 0), world_of(whole, *shift))
    assert part.ndim == 3
    single = cut(whole, select(whole, 4, axis))
    assert single.shape[axis] == 1


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("rgb", [False, True])
def test_turned_and_turned_back(axis, rgb):
    whole = volume((6, 7, 8, 3), rgb=True) if rgb else volume()
    front = to_front(whole, axis)
    assert front.shape[0] == whole.shape[axis]
    np.testing.assert_array_equal(from_front(front.array, axis), whole.array)
    old = np.array([2, 3, 4])
    new = [old[axis], *np.delete(old, axis)]
    assert front.array[tuple(new)].tolist() == whole.array[tuple(old)].tolist()
    np.testing.assert_allclose(world_of(front, *new), world_of(whole, *old))


def test_slabs_cover_the_range_once():
    chosen = select(volume((40, 2, 2)), (3, 39))
    parts = list(slabs(chosen, 16))
    assert [(p.start, p.stop) for p in parts] == [(3, 19), (19, 35), (35, 39)]


def test_slab_by_slab_equals_the_whole():
    """The other image, in another grid and lazy, meets every slab where it meets the whole."""
    fixed = volume((24, 20, 18))
    rng = np.random.default_rng(0)
    grid = affine(tilt=10, spacing=(2, 2.5, 2))
    moving = Volume(rng.random((40, 26, 20)).astype(np.float32), affine=grid)
    whole = resample_to(moving, fixed).volume.array
    lazy = Volume(da.from_array(moving.array, chunks=(4, 26, 20)), affine=grid)
    chosen = select(fixed, axis=1)
    parts = []
    for part in slabs(chosen, 6):
        a, b = cut_pair(fixed, lazy, part)
        assert b is lazy
        parts.append(from_front(resample_to(b, a).volume.array, part.axis))
    np.testing.assert_allclose(np.concatenate(parts, axis=1), whole, atol=1e-4)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_without_geometry_numbers_pair_the_slices(axis):
    a, b = volume(affine=None, name="A"), volume(affine=None, name="B")
    chosen = select(a, (2, 4), axis)
    front, other = cut_pair(a, b, chosen)
    np.testing.assert_array_equal(front.array, other.array)
    np.testing.assert_array_equal(from_front(front.array, axis), a.array.take([2, 3], axis))
    with pytest.raises(InputError, match="have no common geometry, so slices cannot be matched"):
        cut_pair(a, volume((4, 4, 4), affine=None), chosen)
    placed = volume()
    front, other = cut_pair(a, placed, chosen)  # one place is known, and assumed for both
    np.testing.assert_array_equal(resample_to(other, front).volume.array, front.array)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_drawn_boxes_follow(axis):
    whole = volume()
    mask = np.zeros(whole.shape, np.uint8)
    mask[1:4, 2:5, 3:7] = 1
    box = np.array([[3, 2, 1, 7, 5, 4], [0, 0, 0, 1, 1, 1]])  # the second lies outside the range
    chosen = select(whole, (2, 6), axis)
    part = to_front(cut(Volume(mask), chosen), axis).array
    np.testing.assert_array_equal(from_front(part, axis), mask.take(range(2, 6), axis))
    rows, moved = cut_boxes(box, chosen)
    assert rows.tolist() == [0]
    (x0, y0, z0), (x1, y1, z1) = moved.reshape(2, 3).astype(int)
    drawn = np.zeros_like(part)
    drawn[z0:z1, y0:y1, x0:x1] = 1
    np.testing.assert_array_equal(drawn, part)
    expected = np.array(box[0], float)
    ends = [2 - axis, 5 - axis]
    expected[ends] = np.clip(expected[ends] - 2, 0, 4)  # on the grid of the cut
    np.testing.assert_array_equal(boxes_from_front(moved, axis), [expected])


def test_only_the_cut_of_a_lazy_volume_is_read():
    read = []

    def block(block_info=None):
        place = block_info[None]["array-location"]
        read.append(place[0][0])
        return np.ones([b - a for a, b in place], np.float32)

    lazy = da.map_blocks(block, chunks=da.core.normalize_chunks((1, 8, 8), (100, 8, 8)), dtype="f4")
    read.clear()
    part = cut(Volume(lazy, affine=np.eye(4)), select(Volume(lazy), (40, 43)))
    assert read == []
    assert to_front(part, 2).shape == (8, 3, 8)
    assert sorted(read) == [40, 41, 42]


def test_a_slice_has_the_window_of_its_volume():
    array = np.zeros((10, 20, 20), np.float32)
    array[9] = np.linspace(0, 1000, 400).reshape(20, 20)
    whole = Volume(array)
    window, notes = whole_window(whole)
    assert window.high > 500
    assert notes == ()


def test_a_lazy_volume_is_sampled_and_that_is_said():
    ramp = np.repeat(np.arange(200, dtype=np.float32) * 10, 64).reshape(200, 8, 8)
    lazy = Volume(da.from_array(ramp, chunks=(1, 8, 8)), name="B")
    window, notes = whole_window(lazy)
    exact, _ = whole_window(Volume(ramp))
    assert window.high == pytest.approx(exact.high, rel=0.02)
    assert notes == ("The display window of B is based on 32 of 200 slices, evenly spaced.",)
    assert whole_window(Volume(lazy.array, unit="HU"))[1] == ()


def test_windows_that_are_asked_for():
    ct, mr = volume(unit="HU"), volume(window=(3.0, 7.0))
    chosen, notes = choose_windows(ct, mr, {"a": "brain"})
    assert (chosen["a"].low, chosen["a"].high, chosen["a"].unit) == (0, 80, "HU")
    assert (chosen["b"].low, chosen["b"].high, chosen["b"].origin) == (3, 7, "file")
    assert notes == ()
    chosen, _ = choose_windows(ct, mr, {"b": (1, 2.5), "a": None})
    assert (chosen["b"].low, chosen["b"].high, chosen["b"].origin) == (1, 2.5, "asked for")


@pytest.mark.parametrize(
    ("windows", "words"),
    [
        ({"b": "brain"}, "does not apply to values in a.u."),
        ({"a": "brian"}, "no window preset 'brian'"),
        ({"a": (5, 5)}, "is empty"),
        ({"a": (5, float("nan"))}, "is empty"),
        ({"a": 3}, r"\(low, high\) in HU"),
        ({"c": (1, 2)}, "'a' and 'b', not 'c'"),
    ],
)
def test_windows_that_cannot_be(windows, words):
    with pytest.raises(InputError, match=words):
        choose_windows(volume(unit="HU"), volume(), windows)

"""Geometry where the right value can be worked out by hand."""

from __future__ import annotations

import math
from types import SimpleNamespace

import numpy as np
import pytest

from napari_textdifuse.errors import GeometryError, InputError
from napari_textdifuse.inputs import share_world
from napari_textdifuse.spatial import resample, resample_to
from napari_textdifuse.spatial.coarse_pair import common_field
from napari_textdifuse.spatial.grid import (
    check_plane,
    extent,
    index_map,
    inside_of,
    same_grid,
    working_grid,
)
from napari_textdifuse.spatial.layers import (
    current_affine,
    embed,
    in_millimetres,
    read_layer,
    spatial_part,
)
from napari_textdifuse.volume import Volume

LPS = np.diag([-1.0, -1.0, 1.0, 1.0])


def grid(shape, *spacing, origin=(0, 0, 0)):
    """A volume of zeros along the axes of the patient, spacing and origin in x, y, z."""
    affine = np.diag([*spacing, 1.0])
    affine[:3, 3] = origin
    return Volume(np.zeros(shape, np.float32), affine=affine, name="image")


# --- layers


def layer(shape=(4, 5), **more):
    n = len(shape) - (more.get("rgb", False))
    more = {"scale": (1,) * n, "translate": (0,) * n, "name": "layer"} | more
    return SimpleNamespace(data=np.ones(shape, np.float32), **more)


def test_a_layer_at_the_origin_gets_the_world_of_a_placed_one():
    plain, placed = read_layer(layer(), "a"), read_layer(layer(scale=(2, 3)), "b")
    assert plain.affine is None
    a, b = share_world(plain, placed)
    np.testing.assert_array_equal(a.affine, LPS)
    assert b is placed
    a, b = share_world(placed, plain)
    assert a is placed
    np.testing.assert_array_equal(b.affine, LPS)


def test_two_of_a_kind_and_volumes_of_files_stay():
    plain, placed = read_layer(layer(), "a"), read_layer(layer(scale=(2, 3)), "b")
    for pair in ((plain, plain), (placed, placed)):
        assert share_world(*pair) == pair
    stack = read_layer(layer((3, 4, 5)), "a")
    assert share_world(stack, placed)[0].affine is None
    file = Volume(np.ones((4, 5)))
    assert share_world(file, placed)[0].affine is None
    assert share_world(plain, grid((4, 5), 1, 1, 1))[0].affine is None


def test_a_layer_keeps_its_affine_and_takes_it_along():
    true = np.array([[0.0, 2, 0, 5], [2, 0, 0, 6], [0, 0, 2, 7], [0, 0, 0, 1]])
    placed = np.diag([2.0, 2, 2, 1])
    known = {"affine": true, "placed": placed}
    np.testing.assert_array_equal(current_affine(placed, known), true)
    np.testing.assert_array_equal(current_affine(placed, {"affine": true}), true)
    moved = placed.copy()
    moved[0, 3] = 6  # 3 voxels along the first axis of the array, which is z
    np.testing.assert_allclose(
        current_affine(moved, known)[:3, 3], true[:3, 3] + 3 * true[:3, 2], atol=1e-12
    )


def test_a_plane_of_a_placed_volume_takes_the_part_of_the_place():
    true = np.diag([3.0, 2, 1, 1])
    placed = np.diag([4.0, 2, 3, 1])  # z, y, x of the volume
    plane = np.diag([2.0, 3, 1])
    plane[1, 2] = 6  # moved by 2 pixels along x
    found = current_affine(plane, {"affine": true, "placed": placed})
    assert found[:3, 3].tolist() == [6, 0, 0]


def test_a_place_of_fewer_axes_says_nothing():
    """The layer was made of an image and is a volume now: its transform is what is left."""
    known = {"affine": np.diag([9.0, 9, 9, 1]), "placed": np.eye(3)}
    np.testing.assert_array_equal(
        current_affine(np.diag([4.0, 3, 2, 1]), known), np.diag([-2.0, -3, 4, 1])
    )
    assert current_affine(np.eye(4), known) is None


def test_matrices_are_reversed_and_embedded():
    matrix = np.array([[1.0, 2, 3], [4, 5, 6], [0, 0, 1]])
    expected = np.eye(4)
    expected[:2, :2] = [[5, 4], [2, 1]]
    expected[:2, 3] = [6, 3]
    np.testing.assert_array_equal(embed(matrix), expected)


def test_the_point_in_time_moves_the_image():
    matrix = np.arange(25.0).reshape(5, 5)
    part = spatial_part(matrix, 3, 2)
    np.testing.assert_array_equal(part[:3, :3], matrix[1:4, 1:4])
    np.testing.assert_array_equal(part[:3, 3], matrix[1:4, 4] + 2 * matrix[1:4, 0])
    np.testing.assert_array_equal(spatial_part(matrix, 4)[:4], matrix[:4])
    np.testing.assert_array_equal(part[3], [0, 0, 0, 1])


def test_units_of_the_last_axes_count():
    matrix, unknown = in_millimetres(np.eye(3), ("second", "cm", "Micrometer"))
    np.testing.assert_allclose(matrix, np.diag([10, 1e-3, 1]))
    assert unknown == ()
    matrix, unknown = in_millimetres(np.eye(3), ("furlong", "m"))
    np.testing.assert_allclose(matrix, np.diag([1, 1000, 1]))
    assert unknown == ("furlong",)
    assert in_millimetres(np.eye(3), None)[1] == ("pixel",)


def test_what_a_layer_says_of_itself():
    found = read_layer(layer(contrast_limits=[2, 5], scale=(1, 2), units=("pixel", "mm")), "a")
    assert found.metadata["shown"] == (2.0, 5.0)
    assert found.metadata["notes"] == [
        "The layer's unit is pixel, not a length; its position was taken as millimetres of the "
        "viewer's "
        "world."
    ]
    assert found.sources["space"] == "viewer"
    assert found.window is None
    colour = read_layer(layer((4, 5, 3), rgb=True, contrast_limits=[0, 1]), "a")
    assert colour.rgb
    assert "shown" not in colour.metadata
    stored = {"affine": np.diag([2.0, 2, 2, 1]), "window": [1, 9], "unit": "HU", "modality": "CT"}
    known = read_layer(layer(metadata={"textdifuse": stored}, units=("pixel",) * 2), "a")
    assert (known.window, known.unit, known.modality) == ((1, 9), "HU", "CT")
    assert "space" not in known.sources
    assert known.metadata["notes"] == []


@pytest.mark.parametrize("shape", [(5,), (2, 3, 4, 5, 6)])
def test_layers_of_other_dimensions_are_refused(shape):
    with pytest.raises(InputError, match="not a real 2-D image or"):
        read_layer(layer(shape), "a", 0)


# --- grids


def test_indices_of_one_grid_in_the_other():
    fixed, moving = grid((4, 5, 6), 1, 1, 1, origin=(10, 20, 30)), grid((4, 5, 6), 2, 4, 5)
    matrix, offset = index_map(moving, fixed)
    np.testing.assert_allclose(matrix, np.diag([1 / 5, 1 / 4, 1 / 2]))
    np.testing.assert_allclose(offset, [6, 5, 5])


@pytest.mark.parametrize(("shift", "same"), [(0.0009, True), (0.0011, False)])
def test_grids_are_one_to_a_thousandth_of_a_voxel(shift, same):
    a = grid((3, 4, 5), 2, 2, 2)
    assert same_grid(a, grid((3, 4, 5), 2, 2, 2, origin=(0, 2 * shift, 0))) == same
    longer = grid((3, 4, 5), 2 * (1 + shift / 4), 2, 2)  # the last of 5 is 4 steps away
    assert same_grid(a, longer) == same
    assert not same_grid(a, grid((3, 4, 6), 2, 2, 2))
    picture = grid((4, 5), 1, 1, 3)
    assert same_grid(picture, grid((4, 5), 1, 1, 3, origin=(0, 0, shift))) == same


@pytest.mark.parametrize(("distance", "refused"), [(1.9, False), (2.1, True)])
def test_planes_agree_to_half_a_slice(distance, refused):
    a, b = grid((4, 5), 1, 1, 3), grid((4, 5), 1, 1, 4, origin=(0, 0, distance))
    assert not check_plane(a, grid((4, 5), 1, 1, 3))
    check_plane(grid((3, 4, 5), 1, 1, 1), grid((3, 4, 5), 1, 1, 1, origin=(0, 0, 90)))
    if refused:
        with pytest.raises(GeometryError, match=r"up to 2\.1 mm apart \(thickness 4\.0 mm\)"):
            check_plane(a, b)
    else:
        check_plane(a, b)


def test_a_source_reaches_to_the_outer_edges_of_its_voxels():
    """Steps of 0.25 from -1: voxels of a source of 3 begin at -0.5 and end at 2.5."""
    inside = inside_of(np.eye(1) / 4, np.array([-1.0]), (20,), (3,))
    assert np.flatnonzero(inside).tolist() == list(range(2, 15))
    pushed = inside_of(np.eye(1) / 4, np.array([-1.002]), (20,), (3,))
    assert np.flatnonzero(pushed).tolist() == list(range(3, 15))


def test_half_a_field_of_view():
    fixed, moving = grid((4, 20, 30), 1, 1, 1), grid((4, 20, 30), 1, 1, 1, origin=(15, 0, 0))
    found = common_field(fixed, moving)
    assert found.part == 0.5
    assert found.box == (slice(0, 4), slice(0, 20), slice(14, 30))
    none = common_field(fixed, grid((4, 20, 30), 1, 1, 1, origin=(90, 0, 0)))
    assert (none.part, none.box) == (0, (slice(0, 4), slice(0, 20), slice(0, 30)))


def test_large_grids_are_looked_up_on_every_few_voxels():
    fixed, moving = grid((100, 96), 1, 1, 1), grid((100, 96), 1, 1, 1, origin=(48, 50, 0))
    found = common_field(fixed, moving)
    assert found.part == pytest.approx(0.25)
    assert found.box == (slice(48, 100), slice(46, 96))


def test_without_geometry_edges_lie_on_edges():
    found = common_field(Volume(np.zeros((10, 20))), Volume(np.zeros((30, 30))))
    np.testing.assert_allclose(found.matrix, np.diag([3, 1.5]))
    np.testing.assert_allclose(found.offset, [1, 0.25])
    assert found.part == 1


def test_extent_is_that_of_the_outer_edges():
    found = extent(grid((4, 5, 6), 2, 4, 6, origin=(10, 20, 30)))
    assert found == "x 9 to 21, y 18 to 38, z 27 to 51"


# --- resampling


@pytest.mark.parametrize(("spacing", "smoothed"), [(1.19, False), (1.21, True)])
def test_coarser_grids_are_smoothed_from_a_factor_of_1_2(spacing, smoothed):
    impulse = np.zeros((1, 1, 41), np.float32)
    impulse[..., 20] = 1
    moving = Volume(impulse, affine=np.eye(4))
    fixed = grid((1, 1, 3), spacing, 1, 1, origin=(20 - spacing, 0, 0))
    middle = float(resample_to(moving, fixed, fill=0).volume.array[0, 0, 1])
    sigma = math.sqrt((spacing**2 - 1) / (8 * math.log(2)))
    weights = np.exp(-0.5 * (np.arange(-4, 5) / sigma) ** 2)
    reach = int(4 * sigma + 0.5)
    expected = 1 / weights[4 - reach : 5 + reach].sum() if smoothed else 1.0
    assert middle == pytest.approx(expected, rel=1e-5)


def test_a_gaussian_of_the_coarse_voxel():
    """To voxels of 3 mm: a width at half height of sqrt(9 - 1) voxels of 1 mm."""
    impulse = np.zeros((1, 1, 61), np.float32)
    impulse[..., 30] = 1
    moving = Volume(impulse, affine=np.eye(4))
    fixed = grid((1, 1, 21), 3, 1, 1)
    found = resample_to(moving, fixed, fill=0).volume.array[0, 0]
    sigma = math.sqrt(8 / (8 * math.log(2)))
    places = 3 * np.arange(21) - 30
    expected = np.exp(-0.5 * (places / sigma) ** 2) / (sigma * math.sqrt(2 * math.pi))
    np.testing.assert_allclose(found[9:12], expected[9:12], rtol=2e-3)


@pytest.mark.parametrize(("covered", "said"), [(9, True), (10, False)])
def test_less_than_half_covered_is_said(covered, said):
    moving = Volume(np.ones((1, 1, 20), np.float32), affine=np.eye(4))
    fixed = grid((1, 1, 20), 1, 1, 1, origin=(20 - covered, 0, 0))
    found = resample_to(moving, fixed)
    assert found.overlap == covered / 20
    assert bool(found.notes) == said
    assert found.inside.sum() == covered
    quiet = resample_to(moving, fixed, check_overlap=False)
    assert quiet.notes == ()


@pytest.mark.parametrize(("width", "refused"), [(101, False), (102, True)])
def test_images_of_other_proportions_are_refused(width, refused):
    a, b = Volume(np.ones((100, width)), name="A"), Volume(np.ones((50, 50)), name="B")
    if refused:
        with pytest.raises(GeometryError, match="different aspect ratios"):
            resample_to(a, b)
    else:
        assert resample_to(a, b).volume.shape == (50, 50)


def test_what_is_not_finite_counts_as_the_smallest_value():
    values = np.full((1, 1, 9), 5, np.float32)
    values[..., 0], values[..., 4] = 2, np.nan
    moving = Volume(values, affine=np.eye(4))
    found = resample_to(moving, grid((1, 1, 8), 1, 1, 1, origin=(0.5, 0, 0))).volume.array[0, 0]
    np.testing.assert_allclose(found, [3.5, 5, 5, 3.5, 3.5, 5, 5, 5])
    outside = resample_to(moving, grid((1, 1, 9), 1, 1, 1, origin=(4, 0, 0))).volume.array[0, 0]
    assert outside[5:].tolist() == [2, 2, 2, 2]


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.float16, np.bool_])
def test_labels_keep_their_type_and_the_nearest_wins(dtype):
    labels = (np.arange(6).reshape(1, 1, 6) % 2).astype(dtype)
    moving = Volume(labels, affine=np.eye(4))
    found = resample_to(moving, grid((1, 1, 5), 1, 1, 1, origin=(0.4, 0, 0)), order=0).volume.array
    assert found.dtype == dtype
    assert found[0, 0].tolist() == labels[0, 0, :5].tolist()


def test_blocks_cover_a_grid_once():
    count = np.zeros((40, 300, 10), int)
    sizes = set()
    for block in resample._blocks(count.shape):
        count[block] += 1
        sizes.add(tuple(s.stop - s.start for s in block))
    assert (count == 1).all()
    assert sizes == {(32, 256, 10), (8, 256, 10), (32, 44, 10), (8, 44, 10)}


def test_a_colour_image_is_rounded():
    rgb = np.zeros((1, 4, 3), np.uint8)
    rgb[0, :, 0] = [0, 10, 21, 255]
    moving = Volume(rgb, rgb=True, affine=np.eye(4))
    found = resample_to(moving, grid((1, 3), 1, 1, 1, origin=(0.5, 0, 0))).volume.array
    assert found[0, :, 0].tolist() == [5, 16, 138]  # 15.5 and 138 to the even


def test_the_working_grid_of_a_volume():
    """At most 128 voxels along a side, at most 3 mm each; no axis becomes finer than it was."""
    found = working_grid(grid((100, 128, 256), 1, 1.5, 4))
    assert found.shape == (100, 64, 85)
    np.testing.assert_allclose(found.spacing, (4, 3, 256 / 85))
    large = working_grid(grid((10, 40, 100), 10, 10, 10))
    assert large.shape == (10, 40, 100)
    fine = working_grid(grid((64, 64, 64), 1, 1, 1))
    assert fine.shape == (64, 64, 64)
    halved = working_grid(grid((256, 256, 64), 1, 1, 1))
    assert halved.shape == (128, 128, 32)
    np.testing.assert_allclose(halved.affine @ [-0.5, -0.5, -0.5, 1], [-0.5, -0.5, -0.5, 1])

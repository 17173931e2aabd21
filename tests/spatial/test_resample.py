from __future__ import annotations

import numpy as np
import pytest

from napari_textdifuse.errors import GeometryError, InputError
from napari_textdifuse.samples import load_sample, sample_mask
from napari_textdifuse.spatial import resample, resample_to
from napari_textdifuse.volume import Volume


def turn(degrees, axis):
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    matrix = np.eye(3)
    i, j = [k for k in range(3) if k != axis]
    matrix[i, i], matrix[i, j], matrix[j, i], matrix[j, j] = c, -s, s, c
    return matrix


def affine(spacing, *, rotation=None, centre=(0, 0, 0), shape=(1, 1, 1)):
    """Affine of a grid of `shape` (z, y, x) whose middle lies at `centre` mm."""
    result = np.eye(4)
    result[:3, :3] = (np.eye(3) if rotation is None else rotation) @ np.diag(spacing)
    middle = (np.array(shape[::-1]) - 1) / 2
    result[:3, 3] = np.array(centre) - result[:3, :3] @ middle
    return result


def world(volume):
    """World coordinates of every voxel centre: x, y, z arrays."""
    z, y, x = np.indices(volume.shape)
    points = np.stack([x, y, z, np.ones_like(x)], axis=-1) @ volume.affine.T
    return points[..., 0], points[..., 1], points[..., 2]


def in_world(shape, matrix, function, **fields):
    volume = Volume(np.zeros(shape, np.float32), affine=matrix, **fields)
    return volume.with_array(function(*world(volume)).astype(np.float32))


def linear(x, y, z):
    return 3 * x - 2 * y + 5 * z + 7


MOVING = (40, 44, 48)
GRIDS = {
    "finer": ((30, 34, 38), affine((0.7, 0.8, 0.9), shape=(30, 34, 38))),
    "flipped": (
        (20, 24, 28),
        affine((-1.1, 1.0, -1.2), shape=(20, 24, 28)),
    ),
    "oblique": (
        (18, 20, 22),
        affine((1, 1.1, 1.05), rotation=turn(25, 2) @ turn(-15, 0), shape=(18, 20, 22)),
    ),
    "sagittal": (
        (18, 20, 22),
        affine((1, 1, 1), rotation=np.eye(3)[[2, 0, 1]], shape=(18, 20, 22)),
    ),
    "coarser": ((8, 9, 10), affine((3, 3.3, 3.1), rotation=turn(20, 1), shape=(8, 9, 10))),
}


@pytest.mark.parametrize("name", GRIDS)
@pytest.mark.parametrize("tilt", [0, 12])
def test_a_ramp_reproduces_world_coordinates(name, tilt):
    shape, matrix = GRIDS[name]
    moving = in_world(
        MOVING, affine((1.2, -1.3, 1.4), rotation=turn(tilt, 0), shape=MOVING), linear
    )
    fixed = Volume(np.zeros(shape), affine=matrix)
    result = resample_to(moving, fixed)
    assert result.volume.array.dtype == np.float32
    assert result.overlap == 1
    assert result.inside.all()
    assert result.notes == ()
    np.testing.assert_array_equal(result.volume.affine, fixed.affine)
    np.testing.assert_allclose(result.volume.array, linear(*world(fixed)), atol=1e-3)


def test_left_is_left():
    """A blob at the patient's right, front and top stays there on a flipped, turned grid."""
    target = np.array([12.0, 9.0, -6.0])

    def blob(x, y, z):
        return np.exp(-((x - 12) ** 2 + (y - 9) ** 2 + (z + 6) ** 2) / 18)

    moving = in_world(MOVING, affine((-1.2, 1.3, -1.4), shape=MOVING), blob)
    shape = (36, 40, 44)
    for rotation in (turn(0, 0), turn(180, 2), turn(33, 1), np.eye(3)[[1, 2, 0]]):
        fixed = Volume(
            np.zeros(shape), affine=affine((1.2, 1.2, 1.2), rotation=rotation, shape=shape)
        )
        array = resample_to(moving, fixed).volume.array
        weights = array / array.sum()
        found = [float((weights * c).sum()) for c in world(fixed)]
        np.testing.assert_allclose(found, target, atol=0.1)


def test_same_grid_is_returned_as_it_is():
    matrix = affine((1, 2, 3), shape=(4, 5, 6))
    moving = Volume(np.arange(120).reshape(4, 5, 6), affine=matrix)
    result = resample_to(moving, Volume(np.zeros((4, 5, 6)), affine=matrix + 1e-6))
    assert result.volume.array is moving.array
    assert result.overlap == 1


def test_meaning_is_kept():
    matrix = affine((1, 1, 1), shape=(4, 5, 6))
    moving = Volume(
        np.ones((4, 5, 6)),
        affine=matrix,
        unit="SUVbw",
        modality="PT",
        window=(0, 5),
        metadata={"a": 1},
    )
    fixed = Volume(np.zeros((2, 2, 2)), affine=matrix, unit="HU", modality="CT")
    volume = resample_to(moving, fixed).volume
    assert (volume.unit, volume.modality, volume.window) == ("SUVbw", "PT", (0, 5))
    assert volume.metadata == {"a": 1}


def test_outside_is_the_minimum_and_not_inside():
    moving = Volume(np.full((4, 4, 4), 50.0), affine=np.eye(4))
    moving.array[0, 0, 0] = -1000
    matrix = np.eye(4)
    matrix[0, 3] = 2  # two voxels to the right: half of the grid is covered
    fixed = Volume(np.zeros((4, 4, 4)), affine=matrix)
    result = resample_to(moving, fixed)
    assert result.overlap == 0.5
    assert result.inside[:, :, :2].all()
    assert not result.inside[:, :, 2:].any()
    assert (result.volume.array[:, :, 2:] == -1000).all()
    assert (result.volume.array[:, :, :2] == 50).all()
    assert np.isnan(resample_to(moving, fixed, fill=np.nan).volume.array[:, :, 2:]).all()


def test_voxels_reach_to_their_edges():
    moving = Volume(np.ones((2, 2, 2)), affine=np.diag([10.0, 10, 10, 1]))
    matrix = np.eye(4)
    matrix[:3, 3] = -4.5
    fixed = Volume(np.zeros((20, 20, 20)), affine=matrix)  # -5 to 15 mm, as the moving image
    result = resample_to(moving, fixed)
    assert result.overlap == 1
    assert (result.volume.array == 1).all()


def test_a_small_overlap_is_noted():
    moving = Volume(np.ones((4, 4, 4)), affine=np.eye(4), name="PET")
    matrix = np.eye(4)
    matrix[2, 3] = 3
    result = resample_to(moving, Volume(np.ones((4, 4, 4)), affine=matrix, name="CT"))
    assert result.overlap == 0.25
    assert result.notes == ("Only 25% of CT is covered by PET; the rest was filled.",)


def test_no_overlap_names_both_extents():
    moving = Volume(np.ones((4, 4, 4)), affine=np.eye(4), name="PET")
    matrix = np.eye(4)
    matrix[:3, 3] = [100, 0, 0]
    fixed = Volume(np.ones((4, 4, 4)), affine=matrix, name="CT")
    with pytest.raises(
        GeometryError, match=r"PET and CT do not overlap: x 0 to 4, .* against x 100 to 104"
    ):
        resample_to(moving, fixed)


def test_labels_stay_labels():
    shape = (20, 20, 20)
    moving = Volume(np.zeros(shape, np.int32), affine=affine((1, 1, 1), shape=shape))
    moving.array[5:12, 6:14, 7:15] = 7
    moving.array[12:15, 6:14, 7:15] = 300
    coarse = Volume(
        np.zeros((9, 9, 9)), affine=affine((2, 2, 2), rotation=turn(30, 0), shape=(9, 9, 9))
    )
    array = resample_to(moving, coarse, order=0).volume.array
    assert array.dtype == np.int32
    assert set(np.unique(array)) == {0, 7, 300}
    mask = Volume(moving.array > 0, affine=moving.affine)
    assert resample_to(mask, coarse, order=0).volume.array.dtype == np.bool_


def test_coarser_targets_are_smoothed_first():
    """A fine checkerboard becomes grey, not a pattern of its own (aliasing)."""
    z, y, x = np.indices((32, 32, 32))
    board = ((x + y + z) % 2).astype(np.float32)
    moving = Volume(board, affine=np.eye(4))
    coarse = Volume(
        np.zeros((8, 8, 8)), affine=affine((3, 3, 3), centre=(15.5,) * 3, shape=(8, 8, 8))
    )
    array = resample_to(moving, coarse).volume.array
    assert abs(float(array.mean()) - 0.5) < 0.01
    assert float(array.std()) < 0.01
    only_z = Volume(
        np.zeros((8, 32, 32)), affine=affine((1, 1, 3), centre=(15.5,) * 3, shape=(8, 32, 32))
    )
    stripes = moving.with_array((x % 2).astype(np.float32))
    kept = resample_to(stripes, only_z).volume.array  # the axes that are not coarser stay sharp
    np.testing.assert_allclose(kept[4], stripes.array[4], atol=1e-4)


def test_smoothing_widens_by_the_coarse_voxel():
    """A Gaussian of variance 9 mm2 gains (2^2 - 1) / (8 ln 2) mm2 on a grid twice as coarse."""

    def gaussian(variance):
        return lambda x, y, z: (9 / variance) ** 1.5 * np.exp(-(x**2 + y**2 + z**2) / 2 / variance)

    shape = (33, 33, 33)
    moving = in_world(shape, affine((1, 1, 1), shape=shape), gaussian(9))
    coarse = affine((2, 2, 2), shape=(16, 16, 16), centre=(1, 1, 1))  # centres on centres
    expected = in_world((16, 16, 16), coarse, gaussian(9 + 3 / (8 * np.log(2))))
    array = resample_to(moving, expected).volume.array
    inner = (slice(4, 12),) * 3
    np.testing.assert_allclose(array[inner], expected.array[inner], atol=0.01)
    assert np.abs(gaussian(9)(*world(expected)) - expected.array).max() > 0.03


def test_values_that_are_not_finite_do_not_spread():
    moving = Volume(np.full((8, 8, 8), 5.0), affine=np.eye(4))
    moving.array[0, 0, 0] = np.nan
    moving.array[1, 1, 1] = 2
    coarse = Volume(np.zeros((3, 3, 3)), affine=np.diag([2.0, 2, 2, 1]))
    array = resample_to(moving, coarse).volume.array
    assert np.isfinite(array).all()
    assert array.min() >= 2


def test_colour_per_channel_keeps_its_type():
    shape = (12, 12)
    rgb = np.zeros((*shape, 3), np.uint8)
    rgb[:, :6, 0] = 200
    rgb[:, 6:, 2] = 100
    moving = Volume(rgb, affine=np.eye(4), rgb=True)
    matrix = np.diag([0.5, 0.5, 1, 1])
    result = resample_to(moving, Volume(np.zeros((30, 20)), affine=matrix)).volume
    assert result.rgb
    assert result.array.dtype == np.uint8
    assert result.array.shape == (30, 20, 3)
    assert result.array[4, 2].tolist() == [200, 0, 0]
    assert result.array[4, 16].tolist() == [0, 0, 100]
    assert result.array[29].max() == 0  # below the moving image


# two-dimensional


def test_slices_of_one_plane():
    rotation = turn(30, 2)
    big = Volume(np.zeros((40, 50)), affine=affine((1, 1, 4), rotation=rotation, shape=(1, 40, 50)))
    y, x = np.indices((40, 50))
    points = np.stack([x, y, 0 * x, 0 * x + 1], axis=-1) @ big.affine.T
    big = big.with_array((2 * points[..., 0] - points[..., 1]).astype(np.float32))
    small = Volume(np.zeros((11, 13)), affine=affine((1.1, 0.9, 3), shape=(1, 11, 13)))
    y, x = np.indices((11, 13))
    points = np.stack([x, y, 0 * x, 0 * x + 1], axis=-1) @ small.affine.T
    np.testing.assert_allclose(
        resample_to(big, small).volume.array, 2 * points[..., 0] - points[..., 1], atol=1e-3
    )


def test_slices_of_other_planes():
    a = Volume(np.ones((8, 8)), affine=np.diag([1.0, 1, 3, 1]), name="A")
    matrix = np.diag([1.0, 1, 3, 1])
    matrix[2, 3] = 10
    with pytest.raises(GeometryError, match=r"up to 10\.0 mm apart \(thickness 3\.0 mm\)"):
        resample_to(a, Volume(np.ones((8, 8)), affine=matrix, name="B"))
    matrix[2, 3] = 1  # within half a thickness
    assert resample_to(a, Volume(np.ones((8, 8)), affine=matrix)).overlap == 1


# without geometry


def test_equal_shapes_without_geometry_pass():
    moving = Volume(np.eye(5))
    result = resample_to(moving, Volume(np.zeros((5, 5))))
    assert result.volume.array is moving.array
    assert result.notes == ()
    assert result.overlap == 1


def test_one_aspect_ratio_is_resized_and_said():
    _, x = np.indices((20, 30))
    moving = Volume((x + 0.5) / 30, name="B")  # 0 at the left edge, 1 at the right one
    result = resample_to(moving, Volume(np.zeros((40, 60))))
    expected = (np.arange(60) + 0.5) / 60
    np.testing.assert_allclose(result.volume.array[7, 1:-1], expected[1:-1], atol=1e-5)
    assert "same field of view" in result.notes[0]
    assert result.inside.shape == (40, 60)
    down = resample_to(moving, Volume(np.zeros((10, 15)))).volume.array
    np.testing.assert_allclose(down[5, 2:-2], ((np.arange(15) + 0.5) / 15)[2:-2], atol=1e-3)
    labels = resample_to(Volume(np.eye(4, dtype=np.uint8)), Volume(np.zeros((8, 8))), order=0)
    np.testing.assert_array_equal(labels.volume.array, np.kron(np.eye(4), np.ones((2, 2))))


def test_other_aspect_ratios_are_refused():
    with pytest.raises(GeometryError, match=r"\(20 x 30\).*\(20 x 31\)"):
        resample_to(Volume(np.ones((20, 30))), Volume(np.ones((20, 31))))


@pytest.mark.parametrize("known", ["moving", "fixed"])
def test_one_side_without_geometry(known):
    matrix = np.diag([2.0, 2, 2, 1])
    volumes = {
        name: Volume(np.ones((4, 4)), affine=matrix if name == known else None, name=name)
        for name in ("moving", "fixed")
    }
    result = resample_to(**volumes)
    np.testing.assert_array_equal(result.volume.affine, matrix)
    other = "fixed" if known == "moving" else "moving"
    assert result.notes == (f"{other} has no geometry; that of {known} was assumed for both.",)
    volumes["moving"] = volumes["moving"].with_array(np.ones((8, 8)))
    with pytest.raises(GeometryError, match=rf"{other} has no geometry and another size"):
        resample_to(**volumes)


def test_dimensions_must_agree():
    with pytest.raises(InputError, match=r"A is 2-D and B is 3-D; choose a slice"):
        resample_to(Volume(np.ones((4, 4)), name="A"), Volume(np.ones((4, 4, 4)), name="B"))


def test_order():
    with pytest.raises(InputError, match="order 3"):
        resample_to(Volume(np.ones((4, 4))), Volume(np.ones((4, 4))), order=3)


# block by block


class Chunked:
    """A lazy array that remembers what was read of it."""

    chunks = (1,)

    def __init__(self, array):
        self.array, self.shape, self.ndim, self.dtype = array, array.shape, array.ndim, array.dtype
        self.reads = []

    def __getitem__(self, key):
        part = self.array[key]
        self.reads.append(part.size)
        return part


@pytest.mark.parametrize("order", [0, 1])
@pytest.mark.parametrize("name", GRIDS)
def test_blocks_leave_no_seams(monkeypatch, name, order):
    shape, matrix = GRIDS[name]
    values = np.random.default_rng(0).integers(0, 200, MOVING).astype(np.float32)
    if order:
        values[3, 3, 3] = np.nan
    moving = Volume(values, affine=affine((1.2, -1.3, 1.4), rotation=turn(12, 0), shape=MOVING))
    fixed = Volume(np.zeros(shape), affine=matrix)
    whole = resample_to(moving, fixed, order=order)
    monkeypatch.setattr(resample, "BLOCK", (5, 7, 11))
    parts = resample_to(moving, fixed, order=order)
    np.testing.assert_allclose(parts.volume.array, whole.volume.array, atol=1e-3)
    np.testing.assert_array_equal(parts.inside, whole.inside)
    assert parts.overlap == whole.overlap


def test_of_a_lazy_image_only_what_is_needed_is_read(monkeypatch):
    monkeypatch.setattr(resample, "BLOCK", (4, 64, 64))
    values = np.random.default_rng(0).random((200, 30, 30)).astype(np.float32)
    matrix = np.eye(4)
    matrix[2, 3] = 100  # ten slices around z = 100
    fixed = Volume(np.zeros((10, 30, 30)), affine=matrix)
    lazy = Chunked(values)
    found = resample_to(Volume(lazy, affine=np.eye(4)), fixed)
    np.testing.assert_allclose(found.volume.array, values[100:110], atol=1e-6)
    assert isinstance(found.volume.array, np.ndarray)
    blocks = [size for size in lazy.reads if size > 900]  # single slices are the fill's sample
    assert max(blocks) <= 9 * 900
    assert sum(blocks) <= 3 * 9 * 900


def test_a_lazy_image_on_the_grid_already_is_loaded():
    lazy = Chunked(np.arange(24.0).reshape(2, 3, 4))
    volume = Volume(lazy, affine=np.eye(4))
    array = resample_to(volume, Volume(np.zeros((2, 3, 4)), affine=np.eye(4))).volume.array
    assert isinstance(array, np.ndarray)
    np.testing.assert_array_equal(array, lazy.array)


# either image may be the fixed one


def centre_mm(volume):
    weights = np.asarray(volume.array, dtype=float)
    return np.array([float((weights * c).sum() / weights.sum()) for c in world(volume)])


def test_swapping_fixed_and_moving_gives_the_same_place():
    def blob(x, y, z):
        return np.exp(-((x - 12) ** 2 + (y - 9) ** 2 + (z + 6) ** 2) / 30)

    a = in_world(MOVING, affine((-1.2, 1.3, -1.4), shape=MOVING), blob)
    shape = (26, 30, 34)
    b = in_world(
        shape, affine((2, 1.8, 2.1), rotation=turn(25, 1) @ turn(10, 2), shape=shape), blob
    )
    forth, back = resample_to(b, a).volume, resample_to(a, b).volume
    for volume in (a, b, forth, back):
        np.testing.assert_allclose(centre_mm(volume), [12, 9, -6], atol=0.2)


def test_the_sample_lesion_stays_where_it_is_within_a_voxel():
    mri, pet = load_sample("pet-mri")
    true = sample_mask("pet-mri", "tumour")
    place, lowest = centre_mm(true), np.argwhere(true.array).min(axis=0) - 4
    around = np.argwhere(true.array).max(axis=0) + 5  # the lesion and a little around it
    here = tuple(slice(a, b) for a, b in zip(lowest, around, strict=True))
    matrix = mri.affine.copy()
    matrix[:3, 3] = (mri.affine @ [*lowest[::-1], 1])[:3]
    crop = Volume(mri.array[here], affine=matrix)
    on_mri = resample_to(pet, crop).volume
    lesion = on_mri.with_array(on_mri.array > 0.5 * on_mri.array.max())
    assert np.abs(centre_mm(lesion) - place).max() < max(mri.spacing)
    on_pet = resample_to(true, pet, order=0).volume
    assert np.abs(centre_mm(on_pet) - place).max() < max(pet.spacing)

from __future__ import annotations

import json
from math import pi

import dask.array as da
import numpy as np
import pytest
from phantoms import ball_mean_of_gaussian, distance, grid_of, volume_of

from napari_textdifuse import Volume
from napari_textdifuse.measure import columns_of, measure_objects, to_csv

#: Of a sphere of 1 mL, in mm.
RADIUS = (3 / (4 * pi)) ** (1 / 3) * 10
CENTRE = (3.3, -2.1, 5.7)
GRIDS = [
    ((1.0, 1.0, 1.0), 0.0),
    ((0.9, 0.9, 4.0), 0.0),
    ((2.0, 1.0, 3.0), 25.0),
]


def shell(radius, spacing):
    """Volume in mL of a layer one voxel thick around a sphere."""
    return 4 * pi * radius**2 * max(spacing) / 1000


def one(mask, names, grid, **sources):
    (row,) = measure_objects(mask, names, grid, sources)
    return row


@pytest.mark.parametrize(("spacing", "degrees"), GRIDS)
def test_a_sphere_has_its_volume_its_centre_and_its_values(spacing, degrees):
    affine, shape = grid_of(spacing, degrees)
    near = distance(affine, shape, CENTRE) <= 15
    ct = Volume(np.where(near, 60, -20).astype(np.int16), affine=affine, unit="HU", modality="CT")
    row = one(near.astype(np.uint8) * 7, {7: "lesion"}, ct, a=ct)
    assert row["label"] == 7
    assert row["term"] == "lesion"
    assert row["volume_mL"] == pytest.approx(4 / 3 * pi * 15**3 / 1000, abs=shell(15, spacing))
    assert row["volume_mL"] == pytest.approx(near.sum() * np.prod(spacing) / 1000)
    assert np.abs(np.array(row["centroid_mm"]) - CENTRE).max() < max(spacing) / 2
    assert row["slices"] == np.flatnonzero(near.any(axis=(1, 2))).size
    assert (row["a_unit"], row["a_mean"], row["a_sd"]) == ("HU", 60.0, 0.0)
    assert (row["a_min"], row["a_max"], row["a_median"]) == (60.0, 60.0, 60.0)
    assert "a_SUVmax" not in row
    assert json.loads(json.dumps(row)) == row


def test_statistics_are_those_of_a_hand_calculation():
    mask = np.array([[0, 1, 1], [0, 1, 1]], np.uint8)
    picture = Volume(np.array([[99.0, 1, 2], [99, 4, np.nan]]), unit="K")
    row = one(mask, {1: "spot"}, picture, a=picture)
    # of 1, 2 and 4: mean 7/3, variance (1 + 4 + 16) / 3 - 49 / 9 = 14 / 9
    assert row["a_mean"] == pytest.approx(7 / 3)
    assert row["a_sd"] == pytest.approx((14 / 9) ** 0.5)
    assert (row["a_median"], row["a_min"], row["a_max"], row["a_voxels"]) == (2, 1, 4, 3)
    assert (row["voxels"], row["volume_mL"], row["area_mm2"], row["centroid_mm"]) == (
        4,
        *[None] * 3,
    )
    assert row["centroid_voxel"] == [0.5, 1.5]


def test_colours_are_measured_by_their_brightness():
    red = Volume(np.full((4, 4, 3), (200, 0, 0), np.uint8), rgb=True)
    row = one(np.ones((4, 4), np.uint8), {1: "sign"}, red, a=red)
    assert row["a_mean"] == pytest.approx(0.299 * 200)


def test_a_slice_with_geometry_has_an_area():
    affine = np.diag([0.5, 2.0, 7.0, 1.0])
    image = Volume(np.ones((10, 10)), affine=affine)
    mask = np.zeros((10, 10), np.uint8)
    mask[2:5, 4:6] = 1
    row = one(mask, {1: "spot"}, image, a=image)
    assert row["area_mm2"] == pytest.approx(6 * 0.5 * 2)
    assert row["volume_mL"] is None
    assert row["centroid_mm"] == pytest.approx([4.5 * 0.5, 3 * 2.0, 0.0])


PETS = [((2.0, 2.0, 2.0), 0.0), ((2.6, 2.6, 3.3), 0.0), ((2.5, 2.0, 3.0), 30.0)]


@pytest.mark.parametrize(("spacing", "degrees"), PETS)
def test_uptake_of_a_uniform_sphere(spacing, degrees):
    """On a grid of its own, oblique to that of the mask."""
    affine, shape = grid_of(spacing, degrees)
    pet = volume_of(lambda r: np.where(r <= 14, 8.0, 1.0), affine, shape, CENTRE,
                    unit="SUVbw", modality="PT")  # fmt: skip
    ct_affine, ct_shape = grid_of((1.0, 1.0, 2.5))
    mask = (distance(ct_affine, ct_shape, CENTRE) <= 14).astype(np.uint8)
    ct = Volume(np.zeros(ct_shape, np.int16), affine=ct_affine, unit="HU", modality="CT")
    row = one(mask, {1: "tumour"}, ct, a=ct, b=pet)
    volume = 4 / 3 * pi * 14**3 / 1000
    assert row["b_SUVmax"] == 8.0
    assert row["b_SUVpeak"] == pytest.approx(8.0, rel=0.01)
    assert row["b_MTV_mL"] == row["volume_mL"] == pytest.approx(volume, abs=shell(14, (1, 1, 2.5)))
    assert row["b_voxels"] * np.prod(spacing) / 1000 == pytest.approx(
        volume, abs=shell(14, spacing)
    )
    assert row["b_TLG"] == pytest.approx(row["b_SUVmean"] * row["b_MTV_mL"])
    assert row["b_SUVmean"] == row["b_mean"] == pytest.approx(8.0, rel=0.05)


@pytest.mark.parametrize(("spacing", "degrees"), PETS)
@pytest.mark.parametrize("sigma", [7.0, 12.0])
def test_the_peak_of_a_gaussian_is_the_mean_of_a_sphere_at_its_top(spacing, degrees, sigma):
    affine, shape = grid_of(spacing, degrees)
    pet = volume_of(lambda r: 10 * np.exp(-(r**2) / (2 * sigma**2)), affine, shape, CENTRE,
                    unit="SUVbw", modality="PT")  # fmt: skip
    mask = (distance(affine, shape, CENTRE) <= sigma).astype(np.uint8)
    row = one(mask, {1: "tumour"}, pet, b=pet)
    expected = 10 * ball_mean_of_gaussian(sigma, RADIUS)
    assert row["b_SUVpeak"] == pytest.approx(expected, rel=0.01)
    assert row["b_SUVpeak"] < row["b_SUVmax"]


def test_the_peak_is_looked_for_in_the_object_only_and_at_its_highest_place():
    affine, shape = grid_of((2.0, 2.0, 2.0), size=70)

    def spots(levels):
        return sum(
            np.where(distance(affine, shape, place) <= 12, level, 0.0)
            for place, level in levels.items()
        )

    values = spots({(-16, 0, 0): 5.0, (16, 0, 0): 9.0})
    hot = np.unravel_index(np.argmin(distance(affine, shape, (-16, 0, 0))), shape)
    values[hot] = 30.0  # one voxel of noise is no peak
    pet = Volume(values, affine=affine, unit="SUVbw", modality="PT")
    left = (distance(affine, shape, (-16, 0, 0)) <= 12).astype(np.uint8)
    both = left + (distance(affine, shape, (16, 0, 0)) <= 12)
    row = one(both.astype(np.uint8), {1: "tumour"}, pet, b=pet)
    assert row["b_SUVmax"] == 30.0
    assert row["b_SUVpeak"] == pytest.approx(9.0, rel=0.01)
    # 1 mL holds 125 voxels of 8 mm3: 25 above 5 in one of them is 0.2 more
    row = one(left, {1: "tumour"}, pet, b=pet)
    assert row["b_SUVpeak"] == pytest.approx(5.2, abs=0.05)


def test_no_peak_where_the_sphere_does_not_fit():
    affine, shape = grid_of((2.0, 2.0, 2.0), size=9.0)
    pet = Volume(np.ones(shape), affine=affine, unit="SUVbw", modality="PT")
    row = one(np.ones(shape, np.uint8), {1: "tumour"}, pet, b=pet)
    assert row["b_SUVpeak"] is None
    assert row["b_SUVmax"] == 1.0


def test_an_object_smaller_than_a_voxel_of_the_other_image_has_its_value():
    affine, shape = grid_of((1.0, 1.0, 1.0), size=40)
    coarse, few = grid_of((8.0, 8.0, 8.0), size=40)
    values = np.arange(np.prod(few), dtype=float).reshape(few)
    pet = Volume(values, affine=coarse, unit="Bq/mL", modality="PT")
    mask = np.zeros(shape, np.uint8)
    place = np.linalg.solve(affine, coarse @ [2, 3, 1, 1])[:3]  # x, y, z in the fine grid
    x, y, z = np.rint(place + 2).astype(int)  # 2 mm off the centre of that voxel, still inside it
    mask[z, y, x] = 1
    row = one(mask, {1: "focus"}, Volume(mask, affine=affine), b=pet)
    assert (row["b_mean"], row["b_voxels"]) == (values[1, 3, 2], 1)
    assert row["b_MTV_mL"] == pytest.approx(0.001)
    assert "b_SUVmax" not in row


def test_an_object_that_leaves_the_other_image_is_measured_as_far_as_that_reaches():
    affine, shape = grid_of((1.0, 1.0, 1.0), size=40)
    pet = Volume(
        np.full((shape[0] // 2, *shape[1:]), 3.0), affine=affine, unit="SUVbw", modality="PT"
    )
    mask = np.zeros(shape, np.uint8)
    mask[shape[0] // 2 - 6 : shape[0] // 2 + 2, 5:25, 5:25] = 1
    mask[-1, -1, -1] = 2
    rows = measure_objects(mask, {1: "tumour", 2: "toe"}, Volume(mask, affine=affine), {"b": pet})
    assert rows[0]["volume_mL"] == pytest.approx(8 * 400 / 1000)
    assert rows[0]["b_MTV_mL"] == pytest.approx(6 * 400 / 1000)
    assert rows[0]["b_TLG"] == pytest.approx(3 * 2.4)
    assert (rows[1]["b_voxels"], rows[1]["b_mean"]) == (0, None)


def test_what_was_not_found_is_a_row_without_voxels():
    image = Volume(np.ones((3, 3)))
    rows = measure_objects(
        np.zeros((3, 3), np.uint8), {1: "tumour", 2: "bone"}, image, {"a": image}
    )
    assert [(r["term"], r["voxels"], r["objects"], r["a_mean"]) for r in rows] == [
        ("tumour", 0, 0, None),
        ("bone", 0, 0, None),
    ]


def test_of_a_lazy_image_only_the_surroundings_are_read():
    affine, shape = grid_of((1.0, 1.0, 1.0), size=80)
    read = []

    def block(z):
        read.append(z)
        return np.full((1, *shape[1:]), float(z))

    lazy = da.concatenate(
        [
            da.from_delayed(__import__("dask").delayed(block)(z), (1, *shape[1:]), float)
            for z in range(shape[0])
        ]
    )
    image = Volume(lazy, affine=affine, unit="HU")
    mask = np.zeros(shape, np.uint8)
    mask[30:33, 10:20, 10:20] = 1
    row = one(mask, {1: "x"}, image, a=image)
    assert row["a_mean"] == 31.0
    assert min(read) >= 29
    assert max(read) <= 34


def test_the_table_has_fixed_columns_and_says_what_it_is_not_for():
    image = Volume(np.ones((3, 3)), unit="K", modality="IR")
    mask = np.eye(3, dtype=np.uint8)
    rows = measure_objects(mask, {1: 'a "spot", small'}, image, {"a": image})
    lines = to_csv(rows, {"name": "case 1"}).splitlines()
    assert lines[0].startswith("name,label,term,")
    assert lines[0].endswith("b_TLG,notice")
    assert lines[1].startswith('case 1,1,"a ""spot"", small",,1,3,1,,,,,,,1,1,IR,K,3,1,0,1,1,1,')
    assert lines[1].endswith("not for diagnosis.")
    columns = columns_of(rows)
    assert columns["term"] == ['a "spot", small']
    assert "b_TLG" not in columns

"""What a fusion says about its objects, however the images come and whatever made the mask."""

from __future__ import annotations

import json

import dask.array as da
import numpy as np
import pytest

from napari_textdifuse import Volume
from napari_textdifuse.errors import Cancelled
from napari_textdifuse.fusion import pair as pairs

#: Of image A: 2 x 1 x 1 mm (z, y, x).
FINE = np.array([[1.0, 0, 0, -20], [0, 1, 0, -20], [0, 0, 2, -20], [0, 0, 0, 1]])
#: Of image B: 4 mm.
COARSE = np.array([[4.0, 0, 0, -22], [0, 4, 0, -22], [0, 0, 4, -22], [0, 0, 0, 1]])


def images():
    rng = np.random.default_rng(0)
    ct = Volume(
        rng.normal(30, 5, (20, 40, 40)).astype(np.float32),
        affine=FINE,
        unit="HU",
        modality="CT",
        name="head",
    )
    pet = Volume(
        rng.gamma(2, 1, (11, 11, 11)).astype(np.float32),
        affine=COARSE,
        unit="SUVbw",
        modality="PT",
        name="head",
    )
    return ct, pet


def block(shape=(20, 40, 40)):
    mask = np.zeros(shape, np.uint8)
    mask[6:12, 10:20, 14:30] = 3
    return mask


def expected_in_b(mask, pet):
    """Values of the voxels of B whose centres lie in the mask, by hand."""
    found = []
    for z, y, x in np.ndindex(pet.shape):
        world = COARSE @ [x, y, z, 1]
        i, j, k = np.rint(np.linalg.solve(FINE, world)[:3]).astype(int)  # x, y, z in A
        if 0 <= k < 20 and 0 <= j < 40 and 0 <= i < 40 and mask[k, j, i]:
            found.append(pet.array[z, y, x])
    return np.array(found, float)


def test_a_painted_mask_is_measured_in_both_images(tiny_pipeline):
    ct, pet = images()
    result = tiny_pipeline(ct, pet, mask=block())
    (row,) = result.objects
    assert (row["label"], row["term"], row["voxels"]) == (3, "mask 3", 6 * 10 * 16)
    assert row["volume_mL"] == pytest.approx(960 * 2 / 1000)
    assert row["centroid_mm"] == pytest.approx([-20 + 21.5, -20 + 14.5, -20 + 2 * 8.5])
    inside = ct.array[block() == 3].astype(float)
    assert row["a_mean"] == pytest.approx(inside.mean())
    assert row["a_sd"] == pytest.approx(inside.std())
    theirs = expected_in_b(block(), pet)
    assert row["b_voxels"] == theirs.size
    assert row["b_SUVmax"] == pytest.approx(theirs.max())
    assert row["b_TLG"] == pytest.approx(theirs.mean() * 960 * 2 / 1000)
    assert result.record["objects"] == result.objects
    assert json.loads(json.dumps(result.objects)) == result.objects


def test_lazy_images_in_slabs_have_the_same_rows(tiny_pipeline, monkeypatch):
    ct, pet = images()
    whole = tiny_pipeline(ct, pet, mask=block()).objects
    monkeypatch.setattr(pairs, "SLAB_PIXELS", 3 * 1600)
    lazy = [v.with_array(da.from_array(v.array, chunks=4)) for v in (ct, pet)]
    assert tiny_pipeline(*lazy, mask=block()).objects == whole


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_chosen_slices_along_any_axis_are_measured_where_they_lie(tiny_pipeline, axis):
    ct, pet = images()
    part = block().copy()
    chosen = {0: (8, 14), 1: (12, 30), 2: (0, 20)}[axis]
    outside = np.ones(part.shape, bool)
    key = (slice(None),) * axis + (slice(*chosen),)
    outside[key] = False
    part[outside] = 0
    (row,) = tiny_pipeline(ct, pet, mask=block(), slices=chosen, axis=axis).objects
    where = np.argwhere(part)
    assert row["voxels"] == len(where)
    assert row["slices"] == len(np.unique(where[:, axis]))
    z, y, x = where.mean(axis=0)
    assert row["centroid_mm"] == pytest.approx((FINE @ [x, y, z, 1])[:3])
    assert row["a_mean"] == pytest.approx(ct.array[part > 0].astype(float).mean())
    assert row["b_mean"] == pytest.approx(expected_in_b(part, pet).mean())


def test_a_session_measures_every_new_mask(tiny_pipeline):
    ct, pet = images()
    session = tiny_pipeline.session(ct, pet, slices=(0, 6))
    assert session.fuse().objects == []
    mask = np.zeros(ct.shape, np.uint8)
    mask[2:4, 5:9, 5:9] = 1
    assert session.fuse(mask=mask).objects[0]["voxels"] == 32
    mask[2:4, 5:9, 20:22] = 2
    assert [r["voxels"] for r in session.fuse(mask=mask).objects] == [32, 16]


def test_the_separate_parts_of_a_painted_label_are_counted(tiny_pipeline):
    """Also of a found mask that was painted on: the number does not depend on the brush."""
    ct, pet = images()
    mask = np.zeros(ct.shape, np.uint8)
    mask[2:4, 5:9, 5:9] = mask[2:4, 5:9, 20:22] = mask[2:4, 5:9, 30:32] = 1
    mask[6, 5:9, 5:9] = 2
    rows = tiny_pipeline(ct, pet, mask=mask, slices=(0, 8)).objects
    assert [(row["label"], row["objects"]) for row in rows] == [(1, 3), (2, 1)]


def test_a_time_point_is_measured_in_its_own_values(tiny_pipeline):
    series = np.stack([np.full((4, 8, 8), 2.0), np.full((4, 8, 8), 5.0)])
    series[:, 0, 0, 0] = 0
    mask = np.zeros((4, 8, 8), np.uint8)
    mask[1:3, 2:5, 2:5] = 1
    other = np.random.default_rng(0).random((4, 8, 8))
    (row,) = tiny_pipeline(other, series, mask=mask, time=(None, 1)).objects
    assert (row["b_mean"], row["volume_mL"], row["voxels"]) == (5.0, None, 18)


def test_a_cancelled_fusion_measures_the_finished_slices(tiny_pipeline):
    ct, pet = images()
    plain = [v.with_array(v.array, affine=None) for v in (ct, ct)]
    for a, b in ((ct, pet), plain):
        with pytest.raises(Cancelled) as stop:
            tiny_pipeline(a, b, mask=block(), steps=1, callback=lambda p: p.slice_index < 8)
        partial = stop.value.partial
        done = len(partial.mask)
        assert 6 < done < 20
        (row,) = partial.objects
        assert row["voxels"] == 160 * (min(done, 12) - 6)
        assert row["a_mean"] == pytest.approx(
            ct.array[:done][block()[:done] > 0].astype(float).mean()
        )
        if b is not pet:
            assert row["b_mean"] == row["a_mean"]


def test_what_is_not_found_has_an_empty_row(tiny_pipeline):
    ct, pet = images()
    result = tiny_pipeline(ct, pet, prompt="bone")
    assert [(r["term"], r["voxels"], r["volume_mL"]) for r in result.objects] == [("bone", 0, 0.0)]

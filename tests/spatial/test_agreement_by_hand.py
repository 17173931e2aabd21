"""Agreement and transforms where the right value can be worked out by hand."""

from __future__ import annotations

import math
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from napari_textdifuse.errors import ReadError
from napari_textdifuse.spatial.agreement import (
    BINS,
    CoarsePair,
    _best_shift,
    _binned,
    _highest,
    _Information,
    _parallel_edges,
    _refined,
    _sentence,
    check_alignment,
)
from napari_textdifuse.spatial.coarse_pair import _sampled, common_field
from napari_textdifuse.spatial.registration import Registration, _size, _warnings, aligned
from napari_textdifuse.spatial.transform_files import decode_tfm, encode_tfm
from napari_textdifuse.volume import Volume


def grid(shape, *spacing, origin=(0, 0, 0)):
    """A volume of zeros along the axes of the patient, spacing and origin in x, y, z."""
    affine = np.diag([*spacing, 1.0])
    affine[:3, 3] = origin
    return Volume(np.zeros(shape, np.float32), affine=affine, name="image")


# --- agreement


def working(fixed, moving, reach):
    return SimpleNamespace(
        fixed=np.asarray(fixed, np.float32),
        moving=np.asarray(moving, np.float32),
        reach=reach,
        ndim=np.ndim(fixed),
        affine=None,
        step=np.ones(np.ndim(fixed)),
    )


def test_information_of_a_copy_is_its_entropy():
    """Four values of equal number: log 4 on itself, 0 against a pattern across it."""
    rows = np.repeat(np.arange(4.0), 16)[:, None] * np.ones(64)
    copy = _Information(working(rows, np.pad(rows, 2, mode="edge"), (2, 2)))
    assert copy.usable
    assert copy((0, 0)) == pytest.approx(math.log(4))
    assert copy((0, 2)) == pytest.approx(math.log(4))
    assert copy((1, 0)) < math.log(4) - 0.1
    across = _Information(working(rows, np.pad(rows.T, 2, mode="edge"), (2, 2)))
    assert across((0, 0)) == pytest.approx(0, abs=1e-12)


def test_information_of_one_value_or_few_voxels_is_not_used():
    flat = np.ones((64, 64))
    ramp = np.add.outer(np.arange(64.0), np.arange(64.0))
    assert not _Information(working(flat, np.pad(ramp, 1, mode="edge"), (1, 1))).usable
    assert not _Information(working(ramp, np.pad(flat, 1, mode="edge"), (1, 1))).usable
    few = np.full((64, 64), np.nan)
    few[:16, :63] = ramp[:16, :63]  # 1008 of the 1024 that are needed
    assert not _Information(working(few, np.pad(ramp, 1, mode="edge"), (1, 1))).usable
    few[:16, 63] = ramp[:16, 63]
    assert _Information(working(few, np.pad(ramp, 1, mode="edge"), (1, 1))).usable


def test_bins_reach_from_the_first_to_the_last_percentile():
    values = np.linspace(0, 100, 100_001).astype(np.float32)
    found = _binned(values)
    assert (found.min(), found.max()) == (0, BINS - 1)
    width = 98 / BINS
    for k in (0, 5, 31):
        middle = 1 + (k + 0.5) * width
        assert found[np.searchsorted(values, middle)] == k
    rare = np.zeros(1000, np.float32)
    rare[:2] = 7
    assert set(_binned(rare)) == {0, BINS - 1}


def test_the_highest_point_is_climbed_to():
    top = (-7, 5)
    found = _highest(lambda s: -((s[0] - top[0]) ** 2) - (s[1] - top[1]) ** 2, (10, 10))
    assert found == top
    assert _highest(lambda s: s[0] - s[1], (10, 9)) == (10, -9)


def test_a_parabola_is_refined_to_its_vertex():
    def score(s):
        return -((s[0] - 2.25) ** 2) - 3 * (s[1] + 1.4) ** 2

    np.testing.assert_allclose(_refined(score, (2, -1), (5, 5)), [2.25, -1.4])
    np.testing.assert_allclose(_refined(score, (2, -1), (2, 5)), [2, -1.4])
    np.testing.assert_allclose(_refined(lambda s: s[0] ** 2, (1, 1), (5, 5)), [1, 1])


def test_parallel_edges_are_counted_above_chance():
    rng = np.random.default_rng(0)
    from scipy import ndimage

    one, other = (ndimage.gaussian_filter(rng.normal(size=(80, 80)), 2) for _ in range(2))
    wide = np.pad(one, 3, mode="reflect")
    same = _parallel_edges(working(one, wide, (3, 3)))
    assert same.shape == (7, 7)
    assert np.unravel_index(same.argmax(), same.shape) == (3, 3)
    assert same[3, 3] == pytest.approx(0.5, abs=0.02)  # all of it less the half by chance
    unlike = _parallel_edges(working(one, np.pad(other, 3, mode="reflect"), (3, 3)))
    assert np.median(unlike) < 0.08


def test_a_working_voxel_moves_by_its_size():
    a, b = grid((40, 60, 50), 2, 2, 3), grid((40, 60, 50), 2, 2, 3)
    found = CoarsePair(a, b, common_field(a, b))
    assert found.reach == (8, 8, 8)
    np.testing.assert_allclose(found.step * found.fixed.shape, a.shape)
    index = np.array([1.0, 2, -3])
    moved = found.movement(index)
    np.testing.assert_allclose(moved, -(index * found.step)[::-1] * [2, 2, 3])


def test_sentence_of_a_shift():
    text = _sentence((-4.0, 0.9, 12.4), "mm", 0.314)
    assert "moved 4 mm left and 12 mm up (of the patient): mutual information" in text
    assert "rise by 31%" in text
    assert "moved 5 px right and 3 px down: mutual" in _sentence((5, 3), "px", 0.2)
    assert "moved 1 mm front (" in _sentence((0.0, 1.0, 0.2), "mm", 0.2)
    assert "moved 50 mm back (" in _sentence((9.9, -50.0, 0), "mm", 0.2)


@pytest.mark.parametrize(("covered", "said"), [(9, True), (11, False)])
def test_little_overlap_is_said(covered, said):
    a = grid((20, 20, 20), 1, 1, 1)
    b = grid((20, 20, 20), 1, 1, 1, origin=(20 - covered, 0, 0))
    found = check_alignment(a, b)
    assert found.overlap == covered / 20
    assert (found.message == f"Image B covers only {covered / 20:.0%} of image A.") == said
    assert found.shift == (0, 0, 0)


def test_what_is_not_judged():
    a = grid((20, 20, 20), 1, 1, 1)
    far = check_alignment(a, grid((20, 20, 20), 1, 1, 1, origin=(90, 0, 0)))
    assert far.message.startswith("image and image do not overlap")
    assert (far.overlap, far.unit, far.shift) == (0, "mm", (0, 0, 0))
    flat = check_alignment(a, Volume(np.ones((9, 9))))
    assert (flat.message, flat.overlap, flat.unit, flat.shift) == (None, 0, "px", (0, 0))
    assert flat.shift_mm is None
    assert far.shift_mm == 0
    assert _best_shift(CoarsePair(a, a, common_field(a, a))) is None


# --- transforms


def test_a_transform_of_more_or_fewer_numbers_is_refused():
    text = encode_tfm(np.diag([1.0, 1, 1, 1]))
    np.testing.assert_allclose(decode_tfm(text, "t"), np.eye(4), atol=1e-12)
    for wrong in (
        text.replace("Parameters: 1.0", "Parameters: 1.0 1.0", 1),
        text.replace("Parameters: 1.0 ", "Parameters: ", 1),
        text.replace("FixedParameters: 0 0 0", "FixedParameters: 0 0"),
        text + text.partition("#Transform 0")[2],
    ):
        with pytest.raises(ReadError, match="not an ITK text file"):
            decode_tfm(wrong, "t")


def test_a_centre_of_rotation_counts():
    """Half a turn about z and the point (1, 2, 0): points are mirrored at it."""
    text = encode_tfm(np.diag([-1.0, -1, 1, 1])).replace(
        "FixedParameters: 0 0 0", "FixedParameters: 1 2 0"
    )
    np.testing.assert_allclose(decode_tfm(text, "t")[:3, 3], [-2, -4, 0], atol=1e-12)


def test_size_of_a_movement():
    turn = np.array([[0.0, -1, 0, 3], [1, 0, 0, 4], [0, 0, 1, 0], [0, 0, 0, 1]])
    shift, angle, scale = _size(turn, np.array([3.0, 4.0, 0]))
    assert (shift, angle, scale) == (pytest.approx(5), pytest.approx(90), pytest.approx(1))
    assert _size(np.diag([1.0, 0.5, 1.2, 1]), np.zeros(3))[2] == pytest.approx(2)
    assert _size(np.diag([1.0, 0.9, 1.5, 1]), np.zeros(3))[2] == pytest.approx(1.5)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({}, ()),
        ({"metric_after": 0.5}, ("no better position",)),
        ({"metric_before": None, "metric_after": 0.1}, ()),
        ({"agreeing": 0}, ("0 of 8 searches",)),
        ({"agreeing": 1, "rival": 0.9}, ("1 of 8 searches", "90% as well")),
        ({"rival": 0.999}, ("uncertain",)),
        ({"angle": 179.0}, ("179 degrees",)),
        ({"scale": 2.5}, ("factor of 2.50",)),
    ],
)
def test_warnings_of_a_registration(fields, words):
    good = Registration(np.eye(4), "rigid", 0.5, 0.6, 3.0, 2.0, starts=8, agreeing=5, rival=0.3)
    found = _warnings(replace(good, **fields))
    assert bool(found) == bool(words)
    assert all(word in " ".join(found) for word in words)


def test_an_image_that_stays_in_place_was_not_moved():
    volume = Volume(np.zeros((8, 8, 8), np.float32), affine=np.eye(4))
    moved = Registration(np.eye(4), "rigid", 0.5, 0.6, 3.0, 2.0, starts=8, agreeing=5, rival=0.3)
    (note,) = aligned(volume, volume, moved).notes
    assert "was moved by a given rigid transform: 3.0 mm" in note
    stays = replace(moved, metric_after=0.5)
    (note,) = aligned(volume, volume, replace(stays, warnings=_warnings(stays))).notes
    assert "nothing was moved" in note


def test_colours_are_registered_by_their_brightness():
    pytest.importorskip("SimpleITK", reason="registration is an extra")
    from napari_textdifuse.spatial.registration import frame_of
    from napari_textdifuse.spatial.registration_search import Search, simpleitk

    rgb = np.random.default_rng(0).random((12, 14, 16, 3)).astype(np.float32)
    colour = Volume(rgb, rgb=True, affine=np.diag([20.0, 20, 20, 1]))
    grey = Volume(rgb.mean(axis=-1), affine=colour.affine)
    frame = frame_of(colour, grey)
    search = Search(colour, grey, frame, None)
    read = simpleitk().GetArrayFromImage
    np.testing.assert_allclose(read(search.fixed), read(search.moving), atol=1e-6)
    np.testing.assert_allclose(read(search.fixed), rgb.mean(axis=-1), atol=1e-6)


def test_progress_of_an_affine_registration_counts_its_own_levels():
    """Rigid levels, then the finer ones again: the bar is not full before the last one."""
    pytest.importorskip("SimpleITK", reason="registration is an extra")
    from napari_textdifuse.spatial import register

    z, y, x = np.indices((30, 32, 34))
    blob = 100 * np.exp(-((x - 15) ** 2 + (y - 18) ** 2 / 2 + (z - 12) ** 2 / 3) / 40)
    blob += 60 * (np.abs(x - 22) + np.abs(y - 9) + 2 * np.abs(z - 20) < 8)
    fixed = Volume(blob.astype(np.float32), affine=np.diag([3.0, 3, 3, 1]))
    moving = replace(fixed, affine=np.diag([3.1, 3, 3, 1]))
    seen = []
    register(fixed, moving, "affine", callback=seen.append)
    assert {s.levels for s in seen} == {max(s.level for s in seen)}
    assert max(s.fraction for s in seen if s.level < s.levels) < 0.95


@pytest.mark.parametrize("count", [100, 400])
def test_a_coarse_grid_holds_the_values_of_its_places(count):
    """Of 400 slices every second is read; a ramp stays a ramp whatever blocks are averaged."""
    z, y, x = np.indices((count, 24, 20))
    ramp = Volume((z + 1000 * y + 20 * x).astype(np.float32), affine=np.eye(4))
    step, start = np.array([7.0, 3.0, 2.0]), np.array([20.0, 5.0, 4.0])
    found = _sampled(ramp, np.diag(step), start, (8, 4, 5), step)
    k, j, i = np.indices(found.shape)
    expected = (20 + 7 * k) + 1000 * (5 + 3 * j) + 20 * (4 + 2 * i)
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    outside = _sampled(ramp, np.diag(step), start - 60, (8, 4, 5), step)
    assert np.isnan(outside[0]).all()


def test_a_coarse_grid_is_interpolated_linearly():
    values = np.zeros((12, 12), np.float32)
    values[6, 6] = 1
    picture = Volume(values)
    found = _sampled(picture, np.eye(2), np.array([5.75, 5.5]), (1, 2), np.ones(2))
    np.testing.assert_allclose(found, [[0.375, 0.375]])
    blocks = _sampled(picture, np.diag([2.0, 2.0]), np.array([0.5, 0.5]), (6, 6), 2 * np.ones(2))
    assert blocks[3, 3] == 0.25
    assert blocks.sum() == 0.25


def test_colours_are_judged_by_their_mean():
    rgba = np.zeros((8, 8, 4), np.uint8)
    rgba[..., 0], rgba[..., 2], rgba[..., 3] = 30, 60, 200
    found = _sampled(Volume(rgba, rgb=True), np.eye(2), np.zeros(2), (8, 8), np.ones(2))
    np.testing.assert_array_equal(found, np.full((8, 8), 30))


def test_a_peak_on_the_coarse_grid_is_found_on_either_side():
    for peak in ((-8, 0), (8, -4), (-4, -8)):
        assert _highest(lambda shift, peak=peak: float(shift == peak), (8, 8)) == peak

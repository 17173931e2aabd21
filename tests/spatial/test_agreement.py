"""Known shifts are found, and what is aligned gives no warning."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage

from napari_textdifuse import read
from napari_textdifuse.samples import load_sample
from napari_textdifuse.spatial import agreement, check_alignment
from napari_textdifuse.volume import Volume

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"
PAIRS = ["pet-mri", "ct-mri", "spect-mri"]


def moved(volume, shift):
    affine = volume.affine.copy()
    affine[:3, 3] += shift
    return replace(volume, affine=affine)


@pytest.mark.parametrize("swap", [False, True])
@pytest.mark.parametrize("name", PAIRS)
def test_aligned_samples_and_half_a_voxel_are_left_alone(name, swap):
    a, b = load_sample(name)[:: -1 if swap else 1]
    for shift in ((0, 0, 0), (1, 0, 0), (0, -1, 1)):
        found = check_alignment(a, moved(b, shift))
        assert found.message is None
        assert found.shift == (0, 0, 0)
        assert 0.5 < found.overlap <= 1


@pytest.mark.parametrize("swap", [False, True])
@pytest.mark.parametrize(
    "shift", [(4, 0, 0), (0, 4, 0), (0, 0, 4), (0, 0, -5), (8, -5, 3), (-12, 10, 9)]
)
@pytest.mark.parametrize("name", PAIRS)
def test_shifts_from_4_mm_are_found_with_their_direction(name, shift, swap):
    a, b = load_sample(name)[:: -1 if swap else 1]
    found = check_alignment(a, moved(b, shift))
    np.testing.assert_allclose(found.shift, -np.array(shift), atol=2)
    assert found.unit == "mm"
    assert found.shift_mm == pytest.approx(np.linalg.norm(found.shift))
    assert found.gain > 0.1
    assert "Register" in found.message


def test_the_message_says_where_to():
    a, b = load_sample("ct-mri")
    message = check_alignment(a, moved(b, (-12, 10, 0))).message
    assert "12 mm right" in message
    assert "10 mm back" in message
    assert " up" not in message
    assert " down" not in message


def test_axes_of_the_array_do_not_matter():
    """Flipped and permuted axes with the affine that belongs to them are the same image."""
    a, b = load_sample("pet-mri")
    b = moved(b, (6, -6, 0))
    turn = np.zeros((4, 4))
    turn[0, 1] = turn[1, 2] = turn[2, 0] = turn[3, 3] = 1
    flipped = replace(
        b, array=np.ascontiguousarray(b.array.transpose(1, 2, 0)), affine=b.affine @ turn
    )
    x, y, z = 30, 50, 20
    assert flipped.array[y, x, z] == b.array[z, y, x]
    np.testing.assert_allclose(flipped.affine @ [z, x, y, 1], b.affine @ [x, y, z, 1])
    shift = check_alignment(a, flipped).shift
    np.testing.assert_allclose(shift, (-6, 6, 0), atol=2)


def street(shift=(0, 0)):
    visible, infrared = load_sample("street")
    return visible, infrared.with_array(
        ndimage.shift(infrared.array, shift, order=1, mode="nearest")
    )


def test_images_are_compared_in_pixels():
    found = check_alignment(*street())
    assert (found.message, found.unit, found.shift_mm) == (None, "px", None)
    found = check_alignment(*street((0, 9)))
    np.testing.assert_allclose(found.shift, (-9, 0), atol=2)
    assert "9 px left" in found.message
    found = check_alignment(*street((-8, 0)))
    np.testing.assert_allclose(found.shift, (0, 8), atol=2)
    assert " px down" in found.message
    assert "left" not in found.message


def test_an_image_of_another_size_that_shows_the_same():
    visible, infrared = load_sample("street")
    half = infrared.with_array(infrared.array[::2, ::2])
    assert check_alignment(visible, half).message is None


def slices(volume, other, index):
    """The slice of `volume`, and where it cuts `other` resampled onto it."""
    from napari_textdifuse.spatial import resample_to

    other = resample_to(other, volume).volume
    affine = volume.affine.copy()
    affine[:3, 3] += index * affine[:3, 2]
    return [Volume(v.array[index], affine=affine, modality=v.modality) for v in (volume, other)]


@pytest.mark.parametrize("name", PAIRS)
def test_single_slices_move_in_their_plane(name):
    a, b = slices(*load_sample(name), 32)
    assert check_alignment(a, b).message is None
    found = check_alignment(a, moved(b, (7, -6, 0)))
    np.testing.assert_allclose(found.shift, (-7, 6, 0), atol=2.5)
    other_plane = check_alignment(a, moved(b, (0, 0, 30)))
    assert "different planes" in other_plane.message


def test_no_overlap_and_little_overlap():
    a, b = load_sample("pet-mri")
    far = check_alignment(a, moved(b, (900, 0, 0)))
    assert far.overlap == 0
    assert "do not overlap" in far.message
    half = check_alignment(a, moved(b, (0, 0, 120)))
    assert 0 < half.overlap < 0.5
    assert f"{half.overlap:.0%}" in half.message


def test_what_cannot_be_judged_is_not():
    a, b = load_sample("pet-mri")
    flat = b.with_array(np.ones_like(b.array))
    labels = replace(b, array=(b.array > 3).astype(np.uint8), unit="label")
    noise = b.with_array(np.random.default_rng(0).normal(size=b.array.shape).astype(np.float32))
    broken = b.with_array(np.full_like(b.array, np.nan))
    for other in (flat, labels, noise, broken):
        assert check_alignment(a, other).message is None
    tiny = Volume(np.arange(4.0).reshape(2, 2))
    assert check_alignment(tiny, tiny).message is None
    assert check_alignment(Volume(np.ones((1, 1))), Volume(np.ones((1, 1)))).message is None


@pytest.mark.parametrize("size", [(24, 30), (60, 80), (300, 400)])
def test_noise_agrees_nowhere(size):
    for seed in range(12):
        a, b = np.random.default_rng(seed).random((2, *size))
        if seed % 2:
            a, b = (ndimage.gaussian_filter(x, 1.5) for x in (a, b))
        assert check_alignment(Volume(a), Volume(b)).message is None, seed


def test_equal_inputs_give_equal_answers_and_nothing_is_changed():
    a, b = load_sample("spect-mri")
    b = moved(b, (5, 5, 5))
    before = b.array.copy()
    assert check_alignment(a, b) == check_alignment(a, b)
    np.testing.assert_array_equal(b.array, before)


def test_a_large_volume_takes_little_work(monkeypatch):
    """Half a second of one core: some hundred shifts of 100,000 values each."""
    compared = []
    values_at = agreement._Information._moved

    def counted(information, shift):
        values = values_at(information, shift)
        compared.append(values.size)
        return values

    monkeypatch.setattr(agreement._Information, "_moved", counted)
    a, _ = load_sample("ct-mri")
    size = (128, 256, 256)
    factors = [n / s for n, s in zip(size, a.shape, strict=True)]
    grid = a.affine @ np.diag([*(1 / np.array(factors[::-1])), 1])
    large = Volume(ndimage.zoom(a.array, factors, order=0), affine=grid)
    other = moved(Volume(large.array * 2.0, affine=grid), (6, 0, 0))
    found = check_alignment(large, other)
    assert len(compared) < 400
    assert max(compared) < 120_000
    np.testing.assert_allclose(found.shift, (-6, 0, 0), atol=1.5)


@pytest.mark.skipif(not SHARED.is_dir(), reason="needs the development pictures in shared/data")
@pytest.mark.parametrize(
    ("name", "one", "other", "most"),
    [("MSRS", "VIS", "IR", 0), ("RoadScene", "VIS", "IR", 1), ("CT-MRI", "MRI", "CT", 0)],
)
def test_development_pairs(name, one, other, most):
    """RoadScene's FLIR_07620 really is off by some pixels."""
    files = sorted((SHARED / name / one).iterdir())[::12]
    warned = []
    for file in files:
        partner = SHARED / name / other / file.name
        if check_alignment(read(file), read(partner)).message:
            warned.append(file.name)
    assert len(warned) <= most, warned

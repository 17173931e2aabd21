from __future__ import annotations

import json
import sys
from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage

from napari_textdifuse.errors import (
    Cancelled,
    GeometryError,
    InputError,
    MissingDependencyError,
    ReadError,
)
from napari_textdifuse.samples import load_sample
from napari_textdifuse.spatial import (
    Registration,
    aligned,
    register,
    registration_search,
    resample_to,
)
from napari_textdifuse.volume import Volume

SimpleITK = pytest.importorskip("SimpleITK", reason="registration is an extra")


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    """Fewer points suffice for a phantom."""
    monkeypatch.setattr(registration_search, "POINTS", 20_000)


def movement(shift=(0, 0, 0), **degrees):
    """Rotate about x, y, z in turn, then shift; RAS mm."""
    matrix = np.eye(4)
    matrix[:3, 3] = shift
    for axis, angle in degrees.items():
        c, s = np.cos(np.radians(angle)), np.sin(np.radians(angle))
        turn = np.eye(4)
        i, j = (k for k in range(3) if k != "xyz".index(axis))
        turn[i, i], turn[i, j], turn[j, i], turn[j, j] = c, -s, s, c
        matrix = matrix @ turn
    return matrix


def phantom(shape=(36, 42, 40), spacing=3.0, invert=False):
    """An asymmetric head: no mirror or turn of it looks like it."""
    affine = np.diag([-spacing, spacing, spacing, 1.0])
    affine[:3, 3] = [spacing * shape[2] / 2, -spacing * shape[1] / 2, -spacing * shape[0] / 2]
    z, y, x = np.indices(shape)
    world = np.stack([x, y, z, np.ones_like(x)], axis=-1) @ affine.T
    image = np.zeros(shape, np.float32)
    for centre, radii, value in (
        ((0, 0, 0), (38, 54, 44), 40),
        ((-14, 20, 8), (16, 10, 22), 90),
        ((16, -16, -12), (10, 22, 12), 10),
        ((12, 22, 20), (12, 14, 8), 70),
        ((-16, -24, -14), (9, 14, 9), 100),
        ((0, 0, 26), (18, 7, 8), 15),
    ):
        distance = sum(((world[..., k] - centre[k]) / radii[k]) ** 2 for k in range(3))
        image = np.where(distance < 1, np.float32(value), image)
    if invert:
        image = np.where(image > 0, 110 - image, 0)
    noise = np.random.default_rng(int(invert)).normal(0, 1.5, shape)
    return Volume((image + noise).astype(np.float32), affine=affine, name="inverted" * invert)


POINTS = np.array(
    [[0, 0, 0, 1], [40, 0, 0, 1], [0, 45, 0, 1], [0, 0, 35, 1], [-25, -25, -25, 1]], float
).T


def error_mm(found, true, points=POINTS):
    """How far points end from where they were before `true` moved them."""
    return float(np.linalg.norm((found.matrix @ true @ points - points)[:3], axis=0).max())


def error_degrees(found, true):
    turn = (found.matrix @ true)[:3, :3]
    return float(np.degrees(np.arccos(np.clip((np.trace(turn) - 1) / 2, -1, 1))))


MOVES = {
    "small": movement((6, -4, 5), x=5, z=-6),
    "large": movement((25, -15, 20), y=12, z=10),
    "apart": movement((400, 0, 0), x=3),
}


@pytest.mark.parametrize(("name", "invert"), [("small", True), ("large", True), ("apart", False)])
def test_known_movements_are_undone(monkeypatch, name, invert):
    monkeypatch.setattr(registration_search, "POINTS", 80_000)
    fixed, moving = phantom(), phantom((32, 40, 36), 3.4, invert)
    true = MOVES[name]
    before = moving.array.copy()
    found = register(fixed, replace(moving, affine=true @ moving.affine))
    assert error_mm(found, true) < 1
    assert error_degrees(found, true) < 1
    np.testing.assert_allclose(found.matrix[:3, :3] @ found.matrix[:3, :3].T, np.eye(3), atol=1e-6)
    assert found.metric_before is None or found.metric_after > found.metric_before
    np.testing.assert_array_equal(moving.array, before)


@pytest.mark.parametrize(
    ("slices", "spacing", "thick"),
    [(10, 3.0, "30 mm"), (16, 3.0, None), (13, 3.1, None), (12, 3.1, "37 mm")],
)
def test_a_slab_is_warned_about(monkeypatch, slices, spacing, thick):
    """Its searches may agree and be wrong; 40 mm, or a third of the longest side, are enough."""
    monkeypatch.setattr(registration_search, "POINTS", 2_000)
    fixed, moving = phantom(), phantom((slices, 42, 40), spacing)
    for pair in ((fixed, moving), (moving, fixed)):
        said = [w for w in register(*pair).warnings if "mm thick" in w]
        assert [w.split(" mm thick")[0].split()[-1] + " mm" for w in said] == [thick] * bool(thick)


def test_affine_finds_a_stretch():
    fixed, moving = phantom(), phantom(invert=True)
    true = movement((5, 3, -4), z=5) @ np.diag([1.08, 0.94, 1.05, 1])
    found = register(fixed, replace(moving, affine=true @ moving.affine), "affine")
    assert error_mm(found, true) < 1.5
    assert 1.04 < found.scale < 1.12


def test_the_sample_pet_lands_on_its_mri():
    mri, pet = load_sample("pet-mri")
    true = movement((9, -6, 7), x=6, z=-5)
    found = register(mri, replace(pet, affine=true @ pet.affine))
    middle = mri.affine @ np.r_[(np.array(mri.shape[::-1]) - 1) / 2, 1]
    assert error_mm(found, true, middle[:, None]) < 1
    assert error_degrees(found, true) < 1


def test_images_that_already_agree_stay():
    fixed = phantom()
    found = register(fixed, phantom(invert=True))
    assert error_mm(found, np.eye(4)) < 0.5


def test_equal_inputs_equal_results():
    fixed, moving = phantom(), phantom(invert=True)
    moving = replace(moving, affine=MOVES["small"] @ moving.affine)
    first = register(fixed, moving).matrix
    for _ in range(5):
        np.testing.assert_array_equal(register(fixed, moving).matrix, first)


def test_the_number_of_threads_is_given_back():
    threads = SimpleITK.ProcessObject.GetGlobalDefaultNumberOfThreads()
    register(phantom(), phantom(invert=True))
    assert SimpleITK.ProcessObject.GetGlobalDefaultNumberOfThreads() == threads


def test_a_sheared_grid_is_not_an_obstacle():
    """Gantry tilt: the slices of the moving image are shifted against each other."""
    fixed, upright = phantom(), phantom(invert=True)
    tilt = np.eye(4)
    tilt[1, 2] = 0.3
    grid = upright.with_array(np.zeros(upright.shape), affine=upright.affine @ tilt)
    tilted = resample_to(upright, grid).volume
    true = MOVES["small"]
    found = register(fixed, replace(tilted, affine=true @ tilted.affine))
    assert error_mm(found, true) < 1.5


def test_only_the_affine_changes():
    moving = phantom(invert=True)
    moving = replace(moving, affine=MOVES["small"] @ moving.affine, unit="SUVbw", modality="PT")
    result = aligned(phantom(), moving)
    assert result.volume.array is moving.array
    assert (result.volume.unit, result.volume.modality) == ("SUVbw", "PT")
    np.testing.assert_allclose(
        result.volume.affine, result.registration.matrix @ moving.affine, atol=1e-12
    )
    assert "rigid registration" in result.notes[0]
    assert "mm and" in result.notes[0]


def test_slices_of_one_plane_move_in_it():
    def cut(volume, index):
        affine = volume.affine.copy()
        affine[:3, 3] += affine[:3, 2] * index
        return Volume(volume.array[index], affine=affine)

    tilt = movement((3, 40, -20), x=35)  # an oblique plane
    fixed, moving = cut(phantom(), 20), cut(phantom(invert=True), 20)
    fixed, moving = (replace(v, affine=tilt @ v.affine) for v in (fixed, moving))
    true = tilt @ movement((4, -6, 0), z=7) @ np.linalg.inv(tilt)
    found = register(fixed, replace(moving, affine=true @ moving.affine))
    places = tilt @ np.array([[0, 0, 0, 1], [35, 0, 0, 1], [0, 40, 0, 1.0]]).T
    assert error_mm(found, true, places) < 1.5
    normal = tilt[:3, 2]
    np.testing.assert_allclose(found.matrix[:3, :3] @ normal, normal, atol=1e-6)


def test_far_movements_are_trusted_when_the_searches_agree():
    fixed, moving = phantom(), phantom(invert=True)
    found = register(fixed, replace(moving, affine=MOVES["apart"] @ moving.affine))
    assert found.metric_before is None
    assert 380 < found.shift_mm < 420
    assert found.agreeing >= 2
    assert found.warnings == ()


def test_an_upside_down_image_is_turned_and_reported():
    fixed, moving = phantom(), phantom(invert=True)
    for half in (np.diag([-1.0, -1, 1, 1]), np.diag([1.0, -1, -1, 1])):
        true = movement((4, -3, 5), x=4) @ half
        found = register(fixed, replace(moving, affine=true @ moving.affine))
        assert error_mm(found, true) < 1.5
        assert any("upside down" in w for w in found.warnings)


def test_images_without_anything_in_common_are_not_trusted():
    fixed = phantom()
    noise = np.random.default_rng(3).normal(size=fixed.shape).astype(np.float32)
    noise = ndimage.gaussian_filter(noise, 2)
    found = register(fixed, fixed.with_array(noise))
    assert "uncertain" in " ".join(found.warnings)
    assert found.agreeing < found.starts


def test_a_place_that_fits_as_well_is_reported():
    """A ball with one mark on either side fits twice."""
    z, y, x = np.indices((40, 40, 40)) - 19.5
    ball = 100.0 * (z**2 + y**2 + x**2 < 17**2)
    ball[10:16, 18:24, 30:35] = ball[10:16, 18:24, 5:10] = 40
    ball[10:16, 30:35, 18:24] = ball[10:16, 5:10, 18:24] = 40
    noise = np.random.default_rng(0).normal(0, 1, ball.shape)
    fixed = Volume((ball + noise).astype(np.float32), affine=np.diag([4.0, 4, 4, 1]))
    found = register(fixed, replace(fixed, affine=movement(z=45) @ fixed.affine))
    assert "uncertain" in " ".join(found.warnings)


def test_progress_never_falls_and_cancel_stops():
    fixed, moving = phantom(), phantom(invert=True)
    moving = replace(moving, affine=MOVES["small"] @ moving.affine)
    seen = []
    register(fixed, moving, callback=seen.append)
    fractions = [state.fraction for state in seen]
    assert fractions == sorted(fractions)
    assert 0 <= fractions[0] < 0.3
    assert 0.7 < fractions[-1] <= 1
    assert {state.level for state in seen} == set(range(1, seen[0].levels + 1))
    calls = []
    with pytest.raises(Cancelled):
        register(fixed, moving, callback=lambda s: calls.append(s) or len(calls) < 4)
    assert len(calls) == 4


def test_errors_of_a_callback_come_through():
    def broken(_):
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        register(phantom(), phantom(invert=True), callback=broken)


@pytest.mark.parametrize("ending", ["json", "tfm"])
def test_saved_and_loaded(tmp_path, ending):
    matrix = movement((1.5, -200.25, 30), x=10, y=-20, z=30)
    found = Registration(matrix, "rigid", 0.25, 0.5, 12.0, 37.0, 1.0, ("Look at it.",))
    path = found.save(tmp_path / f"transform.{ending}")
    loaded = Registration.load(path)
    np.testing.assert_allclose(loaded.matrix, matrix, atol=1e-12)
    assert loaded.kind == "rigid"
    if ending == "json":
        assert loaded.warnings == found.warnings
        assert (loaded.metric_before, loaded.metric_after) == (0.25, 0.5)
        assert "RAS" in json.loads(path.read_text())["matrix_maps"]
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_itk_reads_the_tfm_file_as_it_means_it(tmp_path):
    """ITK's transforms take fixed points to moving points, in LPS."""
    import SimpleITK

    matrix = movement((5, -7, 9), x=10, z=30)
    path = Registration(matrix, "rigid", None, 0.5, 1, 1).save(tmp_path / "t.tfm")
    itk = SimpleITK.ReadTransform(str(path))
    moving = np.array([12.0, -34, 56])
    fixed = (matrix @ [*moving, 1])[:3]
    lps = np.array([-1, -1, 1])
    np.testing.assert_allclose(itk.TransformPoint((fixed * lps).tolist()), moving * lps, atol=1e-9)


def test_itks_own_files_are_read_with_their_centre(tmp_path):
    import SimpleITK

    itk = SimpleITK.AffineTransform(3)
    itk.Rotate(0, 1, 0.3)
    itk.SetCenter((10, 20, 30))
    itk.SetTranslation((1, 2, 3))
    path = tmp_path / "other.tfm"
    SimpleITK.WriteTransform(itk, str(path))
    loaded = Registration.load(path)
    lps = np.array([-1, -1, 1])
    fixed = np.array([4.0, 5, 6])
    moving = np.array(itk.TransformPoint((fixed * lps).tolist())) * lps
    np.testing.assert_allclose((loaded.matrix @ [*moving, 1])[:3], fixed, atol=1e-9)


@pytest.mark.parametrize("text", ["", "{}", "[1]", '{"matrix": [1, 2]}', "\0\1"])
@pytest.mark.parametrize("ending", ["json", "tfm"])
def test_damaged_files_get_one_sentence(tmp_path, text, ending):
    path = tmp_path / f"bad.{ending}"
    path.write_text(text)
    with pytest.raises(ReadError, match=f"bad.{ending}"):
        Registration.load(path)


def test_missing_and_misnamed_files(tmp_path):
    with pytest.raises(ReadError, match="does not exist"):
        Registration.load(tmp_path / "none.json")
    with pytest.raises(InputError, match=r"\.json or \.tfm"):
        Registration(np.eye(4), "rigid", 0, 0, 0, 0).save(tmp_path / "t.mat")


def test_what_cannot_be_registered_gets_one_sentence():
    volume = phantom()
    flat = Volume(np.ones(volume.shape, np.float32), affine=volume.affine, name="flat")
    thin = Volume(volume.array[:2], affine=volume.affine, name="thin")
    picture = Volume(volume.array[0], affine=volume.affine, name="picture")
    nowhere = Volume(volume.array, name="nowhere")
    for moving, words, kind in (
        (flat, "flat has the same value", InputError),
        (thin, r"thin \(.* x .*\) is too thin", GeometryError),
        (picture, "picture is 2-D|and picture is 2-D", InputError),
        (nowhere, "nowhere has no geometry", GeometryError),
    ):
        with pytest.raises(kind, match=words):
            register(volume, moving)
    with pytest.raises(InputError, match="kind must be"):
        register(volume, volume, "elastic")
    with pytest.raises(InputError, match="no geometry"):
        Registration(np.eye(4), "rigid", 0, 0, 0, 0).apply(nowhere)


def test_without_the_extra_its_name_is_said(monkeypatch):
    monkeypatch.setitem(sys.modules, "SimpleITK", None)
    with pytest.raises(MissingDependencyError, match=r"napari-textdifuse\[register\]"):
        register(phantom(), phantom())

"""Heads that are turned, shifted or cut in their image are compared with their own other side."""

import numpy as np
import pytest
from scipy import ndimage
from test_locate_absent import AFFINE, CASES, HEADS

from napari_textdifuse.locate import LexiconLocator
from napari_textdifuse.locate.skull import cranial_cavity
from napari_textdifuse.locate.symmetry import MidPlane, mid_plane
from napari_textdifuse.locate.views import views_of
from napari_textdifuse.volume import Volume

LOCATOR = LexiconLocator()
MIDDLE = np.array([24, 28, 24]) * 4.0
#: Turns about the axes from feet to head, from front to back, and both.
TURNS = {"turned": (10, 0), "leaning": (0, -10), "both": (-12, 8)}


def turn(degrees):
    """The matrix (Z, Y, X) of a turn about Z, then about Y."""
    (a, b) = np.deg2rad(degrees)
    about_z = np.array([[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]])
    about_y = np.array([[np.cos(b), 0, np.sin(b)], [0, 1, 0], [-np.sin(b), 0, np.cos(b)]])
    return about_y @ about_z


def moved(array, degrees, shift_mm=(0.0, 0.0, 0.0)):
    """The head turned about its middle and shifted; a voxel is 4 mm."""
    matrix = turn(degrees).T
    middle = MIDDLE / 4
    offset = middle - matrix @ (middle + np.array(shift_mm) / 4)
    lowest = float(array.min())
    return ndimage.affine_transform(array, matrix, offset, order=1, cval=lowest)


def part(where, radii):
    z, y, x = 4.0 * np.indices(HEADS["T2"].shape) - MIDDLE[:, None, None, None]
    return sum(((p - c) / r) ** 2 for p, c, r in zip((z, y, x), where, radii, strict=True)) < 1


def with_twins(kind, value):
    """A head with the same bright part on both sides, far in front of the middle."""
    twins = part((10, -46, 32), (13, 13, 9)) | part((10, -46, -32), (13, 13, 9))
    return np.where(twins, np.float32(value), HEADS[kind].array)


@pytest.mark.parametrize("degrees", TURNS.values(), ids=TURNS)
@pytest.mark.parametrize("shift", [0.0, 15.0])
def test_the_plane_is_found(degrees, shift):
    array = moved(with_twins("T2", 700), degrees, (0, 0, shift))
    brain = moved((part((0, 0, 0), (68, 81.6, 68))).astype(np.float32), degrees, (0, 0, shift))
    plane = mid_plane(array, brain > 0.5, 2, (4.0, 4.0, 4.0))
    across = turn(degrees) @ np.array([0, 0, 1.0])
    assert np.rad2deg(np.arccos(min(1.0, abs(plane.normal @ across)))) < 1.5
    middle = MIDDLE + np.array([0, 0, shift])
    assert abs(plane.normal @ middle - plane.offset) < 1.5


def test_a_lesion_does_not_turn_the_plane():
    array = with_twins("T2", 700)
    array = moved(np.where(part((20, -16, 28), (18, 18, 18)), np.float32(1500), array), (10, 0))
    brain = moved(part((0, 0, 0), (68, 81.6, 68)).astype(np.float32), (10, 0)) > 0.5
    plane = mid_plane(array, brain, 2, (4.0, 4.0, 4.0))
    across = turn((10, 0)) @ np.array([0, 0, 1.0])
    assert np.rad2deg(np.arccos(min(1.0, abs(plane.normal @ across)))) < 2


def test_a_line_in_a_slice():
    array = with_twins("T2", 700)
    z = round((MIDDLE[0] + 10) / 4)
    brain = part((0, 0, 0), (68, 81.6, 68)).astype(np.float32)
    slices = [moved(a, (10, 0))[z] for a in (array, brain)]
    plane = mid_plane(slices[0], slices[1] > 0.5, 1, (4.0, 4.0))
    assert np.rad2deg(np.arctan(plane.normal[0] / plane.normal[1])) == pytest.approx(
        np.rad2deg(np.arctan2(*(turn((10, 0)) @ np.array([0, 0, 1.0]))[1:])), abs=1.5
    )


@pytest.mark.parametrize("degrees", TURNS.values(), ids=TURNS)
@pytest.mark.parametrize(("kind", "value"), [("T2", 760), ("FLAIR", 760), ("DWI", 760)])
def test_what_both_sides_have_is_no_lesion_in_a_turned_head(kind, value, degrees):
    image = HEADS[kind].with_array(moved(with_twins(kind, value), degrees))
    assert not LOCATOR.locate([image], "lesion").mask.any()


@pytest.mark.parametrize("degrees", TURNS.values(), ids=TURNS)
def test_a_lesion_of_one_side_is_found_in_a_turned_head(degrees):
    lesion = part((20, -16, 28), (18, 18, 18))
    array = np.where(lesion, np.float32(800), with_twins("T2", 760))
    where = moved(lesion.astype(np.float32), degrees) > 0.5
    image = HEADS["T2"].with_array(moved(array, degrees))
    mask = LOCATOR.locate([image], "lesion").mask > 0
    assert 2 * (mask & where).sum() > 0.7 * (mask.sum() + where.sum())


@pytest.mark.parametrize("degrees", TURNS.values(), ids=TURNS)
def test_what_both_sides_have_is_no_blood_in_a_turned_head(degrees, monkeypatch):
    """Near the skull blood must be denser than the other side, as the blurred base is not."""
    from napari_textdifuse.locate import ct

    monkeypatch.setattr(ct, "DEEP_MM", 40.0)  # voxels of 4 mm leave little within 15 mm

    def found(*parts):
        array = np.where(np.logical_or.reduce(parts), np.float32(68), HEADS["CT"].array)
        return LOCATOR.locate(
            [HEADS["CT"].with_array(moved(array, degrees))], "haemorrhage"
        ).mask.any()

    left, right = (part((0, -50, side), (12, 12, 10)) for side in (24, -24))
    assert found(left)
    assert not found(left, right)


def test_without_the_other_side_in_view_nothing_is_called_one_sided():
    """A field of view that ends within the head leaves nothing to compare with."""
    array = HEADS["T2"].array[:, :, :40]
    plane = MidPlane(np.array([0.0, 0.0, 1.0]), 96.0, (4.0, 4.0, 4.0))
    other = plane.mirror_nearby(array, 16.0)
    assert np.isinf(other[:, :, :8]).all()  # the other side of index 8 is index 40
    assert np.isfinite(other[:, :, 9:]).all()
    np.testing.assert_allclose(plane.mirror(array)[:, :, 9:], array[:, :, 39:8:-1])
    # bright, at the edge of the view, and without another side
    lone = np.where(part((20, -16, -44), (16, 16, 16)), np.float32(800), HEADS["T2"].array)
    whole, view = (HEADS["T2"].with_array(a) for a in (lone, lone[:, :, :30]))
    assert LOCATOR.locate([whole], "lesion").mask.any()
    assert not LOCATOR.locate([view], "lesion").mask.any()


def thicker(array, times=2):
    """Slices so many times as thick."""
    return array.reshape(-1, times, *array.shape[1:]).mean(axis=1)


@pytest.mark.parametrize("kind", HEADS)
@pytest.mark.parametrize("change", ["turned", "thick"])
def test_no_term_marks_anything_in_a_turned_head_or_in_thick_slices(kind, change):
    """As `test_nothing_is_marked_where_nothing_is`, of a head that is not straight, or coarse."""
    head, affine = HEADS[kind], AFFINE.copy()
    if change == "turned":
        array = moved(head.array, TURNS["both"], (0, 8, 15))
    else:
        array, affine[2, 2] = thicker(head.array), 8.0
    image = Volume(
        array, affine=affine, unit=head.unit, modality=head.modality, contrast=head.contrast
    )
    terms = ", ".join(term for k, term in CASES if k == kind)
    location = LOCATOR.locate([image], terms)
    marked = {location.names[k] for k in np.unique(location.mask) if k}
    assert marked == set()
    assert len(location.detections) == 0


@pytest.mark.parametrize("thick", [1, 2])
@pytest.mark.parametrize("hole", [0, 1])
def test_thick_slices_do_not_open_the_skull(thick, hole):
    """Bone that is blurred below any threshold still parts the brain from the muscle outside."""
    z, y, x = 4.0 * np.indices(HEADS["CT"].shape) - MIDDLE[:, None, None, None]
    array = HEADS["CT"].array.copy()
    if hole:  # at the temple, as wide as 40 mm, bone is hardly denser than muscle
        temple = (np.abs(x) > 58) & (y**2 + z**2 < 20**2) & (array > 45)
        array[temple] = np.maximum(55, 0.07 * array[temple])
    affine = AFFINE.copy()
    affine[2, 2] *= thick
    array = thicker(array, thick)
    image = Volume(array, affine=affine, unit="HU", modality="CT")
    view = views_of([image])[0]
    cavity = cranial_cavity(view)
    true = thicker(part((0, 0, 0), (68, 81.6, 68)), thick) > 0.5
    assert 2 * (cavity & true).sum() > 0.9 * (cavity.sum() + true.sum())
    for term in ("vessel", "haemorrhage"):
        assert not LOCATOR.locate([image], term).mask.any()
    brain = LOCATOR.locate([image], "brain").mask > 0
    assert 1200 < brain.sum() * 64 * thick / 1000 < 1700


def test_a_skull_that_the_image_cuts_at_the_vertex_is_no_vessel():
    """The last slices graze spongy bone, which then seems to lie deep inside."""
    array = np.where(part((62, 0, 0), (8, 24, 24)), np.float32(420), HEADS["CT"].array)[:41]
    image = Volume(array, affine=AFFINE, unit="HU", modality="CT")
    assert not LOCATOR.locate([image], "vessel").mask.any()
    inside = np.where(part((30, 0, 0), (6, 6, 30))[:41], np.float32(300), array)
    assert LOCATOR.locate([image.with_array(inside)], "vessel").mask.any()


def test_a_bottle_has_no_skull_and_a_tight_view_no_outside():
    even = np.full((20, 20, 20), 35, np.float32)
    even[0, 0, 0] = 400
    tight = Volume(even, affine=AFFINE, unit="HU", modality="CT")
    assert not cranial_cavity(views_of([tight])[0]).any()

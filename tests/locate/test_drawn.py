"""Boxes, points, polygons and painted labels become masks: what is found and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

from napari_textdifuse.errors import InputError, WeightsError
from napari_textdifuse.locate.drawn import Drawing, Outline, Refiner, get_refiner, refine
from napari_textdifuse.volume import Volume


def picture(seed=0, shape=(80, 100)):
    """Noise with a disc (radius 10 at y 30, x 40) and a rectangle in it, and the two truths."""
    y, x = np.indices(shape)
    disc = (y - 30) ** 2 + (x - 40) ** 2 < 100
    block = (y >= 55) & (y < 70) & (x >= 70) & (x < 90)
    values = np.random.default_rng(seed).normal(0, 0.1, shape)
    return values + disc - block, disc, block


@pytest.fixture(scope="module")
def pair():
    values, disc, block = picture()
    blank = np.random.default_rng(1).normal(0, 1, values.shape)
    return Volume(blank, modality="MR"), Volume(values, modality="PT"), disc, block


def box_of(mask, wider=0):
    where = np.nonzero(mask)[::-1]
    return [w.min() - wider for w in where] + [w.max() + 1 + wider for w in where]


@pytest.mark.parametrize("wider", [6, 12, 20])
def test_a_wide_box_holds_one_object_in_its_middle(dice, wider):
    """Bright stripes cross the box."""
    y, x = np.indices((120, 120))
    disc = (y - 60) ** 2 + (x - 60) ** 2 < 15**2
    stripes = ((x + y) % 60 < 12) & ((y - 60) ** 2 + (x - 60) ** 2 > 22**2)
    values = np.random.default_rng(0).normal(0, 0.1, disc.shape) + disc + 0.5 * stripes
    found = refine(Volume(values), None, Drawing(boxes=box_of(disc, wider)), "classical")
    assert dice(found.mask, disc) > 0.9
    assert "of the box's width, around its middle" in found.notes[0]
    corner = Drawing(boxes=box_of(disc, wider), points=[[61 - 15 - wider, 60]])
    # a point on the object at the box's edge says that the object is as large as the box
    assert "around its middle" not in refine(Volume(values), None, corner, "classical").notes[0]


@pytest.mark.parametrize("wider", [0, 3])
def test_boxes_get_the_outline_in_the_image_that_shows_them(pair, dice, wider):
    blank, values, disc, block = pair
    drawing = Drawing(boxes=[box_of(disc, wider), box_of(block, wider)])
    found = refine(blank, values, drawing, "classical")
    assert found.mask.dtype == np.uint8
    assert dice(found.mask == 1, disc) > 0.95
    assert dice(found.mask == 2, block) > 0.95
    assert found.detections.sources == ("PT", "PT")
    assert found.detections.labels == ("box 1", "box 2")
    assert found.names == {1: "box 1", 2: "box 2"}
    assert "outlined in PT (classical" in found.notes[0]
    assert (found.instances == found.mask).all()
    np.testing.assert_array_equal(found.detections.boxes[1], box_of(found.mask == 2))
    other_way = refine(values, blank, drawing, "classical")
    assert dice(other_way.mask, found.mask) > 0.99


def test_one_image_is_enough(pair, dice):
    _, values, disc, _ = pair
    assert dice(refine(values, None, Drawing(boxes=box_of(disc)), "classical").mask, disc) > 0.95


def test_a_ring_is_hollow(dice):
    y, x = np.indices((90, 90))
    r = np.hypot(y - 45, x - 45)
    ring = (r > 24) & (r < 30)
    values = np.random.default_rng(0).normal(0, 20, r.shape) + 1000 * ring + 40 * (r <= 24)
    found = refine(Volume(values), None, Drawing(boxes=box_of(ring)), "classical")
    assert dice(found.mask, ring) > 0.9


def test_colour_counts_where_brightness_does_not(dice):
    y, x = np.indices((60, 60))
    disc = (y - 30) ** 2 + (x - 30) ** 2 < 144
    colours = np.where(disc[..., None], [200, 60, 60], [60, 131, 60])  # equal BT.601 luma
    noisy = np.clip(colours + np.random.default_rng(0).normal(0, 8, colours.shape), 0, 255)
    scene = Volume(noisy.astype(np.uint8), rgb=True, modality="VIS")
    assert dice(refine(scene, None, Drawing(boxes=box_of(disc)), "classical").mask, disc) > 0.95


@pytest.mark.parametrize("seed", [0, 1, 8, 14])
def test_where_nothing_stands_out_the_box_stays_with_a_note(seed):
    noise = Volume(np.random.default_rng(seed).normal(size=(50, 50)), modality="MR")
    found = refine(noise, None, Drawing(boxes=[10, 20, 30, 30]), "classical")
    expected = np.zeros((50, 50), np.uint8)
    expected[20:30, 10:30] = 1
    np.testing.assert_array_equal(found.mask, expected)
    assert found.detections.sources == ("drawn",)
    assert "nothing in it stands out in MR" in found.notes[0]


@pytest.mark.parametrize("box", [[0, 0, 1, 1], [0, 0, 30, 20], [3.2, 4, 3.4, 5], [-5, -5, 40, 40]])
def test_odd_boxes_never_crash(box):
    for array in (np.zeros((20, 30)), np.full((20, 30), np.nan), np.eye(20, 30)):
        found = refine(Volume(array), None, Drawing(boxes=box), "classical")
        assert found.mask.any()
        assert len(found.detections) == 1


def test_points_correct_a_box(dice):
    """Two discs of equal brightness in one box: a negative point takes one away."""
    y, x = np.indices((60, 100))
    left = (y - 30) ** 2 + (x - 30) ** 2 < 100
    right = (y - 30) ** 2 + (x - 65) ** 2 < 100
    values = np.random.default_rng(0).normal(0, 0.05, left.shape) + left + 0.7 * right
    image, box = Volume(values), box_of(left | right)
    both = refine(image, None, Drawing(boxes=box), "classical")
    assert dice(both.mask, left | right) > 0.9
    drawing = Drawing(boxes=box, points=[[30, 30], [65, 30]], point_labels=[1, 0])
    corrected = refine(image, None, drawing, "classical")
    assert not corrected.mask[30, 65]
    assert dice(corrected.mask, left) > dice(both.mask, left) + 0.1


def test_a_point_floods_what_it_lies_in(pair, dice):
    blank, values, disc, block = pair
    found = refine(blank, values, Drawing(points=[[40.5, 30.5]]), "classical")
    assert dice(found.mask, disc) > 0.9
    assert found.detections.sources == ("PT",)
    assert found.names == {1: "object 1"}
    drawing = Drawing(points=[[40, 30], [80, 60]], point_values=[3, 7], names={3: "disc"})
    two = refine(blank, values, drawing, "classical")
    assert dice(two.mask == 3, disc) > 0.9
    assert dice(two.mask == 7, block) > 0.9
    assert two.names == {3: "disc", 7: "object 7"}
    together = refine(blank, values, Drawing(points=[[40, 30], [80, 60]]), "classical")
    assert set(np.unique(together.mask)) == {0, 1}
    assert dice(together.mask, disc | block) > 0.9


def test_a_negative_point_cuts_a_flood():
    y, x = np.indices((60, 100))
    left = (y - 30) ** 2 + (x - 30) ** 2 < 200
    right = (y - 30) ** 2 + (x - 60) ** 2 < 200
    bridge = (np.abs(y - 30) < 3) & (x > 30) & (x < 60)
    values = np.random.default_rng(0).normal(0, 0.03, left.shape) + (left | right | bridge)
    whole = refine(Volume(values), None, Drawing(points=[[25, 30]]), "classical").mask
    assert whole[30, 68]
    drawing = Drawing(points=[[25, 30], [65, 30]], point_labels=[1, 0])
    cut = refine(Volume(values), None, drawing, "classical").mask
    assert cut[30, 25]
    assert not cut[30, 65]
    assert (cut > 0)[right & (x > 50)].mean() < 0.2


def test_polygons_and_labels_are_taken_as_drawn(pair):
    blank, values, _, _ = pair
    painted = np.zeros(values.shape, np.int32)
    painted[0:4, 0:4] = 5
    triangle = [[10, 10], [20, 10], [10, 20]]
    found = refine(blank, values, Drawing(polygons=[triangle], labels=painted), "classical")
    assert found.names == {6: "polygon 6", 5: "label 5"}
    np.testing.assert_array_equal(found.mask == 5, painted == 5)
    y, x = np.nonzero(found.mask == 6)
    assert (x.min(), y.min()) == (10, 10)
    assert ((x + 0.5) + (y + 0.5) <= 30).all()  # the middle of a pixel decides
    assert abs(len(x) - 50) <= 5
    assert found.detections.sources == ("drawn", "drawn")


def test_painted_labels_are_on_top(pair):
    blank, values, _, _ = pair
    painted = np.zeros(values.shape, np.uint8)
    painted[20:40, 30:60] = 1
    drawing = Drawing(boxes=[32, 22, 36, 26], labels=painted, box_values=[2])
    found = refine(blank, values, drawing, "none")
    np.testing.assert_array_equal(found.mask, painted)


def test_none_fills_boxes_and_refuses_points(pair):
    blank, values, _, _ = pair
    found = refine(blank, values, Drawing(boxes=[[5, 10, 9, 20], [6, 12, 8, 14]]), "none")
    expected = np.zeros(values.shape, np.uint8)
    expected[10:20, 5:9], expected[12:14, 6:8] = 1, 2
    np.testing.assert_array_equal(found.mask, expected)
    with pytest.raises(InputError, match="choose the refiner 'classical' or 'sam'"):
        refine(blank, values, Drawing(points=[[5, 5]]), "none")


def test_volumes(dice):
    z, y, x = np.indices((20, 50, 60))
    ball = ((z - 10) * 2) ** 2 + (y - 25) ** 2 + (x - 30) ** 2 < 144
    values = np.random.default_rng(0).normal(0, 0.1, ball.shape) + ball
    image = Volume(values, modality="CT")
    found = refine(image, None, Drawing(boxes=box_of(ball)), "classical")
    assert dice(found.mask, ball) > 0.9
    assert found.detections.boxes.shape == (1, 6)
    # a box in one slice, and a polygon in another, stay in theirs
    square = [[20, 20, 4.5], [30, 20, 4.5], [30, 30, 4.5]]
    flat = refine(image, None, Drawing(boxes=[18, 13, 10, 43, 38, 11], polygons=[square]))
    assert np.unique(np.nonzero(flat.mask == 1)[0]).tolist() == [10]
    assert dice(flat.mask[10], ball[10]) > 0.95
    assert np.unique(np.nonzero(flat.mask == 2)[0]).tolist() == [4]
    point = refine(image, None, Drawing(points=[[30, 25, 10]]), "classical")
    assert dice(point.mask[10], ball[10]) > 0.9
    assert not point.mask[9].any()
    several = Drawing(points=[[30, 25, 10], [30, 25, 12]])
    assert dice(refine(image, None, several, "classical").mask, ball) > 0.85


def sand_glass():
    """Two balls on a line, joined by a thin neck, with noise: (image, truth of the upper one)."""
    z, y, x = np.indices((40, 50, 60))
    across = (y - 25) ** 2 + (x - 30) ** 2
    upper = ((z - 12) * 1.5) ** 2 + across < 144
    lower = ((z - 30) * 1.5) ** 2 + across < 144
    neck = (abs(z - 21) < 5) & (across < 6)
    values = np.random.default_rng(0).normal(0, 0.1, z.shape) + (upper | lower | neck)
    return Volume(values, modality="CT"), upper


@pytest.mark.parametrize("index", [12, 6])  # the largest slice, and one near the end
@pytest.mark.parametrize("kind", ["box", "polygon", "point", "painted"])
def test_what_is_drawn_in_one_slice_is_followed(dice, kind, index):
    image, upper = sand_glass()
    blank = Volume(np.random.default_rng(1).normal(0, 0.1, image.shape), modality="MR")
    x0, y0, _, x1, y1, _ = box_of(upper[index][None])
    drawing = {
        "box": Drawing(boxes=[x0, y0, index, x1, y1, index + 1], follow=True),
        "polygon": Drawing(
            polygons=[[[x, y, index] for x, y in circle(30.5, 25.5, (x1 - x0) / 2)]], follow=True
        ),
        "point": Drawing(points=[[30, 25, index]], follow=True),
        "painted": Drawing(labels=upper * (np.indices(upper.shape)[0] == index), follow=True),
    }[kind]
    found = refine(blank, image, drawing, "classical")
    assert dice(found.mask, upper) > 0.9
    assert not found.mask[26:].any()  # the other ball is another object
    assert len(found.detections) == 1
    assert found.detections.boxes[0, 2] <= 5
    assert "followed through slices" in found.notes[-1]


def test_following_stays_in_the_chosen_slices(tiny_pipeline, dice):
    image, upper = sand_glass()
    image = image.with_array(np.moveaxis(image.array, 0, 1))  # the balls lie along the second axis
    drawing = Drawing(boxes=[18, 12, 13, 43, 13, 38], follow=True)
    result = tiny_pipeline(image, image, drawing=drawing, axis=1, slices=(9, 18))
    assert result.mask.shape == (50, 9, 60)
    assert dice(result.mask, np.moveaxis(upper[9:18], 0, 1)) > 0.9


def circle(x, y, radius):
    angles = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    return np.stack([x + radius * np.cos(angles), y + radius * np.sin(angles)], axis=1)


def test_what_ends_is_not_followed():
    image, _ = sand_glass()
    alone = image.with_array(np.where(np.indices(image.shape)[0] == 12, image.array, 0))
    drawing = Drawing(boxes=[18, 13, 12, 43, 38, 13], follow=True)
    found = refine(alone, None, drawing, "classical")
    assert np.flatnonzero(found.mask.any(axis=(1, 2))).tolist() == [12]
    assert found.notes[-1] == "box 1: does not continue in the neighbouring slices."
    plane = image.with_array(image.array[12])  # in an image there is nowhere to go
    flat = refine(plane, None, Drawing(boxes=[18, 13, 43, 38], follow=True), "classical")
    assert not any("slices" in note for note in flat.notes)


@pytest.mark.parametrize(
    ("drawing", "message"),
    [
        (Drawing(), "The drawing is empty"),
        (Drawing(boxes=[[1, 2, 3]]), r"Boxes need up to 255 rows of x0, y0, x1, y1"),
        (Drawing(boxes="here"), "rows of numbers"),
        (Drawing(boxes=[5, 5, 5, 9]), r"Box 1 \[5.0, 5.0, 5.0, 9.0\] is empty"),
        (Drawing(boxes=[5, 5, np.nan, 9]), "Box 1 .* is empty"),
        (Drawing(boxes=[200, 5, 210, 9]), r"Box 1 .* is outside the image \(80 x 100\)"),
        (Drawing(points=[[5, 80]]), r"Point 1 \[5.0, 80.0\] is outside"),
        (Drawing(points=[[5, 8]], point_labels=[2]), "point_labels must be 1"),
        (Drawing(points=[[5, 8]], point_values=[0]), "point_values must be"),
        (Drawing(polygons=[[[1, 1], [2, 2]]]), "Polygon 1 needs three or more corners x, y"),
        (Drawing(polygons=[[[1, 1], [1.1, 1], [1.1, 1.1]]]), "covers no pixel"),
        (Drawing(labels=np.zeros((3, 3), int)), "labels have the size 3 x 3"),
        (Drawing(labels=np.full((80, 100), 300)), "integers from 0 to 255"),
        (Drawing(boxes=[1, 1, 9, 9], box_values=[0]), "box_values must be 1 integers"),
        (Drawing(points=[[5, 8]], point_labels=[0]), "only negative points"),
    ],
)
def test_what_cannot_be_used_is_named(pair, drawing, message):
    with pytest.raises(InputError, match=message) as error:
        refine(pair[0], pair[1], drawing, "classical")
    assert "\n" not in str(error.value)


def test_slices_of_polygons_are_checked():
    image = Volume(np.zeros((5, 20, 20)))
    slanted = Drawing(polygons=[[[1, 1, 0], [5, 1, 0], [5, 5, 3]]])
    with pytest.raises(InputError, match="Polygon 1 spans slices 0 to 3"):
        refine(image, None, slanted)
    outside = Drawing(polygons=[[[1, 1, 7], [5, 1, 7], [5, 5, 7]]])
    with pytest.raises(InputError, match="slice 7 of an image with 5"):
        refine(image, None, outside)


def test_images_must_be_on_one_grid(pair):
    with pytest.raises(InputError, match="resample them"):
        refine(pair[0], Volume(np.zeros((4, 4))), Drawing(boxes=[0, 0, 2, 2]))


def test_refiners_by_name(no_weights):
    assert get_refiner("none") is None
    assert get_refiner("auto").name == "classical"  # no SAM on this machine
    assert isinstance(get_refiner("classical"), Refiner)
    assert isinstance(get_refiner("sam"), Refiner)
    with pytest.raises(InputError, match="no refiner 'magic'; choose from: 'auto', 'sam'"):
        get_refiner("magic")
    image = Volume(np.eye(9))
    with pytest.raises(WeightsError, match="use the refiner 'classical'"):
        refine(image, None, Drawing(boxes=[1, 1, 5, 5]), "sam")


def test_any_refiner_can_be_given():
    class Corner:
        name = "corner"

        def outline(self, images, item):
            return Outline((slice(0, 2), slice(0, 3)), np.ones((2, 3), bool), 0.5, 0, "by rule")

    found = refine(Volume(np.eye(9), modality="CT"), None, Drawing(boxes=[4, 4, 6, 6]), Corner())
    assert found.mask.sum() == 6
    assert found.detections.scores.tolist() == [0.5]
    assert found.notes == ("box 1: outlined in CT (corner: by rule).",)

"""Parts of a fusion whose right value can be worked out by hand, on both sides of their limits."""

from __future__ import annotations

import numpy as np
import pytest

from napari_textdifuse import Volume
from napari_textdifuse.errors import Cancelled, InputError
from napari_textdifuse.fusion.colour_cast import BLACK, SHADE, Cast, find_cast
from napari_textdifuse.fusion.options import FusionOptions
from napari_textdifuse.fusion.pair import make_pair
from napari_textdifuse.fusion.prepare import prepare_slab
from napari_textdifuse.fusion.progress import Progress, ProgressCounter, report
from napari_textdifuse.fusion.remodulation import contrast, gain_map, soft_mask, surround
from napari_textdifuse.fusion.result import OUTLINES, ResultPictures
from napari_textdifuse.fusion.slices import (
    Selection,
    boxes_from_front,
    cut_boxes,
    cut_points,
    select,
    slabs,
)
from napari_textdifuse.fusion.tiling import pad_to_multiple, tiles

# --- tiles


def spans(length, size, overlap):
    return [(t.columns.start, t.columns.stop) for t in tiles((1, length), size, overlap)]


def test_tiles_start_at_multiples_of_64_where_the_step_is_longer():
    assert spans(128, 128, 16) == [(0, 128)]
    assert spans(129, 128, 16) == [(0, 128), (64, 129)]
    assert spans(300, 128, 16) == [(0, 128), (64, 192), (128, 256), (192, 300), (256, 300)]
    assert spans(100, 60, 20) == [(0, 60), (40, 100)]
    assert spans(500, 256, 64) == [(0, 256), (192, 448), (384, 500)]
    # the overlap is at most half a tile
    assert spans(100, 40, 90) == [(0, 40), (20, 60), (40, 80), (60, 100)]


def test_weights_rise_and_fall_over_the_overlap():
    first, second = tiles((1, 100), 60, 20)
    ramp = np.arange(1, 21) / 21
    np.testing.assert_allclose(first.weight[0], np.r_[np.ones(40), ramp[::-1]], rtol=1e-6)
    np.testing.assert_allclose(second.weight[0], np.r_[ramp, np.ones(40)], rtol=1e-6)
    middle = next(t for t in tiles((1, 100), 40, 20) if t.columns.start == 20)
    np.testing.assert_allclose(middle.weight[0], np.r_[ramp, ramp[::-1]], rtol=1e-6)
    corner = next(iter(tiles((100, 100), 60, 20)))
    np.testing.assert_allclose(corner.weight, np.outer(first.weight[0], first.weight[0]))


def test_padding_mirrors_below_and_on_the_right():
    image = np.arange(6, dtype=np.float32).reshape(2, 3)
    padded = pad_to_multiple(image, 4)
    assert padded.tolist() == [[0, 1, 2, 2], [3, 4, 5, 5], [3, 4, 5, 5], [0, 1, 2, 2]]
    assert pad_to_multiple(np.zeros((5, 4, 8)), 4).shape == (5, 4, 8)


# --- strength maps


def test_a_ring_is_8_pixels_wide():
    labels = np.zeros((1, 41), np.uint8)
    labels[0, 20] = 1
    labels[0, 24] = 2
    ring = np.flatnonzero(surround(labels, 1)[0])
    assert ring.tolist() == [*range(12, 20), 21, 22, 23, 25, 26, 27, 28]


def test_contrast_is_the_difference_of_the_means():
    labels = np.zeros((1, 41), np.uint8)
    labels[0, 20:22] = 1
    image = np.arange(41, dtype=np.float32)[None] ** 2 / 1000
    inside, ring = image[0, 20:22].mean(), np.r_[image[0, 12:20], image[0, 22:30]].mean()
    assert contrast(image, labels, 1) == pytest.approx(float(inside - ring), rel=1e-5)
    full = np.ones((3, 3), np.uint8)
    assert np.isnan(contrast(np.ones((3, 3), np.float32), full, 1))
    assert gain_map(full, np.ones((3, 3), np.float32), 0.5).tolist() == [[0.5] * 3] * 3


def test_the_soft_edge_is_two_pixels_inside():
    labels = np.zeros((11, 11), np.uint8)
    labels[2:9, 2:9] = 4
    mask = soft_mask(labels)
    assert mask[5].tolist() == [0, 0, 0.5, 1, 1, 1, 1, 1, 0.5, 0, 0]
    border = np.zeros((5, 7), np.uint8)
    border[:, 4:] = 1
    assert soft_mask(border)[[0, 2, 4]].tolist() == [[0, 0, 0, 0, 0.5, 1, 1]] * 3


def test_an_object_of_the_brightness_of_its_surround_gets_brighter():
    labels = np.zeros((20, 20), np.uint8)
    labels[8:12, 8:12] = 7
    gain = gain_map(labels, np.full((20, 20), 0.5, np.float32), {7: 1.5, 8: 0.1})
    assert gain[10, 10] == 1.5
    assert gain_map(labels, np.full((20, 20), 0.5, np.float32), {8: 0.1})[10, 10] == 1


# --- colour cast


def light(warm, green, level=0.5, shape=(64, 64)):
    """An image of one colour with these log ratios; `level` is its green channel."""
    base = level + BLACK
    colour = base * np.exp([warm - green, 0, -warm - green]) - BLACK
    return np.broadcast_to(colour, (*shape, 3)).astype(np.float32)


@pytest.mark.parametrize(
    ("warm", "green", "kind"),
    [
        (0.105, 0, "yellow to red"),
        (0.095, 0, None),
        (-0.125, 0, "blue"),
        (-0.115, 0, None),
        (0, 0.135, "green"),
        (0, 0.125, None),
        (0, -0.105, "magenta"),
        (0, -0.095, None),
    ],
)
def test_limits_of_a_cast_by_day(warm, green, kind):
    found = find_cast(light(warm, green))
    assert found.kind == kind
    factor = 2 * abs(warm) if warm else abs(green)
    assert found.ratio == pytest.approx(np.exp(factor) if kind else 1, rel=1e-4)


@pytest.mark.parametrize(("warm", "kind"), [(-SHADE - 0.005, "blue"), (-SHADE + 0.005, None)])
def test_with_something_white_the_light_is_bluer(warm, kind):
    """Open shade next to sunlit white is not a cast."""
    picture = light(warm, 0).copy()
    picture[:, :8] = 1
    assert find_cast(picture).kind == kind


@pytest.mark.parametrize(
    ("warm", "green", "kind"),
    [
        (0.075, 0, "yellow to red"),
        (0.065, 0, None),
        (0.1, 0.155, "yellow to red"),
        (0.1, 0.165, None),
        (-0.5, 0, None),
        (0, 0.2, None),
    ],
)
def test_limits_of_a_cast_by_night(warm, green, kind):
    found = find_cast(light(warm, green, 0.15))
    assert found.kind == kind
    assert found.ratio == pytest.approx(np.exp(2 * warm) if kind else 1, rel=1e-4)


@pytest.mark.parametrize(("level", "kind"), [(0.19, "yellow to red"), (0.21, None)])
def test_night_is_darker_than_a_fifth(level, kind):
    """Nearly grey, so the brightness is the level: a ratio that is a cast by night only."""
    picture = light(0.08, 0, level)
    assert float(picture[0, 0] @ [0.299, 0.587, 0.114]) == pytest.approx(level, abs=0.006)
    assert find_cast(picture).kind == kind


@pytest.mark.parametrize(("blocks", "kind"), [(48, None), (49, "yellow to red")])
def test_three_quarters_of_the_blocks_must_agree(blocks, kind):
    """The quartile of 64 lies between the 16th and the 17th."""
    picture = light(0, 0).copy()
    for k in range(blocks):
        y, x = 8 * (k // 8), 8 * (k % 8)
        picture[y : y + 8, x : x + 8] = light(0.11, 0)[0, 0]
    assert find_cast(picture).kind == kind


def test_over_exposed_blocks_do_not_count():
    picture = light(0.2, 0).copy()
    picture[:, :56] = 1  # one column of blocks is left: 8 of 64
    assert find_cast(picture).kind == "yellow to red"
    picture[:8] = 1
    assert find_cast(picture).kind is None
    partly = light(0.2, 0).copy()
    partly.reshape(8, 8, 8, 8, 3)[:, :5] = 1  # of each block 3 rows of 8 are left, 37 %
    assert find_cast(partly).kind == "yellow to red"
    partly.reshape(8, 8, 8, 8, 3)[:, :6] = 1  # 2 rows, 25 %
    assert find_cast(partly).kind is None


def test_images_of_15_pixels_are_too_small():
    assert find_cast(light(0.2, 0, shape=(15, 40))).kind is None
    assert find_cast(light(0.2, 0, shape=(16, 40))).kind == "yellow to red"


def test_large_images_are_thinned():
    """Of 480 rows and columns every second is seen."""
    picture = light(0, 0, shape=(480, 500)).copy()
    picture[::2, ::2] = light(0.2, 0)[0, 0]
    assert find_cast(picture).kind == "yellow to red"
    assert find_cast(picture[:479]).kind is None


def test_a_cast_in_words():
    assert str(Cast(None)) == "the light has no cast"
    assert str(Cast("blue", 1.234)) == "the light has a cast (blue, 23 %)"


# --- ground


def framed(border, inside=0.5, width=4, shape=(100, 100)):
    values = np.full(shape, inside, np.float32)
    frame = np.ones(shape, bool)
    frame[width:-width, width:-width] = False
    values[frame] = border / 255
    return Volume(values)


@pytest.mark.parametrize(
    ("a", "b", "black"),
    [(5, 23, True), (23, 5, True), (5, 25, False), (6.5, 6.5, False), (0, 0, True)],
)
def test_black_ground_is_black_in_one_and_dark_in_both(a, b, black):
    pair = make_pair(framed(a), framed(b))
    assert prepare_slab(pair, pair.slabs[0]).has_black_background == black


@pytest.mark.parametrize(("width", "black"), [(3, True), (2, True), (1, False)])
def test_the_border_is_4_percent_of_a_side(width, black):
    """By the median: two of four pixels and the corners are more than half."""
    pair = make_pair(framed(0, width=width), framed(0, width=width))
    assert prepare_slab(pair, pair.slabs[0]).has_black_background == black


# --- slices


def test_a_selection_counts_and_indexes():
    chosen = Selection(1, 2, 5, 9)
    assert len(chosen) == 3
    assert not chosen.whole
    assert Selection(0, 0, 4, 4).whole
    assert np.zeros((3, 9, 2))[chosen.key].shape == (3, 3, 2)
    assert chosen.first(2) == Selection(1, 2, 4, 9)
    assert chosen.to_dict() == {"axis": 1, "first": 2, "last": 4, "of": 9}
    assert [(s.start, s.stop) for s in slabs(chosen, 2)] == [(2, 4), (4, 5)]
    assert [(s.start, s.stop) for s in slabs(chosen, 3)] == [(2, 5)]


@pytest.mark.parametrize(("degrees", "said"), [(4.9, False), (5.1, True)])
def test_planes_are_oblique_from_5_degrees(degrees, said):
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    affine = np.eye(4)
    affine[:3, :3] = np.array([[1, 0, 0], [0, c, -s], [0, s, c]]) @ np.diag([1, 2, 3])
    found = select(Volume(np.zeros((4, 5, 6)), affine=affine), axis="axial")
    assert found.axis == 0
    note = "Axial slices are those of the grid, 5 degrees from the plane."
    assert (found.notes == (note,)) == said


@pytest.mark.parametrize("index", [-6, 5])
def test_the_first_and_the_last_slice_by_number(index):
    whole = Volume(np.zeros((6, 7, 8)), name="PET")
    assert select(whole, index).start == index % 6
    with pytest.raises(InputError, match="PET has slices 0 to 5 along axis 0"):
        select(whole, 6 if index > 0 else -7)


def test_empty_ranges_and_integers():
    whole = Volume(np.zeros((6, 7, 8)), name="PET")
    for empty in ((3, 3), (4, 2), (6, None)):
        with pytest.raises(InputError, match="is empty: PET has slices 0 to 5"):
            select(whole, empty)
    for wrong in (1.5, "2", True):
        with pytest.raises(InputError, match="slices must be integers"):
            select(whole, wrong)
    with pytest.raises(InputError, match="cannot be skipped"):
        select(whole, slice(0, 4, 2))
    with pytest.raises(InputError, match=r"a range of slices is \(start, stop\)"):
        select(whole, (1, 2, 3))
    for axis in (3, -1, 1.0):
        with pytest.raises(InputError, match="axis must be 0, 1, 2"):
            select(whole, None, axis)


@pytest.mark.parametrize(
    ("axis", "point", "box"),
    [
        (0, [10, 20, 28], [10, 20, 28, 11, 22, 31]),
        (1, [10, 30, 18], [10, 30, 18, 11, 33, 20]),
        (2, [20, 30, 8], [20, 30, 8, 22, 33, 9]),
    ],
)
def test_points_and_boxes_move_to_the_turned_cut(axis, point, box):
    """The slice of `axis`, from the third on, becomes z; the other two keep their order."""
    chosen = Selection(axis, 2, 40, 50)
    assert cut_points(np.array([[10, 20, 30]]), chosen).tolist() == [point]
    rows, boxes = cut_boxes(np.array([[10.0, 20, 30, 11, 22, 33]]), chosen)
    assert rows.tolist() == [0]
    assert boxes.tolist() == [box]
    uncut = Selection(axis, 0, 50, 50)
    turned = cut_boxes(np.array([[10.0, 20, 30, 11, 22, 33]]), uncut)[1]
    assert boxes_from_front(turned, axis).tolist() == [[10, 20, 30, 11, 22, 33]]


def test_boxes_are_clipped_to_the_range_and_left_out_beyond():
    boxes = np.array([[0.0, 0, z, 1, 1, z + 4] for z in (-2, 1, 4, 6, 8)])
    rows, moved = cut_boxes(boxes, Selection(0, 2, 6, 20))
    assert rows.tolist() == [1, 2]
    assert moved[:, [2, 5]].tolist() == [[0, 3], [2, 4]]


# --- progress


def test_progress_is_counted_and_clipped():
    seen = []
    counter = ProgressCounter(seen.append, slices=3, total=5)
    counter.skip(2)
    counter.advance(1, np.array([[-1.0, 0.5, 2.0]], np.float32))
    state = seen[0]
    assert (state.step, state.total, state.slice_index, state.slices) == (3, 5, 1, 3)
    assert state.estimate.tolist() == [[0, 0.5, 1]]
    assert state.stage == "fusion"


@pytest.mark.parametrize("answer", [None, True, 0])
def test_only_false_cancels(answer):
    state = Progress(1, 2, 0, 1, None)
    report(lambda s: answer, state)
    report(None, state)
    with pytest.raises(Cancelled):
        report(lambda s: False, state)


# --- options


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("steps", (1, 1000), (0, 1001, 1.0, True)),
        ("seed", (0, 2**62), (-1, 2**62 + 1, "1")),
        ("samples", (1, 100), (0, 101)),
        ("balance", (-1, 1, 0.5, np.float32(0.25)), (-1.01, 1.01, True, "0")),
        ("strength", (0, 2, {1: 0, 2: 2.0}), (-0.01, 2.01, {1: 3}, "1")),
        ("restore", (0, 1, {"noise": 0, "light": 1}), (-0.01, 1.01, True, {"fog": 1})),
        ("tint", ("a", "b", None), ("c",)),
        ("colour", ("a", "b", None), ("A",)),
        ("quality", ("fast", "standard", "best", None), ("good",)),
        ("sampler", ("ddim", "dpm++", "ancestral", "mean", None), ("euler",)),
        ("chroma", ("auto", "restore", "keep"), ("gray",)),
    ],
)
def test_values_of_options(name, good, bad):
    for value in good:
        FusionOptions(**{name: value})
    for value in bad:
        with pytest.raises(InputError, match=name):
            FusionOptions(**{name: value})


def test_evaluations_follow_quality_or_steps():
    qualities = {"fast": 2, "standard": 5, "best": 9}
    assert FusionOptions().evaluations(qualities, 1) == 5
    assert FusionOptions(quality="best").evaluations(qualities, 1) == 9
    assert FusionOptions(steps=3).evaluations(qualities, 3) == 3
    with pytest.raises(InputError, match="steps must be an integer from 4 to 1000"):
        FusionOptions(steps=3).evaluations(qualities, 4)
    with pytest.raises(InputError, match="give quality or steps"):
        FusionOptions(steps=3, quality="fast")


def test_restoration_that_is_not_named_is_full():
    assert FusionOptions(restore=0.25).restoration == dict.fromkeys(
        ("noise", "light", "colour"), 0.25
    )
    named = FusionOptions(restore={"light": 0}).restoration
    assert named == {"noise": 1, "light": 0, "colour": 1}


# --- images


class Shown(ResultPictures):
    def __init__(self, shape, mask=None):
        self.fused = np.zeros(shape, np.float32)
        self.contribution = np.zeros(shape, np.float32)
        self.mask, self.label_names, self.record = mask, {5: "b <i>", 2: "a"}, {"warnings": ["w"]}


def test_a_notebook_sees_the_slice_with_most_of_the_mask_and_its_outlines():
    import io

    from PIL import Image

    mask = np.zeros((5, 20, 20), np.uint8)
    mask[1, 2:6, 2:6] = 2
    mask[3, 10:15, 10:15] = 5
    shown = Shown((5, 20, 20), mask)
    picture = np.asarray(Image.open(io.BytesIO(shown._repr_png_())))
    assert tuple(picture[10, 10]) == OUTLINES[0]  # the fifth label has the first colour again
    assert tuple(picture[12, 12]) == (0, 0, 0)
    assert (picture.any(axis=-1)).sum() == 16
    text = shown._repr_html_()
    assert "Fused image, 5 x 20 x 20, slice 3; not for diagnosis" in text
    assert "rgb(0, 230, 255)" in text
    assert text.index("2: a, 16 pixels") < text.index("5: b &lt;i&gt;, 25 pixels")
    assert "Note: w" in text
    assert "slice 2;" in Shown((5, 9, 9))._repr_html_()
    assert "Fused image, 9 x 9; not" in Shown((9, 9))._repr_html_()

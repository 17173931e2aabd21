"""Overlap, duplicates, clipping, and objects through slices, against numbers worked out by hand."""

from __future__ import annotations

import numpy as np

from napari_textdifuse.locate.boxes import clip, iou, without_duplicates
from napari_textdifuse.locate.objects import link


def boxes(*rows):
    return np.array(rows, np.float32).reshape(-1, 4)


def test_iou():
    a = boxes((0, 0, 4, 4), (10, 10, 12, 12), (5, 5, 5, 5))
    b = boxes((2, 0, 6, 4), (0, 0, 4, 4), (4, 0, 8, 4))
    expected = [[8 / 24, 1, 0], [0, 0, 0], [0, 0, 0]]
    np.testing.assert_allclose(iou(a, b), expected)
    assert iou(a, boxes()).shape == (3, 0)


def test_duplicates_keep_the_best_and_do_not_chain():
    row = boxes((0, 0, 10, 10), (1, 0, 11, 10), (5, 0, 15, 10), (40, 40, 50, 50))
    scores = np.array([0.5, 0.9, 0.6, 0.1], np.float32)
    # the second suppresses the first (9/11); the third shares 6/14 with it and stays
    assert without_duplicates(row, scores, 0.5).tolist() == [1, 2, 3]
    assert without_duplicates(row, scores, 0.4).tolist() == [1, 3]
    assert without_duplicates(boxes(), np.zeros(0, np.float32), 0.5).tolist() == []


def test_clip():
    given = boxes((-5, -5, 3, 4), (60, 0, 70, 9), (1, 1, 1.5, 2), (np.nan, 0, 4, 4), (5, 5, 2, 8))
    inside, usable = clip(given, (37, 53))
    assert inside[0].tolist() == [0, 0, 3, 4]
    assert usable.tolist() == [True, False, False, False, False]


def test_objects_are_followed_through_slices():
    # two objects side by side drifting right, one of them not seen in slice 2; a third elsewhere
    rows, slices = [], []
    for z in range(5):
        rows.append((2 * z, 0, 2 * z + 10, 10))
        slices.append(z)
        if z != 2:
            rows.append((2 * z + 20, 0, 2 * z + 30, 10))
            slices.append(z)
    rows.append((80, 80, 90, 90))
    slices.append(3)
    numbers = link(boxes(*rows), slices, [0] * len(rows))
    assert len(set(numbers)) == 3
    assert len(set(numbers[[0, 2, 4, 5, 7]])) == 1
    assert len(set(numbers[[1, 3, 6, 8]])) == 1


def test_kinds_and_long_gaps_are_not_linked():
    same = boxes(*[(0, 0, 10, 10)] * 4)
    assert link(same, [0, 1, 1, 4], [0, 0, 1, 0]).tolist() == [0, 0, 1, 2]
    assert link(boxes(), [], []).tolist() == []

"""Counting right, wrong and missed boxes; made-up scenes."""

import numpy as np
import scenes
from _bench.scenes import made_up


def test_each_true_box_is_found_at_most_once():
    entry = {
        "boxes": [
            {"label": "person", "xyxy": [0, 0, 10, 20]},
            {"label": "person", "xyxy": [50, 0, 60, 20]},
            {"label": "car", "xyxy": [0, 0, 10, 20]},
        ],
        "ignored": [[100, 100, 140, 140]],
    }
    found = np.array(
        [
            [0, 0, 10, 18],  # right: 0.9
            [0, 0, 10, 19],  # the same again: wrong
            [50, 0, 60, 9],  # 0.45: wrong, and the true one is missed
            [110, 110, 120, 120],  # in an ignored place
        ],
        np.float32,
    )
    assert scenes.compared(found, entry, "person").tolist() == [1, 2, 1]
    assert scenes.compared(found[:0], entry, "car").tolist() == [0, 0, 1]


def test_made_up_persons_are_warm():
    """The drawn boxes are where the drawn things are, whatever else is in the scene."""
    seen = 0
    for seed in range(12):
        picture = made_up(np.random.default_rng(seed))
        assert picture.visible.shape == picture.infrared.shape == (480, 640, 3)
        for kind, box in picture.boxes:
            x0, y0, x1, y1 = (round(float(v)) for v in box)
            third = (x1 - x0) // 3
            if kind == 0 and third > 3 and x0 > 20 and x1 < 620:
                inside = picture.infrared[(y0 + y1) // 2, x0 + third : x1 - third, 0].mean()
                beside = picture.infrared[(y0 + y1) // 2, [x0 - 9, x1 + 8], 0].min()
                assert inside > beside
                seen += 1
    assert seen > 4

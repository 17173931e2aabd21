from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from napari_textdifuse.fusion.tiling import frame_of, pad_to_multiple, tiles


@pytest.mark.parametrize("shape", [(1, 1), (1, 40), (16, 16), (17, 3), (255, 257)])
def test_padding_keeps_the_image_and_reaches_the_multiple(shape):
    image = np.random.default_rng(0).random(shape, dtype=np.float32)
    padded = pad_to_multiple(image, 16)
    assert all(n % 16 == 0 for n in padded.shape)
    np.testing.assert_array_equal(padded[: shape[0], : shape[1]], image)


@pytest.mark.parametrize("shape", [(100, 100), (129, 300), (512, 64)])
def test_tiles_cover_every_pixel_and_overlap_enough(shape):
    total = np.zeros(shape, np.float32)
    spans = set()
    for tile in tiles(shape, size=128, overlap=16):
        total[tile.rows, tile.columns] += tile.weight
        assert (tile.weight > 0).all()
        assert max(tile.weight.shape) <= 128
        spans.add((tile.rows.start, tile.rows.stop))
        assert (tile.rows.start % 64, tile.columns.start % 64) == (0, 0)
    assert (total > 0).all()
    ordered = sorted(spans)
    for (_, stop), (start, _) in pairwise(ordered):
        assert stop - start >= 16


def test_the_frame_holds_everything_with_a_margin_on_the_grid():
    images = np.zeros((2, 512, 640), np.float32)
    images[0, 200, 300] = images[1, 260, 330] = 1
    # rows 200 to 260: less and more 32 are 168 and 293, on the grid of 64 128 and 320
    assert frame_of(images) == (slice(128, 320), slice(256, 384))


def test_the_frame_ends_at_the_border_and_air_alone_is_everything():
    images = np.zeros((1, 100, 90), np.float32)
    assert frame_of(images) == (slice(0, 100), slice(0, 90))
    images[0, 99, 0] = 1
    assert frame_of(images) == (slice(64, 100), slice(0, 64))

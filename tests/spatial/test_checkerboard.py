from __future__ import annotations

import numpy as np
import pytest

from napari_textdifuse.errors import InputError
from napari_textdifuse.spatial import checkerboard


def test_squares_alternate():
    board = checkerboard(np.zeros((4, 8)), np.ones((4, 8)), tiles=4)
    np.testing.assert_array_equal(board[0], [0, 0, 1, 1, 0, 0, 1, 1])
    np.testing.assert_array_equal(board[2], [1, 1, 0, 0, 1, 1, 0, 0])
    np.testing.assert_array_equal(board[:2], np.roll(board[2:], 2, axis=1))


def test_every_cut_through_a_volume_is_a_checkerboard():
    board = checkerboard(np.zeros((8, 8, 8)), np.ones((8, 8, 8)), tiles=4)
    for axis in range(3):
        first, third = board.take(0, axis), board.take(2, axis)
        np.testing.assert_array_equal(first, 1 - third)
        assert first.mean() == 0.5


def test_pixels_come_from_their_own_place():
    a = np.arange(30.0).reshape(5, 6)
    board = checkerboard(a, -a, tiles=3)
    np.testing.assert_array_equal(np.abs(board), a)
    assert (board[:2, :2] >= 0).all()
    assert (board[:2, 2:4] <= 0).all()


def test_grey_next_to_colour():
    colour = np.zeros((4, 4, 3))
    colour[..., 0] = 1
    for board in (
        checkerboard(colour, np.full((4, 4), 0.5), 2),
        checkerboard(np.full((4, 4), 0.5), colour, 2)[:, ::-1],
    ):
        assert board.shape == (4, 4, 3)
        np.testing.assert_array_equal(board[0, 0], [1, 0, 0])
        np.testing.assert_array_equal(board[0, 3], [0.5, 0.5, 0.5])


@pytest.mark.parametrize("tiles", [0, 1.5, True])
def test_tiles(tiles):
    with pytest.raises(InputError, match="tiles"):
        checkerboard(np.zeros((4, 4)), np.zeros((4, 4)), tiles)


def test_shapes_must_agree():
    with pytest.raises(InputError, match="4 x 4 and 4 x 5"):
        checkerboard(np.zeros((4, 4)), np.zeros((4, 5)))

"""``preview.png``: the right slice, the right way round, in true proportions."""

from __future__ import annotations

from itertools import permutations, product

import numpy as np
import pytest

from napari_textdifuse import FusionResult, Volume
from napari_textdifuse.locate import Detections
from napari_textdifuse.results.preview import BAR, SIDE, montage


def fused(volume: Volume, mask: np.ndarray | None = None) -> FusionResult:
    window = {"window": [0, 1]}
    return FusionResult(
        fused=volume.array,
        mask=mask,
        detections=Detections(),
        contribution=np.zeros(volume.shape, np.float32),
        uncertainty=None,
        record={"inputs": {"a": window, "b": window}},
        affine=volume.affine,
    )


def panels(volume: Volume, mask: np.ndarray | None = None, b: Volume | None = None, **options):
    sheet = montage(volume, b or volume, fused(volume, mask), **({"anatomical": True} | options))
    pixels = np.asarray(sheet)[BAR:-BAR].astype(int)
    return np.split(pixels, 3 if mask is None else 4, axis=1)


def centre(panel: np.ndarray) -> tuple[float, float]:
    """Row and column of the bright spot, as fractions of the panel."""
    grey = panel.min(axis=-1).astype(float)  # letters are yellow, so their minimum is 0
    grey[grey < 128] = 0
    rows, columns = np.indices(grey.shape)
    return tuple(
        (i * grey).sum() / grey.sum() / n for i, n in zip((rows, columns), grey.shape, strict=True)
    )


def spot(order: tuple[int, ...], signs: tuple[int, ...]) -> Volume:
    """A spot at the patient's right, front and top, on a grid whose axes lie as asked for."""
    size, step = np.array([20, 24, 16]), np.array([2.0, 1.5, 3.0])
    affine = np.zeros((4, 4))
    affine[3, 3] = 1
    for voxel_axis, (world_axis, sign) in enumerate(zip(order, signs, strict=True)):
        affine[world_axis, voxel_axis] = sign * step[world_axis]
        affine[world_axis, 3] = -sign * step[world_axis] * (size[world_axis] - 1) / 2
    shape = size[list(order)]
    index = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"), axis=-1)
    world = index @ affine[:3, :3].T + affine[:3, 3]
    ball = np.linalg.norm(world - [10, 9, 12], axis=-1) < 5
    return Volume(np.ascontiguousarray(ball.astype(np.float32).transpose(2, 1, 0)), affine=affine)


@pytest.mark.parametrize("signs", list(product((1, -1), repeat=3))[::3])
@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_right_is_left_and_front_is_up(order, signs):
    volume = spot(order, signs)
    mask = (volume.array > 0).astype(np.uint8)
    a, b, result, outlined = panels(volume, mask)
    for panel in (a, b, result):
        row, column = centre(panel)
        # R-L spans 40 mm and the spot is 10 mm to the right; A-P spans 36 mm, 9 mm to the front
        assert column == pytest.approx(0.25, abs=0.05)
        assert row == pytest.approx(0.25, abs=0.05)
    assert a.shape[1] / a.shape[0] == pytest.approx(40 / 36, rel=0.02)
    cyan = (outlined == (0, 255, 255)).all(axis=-1)
    assert cyan.any()
    assert not (result == (0, 255, 255)).all(axis=-1).any()
    rows, columns = np.nonzero(cyan)
    assert rows.mean() / SIDE < 0.5
    assert columns.mean() / SIDE < 0.5


def test_without_a_mask_the_middle_slice():
    array = np.zeros((9, 8, 8), np.float32)
    array[4] = 0.5
    a, _, result = panels(Volume(array, affine=np.diag([1.0, 1, 5, 1])))
    assert np.median(a) == pytest.approx(128, abs=1)
    assert np.median(result) == pytest.approx(128, abs=1)


def test_a_single_coronal_slice_is_shown_as_such():
    affine = np.array([[2.0, 0, 0, 0], [0, 0, 1, 0], [0, -2, 0, 0], [0, 0, 0, 1]])
    array = np.zeros((1, 10, 20), np.float32)
    array[0, :3, :3] = 1  # the highest rows, and the smallest x: the patient's left
    a, *_ = panels(Volume(array, affine=affine))
    assert a.shape[:2] == (SIDE // 2, SIDE)
    row, column = centre(a)
    assert row < 0.3  # the head is up
    assert column > 0.7


def test_b_that_ends_before_the_slice_is_black():
    a = Volume(np.ones((9, 8, 8), np.float32), affine=np.eye(4))
    shifted = np.eye(4)
    shifted[2, 3] = 7
    _, b, _ = panels(a, b=Volume(np.ones((9, 8, 8), np.float32), affine=shifted))
    assert b.min(axis=-1).max() == 0


def test_images_are_not_turned():
    array = np.zeros((30, 60), np.float32)
    array[:10, :20] = 1
    picture = Volume(array, affine=np.diag([0.1, 0.1, 1, 1]))
    mask = (array > 0).astype(np.uint8) * 255
    a, _, _, outlined = panels(picture, mask, anatomical=False)
    assert a.shape == (SIDE // 2, SIDE, 3)
    row, column = centre(a)
    assert row < 0.3
    assert column < 0.3
    assert not np.array_equal(a, outlined)


def test_a_stack_without_geometry():
    array = np.linspace(0, 1, 5 * 8 * 8, dtype=np.float32).reshape(5, 8, 8)
    a, b, _ = panels(Volume(array), anatomical=False)
    np.testing.assert_array_equal(a, b)
    assert np.median(a) == pytest.approx(127, abs=3)


def test_pet_is_shown_in_colour_and_its_own_window():
    array = np.full((4, 8, 8), 0.4, np.float32)
    volume = Volume(array, affine=np.eye(4), modality="PT", unit="SUVbw")
    sheet = np.asarray(montage(volume, volume, fused(volume), anatomical=True)).astype(int)
    red, green, blue = np.median(sheet[BAR + 30 : -BAR, :SIDE].reshape(-1, 3), axis=0)
    assert red > green + 100
    assert red > blue + 100

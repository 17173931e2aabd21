"""Against real napari layers, which need no viewer."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from napari.layers import Image, Labels

from napari_textdifuse.errors import GeometryError
from napari_textdifuse.spatial.layers import (
    data_to_world,
    in_millimetres,
    spatial_part,
    world_affine,
)

# napari shows oblique volumes as if they were not; their geometry is what counts here
pytestmark = pytest.mark.filterwarnings("ignore:Non-orthogonal slicing:UserWarning")

TURN = [[0.8, -0.6, 0], [0.6, 0.8, 0], [0, 0, 1]]
OUTER = [[1, 0.1, 0, 4], [0, 0.9, 0.2, -3], [0, 0, 1.1, 2], [0, 0, 0, 1]]
PLACES = {
    "plain": {},
    "scaled": {"scale": (3, 1.5, 0.5), "translate": (-7, 8, 9)},
    "flipped": {"scale": (3, -1.5, 0.5), "translate": (-7, 8, 9)},
    "turned": {"scale": (3, 1, 2), "rotate": TURN, "translate": (1, 2, 3)},
    "sheared": {"scale": (3, 1, 2), "shear": (0.1, -0.2, 0.3)},
    "lower shear": {"scale": (3, 1, 2), "shear": [[1, 0, 0], [0.2, 1, 0], [0, 0.1, 1]]},
    "affine": {"scale": (3, 1, 2), "rotate": TURN, "shear": (0.1, 0, 0.3), "affine": OUTER},
}


@pytest.mark.parametrize("kind", [Image, Labels])
@pytest.mark.parametrize("name", PLACES)
def test_the_matrix_is_naparis_own(kind, name):
    layer = kind(np.zeros((3, 4, 5), np.uint8), **PLACES[name])
    matrix = data_to_world(layer)
    for point in ((0, 0, 0), (2, 3, 4), (1.5, -2, 7)):
        np.testing.assert_allclose(
            (matrix @ [*point, 1])[:3], layer.data_to_world(point), atol=1e-12
        )


@pytest.mark.parametrize("name", PLACES)
def test_public_attributes_alone_give_the_same(name):
    layer = Image(np.zeros((3, 4, 5)), **PLACES[name])
    names = ("scale", "translate", "rotate", "shear", "affine")
    bare = SimpleNamespace(**{n: getattr(layer, n) for n in names})
    np.testing.assert_allclose(data_to_world(bare), data_to_world(layer), atol=1e-12)


def test_a_translated_and_scaled_object_is_enough():
    bare = SimpleNamespace(scale=(2, 3), translate=(5, 7))
    np.testing.assert_array_equal(data_to_world(bare), [[2, 0, 5], [0, 3, 7], [0, 0, 1]])


def test_a_flat_transform_is_refused():
    layer = SimpleNamespace(scale=(1, 0, 1), translate=(0, 0, 0), name="flat")
    with pytest.raises(GeometryError, match=r"'flat'.*no volume"):
        data_to_world(layer)


@pytest.mark.parametrize(
    ("unit", "factor"),
    [("mm", 1), ("um", 1e-3), ("micrometer", 1e-3), ("nm", 1e-6), ("cm", 10), ("m", 1000)],
)
def test_units_become_millimetres(unit, factor):
    layer = Image(np.zeros((3, 4, 5)), scale=(3, 2, 1), translate=(1, 1, 1), units=unit)
    matrix, unknown = in_millimetres(data_to_world(layer), layer.units)
    np.testing.assert_allclose(np.diag(matrix), [3 * factor, 2 * factor, factor, 1])
    np.testing.assert_allclose(matrix[:3, 3], factor)
    assert unknown == ()


def test_units_of_single_axes():
    layer = Image(np.zeros((3, 4, 5)), units=("mm", "um", "um"))
    matrix, _ = in_millimetres(data_to_world(layer), layer.units)
    np.testing.assert_allclose(np.diag(matrix), [1, 1e-3, 1e-3, 1])


def test_what_is_not_a_length_is_named():
    layer = Image(np.zeros((3, 4, 5)), scale=(3, 2, 1))
    matrix, unknown = in_millimetres(data_to_world(layer), layer.units)
    np.testing.assert_array_equal(np.diag(matrix), [3, 2, 1, 1])
    assert unknown == ("pixel",)
    assert in_millimetres(np.eye(3), None)[1] == ("pixel",)
    assert in_millimetres(np.eye(3), ("second", "mm"))[1] == ("second",)


def test_time_is_left_out_but_may_move_the_image():
    matrix = np.diag([2.0, 3, 4, 5, 1])
    matrix[1, 0] = 10  # the table moves 10 mm per time point
    matrix[:4, 4] = [9, 1, 2, 3]
    part = spatial_part(matrix, 3, time=2)
    np.testing.assert_array_equal(part[:3, :3], np.diag([3, 4, 5]))
    np.testing.assert_array_equal(part[:3, 3], [21, 2, 3])


def test_the_viewers_world_is_lps():
    matrix = np.diag([3.0, 2, 1, 1])
    matrix[:3, 3] = [30, 20, 10]  # z, y, x
    affine = world_affine(matrix)
    np.testing.assert_array_equal(np.diag(affine), [-1, -2, 3, 1])
    np.testing.assert_array_equal(affine[:3, 3], [-10, -20, 30])

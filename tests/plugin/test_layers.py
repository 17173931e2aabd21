"""Volumes keep their place in the world on the way into napari and back."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from napari.layers import Image, Layer

from napari_textdifuse import Volume
from napari_textdifuse.inputs import share_world
from napari_textdifuse.napari_plugin.layers import KEY, Placement, to_layer
from napari_textdifuse.napari_plugin.writer import _volume
from napari_textdifuse.spatial.layers import read_layer

LPS = np.diag([-1.0, -1.0, 1.0, 1.0])


def read(layer: Layer) -> Volume:
    """Read a layer as every fusion does."""
    return read_layer(layer, "image A", 0)


def world_of(layer: Layer, index: tuple[int, ...]) -> np.ndarray:
    """World x, y, z in LPS of an array index, as the viewer has it."""
    return np.array(layer.data_to_world(index))[::-1]


def orientations() -> list[np.ndarray]:
    """All 48 ways in which a grid can lie along the axes, with anisotropic voxels."""
    out = []
    for order in itertools.permutations(range(3)):
        for signs in itertools.product((1, -1), repeat=3):
            affine = np.eye(4)
            affine[:3, :3] = np.eye(3)[:, order] * signs * np.array([1.0, 2.0, 3.5])
            affine[:3, 3] = (-11, 22, -33)
            out.append(affine)
    return out


def test_every_orientation_lies_where_its_affine_says(phantom):
    for affine in orientations():
        layer = Layer.create(*to_layer(phantom(affine)))
        assert (layer.scale > 0).all()
        for index in [(0, 0, 0), (1, 2, 3), tuple(n - 1 for n in layer.data.shape)]:
            x, y, z = LPS[:3, :3] @ world_of(layer, index)
            assert layer.data[index] == pytest.approx(1000 + x + 0.1 * y + 0.01 * z, abs=1e-3)


def test_front_is_up_and_the_patients_right_is_on_the_left_of_the_screen(phantom):
    layer = Layer.create(*to_layer(phantom(np.diag([2.0, 2, 2, 1]))))
    low, high = world_of(layer, (0, 0, 0)), world_of(layer, (4, 5, 6))
    assert (high > low).all()  # down the screen is to the back, to the right is to the left hand
    assert layer.data[0, 0, 0] > layer.data[0, 0, -1]  # RAS x falls along the screen's x
    assert layer.data[0, 0, 0] > layer.data[0, -1, 0]  # RAS y falls down the screen
    assert layer.data[0, 0, 0] < layer.data[-1, 0, 0]


def test_metadata_affine_belongs_to_the_layers_array(phantom):
    for affine in orientations():
        volume = phantom(affine)
        data, attributes, _ = to_layer(volume)
        again = phantom(attributes["metadata"][KEY]["affine"], data.shape)
        np.testing.assert_allclose(again.array, data, atol=1e-3)


def test_image_and_back_is_the_same_volume(phantom):
    volume = phantom(
        np.diag([-1.0, 2, 3, 1]),
        unit="SUVbw",
        modality="PT",
        window=(0.0, 10.0),
        name="PT series 3",
        metadata={"notes": ["assumed"], "SliceThickness": 3.0},
    )
    layer = Layer.create(*to_layer(volume))
    again = read(layer)
    assert (again.unit, again.modality, again.window) == ("SUVbw", "PT", (0.0, 10.0))
    assert again.name == "PT series 3"
    assert again.metadata == volume.metadata | {"shown": (0.0, 10.0)}
    assert layer.colormap.name == "functional"
    assert tuple(layer.contrast_limits) == (0.0, 10.0)
    assert {str(u) for u in layer.units} == {"millimeter"}
    assert layer.axis_labels == ("z", "y", "x")


@pytest.mark.parametrize(
    ("columns", "rows", "head_up"),
    [((1, 0, 0), (0, -1, 0), False), ((1, 0, 0), (0, 0, 1), True), ((0, 1, 0), (0, 0, 1), True)],
    ids=["axial", "coronal", "sagittal"],
)
@pytest.mark.parametrize("flip", [1, -1])
def test_single_slices_are_shown_as_radiologists_do(phantom, columns, rows, head_up, flip):
    affine = np.eye(4)
    affine[:3, 0] = np.array(columns) * 1.5 * flip
    affine[:3, 1] = np.array(rows) * 2.5 * flip
    affine[:3, 2] = np.cross(columns, rows)
    affine[:3, 3] = (10, 20, 30)
    data, attributes, _ = to_layer(phantom(affine, (5, 6)))
    assert attributes["scale"] == (2.5, 1.5)
    true = np.array(attributes["metadata"][KEY]["affine"])
    down, right = LPS[:3, :3] @ true[:3, 1], LPS[:3, :3] @ true[:3, 0]
    assert right[np.abs(right).argmax()] > 0  # to the patient's left, or to the back
    assert down[np.abs(down).argmax()] * (-1 if head_up else 1) > 0
    np.testing.assert_allclose(phantom(true, data.shape).array, data, atol=1e-3)


def test_an_oblique_volume_keeps_spacing_centre_and_true_affine(phantom):
    angle = np.deg2rad(20)
    affine = np.eye(4)
    affine[:3, :3] = [
        [np.cos(angle), -np.sin(angle), 0],
        [np.sin(angle), np.cos(angle), 0],
        [0, 0, 1],
    ] @ np.diag([2.0, 3, 4])
    affine[:3, 3] = (100, -50, 7)
    layer = Layer.create(*to_layer(phantom(affine)))
    np.testing.assert_allclose(layer.scale, (4, 3, 2))
    centre = affine @ [3, 2.5, 2, 1]
    np.testing.assert_allclose(world_of(layer, (2, 2.5, 3)), (LPS @ centre)[:3])
    true = read(layer).affine
    np.testing.assert_allclose(phantom(true).array, layer.data, atol=1e-3)


def test_colour_and_images(phantom):
    rgb = np.random.default_rng(0).random((4, 5, 3)).astype(np.float32)
    picture = Layer.create(*to_layer(Volume(rgb, rgb=True, modality="VIS")))
    assert picture.rgb
    assert {str(u) for u in picture.units} == {"pixel"}
    assert read(picture).affine is None
    flipped = Layer.create(*to_layer(Volume(rgb, rgb=True, affine=np.eye(4))))
    np.testing.assert_array_equal(flipped.data, rgb[::-1, ::-1])
    assert read(flipped).rgb


def test_a_volume_without_a_single_number_can_still_be_shown():
    layer = Layer.create(*to_layer(Volume(np.full((4, 5), np.nan))))
    assert layer.data.shape == (4, 5)


def test_moving_or_cropping_a_layer_moves_its_affine(phantom):
    volume = phantom(np.diag([-1.0, 2, 3, 1]))
    data, attributes, _ = to_layer(volume)
    moved = Layer.create(data, attributes, "image")
    moved.translate = moved.translate + np.array([0, 0, 5])  # 5 mm to the patient's left
    before = np.array(attributes["metadata"][KEY]["affine"])
    np.testing.assert_allclose(read(moved).affine[:3, 3] - before[:3, 3], (-5, 0, 0))

    cropped = Layer.create(data[1:, 2:], attributes, "image")
    cropped.translate = cropped.translate + np.array([3, 4, 0])
    true = read(cropped).affine
    np.testing.assert_allclose(phantom(true, cropped.data.shape).array, cropped.data, atol=1e-3)


@pytest.mark.filterwarnings("ignore:Non-orthogonal slicing:UserWarning")
def test_the_matrix_is_napari_s_own():
    layer = Image(
        np.zeros((3, 4, 5)),
        scale=(2, 3, 4),
        translate=(1, -2, 3),
        rotate=(10, 20, 30),
        shear=(0.1, 0.2, -0.1),
        affine=np.array([[0, 1, 0, 5], [1, 0, 0, 0], [0, 0, 1, 1], [0, 0, 0, 1.0]]),
    )
    matrix = Placement.of(layer).matrix
    for index in [(0, 0, 0), (1, 0, 0), (0, 1, 0), (2, 3, 4)]:
        np.testing.assert_allclose((matrix @ [*index, 1])[:3], layer.data_to_world(index))
    attributes = layer.as_layer_data_tuple()[1]
    np.testing.assert_allclose(_volume(layer.data, attributes)[0].affine, read(layer).affine)


def test_other_peoples_layers_lie_in_the_viewers_world():
    layer = Image(
        np.zeros((3, 4, 5)), scale=(2, 500, 1), translate=(1, 2, 3), units=("mm", "um", "mm")
    )
    affine = read(layer).affine
    expected = LPS @ [[1, 0, 0, 3], [0, 0.5, 0, 0.002], [0, 0, 2, 1], [0, 0, 0, 1]]
    np.testing.assert_allclose(affine, expected)


def test_plain_images_have_no_geometry_unless_one_was_scaled_onto_the_other():
    plain = read(Image(np.zeros((4, 4))))
    assert [c.affine for c in share_world(plain, plain)] == [None, None]
    scaled = read(Image(np.zeros((2, 2)), scale=(2, 2)))
    for a, b in (share_world(plain, scaled), share_world(scaled, plain)):
        np.testing.assert_allclose(np.abs(a.affine[2:]), np.abs(b.affine[2:]))
        assert a.affine is not None
        assert b.affine is not None

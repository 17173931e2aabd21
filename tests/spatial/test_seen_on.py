"""What is drawn in a viewer lies where it is seen on an oblique image."""

from __future__ import annotations

import numpy as np
import pytest
from napari.layers import Image, Labels, Layer

from napari_textdifuse import Volume
from napari_textdifuse.napari_plugin.layers import KEY, to_layer
from napari_textdifuse.spatial.layers import read_layer, read_on

ANGLE = np.radians(15)
OBLIQUE = np.array(
    [
        [-2 * np.cos(ANGLE), 0, 3 * np.sin(ANGLE), 40],
        [0, -2, 0, 30],
        [2 * np.sin(ANGLE), 0, 3 * np.cos(ANGLE), -20],
        [0, 0, 0, 1],
    ]
)


@pytest.fixture
def image() -> Layer:
    volume = Volume(np.random.default_rng(0).random((4, 6, 8)), affine=OBLIQUE, modality="CT")
    return Layer.create(*to_layer(volume))


def test_labels_of_the_user_have_the_affine_of_the_oblique_image_below(image):
    drawn = Labels(np.ones((4, 6, 8), int), scale=image.scale, translate=image.translate)
    np.testing.assert_allclose(read_on(drawn, image).affine, read_layer(image, "a").affine)


def test_a_finer_part_of_it_lies_where_it_is_seen(image):
    world = np.array(image.data_to_world((1, 2, 3)))
    drawn = Labels(np.ones((2, 4, 4), int), scale=image.scale / 2, translate=world)
    affine = read_on(drawn, image).affine
    expected = read_layer(image, "a").affine @ [3, 2, 1, 1]
    np.testing.assert_allclose(affine[:, 3], expected, atol=1e-9)
    np.testing.assert_allclose(affine[:3, :3], read_layer(image, "a").affine[:3, :3] / 2)


def test_a_moved_image_takes_it_along_and_a_file_keeps_its_own_place(image):
    image.translate = image.translate + 5
    drawn = Labels(np.ones((4, 6, 8), int), scale=image.scale, translate=image.translate)
    np.testing.assert_allclose(read_on(drawn, image).affine, read_layer(image, "a").affine)
    own = np.diag([-1.0, -1, 1, 1])
    file = Labels(np.ones((4, 6, 8), int), metadata={KEY: {"affine": own.tolist()}})
    np.testing.assert_allclose(read_on(file, image).affine, own)


def test_without_a_place_there_is_none():
    plain = Image(np.zeros((4, 4)))
    assert read_on(Labels(np.ones((4, 4), int)), plain).affine is None

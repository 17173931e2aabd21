from __future__ import annotations

import numpy as np
import pytest

from napari_textdifuse.fusion.remodulation import contrast, gain_map, soft_mask, surround


@pytest.fixture
def scene():
    image = np.full((40, 60), 0.5, np.float32)
    labels = np.zeros((40, 60), np.uint8)
    labels[10:20, 10:20], image[10:20, 10:20] = 1, 0.8
    labels[10:20, 40:50], image[10:20, 40:50] = 2, 0.1
    return image, labels


def test_gain_moves_every_object_away_from_its_surround(scene):
    image, labels = scene
    gain = gain_map(labels, image, 1.0)
    assert (gain[labels == 1] == 1).all()
    assert (gain[labels == 2] == -1).all()
    assert (gain[labels == 0] == 0).all()


def test_strength_per_object(scene):
    image, labels = scene
    gain = gain_map(labels, image, {1: 0.25})
    assert (gain[labels == 1] == 0.25).all()
    assert (gain[labels == 2] == -1).all()
    assert not gain_map(labels, image, 0.0).any()


def test_surround_avoids_other_objects(scene):
    image, labels = scene
    labels[10:20, 20:24] = 2
    assert not (surround(labels, 1) & (labels != 0)).any()
    assert contrast(image, labels, 1) == pytest.approx(0.3, abs=1e-5)


def test_contrast_of_nothing_is_nan(scene):
    image, labels = scene
    assert np.isnan(contrast(image, labels, 9))


def test_soft_mask_is_zero_outside_and_full_inside(scene):
    _, labels = scene
    mask = soft_mask(labels)
    assert (mask[labels == 0] == 0).all()
    assert mask[15, 15] == 1
    assert 0 < mask[10, 15] < 1


def test_the_image_border_is_not_an_edge_of_an_object():
    labels = np.zeros((20, 20), np.uint8)
    labels[:, :10] = 1
    mask = soft_mask(labels)
    assert mask[0, 0] == 1
    assert mask[10, 9] < 1
    assert (soft_mask(np.ones((5, 5), np.uint8)) == 1).all()

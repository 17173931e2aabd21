"""Labels layers as other plugins leave them are prompts."""

from __future__ import annotations

import numpy as np
import pytest

from napari_textdifuse import fuse

layers = pytest.importorskip("napari.layers")


@pytest.mark.parametrize("dtype", [np.uint8, np.int32, np.uint32, np.int64])
def test_several_labels_of_any_type(dtype):
    """micro-sam: int32 or uint32, numbers with gaps."""
    a, b = np.random.default_rng(0).random((2, 32, 40)).astype(np.float32)
    labels = np.zeros((32, 40), dtype)
    labels[4:10, 5:15] = 2
    labels[20:28, 5:15] = 7
    result = fuse(a, b, mask=layers.Labels(labels), strength={7: 0.5}, quality="fast")
    np.testing.assert_array_equal(result.mask, labels)


def test_a_volume_with_scale():
    """nnInteractive and napari-voxtell: uint8, one object, the scale of the image in mm."""
    a, b = np.random.default_rng(0).random((2, 3, 24, 32)).astype(np.float32)
    scale, units = (3, 1, 1), ("mm",) * 3
    images = [layers.Image(x, scale=scale, units=units) for x in (a, b)]
    labels = np.zeros(a.shape, np.uint8)
    labels[1, 4:12, 8:20] = 1
    drawn = layers.Labels(labels, scale=scale, units=units)
    result = fuse(*images, mask=drawn, quality="fast")
    np.testing.assert_array_equal(result.mask, labels)

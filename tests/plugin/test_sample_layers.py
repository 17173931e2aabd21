"""The samples in napari's File menu."""

from __future__ import annotations

import pytest
from napari.layers import Layer

from napari_textdifuse.napari_plugin import menus as _sample_data
from napari_textdifuse.napari_plugin.layers import KEY
from napari_textdifuse.samples import SAMPLES


@pytest.mark.parametrize("key", sorted(SAMPLES))
def test_a_sample_is_two_layers_in_one_world(key):
    first, second = (Layer.create(*data) for data in getattr(_sample_data, key.replace("-", "_"))())
    assert first.name != second.name
    assert (first.opacity, second.opacity) == (1, 0.5), "both are seen"
    for layer in (first, second):
        assert layer.metadata[KEY]["modality"] is not None or key == "street"
    low = [max(a, b) for a, b in zip(first.extent.world[0], second.extent.world[0], strict=True)]
    high = [min(a, b) for a, b in zip(first.extent.world[1], second.extent.world[1], strict=True)]
    for near, far, size in zip(
        low, high, first.extent.world[1] - first.extent.world[0], strict=True
    ):
        assert far - near > 0.4 * size

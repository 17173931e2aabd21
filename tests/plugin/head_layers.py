"""Made-up heads as layers, for tests in a window."""

from __future__ import annotations

import numpy as np
from napari.layers import Layer

from napari_textdifuse import Volume
from napari_textdifuse.napari_plugin.layers import to_layer


def head(name: str, modality: str, seed: int, unit: str = "a.u.") -> Layer:
    """Make an image with a hot spot in slices 2 and 3."""
    values = np.random.default_rng(seed).random((6, 20, 24)).astype(np.float32) + 1
    values[2:4, 6:10, 7:11] = 14
    affine = np.diag([-4.0, -4, 5, 1])
    volume = Volume(values, affine=affine, modality=modality, unit=unit, name=name)
    return Layer.create(*to_layer(volume))

from __future__ import annotations

import numpy as np
import pytest
from skimage.color import deltaE_ciede2000, rgb2hsv, rgb2lab

from napari_textdifuse.colormaps import BUILT_IN, SIZE, apply_colours, colour_table
from napari_textdifuse.errors import InputError


def test_functional_grows_in_brightness_and_chroma_along_the_hue_circle():
    table = colour_table("functional")
    assert (table[0] == 0).all()
    assert (np.diff(table @ [0.299, 0.587, 0.114]) > 0).all()
    assert (np.diff(np.ptp(table, axis=-1)) > 0).all()
    hue = (rgb2hsv(table[8:])[:, 0] * 360 - 200) % 360  # from violet over red to yellow
    assert (np.diff(hue) > -0.2).all()
    assert hue[0] < 100
    assert hue[-1] > 200


def test_functional_is_perceptually_even():
    lab = rgb2lab(colour_table("functional"))
    steps = deltaE_ciede2000(lab[:-1], lab[1:])
    assert steps.std() / steps.mean() < 0.3
    assert steps.min() > 0.2


@pytest.mark.parametrize("name", BUILT_IN)
def test_built_in(name: str):
    table = colour_table(name)
    assert table.shape == (SIZE, 3)
    assert table.dtype == np.float32
    assert (table[0] == 0).all()


def test_arrays_are_spread_evenly():
    table = colour_table(np.array([[0, 0, 0], [255, 0, 0], [255, 255, 255]], np.uint8))
    half = apply_colours(table, np.array([0.25, 0.5, 1.0]))
    np.testing.assert_allclose(half, [[0.5, 0, 0], [1, 0, 0], [1, 1, 1]], atol=6e-3)
    with_alpha = colour_table([[0, 0, 0, 0], [0, 1, 0, 0.5]])
    np.testing.assert_allclose(with_alpha[-1], [0, 1, 0])


def test_objects_of_napari_and_matplotlib():
    class Napari:
        def map(self, values):
            return np.stack([values, 0 * values, 0 * values, 0 * values + 1], axis=-1)

    def matplotlib(values):
        return np.stack([0 * values, values, 0 * values, 0 * values + 1], axis=-1)

    np.testing.assert_allclose(colour_table(Napari())[-1], [1, 0, 0])
    np.testing.assert_allclose(colour_table(matplotlib)[-1], [0, 1, 0])


def test_names_of_napari():
    napari = pytest.importorskip("napari.utils.colormaps")
    expected = napari.AVAILABLE_COLORMAPS["viridis"].map(np.linspace(0, 1, SIZE))[:, :3]
    np.testing.assert_allclose(colour_table("viridis"), expected, atol=2e-2)


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        ("no such map", "use functional"),
        (np.zeros((4, 2)), r"\(N, 3\)"),
        ([[0, 0, 0]], "at least two"),
        ([[0, 0, 0], [2, 0, 0]], "lie in"),
        ([[0, 0, 0], [np.nan, 0, 0]], "lie in"),
        (3, r"\(N, 3\)"),
    ],
)
def test_what_cannot_be_a_colour_map(bad, words):
    with pytest.raises(InputError, match=words):
        colour_table(bad)

from __future__ import annotations

import numpy as np
import pytest

from napari_textdifuse import Volume
from napari_textdifuse.errors import InputError
from napari_textdifuse.intensity import PRESETS, Window, default_window, presets, with_window


def window(values, **fields):
    return default_window(Volume(np.asarray(values), **fields))


def test_windows_by_unit_and_type():
    grey = np.arange(256).reshape(16, 16)
    assert window(grey.astype(np.uint8)).high == 255
    assert window(grey / 255.0).high == 1
    assert (window(grey - 100, unit="HU").low, window(grey, unit="HU").high) == (-100, 900)
    assert window(grey > 3).high == 1
    assert window(grey, window=(10.0, 20.0)).origin == "file"


def test_suv_window_leaves_headroom():
    values = np.linspace(0, 7.0, 400).reshape(20, 20)
    found = window(values, unit="SUVbw")
    assert (found.low, found.high) == (0, 10)


def test_percentiles_ignore_outliers_and_non_numbers():
    values = np.random.default_rng(0).normal(500, 50, (100, 100))
    values[0, 0], values[0, 1] = 1e9, np.nan
    found = window(values)
    assert 300 < found.low < 400
    assert 600 < found.high < 700


@pytest.mark.parametrize("constant", [-3.0, 0.0, 37.0])
def test_constants_have_a_window(constant):
    found = window(np.full((4, 4), constant))
    assert found.high > found.low


def test_normalisation_is_invertible_inside_the_window():
    w = Window(-100, 900, "HU", "test")
    values = np.array([-100.0, 0, 37, 900])
    np.testing.assert_allclose(w.restore(w.normalise(values)), values, atol=1e-4)
    np.testing.assert_array_equal(w.normalise(np.array([-500.0, 5000, np.nan])), [0, 1, 0])


@pytest.mark.parametrize(
    ("name", "low", "high"),
    [
        ("brain", 0, 80),
        ("lung", -1350, 150),
        ("bone", -500, 1300),
        ("stroke", 20, 60),
        ("mediastinum", -125, 225),
        ("PET 0-5 SUV", 0, 5),
    ],
)
def test_presets_are_the_usual_ranges(name, low, high):
    assert (PRESETS[name].low, PRESETS[name].high) == (low, high)
    assert PRESETS[name].origin == "preset " + name


def test_presets_belong_to_a_unit():
    assert {"brain", "bone", "lung", "subdural"} <= set(presets("HU"))
    assert set(presets("SUVbw")) == {n for n in PRESETS if n.startswith("PET")}
    assert presets("Bq/mL") == {}
    activity = Volume(np.ones((2, 2)), unit="Bq/mL", modality="PT", name="PET")
    with pytest.raises(InputError, match=r"window in SUVbw .* means nothing for values in Bq/mL"):
        with_window(activity, "PET 0-5 SUV")
    with pytest.raises(InputError, match="no window preset 'brian'"):
        with_window(activity, "brian")


def test_a_preset_becomes_the_window_that_is_used():
    ct = with_window(Volume(np.array([[-700.0, 40.0]]), unit="HU"), "brain")
    assert default_window(ct).normalise(ct.array).tolist() == [[0, 0.5]]
    assert default_window(with_window(ct, None)).low == -100

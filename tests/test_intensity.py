from __future__ import annotations

from dataclasses import replace

import dask.array as da
import numpy as np
import pytest
from napari.layers import Image

from napari_textdifuse import Volume
from napari_textdifuse.errors import InputError
from napari_textdifuse.inputs import as_volume
from napari_textdifuse.intensity import (
    PRESETS,
    Window,
    choose_windows,
    default_window,
    presets,
    whole_window,
    with_window,
)


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


def body(length_mm, top, shape=(50, 20, 20)):
    """Tissue of SUV 1, a liver of 3, and a bladder."""
    values = np.ones(shape, np.float32)
    values[30:35] = 3
    values[4, 9:11, 9:11] = top
    affine = np.diag([4, 4, length_mm / shape[0], 1])
    return Volume(values, affine=affine, unit="SUVbw", modality="PT", name="pet")


@pytest.mark.parametrize(("length", "top"), [(1000, 80), (1000, 6), (220, 80)])
def test_body_pet_has_a_fixed_window_whatever_the_bladder(length, top):
    window, notes = whole_window(body(length, top))
    assert (window.low, window.high) == (0, 10)
    assert any("up to 80" in note for note in notes) == (top > 10)


def torso(size_cm=(24, 36), bladder=80.0, length_mm=200.0, scale=1.0, noise=0.05):
    """An elliptic cylinder of SUV 1 in air, with a full bladder of 8 cm; 4-mm pixels."""
    rng = np.random.default_rng(0)
    z, y, x = np.indices((20, 120, 120))
    y, x = (y - 60) * 0.4, (x - 60) * 0.4
    inside = (y / size_cm[0]) ** 2 + (x / size_cm[1]) ** 2 < 0.25
    values = np.where(inside, 1.0, 0.02) + rng.normal(0, noise, z.shape)
    values[(y**2 + x**2 + (z - 10) ** 2) < 16] = bladder
    affine = np.diag([4, 4, length_mm / 20, 1.0])
    return Volume(values.astype(np.float32) * scale, affine=affine, unit="SUVbw", modality="PT")


def coronal(volume):
    """The same image, stored with coronal slices."""
    affine = volume.affine[:, [0, 2, 1, 3]]
    return replace(volume, array=volume.array.transpose(1, 0, 2), affine=affine)


@pytest.mark.parametrize("cut", ["pelvis", "coronal axis first", "slice", "slice without place"])
def test_a_part_of_the_body_is_known_by_its_size_or_a_bladder(cut):
    pelvis = torso()
    if cut == "coronal axis first":
        pelvis = coronal(pelvis)
    if cut.startswith("slice"):
        pelvis = replace(pelvis, array=pelvis.array[10])
    if cut == "slice without place":
        pelvis = replace(pelvis, affine=None)
    assert default_window(pelvis).high == 10


@pytest.mark.parametrize("noise", [0.05, 0.5])
def test_a_head_is_not_a_body_however_noisy_or_cut(noise):
    head = torso((22, 18), bladder=16, noise=noise, length_mm=320)
    for image in (head, coronal(head), replace(head, array=head.array[10])):
        assert default_window(image).high >= 20


@pytest.mark.parametrize(("unit", "scale"), [("Bq/mL", 5200.0), ("a.u.", 90.0), ("counts", 31.0)])
def test_a_body_that_is_not_in_suv_is_not_shown_up_to_its_bladder(unit, scale):
    pelvis = replace(torso(scale=scale), unit=unit)
    window, notes = whole_window(pelvis)
    assert window.low == 0
    assert window.high == pytest.approx(10 * scale, rel=0.1)
    assert "PET of the body" in notes[0]
    head = replace(torso((22, 18), bladder=16, scale=scale), unit=unit)
    window, notes = whole_window(head)
    assert (window.low, notes) == (0, ())
    assert window.high > 12 * scale


def test_head_pet_has_headroom_and_a_lazy_body_is_one():
    assert whole_window(body(220, 14))[0].high == 20
    lazy = replace(body(1000, 80, (200, 20, 20)))
    lazy = replace(lazy, array=da.from_array(lazy.array))
    assert whole_window(lazy)[0].high == 10


def test_activity_is_shown_from_zero():
    rng = np.random.default_rng(0)
    values = rng.normal(0, 300, (40, 40)) + np.eye(40) * 9000  # noise of the reconstruction
    assert window(values, unit="Bq/mL").low == 0
    assert window(values + 5000, unit="Bq/mL").low == 0
    assert window(values, unit="a.u.").low < 0
    for modality in ("PT", "NM"):
        assert window(values, unit="a.u.", modality=modality).low == 0


def test_windows_as_shown():
    layer = Image(np.arange(100.0).reshape(10, 10), contrast_limits=(20, 60))
    volumes = as_volume(layer, "image A"), as_volume(Image(np.zeros((9, 9, 3)) + 0.1), "image B")
    windows, notes = choose_windows(*volumes, "shown")
    assert (windows["a"].low, windows["a"].high) == (20, 60)
    assert notes == ()
    assert windows["a"].origin == "layer's contrast limits"
    with pytest.raises(InputError, match="image B is not a layer"):
        choose_windows(volumes[0], Volume(np.ones((4, 4))), {"b": "shown"})
    layer.gamma = 0.5
    bent = as_volume(layer, "image A")
    _, (note,) = choose_windows(bent, volumes[1], "shown")
    assert "Image A is displayed with a gamma of 0.5, which is not applied" in note
    assert choose_windows(bent, volumes[1])[1] == ()
    assert choose_windows(bent, volumes[1], {"a": (20, 60)})[1] == (note,)  # as the panel passes it
    assert choose_windows(bent, volumes[1], {"a": (20, 61)})[1] == ()


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
    with pytest.raises(InputError, match=r"window in SUVbw .* does not apply to values in Bq/mL"):
        with_window(activity, "PET 0-5 SUV")
    with pytest.raises(InputError, match="no window preset 'brian'"):
        with_window(activity, "brian")


def test_a_preset_becomes_the_window_that_is_used():
    ct = with_window(Volume(np.array([[-700.0, 40.0]]), unit="HU"), "brain")
    assert default_window(ct).normalise(ct.array).tolist() == [[0, 0.5]]
    assert default_window(with_window(ct, None)).low == -100

"""Degradations are what they say, and the same in every run."""

import numpy as np
import pytest
from _bench.conditions import GRID, applies, conditions, degrade
from _bench.pairs import Pair

from napari_textdifuse.errors import InputError

FLAT = np.full((200, 200), 100, dtype=np.uint8)
COLOUR = np.dstack([FLAT, FLAT + 40, FLAT - 60])
MEDICAL = Pair("PET-MRI", "1001", FLAT, FLAT, scene=False)
SCENE = Pair("Road", "day", COLOUR, FLAT, scene=True)


def test_metrics_is_noise_15_on_medical_pairs():
    for one, two in zip(degrade(MEDICAL, "metrics"), degrade(MEDICAL, "metrics"), strict=True):
        np.testing.assert_array_equal(one, two)
        assert one.ndim == 2
        assert one.std() == pytest.approx(15, rel=0.02)
        assert one.mean() == pytest.approx(100, abs=0.3)
    a, b = degrade(MEDICAL, "metrics")
    assert abs(np.corrcoef(a.ravel(), b.ravel())[0, 1]) < 0.02


def test_metrics_is_gamma_then_noise_25_on_scenes():
    bright = np.dstack([FLAT + 100, FLAT + 120, FLAT + 110])
    dark, infrared = degrade(Pair("Road", "day", bright, FLAT, scene=True), "metrics")
    for channel in range(3):
        expected = 255 * (bright[0, 0, channel] / 255) ** 2.2
        assert dark[..., channel].mean() == pytest.approx(expected, abs=0.5)
        assert dark[..., channel].std() == pytest.approx(25, rel=0.02)
    first, second = (dark[..., c].astype(float).ravel() for c in (0, 1))
    assert abs(np.corrcoef(first, second)[0, 1]) < 0.02  # independent per channel
    assert infrared.mean() == pytest.approx(100, abs=0.5)
    assert infrared.std() == pytest.approx(25, rel=0.02)


def test_noise_is_clipped_and_of_one_shape_at_every_strength():
    black = Pair("PET-MRI", "1001", 0 * FLAT, 0 * FLAT, scene=False)
    assert (degrade(black, "noise50")[0] == 0).mean() == pytest.approx(0.5, abs=0.02)
    weak, strong = (
        degrade(MEDICAL, name)[0].astype(float) - 100 for name in ("noise10", "noise20")
    )
    np.testing.assert_allclose(2 * weak, strong, atol=1.5)


def test_noise_differs_from_pair_to_pair():
    other = Pair("PET-MRI", "1002", FLAT, FLAT, scene=False)
    assert (degrade(MEDICAL, "noise10")[0] != degrade(other, "noise10")[0]).mean() > 0.9


def test_gamma_and_over_exposure_change_the_visible_image_only():
    dark, infrared = degrade(SCENE, "gamma2")
    np.testing.assert_array_equal(dark, np.rint(COLOUR.astype(float) ** 2 / 255))
    np.testing.assert_array_equal(infrared, FLAT)
    bright, infrared = degrade(SCENE, "over1.6")
    np.testing.assert_array_equal(bright[0, 0], [160, 224, 64])
    assert degrade(SCENE, "over2")[0][0, 0, 1] == 255
    np.testing.assert_array_equal(infrared, FLAT)


def test_cast_changes_each_channel_by_its_share_and_not_all_alike():
    for stem in "abcdefgh":
        cast, infrared = degrade(Pair("Road", stem, COLOUR, FLAT, scene=True), "cast20")
        gains = cast[0, 0] / COLOUR[0, 0].astype(float)
        np.testing.assert_allclose(np.abs(gains - 1), 0.2, atol=0.01)
        assert np.ptp(gains) > 0.3
        np.testing.assert_array_equal(infrared, FLAT)


def test_blur_keeps_the_mean_and_does_not_mix_channels():
    spot = np.zeros((41, 41, 3), dtype=np.uint8)
    spot[20, 20, 0] = 255
    blurred = degrade(Pair("Road", "x", spot, spot[..., 0], scene=True), "blur1")[0]
    assert blurred[20, 20, 0] == pytest.approx(255 / (2 * np.pi), rel=0.03)
    assert not blurred[..., 1:].any()


def test_parts_are_joined_in_order():
    both = degrade(SCENE, "gamma2+noise20")[0]
    assert both[..., 1].mean() == pytest.approx(140**2 / 255, abs=0.5)
    assert degrade(SCENE, "none")[0] is COLOUR


def test_light_and_colour_do_not_fail_in_medical_pairs():
    assert [name for name in GRID if applies(name, MEDICAL)] == [
        *(f"noise{sigma}" for sigma in (10, 20, 30, 40, 50)),
        *("blur1", "blur2"),
    ]
    assert all(applies(name, SCENE) for name in GRID)
    assert not applies("cast20", Pair("Road", "x", FLAT, FLAT, scene=True))


def test_names():
    assert conditions(["none", "grid", "noise10"]) == ["none", *GRID]
    for wrong in ("noise", "fog3", "noise20+", "noise-3"):
        with pytest.raises(InputError, match="not a degradation"):
            conditions([wrong])

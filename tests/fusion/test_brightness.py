from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from napari_textdifuse import FusionPipeline
from napari_textdifuse.colour import (
    clear_haze,
    denoised_anatomy,
    keep_agreed,
    lost_anatomy,
    noise_beside_texture,
    noise_level,
    noisy_air,
    rgb_to_ycbcr,
    without_colour_noise,
)


def head(noise: float = 0.0) -> np.ndarray:
    rng = np.random.default_rng(0)
    image = np.full((160, 160), 0.5, np.float32)
    image[40:120, 40:120] = 0.7
    return image + rng.normal(0, noise, image.shape).astype(np.float32)


@pytest.mark.parametrize("sigma", [0.02, 0.06, 0.15])
def test_the_noise_level_is_that_of_white_noise_and_edges_do_not_count(sigma):
    everywhere = np.ones((160, 160), bool)
    assert noise_level(head(sigma), everywhere) == pytest.approx(sigma, rel=0.05)
    assert noise_level(head(), everywhere) < 1e-6


@pytest.mark.parametrize("sigma", [0.06, 0.1, 0.15])
def test_noise_that_fusion_removed_does_not_come_back(sigma):
    fused, anatomy = head(), head(sigma)
    back = lost_anatomy(fused, denoised_anatomy(fused, anatomy))[8:-8, 8:-8]
    plain = lost_anatomy(fused, anatomy)[8:-8, 8:-8]
    assert back.std() < 1 / 255
    assert plain.std() > 8 * back.std()


def test_an_anatomy_that_was_lost_comes_back_out_of_the_noise():
    lost, seen = head(), head(0.1)
    lost[60:100, 60:100] = 1.0  # a hot lesion covers the tissue of 0.7
    without_noise = lost_anatomy(lost, head())
    back = lost_anatomy(lost, denoised_anatomy(lost, seen))
    # its middle, away from the smoothed border
    middle = np.s_[70:90, 70:90]
    assert back[middle].mean() == pytest.approx(without_noise[middle].mean(), abs=0.01)


def test_without_noise_nothing_changes_to_the_bit():
    anatomy = head(2 / 255)
    fused = ndimage.gaussian_filter(anatomy, 1)
    assert denoised_anatomy(fused, anatomy) is anatomy
    assert denoised_anatomy(anatomy, np.zeros_like(anatomy)).max() == 0


def test_black_is_that_of_the_darker_source():
    # fused black .3; sources .1 and .2: wanted .1 + 1/255
    levels = np.linspace(0.3, 1, 101, dtype=np.float32)[None].repeat(9, 0)
    x, y = np.full_like(levels, 0.1), np.full_like(levels, 0.2)
    marked, plain = clear_haze((levels + np.float32(0.01), levels), x, y)
    black = float(np.percentile(levels, 1))
    wanted = 0.1 + 1 / 255
    assert np.percentile(plain, 1) == pytest.approx(wanted, abs=1e-3)
    assert plain[0, -1] == 1
    assert plain[1, 51] - plain[1, 50] == pytest.approx(
        0.007 * (1 - wanted) / (1 - black), abs=1e-5
    )
    # the same curve for both images
    assert marked[3, 50] == pytest.approx(
        1 - (1 - levels[3, 50] - 0.01) * (1 - wanted) / (1 - black), abs=1e-6
    )
    half = clear_haze((levels, levels), x, y, 0.5)[1]
    np.testing.assert_allclose(half, (levels + plain) / 2, atol=1e-6)


def test_what_is_darker_than_black_is_scaled():
    levels = np.linspace(0.3, 1, 101, dtype=np.float32)[None].repeat(9, 0)
    levels[0, 0] = 0.15  # one of 909 pixels
    x = np.full_like(levels, 0.1)
    x[0, 0] = 0  # nothing to be raised to
    plain = clear_haze((levels, levels), x, x)[1]
    assert plain[0, 0] == pytest.approx(0.5 * (0.1 + 1 / 255), abs=2e-3)


def test_clearing_makes_nothing_darker_than_both_sources():
    levels = np.linspace(0.3, 1, 101, dtype=np.float32)[None].repeat(40, 0)
    x, y = np.full_like(levels, 0.1), np.full_like(levels, 0.28)
    x[:, :60] = 0.28  # where the stretch would give .11 to .35
    plain = clear_haze((levels, levels), x, y)[1]
    assert plain[:, :55].min() > 0.26
    x[:, :60] = 0.1
    assert clear_haze((levels, levels), x, y)[1][:, 0].max() < 0.12


def test_what_is_not_hazy_stays_to_the_bit():
    image = np.linspace(0.1, 1, 100, dtype=np.float32)[None]
    images = image, image
    assert clear_haze(images, image - np.float32(1 / 255), image) is images
    assert clear_haze(images, image, image) is images
    white = np.ones((4, 4), np.float32), np.ones((4, 4), np.float32)
    assert clear_haze(white, white[0] * 0, white[0]) is white


@pytest.fixture(scope="module")
def hazy() -> tuple[np.ndarray, np.ndarray]:
    """Dark sky in infrared, dark street in visible light: nothing is dark in both."""
    texture = np.random.default_rng(0).normal(0, 3, (96, 96))
    visible, infrared = np.full((96, 96), 40.0), np.full((96, 96), 180.0)
    visible[:48], infrared[:48] = 190, 20
    visible[60:80, 60:80], infrared[60:80, 60:80] = 60, 235
    pair = (np.clip(image + texture, 0, 255).astype(np.uint8) for image in (visible, infrared))
    return tuple(pair)


def black_of(image: np.ndarray) -> float:
    return float(np.percentile(image * 255 if image.dtype != np.uint8 else image, 1))


@pytest.fixture(scope="module")
def pipe() -> FusionPipeline:
    return FusionPipeline.from_pretrained(device="cpu")


def test_a_scene_has_no_haze(pipe, hazy):
    options = {"steps": 1, "modality": {"a": "VIS", "b": "IR"}}
    darker = min(black_of(image) for image in hazy)
    fused = pipe(*hazy, **options).fused
    assert black_of(fused) < darker + 5
    # neither where the light is kept, nor at the ends of the balance
    measured = pipe(*hazy, restore={"light": 0}, **options).fused
    assert black_of(measured) > darker + 50
    alone = pipe(*hazy, balance=-1, **options).fused
    assert black_of(alone) > darker + 10


def test_emphasis_leaves_the_rest_of_a_cleared_scene_to_the_bit(pipe, hazy):
    mask = np.zeros((96, 96), np.uint8)
    mask[60:80, 60:80] = 1
    options = {"steps": 1, "modality": {"a": "VIS", "b": "IR"}}
    plain, marked = pipe(*hazy, **options), pipe(*hazy, mask=mask, **options)
    outside = ~np.pad(mask[58:82, 58:82] * 0 + 1, ((58, 14), (58, 14))).astype(bool)
    np.testing.assert_array_equal(marked.fused[outside], plain.fused[outside])
    assert np.abs(marked.fused - plain.fused).max() > 0.02


def test_measured_images_and_slices_with_neighbours_keep_their_black(pipe, hazy):
    """The black of a volume's slices must agree, and values of measurements are not stretched."""
    scene = pipe(*hazy, steps=1, modality={"a": "VIS", "b": "IR"}).fused
    medical = pipe(*hazy, steps=1, modality={"a": "MR", "b": "CT"}).fused
    volumes = [np.stack([image, image]) for image in hazy]
    volume = pipe(*volumes, steps=1, slices=0, modality={"a": "VIS", "b": "IR"})
    one = pipe(*(image[None] for image in hazy), steps=1, modality={"a": "VIS", "b": "IR"})
    assert black_of(medical) > black_of(scene) + 50
    assert black_of(np.squeeze(volume.fused)) > black_of(scene) + 50
    np.testing.assert_array_equal(np.squeeze(one.fused), scene)  # without neighbours


def test_noise_is_not_taken_for_black():
    noise = np.random.default_rng(1).normal(0, 0.1, (128, 128)).astype(np.float32)
    fused = np.full((128, 128), 0.5, np.float32)
    x = 0.4 + noise  # its first percentile is .17; its surface is at .4
    plain = clear_haze((fused, fused), x, np.ones_like(x))[1]
    # 4/255 of the noise may be detail: about .373, and no brighter than the surface
    assert 0.37 < plain.mean() < 0.4
    assert plain.std() < 0.02


def test_colours_that_noise_made_are_grey():
    rng = np.random.default_rng(0)
    clean = np.zeros((96, 96, 3), np.float32)
    clean[:48] = (0.9, 0.5, 0.1)
    noisy = np.clip(clean + rng.normal(0, 20 / 255, clean.shape), 0, 1).astype(np.float32)
    brightness, colours = rgb_to_ycbcr(noisy)
    found = without_colour_noise(colours, brightness)
    black, orange = np.s_[50:], np.s_[:46]
    assert np.abs(found[black]).mean() < 0.25 * np.abs(colours[black]).mean()
    assert np.abs(found[orange]).mean() > 0.85 * np.abs(colours[orange]).mean()
    half = without_colour_noise(colours, brightness, 0.5)
    assert np.abs(found[black]).mean() < np.abs(half[black]).mean() < np.abs(colours[black]).mean()
    assert without_colour_noise(colours, brightness, 0) is colours
    brightness, colours = rgb_to_ycbcr(clean)
    assert without_colour_noise(colours, brightness) is colours


def noisy_pet_over_mri() -> list[np.ndarray]:
    """PET and MRI of a body with a black hole, in the air."""
    rng = np.random.default_rng(0)
    mri, pet = np.zeros((128, 128), np.float32), np.zeros((128, 128, 3), np.float32)
    mri[20:108, 20:108] = 0.6
    mri[30:60, 30:60] = 0
    pet[70:100, 70:100] = (0.9, 0.5, 0.1)
    noisy = (np.clip(v + rng.normal(0, 20 / 255, v.shape), 0, 1) for v in (pet, mri))
    return [np.rint(255 * v).astype(np.uint8) for v in noisy]


HOLE, CORNER = np.s_[36:54, 36:54], np.s_[:12, :12]


def test_noise_in_measured_colours_does_not_lift_a_black_hole(pipe):
    fused = pipe(*noisy_pet_over_mri(), steps=1, modality={"a": "PT", "b": "MR"}).fused
    assert 255 * fused[HOLE].mean() < 6.3  # 5.3; 7.5 with the noise in the colours


def test_noise_in_the_air_around_the_body_is_removed(pipe):
    pair = noisy_pet_over_mri()
    options = {"steps": 1, "modality": {"a": "PT", "b": "MR"}}
    fused, measured = (pipe(*pair, restore=r, **options).fused for r in (1, 0))
    assert 255 * fused[CORNER].mean() < 0.3
    assert 255 * fused[HOLE].mean() > 3  # not connected to the border
    assert 255 * measured[CORNER].mean() > 2
    half = pipe(*pair, restore={"noise": 0.5}, **options).fused
    assert 0 < half[CORNER].mean() < measured[CORNER].mean()
    scene = pipe(*pair, steps=1, modality={"a": "VIS", "b": "IR"}).fused
    assert 255 * scene[CORNER].mean() > 0.4  # by night a dark corner is no air


def test_texture_in_black_air_is_no_noise():
    rng = np.random.default_rng(1)
    textured = np.zeros((160, 160), np.float32)
    textured[20:140, 20:140] = 0.5 + 0.1 * rng.standard_normal((120, 120))
    assert noise_level(textured, textured > 0.02) > 0.09
    assert noise_beside_texture(textured) == 0
    noisy = np.clip(textured + rng.normal(0, 0.05, textured.shape), 0, 1).astype(np.float32)
    assert noise_beside_texture(noisy) == pytest.approx(0.05, rel=0.05)
    scene = (0.4 + rng.normal(0, 0.05, textured.shape)).astype(np.float32)
    assert noise_beside_texture(scene) == pytest.approx(0.05, rel=0.05)


def test_air_is_connected_to_the_border_and_dark_in_both_images():
    rng = np.random.default_rng(0)
    clean, other = np.zeros((2, 128, 128), np.float32)
    clean[20:108, 20:108] = 0.6
    clean[40:80, 40:80] = 0
    other[2:18, 50:80] = 0.1  # something faint beside the body, in one image only

    def noisy(image: np.ndarray, sigma: float = 15 / 255) -> np.ndarray:
        return np.clip(image + rng.normal(0, sigma, image.shape), 0, 1).astype(np.float32)

    x, y = noisy(clean), noisy(other)
    found = noisy_air(x, y)
    assert found[112:].mean() > 0.97
    assert not found[20:108, 20:108].any()
    assert not found[6:14, 54:76].any()
    assert noisy_air(clean, other) is None
    assert noisy_air(noisy(clean, 2 / 255), other) is None  # may be texture
    # a little more noise removes a little of the air
    assert 0.1 < noisy_air(noisy(clean, 4.5 / 255), other)[112:].mean() < 0.9
    # no air at the border: dark tissue
    assert noisy_air(noisy(clean + 0.2), noisy(other)) is None


def test_air_of_a_magnitude_image_has_a_rayleigh_distribution():
    rng = np.random.default_rng(0)
    clean, other = np.zeros((2, 128, 128), np.float32)
    clean[20:108, 20:108] = 0.6
    clean[108:118, 50:80] = faint = 0.15  # tissue of 2.5 deviations, connected to the air
    sigma = 15 / 255

    def magnitude(image: np.ndarray) -> np.ndarray:
        real, imaginary = rng.normal(0, sigma, (2, *image.shape))
        return np.clip(np.hypot(image + real, imaginary), 0, 1).astype(np.float32)

    found = noisy_air(magnitude(clean), other)
    assert found[120:].mean() > 0.97
    assert not found[20:108, 20:108].any()
    assert found[111:115, 54:76].mean() < 0.05
    # as bright as such air, but with the full noise: dark tissue that reaches the border
    dark = clean + np.float32(1.25 * sigma) * (clean == 0)
    tissue = np.clip(dark + rng.normal(0, sigma, dark.shape), 0, 1).astype(np.float32)
    assert noisy_air(tissue, other) is None
    even, outside = magnitude(clean), clean == 0  # as even as such air, but brighter
    even[outside] = faint + rng.normal(0, 0.655 * sigma, int(outside.sum()))
    assert noisy_air(even, other) is None


def test_where_the_sources_agree_the_result_does_too():
    image = np.tile(np.linspace(0.1, 0.6, 128, dtype=np.float32), (128, 1))
    other = image.copy()
    other[64:] += 0.2
    fused = image + np.float32(0.02)
    fused[20:30, 20:30] += 0.1
    fused[100:110, 20:30] += 0.1  # between the sources, which differ
    amended = fused + keep_agreed(fused, image, other)
    # 7/255, and twice the mean change of .02 and .1 in 100 of 7,700 pixels
    assert amended[20:30, 20:30] - image[20:30, 20:30] == pytest.approx(0.0701, abs=0.003)
    np.testing.assert_array_equal(amended[80:], fused[80:])
    far = np.ones((54, 128), bool)
    far[20:30, 20:30] = False
    np.testing.assert_array_equal(amended[:54][far], fused[:54][far])
    little = image + np.float32(0.5 / 255)
    back = keep_agreed(little, image, image)
    np.testing.assert_allclose(back, -0.4 * 0.5 / 255, rtol=1e-3)
    # half as much where the mean change is 3/255, as restoration begins
    back = keep_agreed(6 * little - 5 * image, image, image)
    np.testing.assert_allclose(back, -0.2 * 3 / 255, rtol=1e-3)
    assert not keep_agreed(little, image, image + np.float32(0.1)).any()


def test_restoration_is_kept_where_the_sources_agree():
    image = np.tile(np.linspace(0.1, 0.4, 128, dtype=np.float32), (128, 1))
    brighter = image + np.linspace(0.1, 0.25, 128, dtype=np.float32)
    assert not keep_agreed(brighter, image, image).any()
    noisy = (image + np.random.default_rng(0).normal(0, 0.08, image.shape)).astype(np.float32)
    removed = np.clip(noisy - image, -0.25, 0.25)
    assert np.abs(keep_agreed(image, noisy, noisy)).mean() < 0.02 * np.abs(removed).mean()


def test_an_image_fused_with_itself_has_no_pixel_far_off(pipe):
    rng = np.random.default_rng(3)
    image = ndimage.gaussian_filter(rng.random((160, 160)), 12)
    image = ((image - image.min()) / np.ptp(image)).astype(np.float32) ** 3
    image[60:63] = image[:, 90:92] = 1  # thin lines
    fused = pipe(image, image, steps=1, modality={"a": "MR", "b": "MR"}).fused
    off = 255 * np.abs(fused - image)
    assert off.mean() < 0.5  # 0.62 without `keep_agreed`
    assert off.max() < 5

"""What the embedded weights must do; small images, so that the tests stay quick."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage
from skimage.color import deltaE_ciede2000, rgb2lab

from napari_textdifuse import FusionPipeline, evaluate
from napari_textdifuse.fusion import engine
from napari_textdifuse.fusion.remodulation import contrast, surround
from napari_textdifuse.intensity import default_window
from napari_textdifuse.samples import load_sample, sample_mask
from napari_textdifuse.spatial import resample_to
from napari_textdifuse.weights import open_folder


@pytest.fixture(scope="module")
def pipeline() -> FusionPipeline:
    return FusionPipeline.from_pretrained(device="cpu")


@pytest.fixture(scope="module")
def pair() -> tuple[np.ndarray, np.ndarray]:
    """Two views of one scene: discs bright in one or the other, texture in the second."""
    rng = np.random.default_rng(4)
    y, x = np.mgrid[:96, :112]
    a, b = np.full((2, 96, 112), 0.15, np.float32)
    for k in range(8):
        cy, cx, r = rng.uniform(10, 86), rng.uniform(10, 102), rng.uniform(4, 12)
        disc = np.hypot(y - cy, x - cx) < r
        (a if k % 2 else b)[disc] = rng.uniform(0.4, 0.9)
    b += 0.06 * ndimage.gaussian_filter(rng.standard_normal(b.shape), 1.5).astype(np.float32) * 4
    return np.clip(ndimage.gaussian_filter(a, 0.6), 0, 1), np.clip(b, 0, 1)


def to_bytes(image: np.ndarray) -> np.ndarray:
    return np.rint(np.clip(image, 0, 1) * 255).astype(np.uint8)


def noisy(image: np.ndarray, seed: int) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(0, 20 / 255, image.shape)
    return np.clip(image + noise, 0, 1).astype(np.float32)


def test_embedded_weights_are_described_and_small():
    folder = open_folder()
    folder.verify()
    assert folder.file.stat().st_size < 25e6
    card = (folder.path / "MODEL_CARD.md").read_text("utf-8")
    for word in ("Training data", "Limits", "SHA-256", folder.sha256):
        assert word in card


def test_fusion_keeps_more_of_both_than_the_average(pipeline, pair):
    a, b = (to_bytes(v) for v in pair)
    ours = evaluate(a, b, to_bytes(pipeline(a, b).fused))
    mean = evaluate(a, b, to_bytes((pair[0] + pair[1]) / 2))
    for metric in ("AG", "SD", "Qabf"):
        assert ours[metric] > mean[metric]


def test_noise_is_removed(pipeline, pair):
    a, b = pair
    na, nb = noisy(a, 1), noisy(b, 2)

    def similarity(fused):
        return evaluate(to_bytes(a), to_bytes(b), to_bytes(fused))["SSIM"]

    ours = similarity(pipeline(na, nb).fused)
    assert ours > similarity((na + nb) / 2)
    assert ours > similarity(np.maximum(na, nb))


def test_what_is_alike_stays_as_it_is_and_black_stays_black(pipeline, pair):
    a, _ = pair
    assert np.abs(pipeline(a, a).fused - a).mean() < 0.015
    black = np.zeros((64, 64), np.float32)
    black[20:40, 20:40] = 0.7
    assert pipeline(black, black).fused[:12, :12].max() < 0.02


def test_restoration_is_the_users_choice(pipeline, pair):
    """Without it what was measured is fused: the same noise, the same light (1/255 on average)."""
    clean, _ = pair
    dark = noisy(0.8 * clean**2, 3)
    as_seen = pipeline(dark, dark, restore=0).fused
    assert np.abs(as_seen - dark).mean() < 1 / 255
    assert np.quantile(np.abs(as_seen - dark), 0.999) < 10 / 255

    def roughness(image):
        return float((image - ndimage.gaussian_filter(image, 1)).std())

    mended = pipeline(dark, dark).fused
    assert roughness(mended) < 0.7 * roughness(dark)
    assert roughness(as_seen) == pytest.approx(roughness(dark), rel=0.1)
    kept = pipeline(dark, dark, restore={"noise": 0, "light": 1}).fused
    assert roughness(kept) > 0.8 * roughness(dark)


def test_exchanging_the_images_gives_the_same_image(pipeline, pair):
    one, two = pipeline(*pair), pipeline(*pair[::-1])
    assert np.abs(one.fused - two.fused).max() < 0.02
    assert np.abs(one.contribution + two.contribution - 1).max() < 0.02


def test_contrast_rises_with_strength(pipeline, pair):
    a, b = pair
    mask = np.zeros(a.shape, np.uint8)
    mask[30:60, 40:75] = 1
    values = [
        abs(contrast(pipeline(a, b, mask=mask, strength=s).fused, mask, 1))
        for s in (0, 0.5, 1.0, 1.5)
    ]
    assert values == sorted(values)
    assert values[-1] > 1.2 * values[0]


def test_tiles_agree_with_the_whole(pipeline, pair, monkeypatch):
    a, b = (np.tile(v, (2, 2)) for v in pair)
    whole = pipeline(a, b).fused
    monkeypatch.setattr(engine, "TILE", 128)
    assert np.abs(pipeline(a, b).fused - whole).mean() < 0.01


@pytest.mark.parametrize(
    ("name", "term"),
    [
        ("pet-mri", "tumour"),
        ("ct-mri", "bone"),
        ("ct-mri", "ventricle"),
        ("spect-mri", "perfusion deficit"),
        ("street", "person"),
        ("street", "car"),
    ],
)
def test_contrast_of_the_samples_objects_rises_with_strength(pipeline, name, term):
    a, b = load_sample(name)
    truth = sample_mask(name, term)
    if a.ndim == 3:
        truth = resample_to(truth, a, order=0).volume
        pair = [(v, default_window(v)) for v in (a, resample_to(b, a).volume)]
        k = int((truth.array != 0).sum(axis=(1, 2)).argmax())
        a, b = (v.with_array(v.array[k], affine=None, window=(w.low, w.high)) for v, w in pair)
        truth = truth.with_array(truth.array[k], affine=None)
    mask = (truth.array != 0).astype(np.uint8)

    def stands_out(strength: float) -> float:
        fused = pipeline(a, b, mask=mask, strength=strength, steps=2).fused
        lab = rgb2lab(fused if fused.ndim == 3 else np.repeat(fused[..., None], 3, axis=-1))
        inside, around = (lab[part].mean(axis=0) for part in (mask == 1, surround(mask, 1)))
        return float(deltaE_ciede2000(inside, around))

    values = [stands_out(s) for s in (0, 0.5, 1, 2)]
    assert values == sorted(values)
    assert values[-1] > 1.05 * values[0]  # bone is nearly white already


@pytest.mark.parametrize("quality", ["fast", "standard"])
def test_emphasised_objects_have_no_stripes(pipeline, quality):
    """Modulated channels become pixels of fixed places: stripes with a period of two pixels."""
    pet_mri = load_sample("pet-mri")
    mask = np.zeros(pet_mri[0].shape, np.uint8)
    mask[28] = sample_mask("pet-mri", "tumour").array[28]
    session = pipeline.session(*pet_mri, slices=28, quality=quality)
    images = [255 * np.squeeze(session.fuse(mask=m).fused).mean(axis=-1) for m in (None, mask)]
    change = images[1] - images[0]
    inside = ndimage.binary_erosion(mask[28] > 0, iterations=2)
    for axis in (0, 1):
        sharp = change - ndimage.convolve1d(change, [0.25, 0.5, 0.25], axis=axis)
        sign = (-1.0) ** np.arange(change.shape[axis])
        stripes = sharp * (sign if axis == 1 else sign[:, None])
        assert abs(stripes[inside].mean()) < 0.4, "grey levels"


def test_the_distilled_network_is_small_and_close_to_the_full_one(pipeline):
    backend = pipeline.backend
    full, fast = (sum(p.numel() for p in n.parameters()) for n in (backend.network, backend.fast))
    assert fast < 0.45 * full
    pair = load_sample("pet-mri")
    results = [
        pipeline(*pair, slices=28, **options) for options in ({"quality": "fast"}, {"steps": 1})
    ]
    assert results[0].record["network"] == {
        "name": "fast",
        "sha256": backend.weights.config["fast"]["sha256"],
    }
    assert "network" not in results[1].record
    difference = 255 * np.abs(results[0].fused - results[1].fused)
    assert 0.1 < difference.mean() < 3
    uncertain = [255 * r.uncertainty for r in results]
    assert 1 < uncertain[1].mean() < uncertain[0].mean() < 20


def test_noisy_images_are_left_to_the_full_network(pipeline):
    rng = np.random.default_rng(0)
    image = np.zeros((128, 128), np.float32)
    image[16:112, 16:112] = 0.5
    texture = ndimage.gaussian_filter(rng.standard_normal((96, 96)), 0.7)
    body = image.copy()
    body[16:112, 16:112] += 0.1 * (texture / texture.std()).astype(np.float32)
    for sigma, expected in ((0, True), (6 / 255, True), (16 / 255, False)):
        noisy = np.clip(body + rng.normal(0, sigma, body.shape), 0, 1).astype(np.float32)
        options = {"modality": {"a": "MR", "b": "CT"}, "windows": {"a": (0, 1), "b": (0, 1)}}
        result = pipeline(noisy, image, quality="fast", **options)
        assert ("network" in result.record) is expected, sigma
        assert any("noisy" in note for note in result.record["warnings"]) is not expected

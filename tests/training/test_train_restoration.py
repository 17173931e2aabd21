"""How much restoration a training pair asks for."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from napari_textdifuse.training.data import Batch, CropSampler
from napari_textdifuse.training.degrade import degrade_in_steps
from napari_textdifuse.training.restoration import (
    draw_restoration,
    reference_pair,
    restoration_target,
    target_pair,
)
from napari_textdifuse.training.sources import Source, load_examples
from napari_textdifuse.training.split import SplitRule, is_held_out


def picture(value: float) -> torch.Tensor:
    return torch.full((1, 1, 4, 4), value)


CLEAN, LIT, SEEN = picture(0.5), picture(-0.1), picture(-0.3)


@pytest.mark.parametrize(
    ("noise", "light", "value"),
    [
        (1, 1, 0.5),  # the clean image
        (0, 0, -0.3),  # what was measured
        (1, 0, -0.1),  # its light without its noise
        (0, 1, 0.3),  # the noise, 0.2 below, in the right light
        (0.5, 0.5, 0.1),  # half way in both: 0.2 less half of 0.2
    ],
)
def test_what_is_asked_for(noise, light, value):
    restore = torch.tensor([[noise, light]], dtype=torch.float32)
    torch.testing.assert_close(restoration_target(CLEAN, LIT, SEEN, restore), picture(value))


def test_what_is_asked_for_is_an_image():
    restore = torch.tensor([[0.0, 1.0]])
    assert restoration_target(picture(0.9), picture(0.0), picture(0.8), restore).max() == 1


def test_strengths_are_drawn_as_documented():
    x, y = draw_restoration(4000, torch.Generator().manual_seed(0)).chunk(2)
    assert 0 <= x.min() < x.max() <= 1
    everything = ((x == 1) & (y == 1)).all(dim=1).float().mean()
    nothing = ((x == 0) & (y == 0)).all(dim=1).float().mean()
    # an eighth of the pairs asks for whole kinds, which is all or nothing in a quarter each
    assert everything == pytest.approx(0.5 + 1 / 32, abs=0.03)
    assert nothing == pytest.approx(0.25 + 1 / 32, abs=0.03)
    fraction = ((x > 0) & (x < 1)).all(dim=1)
    assert fraction.float().mean() == pytest.approx(1 / 8, abs=0.02)
    apart = (x[fraction] != y[fraction]).any(dim=1).float().mean()
    assert apart == pytest.approx(0.5, abs=0.08)
    again = draw_restoration(4000, torch.Generator().manual_seed(0))
    assert torch.cat([x, y]).equal(again)


def batch_of_one() -> Batch:
    kinds = (CLEAN, CLEAN, SEEN, SEEN, LIT, LIT)
    return Batch(*kinds, torch.tensor([False]), torch.tensor([True]))


def test_a_result_is_judged_against_perfect_images_in_the_light_that_was_asked_for():
    def reference(noise: float, light: float) -> tuple[float, list[float]]:
        restore = torch.tensor([[noise, light]] * 2)
        x, _, asked = reference_pair(batch_of_one(), restore)
        return round(float(x[0, 0, 0, 0]), 4), asked[0].tolist()

    assert reference(1, 1) == (0.5, [1, 1])
    assert reference(0, 1) == (0.5, [1, 1])
    assert reference(0, 0) == (-0.1, [1, 0])
    assert reference(1, 0.5) == (0.2, [1, 0])  # not to be mended once more


def test_each_image_has_its_own_strengths():
    restore = torch.tensor([[1.0, 1.0], [0.0, 0.0]])
    x, y = target_pair(batch_of_one(), restore)
    assert x.equal(CLEAN)
    assert y.equal(SEEN)


def test_the_light_fails_before_blur_and_noise():
    rng = np.random.default_rng(0)
    clean = rng.uniform(0.2, 0.8, (24, 24)).astype(np.float32)
    steps = [degrade_in_steps(clean, "CT", rng) for _ in range(40)]
    assert all(np.array_equal(lit, clean) for lit, _ in steps)
    assert sum(not np.array_equal(seen, clean) for _, seen in steps) > 20
    steps = [degrade_in_steps(clean, "VIS", rng) for _ in range(40)]
    assert sum(abs(float(lit.mean() - clean.mean())) > 0.05 for lit, _ in steps) > 8


@pytest.fixture
def sampler(tmp_path) -> CropSampler:
    rng = np.random.default_rng(0)
    for folder in ("PET", "MRI"):
        (tmp_path / folder).mkdir()
        for name in ("1", "2", "3"):
            image = rng.integers(40, 250, (32, 32), dtype=np.uint8)
            Image.fromarray(image).save(tmp_path / folder / f"{name}.png")
    source = Source("PET-MRI", (tmp_path / "PET", tmp_path / "MRI"), ("PT", "MR"))
    return CropSampler(load_examples([source], SplitRule(r"(\d)")), 32)


def test_some_pairs_are_of_an_image_with_itself(sampler):
    batch = sampler.batch(0, 300)
    same = batch.same
    assert same.float().mean() == pytest.approx(0.1, abs=0.05)
    for a, b in ((batch.clean_a, batch.clean_b), (batch.seen_a, batch.seen_b)):
        assert a[same].equal(b[same])
        assert not any(x.equal(y) for x, y in zip(a[~same], b[~same], strict=True))
    assert not batch.seen_a[same].equal(batch.clean_a[same])
    assert not batch.scene.any()


def test_medical_pairs_are_mixed_remapped_and_enhanced(sampler):
    functional = [(e.images[0] / 255).astype(np.float32) for e in sampler.examples]
    anatomy = [(e.images[1] / 255).astype(np.float32) for e in sampler.examples]

    def orders(crop: np.ndarray) -> list[np.ndarray]:
        shown = [np.flip(crop, axes) for axes in ((), (0,), (1,), (0, 1))]
        return [*shown, *(s.T for s in shown)]

    def source(crop: np.ndarray, images: list[np.ndarray]) -> tuple[int, bool]:
        """Which image a crop shows, up to a monotone map, and whether with the same values."""
        ranks = [np.corrcoef(c.ravel(), i.ravel())[0, 1] for i in images for c in orders(crop)]
        which = int(np.argmax(ranks)) // 8
        exact = any(np.allclose(c, images[which], atol=1e-6) for c in orders(crop))
        return which, exact

    batch = sampler.batch(1, 150)
    rows = [
        (*source(a, functional), *source(b, anatomy))
        for a, b, same in zip(
            (batch.clean_a[:, 0].numpy() + 1) / 2,
            (batch.clean_b[:, 0].numpy() + 1) / 2,
            batch.same,
            strict=True,
        )
        if not same
    ]
    mixed = np.mean([a != b for a, _, b, _ in rows])
    assert 0.03 < mixed < 0.2  # two thirds of 0.15: another example may be drawn, or the same
    assert 0.25 < np.mean([not exact for _, exact, _, _ in rows]) < 0.55
    assert 0.05 < np.mean([not exact for *_, exact in rows]) < 0.28


def test_msrs_is_held_out_by_blocks_of_frames():
    held = ["00310D", "00350D", "00695N", "00760N", "01195N", "01260D"]
    kept = ["00309D", "00351D", "00694N", "00761N", "01194N", "01261N", "00001D"]
    assert all(is_held_out("MSRS", stem) for stem in held)
    assert not any(is_held_out("MSRS", stem) for stem in kept)
    chosen = SplitRule().choose([("MSRS", stem) for stem in held + kept])
    assert chosen == frozenset(held)

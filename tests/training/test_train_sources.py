from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest
from PIL import Image

from napari_textdifuse.errors import InputError
from napari_textdifuse.training.data import CropSampler
from napari_textdifuse.training.sources import (
    Source,
    as_floats,
    describe,
    find_sets,
    load_examples,
    modality_of,
)
from napari_textdifuse.training.split import HELD_OUT_CASES, SplitRule, is_held_out

MM = np.diag([-1.0, -1.0, 1.0, 1.0])


def write_volume(path, values, affine=MM):
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(values.transpose(2, 1, 0), affine), path)


def test_published_split_is_by_case_in_every_modality():
    assert is_held_out("PET-MRI", "41061")
    assert is_held_out("CT-MRI", "41007")
    assert not is_held_out("PET-MRI", "25061")
    share = np.mean([is_held_out("RoadScene", f"FLIR_{i:05d}") for i in range(2000)])
    assert 0.15 < share < 0.25


def test_default_rule_is_the_published_split():
    rule = SplitRule()
    stems = [f"{case}{n:03d}" for case in (11, 25, 28, 41, 7) for n in (1, 2)]
    chosen = rule.choose(("CT-MRI", rule.case("CT-MRI", s)) for s in stems)
    assert chosen == {"11", "28", "41"} == HELD_OUT_CASES & set(chosen)
    names = [f"FLIR_{i:05d}" for i in range(300)]
    chosen = rule.choose(("RoadScene", rule.case("RoadScene", n)) for n in names)
    assert chosen == {n for n in names if is_held_out("RoadScene", n)}


def test_cases_by_pattern_stay_together():
    rule = SplitRule(pattern=r"^(sub-\d+)", held_out=("sub-2",))
    assert rule.case("MR", "sub-2_run-1") == rule.case("CT", "sub-2_run-9") == "sub-2"
    assert rule.choose([("MR", "sub-1"), ("MR", "sub-2")]) == {"sub-2"}


@pytest.mark.parametrize(
    ("rule", "cases", "words"),
    [
        (SplitRule(held_out=("z",)), "ab", "do not exist: z"),
        (SplitRule(held_out=("a", "b")), "ab", "every case"),
        (SplitRule(), "a", "only the case a"),
    ],
)
def test_impossible_splits_are_one_sentence(rule, cases, words):
    with pytest.raises(InputError, match=words):
        rule.choose(("MR", c) for c in cases)


@pytest.mark.parametrize(
    ("pattern", "words"),
    [("(", "not a regular expression"), ("abc", "one group"), (r"^(\d+)$", "does not match")],
)
def test_bad_patterns_are_one_sentence(pattern, words):
    with pytest.raises(InputError, match=words):
        SplitRule(pattern=pattern).case("MR", "abc")


@pytest.mark.parametrize("count", [2, 3, 4, 5, 6, 7])
def test_few_cases_still_give_both_parts(count):
    cases = [("MR", f"case{i}") for i in range(count)]
    assert 0 < len(SplitRule().choose(cases)) < count


def test_sets_by_their_folder_names(pairs, tmp_path):
    (source,) = find_sets(pairs)
    assert source.modalities == ("PT", "MR")  # the one that lends its colour comes first
    assert [f.name for f in source.folders] == ["PET", "MRI"]
    with pytest.raises(InputError, match="two of the folders"):
        find_sets(pairs, ["CT-MRI"])
    with pytest.raises(InputError, match="--images or --pairs"):
        find_sets(tmp_path)
    assert modality_of("mri") == "MR"
    assert modality_of("ultrasound") == "ULTRASOUND"


def test_a_volume_gives_its_slices_in_the_window_that_fusion_uses(tmp_path):
    values = np.zeros((4, 20, 24), np.int16)
    values[1:, 5:15, 5:15] = 1000
    values[2:, 5:15, 5:15] = 500
    write_volume(tmp_path / "mr" / "case1.nii.gz", values)
    examples = load_examples([Source("MR", (tmp_path / "mr",), ("MR",))], SplitRule())
    assert [e.stem for e in examples] == ["case1:1", "case1:2", "case1:3"]  # the empty one is out
    assert {e.case for e in examples} == {"case1"}
    assert as_floats(examples[0].images[0]).max() == pytest.approx(1, abs=1e-3)
    assert as_floats(examples[1].images[0]).max() == pytest.approx(0.5, abs=1e-3)


def test_the_second_volume_of_a_pair_comes_onto_the_grid_of_the_first(tmp_path):
    first = np.zeros((4, 20, 24), np.float32)
    first[:, 6:14, 8:16] = 1
    write_volume(tmp_path / "a" / "1.nii.gz", first)
    coarse = np.diag([-2.0, -2.0, 1.0, 1.0])
    coarse[:2, 3] = -0.5  # the centre of a coarse pixel lies between two fine ones
    write_volume(tmp_path / "b" / "1.nii", first[:, ::2, ::2].copy(), coarse)
    folders = (tmp_path / "a", tmp_path / "b")
    examples = load_examples([Source("X-Y", folders, ("X", "Y"))], SplitRule())
    for example in examples:
        a, b = (as_floats(i) for i in example.images)
        assert a.shape == b.shape == (20, 24)
        assert np.corrcoef(a.ravel(), b.ravel())[0, 1] > 0.9


def test_nothing_in_common_is_one_sentence(tmp_path):
    for folder, name in (("a", "1.png"), ("b", "2.png")):
        (tmp_path / folder).mkdir()
        Image.fromarray(np.full((9, 9), 99, np.uint8)).save(tmp_path / folder / name)
    source = Source("A-B", (tmp_path / "a", tmp_path / "b"), ("A", "B"))
    with pytest.raises(InputError, match="equal names"):
        load_examples([source], SplitRule())


def test_a_changed_image_changes_the_description(pairs):
    examples = load_examples(find_sets(pairs), SplitRule())
    before = describe(examples[:2], examples[2:])
    assert before == describe(examples[:2], examples[2:])
    assert before["held_out"] == ["PET-MRI/41001"]
    examples[0].images[0][0, 0] += 1
    assert describe(examples[:2], examples[2:])["checksum"] != before["checksum"]


def test_batches_depend_on_the_step_alone(samplers):
    sampler, _ = samplers
    first, again, other = (sampler.batch(step, 2) for step in (5, 5, 6))
    assert first.seen_a.equal(again.seen_a)
    assert not first.seen_a.equal(other.seen_a)
    assert first.clean_a.shape == (2, 1, 32, 32)
    assert first.clean_a.min() >= -1
    assert first.clean_a.max() <= 1
    clean, seen = sampler.singles(5, 3)
    assert clean.shape == seen.shape == (3, 1, 32, 32)
    assert clean[0].equal(first.clean_a[0])


def test_both_images_of_a_pair_are_cut_and_turned_alike(tmp_path):
    rng = np.random.default_rng(0)
    for name in ("1", "2"):
        picture = rng.integers(40, 250, (40, 50), dtype=np.uint8)
        for folder in ("a", "b"):
            (tmp_path / folder).mkdir(exist_ok=True)
            Image.fromarray(picture).save(tmp_path / folder / f"{name}.png")
    source = Source("A-B", (tmp_path / "a", tmp_path / "b"), ("A", "B"))
    sampler = CropSampler(load_examples([source], SplitRule()), 64)  # larger than the images
    batch = sampler.batch(0, 8)
    assert batch.clean_a.equal(batch.clean_b)
    assert not batch.seen_a.equal(batch.seen_b)


def test_some_pairs_stay_clean(tmp_path):
    rng = np.random.default_rng(0)
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        for name in ("1", "2"):
            picture = rng.integers(40, 250, (40, 40), dtype=np.uint8)
            Image.fromarray(picture).save(tmp_path / folder / f"{name}.png")
    source = Source("A-B", (tmp_path / "a", tmp_path / "b"), ("A", "B"))
    batch = CropSampler(load_examples([source], SplitRule()), 16).batch(0, 400)
    pairs = zip(batch.clean_a, batch.seen_a, batch.clean_b, batch.seen_b, strict=True)
    whole = sum(a.equal(x) and b.equal(y) for a, x, b, y in pairs)
    # three in ten, and one in sixteen of the others
    assert 0.28 < whole / 400 < 0.44


def test_scenes_are_never_upside_down(tmp_path):
    ramp = np.repeat(np.linspace(40, 250, 64).astype(np.uint8)[:, None], 64, axis=1)
    for name in ("1", "2"):
        Image.fromarray(ramp).save(tmp_path / f"{name}.png")

    def falls(modality: str) -> set[bool]:
        examples = load_examples([Source("S", (tmp_path,), (modality,))], SplitRule())
        clean, _ = CropSampler(examples, 32).singles(0, 24)
        return {bool(c[0, -1].mean() > c[0, 0].mean()) for c in clean}

    assert falls("IR") == {True}
    assert falls("MR") == {True, False}


def test_single_images_are_not_pairs(tmp_path):
    Image.fromarray(np.full((40, 40), 99, np.uint8)).save(tmp_path / "1.png")
    examples = load_examples([Source("MR", (tmp_path,), ("MR",))], SplitRule())
    with pytest.raises(InputError, match="pairs"):
        CropSampler(examples, 32).batch(0, 1)

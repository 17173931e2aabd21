"""Ablations are fields of a weights folder's config.json."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest

from napari_textdifuse import FusionPipeline
from napari_textdifuse.errors import WeightsError
from napari_textdifuse.models import RULES
from napari_textdifuse.weights import load_light, open_folder, save_light


@pytest.fixture
def variant(tiny_weights, tmp_path):
    """Copy the tiny weights with other fields in config.json."""

    def make(**fields):
        folder = shutil.copytree(tiny_weights, tmp_path / "variant", dirs_exist_ok=True)
        config = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps(config | fields))
        return folder

    return make


def pictures():
    rng = np.random.default_rng(0)
    return tuple(rng.random((16, 20)).astype(np.float32) for _ in range(2))


def fuse(folder, **options):
    return FusionPipeline.from_pretrained(folder, device="cpu")(*pictures(), **options)


def test_files_without_the_fields_mean_the_full_method(tiny_weights, variant):
    folder = variant()
    config = json.loads((folder / "config.json").read_text())
    assert (config.pop("fusion"), config.pop("diffusion")) == ("fcm", True)
    (folder / "config.json").write_text(json.dumps(config))
    network = load_light(open_folder(folder))
    assert (network.fusion, network.diffusion) == ("fcm", True)
    old, new = fuse(folder, steps=2), fuse(tiny_weights, steps=2)
    np.testing.assert_array_equal(old.fused, new.fused)
    assert not {"fusion", "diffusion"} & old.record.keys()


def test_every_rule_gives_a_result_of_its_own(tiny_weights, variant):
    results = [fuse(tiny_weights, steps=1).fused]
    for rule in RULES:
        result = fuse(variant(fusion=rule), steps=1)
        assert (result.record["fusion"], result.record["diffusion"]) == (rule, True)
        assert np.isfinite(result.fused).all()
        assert 0 <= result.contribution.min() <= result.contribution.max() <= 1
        results.append(result.fused)
    for i, one in enumerate(results):
        assert all(np.abs(one - other).max() > 1e-3 for other in results[:i])


def test_a_rule_can_be_saved_and_loaded_without_a_fusion_control(variant, tmp_path):
    network = load_light(open_folder(variant(fusion="max")))
    saved = save_light(network, tmp_path / "saved", "rule")
    assert saved.config["fusion"] == "max"
    assert not any(name.startswith("fcm.") for name in network.state_dict())
    np.testing.assert_array_equal(
        fuse(tmp_path / "saved", steps=1).fused, fuse(variant(fusion="max"), steps=1).fused
    )


def test_without_diffusion_one_step_is_made_and_the_seed_has_no_say(variant):
    folder, calls = variant(diffusion=False), []
    result = fuse(folder, steps=4, callback=lambda state: calls.append(state.step))
    assert result.record["steps"] == len(calls) == 1
    assert result.record["diffusion"] is False
    assert any("no diffusion" in note for note in result.record["warnings"])
    np.testing.assert_array_equal(fuse(folder, seed=7).fused, result.fused)
    saved = load_light(open_folder(folder))
    assert not saved.diffusion


@pytest.mark.parametrize(
    ("fields", "words"),
    [({"fusion": "median"}, "not 'median'"), ({"diffusion": "no"}, "true or false, not 'no'")],
)
def test_bad_fields_get_a_sentence(variant, fields, words):
    with pytest.raises(WeightsError, match=words):
        load_light(open_folder(variant(**fields)))

"""The options that choose a locator, and downloading its weights: what is said and refused."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from napari_textdifuse import downloads
from napari_textdifuse.locate import hub


@pytest.fixture
def nothing_downloaded(monkeypatch, tmp_path):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HOME", str(tmp_path / "hf"))
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hf" / "hub"))
    monkeypatch.delenv("TEXTDIFUSE_LOCATOR_WEIGHTS", raising=False)


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    import tiny_models

    folder = tmp_path_factory.mktemp("models")
    tiny_models.save_owl(folder / "owlvit")
    tiny_models.save_checkpoint(folder / "sam_tiny.pth")
    return folder


def test_fuse_with_words_of_ones_own(textdifuse, fast, pictures, models, tmp_path):
    options = ("--prompt", "the dog and the cat", "--locator", "owlvit-sam")
    more = ("--locator-weights", models, "--threshold", "0", "--top-k", "2", "--look-at", "a")
    ran = textdifuse("fuse", *pictures, "--out", tmp_path / "o", *options, *more, *fast, "--json")
    assert ran.status == 0, ran.err
    record = json.loads(ran.out)["record"]
    assert record["locator"] == "owlvit-sam"
    assert record["label_names"] == {"1": "dog", "2": "cat"}
    (note,) = (n for n in record["warnings"] if n.startswith("Located by owlvit"))
    assert "sam_tiny" in note
    assert np.asarray(Image.open(tmp_path / "o/mask.png")).shape == (37, 50)


def test_missing_weights_are_said_before_anything_is_done(
    textdifuse, fast, pictures, nothing_downloaded, tmp_path
):
    options = ("--prompt", "dog", "--locator", "owlv2-sam")
    ran = textdifuse("fuse", *pictures, "--out", tmp_path / "o", *options, *fast)
    assert ran.status == 2
    assert "weights download owlv2-base-patch16-ensemble --yes" in ran.err
    assert len(ran.err.splitlines()) == 1
    assert not (tmp_path / "o").exists()
    for role, path in zip("ab", pictures, strict=True):
        (tmp_path / role).mkdir()
        path.rename(tmp_path / role / "x.png")
    ran = textdifuse(
        "batch", tmp_path / "a", tmp_path / "b", "--out", tmp_path / "o", *options, *fast
    )
    assert ran.status == 2  # once, not per pair
    assert len(ran.err.splitlines()) == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--locator", "clip"), "no locator 'clip'"),
        (("--threshold", "0.3"), "'lexicon' has no option 'threshold'"),
        (("--threshold", "2"), "must be a number from 0 to 1"),
        (("--locator", "owlvit-sam", "--top-k", "0"), "an integer from 1"),
        (("--look-at", "c"), "invalid choice"),
        (("--locator-weights", "nowhere"), "is not a folder"),
    ],
)
def test_bad_options(textdifuse, fast, pictures, tmp_path, options, message):
    ran = textdifuse("fuse", *pictures, "--out", tmp_path / "o", "--prompt", "x", *options, *fast)
    assert ran.status == 2
    assert message in ran.err
    assert len(ran.err.splitlines()) == 1


def test_batch_is_redone_with_another_threshold(textdifuse, fast, pictures, models, tmp_path):
    for role, path in zip("ab", pictures, strict=True):
        (tmp_path / role).mkdir()
        path.rename(tmp_path / role / "x.png")
    command = ("batch", tmp_path / "a", tmp_path / "b", "--out", tmp_path / "o", "--json", *fast)
    command += ("--prompt", "dog", "--locator", "owlvit-sam", "--locator-weights", models)
    for threshold, done in (("0.1", 1), ("0.1", 0), ("0.9", 1)):
        ran = textdifuse(*command, "--threshold", threshold)
        assert ran.status == 0, ran.err
        assert json.loads(ran.out)["done"] == done


def test_models_are_listed_without_network(textdifuse, nothing_downloaded, monkeypatch):
    monkeypatch.setattr("socket.socket.connect", lambda *_: pytest.fail("network"))
    listed = json.loads(textdifuse("weights", "list", "--json").out)["downloads"]
    assert [entry["name"] for entry in listed] == [model.name for model in hub.MODELS]
    assert {entry["path"] for entry in listed} == {None}
    assert {"repo", "role", "megabytes", "licence", "note"} <= set(listed[0])
    text = textdifuse("weights", "list").out
    assert "owlvit-base-patch32" in text
    assert "not on this machine" in text
    info = json.loads(textdifuse("info", "--json").out)
    assert [entry["name"] for entry in info["locator_list"]][:3] == [
        "lexicon",
        "owlvit-sam",
        "owlv2-sam",
    ]
    assert "owlvit-sam: free text" in textdifuse("info").out


def test_download_only_with_consent(textdifuse, nothing_downloaded, monkeypatch, tmp_path):
    asked = []

    def planted(model, folder, report):
        asked.append(model.name)
        report("model.safetensors", 10, 10)
        return tmp_path / "there"

    monkeypatch.setattr(downloads, "download", planted)
    ran = textdifuse("weights", "download", "owlvit-base-patch32")
    assert ran.status == 2
    assert not asked
    for fact in ("615 MB", "Apache-2.0", "google/owlvit-base-patch32", "add --yes"):
        assert fact in ran.err
    ran = textdifuse("weights", "download", "owlvit-base-patch32", "--yes")
    assert ran.status == 0
    assert asked == ["owlvit-base-patch32"]
    assert str(tmp_path / "there") in ran.out
    assert "MB" in ran.err
    ran = textdifuse("weights", "download", "owlvit-base-patch32", "--yes", "--json")
    assert json.loads(ran.out)["downloads"][0]["verified"] is True
    ran = textdifuse("weights", "download", "gpt", "--yes")
    assert ran.status == 2
    assert "choose from: owlvit-base-patch32" in ran.err

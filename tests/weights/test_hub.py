"""Weights by ``owner/name``: downloaded after consent, checked, found offline, published."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from loopback_hub import Hub, point_to
from napari_textdifuse import FusionPipeline, fuse
from napari_textdifuse.cli import main
from napari_textdifuse.errors import Cancelled, WeightsError
from napari_textdifuse.weights.hub import HubWeights, cache, downloaded, fetch, find, parse

REPO = "someone/tiny"
A, B = np.random.default_rng(0).random((2, 24, 32))


@pytest.fixture
def stored(hub: Hub, tiny_weights: Path) -> Hub:
    """A hub with the tiny weights, and things that nobody asked for."""
    files = {path.name: path.read_bytes() for path in tiny_weights.iterdir()}
    hub.add(REPO, files | {"README.md": b"# Tiny", "model.bin": b"pickle", "run.py": b"import os"})
    return hub


def run(capsys, *arguments: object) -> tuple[int, str, str]:
    capsys.readouterr()
    status = main([str(a) for a in arguments])
    return status, *capsys.readouterr()


def log_in(monkeypatch, hub: Hub) -> None:
    monkeypatch.setenv("HF_TOKEN", hub.token)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a/b", HubWeights("a/b")),
        ("Some-1/x_y.z@v1.0", HubWeights("Some-1/x_y.z", "v1.0")),
        ("a/b@refs/pr/1", HubWeights("a/b", "refs/pr/1")),
        ("a", None),
        ("a/b/c", None),
        ("../b", None),
        ("a/..", None),
        ("a/b@../../c", None),
        ("a/b@", None),
        ("/a/b", None),
        ("a--b/c", None),
        ("C:\\a/b", None),
        ("a/b.", None),
        ("a-/b", None),
        ("a/b.git", None),
        ("é/b", None),
        (f"a/{'b' * 95}", None),
    ],
)
def test_names(name, expected):
    assert parse(name) == expected


def test_without_consent_the_hub_is_not_asked(stored, capsys):
    for call in (
        lambda: FusionPipeline.from_pretrained(REPO, "cpu"),
        lambda: fuse(A, B, weights=REPO, device="cpu"),
    ):
        with pytest.raises(WeightsError, match=r"download them first.*download=True"):
            call()
    status, _, err = run(capsys, "weights", "download", REPO)
    assert status == 2
    assert "nothing was downloaded, add --yes to agree" in err
    assert stored.url in err
    assert stored.requests == []


def test_downloaded_once_then_found_offline_with_its_commit(stored, tiny_pipeline, monkeypatch):
    from huggingface_hub import constants

    pipeline = FusionPipeline.from_pretrained(REPO, "cpu", download=True)
    wanted = {"README.md", "config.json", "model.safetensors"}
    assert set(stored.fetched()) == wanted
    result = pipeline(A, B, steps=1)
    np.testing.assert_array_equal(result.fused, tiny_pipeline(A, B, steps=1).fused)
    origin = {"repo": REPO, "revision": stored.newest(REPO)}
    assert result.record["weights_from"] == origin
    assert tiny_pipeline(A, B, steps=1).record["weights_from"] is None

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    stored.requests.clear()
    again = fuse(A, B, steps=1, weights=REPO, device="cpu")
    np.testing.assert_array_equal(again.fused, result.fused)
    FusionPipeline.from_pretrained(REPO, "cpu", download=True)  # is there: nothing to agree to
    assert stored.requests == []
    with pytest.raises(WeightsError, match=r"HF_HUB_OFFLINE is set"):
        FusionPipeline.from_pretrained("someone/else", "cpu", download=True)


def test_a_pinned_revision_stays_when_the_owner_changes_the_weights(stored, tmp_path):
    first = stored.newest(REPO)
    fetch(HubWeights(REPO))
    config = json.loads(stored.commits[REPO][first]["config.json"])
    changed = json.dumps(config | {"name": "tiny-2"}).encode()
    second = stored.add(REPO, {"config.json": changed})
    # without a revision: what was downloaded, until somebody downloads again
    assert FusionPipeline.from_pretrained(REPO, "cpu").backend.weights.name == "tiny"
    fetch(HubWeights(REPO))
    for revision, name in ((None, "tiny-2"), (first, "tiny"), (second, "tiny-2")):
        pipeline = FusionPipeline.from_pretrained(REPO, "cpu", revision=revision)
        assert pipeline.backend.weights.name == name
    assert sorted(downloaded()) == sorted(f"{REPO}@{c}" for c in (first, second))
    with pytest.raises(WeightsError, match=r"no branch, tag or commit 'v9'"):
        fetch(HubWeights(REPO, "v9"))


def test_the_folder_of_that_name_comes_first(stored, tiny_weights, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("someone").mkdir()
    Path(REPO).symlink_to(tiny_weights)
    pipeline = FusionPipeline.from_pretrained(REPO, "cpu", download=True)
    assert pipeline.backend.weights.origin is None
    assert stored.requests == []


def test_the_cache_of_other_programs_is_used(stored):
    from huggingface_hub import snapshot_download

    folder = Path(snapshot_download(REPO, endpoint=stored.url, allow_patterns=["*.json", "*.saf*"]))
    stored.requests.clear()
    assert find(HubWeights(REPO)) == folder
    weights = FusionPipeline.from_pretrained(REPO, "cpu").backend.weights
    assert weights.origin == {"repo": REPO, "revision": stored.newest(REPO)}
    assert stored.requests == []


def test_weights_that_do_not_fit_their_description_are_not_kept(stored):
    """The hub's own checksum is right: the owner uploaded another file than config.json names."""
    other = bytes(100)
    stored.add(REPO, {"model.safetensors": other})
    with pytest.raises(WeightsError, match=r"nothing of it was kept: model.safetensors is damaged"):
        fetch(HubWeights(REPO))
    assert downloaded() == []
    assert not list(cache().rglob("*.safetensors"))


def test_a_file_changed_on_the_way_is_refused(stored):
    real = stored.commits[REPO][stored.newest(REPO)]["model.safetensors"]
    stored.swapped["model.safetensors"] = real[:-1] + bytes([real[-1] ^ 1])
    with pytest.raises(WeightsError, match=r"model.safetensors of someone/tiny has the checksum"):
        fetch(HubWeights(REPO))
    assert downloaded() == []


def test_a_missing_chrominance_is_said(stored):
    commit = stored.newest(REPO)
    config = json.loads(stored.commits[REPO][commit]["config.json"])
    chroma = {"unet": config["unet"], "sha256": "0" * 64}
    stored.add(REPO, {"config.json": json.dumps(config | {"chroma": chroma}).encode()})
    with pytest.raises(WeightsError, match=r"chroma.safetensors is missing"):
        fetch(HubWeights(REPO))
    assert downloaded() == []


def test_another_kind_of_repository_is_said(hub):
    hub.add("someone/words", {"config.json": b"{}", "pytorch_model.bin": b"pickle"})
    with pytest.raises(WeightsError, match=r"has no model.safetensors; it is another kind"):
        fetch(HubWeights("someone/words"))
    hub.add("someone/bert", {"config.json": b"{}", "model.safetensors": b"12345678"})
    with pytest.raises(WeightsError, match=r"cannot be used.*not a weights folder"):
        fetch(HubWeights("someone/bert"))
    assert downloaded() == []


def test_private_missing_and_down(stored, closed_url, monkeypatch):
    with pytest.raises(WeightsError, match=r"has no no/where that you may read"):
        fetch(HubWeights("no/where"))
    stored.private.add(REPO)
    with pytest.raises(WeightsError, match=r"run 'hf auth login' first"):
        fetch(HubWeights(REPO))
    log_in(monkeypatch, stored)
    assert find(HubWeights(REPO)) is None
    assert fetch(HubWeights(REPO)) == find(HubWeights(REPO))
    point_to(monkeypatch, closed_url)
    with pytest.raises(
        WeightsError, match=r"refused\)\. Behind a firewall.*name its folder with weights="
    ):
        fetch(HubWeights(REPO))
    assert find(HubWeights(REPO)) is not None  # what was there stays


def test_cancelled_and_resumed(stored):
    real = stored.commits[REPO][stored.newest(REPO)]["model.safetensors"]
    with pytest.raises(Cancelled, match="start it again to resume"):
        fetch(HubWeights(REPO), lambda name, done, total: name != "model.safetensors")
    assert find(HubWeights(REPO)) is None
    assert downloaded() == []
    (part,) = cache().rglob(".model.safetensors.*.part")
    part.write_bytes(real[:1000])  # as if it had stopped early
    stored.requests.clear()
    folder = fetch(HubWeights(REPO))
    assert ("GET", "model.safetensors", "bytes=1000-") in stored.requests
    assert (folder / "model.safetensors").read_bytes() == real


def test_the_commands(stored, capsys, tmp_path):
    status, out, _ = run(capsys, "weights", "download", REPO, "--yes", "--json")
    (entry,) = json.loads(out)["weights"]
    assert status == 0
    assert entry["name"] == f"{REPO}@{stored.newest(REPO)}"
    assert entry["verified"]
    status, out, _ = run(capsys, "weights", "list", "--json")
    assert entry["name"] in [weights["name"] for weights in json.loads(out)["weights"]]
    assert run(capsys, "weights", "verify", REPO)[0] == 0
    from PIL import Image

    for name, array in (("a.png", A), ("b.png", B)):
        Image.fromarray((255 * array).astype(np.uint8)).save(tmp_path / name)
    pair = (tmp_path / "a.png", tmp_path / "b.png", "--device", "cpu", "--steps", 1)
    status, _, err = run(capsys, "fuse", *pair, "--weights", REPO, "--out", tmp_path / "out")
    assert status == 0, err
    record = json.loads((tmp_path / "out" / "record.json").read_text())
    assert record["weights_from"] == {"repo": REPO, "revision": stored.newest(REPO)}
    status, _, err = run(capsys, "fuse", *pair, "--weights", "no/where", "--out", tmp_path / "x")
    assert status == 2
    assert "weights download no/where --yes" in err


def test_pushed_weights_give_the_same_pixels(hub, tiny_weights, tiny_pipeline, capsys, monkeypatch):
    from huggingface_hub import ModelCard

    log_in(monkeypatch, hub)
    push = ("weights", "push", tiny_weights, "me/mine", "--licence", "cc-by-4.0")
    status, out, err = run(capsys, *push)
    assert (status, out) == (2, "")
    assert "nothing was uploaded; add --yes" in err
    assert hub.requests == []  # what is shown before the question asks nobody
    for name in ("config.json", "model.safetensors", "README.md", "SHA-256", hub.url):
        assert name in err
    status, out, err = run(capsys, *push, "--yes")
    assert status == 0, err
    commit = hub.newest("me/mine")
    assert out.strip() == f"me/mine@{commit}"
    assert hub.token not in out + err
    files = hub.commits["me/mine"][commit]
    assert set(files) == {".gitattributes", "config.json", "model.safetensors", "README.md"}
    assert files["model.safetensors"] == (tiny_weights / "model.safetensors").read_bytes()
    card = ModelCard(files["README.md"].decode())
    assert card.data.license == "cc-by-4.0"
    assert card.data.library_name == "napari-textdifuse"
    assert card.data.pipeline_tag == "image-to-image"
    assert "Not for diagnosis" in card.text

    monkeypatch.delenv("HF_TOKEN")
    pipeline = FusionPipeline.from_pretrained("me/mine", "cpu", download=True)
    result = pipeline(A, B, steps=1)
    np.testing.assert_array_equal(result.fused, tiny_pipeline(A, B, steps=1).fused)
    assert result.record["weights_from"] == {"repo": "me/mine", "revision": commit}


def test_a_folder_that_does_not_verify_is_not_pushed(hub, tiny_weights, tmp_path, capsys):
    folder = tmp_path / "broken"
    folder.mkdir()
    for path in tiny_weights.iterdir():
        (folder / path.name).write_bytes(
            path.read_bytes()[: -1 if path.suffix != ".json" else None]
        )
    status, _, err = run(capsys, "weights", "push", folder, "me/mine", "--yes")
    assert status == 2
    assert "damaged" in err
    for wrong, words in (("mine", "owner/name"), ("me/mine@v1", "owner/name")):
        status, _, err = run(capsys, "weights", "push", tiny_weights, wrong, "--yes")
        assert status == 2
        assert words in err
    assert hub.requests == []


def test_push_needs_a_login_that_may_write(hub, tiny_weights, capsys, monkeypatch):
    push = ("weights", "push", tiny_weights, "me/mine", "--yes")
    status, _, err = run(capsys, *push)
    assert status == 2
    assert "hf auth login" in err
    assert hub.requests == []
    monkeypatch.setenv("HF_TOKEN", "hf_another")
    status, _, err = run(capsys, *push)
    assert status == 2
    assert "does not let you write to me/mine (401)" in err
    assert "hf_another" not in err
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    assert "nothing is uploaded" in run(capsys, *push)[2]
    assert "me/mine" not in hub.commits


def test_private_is_private(hub, tiny_weights, capsys, monkeypatch):
    log_in(monkeypatch, hub)
    push = ("weights", "push", tiny_weights, "me/mine", "--yes", "--private")
    assert run(capsys, *push)[0] == 0
    assert "me/mine" in hub.private
    hub.private.clear()
    before = hub.newest("me/mine")
    status, _, err = run(capsys, *push)
    assert status == 2
    assert "already exists and is public" in err
    assert hub.newest("me/mine") == before


def test_an_own_card_is_taken_if_its_metadata_can_be_read(hub, tiny_weights, tmp_path, capsys):
    folder = tmp_path / "mine"
    folder.mkdir()
    for path in tiny_weights.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    card = folder / "README.md"
    push = ("weights", "push", folder, "me/mine")
    for text, words in (
        ("# no metadata", "has no metadata"),
        ("---\nlicense: [\n---\n# x", "cannot be read"),
    ):
        card.write_text(text)
        assert words in run(capsys, *push)[2]
    card.write_text("---\nlicense: mit\n---\n# My own words")
    assert "README.md is new" not in run(capsys, *push)[2]
    assert hub.requests == []

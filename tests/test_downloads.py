"""Downloading, from a small hub on the loopback interface that can misbehave."""

from __future__ import annotations

import pytest

from loopback_hub import Hub, point_to
from napari_textdifuse import downloads
from napari_textdifuse.errors import Cancelled, InputError, WeightsError, WriteError
from napari_textdifuse.locate.hub import HubModel, download_folder, get_model, local_folder

MODEL = HubModel(
    name="tiny-owl",
    repo="someone/tiny-owl",
    role="detector",
    megabytes=1,
    note="for tests",
    required=("config.json", "model.safetensors"),
    optional=("added_tokens.json", "not_there.json"),
)
FILES = {
    "config.json": b'{"model_type": "owlvit"}',
    "model.safetensors": bytes(range(256)) * 4096,
    "added_tokens.json": b"{}",
    "pytorch_model.bin": b"never wanted",
}


@pytest.fixture
def hub(hub: Hub) -> Hub:
    hub.add(MODEL.repo, FILES)
    return hub


def download(model, report=None):
    return downloads.download(model, download_folder(model), report)


def names_in(folder):
    return sorted(path.name for path in folder.iterdir())


def test_download_and_download_again(hub):
    reports = []
    folder = download(MODEL, lambda *state: reports.append(state))
    assert folder == download_folder(MODEL)
    assert names_in(folder) == ["added_tokens.json", "config.json", "model.safetensors"]
    for name in names_in(folder):
        assert (folder / name).read_bytes() == FILES[name]
    assert ("model.safetensors", 1 << 20, 1 << 20) in reports
    assert local_folder(MODEL) == folder
    hub.requests.clear()
    assert download(MODEL) == folder
    assert hub.fetched() == []  # only the list of files was asked for


def test_a_damaged_file_is_fetched_again(hub):
    folder = download(MODEL)
    (folder / "model.safetensors").write_bytes(b"x" * (1 << 20))  # the right size
    hub.requests.clear()
    download(MODEL)
    assert hub.fetched() == ["model.safetensors"]
    assert (folder / "model.safetensors").read_bytes() == FILES["model.safetensors"]


def test_a_broken_connection_is_picked_up(hub):
    hub.cuts = 3  # each gets half of the rest: progress every time
    folder = download(MODEL)
    assert (folder / "model.safetensors").read_bytes() == FILES["model.safetensors"]
    ranges = [asked for _, name, asked in hub.requests if name == "model.safetensors"]
    assert ranges[0] is None
    starts = [int(r.removeprefix("bytes=").rstrip("-")) for r in ranges[1:]]
    assert starts == sorted(starts)
    assert starts[0] > 0


def test_cancelling_keeps_the_part_and_goes_on_later(hub):
    with pytest.raises(Cancelled, match="start it again to resume"):
        download(MODEL, lambda name, done, total: name != "model.safetensors")
    folder = download_folder(MODEL)
    assert "model.safetensors" not in names_in(folder)
    (part,) = folder.glob(".model.safetensors.*.part")
    part.write_bytes(FILES["model.safetensors"][:1000])  # as if it had stopped early
    assert local_folder(MODEL) is None
    hub.requests.clear()
    download(MODEL)
    assert ("GET", "model.safetensors", "bytes=1000-") in hub.requests
    assert (folder / "model.safetensors").read_bytes() == FILES["model.safetensors"]
    assert not list(folder.glob(".*"))


@pytest.mark.parametrize("name", ["model.safetensors", "config.json"])
def test_a_wrong_checksum_leaves_nothing(hub, name):
    real = FILES[name]
    hub.swapped[name] = b"?" + real[1:]
    with pytest.raises(WeightsError, match=rf"{name} of someone/tiny-owl has the checksum"):
        download(MODEL)
    folder = download_folder(MODEL)
    assert name not in names_in(folder)
    assert not list(folder.glob(".*"))


def test_a_page_instead_of_the_file(hub):
    """What a captive portal gives: success, and something else, shorter or longer."""
    for page in (b"<html>log in</html>", b"<html>" + b"?" * (3 << 20)):
        hub.swapped["model.safetensors"] = page
        with pytest.raises(WeightsError, match=r"firewall|checksum"):
            download(MODEL)
        assert local_folder(MODEL) is None


def test_no_network_is_one_sentence_in_bounded_time(hub, closed_url, monkeypatch):
    for status, word in ((403, "403"), (404, "404"), (503, "503")):
        hub.status = status
        with pytest.raises(WeightsError, match=f"{word}.*Behind a firewall"):
            download(MODEL)
    hub.status = 200
    point_to(monkeypatch, closed_url)
    with pytest.raises(WeightsError) as error:
        download(MODEL)
    assert "weights= of the locator" in str(error.value)
    assert "\n" not in str(error.value)


def test_offline_switch_touches_nothing(hub, monkeypatch):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(WeightsError, match="HF_HUB_OFFLINE is set"):
        download(MODEL)
    assert hub.requests == []


def test_a_repository_that_changed_and_a_folder_that_cannot_be(hub, tmp_path):
    hub.commits[MODEL.repo][hub.newest(MODEL.repo)].pop("model.safetensors")
    with pytest.raises(WeightsError, match=r"has no model.safetensors; it is another kind"):
        download(MODEL)
    (tmp_path / "hf").mkdir(exist_ok=True)
    (tmp_path / "hf" / "textdifuse").write_text("a file")
    hub.add(MODEL.repo, FILES)
    with pytest.raises(WriteError, match="cannot be written"):
        download(MODEL)


def test_models_are_known_by_name_and_repository():
    assert get_model("SAM-ViT-Base").repo == "facebook/sam-vit-base"
    assert get_model("Zigeng/SlimSAM-uniform-77").name == "slimsam-uniform-77"
    with pytest.raises(InputError, match="no model 'gpt'"):
        get_model("gpt")

"""Downloading, from a small hub on the loopback interface that can misbehave."""

from __future__ import annotations

import hashlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from napari_textdifuse.errors import Cancelled, InputError, WeightsError, WriteError
from napari_textdifuse.locate import downloads
from napari_textdifuse.locate.downloads import download
from napari_textdifuse.locate.hub import HubModel, download_folder, get_model, local_folder

COMMIT = "0123456789abcdef0123456789abcdef01234567"
MODEL = HubModel(
    "tiny-owl",
    "someone/tiny-owl",
    "detector",
    1,
    "Apache-2.0",
    "for tests",
    ("config.json", "model.safetensors"),
    ("added_tokens.json", "not_there.json"),
)


class Hub(ThreadingHTTPServer):
    """Serves `files`; the attributes below make it misbehave."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Answer)
        self.files = {
            "config.json": b'{"model_type": "owlvit"}',
            "model.safetensors": bytes(range(256)) * 4096,
            "added_tokens.json": b"{}",
            "pytorch_model.bin": b"never wanted",
        }
        self.swapped = {}  # what is sent instead of a file
        self.cuts = 0  # how often the weights stop halfway through what was asked for
        self.status = 200
        self.requests = []

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_address[1]}"


class Answer(BaseHTTPRequestHandler):
    server: Hub

    def log_message(self, *_):
        pass

    def do_GET(self):
        hub = self.server
        path = self.path.split("?")[0]
        asked = self.headers.get("Range")
        hub.requests.append((path.rsplit("/", 1)[-1], asked))
        if hub.status != 200:
            self.send_error(hub.status)
        elif path.startswith("/api/models/"):
            self.reply(200, json.dumps(self.info()).encode(), "application/json")
        else:
            name = path.removeprefix(f"/{MODEL.repo}/resolve/{COMMIT}/")
            data = hub.swapped.get(name, hub.files[name])
            start = int(asked.removeprefix("bytes=").rstrip("-")) if asked else 0
            data = data[start:]
            cut = None
            if name == "model.safetensors" and hub.cuts:
                hub.cuts -= 1
                cut = len(data) // 2
            self.reply(206 if asked else 200, data, "application/octet-stream", cut)

    def info(self):
        siblings = []
        for name, data in self.server.files.items():
            entry = {
                "rfilename": name,
                "size": len(data),
                "blobId": hashlib.sha1(f"blob {len(data)}\0".encode() + data).hexdigest(),
            }
            if name.endswith("safetensors"):
                digest = hashlib.sha256(data).hexdigest()
                entry["lfs"] = {"sha256": digest, "size": len(data), "pointerSize": 134}
            siblings.append(entry)
        return {"id": MODEL.repo, "modelId": MODEL.repo, "sha": COMMIT, "siblings": siblings}

    def reply(self, status, data, kind, cut=None):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data[:cut])


@pytest.fixture
def hub(monkeypatch, tmp_path):
    from huggingface_hub import constants

    server = Hub()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    monkeypatch.setattr(constants, "ENDPOINT", server.url)
    monkeypatch.setattr(
        constants,
        "HUGGINGFACE_CO_URL_TEMPLATE",
        server.url + "/{repo_id}/resolve/{revision}/{filename}",
    )
    monkeypatch.setattr("huggingface_hub.hf_api.constants.ENDPOINT", server.url)
    monkeypatch.setattr(constants, "HF_HOME", str(tmp_path / "hf"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(downloads, "PAUSE", 0.01)
    monkeypatch.setattr(downloads, "TIMEOUT", 2.0)
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.delenv(name, raising=False)
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def names_in(folder):
    return sorted(path.name for path in folder.iterdir())


def fetched(hub):
    return [name for name, _ in hub.requests if "." in name]


def test_download_and_download_again(hub):
    reports = []
    folder = download(MODEL, lambda *state: reports.append(state))
    assert folder == download_folder(MODEL)
    assert names_in(folder) == ["added_tokens.json", "config.json", "model.safetensors"]
    for name in names_in(folder):
        assert (folder / name).read_bytes() == hub.files[name]
    assert ("model.safetensors", 1 << 20, 1 << 20) in reports
    assert local_folder(MODEL) == folder
    hub.requests.clear()
    assert download(MODEL) == folder
    assert fetched(hub) == []  # only the list of files was asked for


def test_a_damaged_file_is_fetched_again(hub):
    folder = download(MODEL)
    (folder / "model.safetensors").write_bytes(b"x" * (1 << 20))  # the right size
    hub.requests.clear()
    download(MODEL)
    assert fetched(hub) == ["model.safetensors"]
    assert (folder / "model.safetensors").read_bytes() == hub.files["model.safetensors"]


def test_a_broken_connection_is_picked_up(hub):
    hub.cuts = 3  # each gets half of the rest: progress every time
    folder = download(MODEL)
    assert (folder / "model.safetensors").read_bytes() == hub.files["model.safetensors"]
    ranges = [asked for name, asked in hub.requests if name == "model.safetensors"]
    assert ranges[0] is None
    starts = [int(r.removeprefix("bytes=").rstrip("-")) for r in ranges[1:]]
    assert starts == sorted(starts)
    assert starts[0] > 0


def test_cancelling_keeps_the_part_and_goes_on_later(hub):
    with pytest.raises(Cancelled, match="goes on from here"):
        download(MODEL, lambda name, done, total: name != "model.safetensors")
    folder = download_folder(MODEL)
    assert "model.safetensors" not in names_in(folder)
    (part,) = folder.glob(".model.safetensors.*.part")
    part.write_bytes(hub.files["model.safetensors"][:1000])  # as if it had stopped early
    assert local_folder(MODEL) is None
    hub.requests.clear()
    download(MODEL)
    assert ("model.safetensors", "bytes=1000-") in hub.requests
    assert (folder / "model.safetensors").read_bytes() == hub.files["model.safetensors"]
    assert not list(folder.glob(".*"))


@pytest.mark.parametrize("name", ["model.safetensors", "config.json"])
def test_a_wrong_checksum_leaves_nothing(hub, name):
    real = hub.files[name]
    hub.swapped[name] = b"?" + real[1:]
    with pytest.raises(WeightsError, match=rf"{name} of someone/tiny-owl came with the checksum"):
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


def test_no_network_is_one_sentence_in_bounded_time(hub, monkeypatch):
    from huggingface_hub import constants

    for status, word in ((403, "403"), (404, "404"), (503, "503")):
        hub.status = status
        with pytest.raises(WeightsError, match=f"{word}.*behind a firewall"):
            download(MODEL)
    hub.status = 200
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")  # the discard port: closed
    monkeypatch.setattr("huggingface_hub.hf_api.constants.ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(WeightsError) as error:
        download(MODEL)
    assert "--locator-weights" in str(error.value)
    assert "\n" not in str(error.value)


def test_offline_switch_touches_nothing(hub, monkeypatch):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(WeightsError, match="HF_HUB_OFFLINE is set"):
        download(MODEL)
    assert hub.requests == []


def test_a_repository_that_changed_and_a_folder_that_cannot_be(hub, tmp_path):
    del hub.files["model.safetensors"]
    with pytest.raises(WeightsError, match=r"has no model.safetensors; it has changed"):
        download(MODEL)
    (tmp_path / "hf").mkdir(exist_ok=True)
    (tmp_path / "hf" / "textdifuse").write_text("a file")
    hub.files["model.safetensors"] = b"1"
    with pytest.raises(WriteError, match="cannot be written"):
        download(MODEL)


def test_models_are_known_by_name_and_repository():
    assert get_model("SAM-ViT-Base").repo == "facebook/sam-vit-base"
    assert get_model("Zigeng/SlimSAM-uniform-77").name == "slimsam-uniform-77"
    with pytest.raises(InputError, match="no model 'gpt'"):
        get_model("gpt")

"""A small hub on the loopback interface: what downloads and uploads ask of the real one.

It can misbehave; nothing leaves the machine.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote

import pytest


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


class Hub(ThreadingHTTPServer):
    """Serves commits of repositories; the attributes below make it misbehave."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Answer)
        self.commits: dict[str, dict[str, dict[str, bytes]]] = {}  # repository, commit, file
        self.private: set[str] = set()  # only for those with the token
        self.token = "hf_secret_of_the_tests"
        self.swapped: dict[str, bytes] = {}  # what is sent instead of a file
        self.cuts = 0  # how often a safetensors file stops halfway through what was asked for
        self.status = 200
        self.requests: list[tuple[str, str, str | None]] = []  # method, last part, range
        self.tokens: list[str | None] = []
        self.stored: dict[str, bytes] = {}  # large files by SHA-256, before their commit

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def add(self, repo: str, files: dict[str, bytes]) -> str:
        """Commit files, on top of those that are there; return the commit."""
        commits = self.commits.setdefault(repo, {})
        latest = list(commits.values())[-1] if commits else {}
        commit = hashlib.sha1(f"{repo} {len(commits)}".encode()).hexdigest()
        commits[commit] = latest | files
        return commit

    def newest(self, repo: str) -> str:
        return list(self.commits[repo])[-1]

    def fetched(self) -> list[str]:
        return [name for method, name, _ in self.requests if method == "GET" and "." in name]


class Answer(BaseHTTPRequestHandler):
    server: Hub

    def log_message(self, *_):
        pass

    def do_GET(self):
        self.answer("GET")

    def do_HEAD(self):
        self.answer("HEAD")

    def do_POST(self):
        self.answer("POST")

    def do_PUT(self):
        self.answer("PUT")

    def answer(self, method: str) -> None:
        hub, path = self.server, unquote(self.path.split("?")[0])
        asked = self.headers.get("Range")
        hub.requests.append((method, path.rsplit("/", 1)[-1], asked))
        hub.tokens.append(self.headers.get("Authorization"))
        self.body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if hub.status != 200:
            return self.send_error(hub.status)
        if path.startswith("/store/"):
            hub.stored[path.removeprefix("/store/")] = self.body
            return self.reply(b"")
        if path == "/api/validate-yaml":
            return self.json({"errors": [], "warnings": []})
        if path == "/api/repos/create":
            return self.create()
        if found := re.fullmatch(r"/api/models/([^/]+/[^/]+)(?:/(\w[\w-]*)/([^/]+))?", path):
            repo, action, revision = found.groups()
            return self.model(method, repo, action or "revision", revision or "main")
        if found := re.fullmatch(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", path):
            return self.file(*found.groups(), asked)
        if found := re.fullmatch(r"/([^/]+/[^/]+)\.git/info/lfs/objects/batch", path):
            return self.batch()
        return self.refuse(404, "EntryNotFound")

    def may_read(self, repo: str) -> bool:
        return repo not in self.server.private or self.authorized()

    def authorized(self) -> bool:
        return self.headers.get("Authorization") == f"Bearer {self.server.token}"

    def model(self, method: str, repo: str, action: str, revision: str) -> None:
        hub = self.server
        if repo not in hub.commits or not self.may_read(repo):
            return self.refuse(404 if self.authorized() else 401, "RepoNotFound")
        if method == "POST" and not self.authorized():
            return self.refuse(403, "")
        commit = hub.newest(repo) if revision == "main" else revision
        if action == "preupload":
            names = [entry["path"] for entry in json.loads(self.body)["files"]]
            modes = [("lfs" if n.endswith("safetensors") else "regular", n) for n in names]
            files = [{"path": n, "uploadMode": m, "shouldIgnore": False} for m, n in modes]
            return self.json({"files": files})
        if action == "commit":
            return self.commit(repo)
        if commit not in hub.commits[repo]:
            return self.refuse(404, "RevisionNotFound")
        if action == "tree":
            return self.json(self.tree(repo, commit))
        return self.json(self.info(repo, commit))

    def info(self, repo: str, commit: str) -> dict[str, object]:
        siblings = []
        for name, data in self.server.commits[repo][commit].items():
            blob = hashlib.sha1(f"blob {len(data)}\0".encode() + data).hexdigest()
            entry = {"rfilename": name, "size": len(data), "blobId": blob}
            if name.endswith("safetensors"):
                entry["lfs"] = {"sha256": digest(data), "size": len(data), "pointerSize": 134}
            siblings.append(entry)
        private = repo in self.server.private
        about = {"id": repo, "modelId": repo, "sha": commit, "private": private}
        return about | {"siblings": siblings}

    def tree(self, repo: str, commit: str) -> list[dict[str, object]]:
        tree = []
        for sibling in self.info(repo, commit)["siblings"]:
            entry = {"type": "file", "path": sibling["rfilename"], "oid": sibling["blobId"]}
            if large := sibling.get("lfs"):
                entry["lfs"] = {"oid": large["sha256"]} | large
            tree.append(entry | {"size": sibling["size"]})
        return tree

    def file(self, repo: str, revision: str, name: str, asked: str | None) -> None:
        hub = self.server
        commits = hub.commits.get(repo, {})
        commit = hub.newest(repo) if commits and revision == "main" else revision
        if commit not in commits or not self.may_read(repo):
            return self.refuse(401, "RepoNotFound")
        if name not in commits[commit]:
            return self.refuse(404, "EntryNotFound")
        data = hub.swapped.get(name, commits[commit][name])
        start = int(asked.removeprefix("bytes=").rstrip("-")) if asked else 0
        data, cut = data[start:], None
        if name.endswith("safetensors") and hub.cuts:
            hub.cuts -= 1
            cut = len(data) // 2
        headers = {"X-Repo-Commit": commit, "ETag": f'"{digest(data)}"'}
        return self.reply(data, 206 if asked else 200, headers, cut)

    def create(self) -> None:
        asked = json.loads(self.body)
        if not self.authorized():
            return self.refuse(401, "")
        repo = f"{asked.get('organization') or 'someone'}/{asked['name']}"
        if repo in self.server.commits:
            return self.json({"url": f"{self.server.url}/{repo}"}, 409)
        self.server.add(repo, {".gitattributes": b"*.safetensors filter=lfs"})
        if asked.get("private") or asked.get("visibility") == "private":
            self.server.private.add(repo)
        return self.json({"url": f"{self.server.url}/{repo}", "id": repo, "name": repo})

    def batch(self) -> None:
        objects = []
        for entry in json.loads(self.body)["objects"]:
            place = {"href": f"{self.server.url}/store/{entry['oid']}", "header": {}}
            objects.append(entry | {"actions": {"upload": place}})
        self.json({"transfer": "basic", "objects": objects})

    def commit(self, repo: str) -> None:
        files = {}
        for line in self.body.decode().splitlines():
            entry = json.loads(line)
            value = entry["value"]
            if entry["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif entry["key"] == "lfsFile":
                files[value["path"]] = self.server.stored[value["oid"]]
        commit = self.server.add(repo, files)
        url = f"{self.server.url}/{repo}/commit/{commit}"
        self.json({"success": True, "commitOid": commit, "commitUrl": url})

    def refuse(self, status: int, code: str) -> None:
        self.reply(b"", status, {"X-Error-Code": code, "X-Error-Message": code or "forbidden"})

    def json(self, content: object, status: int = 200) -> None:
        self.reply(json.dumps(content).encode(), status, {"Content-Type": "application/json"})

    def reply(self, data, status=200, headers=None, cut=None) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data[:cut])


@pytest.fixture
def hub(monkeypatch, tmp_path):
    """The hub, found by huggingface_hub instead of the real one, with an empty cache."""
    from huggingface_hub import constants

    from napari_textdifuse import downloads

    server = Hub()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    point_to(monkeypatch, server.url)
    monkeypatch.setattr(constants, "HF_HOME", str(tmp_path / "hf"))
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hf" / "hub"))
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "hf" / "token"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    monkeypatch.setattr(downloads, "PAUSE", 0.01)
    monkeypatch.setattr(downloads, "TIMEOUT", 60.0)
    proxies = ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY")
    for name in (*proxies, "HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def closed_url():
    """Address of a port where nobody listens, and nobody else can begin to."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}"


def point_to(monkeypatch, url: str) -> None:
    """Let huggingface_hub ask another address; it read HF_ENDPOINT when it was imported."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "ENDPOINT", url)
    template = url + "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setattr("huggingface_hub.hf_api.constants.ENDPOINT", url)
    monkeypatch.setattr("huggingface_hub.hf_api.api.endpoint", url)

"""``textdifuse weights list|verify|download|push``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..weights import embedded_names, open_folder
from .report import print_json, say


def describe(name: str) -> dict[str, Any]:
    """Describe weights without loading them.

    Parameters
    ----------
    name : str
        What ``--weights`` takes.

    Returns
    -------
    dict
        ``name``; ``version``, as records call them; ``sha256``; ``path``.
    """
    folder = open_folder(name)
    return {
        "name": name,
        "version": folder.name,
        "sha256": folder.sha256,
        "path": str(folder.path),
    }


def run(options: argparse.Namespace) -> int:
    """List weights, compare them with their checksums, download or publish them."""
    if options.repo is not None and options.action != "push":
        raise InputError(f"'weights {options.action}' takes one name, not two.")
    if options.action == "push":
        return _push(options)
    if options.action == "download" and options.name is not None:
        return _download(options)
    if options.name is not None and options.action != "verify":
        raise InputError(f"'weights {options.action}' takes no name; it applies to all of them.")
    return _list(options)


def _list(options: argparse.Namespace) -> int:
    from ..weights.hub import downloaded
    from .model_downloads import describe_models, model_line

    names = [*embedded_names(), *downloaded()] if options.name is None else [options.name]
    found = [describe(name) for name in names]
    if options.action == "verify":
        for name, entry in zip(names, found, strict=True):
            entry["verified"] = open_folder(name).verify()
    models = [] if options.action == "verify" else describe_models()
    if options.json:
        print_json({"action": options.action, "weights": found, "downloads": models})
        return 0
    for entry in found:
        state = "  SHA-256 is correct" if entry.get("verified") else ""
        print(f"{entry['name']} ({entry['version']})  {entry['sha256']}  {entry['path']}{state}")
    if not found:
        print("no embedded weights")
    if options.action == "download":
        print("Nothing to download: the embedded weights are part of the package.")
        print("Models for free-text locators, downloaded by name:")
    for model in models:
        print(model_line(model))
    return 0


def _download(options: argparse.Namespace) -> int:
    """Download a locator's model, or weights for fusing as ``owner/name``."""
    from ..locate.hub import MODELS
    from ..weights.hub import fetch, parse, question
    from .model_downloads import DownloadReport
    from .model_downloads import run as run_download

    weights = parse(options.name)
    if weights is None or any(options.name.lower() == model.repo.lower() for model in MODELS):
        return run_download(options)
    if not options.yes:
        raise InputError(f"{question(weights)}; nothing was downloaded, add --yes to agree.")
    say(f"downloading {weights}")
    folder = open_folder(fetch(weights, DownloadReport()))
    origin = folder.origin or {}
    entry = describe(f"{weights.repo}@{origin['revision']}") | {"verified": True}
    if options.json:
        print_json({"action": "download", "weights": [entry], "downloads": []})
    else:
        print(f"{entry['name']} ({entry['version']})  {entry['path']}  checksums are correct")
    return 0


def _push(options: argparse.Namespace) -> int:
    """Show what would be uploaded, ask, and upload."""
    from huggingface_hub import constants

    from ..weights.hub import parse
    from ..weights.publish import prepare, push, training_facts

    if options.name is None or options.repo is None:
        raise InputError("'weights push' takes a folder and owner/name on the hub.")
    weights = parse(options.repo)
    if weights is None or weights.revision is not None:
        raise InputError(
            f"{options.repo!r} is not a repository of the hub; write it as owner/name."
        )
    folder = Path(options.name)
    upload = prepare(folder, weights, options.private, options.licence)
    listing = upload.listing()
    who = "private, if it is new" if options.private else "public"
    say(f"would be uploaded to {weights} at {constants.ENDPOINT}, {who}:")
    for name, size, sha256 in listing:
        say(f"  {name}  {size:,} bytes  SHA-256 {sha256}")
    say(f"config.json contains about the training: {training_facts(folder)}")
    content = upload.files["README.md"]
    if isinstance(content, bytes):
        say(f"README.md is new; put your own into the folder to replace it:\n\n{content.decode()}")
    if not (options.yes or _agreed()):
        raise InputError("nothing was uploaded; add --yes to agree.")
    commit = push(upload)
    if options.json:
        files = [{"name": n, "bytes": s, "sha256": d} for n, s, d in listing]
        print_json({"action": "push", "repo": weights.repo, "revision": commit, "files": files})
    else:
        print(f"{weights.repo}@{commit}")
    return 0


def _agreed() -> bool:
    """Ask on a terminal; elsewhere there is no answer."""
    if not sys.stdin.isatty():
        return False
    print("Upload this? [y/N] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")

"""``textdifuse weights list|verify|download``."""

from __future__ import annotations

import argparse
from typing import Any

from ..errors import InputError
from ..weights import embedded_names, open_folder
from .report import print_json


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
    """List weights, compare them with their checksums, or download a locator's."""
    from .model_downloads import describe_models, model_line
    from .model_downloads import run as run_download

    if options.action == "download" and options.name is not None:
        return run_download(options)
    if options.name is not None and options.action != "verify":
        raise InputError(f"'weights {options.action}' takes no name; it is about all of them.")
    names = embedded_names() if options.name is None else [options.name]
    found = [describe(name) for name in names]
    if options.action == "verify":
        for name, entry in zip(names, found, strict=True):
            entry["verified"] = open_folder(name).verify()
    models = [] if options.action == "verify" else describe_models()
    if options.json:
        print_json({"action": options.action, "weights": found, "downloads": models})
        return 0
    for entry in found:
        state = "  SHA-256 is right" if entry.get("verified") else ""
        print(f"{entry['name']} ({entry['version']})  {entry['sha256']}  {entry['path']}{state}")
    if not found:
        print("no embedded weights")
    if options.action == "download":
        print("Nothing to download: the embedded weights come with the package.")
        print("Weights for finding free text, to be downloaded by name:")
    for model in models:
        print(model_line(model))
    return 0

"""``textdifuse weights download NAME --yes``: a locator's models, from the hub, on request only."""

from __future__ import annotations

import argparse
import time
from typing import Any

from ..errors import InputError
from ..locate.hub import MODELS, HubModel, download_folder, get_model, local_folder
from .report import print_json, say


def describe_models() -> list[dict[str, Any]]:
    """Describe what can be downloaded and where it is stored; does not use the network."""
    return [_describe(model) for model in MODELS]


def model_line(entry: dict[str, Any]) -> str:
    """Return one line about a model."""
    where = entry["path"] or "not on this machine"
    return (
        f"{entry['name']}  {entry['role']} of the locator owlvit-sam, {entry['megabytes']} MB, "
        f"{entry['licence']}: {entry['note']}  ({where})"
    )


def run(options: argparse.Namespace) -> int:
    """Download one model after consent."""
    model = get_model(options.name)
    if not options.yes:
        raise InputError(
            f"{model.name} ({model.repo}) is a download of {model.megabytes} MB under "
            f"{model.licence}, from the Hugging Face hub to {download_folder(model)}; nothing was "
            "downloaded, add --yes to agree."
        )
    from ..downloads import download

    say(f"downloading {model.repo}: {model.megabytes} MB, {model.licence}")
    folder = download(model, download_folder(model), DownloadReport())
    entry = _describe(model) | {"path": str(folder), "verified": True}
    if options.json:
        print_json({"action": "download", "weights": [], "downloads": [entry]})
    else:
        print(f"{folder}  checksums are correct")
    return 0


def _describe(model: HubModel) -> dict[str, Any]:
    path = local_folder(model)
    return {
        "name": model.name,
        "role": model.role,
        "repo": model.repo,
        "megabytes": model.megabytes,
        "licence": model.licence,
        "note": model.note,
        "path": None if path is None else str(path),
    }


class DownloadReport:
    """Occasional progress lines on stderr."""

    def __init__(self, interval: float = 2.0) -> None:
        self.interval = interval
        self.last = time.monotonic()

    def __call__(self, name: str, done: int, total: int) -> None:
        """Print the progress of a file, unless that was done a moment ago."""
        now = time.monotonic()
        if now - self.last < self.interval and done < total:
            return
        self.last = now
        say(f"{name}: {done / 1e6:.1f} of {total / 1e6:.1f} MB")

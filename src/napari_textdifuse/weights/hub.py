"""Weights on the Hugging Face hub: ``owner/name``, found on this machine or downloaded.

Only `fetch` contacts the hub. Files are stored in a cache with the hub's own layout, a folder per
commit. Files in the hub's own cache (``hf download owner/name``) are found too.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ..downloads import Repository
from ..errors import WeightsError
from .description import NAME as CONFIG
from .description import read_description
from .store import CHROMA, FAST, MODEL, WeightsFolder, origin

#: Names allowed by the hub; a branch may contain slashes.
_NAME = re.compile(
    r"(?P<repo>[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*)(?:@(?P<revision>[A-Za-z0-9][\w./-]*))?",
    re.ASCII,
)
#: Most characters of a name; see `huggingface_hub.utils.validate_repo_id`.
LONGEST = 96
CARD = "README.md"


@dataclass(frozen=True, kw_only=True)
class HubWeights(Repository):
    """Weights in a repository on the hub; by default those of the branch ``main``."""

    required: tuple[str, ...] = (CONFIG, MODEL)
    optional: tuple[str, ...] = (FAST, CHROMA, CARD)
    by_hand: str = "name its folder with weights="

    def __str__(self) -> str:
        return self.repo if self.revision is None else f"{self.repo}@{self.revision}"


def parse(name: str) -> HubWeights | None:
    """Read ``owner/name`` or ``owner/name@revision``.

    Returns
    -------
    HubWeights or None
        None if it is not of this form.
    """
    found = _NAME.fullmatch(name)
    if found is None or any(part in name for part in ("..", "--", "//")):
        return None
    if len(found["repo"]) > LONGEST or re.search(r"[.-](/|$)|\.git$", found["repo"]):
        return None
    return HubWeights(found["repo"], found["revision"])


def cache() -> Path:
    """Return the folder for downloaded weights, inside ``HF_HOME``."""
    from huggingface_hub import constants

    return Path(constants.HF_HOME) / "textdifuse" / "weights"


def find(weights: HubWeights) -> Path | None:
    """Look for weights on this machine, without the network.

    Parameters
    ----------
    weights : HubWeights
        Without a revision: the newest commit at the time of the last download.

    Returns
    -------
    Path or None
    """
    from huggingface_hub import try_to_load_from_cache

    for place in (cache(), None):
        found = [
            try_to_load_from_cache(
                weights.repo, file, cache_dir=place, revision=weights.revision or "main"
            )
            for file in weights.required
        ]
        paths = [Path(path) for path in found if isinstance(path, str)]
        if len(paths) == len(found):
            return paths[0].parent
    return None


def downloaded() -> list[str]:
    """Return the names of all downloaded weights, each with its commit."""
    if not (place := cache()).is_dir():
        return []
    origins = (origin(folder) for folder in sorted(place.glob("models--*/snapshots/*")))
    names = [f"{found['repo']}@{found['revision']}" for found in origins if found is not None]
    return [n for n in names if (known := parse(n)) is not None and find(known) is not None]


def question(weights: HubWeights) -> str:
    """Describe a download, for the question before it; does not ask."""
    from huggingface_hub import constants

    return (
        f"{weights} is a download from the Hugging Face hub ({constants.ENDPOINT}) to {cache()}: "
        f"{CONFIG}, {MODEL}, {FAST}, {CHROMA} and the card, some 25 MB for the built-in "
        "architecture"
    )


def fetch(
    weights: HubWeights, report: Callable[[str, int, int], bool | None] | None = None
) -> Path:
    """Download weights; the user has agreed.

    Of the newest commit of the revision, only the safetensors files, the description and the
    card are downloaded. They are compared with the hub's checksums, and the safetensors files
    with those in ``config.json``.

    Parameters
    ----------
    weights : HubWeights
    report : callable, optional
        See `downloads.Report`.

    Returns
    -------
    Path
        The weights folder.

    Raises
    ------
    WeightsError
        If they cannot be downloaded, or are incomplete; then nothing is kept.
    WriteError, Cancelled
        See `downloads.download`.
    """
    from ..downloads import download

    home = cache() / f"models--{weights.repo.replace('/', '--')}"
    folder = download(weights, lambda commit: home / "snapshots" / commit, report)
    try:
        WeightsFolder(folder, read_description(folder)).verify()
    except WeightsError as error:
        shutil.rmtree(folder, ignore_errors=True)
        reason = str(error).replace(f"{weights.repo}/", "").replace(weights.repo, "it").rstrip(".")
        raise WeightsError(
            f"{weights} on the hub cannot be used, and nothing of it was kept: {reason}; contact "
            "its "
            "owner, or name another revision with @."
        ) from None
    _remember(home, weights.revision or "main", folder.name)
    return folder


def _remember(home: Path, revision: str, commit: str) -> None:
    """Store the commit of a branch or tag, as the hub's own cache does."""
    from ..io._files import write_bytes

    if revision != commit:
        place = home / "refs" / revision
        place.parent.mkdir(parents=True, exist_ok=True)
        write_bytes(place, commit.encode())

"""Download files of a hub repository: only on request, resumable, and verified by checksum.

`huggingface_hub.snapshot_download` is not used: as of 2.4 it deletes an interrupted file, so that
a broken download of 600 MB starts from 0; its `tqdm_class` is called once per 10 MB, so that
a slow download is cancelled late; and files get their names after a comparison of sizes only.
"""

from __future__ import annotations

import hashlib
import os
import re
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import Any

from .errors import Cancelled, TextDiFuseError, WeightsError, WriteError, name_of

#: Called with the file's name, the bytes received and the total bytes; returning False
#: stops the download, which can be resumed later.
Report = Callable[[str, int, int], bool | None]

#: Seconds without an answer after which the hub counts as unreachable.
TIMEOUT = 10.0
#: Attempts to reconnect without a single new byte.
RETRIES = 2
#: Seconds between such attempts.
PAUSE = 1.0


@dataclass(frozen=True)
class Repository:
    """A repository on the Hugging Face hub, and which of its files are downloaded.

    Parameters
    ----------
    repo : str
        ``"owner/name"``.
    revision : str, optional
        Branch, tag or commit; default: the newest commit.
    required : tuple of str
        Files that must exist.
    optional : tuple of str
        Files that are downloaded if the repository has them.
    gated : bool
        Whether the hub requires a login and an accepted licence.
    by_hand : str
        How to use files copied from another computer: ``"name its folder with ..."``.
    """

    repo: str
    revision: str | None = None
    _: KW_ONLY
    required: tuple[str, ...]
    optional: tuple[str, ...] = ()
    gated: bool = False
    by_hand: str


@dataclass(frozen=True)
class _File:
    """A file of a repository, with its size and checksum on the hub."""

    name: str
    size: int
    checksum: str
    is_sha256: bool  # large files; small ones have git's SHA-1

    def digest(self) -> Any:
        if self.is_sha256:
            return hashlib.sha256()
        return hashlib.sha1(f"blob {self.size}\0".encode(), usedforsecurity=False)


def download(
    wanted: Repository, place: Path | Callable[[str], Path], report: Report | None = None
) -> Path:
    """Download files of a repository; files that exist already are skipped.

    Every file is compared with the hub's checksum (SHA-256 for weights, git's for small files)
    before it gets its final name. An interrupted download is resumed.

    Parameters
    ----------
    wanted : Repository
    place : Path or callable
        The folder for the files, or a function that returns it for a commit.
    report : callable, optional
        See `Report`.

    Returns
    -------
    Path
        The folder with the files.

    Raises
    ------
    WeightsError
        If the hub cannot be reached, ``HF_HUB_OFFLINE`` is set, or a checksum is wrong.
    WriteError
        If the disk is full or the folder cannot be written.
    Cancelled
        If `report` returned False.
    """
    from huggingface_hub import constants

    if constants.HF_HUB_OFFLINE:
        raise WeightsError(
            "HF_HUB_OFFLINE is set, so nothing is downloaded; unset it, or download "
            f"{wanted.repo} on another computer and {wanted.by_hand}."
        )
    commit, files = _contents(wanted)
    folder = place(commit) if callable(place) else place
    with _disk(folder):
        folder.mkdir(parents=True, exist_ok=True)
    for file in files:
        if not _is_there(folder / file.name, file):
            _fetch(wanted, commit, file, folder, report)
    return folder


def _contents(wanted: Repository) -> tuple[str, list[_File]]:
    """Request the commit, its files and their checksums from the hub."""
    from huggingface_hub import HfApi

    try:
        info = HfApi().model_info(
            wanted.repo, revision=wanted.revision, files_metadata=True, timeout=TIMEOUT
        )
    except Exception as error:  # of httpx, ssl, socket and the hub
        raise _unreachable(wanted, error) from None
    there = {entry.rfilename: entry for entry in info.siblings or []}
    absent = [name for name in wanted.required if name not in there]
    if absent or info.sha is None:
        raise WeightsError(
            f"{wanted.repo} on the hub has no {absent[0] if absent else 'commit'}; it is another "
            "kind of repository or has changed. Choose a folder with another model."
        )
    if not re.fullmatch("[0-9a-f]{40}", info.sha):  # the commit becomes the name of a folder
        raise WeightsError(
            f"The hub returned {info.sha[:50]!r} instead of a commit for {wanted.repo}."
        )
    names = [n for n in (*wanted.required, *wanted.optional) if n in there]
    return info.sha, [_describe(there[name], wanted) for name in names]


def _describe(entry: Any, wanted: Repository) -> _File:
    checksum = entry.lfs.sha256 if entry.lfs is not None else entry.blob_id
    if not checksum or entry.size is None:
        raise WeightsError(f"The hub has no checksum for {entry.rfilename} of {wanted.repo}.")
    return _File(entry.rfilename, entry.size, checksum, entry.lfs is not None)


def _is_there(path: Path, file: _File) -> bool:
    return (
        path.is_file()
        and path.stat().st_size == file.size
        and _checksum(path, file) == (file.checksum)
    )


def _checksum(path: Path, file: _File) -> str:
    digest = file.digest()
    with path.open("rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return str(digest.hexdigest())


def _fetch(
    wanted: Repository, commit: str, file: _File, folder: Path, report: Report | None
) -> None:
    # the part belongs to one content, so a newer one is not appended to an older one
    part = folder / f".{file.name}.{file.checksum[:12]}.part"
    failures = 0
    while (before := _size(part)) < file.size:
        failure: Exception = OSError("the connection closed early")
        try:
            _append(wanted, commit, file, part, before, report)
        except TextDiFuseError:
            raise
        except Exception as error:  # of httpx, ssl, socket and the hub
            failure = error
        if _size(part) > before:
            failures = 0
            continue
        failures += 1
        if failures > RETRIES:
            raise _unreachable(wanted, failure)
        time.sleep(PAUSE)
    found = _checksum(part, file)
    if found != file.checksum or _size(part) != file.size:
        part.unlink()
        raise WeightsError(
            f"{file.name} of {wanted.repo} has the checksum {found[:16]}... instead of "
            f"{file.checksum[:16]}... and was deleted; download it again. If this happens twice, "
            "a proxy or virus scanner changes files."
        )
    with _disk(folder):
        os.replace(part, folder / file.name)


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def _append(
    wanted: Repository, commit: str, file: _File, part: Path, start: int, report: Report | None
) -> None:
    """Append the missing bytes to the partial file."""
    from huggingface_hub import get_session, hf_hub_url
    from huggingface_hub.utils import (  # type: ignore[attr-defined]
        build_hf_headers,
        hf_raise_for_status,
    )

    # identity: a compressed response cannot be resumed
    headers = build_hf_headers() | {"Accept-Encoding": "identity"}
    if start:
        headers["Range"] = f"bytes={start}-"
    url = hf_hub_url(wanted.repo, file.name, revision=commit)
    with get_session().stream(
        "GET", url, headers=headers, timeout=TIMEOUT, follow_redirects=True
    ) as response:
        hf_raise_for_status(response)
        done = start if response.status_code == 206 else 0
        with _disk(part.parent), part.open("ab" if done else "wb") as stream:
            # unbuffered: a partly filled block is lost when the connection breaks
            for block in _from_network(response.iter_bytes()):
                stream.write(block)
                done += len(block)
                if done > file.size:  # longer than announced
                    return
                if report is not None and report(file.name, done, file.size) is False:
                    raise Cancelled("The download was cancelled; start it again to resume.")


class _Broken(Exception):
    """The connection ended; distinct from disk errors, because both may be an OSError."""


def _from_network(blocks: Iterable[bytes]) -> Iterator[bytes]:
    try:
        yield from blocks
    except Exception as error:
        raise _Broken(str(error) or type(error).__name__) from None


@contextmanager
def _disk(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise WriteError(
            f"{name_of(folder)} cannot be written ({error.strerror or error}); free some space or "
            "set HF_HOME to another folder."
        ) from None


def _unreachable(wanted: Repository, error: Exception) -> WeightsError:
    from huggingface_hub import constants
    from huggingface_hub.errors import RepositoryNotFoundError, RevisionNotFoundError

    if wanted.gated and re.search("401|403|gated|restricted", str(error), re.IGNORECASE):
        return WeightsError(
            f"{wanted.repo} requires that you accept its licence: log in and accept it at "
            f"https://huggingface.co/{wanted.repo}, run 'hf auth login', and download again."
        )
    if isinstance(error, RevisionNotFoundError):
        return WeightsError(
            f"{wanted.repo} on the hub has no branch, tag or commit {wanted.revision!r}; see "
            f"{constants.ENDPOINT}/{wanted.repo}/commits/main."
        )
    if isinstance(error, RepositoryNotFoundError):
        return WeightsError(
            f"The hub ({constants.ENDPOINT}) has no {wanted.repo} that you may read; "
            "check the name, and for a private or gated one run 'hf auth login' first."
        )
    return WeightsError(
        f"{wanted.repo} cannot be downloaded from {constants.ENDPOINT} ({reason(error)}). Behind a "
        f"firewall, download it on another computer and {wanted.by_hand}."
    )


def reason(error: Exception) -> str:
    """Return the first line of an error, with tokens removed."""
    line = next((part.strip() for part in str(error).splitlines() if part.strip()), "")
    line = re.sub(r"\bhf_\w+", "hf_...", line)
    line = re.sub(r"\[Errno -?\d+\] ", "", line)
    return line.rstrip(".")[:150] or type(error).__name__

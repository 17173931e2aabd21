"""What can be done to an entry: check, download, delete; napari-free, for a worker thread."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from ...errors import Cancelled, InputError, WeightsError, WriteError, file_in, name_of
from .entries import SUMS, Entry, megabytes

if TYPE_CHECKING:
    from ...weights.hub import HubWeights

#: See `task.Report`.
Report = Callable[[int, int, str], bool]


def verify(entry: Entry, report: Report) -> str:
    """Compare files with their checksums.

    Parameters
    ----------
    entry : Entry
        Weights, or a model that is on this machine.
    report : callable

    Returns
    -------
    str
        The outcome, in a sentence.

    Raises
    ------
    WeightsError
        If a file differs from its checksum.
    """
    from ...weights import open_folder

    report(0, 1, "Reading the files")
    if entry.path is None:
        raise InputError(f"{entry.name} is not on this machine; download it first.")
    if entry.model is not None:
        return _verify_model(entry.path, entry.name)
    folder = open_folder(entry.path)
    if folder.verify():
        return f"{entry.name}: the SHA-256 of every file is correct."
    return (
        f"{entry.name}: nothing to compare with, because the folder has no complete {SUMS}; the "
        f"checksum over all files is {folder.sha256}."
    )


def fetch(entry: Entry, report: Report) -> str:
    """Download a model; the user has agreed.

    Parameters
    ----------
    entry : Entry
        With a `HubModel`.
    report : callable

    Returns
    -------
    str
        A sentence.

    Raises
    ------
    WeightsError, WriteError
        See `downloads.download`.
    Cancelled
        If `report` returned False; the part downloaded so far is kept.
    """
    from ...downloads import download
    from ...io._files import write_bytes
    from ...locate.checkpoints import sha256, weight_file
    from ...locate.hub import download_folder

    if entry.model is None:
        raise InputError(f"{entry.name} cannot be downloaded.")

    def report_progress(name: str, done: int, total: int) -> bool:
        return report(done, total, f"{name}: {done / 1e6:.1f} of {total / 1e6:.1f} MB")

    if not report(0, 1, "Asking the hub"):
        raise Cancelled("The download was cancelled.")
    folder = download(entry.model, download_folder(entry.model), report_progress)
    # compared with the hub's at the download; kept for later comparisons
    line = f"{sha256(folder)}  {weight_file(folder).name}\n"
    write_bytes(folder / SUMS, line.encode())
    return f"{entry.name} is downloaded, and its checksums are correct."


def fetch_weights(weights: HubWeights, report: Report) -> Path:
    """Download fusion weights from the hub; the user has agreed.

    Returns
    -------
    Path
        Their folder.

    Raises
    ------
    WeightsError, WriteError, Cancelled
        See `weights.hub.fetch`.
    """
    from ...weights.hub import fetch

    def report_progress(name: str, done: int, total: int) -> bool:
        return report(done, total, f"{name}: {done / 1e6:.1f} of {total / 1e6:.1f} MB")

    if not report(0, 1, "Asking the hub"):
        raise Cancelled("The download was cancelled.")
    return fetch(weights, report_progress)


def consent(entry: Entry) -> str:
    """Describe a download, for the question before it."""
    from huggingface_hub import constants

    from ...locate.hub import download_folder

    if entry.model is None:
        raise InputError(f"{entry.name} cannot be downloaded.")
    folder = download_folder(entry.model)
    there = next(parent for parent in folder.parents if parent.exists())
    free = shutil.disk_usage(there).free
    return (
        f"Download {entry.model.repo}?\n\n"
        f"Size: {entry.model.megabytes} MB ({free / 1e9:.1f} GB are free)\n"
        f"Licence: {entry.model.licence}\n"
        f"From: {constants.ENDPOINT}\n"
        f"To: {folder}\n\n"
        "Only the model is downloaded; nothing about your images is sent."
    )


def delete(entry: Entry) -> str:
    """Delete what this package downloaded, and nothing else.

    Returns
    -------
    str
        A sentence.

    Raises
    ------
    InputError
        If the entry was not downloaded by this package.
    WriteError
        If the files cannot be deleted.
    """
    from ...locate.hub import download_folder

    if entry.model is None or not entry.downloaded:
        raise InputError(f"{entry.name} was not downloaded here, so it is not deleted here.")
    folder = download_folder(entry.model)
    if folder.is_symlink():
        raise InputError(f"{name_of(folder)} is a link to another folder; delete it by hand.")
    try:
        shutil.rmtree(folder)
    except OSError as error:
        raise WriteError(
            f"{name_of(folder)} cannot be deleted ({error.strerror or error}); close programs that "
            "use it."
        ) from None
    return f"{entry.name} is deleted."


def check_folder(path: Path, report: Report) -> Path:
    """Make sure that a folder contains complete weights for fusion.

    Returns
    -------
    Path
        The same folder.

    Raises
    ------
    WeightsError
        The problem, in a sentence.
    """
    from ...weights import open_folder

    report(0, 1, "Reading the files")
    open_folder(path).verify()
    return path


def _verify_model(path: Path, name: str) -> str:
    from ...locate.checkpoints import sha256, weight_file

    file = weight_file(path)
    found = sha256(path)
    expected = _expected(file)
    if not expected:
        return (
            f"{name}: {file.name} ({megabytes(file.stat().st_size)}) has the SHA-256 {found}; "
            "the folder has no checksum file to compare it with."
        )
    if found != expected:
        raise WeightsError(
            f"{file_in(file)} is damaged or was changed: its SHA-256 is {found[:12]}..., expected "
            f"{expected[:12]}...; delete it and download it again."
        )
    return f"{name}: the SHA-256 of {file.name} is correct."


def _expected(file: Path) -> str:
    """Return the checksum that was stored with a file; the hub's cache names files by theirs."""
    try:
        text = (file.parent / SUMS).read_text("utf-8")
    except (OSError, ValueError):
        text = ""
    stored = re.search(rf"^([0-9a-f]{{64}}) [ *]{re.escape(file.name)}\s*$", text, re.MULTILINE)
    if stored:
        return stored[1]
    named = file.resolve().name
    return named if re.fullmatch(r"[0-9a-f]{64}", named) else ""

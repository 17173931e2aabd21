"""The weights and models on this machine, as plain data; no network, no torch, no Qt."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from ...errors import WeightsError

if TYPE_CHECKING:
    from ...locate import LocatorInfo
    from ...locate.hub import HubModel
    from ...weights import ReleasedFolder, WeightsFolder

Kind = Literal["embedded", "folder", "locator", "model"]
#: Headings, in their order.
GROUPS: dict[Kind, str] = {
    "embedded": "Fusion weights",
    "folder": "Fusion weights",
    "locator": "Ways to find what a prompt names",
    "model": "Models that these need",
}
#: Checksum files in a model's folder, as ``sha256sum`` writes them.
SUMS = "SHA256SUMS"


@dataclass(frozen=True)
class Entry:
    """Weights, a locator, or a model that a locator needs.

    Parameters
    ----------
    kind : {"embedded", "folder", "locator", "model"}
    name : str
    state : str
        A word or two: ``"ready"``, ``"not downloaded"`` ...
    facts : tuple of (str, str)
        Known facts, by name.
    problem : str
        The problem and what to do, in a sentence; empty if it can be used.
    path : Path, optional
        Its location.
    card : Path, optional
        Its model card.
    model : HubModel, optional
        The model that can be, or was, downloaded.
    downloaded : bool
        Whether this package downloaded it (all or part), and may thus delete it.
    """

    kind: Kind
    name: str
    state: str
    facts: tuple[tuple[str, str], ...] = ()
    problem: str = ""
    path: Path | None = None
    card: Path | None = None
    model: HubModel | None = None
    downloaded: bool = False


def collect(folders: Iterable[Path] = ()) -> list[Entry]:
    """Describe everything, weights first; takes a fraction of a second.

    Parameters
    ----------
    folders : iterable of Path
        Weights folders that the user added.
    """
    from ...locate import describe_locators
    from ...locate.hub import MODELS
    from ...weights import embedded_names

    return [
        *(_weights(name, "embedded") for name in embedded_names()),
        *(_weights(folder, "folder") for folder in folders),
        *map(_locator, describe_locators()),
        *map(_model, MODELS),
    ]


def is_default(entry: Entry) -> bool:
    """Return whether fusion uses this entry by default."""
    from ...weights import EMBEDDED

    return entry.kind == "embedded" and entry.path is not None and entry.path.name == EMBEDDED


def is_chosen(entry: Entry, chosen: Path | None) -> bool:
    """Return whether fusion uses an entry; `chosen` as in `ModelStore`."""
    if entry.kind not in ("embedded", "folder"):
        return False
    return is_default(entry) if chosen is None else entry.path == chosen


def size_of(path: Path) -> int:
    """Return the bytes of a folder's own files, or of a file."""
    files = [path] if path.is_file() else path.iterdir()
    return sum(file.stat().st_size for file in files if file.is_file())


def megabytes(size: int) -> str:
    """Format a number of bytes."""
    return f"{size / 1e6:.1f} MB" if size < 1e8 else f"{size / 1e6:.0f} MB"


def _weights(name: str | Path, kind: Kind) -> Entry:
    from ...weights import open_folder

    title = name if isinstance(name, str) else name.name
    try:
        folder = open_folder(name)
    except WeightsError as error:
        path = name if isinstance(name, Path) else None
        return Entry(kind, title, "cannot be used", problem=str(error), path=path)
    facts = _facts(folder)
    if folder.origin is not None:
        title = folder.origin["repo"]
        facts = (*facts, ("From", "{repo}@{revision}, Hugging Face hub".format(**folder.origin)))
    if kind == "embedded":
        facts = (*facts, ("Licence", "BSD-3-Clause, with this package"))
    else:
        facts = (*facts, ("Licence", "see its authors; none is recorded in the folder"))
    cards = (folder.path / name for name in ("MODEL_CARD.md", "README.md"))
    card = next((path for path in cards if path.is_file()), None)
    return Entry(
        kind,
        folder.name if kind == "embedded" else f"{title} ({folder.name})",
        "ready",
        (*facts, ("Size", megabytes(size_of(folder.path))), ("Folder", str(folder.path))),
        path=folder.path,
        card=card,
    )


def _facts(folder: ReleasedFolder | WeightsFolder) -> tuple[tuple[str, str], ...]:
    from ...weights import ReleasedFolder

    if not isinstance(folder, ReleasedFolder):
        return _light_facts(folder)
    return (
        ("Architecture", "reference: the authors' released checkpoints"),
        ("Fusion controls", ", ".join(f"{k} ({v})" for k, v in folder.controls.items())),
        ("SHA-256", "computed by Verify; the release states none"),
    )


def _light_facts(folder: WeightsFolder) -> tuple[tuple[str, str], ...]:
    stages = (folder.config.get("training") or {}).get("stages")
    facts = [("Architecture", folder.architecture), ("SHA-256", folder.sha256)]
    for part, title in (("fast", "network of the quality fast"), ("chroma", "chrominance network")):
        if part in folder.config:
            facts.append((f"SHA-256 of the {title}", str(folder.config[part].get("sha256"))))
    if isinstance(stages, list):
        facts.append(("Trained", ", ".join(map(str, stages))))
    return tuple(facts)


def _locator(info: LocatorInfo) -> Entry:
    facts = [("What it does", info.summary), ("Good at", info.good_at)]
    if info.needs_download:
        facts += [("Needs", f"{info.megabytes} MB of models, below"), ("Licence", info.licence)]
    else:
        facts.append(("Needs", "no download"))
    # its message names a command; the panel has a button
    problem = info.problem or (
        "Its models are not all on this machine: download a detector and a segmenter below."
        if info.missing
        else ""
    )
    state = "broken" if info.problem else "needs models" if info.missing else "ready"
    return Entry("locator", info.name, state, tuple(f for f in facts if f[1]), problem)


def _model(model: HubModel) -> Entry:
    from ...locate.hub import download_folder, local_folder

    own, path = download_folder(model), local_folder(model)
    part = sum(f.stat().st_size for f in own.glob(".*.part")) if own.is_dir() else 0
    if path is not None:
        state = "ready" if path == own else "ready (hub cache)"
    else:
        state = f"partly ({megabytes(part)})" if part else "not downloaded"
    facts = [
        ("What it is", f"{model.role}: {model.note}"),
        ("Source", f"{model.repo}, Hugging Face hub"),
        ("Licence", model.licence),
        ("Size", f"{model.megabytes} MB"),
        ("Training data", f"see the model card at huggingface.co/{model.repo}"),
    ]
    if (sums := _sum_line(own)) and path == own:
        facts.append(("SHA-256", sums))
    if path is not None:
        facts.append(("Folder", str(path)))
    return Entry(
        "model", model.name, state, tuple(facts), "", path, model=model, downloaded=own.is_dir()
    )


def _sum_line(folder: Path) -> str:
    """Return the checksum of the weights, as stored at the download."""
    try:
        lines = (folder / SUMS).read_text("utf-8").splitlines()
    except (OSError, ValueError):
        return ""
    return lines[0].split()[0] if lines and lines[0].split() else ""


def describe(entry: Entry) -> str:
    """Describe an entry in Markdown, with its model card at the end."""
    lines = [f"**{_plain(entry.name)}**", ""]
    if entry.problem:
        lines += [_plain(entry.problem), ""]
    lines += [f"- {name}: {_shown(text)}" for name, text in entry.facts]
    if entry.card is not None:
        try:
            lines += ["", "---", "", entry.card.read_text("utf-8")]
        except (OSError, ValueError):
            lines += ["", "The model card cannot be read."]
    return "\n".join(lines)


def why_not_verify(entry: Entry | None) -> str:
    """Say why an entry cannot be verified; empty if it can. Likewise below."""
    if entry is None or entry.kind == "locator":
        return "Choose weights or a model; this has no files of its own."
    if entry.problem:
        return entry.problem
    return "" if entry.path is not None else "It is not on this machine; download it first."


def why_not_download(entry: Entry | None) -> str:
    """See `why_not_verify`."""
    if entry is None or entry.model is None:
        return "Choose one of the models at the end of the list; nothing else is downloaded."
    if entry.path is not None:
        return "It is on this machine already."
    return ""


def why_not_remove(entry: Entry | None) -> str:
    """See `why_not_verify`."""
    if entry is None or entry.kind == "locator":
        return "Choose a downloaded model or a folder that you added."
    if entry.kind == "embedded":
        return "These weights came with the package."
    if entry.kind == "folder" or entry.downloaded:
        return ""
    if entry.path is not None:
        return "It is in the hub's own cache, which other programs use: delete it there."
    return "It is not on this machine."


def about_removal(entry: Entry | None) -> str:
    """Say what the button does."""
    if entry is not None and entry.kind == "folder":
        return "Remove the folder from the list; its files are kept."
    return "Delete the downloaded files, after confirmation."


def _plain(text: str) -> str:
    """Keep Markdown from reading names and paths as markup."""
    return "".join(f"\\{c}" if c in "\\`*_{}[]<>#|" else c for c in text)


def _shown(text: str) -> str:
    """Let a checksum be broken into lines."""
    if len(text) == 64 and text.isalnum():
        return " ".join(text[i : i + 16] for i in range(0, 64, 16))
    return _plain(text)

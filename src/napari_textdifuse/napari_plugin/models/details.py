"""An entry in words, and why a button is not for it."""

from __future__ import annotations

from .entries import Entry


def describe(entry: Entry) -> str:
    """Return everything known of an entry, in Markdown, its model card at the end."""
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
    """Say why an entry cannot be verified; empty if it can. So too below."""
    if entry is None or entry.kind == "locator":
        return "Choose weights or a model; a locator has no files of its own."
    if entry.problem:
        return entry.problem
    return "" if entry.path is not None else "It is not on this machine; download it first."


def why_not_download(entry: Entry | None) -> str:
    """See `why_not_verify`."""
    if entry is None or entry.model is None:
        return "Choose one of the models that locators need; nothing else is downloaded."
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
        return "It lies in the hub's own cache, which other programs use: delete it there."
    return "It is not on this machine."


def about_removal(entry: Entry | None) -> str:
    """Say what the button would do."""
    if entry is not None and entry.kind == "folder":
        return "Take the folder off the list; its files stay."
    return "Delete the downloaded files, after a question."


def _plain(text: str) -> str:
    """Keep Markdown from reading names and paths as markup."""
    return "".join(f"\\{c}" if c in "\\`*_{}[]<>#|" else c for c in text)


def _shown(text: str) -> str:
    """Let a checksum be broken into lines."""
    if len(text) == 64 and text.isalnum():
        return " ".join(text[i : i + 16] for i in range(0, 64, 16))
    return _plain(text)

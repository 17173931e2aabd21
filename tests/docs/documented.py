"""The commands of README and docs."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def documented_commands() -> list[tuple[str, str]]:
    """Return page and command, for every line that is one; lines of a synopsis are none."""
    found = []
    for page in PAGES:
        for line in page.read_text("utf-8").replace("\\\n", " ").splitlines():
            match = re.match(r"(?: {4}|`?)(textdifuse [a-z]+ (?![A-Z]+ ).*)", line.strip("`"))
            if match and not re.search(r"[|\[$]|\.\.\.", line):
                command = match[1].split("   #")[0].split(" > ")[0]
                found.append((page.relative_to(ROOT).as_posix(), " ".join(command.split())))
    return found

"""Write ``docs/tutorials/pet-mri.ipynb`` and ``pet-mri.py`` from the page ``python.md``."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

TUTORIALS = Path(__file__).parents[1] / "docs" / "tutorials"


def cells(page: str) -> list[tuple[str, str]]:
    """Return kind ("markdown" or "code") and text of each part of a page."""
    parts = re.split(r"^```python\n(.*?)^```\n", page, flags=re.M | re.S)
    kinds = ("markdown", "code")
    return [(kinds[i % 2], part.strip()) for i, part in enumerate(parts) if part.strip()]


def notebook(page: str) -> str:
    """Return the notebook, without results."""
    made: list[dict[str, Any]] = []
    for number, (kind, text) in enumerate(cells(page)):
        cell: dict[str, Any] = {"cell_type": kind, "id": f"part-{number}", "metadata": {}}
        cell["source"] = text.splitlines(keepends=True)
        if kind == "code":
            cell |= {"execution_count": None, "outputs": []}
        made.append(cell)
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    content = {
        "cells": made,
        "metadata": {"kernelspec": kernel, "language_info": {"name": "python"}},
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"


def script(page: str) -> str:
    """Return the code alone, as a script whose prose is comments."""
    lines = []
    for kind, text in cells(page):
        lines += (
            [f"# {line}".rstrip() for line in text.splitlines()] if kind == "markdown" else [text]
        )
        lines.append("")
    return "\n".join(lines).rstrip() + "\n"


def main() -> int:
    page = (TUTORIALS / "python.md").read_text(encoding="utf-8")
    made = {"pet-mri.ipynb": notebook(page), "pet-mri.py": script(page)}
    for name, text in made.items():
        (TUTORIALS / name).write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())

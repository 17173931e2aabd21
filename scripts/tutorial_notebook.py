"""Write ``docs/tutorials/pet-mri.ipynb`` and ``pet-mri.py`` from the page ``python.md``.

The notebook's code is run, and its outputs are kept, with images.
"""

from __future__ import annotations

import ast
import base64
import contextlib
import io
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


def notebook(page: str, execute: bool = False) -> str:
    """Return the notebook, with the outputs of its code if it is to be executed."""
    made: list[dict[str, Any]] = []
    space: dict[str, Any] = {}
    count = 0
    for number, (kind, text) in enumerate(cells(page)):
        cell: dict[str, Any] = {"cell_type": kind, "id": f"part-{number}", "metadata": {}}
        cell["source"] = text.splitlines(keepends=True)
        if kind == "code":
            count += 1
            outputs = run_cell(text, space, count) if execute else []
            cell |= {"execution_count": count if execute else None, "outputs": outputs}
        made.append(cell)
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    content = {
        "cells": made,
        "metadata": {"kernelspec": kernel, "language_info": {"name": "python"}},
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"


def run_cell(code: str, space: dict[str, Any], count: int) -> list[dict[str, Any]]:
    """Run a cell as a notebook does; return what it prints and the value of its last line."""
    body = ast.parse(code).body
    last = body.pop().value if body and isinstance(body[-1], ast.Expr) else None
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(ast.Module(body, []), "<cell>", "exec"), space)
        value = (
            None if last is None else eval(compile(ast.Expression(last), "<cell>", "eval"), space)
        )
    outputs: list[dict[str, Any]] = []
    if printed.getvalue():
        lines = printed.getvalue().splitlines(keepends=True)
        outputs.append({"output_type": "stream", "name": "stdout", "text": lines})
    if value is not None:
        data: dict[str, Any] = {"text/plain": repr(value).splitlines(keepends=True)}
        if hasattr(value, "_repr_png_"):
            data["image/png"] = base64.b64encode(value._repr_png_()).decode() + "\n"
        kind = {"output_type": "execute_result", "execution_count": count}
        outputs.append({**kind, "data": data, "metadata": {}})
    return outputs


def without_outputs(text: str) -> str:
    """Return a notebook as it was before it was run."""
    content = json.loads(text)
    for cell in content["cells"]:
        if cell["cell_type"] == "code":
            cell |= {"execution_count": None, "outputs": []}
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
    made = {"pet-mri.ipynb": notebook(page, execute=True), "pet-mri.py": script(page)}
    for name, text in made.items():
        (TUTORIALS / name).write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())

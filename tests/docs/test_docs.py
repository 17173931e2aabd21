"""The documentation: links lead somewhere, commands exist, code runs, generated pages are fresh."""

from __future__ import annotations

import json
import re
import runpy
import shlex
import sys
from pathlib import Path

import pytest
from documented import PAGES, ROOT, documented_commands

from napari_textdifuse.cli import build_parser
from napari_textdifuse.errors import InputError

sys.path.insert(0, str(ROOT / "scripts"))


def name_of(path):
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_somewhere(page):
    text = re.sub(r"```.*?```", "", page.read_text("utf-8"), flags=re.S)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if not re.match(r"[a-z]+:|#", target):
            assert (page.parent / target.partition("#")[0]).exists(), target


def commands():
    for page, command in documented_commands():
        yield pytest.param(command, id=page)


@pytest.mark.parametrize("command", list(commands()))
def test_commands_are_real(command, tmp_path, monkeypatch):
    """Every option that a page names is one; files need not exist."""
    arguments = shlex.split(command)[1:]
    if arguments[0].isupper():
        return
    monkeypatch.chdir(tmp_path)
    for word in arguments[1:]:
        path = Path(word)
        if not word.startswith("-") and path.suffix:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        elif word.endswith("/") or (word.islower() and word.isalpha()):
            path.mkdir(exist_ok=True)
    message = ""
    try:
        build_parser().parse_args(arguments)
    except InputError as error:
        message = str(error)
    assert "unrecognized" not in message
    assert "invalid choice" not in message


def test_every_option_is_on_the_page_of_the_command_line():
    commands = next(a.choices for a in build_parser()._actions if isinstance(a.choices, dict))
    options = {
        option
        for command in ("fuse", "batch", "sample", "evaluate", "register", "weights", "info")
        for action in commands[command]._actions
        for option in action.option_strings[:1]
    }
    page = (ROOT / "docs" / "command-line.md").read_text("utf-8")
    named = set(re.findall(r"--?[a-z][a-z-]*", page))
    assert sorted(options - named - {"-h", "-v"}) == []


RUNNABLE = ("tutorials/python.md", "how-to/prompts.md", "how-to/correct.md", "how-to/locator.md")


@pytest.mark.parametrize("page", RUNNABLE)
def test_code_runs(page):
    text = (ROOT / "docs" / page).read_text("utf-8")
    code = "\n".join(re.findall(r"^```python\n(.*?)^```", text, flags=re.M | re.S))
    space: dict[str, object] = {}
    exec(compile(code, page, "exec"), space)
    if page == "tutorials/python.md":
        assert abs(space["updated"].fused - space["plain"].fused)[space["corrected"] == 0].max() == 0
    if page == "how-to/prompts.md":
        assert space["result"].mask.sum() == 20 * 20


def test_notebook_and_script_are_those_of_the_page():
    made = runpy.run_path(str(ROOT / "scripts" / "tutorial_notebook.py"))
    page = (ROOT / "docs/tutorials/python.md").read_text("utf-8")
    notebook = (ROOT / "docs/tutorials/pet-mri.ipynb").read_text("utf-8")
    assert made["without_outputs"](notebook) == made["notebook"](page)
    assert (ROOT / "docs/tutorials/pet-mri.py").read_text("utf-8") == made["script"](page)
    assert len(notebook) < 1_000_000
    code = [cell for cell in json.loads(notebook)["cells"] if cell["cell_type"] == "code"]
    assert [cell["execution_count"] for cell in code] == list(range(1, len(code) + 1))
    assert any("image/png" in part.get("data", {}) for cell in code for part in cell["outputs"])


def test_the_page_of_the_lexicon_is_fresh():
    made = runpy.run_path(str(ROOT / "scripts" / "lexicon_page.py"))
    page = (ROOT / "docs/reference/lexicon.md").read_text("utf-8")
    assert page == made["page"](), "run python scripts/lexicon_page.py"


def test_every_page_is_in_the_navigation():
    listed = set(re.findall(r"[\w/-]+\.md", (ROOT / "mkdocs.yml").read_text("utf-8")))
    there = {p.relative_to(ROOT / "docs").as_posix() for p in (ROOT / "docs").rglob("*.md")}
    assert listed == there

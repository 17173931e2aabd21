"""Imports run one way: no circle of modules, none of subpackages, and nothing upwards."""

from __future__ import annotations

import ast
import importlib.util
import re
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

SOURCES = Path(__file__).parents[1] / "src"
PACKAGE = "napari_textdifuse"
#: What belongs to a window; the core never imports it.
WINDOWS = {"napari", "qtpy", "PySide6", "PyQt6", "magicgui", "superqt", "vispy"}
#: On top: nothing else imports these, nor one the other.
TOPS = {"napari_plugin", "cli"}


def module_name(path):
    parts = path.relative_to(SOURCES).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported(path, modules):
    """Yield every module that a file imports, at the top, in a function or for types only."""
    name = module_name(path)
    parent = name if path.stem == "__init__" else name.rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            dots = "." * node.level + (node.module or "")
            base = importlib.util.resolve_name(dots, parent) if node.level else dots
            for alias in node.names:
                full = f"{base}.{alias.name}"
                yield full if full in modules else base


def import_graph(folder=SOURCES / PACKAGE):
    paths = {module_name(path): path for path in folder.rglob("*.py")}
    return {name: set(imported(path, paths)) - {name} for name, path in paths.items()}


GRAPH = import_graph()


def own(graph):
    return {
        name: {target for target in targets if target in graph} for name, targets in graph.items()
    }


def without_circle(graph):
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail("imports in a circle: " + " -> ".join(reversed(error.args[1])))


def room(name):
    """Return the subpackage, or the module next to the subpackages, that a module belongs to."""
    return name.split(".")[1] if "." in name else name


def test_modules_import_in_no_circle():
    # a package's own face only hands names on
    graph = {
        name: {target for target in targets if not name.startswith(target + ".")}
        for name, targets in own(GRAPH).items()
    }
    without_circle(graph)


def test_subpackages_import_in_no_circle():
    rooms = {}
    for name, targets in own(GRAPH).items():
        if name != PACKAGE:
            rooms.setdefault(room(name), set()).update(room(t) for t in targets if t != PACKAGE)
    assert {"fusion", "io", "spatial", "volume", "meaning"} <= set(rooms)
    without_circle({name: targets - {name} for name, targets in rooms.items()})


def test_nothing_imports_the_viewer_or_the_command_line():
    for name, targets in GRAPH.items():
        for target in targets:
            inside = room(name) if name != f"{PACKAGE}.__main__" else "cli"
            if target.startswith(PACKAGE + ".") and room(target) in TOPS:
                assert room(target) == inside, f"{name} imports {target}"
            if target.split(".")[0] in WINDOWS:
                assert inside == "napari_plugin", f"{name} imports {target}"


def test_a_circle_would_be_seen(tmp_path, monkeypatch):
    """An import inside a function, which Python allows, closes the circle that is reported."""
    folder = tmp_path / PACKAGE
    folder.mkdir()
    (folder / "image.py").write_text("def out():\n    from .files import write\n")
    (folder / "files.py").write_text("from .image import Image\n")
    monkeypatch.setitem(globals(), "SOURCES", tmp_path)
    with pytest.raises(pytest.fail.Exception, match=r"image -> .*files|files -> .*image"):
        without_circle(own(import_graph(folder)))


SUBPACKAGES = sorted((SOURCES / PACKAGE).rglob("*/__init__.py"))


@pytest.mark.parametrize("path", SUBPACKAGES, ids=lambda path: path.parent.name)
def test_a_subpackage_says_what_goes_in_and_out(path):
    text = ast.get_docstring(ast.parse(path.read_text("utf-8"))) or ""
    what, _, rest = text.partition("\n\n")
    assert what.endswith(".")
    assert "\n" not in what
    assert re.search(r"^In: \S.*\bOut: \S", rest, re.S), "say 'In: ...' and 'Out: ...'"
    assert len(text.splitlines()) <= 8


def test_the_subpackages_are_found():
    assert {"fuse", "io", "drawn", "reference", "training"} <= {p.parent.name for p in SUBPACKAGES}

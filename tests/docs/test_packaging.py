"""What installs the package elsewhere asks for what the package asks for."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
#: Names on conda-forge that differ from those on PyPI.
ELSEWHERE = {"torch": "pytorch"}


def requirement(text: str) -> tuple[str, str]:
    name, version = re.match(r"([\w.-]+)\s*([^;]*)", text).groups()  # without the marker
    return ELSEWHERE.get(name, name).lower(), version.replace(" ", "")


def test_the_conda_recipe_has_the_dependencies_of_the_wheel():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    recipe = (ROOT / "packaging/conda-forge/recipe.yaml").read_text()
    parts = dict(re.findall(r"^  (host|run):\n((?:    - .*\n)+)", recipe, re.MULTILINE))
    listed = {k: re.findall(r"- (.*)", lines) for k, lines in parts.items()}
    run = dict(map(requirement, listed["run"]))
    assert run.pop("python") == ">=${{python_min}}"
    assert run == dict(map(requirement, project["dependencies"]))
    build = tomllib.loads((ROOT / "pyproject.toml").read_text())["build-system"]["requires"]
    host = dict(map(requirement, listed["host"]))
    assert dict(map(requirement, build)).items() <= host.items()
    from napari_textdifuse import __version__

    assert f'version: "{__version__}"' in recipe
    (lowest,) = re.findall(r'python_min: "([\d.]+)"', recipe)  # conda-forge's own is 3.10
    assert project["requires-python"] == f">={lowest}"
    (entry,) = project["scripts"].items()
    assert f"- {' = '.join(entry)}" in recipe


def test_the_container_installs_extras_that_exist():
    text = (ROOT / "Containerfile").read_text()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    (extras,) = re.findall(r"whl\)\[([\w,-]+)\]", text)
    assert set(extras.split(",")) <= set(project["optional-dependencies"])


def test_the_source_distribution_contains_what_its_tests_read():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    sdist = project["tool"]["hatch"]["build"]["targets"]["sdist"]
    packed = {name.removeprefix("/") for name in sdist["include"]} | {"pyproject.toml"}
    tests = "\n".join(path.read_text("utf-8") for path in (ROOT / "tests").rglob("*.py"))
    made = {line.strip("/") for line in (ROOT / ".gitignore").read_text().splitlines()}
    visible = {path.name for path in ROOT.iterdir() if not path.name.startswith(".")} - made
    read = {name for name in visible if re.search(rf'"{re.escape(name)}["/]', tests)}
    assert {"docs", "scripts", "SECURITY.md", "packaging", "Containerfile"} <= read
    assert read <= packed

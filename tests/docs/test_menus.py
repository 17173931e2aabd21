"""Pages name the menus as they are."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from npe2 import PluginManifest

import napari_textdifuse

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


@pytest.fixture(scope="module")
def manifest() -> PluginManifest:
    return PluginManifest.from_file(Path(napari_textdifuse.__file__).with_name("napari.yaml"))


def test_panels_are_where_the_pages_say(manifest):
    title = manifest.display_name
    there = {f"{title} > {w.display_name} ({title})" for w in manifest.contributions.widgets}
    named = {
        (page.name, entry)
        for page in PAGES
        for entry in re.findall(r"`Plugins > ([^`]+)`", page.read_text("utf-8"))
    }
    assert len(named) >= 4
    assert {entry for _, entry in named} <= there


def test_samples_are_where_the_pages_say(manifest):
    there = {sample.display_name for sample in manifest.contributions.sample_data}
    for page in PAGES:
        for entry in re.findall(r"`File > Open Sample > ([^`]+)`", page.read_text("utf-8")):
            group, _, name = entry.partition(" > ")
            assert group == manifest.display_name
            assert not name or name in there


def test_images_are_there_and_small():
    image = re.compile(r"!\[[^\]]*\]\(([^)]+\.png)\)|(?:src|srcset)=\"([^\"]+\.png)\"")
    for page in PAGES:
        for link in map("".join, image.findall(page.read_text("utf-8"))):
            picture = (page.parent / link).resolve()
            assert picture.is_file(), f"{page.name}: {link}"
            assert picture.stat().st_size < 400_000

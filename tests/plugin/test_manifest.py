"""The manifest for napari: complete and true."""

from __future__ import annotations

from pathlib import Path

import pytest
from npe2 import PluginManager, PluginManifest

import napari_textdifuse

HERE = Path(napari_textdifuse.__file__).parent


@pytest.fixture(scope="module")
def manifest() -> PluginManifest:
    return PluginManifest.from_file(HERE / "napari.yaml")


@pytest.fixture
def plugins(manifest) -> PluginManager:
    manager = PluginManager()
    # npe2 0.10.0 mistakes napari 0.10 for one before 0.4.16, and finds all plugins at once
    if manifest.name not in {known.name for known in manager.iter_manifests()}:
        manager.register(manifest, warn_disabled=False)
    return manager


def test_it_is_found_by_its_entry_point_and_imports(manifest):
    assert PluginManifest.from_distribution("napari-textdifuse").name == "napari-textdifuse"
    manifest.validate_imports()


def test_menus_are_ones_that_napari_offers(manifest):
    from napari._app_model.constants import MenuId

    offered = {menu.value for menu in MenuId.contributables()}
    menus = manifest.contributions.menus
    assert menus
    assert set(menus) <= offered


def test_commands_exist_and_all_are_used(manifest):
    parts = manifest.contributions
    known = {command.id for command in parts.commands}
    used = {w.command for w in parts.widgets} | {r.command for r in parts.readers}
    used |= {w.command for w in parts.writers} | {s.command for s in parts.sample_data}
    used |= {item.command for items in parts.menus.values() for item in items}
    assert used == known


@pytest.mark.parametrize(
    "path", ["a/b.nii", "a/b.nii.gz", "B.NII.GZ", "slice.dcm", "SLICE.IMA", str(HERE)]
)
def test_medical_files_and_folders_are_offered_to_the_reader(plugins, path):
    assert [r.command for r in plugins.iter_compatible_readers(path)] == [
        "napari-textdifuse.get_reader"
    ]


@pytest.mark.parametrize("path", ["a.png", "a.tif", "a.csv", "a.zarr.zip"])
def test_other_files_are_left_to_others(plugins, path):
    assert list(plugins.iter_compatible_readers(path)) == []


@pytest.mark.parametrize("kind", ["image", "labels"])
def test_layers_can_be_saved_as_nifti_and_dicom(plugins, kind):
    found = {w.command: w.filename_extensions for w in plugins.iter_compatible_writers([kind])}
    assert found == {
        "napari-textdifuse.write_nifti": [".nii.gz", ".nii"],
        "napari-textdifuse.write_dicom": [".dcm"],
    }


def test_every_sample_is_offered(manifest):
    from napari_textdifuse.samples import SAMPLES

    assert {sample.key for sample in manifest.contributions.sample_data} == set(SAMPLES)


def test_the_icon_is_in_the_package(manifest):
    package, _, resource = manifest.icon.partition(":")
    assert package == "napari_textdifuse"
    assert (HERE / resource).read_text("utf-8").startswith("<svg")


def test_the_settings_page_holds_defaults_of_the_panel(manifest, qtbot):
    from napari.components import ViewerModel
    from napari.settings import get_plugin_settings

    from napari_textdifuse.napari_plugin.fuse.form import REMEMBERED
    from napari_textdifuse.napari_plugin.fuse.widget import FusionWidget

    page = manifest.contributions.configurations["fusion"]
    assert set(page.properties) <= set(REMEMBERED)
    settings = get_plugin_settings("napari-textdifuse").fusion
    before = settings.quality
    try:
        settings.quality = "best"
        widget = FusionWidget(ViewerModel())
        qtbot.addWidget(widget.native)
        assert widget.quality.value == "best"
        widget.quality.value = "fast"
        widget.reset.native.click()
        assert widget.quality.value == "best"
    finally:
        settings.quality = before

"""In a real window: what is known before a run, and what is decided after it."""

from __future__ import annotations

import json

import numpy as np
import pytest
from qtpy.QtCore import Qt

from napari_textdifuse import Volume
from napari_textdifuse.napari_plugin.fuse.alignment import in_words
from napari_textdifuse.napari_plugin.fuse.facts_line import FactsDialog
from napari_textdifuse.napari_plugin.fuse.widget import FusionWidget
from napari_textdifuse.napari_plugin.layers import to_layer
from napari_textdifuse.spatial.agreement import Alignment


def head(modality: str, unit: str = "a.u.", shift: float = 0.0) -> Volume:
    """Blocks with a common texture, and two hot spots in the PET."""
    random = np.random.default_rng(0)
    values = random.random((8, 8, 8)).repeat(4, 0).repeat(6, 1).repeat(6, 2).astype(np.float32)
    values += np.random.default_rng(ord(modality[0])).random(values.shape).astype(np.float32) / 10
    values += 1
    if modality == "PT":
        values[8:12, 10:15, 10:15] = 14
        values[20:24, 30:36, 30:36] = 11
    affine = np.diag([-2.0, -2, 2, 1])
    affine[0, 3] = shift
    return Volume(values, affine=affine, modality=modality, unit=unit, name=modality.lower())


def open_panel(make_napari_viewer, pipeline, *volumes):
    viewer = make_napari_viewer(show=True)
    for volume in volumes:
        viewer._add_layer_from_data(*to_layer(volume))
    widget = FusionWidget(viewer, make_pipeline=lambda device: pipeline)
    viewer.window.add_dock_widget(widget, name="Fuse")
    widget.quality.value = "fast"
    return viewer, widget


def run(widget, qtbot):
    widget.fuse.native.click()
    qtbot.waitUntil(lambda: not widget.running, timeout=120_000)


def test_candidates_are_listed_reached_rejected_and_taken_back(
    make_napari_viewer, tiny_pipeline, qtbot, tmp_path
):
    pair = head("MR"), head("PT", "SUVbw")
    viewer, widget = open_panel(make_napari_viewer, tiny_pipeline, *pair)
    widget.prompt.value = "tumour"
    run(widget, qtbot)
    fused, mask = viewer.layers[-2], viewer.layers[-1]
    found = np.array(mask.data)
    box = widget.candidates
    assert box.isVisible()
    rows = [box.tree.topLevelItem(k) for k in range(box.tree.topLevelItemCount())]
    assert [row.text(0) for row in rows] == ["tumour 1", "tumour 2"]
    assert all(0 < float(row.text(1)) <= 1 and "SUV " in row.text(3) for row in rows)
    # a click goes there
    low = next(k for k, row in enumerate(rows) if "14" in row.text(3))
    box.tree.itemClicked.emit(rows[low], 0)
    place = np.round(mask.world_to_data(viewer.dims.point)).astype(int)
    assert mask.data[tuple(place)] == 1
    assert 8 <= place[0] < 12
    # rejected: it leaves the mask and the fusion
    before = np.array(fused.data)
    box.tree.setCurrentItem(rows[low])
    box.reject.click()
    qtbot.waitUntil(lambda: not widget.running, timeout=120_000)
    assert not mask.data[8:12].any()
    np.testing.assert_array_equal(mask.data[20:24], found[20:24])
    changed = np.abs(fused.data - before).reshape(len(before), -1).max(axis=1) > 1e-4
    assert changed[9]
    assert not changed[20:24].any()
    assert mask.name.endswith("corrected")
    assert "1 rejected" in box.title.text()
    record = fused.metadata["textdifuse"]["record"]
    assert [row["decision"] for row in record["candidates"]].count("rejected") == 1
    assert any("Rejected by hand" in note for note in record["warnings"])
    widget.save_to(tmp_path / "out")
    qtbot.waitUntil(lambda: not widget.saving, timeout=120_000)
    (path,) = (tmp_path / "out").glob("*.json")
    assert json.loads(path.read_text())["candidates"] == record["candidates"]
    # and back
    box.undo.click()
    qtbot.waitUntil(lambda: not widget.running, timeout=120_000)
    np.testing.assert_array_equal(mask.data, found)
    np.testing.assert_allclose(fused.data, before, atol=1e-5)
    assert not box.undo.isEnabled()
    # the layer's own undo is seen as well
    box.reject.click()
    qtbot.waitUntil(lambda: not widget.running, timeout=120_000)
    mask.undo()
    widget._correction.candidates.follow()
    assert box.title.text() == "2 to accept or reject"
    # another result without candidates has no list
    widget.prompt.value = ""
    run(widget, qtbot)
    viewer.layers.selection.active = viewer.layers[-1]
    widget.image_b.value, widget.image_a.value = widget.image_a.value, widget.image_b.value
    assert not box.isVisible()


def test_a_badge_says_whether_the_images_lie_on_each_other(
    make_napari_viewer, tiny_pipeline, qtbot
):
    pair = head("MR"), head("PT", "SUVbw"), head("CT", "HU", shift=8.0)
    viewer, widget = open_panel(make_napari_viewer, tiny_pipeline, *pair)
    mr, pt, ct = viewer.layers
    widget.image_a.value, widget.image_b.value = mr, pt
    badge = widget.alignment
    qtbot.waitUntil(lambda: badge.level == "good", timeout=120_000)
    assert "are aligned" in badge.text
    assert "covers 100%" in badge.details
    widget.image_b.value = ct
    qtbot.waitUntil(lambda: badge.level == "look", timeout=120_000)
    assert "8 mm" in badge.text
    assert "register" in badge.details.lower()
    before = [(layer.name, layer.visible) for layer in viewer.layers]
    badge.button.click()
    assert viewer.layers[-1].name.startswith("Checkerboard")
    assert widget.image_b.value is ct, "the checkerboard is no input"
    badge.button.click()
    assert [(layer.name, layer.visible) for layer in viewer.layers] == before
    badge.button.click()
    viewer.layers.remove(ct)
    assert not badge.button.isChecked()
    assert not [layer for layer in viewer.layers if layer.name.startswith("Checkerboard")]


@pytest.mark.parametrize(
    ("found", "text", "level"),
    [
        (Alignment((0.0,) * 3, "mm", 0.0, 0.9), "A and B are aligned", "good"),
        (Alignment((3.0, 4.0, 0.0), "mm", 0.3, 0.9, "m"), "B fits better 5 mm away", "look"),
        (Alignment((0.0,) * 3, "mm", 0.0, 0.3, "m"), "B covers 30% of A", "look"),
        (Alignment((0.0,) * 3, "mm", 0.0, 0.0, "m"), "A and B are not aligned", "look"),
        (Alignment((0.0,) * 2, "px", 0.0, 0.0), "Position not checked", ""),
    ],
)
def test_every_outcome_of_the_check_has_words(found, text, level):
    assert in_words(found)[::2] == (text, level)


def test_facts_are_shown_with_their_source_and_can_be_stated(
    make_napari_viewer, tiny_pipeline, qtbot
):
    unknown = Volume(head("PT").array, affine=head("PT").affine, name="unknown")
    viewer, widget = open_panel(make_napari_viewer, tiny_pipeline, head("MR"), unknown)
    mr, other = viewer.layers
    widget.image_a.value, widget.image_b.value = mr, other
    assert widget.facts_a.text == "MRI, no unit"
    assert "modality: MR (from the file)" in widget.facts_a.details
    assert "unknown" in widget.facts_b.text
    dialog = FactsDialog(widget.facts_b, other)
    qtbot.addWidget(dialog)
    dialog.accepted.connect(widget.facts_b._stated)
    dialog.boxes["modality"].setCurrentText("CT")
    dialog.boxes["unit"].setCurrentText("SUV (by body weight)")
    dialog.accept()
    assert "belong to PT" in dialog.problem.text()
    assert "modality" not in other.metadata["textdifuse"]["sources"], "nothing was written"
    dialog.boxes["modality"].setCurrentText("PET")
    dialog.accept()
    assert widget.facts_b.text == "PET, SUV (stated by you)"
    assert widget.window_b.label == "Range B (SUV)"
    # the fusion takes it, and the record says who said so
    widget.prompt.value = "tumour"
    run(widget, qtbot)
    record = viewer.layers[-2].metadata["textdifuse"]["record"]
    assert record["inputs"]["b"]["modality"] == "PT"
    assert "stated" in json.dumps(record["inputs"]["b"])
    assert viewer.layers[-1].data.any()
    assert dialog.windowModality() == Qt.WindowModality.NonModal

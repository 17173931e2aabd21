"""A result is saved from the panel: as the command line does, and as DICOM with whose identity."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Labels, Layer
from pydicom import dcmread
from qtpy.QtWidgets import QDialogButtonBox

from napari_textdifuse import io
from napari_textdifuse.cli import main
from napari_textdifuse.errors import WriteError
from napari_textdifuse.napari_plugin.fuse.job import SaveChoice
from napari_textdifuse.napari_plugin.fuse.save_dialog import (
    DE_IDENTIFIED,
    FILES,
    LINKED,
    SaveDialog,
)
from napari_textdifuse.napari_plugin.fuse.widget import FusionWidget
from napari_textdifuse.napari_plugin.layers import to_layer
from napari_textdifuse.napari_plugin.reader import read_layers
from napari_textdifuse.napari_plugin.results import is_result
from napari_textdifuse.results import dicom_folder
from napari_textdifuse.results.counter import Counter
from napari_textdifuse.samples import sample_dir


@pytest.fixture(scope="module")
def dicom(tmp_path_factory) -> dict[str, Path]:
    """The sample in DICOM, of a named patient."""
    folder = tmp_path_factory.mktemp("dicom")
    made = {}
    for source in sorted(p for p in (sample_dir() / "brain" / "dicom").iterdir() if p.is_dir()):
        target = folder / source.name
        target.mkdir()
        for file in source.iterdir():
            header = dcmread(file)
            header.PatientName, header.PatientID = "Doe^Secretive", "S-77"
            header.save_as(target / file.name)
        made[source.name] = target
    return made


@pytest.fixture
def opened(qtbot, tiny_pipeline, dicom):
    """A finished fusion of that sample, one slice of it, in a panel."""
    model = ViewerModel()
    for folder in dicom.values():
        model.add_layer(Layer.create(*read_layers(folder)[0]))
    panel = FusionWidget(model, make_pipeline=lambda device: tiny_pipeline)
    qtbot.addWidget(panel.native)
    panel.quality.value = "fast"
    panel.extent.what.value = "range"
    panel.extent.first.value, panel.extent.last.value = 8, 9
    drawn = np.zeros(panel.image_a.value.data.shape, np.uint8)
    drawn[8, 20:40, 20:40] = 1
    a = panel.image_a.value
    model.add_layer(Labels(drawn, scale=a.scale, translate=a.translate, name="mine"))
    panel.reset_choices()
    panel.drawn.value = model.layers["mine"]
    panel.fuse.native.click()
    qtbot.waitUntil(lambda: not panel.running, timeout=120_000)
    return panel


def save(panel: FusionWidget, choice: SaveChoice, qtbot) -> str:
    panel.save_to(choice)
    qtbot.waitUntil(lambda: not panel.saving, timeout=120_000)
    return panel.message.text


def test_linked_dicom_is_of_the_patient_and_only_of_the_image_that_was_fused(
    opened, qtbot, dicom, tmp_path, notifications
):
    role = next(name for name in dicom if "mr" in name.lower() or "t1" in name.lower())
    source = dicom[role]
    headers = [dcmread(f, stop_before_pixels=True) for f in source.iterdir()]
    assert "Saved" in save(opened, SaveChoice(tmp_path / "linked", True, source), qtbot)
    files = [*(tmp_path / "linked" / "fused").iterdir(), tmp_path / "linked" / "mask.dcm"]
    assert len(files) == 3
    for file in files:
        made = dcmread(file)
        assert (made.PatientName, made.PatientID) == ("Doe^Secretive", "S-77")
        assert made.StudyInstanceUID == headers[0].StudyInstanceUID
        assert made.FrameOfReferenceUID == headers[0].FrameOfReferenceUID
    record = (tmp_path / "linked" / "record.json").read_text()
    assert "Secretive" not in record
    other = next(folder for name, folder in dicom.items() if name != role)
    text = save(opened, SaveChoice(tmp_path / "other", True, other), qtbot)
    assert "no DICOM series on the grid of image A" in text
    assert opened.message.level == "error"
    assert not (tmp_path / "other").exists(), "another series' patient may be another one"


def test_de_identified_dicom_is_one_new_study(opened, qtbot, dicom, tmp_path, notifications):
    assert "Saved" in save(opened, SaveChoice(tmp_path / "out", True), qtbot)
    files = [*(tmp_path / "out" / "fused").iterdir(), tmp_path / "out" / "mask.dcm"]
    files += (tmp_path / "out" / "contribution").iterdir()
    made = [dcmread(file) for file in files]
    known = {str(dcmread(f).StudyInstanceUID) for d in dicom.values() for f in d.iterdir()}
    for key in ("StudyInstanceUID", "FrameOfReferenceUID"):
        assert len({str(v[key].value) for v in made}) == 1, "mask and image lie on each other"
    assert not known & {str(v.StudyInstanceUID) for v in made}
    for one in made:
        assert (one.PatientID, one.PatientIdentityRemoved) == ("TEXTDIFUSE", "YES")
        assert "Secretive" not in str(one)
    image, mask = io.read(tmp_path / "out" / "fused"), io.read(tmp_path / "out" / "mask.dcm")
    np.testing.assert_allclose(image.affine, mask.affine, atol=1e-6)
    assert mask.array.sum() == 400
    assert "already exists" in save(opened, SaveChoice(tmp_path / "out", True), qtbot)


@pytest.fixture
def held(monkeypatch):
    """Work that waits at a call of a function until it is released."""
    reached, released = threading.Event(), threading.Event()

    def hold(owner, name, at=lambda *_: True):
        plain = getattr(owner, name)

        def wait(*args, **options):
            if at(*args) and not reached.is_set():
                reached.set()
                assert released.wait(120)
            return plain(*args, **options)

        monkeypatch.setattr(owner, name, wait)
        return reached, released

    yield hold
    released.set()


@pytest.mark.parametrize("as_dicom", [True, False])
def test_saving_shows_progress_and_is_cancelled_at_once(opened, held, qtbot, tmp_path, as_dicom):
    reached, released = held(Counter, "advance", lambda counter, *_: counter._done == 2)
    choice = SaveChoice(tmp_path / "out", as_dicom)
    opened.save_to(choice)
    qtbot.waitUntil(lambda: reached.is_set() and opened.progress.value > 0, timeout=120_000)
    share = 100 * opened.progress.value // opened.progress.max
    assert 0 < share < 100
    assert opened.progress.native.format() == f"Saving, {share} %"
    assert opened.cancel.enabled
    assert all(path.name.startswith(".") for path in choice.folder.iterdir())
    opened.cancel.native.click()
    assert not opened.saving, "it does not wait for the worker"
    assert not opened.cancel.enabled
    assert opened.message.text == "Cancelled: nothing was saved."
    assert opened.progress.value == 0
    released.set()
    qtbot.waitUntil(lambda: not choice.folder.exists(), timeout=120_000)
    assert save(opened, choice, qtbot).startswith("Saved in out: ")
    assert not opened.cancel.enabled


def test_cancel_comes_too_late_once_files_are_put_in_place(opened, held, qtbot, tmp_path):
    reached, released = held(dicom_folder, "publish")
    opened.save_to(SaveChoice(tmp_path / "out", True))
    qtbot.waitUntil(reached.is_set, timeout=120_000)
    opened.cancel.native.click()
    assert opened.saving
    released.set()
    qtbot.waitUntil(lambda: not opened.saving, timeout=120_000)
    assert opened.message.text.startswith("Saved in out: ")
    assert (tmp_path / "out" / "record.json").exists()


def test_the_dialog_refuses_a_link_without_its_source(opened, dicom):
    result = opened._shown.savable().result
    dialog = SaveDialog(opened.native, result, None)
    press = dialog.buttons.button(QDialogButtonBox.StandardButton.Save)
    assert not press.isEnabled()
    assert "folder" in press.toolTip()
    dialog.folder.setText("out")
    assert press.isEnabled()
    assert dialog.choice == SaveChoice(Path("out"))
    dialog.how.setCurrentIndex(dialog.how.findData(LINKED))
    assert not press.isEnabled()
    assert "source" in press.toolTip()
    source = next(iter(dicom.values()))
    dialog.source.setText(str(source))
    assert press.isEnabled()
    assert dialog.choice == SaveChoice(Path("out"), True, source)
    dialog.how.setCurrentIndex(dialog.how.findData(DE_IDENTIFIED))
    assert dialog.choice == SaveChoice(Path("out"), True)
    known = SaveDialog(opened.native, result, str(source))
    assert known.source.text() == str(source), "what image A was opened from"
    assert known.how.currentData() == FILES
    assert SaveDialog(opened.native, result, "t1.nii.gz").source.text() == ""


def test_an_image_is_not_offered_as_dicom(opened, tiny_pipeline):
    flat = tiny_pipeline(np.eye(16), np.ones((16, 16)), steps=1)
    dialog = SaveDialog(opened.native, flat, None)
    assert "PNG" in dialog.how.itemText(0)
    assert not dialog.how.model().item(1).isEnabled()


def test_only_a_source_on_the_grid_of_image_a_is_taken(dicom, tmp_path):
    from napari_textdifuse.results.dicom_folder import matching_series

    names = list(dicom)
    image = io.read(dicom[names[0]])
    turned = Layer.create(*to_layer(image))  # the layer's array runs along other axes
    assert turned.data.shape == image.shape
    assert matching_series(dicom[names[0]], image) is not None
    with pytest.raises(WriteError, match="no DICOM series on the grid"):
        matching_series(dicom[names[1]], image)
    with pytest.raises(WriteError, match="cannot be the source"):
        matching_series(tmp_path, image)


#: How the index axes x, y, z of a file run in RAS, in mm; the viewer turns all but the first.
ORDERS = {
    "LPS": [[-1.0, 0, 0], [0, -1, 0], [0, 0, 2]],
    "RAS": [[1.0, 0, 0], [0, 1, 0], [0, 0, 2]],
    "PIR": [[0.0, 0, 1], [-1, 0, 0], [0, -2, 0]],
    "oblique": [[0.9, 0.3, 0], [0.3, -0.9, 0], [0, 0, -2]],
}


@pytest.mark.parametrize("order", ORDERS)
def test_saved_files_are_those_of_the_command_line(
    qtbot, tiny_weights, tmp_path, notifications, order
):
    from napari_textdifuse import FusionPipeline, Volume

    affine = np.eye(4)
    affine[:3, :3] = ORDERS[order]
    files = []
    for seed, (name, modality) in enumerate([("smith_t1", "MR"), ("smith_pet", "PT")]):
        values = np.random.default_rng(seed).random((3, 20, 24)).astype(np.float32) * 4 + 1
        unit = "SUVbw" if modality == "PT" else "a.u."
        volume = Volume(values, affine=affine, modality=modality, unit=unit)
        files.append(io.write(tmp_path / f"{name}.nii.gz", volume))
    labels = np.zeros((3, 20, 24), np.uint8)
    labels[1, 4:9, 5:11] = 1
    mask = io.write(tmp_path / "m.nii.gz", Volume(labels, affine=affine, unit="label"))
    by_command = tmp_path / "command"
    arguments = ["fuse", *files, "--out", by_command, "--weights", tiny_weights, "--device", "cpu"]
    arguments += ["--axis", "axial"]  # what the viewer shows
    assert main([str(v) for v in [*arguments, "--mask", mask, "--quality", "fast"]]) == 0

    model = ViewerModel()
    for file in (*files, mask):
        for data in read_layers(file):
            model.add_layer(Layer.create(*data))
    pipeline = FusionPipeline.from_pretrained(tiny_weights, device="cpu")
    panel = FusionWidget(model, make_pipeline=lambda device: pipeline)
    qtbot.addWidget(panel.native)
    panel.quality.value = "fast"
    panel.drawn.value = model.layers["m"]
    panel.fuse.native.click()
    qtbot.waitUntil(lambda: not panel.running, timeout=120_000)
    np.testing.assert_array_equal(model.layers[-1].data, model.layers["m"].data)
    by_panel = tmp_path / "panel"
    save(panel, SaveChoice(by_panel), qtbot)
    names = sorted(path.name for path in by_command.iterdir())
    assert sorted(path.name for path in by_panel.iterdir()) == names
    one, two = (json.loads((d / "record.json").read_text()) for d in (by_command, by_panel))
    for record in (one, two):
        del record["created"], record["seconds"]
    assert one == two
    assert "smith" not in json.dumps(two), "names of files may be those of patients"
    for name in names:
        files = [folder / name for folder in (by_command, by_panel)]
        if name.endswith(".nii.gz"):  # which hold the record, with its time
            images = [io.read(file) for file in files]
            np.testing.assert_array_equal(images[0].array, images[1].array)
            np.testing.assert_array_equal(images[0].affine, images[1].affine)
        elif name != "record.json":
            assert files[0].read_bytes() == files[1].read_bytes()


def test_layers_saved_as_dicom_keep_names_and_colours_but_no_names_of_files(
    make_napari_viewer, qtbot, tiny_pipeline, tmp_path, notifications
):
    from napari_textdifuse import Volume

    viewer = make_napari_viewer()
    affine = np.diag([-1.0, -1, 2, 1])
    for seed, (name, modality) in enumerate([("smith_t1", "MR"), ("smith_ct", "CT")]):
        values = np.random.default_rng(seed).random((4, 20, 24)).astype(np.float32) + 1
        volume = Volume(values, affine=affine, modality=modality, name=name)
        viewer._add_layer_from_data(*to_layer(volume))
    panel = FusionWidget(viewer, make_pipeline=lambda device: tiny_pipeline)
    viewer.window.add_dock_widget(panel, name="Fuse")
    panel.quality.value = "fast"
    panel.drawing.paint.native.click()
    paint = panel.drawn.value
    paint.name = "corner"
    paint.paint((1, 8, 8), 1)
    panel.fuse.native.click()
    qtbot.waitUntil(lambda: not panel.running, timeout=120_000)
    fused, mask = viewer.layers[-2:]
    fused.colormap, fused.contrast_limits = "viridis", (0.1, 0.7)
    viewer.layers.selection = {fused, mask}
    written = viewer.layers.save(str(tmp_path / "both.dcm"), selected=True)
    assert len(written) == 5
    headers = [dcmread(file) for file in written]
    assert len({str(h.StudyInstanceUID) for h in headers}) == 1
    assert not any("smith" in str(header) for header in headers)
    (folder,) = {Path(file).parent for file in written[:4]}
    image, labels = (Layer.create(*read_layers(path)[0]) for path in (folder, written[4]))
    assert image.name == "Fused: image A + image B, drawn in corner, fast"
    assert labels.name == "Mask: drawn in corner, fast (image A + image B)"
    assert is_result(image), "a fused image is no input, also after it was saved"
    assert image.colormap.name == "viridis"
    np.testing.assert_allclose(image.contrast_limits, (0.1, 0.7))
    np.testing.assert_array_equal(labels.get_color(1), mask.get_color(1))
    np.testing.assert_array_equal(labels.data, mask.data)
    # a name that no file system takes
    fused.name = "é/" * 300
    (long,) = viewer.layers.save(str(tmp_path / "x.nii.gz"), selected=True)[:1]
    assert len(Path(long).name.encode()) < 255
    name = fused.name
    viewer.layers.remove(fused)
    assert Layer.create(*read_layers(long)[0]).name == name

"""Measuring a fused layer by the controls: the numbers, the table, what is exported, and Cancel."""

from __future__ import annotations

import csv
import io
import math
import threading

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Image, Labels, Layer
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QApplication, QFileDialog

from napari_textdifuse import Volume, evaluate
from napari_textdifuse.errors import Cancelled, GeometryError, InputError
from napari_textdifuse.evaluation import METRICS
from napari_textdifuse.napari_plugin.compare import choice, measure
from napari_textdifuse.napari_plugin.compare.choice import guess_sources
from napari_textdifuse.napari_plugin.compare.measure import REGION_METRICS, WHOLE
from napari_textdifuse.napari_plugin.compare.metrics_panel import MetricsPanel
from napari_textdifuse.napari_plugin.layers import KEY, to_layer

SHAPE = (3, 48, 50)


def volumes(seed: int = 0) -> tuple[Volume, Volume, Volume]:
    """Two sources and something between them, on one grid of 2 x 1 x 1 mm."""
    rng = np.random.default_rng(seed)
    affine = np.diag([-1.0, -1, 2, 1])
    z, y, x = np.indices(SHAPE)
    a = 400 + 300 * np.sin(x / 5) + 20 * rng.normal(size=SHAPE)
    b = np.where((y - 24) ** 2 + (x - 30) ** 2 < 90, 9.0, 1.0) + 0.1 * rng.random(SHAPE) + z
    fused = np.clip((a / 800 + b / 12) / 2, 0, 1).astype(np.float32)
    return (
        Volume(a.astype(np.float32), affine=affine, name="t1", modality="MR"),
        Volume(b.astype(np.float32), affine=affine, name="pet", modality="PT", unit="SUVbw"),
        Volume(fused, affine=affine, name="Fused: t1 + pet"),
    )


def two_objects() -> np.ndarray:
    labels = np.zeros(SHAPE, np.uint8)
    labels[:, 20:28, 25:35] = 1
    labels[1, 2:6, 3:9] = 7
    return labels


@pytest.fixture
def viewer() -> ViewerModel:
    model = ViewerModel()
    a, b, fused = volumes()
    for volume in (b, a):
        model.add_layer(Layer.create(*to_layer(volume)))
    data, attributes, kind = to_layer(fused)
    attributes["metadata"][KEY] |= {"record": {"inputs": {}}, "objects": {"1": "tumour"}}
    model.add_layer(Layer.create(data, attributes, kind))
    labels = Volume(two_objects(), affine=a.affine, name="objects")
    data, attributes, kind = to_layer(labels, kind="labels")
    attributes["metadata"][KEY] |= {"objects": {"1": "tumour"}}
    model.add_layer(Layer.create(data, attributes, kind))
    return model


@pytest.fixture
def panel(viewer, qtbot):
    widget = MetricsPanel(viewer)
    qtbot.addWidget(widget)
    yield widget
    widget.stop()


def run(panel: MetricsPanel, qtbot) -> None:
    assert panel.start.isEnabled(), panel.start.toolTip()
    panel.start.click()
    qtbot.waitUntil(lambda: not panel.running, timeout=120_000)


def cells(panel: MetricsPanel) -> list[tuple[str, ...]]:
    table = panel.table
    return [
        tuple(table.item(row, column).text() for column in range(3))
        for row in range(table.rowCount())
    ]


def test_the_numbers_are_those_of_evaluate():
    a, b, fused = volumes()
    seen = []
    result = measure.measure(a, b, fused, report=lambda *state: seen.append(state) or True)
    assert [row.region for row in result.rows] == [WHOLE]
    assert result.rows[0].values == evaluate(a, b, fused)
    assert result.rows[0].pixels == np.prod(SHAPE)
    assert all(counts.sum() == np.prod(SHAPE) for counts in result.histograms.values())
    assert ("Slice 2 of 3") in [words for _, _, words in seen]


def test_an_object_that_is_the_whole_slice_has_the_numbers_of_the_slice():
    a, b, fused = (volume.with_array(volume.array[1], affine=None) for volume in volumes())
    labels = Volume(np.full(SHAPE[1:], 3, np.uint8), name="labels")
    whole, region = measure.measure(a, b, fused, labels).rows
    assert region.region == "Label 3"
    assert region.pixels == whole.pixels
    assert tuple(region.values) == REGION_METRICS
    for name in REGION_METRICS:
        assert region.values[name] == pytest.approx(whole.values[name], rel=1e-12)


def test_what_is_outside_an_object_has_no_say():
    a, b, fused = volumes()
    labels = fused.with_array(two_objects(), name="labels")
    first = measure.measure(a, b, fused, labels, names={1: "tumour"}).rows[1]
    inside = two_objects() == 1
    other = fused.with_array(np.where(inside, fused.array, 0.3).astype(np.float32))
    second = measure.measure(a, b, other, labels, names={1: "tumour"}).rows[1]
    assert first == second
    assert first.region == "tumour"
    assert first.pixels == inside.sum()
    changed = fused.with_array(np.where(inside, 0.3, fused.array).astype(np.float32))
    assert measure.measure(a, b, changed, labels).rows[1].values["SD"] == 0


def test_sources_on_other_grids_are_resampled_with_their_own_window():
    a, b, fused = volumes()
    affine = b.affine.copy()
    affine[:3, 3] += (3, 2, 2)  # b without its first rows, columns and slice
    cut = b.with_array(b.array[1:, :-2, :-3], affine=affine @ np.diag([1, 1, 1, 1.0]))
    with pytest.raises(GeometryError, match="do not overlap"):
        measure.measure(a, cut.with_array(cut.array, affine=affine + np.eye(4, k=3) * 900), fused)
    result = measure.measure(a, cut, fused)
    assert math.isfinite(result.rows[0].values["VIF"])
    slice_affine = fused.affine.copy()
    slice_affine[:3, 3] = fused.affine[:3] @ (0, 0, 1, 1)
    flat = fused.with_array(fused.array[1], affine=slice_affine)
    by_slice = measure.measure(a, b, flat).rows[0].values
    # windows belong to the volumes, so the slice is measured as the volume's slice was
    windows = [measure._with_window(v) for v in (a, b)]
    single = [v.with_array(v.array[1], affine=None) for v in windows]
    assert by_slice == evaluate(*single, fused.array[1])


def test_what_cannot_be_measured_is_one_sentence():
    a, b, fused = volumes()
    with pytest.raises(InputError, match=r"the fused image .*\[0, 1\]"):
        measure.measure(a, b, fused.with_array(fused.array * 9))
    with pytest.raises(InputError, match="labels must be integers"):
        measure.measure(a, b, fused, fused)
    with pytest.raises(Cancelled):
        measure.measure(a, b, fused, report=lambda done, total, words: "Slice 2" not in words)


def test_the_fused_layer_and_its_sources_are_chosen_and_measured(panel, viewer, qtbot):
    chosen = [box.layer.name for box in (panel.fused, panel.a, panel.b)]
    assert chosen == ["Fused: t1 + pet", "t1", "pet"]
    assert not panel.copy.isEnabled()
    assert "nothing to export" in panel.copy.toolTip()
    panel.labels.layer = viewer.layers["objects"]
    run(panel, qtbot)
    rows = cells(panel)
    assert [row[:2] for row in rows] == [
        *((WHOLE, name) for name in METRICS),
        *(("tumour", name) for name in REGION_METRICS),
        *(("Label 7", name) for name in REGION_METRICS),
    ]
    values = {name: float(value) for region, name, value in rows if region == WHOLE}
    expected = evaluate(*volumes())
    assert values == pytest.approx(expected, abs=5e-4)
    assert panel.histogram.titles == ("A: t1", "B: pet", "Fused: t1 + pet")
    assert not panel.histogram.grab().isNull()

    # a click on a heading sorts by number, not by text
    panel.table.sortItems(2, Qt.SortOrder.DescendingOrder)
    shown = [float(row[2]) for row in cells(panel)]
    assert shown == sorted(shown, reverse=True)
    assert len(shown) == len(rows)
    panel.table.sortItems(1, Qt.SortOrder.AscendingOrder)
    assert [row[1] for row in cells(panel)][:4] == ["EN", "EN", "EN", "AG"]


def test_the_windows_of_the_record_are_those_measured_with(panel, viewer, qtbot):
    run(panel, qtbot)
    before = {row[1]: row[2] for row in cells(panel)}
    known = viewer.layers["Fused: t1 + pet"].metadata[KEY]
    known["record"] = {
        "inputs": {
            "a": {"window": [300.0, 500.0], "unit": "a.u."},
            "b": {"window": [0.0, 99.0], "unit": "Bq/mL"},  # of another unit: not this layer's
        }
    }
    run(panel, qtbot)
    after = {row[1]: float(row[2]) for row in cells(panel)}
    a, b, fused = volumes()
    expected = evaluate(a.with_array(a.array, window=(300.0, 500.0)), b, fused)
    assert after == pytest.approx(expected, abs=5e-4)
    assert float(before["SSIM"]) != pytest.approx(after["SSIM"], abs=1e-2)


def test_export_to_the_clipboard_and_to_a_file(panel, viewer, qtbot, tmp_path, monkeypatch):
    panel.labels.layer = viewer.layers["objects"]
    run(panel, qtbot)
    panel.copy.click()
    lines = [line.split("\t") for line in QApplication.clipboard().text().splitlines()]
    assert lines[0] == ["region", "pixels", *METRICS]
    assert [line[0] for line in lines[1:]] == [WHOLE, "tumour", "Label 7"]

    path = tmp_path / "numbers"
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(path), ""))
    panel.save.click()
    assert [p.name for p in tmp_path.iterdir()] == ["numbers.csv"]
    rows = list(csv.DictReader(io.StringIO(path.with_suffix(".csv").read_text("utf-8"))))
    assert float(rows[0]["Qabf"]) == pytest.approx(panel.measurement.rows[0].values["Qabf"], 1e-5)
    assert rows[1]["Qabf"] == ""
    assert rows[2]["pixels"] == str((two_objects() == 7).sum())


def test_a_file_that_cannot_be_written(panel, qtbot, tmp_path, monkeypatch, notifications):
    run(panel, qtbot)
    path = tmp_path / "nowhere" / "numbers.csv"
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(path), ""))
    panel.save.click()
    assert len(notifications) == 1
    assert "does not exist" in notifications[0]


def test_disabled_controls_say_why(viewer, panel):
    panel.b.layer = None
    assert not panel.start.isEnabled()
    assert panel.start.toolTip() == panel.hint.text() == "Choose image B to measure."
    panel.b.layer = panel.a.layer
    assert panel.hint.text() == "Choose three different images."
    assert "Nothing is being measured" in panel.cancel.toolTip()
    viewer.layers.clear()
    panel.refresh()
    assert panel.hint.text() == "Open two images and their fusion to measure."


@pytest.fixture
def held(monkeypatch):
    """A measurement that goes on until it is stopped."""
    started, stopped = threading.Event(), threading.Event()

    def forever(*_, report, **__):
        started.set()
        try:
            while report(1, 4, "Slice 2 of 4"):
                threading.Event().wait(0.005)
            raise Cancelled("The measurement was cancelled.")
        finally:
            stopped.set()

    monkeypatch.setattr(measure, "measure", forever)
    yield started, stopped
    if started.is_set():
        assert stopped.wait(120)


def test_cancel(panel, held, qtbot, notifications):
    panel.start.click()
    qtbot.waitUntil(lambda: panel.hint.text() == "Slice 2 of 4", timeout=120_000)
    assert panel.progress.value() == 250
    assert not panel.start.isEnabled()
    panel.cancel.click()
    assert panel.hint.text() == "Cancelling..."
    qtbot.waitUntil(lambda: not panel.running, timeout=120_000)
    assert panel.start.isEnabled()
    assert panel.measurement is None
    assert notifications == []


def test_layers_deleted_and_the_panel_closed_while_measuring(panel, viewer, held, qtbot):
    started, stopped = held
    panel.start.click()
    qtbot.waitUntil(started.is_set, timeout=120_000)
    viewer.layers.clear()
    panel.refresh()
    assert panel.running
    panel.stop()
    assert stopped.wait(120)
    qtbot.wait(20)


def test_errors_are_one_sentence(panel, viewer, qtbot, notifications):
    viewer.layers["Fused: t1 + pet"].data = viewer.layers["Fused: t1 + pet"].data * 9
    run(panel, qtbot)
    assert len(notifications) == 1
    assert "are not in [0, 1]" in notifications[0]
    assert panel.measurement is None


def test_a_time_series_is_measured_at_the_point_displayed(viewer):
    a = volumes()[0]
    series = Image(np.stack([a.array, a.array]), name="series", scale=(2.5, 1, 1, 1))
    viewer.add_layer(series)
    viewer.dims.set_point(0, 2.5)
    assert choice.shown_time(viewer, series) == 1
    assert choice.shown_time(viewer, viewer.layers["t1"]) == 0


def named(*names: str) -> list[Image]:
    return [Image(np.zeros((2, 2)), name=name) for name in names]


def test_sources_by_metadata_by_name_and_by_facts():
    a, b, other = named("a + b", "c", "d")
    fused = Image(np.zeros((2, 2)), name="renamed", metadata={KEY: {"record": {}}})
    layers = [other, a, fused, b, Labels(np.zeros((2, 2), int), name="c2")]
    assert guess_sources(fused, layers) == (None, None)
    fused.name = "Fused: a + b + c [1]"
    assert guess_sources(fused, layers) == (a, b)
    fused.metadata[KEY]["sources"] = {"a": "d", "b": "c"}
    assert guess_sources(fused, layers) == (other, b)
    fused.metadata[KEY]["sources"] = ["gone", "c"]
    assert guess_sources(fused, layers) == (a, b)

    fused.name = "renamed"
    fused.metadata[KEY] = {"record": {"inputs": {"a": {"shape": [2, 2], "modality": "MR"}}}}
    assert guess_sources(fused, layers) == (None, None)
    b.metadata[KEY] = {"modality": "MR"}
    assert guess_sources(fused, layers) == (b, None)
    other.metadata[KEY] = {"modality": "MR"}
    assert guess_sources(fused, layers) == (None, None)  # two fit: no guess


def test_a_series_is_known_by_its_time_point():
    series = Image(np.zeros((3, 2, 2, 2)), name="pet")
    t1 = Image(np.zeros((2, 2, 2)), name="t1")
    fused = Image(np.zeros((2, 2, 2)), name="Fused: t1 + pet (time point 2)")
    assert guess_sources(fused, [t1, series, fused]) == (t1, series)

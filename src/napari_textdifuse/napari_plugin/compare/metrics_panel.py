"""Controls of the measurement."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari.layers import Labels
from napari.utils.notifications import show_error, show_info
from qtpy.QtWidgets import (
    QApplication,
    QComboBox,
    QFileDialog,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QProgressBar,
    QPushButton,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from ...errors import TextDiFuseError, name_of
from ...spatial.layers import read_layer
from ..layers import KEY
from ..task import Report, Task, message_of
from .choice import guess_sources, images_of, is_fused, recorded_window, shown_time
from .histogram import Histogram
from .table import MetricsTable

if TYPE_CHECKING:
    from ...volume import Volume
    from .measure import Measurement


class LayerBox(QComboBox):  # type: ignore[misc]
    """A choice of one layer, or none.

    Parameters
    ----------
    empty : str
        What to show for no layer.
    tip : str
    """

    def __init__(self, empty: str, tip: str) -> None:
        super().__init__()
        self._empty = empty
        self.setToolTip(tip)
        # long names are cut here rather than widening the panel
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.setMinimumWidth(120)

    @property
    def layer(self) -> Any:
        """The chosen layer, or None."""
        return self.currentData()

    @layer.setter
    def layer(self, layer: Any) -> None:
        rows = (row for row in range(self.count()) if self.itemData(row) is layer)
        self.setCurrentIndex(next(rows, 0))

    def offer(self, layers: Iterable[Any]) -> None:
        """List layers; the chosen one stays chosen while it is among them."""
        before = self.layer
        changed = self.blockSignals(True)
        self.clear()
        self.addItem(self._empty, None)
        for layer in layers:
            self.addItem(layer.name, layer)
        self.layer = before
        self.blockSignals(changed)
        if self.layer is not before:
            self.currentIndexChanged.emit(self.currentIndex())


class MetricsPanel(QWidget):  # type: ignore[misc]
    """Measure a fused image against its sources, as a whole and per object.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
    """

    def __init__(self, viewer: Any) -> None:
        super().__init__()
        self._viewer = viewer
        self._task: Task | None = None
        self.measurement: Measurement | None = None

        self.fused = LayerBox("Choose the fused image", "The image to measure.")
        self.a = LayerBox("Choose image A", "First source; guessed from the fused layer.")
        self.b = LayerBox("Choose image B", "Second source; guessed from the fused layer.")
        self.labels = LayerBox(
            "None: the whole image only", "Measure every object of a Labels layer as well."
        )
        form = QFormLayout()
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        for name, box in (
            ("Fused", self.fused),
            ("Image A", self.a),
            ("Image B", self.b),
            ("Objects", self.labels),
        ):
            form.addRow(name, box)
        self.start, self.cancel = QPushButton("Measure"), QPushButton("Cancel")
        self.progress = QProgressBar()
        self.progress.setRange(0, 1000)
        self.progress.setTextVisible(False)
        self.hint = QLabel()
        self.hint.setWordWrap(True)
        self.table = MetricsTable()
        self.copy, self.save = QPushButton("Copy"), QPushButton("Save CSV...")
        self.histogram = Histogram()

        layout = QVBoxLayout(self)
        layout.addLayout(form)
        layout.addLayout(_row(self.start, self.cancel))
        layout.addWidget(self.progress)
        layout.addWidget(self.hint)
        layout.addWidget(self.table, stretch=1)
        layout.addLayout(_row(self.copy, self.save))
        layout.addWidget(self.histogram)

        self.fused.currentIndexChanged.connect(self._guess)
        for box in (self.a, self.b, self.labels):
            box.currentIndexChanged.connect(self._update)
        self.start.clicked.connect(self._start)
        self.cancel.clicked.connect(self._cancel)
        self.copy.clicked.connect(self._copy)
        self.save.clicked.connect(self._save)
        self.refresh()

    @property
    def running(self) -> bool:
        """Whether a measurement is running."""
        return self._task is not None

    def refresh(self) -> None:
        """Update the list of layers; the newest fused image is chosen first."""
        layers = list(self._viewer.layers)
        images = images_of(layers)
        for box in (self.fused, self.a, self.b):
            box.offer(images)
        self.labels.offer([layer for layer in layers if isinstance(layer, Labels)])
        if self.fused.layer is None:
            self.fused.layer = next((v for v in reversed(images) if is_fused(v)), None)
        elif self.a.layer is None and self.b.layer is None:
            self._guess()
        self._update()

    def stop(self) -> None:
        """Stop a measurement whose result is no longer needed."""
        task, self._task = self._task, None
        if task is not None:
            task.abandon()

    def _guess(self) -> None:
        if self.fused.layer is not None:
            sources = guess_sources(self.fused.layer, self._viewer.layers)
            for box, layer in zip((self.a, self.b), sources, strict=True):
                box.layer = layer
        self._update()

    def _hindrance(self) -> str:
        """Why nothing can be measured; empty if it is possible."""
        chosen = [box.layer for box in (self.fused, self.a, self.b)]
        if not images_of(self._viewer.layers):
            return "Open two images and their fusion to measure."
        if None in chosen:
            missing = ("the fused image", "image A", "image B")[chosen.index(None)]
            return f"Choose {missing} to measure."
        if len({id(layer) for layer in chosen}) < 3:
            return "Choose three different images."
        return ""

    def _update(self) -> None:
        """Enable the possible controls, and give the reason for the others."""
        why = "A measurement is running." if self.running else self._hindrance()
        self.start.setEnabled(not why)
        self.start.setToolTip(why or "Metrics of image fusion, slice by slice for volumes.")
        self.cancel.setEnabled(self.running)
        self.cancel.setToolTip("" if self.running else "Nothing is being measured.")
        for button in (self.copy, self.save):
            button.setEnabled(self.measurement is not None)
        nothing = "" if self.measurement is not None else "There is nothing to export yet."
        self.copy.setToolTip(nothing or "Copy to the clipboard, for a spreadsheet.")
        self.save.setToolTip(nothing or "One line per region, one column per metric.")
        if not self.running:
            self.hint.setText(why)
        self.hint.setVisible(bool(self.hint.text()))

    def _start(self) -> None:
        """Copy the required data of the layers, then measure in a worker thread."""
        from ...inputs import share_world
        from .measure import measure

        fused, labels = self.fused.layer, self.labels.layer
        if self.running or self._hindrance():
            return
        try:
            a, b, f = (self._volume(box.layer) for box in (self.a, self.b, self.fused))
            regions = None if labels is None else self._volume(labels)
        except TextDiFuseError as error:
            show_error(str(error))
            return
        a, b = share_world(a, b)
        f, a = share_world(f, a)
        guessed = guess_sources(fused, self._viewer.layers) == (self.a.layer, self.b.layer)
        names = {} if labels is None else dict(labels.metadata.get(KEY, {}).get("objects", {}))

        def source(volume: Volume, role: str) -> Volume:
            window = recorded_window(fused, role, volume.unit) if guessed else None
            return (volume if window is None else replace(volume, window=window)).loaded()

        def job(report: Report) -> Measurement:
            return measure(
                source(a, "a"),
                source(b, "b"),
                f.loaded(),
                None if regions is None else regions.loaded(),
                names={int(label): str(name) for label, name in names.items()},
                report=report,
            )

        self._task = task = Task(job, "measuring a fused image", self)
        task.progressed.connect(self._show_progress)
        task.finished.connect(self._finish)
        self._update()
        task.start()

    def _volume(self, layer: Any) -> Volume:
        return read_layer(layer, layer.name, shown_time(self._viewer, layer))

    def _cancel(self) -> None:
        if self._task is not None:
            self.cancel.setEnabled(False)
            self.hint.setText("Cancelling...")
            self._task.cancel()

    def _show_progress(self, share: int, words: str) -> None:
        if self._task is not None and self.cancel.isEnabled():
            self.progress.setValue(share)
            self.hint.setText(words)
            self.hint.show()

    def _finish(self, outcome: Any) -> None:
        self._task = None
        self.progress.setValue(0)
        self._update()
        if isinstance(outcome, Exception):
            if message := message_of(outcome, "The measurement"):
                show_error(message)
            return
        self.measurement = outcome
        self.table.show_rows(outcome)
        self.histogram.show_counts(outcome.histograms)
        self._update()

    def _copy(self) -> None:
        if self.measurement is not None:
            QApplication.clipboard().setText(self.measurement.table("\t"))

    def _save(self) -> None:
        """Ask for a file and write it."""
        from ...io._files import write_bytes

        if self.measurement is None:
            return
        name, _ = QFileDialog.getSaveFileName(self, "Save metrics", "metrics.csv", "CSV (*.csv)")
        if not name:
            return
        path = Path(name) if Path(name).suffix else Path(f"{name}.csv")
        try:
            write_bytes(path, self.measurement.table().encode())
        except TextDiFuseError as error:
            show_error(str(error))
            return
        show_info(f"Metrics saved to {name_of(path)}.")


def _row(*parts: QWidget) -> QHBoxLayout:
    row = QHBoxLayout()
    for part in parts:
        row.addWidget(part)
    return row

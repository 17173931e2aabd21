"""What is known about an image and its source, with a dialog to correct it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QComboBox,
    QDialog,
    QDialogButtonBox,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QSizePolicy,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from ...errors import TextDiFuseError
from ...io.channels import without_equal_channels
from ...meaning import UNITS, state
from ...names import CONTRASTS
from ...spatial.layers import read_layer
from ...volume import MODALITIES, MODALITY_NAMES, Volume
from ..layers import KEY
from .outcome import in_panel_words
from .values import unit_words

#: Units as the dialog names them.
_TITLES = {"SUVbw": "SUV (by body weight)", "a.u.": "no unit"}
KEEP = "as it is"


class FactsLine(QWidget):  # type: ignore[misc]
    """One line below the choice of an image, and a button to correct it.

    Parameters
    ----------
    changed : callable
        Called once the user stated something.
    """

    def __init__(self, changed: Callable[[], None]) -> None:
        super().__init__()
        self._changed = changed
        self._layer: Any | None = None
        self._label = QLabel()
        self._label.setTextFormat(Qt.TextFormat.PlainText)
        self.edit = QToolButton()
        self.edit.setText("State...")
        self.edit.setToolTip("State modality, contrast or unit if they are missing or wrong.")
        self.edit.clicked.connect(self.ask)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(6, 0, 0, 0)
        layout.addWidget(self._label, 1)
        layout.addWidget(self.edit)
        self._label.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.follow(None)

    @property
    def text(self) -> str:
        """The line."""
        return str(self._label.text())

    @property
    def details(self) -> str:
        """Every fact with its source."""
        return str(self._label.toolTip())

    def follow(self, layer: Any | None) -> None:
        """Show the facts of a layer."""
        self._layer = layer
        self.edit.setEnabled(layer is not None)
        volume = None if layer is None else volume_of(layer)
        if volume is None:
            self._label.setText("")
            self._label.setToolTip("")
            return
        self._label.setText(short_facts(volume))
        self._label.setToolTip(
            "\n".join(f"{name}: {fact}" for name, fact in long_facts(volume).items())
        )

    def ask(self) -> None:
        """Open the dialog."""
        layer = self._layer
        if layer is None:
            return
        dialog = FactsDialog(self, layer)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.accepted.connect(self._stated)
        dialog.open()

    def _stated(self) -> None:
        self.follow(self._layer)
        self._changed()


class FactsDialog(QDialog):  # type: ignore[misc]
    """Three choices; untouched ones change nothing.

    Parameters
    ----------
    parent : QWidget
    layer : napari.layers.Image
        Receives the stated facts in its metadata.
    """

    def __init__(self, parent: QWidget, layer: Any) -> None:
        super().__init__(parent)
        self._layer = layer
        self.setWindowTitle(f"What {layer.name} is")
        volume = volume_of(layer)
        facts = {} if volume is None else long_facts(volume)
        form = QFormLayout()
        self.boxes: dict[str, QComboBox] = {}
        choices = {"modality": MODALITIES, "contrast": CONTRASTS, "unit": UNITS}
        for name, values in choices.items():
            box = self.boxes[name] = QComboBox()
            box.addItem(KEEP, None)
            for value in values:
                box.addItem(_TITLES.get(value, MODALITY_NAMES.get(value, value)), value)
            box.setToolTip(facts.get(name, "unknown"))
            form.addRow(f"{name.capitalize()} ({facts.get(name, 'unknown')})", box)
        self.boxes["contrast"].setToolTip("How an MR image is weighted.")
        self.boxes["unit"].setToolTip("The unit of the values; nothing is converted.")
        self.problem = QLabel()
        self.problem.setWordWrap(True)
        self.problem.setStyleSheet("color: #e0483e")
        buttons = QDialogButtonBox(
            QDialogButtonBox.StandardButton.Ok | QDialogButtonBox.StandardButton.Cancel
        )
        buttons.accepted.connect(self.accept)
        buttons.rejected.connect(self.reject)
        layout = QVBoxLayout(self)
        layout.addLayout(form)
        layout.addWidget(self.problem)
        layout.addWidget(buttons)

    def accept(self) -> None:
        """Write the stated facts into the layer; report a contradiction and write nothing."""
        stated = {name: box.currentData() for name, box in self.boxes.items()}
        try:
            state_facts(self._layer, **stated)
        except TextDiFuseError as error:
            self.problem.setText(str(error))
            return
        super().accept()


def volume_of(layer: Any) -> Volume | None:
    """Return a layer as a volume, lazily; None if it is none (such as several channels)."""
    try:
        volume = read_layer(layer, "the image", 0 if layer.ndim == 4 else None)
        return without_equal_channels(volume)
    except TextDiFuseError:
        return None


def short_facts(volume: Volume) -> str:
    """Say what an image is in a few words, and how its modality is known."""
    facts = volume.facts
    modality = facts["modality"]
    if modality.value is None:
        return "Modality unknown: state it to use prompts"
    words = [MODALITY_NAMES.get(modality.value, modality.value)]
    if facts["contrast"].value:
        words.append(facts["contrast"].value)
    unit = facts["unit"].value
    words.append("no unit" if unit in (None, "a.u.") else unit_words(unit))
    read = modality.source in ("file", "sidecar")
    how = "" if read else str(modality).removeprefix(modality.value)
    return ", ".join(words) + how


def long_facts(volume: Volume) -> dict[str, str]:
    """Return every known fact with its source, in words."""
    return {
        name: in_panel_words(str(fact))
        for name, fact in volume.facts.items()
        if fact.value or name in ("modality", "contrast", "unit")
    }


def state_facts(
    layer: Any,
    modality: str | None = None,
    contrast: str | None = None,
    unit: str | None = None,
) -> None:
    """Write the user's statements into a layer's metadata; they override what was read.

    Parameters
    ----------
    layer : napari.layers.Image
    modality, contrast, unit : str, optional
        See `meaning.state`.

    Raises
    ------
    InputError
        If they contradict each other.
    """
    volume = volume_of(layer)
    if volume is None or not any((modality, contrast, unit)):
        return
    stated = state(volume, modality=modality, contrast=contrast, unit=unit)
    known = dict(layer.metadata.get(KEY, {}))
    known |= {
        "modality": stated.modality,
        "contrast": stated.contrast,
        "unit": stated.unit,
        "sources": dict(stated.sources),
        "notes": list(stated.metadata.get("notes", ())),
    }
    layer.metadata = {**layer.metadata, KEY: known}

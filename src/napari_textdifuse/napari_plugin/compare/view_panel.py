"""Controls of the comparison modes."""

from __future__ import annotations

from typing import Any

from napari.layers import Image
from qtpy.QtCore import Qt
from qtpy.QtGui import QHideEvent
from qtpy.QtWidgets import (
    QButtonGroup,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QListWidget,
    QListWidgetItem,
    QPushButton,
    QSlider,
    QVBoxLayout,
    QWidget,
)

from .choice import guess_sources, images_of, is_fused
from .composed import CheckerboardMode, CurtainMode
from .mode import Mode
from .switched import BlendMode, FlickerMode, SideBySideMode

_STEPS = 200  # of the slider
_LAYER = Qt.ItemDataRole.UserRole

#: All modes, in the order of their buttons.
MODES: tuple[type[Mode], ...] = (
    CurtainMode,
    CheckerboardMode,
    FlickerMode,
    BlendMode,
    SideBySideMode,
)


class ViewPanel(QWidget):  # type: ignore[misc]
    """Choose images and a mode to compare them.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
    """

    def __init__(self, viewer: Any) -> None:
        super().__init__()
        self._viewer = viewer
        self._mode: Mode | None = None
        self._values = {mode: mode.setting[3] for mode in MODES if mode.setting is not None}
        self._chosen_by_user = False

        self.images = QListWidget()
        self.images.setToolTip("Check two or more image layers; the order is the viewer's.")
        self.images.setMaximumHeight(150)
        self.off = QPushButton("Off")
        self.buttons: dict[type[Mode], QPushButton] = {m: QPushButton(m.name) for m in MODES}
        self._group = QButtonGroup(self)
        grid = QGridLayout()
        for place, button in enumerate((self.off, *self.buttons.values())):
            button.setCheckable(True)
            self._group.addButton(button)
            grid.addWidget(button, place // 2, place % 2)
        self.off.setChecked(True)
        self.off.setToolTip("Restore everything.")

        self.setting = QLabel()
        self.slider = QSlider(Qt.Orientation.Horizontal)
        self.slider.setRange(0, _STEPS)
        self.value = QLabel()
        self.value.setMinimumWidth(70)
        self.value.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        row = QHBoxLayout()
        for part in (self.setting, self.slider, self.value):
            row.addWidget(part)
        self.hint = QLabel()
        self.hint.setWordWrap(True)
        self.hint.setTextFormat(Qt.TextFormat.PlainText)  # names of layers are not markup

        layout = QVBoxLayout(self)
        layout.addWidget(QLabel("Images"))
        layout.addWidget(self.images)
        layout.addLayout(grid)
        layout.addLayout(row)
        layout.addWidget(self.hint)
        layout.addStretch()

        self.images.itemChanged.connect(self._checked)
        self._group.buttonClicked.connect(self._clicked)
        self.slider.valueChanged.connect(self._slid)
        viewer.layers.events.removed.connect(self._removed)
        viewer.dims.events.ndisplay.connect(self._display_changed)
        self.refresh()

    @property
    def mode(self) -> type[Mode] | None:
        """The active mode."""
        return None if self._mode is None else type(self._mode)

    @property
    def chosen(self) -> list[Image]:
        """The image layers that are checked, in the viewer's order."""
        items = (self.images.item(row) for row in range(self.images.count()))
        return [i.data(_LAYER) for i in items if i.checkState() == Qt.CheckState.Checked]

    def refresh(self) -> None:
        """Update the list of images; checked ones stay checked."""
        there = images_of(self._viewer.layers)
        chosen = [layer for layer in self.chosen if layer in there]
        if not self._chosen_by_user and self._mode is None:
            chosen = _suggested(there)
        self.images.blockSignals(True)
        self.images.clear()
        for layer in there:
            item = QListWidgetItem(layer.name)
            item.setData(_LAYER, layer)
            item.setToolTip(layer.name)
            item.setFlags(Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsUserCheckable)
            item.setCheckState(
                Qt.CheckState.Checked if layer in chosen else Qt.CheckState.Unchecked
            )
            self.images.addItem(item)
        self.images.blockSignals(False)
        self._update()

    def start(self, mode: type[Mode] | None) -> None:
        """Switch to a mode; None restores everything.

        Parameters
        ----------
        mode : type of Mode, or None
            Ignored if the chosen layers or the viewer do not allow it.
        """
        old, self._mode = self._mode, None  # first, as its end removes a layer
        if old is not None:
            old.stop()
        if mode is not None and not self._hindrance(mode):
            new = mode(self._viewer, self.chosen, self.hint.setText)
            self._mode = new
            new.moved = self._dragged
            new.start(self._values.get(mode, 0.0))
        self._update()

    def stop(self) -> None:
        """Restore everything."""
        self.start(None)

    def end(self) -> None:
        """Restore everything, and disconnect from the viewer."""
        self._viewer.layers.events.removed.disconnect(self._removed)
        self._viewer.dims.events.ndisplay.disconnect(self._display_changed)
        old, self._mode = self._mode, None
        if old is not None:
            old.stop()

    def hideEvent(self, event: QHideEvent) -> None:
        """Stop flickering when the panel is hidden (not when the window is minimised)."""
        if isinstance(self._mode, FlickerMode) and not event.spontaneous():
            self.stop()
        super().hideEvent(event)

    def _clicked(self, button: QPushButton) -> None:
        self.start(next((mode for mode, b in self.buttons.items() if b is button), None))

    def _checked(self) -> None:
        self._chosen_by_user = True
        self.start(self.mode)

    def _slid(self, position: int) -> None:
        if self._mode is None or self._mode.setting is None:
            return
        _, low, high, _, _ = self._mode.setting
        value = low + (high - low) * position / _STEPS
        self._values[type(self._mode)] = value
        self._mode.set_value(value)
        self._show_value()

    def _dragged(self, value: float) -> None:
        """Let the slider follow the line dragged in the image."""
        if self._mode is not None:
            self._values[type(self._mode)] = value
            self._show_setting()

    def _removed(self, event: Any) -> None:
        if self._mode is not None and self._mode.uses(event.value):
            self.stop()
        self.refresh()

    def _display_changed(self) -> None:
        if self._mode is not None and self._hindrance(type(self._mode)):
            self.stop()
        self._update()

    def _hindrance(self, mode: type[Mode]) -> str:
        """Why a mode is not possible now; empty if it is."""
        if len(self.chosen) < 2:
            return "Check two or more images above."
        if mode.flat and self._viewer.dims.ndisplay == 3:
            return f"{mode.name} needs the 2D view: switch the viewer from 3D to 2D."
        return ""

    def _update(self) -> None:
        """Enable the possible controls, and give the reason for the others."""
        hindrances = {mode: self._hindrance(mode) for mode in MODES}
        for mode, button in self.buttons.items():
            button.setEnabled(not hindrances[mode])
            button.setToolTip(hindrances[mode] or mode.explanation)
        on = self.off if self._mode is None else self.buttons[type(self._mode)]
        on.setChecked(True)
        if self._mode is None:
            self.hint.setText(next(filter(None, hindrances.values()), ""))
        setting = None if self._mode is None else self._mode.setting
        for part in (self.setting, self.slider, self.value):
            part.setVisible(setting is not None)
        self.setting.setText(setting[0] if setting else "")
        self._show_setting()

    def _show_setting(self) -> None:
        setting = None if self._mode is None else self._mode.setting
        if self._mode is not None and setting is not None:
            _, low, high, _, _ = setting
            share = (self._values[type(self._mode)] - low) / (high - low)
            self.slider.blockSignals(True)
            self.slider.setValue(round(share * _STEPS))
            self.slider.blockSignals(False)
        self._show_value()

    def _show_value(self) -> None:
        setting = None if self._mode is None else self._mode.setting
        if self._mode is None or setting is None:
            self.value.setText("")
            return
        _, low, high, _, unit = setting
        value = self._values[type(self._mode)]
        text = f"{value:.1f}" if high - low < 10 else f"{value:.0f}"
        self.value.setText(f"{text} {unit}".strip())


def _suggested(images: list[Image]) -> list[Image]:
    """Suggest the newest fused image and its sources, or the first two images."""
    fused = next((layer for layer in reversed(images) if is_fused(layer)), None)
    if fused is not None:
        sources = [layer for layer in guess_sources(fused, images) if layer is not None]
        if sources:
            return [*sources, fused]
    return images[:2]

"""The display window of one input: as shown, automatic, a preset of its unit, or two numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
from magicgui.widgets import ComboBox, Container, FloatSpinBox
from napari.utils.colormaps import AVAILABLE_COLORMAPS

from ...intensity import PRESETS, presets
from ...volume import FUNCTIONAL
from ..docking import take_typed, wait_for_numbers
from ..layers import KEY
from .values import unit_words

AUTOMATIC, AS_SHOWN, OWN = "automatic", "as shown", "own"
CHOICE_TIP = (
    "automatic: the file's window, else one for the unit, else percentiles (see the record of the "
    "result). as shown: the layer's contrast limits and colour map; the default once you "
    "have changed them. own: the two numbers."
)
#: In ``metadata["textdifuse"]``: the contrast limits that the layer was opened with.
OPENED_WITH = "shown"
#: Largest number that can be entered; it fits into float32.
LARGEST = 3e38


class WindowBox(Container):  # type: ignore[type-arg]
    """Choose the range of values from black to white.

    Parameters
    ----------
    role : str
        "A" or "B".
    """

    def __init__(self, role: str) -> None:
        self.role = role
        self.choice = ComboBox(
            choices=(AUTOMATIC, AS_SHOWN, OWN),
            tooltip=CHOICE_TIP,
        )
        limits: dict[str, Any] = {"min": -LARGEST, "max": LARGEST, "step": 1.0, "enabled": False}
        self.low, self.high = FloatSpinBox(value=0, **limits), FloatSpinBox(value=1, **limits)
        self._numbers: Container[Any] = Container(
            widgets=[self.low, self.high], layout="horizontal", labels=False
        )
        self._numbers.margins = (0, 0, 0, 0)
        super().__init__(
            widgets=[self.choice, self._numbers], labels=False, label=f"Range {role} (SUV)"
        )
        self.margins = (0, 0, 0, 0)
        wait_for_numbers(self.low, self.high)  # half a number must not move the other end
        self._layer: Any | None = None
        self.choice.changed.connect(self._show_choice)
        self.low.changed.connect(self._push_high)
        self.high.changed.connect(self._push_low)

    def _push_high(self, low: float) -> None:
        if self.choice.value == OWN and self.high.value <= low:
            self.high.value = low + float(self.high.step or 1)

    def _push_low(self, high: float) -> None:
        if self.choice.value == OWN and self.low.value >= high:
            self.low.value = high - float(self.low.step or 1)

    @property
    def window(self) -> str | tuple[float, float] | None:
        """What `fuse` takes; None for automatic."""
        if self.choice.value == AUTOMATIC:
            return None
        if self.choice.value == AS_SHOWN:
            if self._layer is None or self._layer.rgb:
                return None
            low, high = self._layer.contrast_limits
            return float(low), float(high)
        if self.choice.value == OWN:
            take_typed(self.low, self.high)
            return self.low.value, self.high.value
        return str(self.choice.value)

    @property
    def colours(self) -> dict[str, Any]:
        """Options ``colormap`` and ``tint`` of `fuse`, if a coloured layer is fused as shown."""
        layer = self._layer
        if self.choice.value != AS_SHOWN or layer is None or layer.rgb:
            return {}
        name = str(layer.colormap.name)
        if name in ("gray", "grey"):
            return {}
        known = name in AVAILABLE_COLORMAPS
        colormap = name if known else tuple(map(tuple, layer.colormap.colors.tolist()))
        modality = layer.metadata.get(KEY, {}).get("modality")
        tint = {} if modality in FUNCTIONAL else {"tint": self.role.lower()}
        return {"colormap": colormap} | tint

    @property
    def words(self) -> str:
        """What was chosen, for the name of a result; empty for automatic."""
        window = self.window
        if window is None or isinstance(window, str):
            return f"{self.role} {window}" if window else ""
        words = f"{self.role} {window[0]:.4g} to {window[1]:.4g}"
        colours = self.colours.get("colormap")
        return f"{words} {colours}" if isinstance(colours, str) else words

    @property
    def state(self) -> tuple[str, float, float]:
        """The choice and its numbers."""
        return str(self.choice.value), self.low.value, self.high.value

    @state.setter
    def state(self, state: tuple[str, float, float]) -> None:
        choice, low, high = state
        self.choice.value = choice if choice in self.choice.choices else AUTOMATIC
        if choice == OWN:
            self._fill(low, high)

    def follow(self, layer: Any | None) -> None:
        """Offer the presets of a layer's unit; a choice that is still valid is kept."""
        unit = "a.u." if layer is None else layer.metadata.get(KEY, {}).get("unit", "a.u.")
        self.label = f"Range {self.role}" + (f" ({unit_words(unit)})" if unit != "a.u." else "")
        tip = "The values have no physical unit. " if unit == "a.u." else ""
        self.choice.tooltip = tip + CHOICE_TIP
        before = self.choice.value
        self.choice.choices = (AUTOMATIC, AS_SHOWN, *presets(unit), OWN)
        self.choice.value = before if before in self.choice.choices else AUTOMATIC
        if layer is not self._layer:
            self._watch(layer)
            if self.choice.value in (AUTOMATIC, AS_SHOWN):
                self.choice.value = AS_SHOWN if _was_changed(layer) else AUTOMATIC
        if layer is not None and self.choice.value != OWN:
            self._fill(*layer.contrast_limits)
        self._show_choice()

    def forget(self) -> None:
        """Disconnect from the layer."""
        self._watch(None)

    def _watch(self, layer: Any | None) -> None:
        for known, connect in ((self._layer, False), (layer, True)):
            if known is not None:
                for event in (known.events.contrast_limits, known.events.colormap):
                    (event.connect if connect else event.disconnect)(self._display_changed)
        self._layer = layer

    def _display_changed(self, _: Any = None) -> None:
        if self.choice.value == AUTOMATIC and _was_changed(self._layer):
            self.choice.value = AS_SHOWN
        if self.choice.value == AS_SHOWN and self._layer is not None:
            self._fill(*self._layer.contrast_limits)

    def _show_choice(self, *_: Any) -> None:
        preset = PRESETS.get(str(self.choice.value))
        if preset is not None:
            self._fill(preset.low, preset.high)
        for number in (self.low, self.high):
            number.enabled = self.choice.value == OWN
            number.tooltip = "" if number.enabled else "Choose 'own' to change the numbers."
        self._numbers.visible = self.choice.value != AUTOMATIC
        if self.choice.value == AS_SHOWN and self._layer is not None:
            self._fill(*self._layer.contrast_limits)

    def _fill(self, low: float, high: float) -> None:
        step = 10.0 ** max(-4, min(2, len(str(int(abs(high - low)))) - 3))
        for number in (self.low, self.high):
            number.step = step
        # first the one that moves away, so that they do not push each other
        pair = [(self.low, low), (self.high, high)]
        for number, value in pair[:: -1 if high >= self.low.value else 1]:
            number.value = float(value)


def _was_changed(layer: Any | None) -> bool:
    """Return whether the user changed the display of a layer since it was opened."""
    if layer is None or layer.rgb:
        return False
    limits, colormap = layer.metadata.get(KEY, {}).get(OPENED_WITH, (None, "gray"))
    if limits is None:
        limits = layer.contrast_limits_range  # napari's own: the data's range
    same = np.allclose(limits, layer.contrast_limits)
    return not same or layer.colormap.name != colormap

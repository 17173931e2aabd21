"""The display window of one input: automatic, a preset of its unit, or two numbers."""

from __future__ import annotations

from typing import Any

from magicgui.widgets import ComboBox, Container, FloatSpinBox

from ...intensity import PRESETS, presets
from ..layers import KEY

AUTOMATIC, OWN = "automatic", "own"


class WindowBox(Container):  # type: ignore[type-arg]
    """Choose what of an image is shown from black to white.

    Parameters
    ----------
    role : str
        "A" or "B".
    """

    def __init__(self, role: str) -> None:
        self.role = role
        self.choice = ComboBox(
            choices=(AUTOMATIC, OWN),
            tooltip="automatic: the file's window, else one for the unit, else percentiles; the "
            "record of the result says which.",
        )
        limits: dict[str, Any] = {"min": -1e9, "max": 1e9, "step": 1.0, "enabled": False}
        self.low, self.high = FloatSpinBox(value=0, **limits), FloatSpinBox(value=1, **limits)
        super().__init__(
            widgets=[self.choice, self.low, self.high],
            layout="horizontal",
            labels=False,
            label=f"Range {role}",
        )
        self.margins = (0, 0, 0, 0)
        self.choice.changed.connect(self._show_choice)

    @property
    def window(self) -> str | tuple[float, float] | None:
        """What `fuse` takes; None for automatic."""
        if self.choice.value == AUTOMATIC:
            return None
        if self.choice.value == OWN:
            return self.low.value, self.high.value
        return str(self.choice.value)

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
        """Offer what fits a layer's unit; a choice that still fits is kept."""
        unit = "a.u." if layer is None else layer.metadata.get(KEY, {}).get("unit", "a.u.")
        self.label = f"Range {self.role} ({unit})"
        before = self.choice.value
        self.choice.choices = (AUTOMATIC, *presets(unit), OWN)
        self.choice.value = before if before in self.choice.choices else AUTOMATIC
        if layer is not None and self.choice.value != OWN:
            self._fill(*layer.contrast_limits)
        self._show_choice()

    def _show_choice(self, *_: Any) -> None:
        preset = PRESETS.get(str(self.choice.value))
        if preset is not None:
            self._fill(preset.low, preset.high)
        for number in (self.low, self.high):
            number.enabled = self.choice.value == OWN
            number.visible = self.choice.value != AUTOMATIC
            number.tooltip = "" if number.enabled else "Choose 'own' to change the numbers."

    def _fill(self, low: float, high: float) -> None:
        step = 10.0 ** max(-4, min(2, len(str(int(abs(high - low)))) - 3))
        for number, value in ((self.low, low), (self.high, high)):
            number.step = step
            number.value = float(value)

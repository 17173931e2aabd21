"""One strength per object, if there are several."""

from __future__ import annotations

from collections.abc import Mapping

from magicgui.widgets import Container, FloatSlider

from ..docking import align_labels, set_page_step

#: More objects than this share the one strength.
MOST = 12


class StrengthBox(Container):  # type: ignore[type-arg]
    """Sliders, created for the objects of each result."""

    def __init__(self) -> None:
        super().__init__(widgets=[], layout="vertical", labels=True, label="Per object")
        self.margins = (0, 0, 0, 0)
        self._sliders: dict[int, FloatSlider] = {}
        self.visible = False

    @property
    def strengths(self) -> dict[int, float] | None:
        """By label; None if one strength applies to all."""
        if not self._sliders:
            return None
        return {label: slider.value for label, slider in self._sliders.items()}

    def follow(self, names: Mapping[int, str], strength: float) -> None:
        """Create a slider for each object; sliders of the same objects keep their values.

        Parameters
        ----------
        names : mapping of int to str
            Label to name.
        strength : float
            Value of new sliders.
        """
        wanted = dict(names) if 1 < len(names) <= MOST else {}
        shown = {label: slider.name for label, slider in self._sliders.items()}
        if shown != {label: f"object_{label}_{name}" for label, name in wanted.items()}:
            self.clear()
            self._sliders = {}
            for label, name in wanted.items():
                slider = FloatSlider(
                    name=f"object_{label}_{name}",
                    label=name,
                    value=strength,
                    min=0.0,
                    max=2.0,
                    step=0.05,
                    readout=False,
                    tooltip="Strength of this object; press Update from mask.",
                )
                set_page_step(slider)
                self._sliders[label] = slider
                self.append(slider)
            align_labels(self)
        self.visible = bool(wanted)

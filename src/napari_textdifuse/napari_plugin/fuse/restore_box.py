"""How much is restored: one slider for all, one for each kind on demand."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from magicgui.widgets import Container, FloatSlider, PushButton

from ..docking import align_labels, set_page_step
from .outcome import RESTORATIONS, restoration_words

_TIPS = {
    "noise": "How far noise and blur are removed.",
    "light": "How far dark parts are brightened and contrast is increased.",
    "colour": "How far a colour cast and chroma noise are removed, in natural images.",
}
_TIP = (
    "How far noise, light and colour are corrected. 0 %: the images are fused as measured, not "
    "brightened, denoised or recoloured."
)


class RestoreBox(Container):  # type: ignore[type-arg]
    """Restoration in per cent; see `restore` of `fuse`."""

    def __init__(self) -> None:
        self._values = dict.fromkeys(RESTORATIONS, 1.0)
        self._reasons: dict[str, str] = {}
        self.all = FloatSlider(value=100, min=0, max=100, step=5, readout=False, tooltip=_TIP)
        set_page_step(self.all)
        self.each = PushButton(text="Each", tooltip="Set noise, light and colour one by one.")
        self.each.native.setCheckable(True)
        self.each.native.setMaximumWidth(64)
        row: Container[Any] = Container(
            widgets=[self.all, self.each], layout="horizontal", labels=False
        )
        self.sliders: dict[str, FloatSlider] = {}
        self._rows: Container[Any] = Container(widgets=[], layout="vertical")
        for part in (row, self._rows):
            part.margins = (0, 0, 0, 0)
        super().__init__(widgets=[row, self._rows], labels=False, label="Restoration 100 %")
        self.margins = (0, 0, 0, 0)
        self._rows.visible = False
        self.all.changed.connect(self._set_all)
        self.each.changed.connect(self._unfold)

    @property
    def value(self) -> dict[str, float]:
        """Share of each kind, 0 to 1."""
        return dict(self._values)

    @value.setter
    def value(self, value: Any) -> None:
        given = dict(value) if isinstance(value, Mapping) else dict.fromkeys(RESTORATIONS, value)
        shares = {kind: float(given.get(kind, 1.0)) for kind in RESTORATIONS}
        if not all(0 <= share <= 1 for share in shares.values()):
            raise ValueError(f"restoration must be between 0 and 1, not {value!r}.")
        self._values = shares
        self._show()

    @property
    def wanted(self) -> dict[str, float] | None:
        """The value for ``restore`` of `fuse`; None for full restoration."""
        wanted = {k: 1.0 if k in self._reasons else v for k, v in self._values.items()}
        return None if all(share == 1 for share in wanted.values()) else wanted

    @property
    def words(self) -> str:
        """What was chosen, for the name of a result; empty for full restoration."""
        return restoration_words(self.wanted)

    def follow(self, reasons: Mapping[str, str]) -> None:
        """Disable what the weights always do.

        Parameters
        ----------
        reasons : mapping of str to str
            Why a kind is always corrected, for those that are.
        """
        self._reasons = dict(reasons)
        self._show()

    def _set_all(self, percent: float) -> None:
        self._values = dict.fromkeys(RESTORATIONS, percent / 100)
        self._show()

    def _set_one(self, kind: str, percent: float) -> None:
        self._values[kind] = percent / 100
        self._show()

    def _unfold(self, *_: Any) -> None:
        on = bool(self.each.native.isChecked())
        if on and not self.sliders:  # created on demand, so the panel opens faster
            for kind in RESTORATIONS:
                slider = FloatSlider(min=0, max=100, step=5, value=100, readout=False)
                slider.changed.connect(lambda percent, kind=kind: self._set_one(kind, percent))
                set_page_step(slider)
                self.sliders[kind] = slider
                self._rows.append(slider)
            self._show()
        self._rows.visible = on

    def _show(self) -> None:
        """Update sliders and labels."""
        shown = self.wanted or dict.fromkeys(RESTORATIONS, 1.0)
        one = len(set(shown.values())) == 1
        self.label = f"Restoration {100 * shown['noise']:.0f} %" if one else "Restoration"
        fixed = {"noise", "light"} & set(self._reasons)
        self.all.enabled = not fixed
        self.all.tooltip = self._reasons[min(fixed)] if fixed else _TIP
        with self.all.changed.blocked():
            self.all.value = 100 * sum(shown.values()) / len(shown)
        for kind, slider in self.sliders.items():
            slider.label = f"{kind.capitalize()} {100 * shown[kind]:.0f} %"
            slider.enabled = kind not in self._reasons
            slider.tooltip = self._reasons.get(kind, _TIPS[kind])
            with slider.changed.blocked():
                slider.value = 100 * shown[kind]
        align_labels(self._rows)

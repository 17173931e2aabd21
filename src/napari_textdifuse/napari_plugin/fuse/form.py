"""The controls of the fusion widget; what they do is in `widget`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from magicgui.widgets import (
    CheckBox,
    ComboBox,
    Container,
    FloatSlider,
    LineEdit,
    ProgressBar,
    PushButton,
    Select,
    SpinBox,
)

from ...locate import locator_names
from ..results import EXTRAS
from .extent_box import ExtentBox
from .strength_box import StrengthBox
from .window_box import WindowBox

#: As `device.DEVICES`, whose import would load torch.
DEVICES = ("auto", "cpu", "cuda", "mps")
#: What is kept after napari is closed.
KEPT = (
    "quality",
    "strength",
    "seed",
    "samples",
    "device",
    "locator",
    "register",
    "follow",
    "extras",
    "replace",
)
NONE = "none"


class Form(Container):  # type: ignore[type-arg]
    """The form; only two images need choosing.

    Parameters
    ----------
    images, drawn : callable
        List the layers that can be chosen.
    """

    def __init__(self, images: Callable[..., list[Any]], drawn: Callable[..., list[Any]]) -> None:
        super().__init__()
        self.image_a = ComboBox(
            label="Image A",
            choices=images,
            nullable=True,
            tooltip="Usually the anatomy (MRI, CT, visible). The result lies on its grid.",
        )
        self.image_b = ComboBox(
            label="Image B",
            choices=images,
            nullable=True,
            tooltip="Usually the function (PET, SPECT) or infrared; resampled onto image A.",
        )
        self.swap = PushButton(text="Swap A and B")
        self.prompt = LineEdit(
            label="Prompt",
            tooltip="What should stand out, such as: tumour. Empty: nothing is emphasised.",
        )
        self.prompt.native.setPlaceholderText("tumour, bone, person ... or empty")
        self.drawn = ComboBox(
            label="Drawn",
            choices=drawn,
            nullable=True,
            tooltip="A Shapes, Points or Labels layer that marks what should stand out, in place "
            "of a prompt.",
        )
        self.extent = ExtentBox()
        self.quality = ComboBox(
            label="Quality",
            choices=("fast", "standard", "best"),
            value="standard",
            tooltip="1, 4 or 25 diffusion steps; each takes as long as the others.",
        )
        self.strength = FloatSlider(
            label="Strength 1.00",
            readout=False,  # napari's style leaves its digits no room; they stand in the label
            value=1.0,
            min=0.0,
            max=2.0,
            step=0.05,
            tooltip="How far the named objects are moved from their surround; 0 changes nothing.",
        )
        self.more = CheckBox(text="More settings", value=False)
        self.window_a, self.window_b = WindowBox("A"), WindowBox("B")
        self.follow = CheckBox(
            text="Follow drawings through slices",
            value=True,
            tooltip="In a volume: what was drawn in one slice is followed through its neighbours.",
        )
        self.register = ComboBox(
            label="Register",
            choices=(NONE, "rigid", "affine"),
            value=NONE,
            tooltip="Move image B onto A by mutual information; needs SimpleITK.",
        )
        self.locator = ComboBox(label="Locator", choices=locator_names(), tooltip="Reads prompts.")
        self.seed = SpinBox(
            label="Seed", value=0, min=0, max=2**31 - 1, tooltip="Same seed, same result."
        )
        self.samples = SpinBox(
            label="Samples", value=1, min=1, max=20, tooltip="Seeds; from 2 on with uncertainty."
        )
        self.device = ComboBox(
            label="Device", choices=DEVICES, tooltip="auto: a GPU if there is one."
        )
        self.extras = Select(
            label="Show also",
            choices=EXTRAS,
            value=[],
            allow_multiple=True,
            tooltip="More layers of the result, hidden at first.",
        )
        self.extras.native.setMaximumHeight(84)
        self.replace = CheckBox(text="Replace the earlier result", value=True)
        self.reset = PushButton(text="Reset settings")
        self.progress = ProgressBar(label="Progress", value=0, min=0, max=1)
        self.fuse = PushButton(text="Fuse", tooltip="For research, not for diagnosis.")
        self.cancel = PushButton(text="Cancel", enabled=False)
        self.again = PushButton(text="Update from mask", enabled=False)
        self.live = CheckBox(text="Live", value=False, enabled=False)
        self.strengths = StrengthBox()
        self.buttons = _row(self.fuse, self.cancel)
        self.correction = _row(self.again, self.live)
        self._folded: list[Any] = [
            self.window_a,
            self.window_b,
            self.follow,
            self.register,
            self.locator,
            self.seed,
            self.samples,
            self.device,
            self.extras,
            self.replace,
            self.reset,
        ]
        self.extend(
            [
                self.image_a,
                self.image_b,
                self.swap,
                self.prompt,
                self.drawn,
                self.extent,
                self.quality,
                self.strength,
                self.more,
                *self._folded,
                self.buttons,
                self.correction,
                self.strengths,
                self.progress,
            ]
        )
        self.native.setMinimumWidth(320)  # names of layers stay readable
        self._defaults = self.settings
        self.more.changed.connect(self._fold)
        self.strength.changed.connect(self._show_strength)
        self._fold()

    @property
    def settings(self) -> dict[str, Any]:
        """Values that are kept, as plain ones."""
        return {name: getattr(self, name).value for name in KEPT}

    def apply(self, values: dict[str, Any]) -> None:
        """Set what can be set of kept values."""
        for name, value in values.items():
            if name in KEPT:
                try:
                    getattr(self, name).value = value
                except (ValueError, TypeError):
                    continue  # from another version

    def restore_defaults(self) -> None:
        """Set every setting, but not the images, as it is at first."""
        self.apply(self._defaults)
        for window in (self.window_a, self.window_b):
            window.choice.value = window.choice.choices[0]

    def _fold(self, *_: Any) -> None:
        for widget in self._folded:
            widget.visible = self.more.value

    def _show_strength(self, value: float) -> None:
        self.strength.label = f"Strength {value:.2f}"


def _row(*widgets: Any) -> Container:  # type: ignore[type-arg]
    row: Container = Container(widgets=widgets, layout="horizontal", labels=False)  # type: ignore[type-arg]
    row.margins = (0, 0, 0, 0)
    return row

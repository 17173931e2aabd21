"""The controls of the fusion panel: scrolling fields above a fixed footer."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from importlib.util import find_spec
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
from qtpy.QtCore import Qt
from qtpy.QtGui import QKeySequence, QShortcut
from qtpy.QtWidgets import QComboBox

from ...locate import locator_names
from ..docking import Scroll, align_labels, set_page_step, tab_after
from ..results import EXTRAS
from .alignment import AlignmentBadge
from .availability import grey_item
from .candidates import CandidateList
from .drawing_box import DrawingBox
from .extent_box import ExtentBox
from .facts_line import FactsLine
from .message_line import MessageLine
from .restore_box import RestoreBox
from .settings import preferences
from .strength_box import StrengthBox
from .view_box import ViewBox
from .window_box import WindowBox

#: As `device.DEVICES`, whose import would load torch.
DEVICES = ("auto", "cpu", "cuda", "mps")
#: What is remembered after napari is closed.
REMEMBERED = (
    "quality",
    "strength",
    "balance",
    "seed",
    "samples",
    "device",
    "locator",
    "register",
    "follow",
    "extras",
    "replace",
    "colour_bar",
    "restoration",
)
NONE = "none"
PROMPT_TOOLTIP = (
    "What should stand out, such as: tumour. Empty: nothing is emphasised. Enter fuses."
)
#: Key and the name of the button; bound here, as napari ignores the manifest's.
KEYS = {"Control-Alt-F": "fuse", "Control-Alt-X": "cancel", "Control-Alt-U": "update_from_mask"}


class Form(Container):  # type: ignore[type-arg]
    """The form; only two images need choosing.

    Parameters
    ----------
    images, drawn : callable
        List the layers that can be chosen.
    """

    def __init__(self, images: Callable[..., list[Any]], drawn: Callable[..., list[Any]]) -> None:
        super().__init__(labels=False)
        self.image_a = ComboBox(
            label="Image A",
            choices=images,
            nullable=True,
            tooltip="Usually the anatomy (MRI, CT, visible). The result has its grid.",
        )
        self.image_b = ComboBox(
            label="Image B",
            choices=images,
            nullable=True,
            tooltip="Usually the function (PET, SPECT) or infrared; resampled onto image A.",
        )
        self.facts_a, self.facts_b = FactsLine(self.stated), FactsLine(self.stated)
        self.alignment = AlignmentBadge()
        self.candidates = CandidateList()
        self.swap = PushButton(text="Swap A and B")
        self.prompt = LineEdit(
            label="Prompt",
            tooltip=PROMPT_TOOLTIP,
        )
        self.prompt.native.setPlaceholderText("tumour, bone, person ... or empty")
        self.drawn = ComboBox(
            label="Drawn",
            choices=drawn,
            nullable=True,
            tooltip="A Shapes, Points or Labels layer that marks what should stand out, in place "
            "of a prompt.",
        )
        self.drawing = DrawingBox()
        self.extent = ExtentBox()
        self.quality = ComboBox(
            label="Quality",
            choices=("fast", "standard", "best"),
            value="standard",
            tooltip="1, 4 or 25 diffusion steps. The time is proportional to the steps.",
        )
        self.strength = FloatSlider(
            label="Strength 1.00",
            readout=False,  # napari's style leaves no room for the digits, so they are in the label
            value=1.0,
            min=0.0,
            max=2.0,
            step=0.05,
            tooltip="How far the named objects are moved from their surround; 0 changes nothing.",
        )
        self.balance = FloatSlider(
            label="Balance 0.00",
            readout=False,
            value=0.0,
            min=-1.0,
            max=1.0,
            step=0.05,
            tooltip="More of image A (left) or of image B (right). The displayed result is "
            "updated, the current slice first.",
        )
        set_page_step(self.strength, self.balance)
        self.restoration = RestoreBox()
        self.view = ViewBox()
        self.colour_bar = self.view.colour_bar
        self.more = CheckBox(text="More settings", value=False)
        self.window_a, self.window_b = WindowBox("A"), WindowBox("B")
        self.follow = CheckBox(
            text="Follow drawings through slices",
            value=True,
            tooltip="In a volume: follow what was drawn in one slice through its neighbours.",
        )
        self.register = ComboBox(
            label="Register",
            choices=(NONE, "rigid", "affine"),
            value=NONE,
            tooltip="Align image B with A by mutual information before the fusion.",
        )
        if find_spec("SimpleITK") is None:
            reason = "Registration needs SimpleITK: pip install 'napari-textdifuse[register]'."
            for row in range(1, self.register.native.count()):
                grey_item(self.register.native, row, "needs SimpleITK", reason)
        self.locator = ComboBox(
            label="Find with",
            choices=locator_names(others=False),  # those follow, see `Availability`
            tooltip="What finds the objects named in the prompt. lexicon: a list of terms, "
            "with a published rule for each. The others: detectors, whose models the Models panel "
            "downloads, an atlas or a program of your own.",
        )
        self.seed = SpinBox(
            label="Seed",
            value=0,
            min=0,
            max=2**31 - 1,
            tooltip="Starts the random numbers. The same seed gives the same result.",
        )
        self.samples = SpinBox(
            label="Samples",
            value=1,
            min=1,
            max=20,
            tooltip="How many seeds are averaged; from 2 on, the uncertainty includes "
            "their spread.",
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
        self.replace = CheckBox(
            text="Replace the same result",
            value=True,
            tooltip="A run with the same images, slices, terms and settings replaces its result. "
            "Off: every run adds a result. Other results are never replaced.",
        )
        self.reset = PushButton(text="Reset settings")
        self.strengths = StrengthBox()
        self.message = MessageLine()
        self.progress = ProgressBar(label="Progress", value=0, min=0, max=1)
        self.fuse = PushButton(text="Fuse", tooltip="For research, not for diagnosis.")
        self.cancel = PushButton(text="Cancel", enabled=False)
        self.update_from_mask = PushButton(text="Update from mask", enabled=False)
        self.live = CheckBox(
            text="Live", value=False, enabled=False, tooltip="Update after every stroke."
        )
        self.save = PushButton(
            text="Save...",
            enabled=False,
            tooltip="Save the result in a folder: its images and the record of how it was made, "
            "as the command line does.",
        )
        self._folded: list[Any] = [
            self.window_a,
            self.window_b,
            self.extent.axis,
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
        self._fields: Container[Any] = Container(
            widgets=[
                self.image_a,
                self.image_b,
                self.swap,
                self.prompt,
                self.drawn,
                self.drawing,
                self.extent,
                self.quality,
                self.strength,
                self.balance,
                self.restoration,
                self.strengths,
                self.view.fade,
                self.more,
            ]
        )
        self._more_fields: Container[Any] = Container()
        self._more_fields.margins = (0, 0, 0, 0)
        self._lay_out()
        self._defaults = self.settings
        self.more.changed.connect(self._fold)
        self.strength.changed.connect(self._show_strength)
        self.balance.changed.connect(self._show_balance)
        for box in (self.image_a, self.image_b, self.drawn):
            box.changed.connect(self._show_names)
            # a long name is cut here rather than widening the panel
            box.native.setSizeAdjustPolicy(
                QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
            )
            box.native.setMinimumContentsLength(10)
        for field in (*self._fields, *self._folded):
            field.label_changed.connect(self._align)
        self.alignment.shown.connect(self._align)
        self._fold()

    def stated(self) -> None:
        """Apply what the user just stated about an image."""

    def reset_choices(self, *_: Any) -> None:
        """Update the lists of layers."""
        self._fields.reset_choices()
        self._show_names()

    @property
    def settings(self) -> dict[str, Any]:
        """Values that are remembered, as plain ones."""
        return {name: getattr(self, name).value for name in REMEMBERED}

    def apply(self, values: dict[str, Any]) -> None:
        """Set the remembered values that are still valid."""
        for name, value in values.items():
            if name in REMEMBERED:
                try:
                    getattr(self, name).value = value
                except (ValueError, TypeError):
                    continue  # from another version
        row = self.register.native.currentIndex()
        if not self.register.native.model().item(row).isEnabled():  # chosen on another computer
            self.register.value = NONE

    def restore_defaults(self) -> None:
        """Reset every setting, but not the images."""
        self.apply(self._defaults | preferences())
        for window in (self.window_a, self.window_b):
            window.choice.value = window.choice.choices[0]

    def _lay_out(self) -> None:
        rows = self._fields.native.layout()
        for before, widget in (  # over the whole width, without a column for labels
            (self.more, self.view.native),
            (self.view.fade, self.candidates),
            (self.prompt, self.alignment),
            (self.swap, self.facts_b),
            (self.image_b, self.facts_a),
        ):
            rows.insertWidget(self._fields.index(before), widget)
        rows.addStretch(1)  # the rows stay where they are when there is more or less room
        self._area = area = Scroll(self._fields.native)
        footer: Container[Any] = Container(
            widgets=[
                _row(self.update_from_mask, self.live, self.save),
                _row(self.fuse, self.cancel),
                self.progress,
            ],
            labels=False,
        )
        footer.margins = (0, 0, 0, 0)
        self.append(footer)
        layout = self.native.layout()
        layout.insertWidget(0, area, 1)
        layout.insertWidget(1, self.message)
        self.progress.native.setTextVisible(True)
        self.progress.native.setFormat("")

    def _fold(self, *_: Any) -> None:
        """Show or hide the folded fields; they are laid out when they are first shown."""
        if not len(self._more_fields):
            if not self.more.value:
                return
            self._more_fields.extend(self._folded)
            rows = self._fields.native.layout()
            rows.insertWidget(rows.count() - 1, self._more_fields.native)
            tab_after(self.more.native, self._more_fields.native)
            self._align()
        self._more_fields.visible = self.more.value

    def _align(self, *_: Any) -> None:
        align_labels(self._fields, self._more_fields)

    def _show_strength(self, value: float) -> None:
        self.strength.label = f"Strength {value:.2f}"

    def _show_balance(self, value: float) -> None:
        self.balance.label = f"Balance {value:+.2f}" if value else "Balance 0.00"

    def _show_names(self, *_: Any) -> None:
        """Show names that the box truncates in full."""
        for box in (self.image_a, self.image_b, self.drawn):
            for k in range(box.native.count()):
                box.native.setItemData(k, box.native.itemText(k), Qt.ItemDataRole.ToolTipRole)
            view = box.native.view()
            view.setMinimumWidth(view.sizeHintForColumn(0) + 24)


def bind_keys(viewer: Any, form: Form) -> None:
    """Bind the keys while the form exists, and name them in the buttons' tooltips."""
    for key, name in KEYS.items():
        button = getattr(form, name)
        native = weakref.ref(button.native)

        def press(_: Any, native: Any = native) -> None:
            if (found := native()) is not None:
                found.click()

        viewer.bind_key(key, press, overwrite=True)
        # the viewer gets key events only while the canvas has the focus
        sequence = QKeySequence(key.replace("Control", "Ctrl").replace("-", "+"))
        shortcut = QShortcut(sequence, form.native)
        shortcut.setContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
        shortcut.activated.connect(button.native.click)
        button.tooltip = f"{button.tooltip or ''} ({key})".strip()


def unbind_keys(viewer: Any) -> None:
    """Free the keys."""
    for key in KEYS:
        viewer.bind_key(key, None, overwrite=True)


def _row(*widgets: Any) -> Container[Any]:
    row: Container[Any] = Container(widgets=widgets, layout="horizontal", labels=False)
    row.margins = (0, 0, 0, 0)
    return row

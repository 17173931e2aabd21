"""Ways of looking at a pair and its result: fade, three planes, projection of the PET."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Sequence
from typing import Any

from magicgui.widgets import CheckBox, Container, FloatSlider, PushButton
from napari.layers import Image

from ...volume import FUNCTIONAL
from ..compare.mode import Changes
from ..compare.switched import BlendMode
from ..docking import open_panel, set_page_step
from ..layers import KEY

#: Positions of the slider that show one image alone.
A, B, FUSED = 0.0, 1.0, 2.0


class ViewBox(Container):  # type: ignore[type-arg]
    """A slider from image A over image B to the fused image, and two buttons."""

    def __init__(self) -> None:
        self.fade = FloatSlider(
            label="Show fused",
            readout=False,
            value=FUSED,
            min=A,
            max=FUSED,
            step=0.05,
            tooltip="Left: image A. Middle: image B. Right: the fused image.",
        )
        set_page_step(self.fade)
        self.planes = PushButton(
            text="Three planes", tooltip="Axial, coronal and sagittal through one point, linked."
        )
        self.projection = PushButton(text="Projection")
        self.projection.native.setCheckable(True)
        self.colour_bar = CheckBox(text="Colour bar", value=True)
        for button in (self.planes, self.projection):
            button.native.setMinimumWidth(52)
        row: Container[Any] = Container(
            widgets=[self.planes, self.projection, self.colour_bar],
            layout="horizontal",
            labels=False,
        )
        row.margins = (0, 0, 0, 0)
        super().__init__(widgets=[row], labels=False, label="View")
        self.margins = (0, 0, 0, 0)


class Views:
    """The action of the controls; can restore everything.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
    box : ViewBox
    images : callable
        Returns image A, image B and the displayed fused one; None for each that is missing.
    """

    def __init__(
        self, viewer: Any, box: ViewBox, images: Callable[[], Sequence[Image | None]]
    ) -> None:
        self._viewer, self._box, self._images = viewer, box, images
        self._fade: BlendMode | None = None
        self._changes: Changes | None = None
        self._projected: weakref.ref[Image] | None = None
        self._point: tuple[float, ...] = ()
        box.fade.changed.connect(self._faded)
        box.planes.changed.connect(self.show_planes)
        box.projection.native.clicked.connect(self._clicked)
        viewer.layers.events.removed.connect(self._removed)
        viewer.dims.events.ndisplay.connect(self._display_changed)
        self.follow()

    def follow(self) -> None:
        """Enable the possible controls, and give the reason for the others."""
        box, images = self._box, list(self._images())
        pair = images[:2]
        missing = None in pair
        box.fade.enabled = not missing
        deep = next((v for v in pair if v is not None and v.ndim >= 3), None) is not None
        flat = "" if deep else "Both images are 2-D; this needs a volume."
        box.planes.enabled = deep and hasattr(self._viewer, "window")
        box.planes.tooltip = flat or "Axial, coronal and sagittal through one point, linked."
        target = None if missing else to_project(pair)
        box.projection.enabled = target is not None
        box.projection.tooltip = flat or (
            "Choose both images first."
            if target is None
            else f"Maximum-intensity projection of {target.name} alone, seen from the front; drag "
            "to turn it. Press again to go back."
        )

    def rest(self) -> None:
        """Show the result again."""
        self._box.fade.value = FUSED
        self.stop_projection()

    def end(self) -> None:
        """Restore everything, and disconnect from the viewer."""
        self._stop_fade()
        self.stop_projection()
        self._viewer.layers.events.removed.disconnect(self._removed)
        self._viewer.dims.events.ndisplay.disconnect(self._display_changed)

    def show_planes(self) -> None:
        """Open the panel with three planes, or bring it to the front."""
        from ..planes.widget import PlanesWidget

        open_panel(self._viewer, "Three planes", PlanesWidget)

    def _faded(self, value: float) -> None:
        images = [v for v in self._images() if v is not None]
        if value >= FUSED or len(images) < 2:
            self._stop_fade()
            self._say(value)
            return
        if self._fade is None:
            self._fade = BlendMode(self._viewer, images, lambda _: None)
            self._fade.start(0)
        value = min(value, len(images) - 1)
        self._fade.set_value(100 * value / (len(images) - 1))
        self._say(value)

    def _say(self, value: float) -> None:
        if value >= FUSED:
            words = "Show fused"
        elif value in (A, B):
            words = f"Show {'AB'[int(value)]}"
        else:
            share = round(100 * (value % 1))
            words = f"Show {'AB'[int(value)]} {100 - share} %"
        self._box.fade.label = words

    def _stop_fade(self) -> None:
        fade, self._fade = self._fade, None
        if fade is not None:
            fade.stop()

    def _clicked(self, on: bool) -> None:
        target = to_project(list(self._images())[:2])
        if on and target is not None:
            self._project(target)
        else:
            self.stop_projection()

    def _project(self, layer: Image) -> None:
        """Show only the highest value along each line of sight."""
        self._box.fade.value = FUSED
        self._changes, self._projected = Changes(), weakref.ref(layer)
        self._point = tuple(self._viewer.dims.point)
        change, viewer = self._changes.set, self._viewer
        camera = getattr(viewer, "scene", viewer).camera
        for name in ("zoom", "center"):
            change(camera, name, getattr(camera, name))
        for other in viewer.layers:
            change(other, "visible", other is layer)
        change(layer, "rendering", "mip")
        change(layer, "opacity", 1.0)
        change(viewer.dims, "ndisplay", 3)
        # napari's own orientation shows (x, y, z) left-handed: a patient would be mirrored
        change(camera, "orientation", ("away", *camera.orientation[1:]))
        viewer.reset_view()
        change(camera, "angles", camera.angles)
        camera.set_view_direction((0, 1, 0), (1, 0, 0))  # to the back, the head at the top
        change(camera, "angles", camera.angles)

    def stop_projection(self) -> None:
        """Go back to the view before the projection."""
        changes, self._changes, self._projected = self._changes, None, None
        self._box.projection.native.setChecked(False)
        if changes is not None:
            changes.undo()
            dims = self._viewer.dims
            if len(self._point) == dims.ndim:  # napari moves to the middle on rotation
                dims.set_point(range(dims.ndim), self._point)

    def _display_changed(self) -> None:
        if self._changes is not None and self._viewer.dims.ndisplay == 2:
            self.stop_projection()

    def _removed(self, event: Any) -> None:
        if self._fade is not None and self._fade.uses(event.value):
            self._box.fade.value = FUSED
        if self._projected is not None and event.value is self._projected():
            self.stop_projection()


def to_project(images: Sequence[Image | None]) -> Image | None:
    """Return the image to project: the functional one, else image B; only volumes."""
    deep = [v for v in images if v is not None and v.ndim >= 3 and not v.rgb]
    functional = [v for v in deep if v.metadata.get(KEY, {}).get("modality") in FUNCTIONAL]
    return (functional or deep[-1:] or [None])[-1]

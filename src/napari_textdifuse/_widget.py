"""The dock widget: two images and a prompt in, a fused layer and a mask out."""

from __future__ import annotations

import logging
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import napari
from magicgui.widgets import (
    ComboBox,
    Container,
    FloatSlider,
    LineEdit,
    ProgressBar,
    PushButton,
    SpinBox,
)
from napari.layers import Image
from napari.utils.notifications import show_error, show_info

from ._layers import LayerCopy, copy_layer, same_world
from ._results import result_layers, show_layer
from ._worker import FusionRun, Watch
from .errors import Cancelled, TextDiFuseError

if TYPE_CHECKING:
    from .fusion import FusionPipeline, FusionResult, Progress

#: Makes the pipeline for a device; called in the worker thread.
MakePipeline = Callable[[str], "FusionPipeline"]

_DEVICES = (
    "auto",
    "cpu",
    "cuda",
    "mps",
)  # fusion.device has them too, but importing it loads torch
_log = logging.getLogger(__name__)


def _load_pipeline(device: str) -> FusionPipeline:
    from .fusion import FusionPipeline

    return FusionPipeline.from_pretrained(device=device)


class FusionWidget(Container):  # type: ignore[type-arg]
    """Fuse two image layers, with what a prompt names standing out.

    Parameters
    ----------
    napari_viewer : napari.viewer.Viewer
        Where the layers are and the results go.
    make_pipeline : callable, optional
        Makes the pipeline for a device name; the embedded weights by default.
    """

    def __init__(
        self,
        napari_viewer: napari.viewer.Viewer,
        make_pipeline: MakePipeline = _load_pipeline,
    ) -> None:
        super().__init__()
        self._viewer = napari_viewer
        self._make_pipeline = make_pipeline
        self._pipelines: dict[str, FusionPipeline] = {}
        self._run: FusionRun | None = None

        self.image_a = ComboBox(
            label="Image A",
            choices=self._images,
            nullable=True,
            tooltip="Usually the anatomy (MRI, CT, visible). The result lies on its grid.",
        )
        self.image_b = ComboBox(
            label="Image B",
            choices=self._images,
            nullable=True,
            tooltip="Usually the function (PET, SPECT) or infrared; resampled onto image A.",
        )
        self.prompt = LineEdit(
            label="Prompt",
            tooltip="What should stand out, such as: tumour. Empty: nothing is emphasised.",
        )
        self.prompt.native.setPlaceholderText("tumour, bone, person ... or empty")
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
        self.seed = SpinBox(
            label="Seed", value=0, min=0, max=2**31 - 1, tooltip="Same seed, same result."
        )
        self.device = ComboBox(
            label="Device", choices=_DEVICES, tooltip="auto: a GPU if there is one."
        )
        self.progress = ProgressBar(label="Progress", value=0, min=0, max=1)
        self.fuse = PushButton(text="Fuse", tooltip="For research, not for diagnosis.")
        self.cancel = PushButton(text="Cancel", enabled=False)
        self.extend(
            [
                self.image_a,
                self.image_b,
                self.prompt,
                self.quality,
                self.strength,
                self.seed,
                self.device,
                self.fuse,
                self.cancel,
                self.progress,
            ]
        )
        self.native.setMinimumWidth(320)  # names of layers and the slider's value stay readable
        self.reset_choices()
        self.strength.changed.connect(self._show_strength)
        self.fuse.changed.connect(self._start)
        self.cancel.changed.connect(self._cancel)
        me = weakref.ref(self)  # the watch must keep neither the panel nor the viewer alive
        self._watch = Watch(self.native, lambda: _abandon(me()))

    @property
    def running(self) -> bool:
        """Whether a fusion is under way (also while it is being cancelled)."""
        return self._run is not None

    def reset_choices(self, *_: Any) -> None:
        """List the viewer's images again; empty choices become the first images not yet chosen."""
        super().reset_choices()
        for choice, other in ((self.image_a, self.image_b), (self.image_b, self.image_a)):
            if choice.value is None:
                free = [image for image in self._images() if image is not other.value]
                choice.value = free[0] if free else None

    def _images(self, _: Any = None) -> list[Image]:
        return [layer for layer in self._viewer.layers if isinstance(layer, Image)]

    def _shown_time(self, layer: Image) -> int:
        """Time point of a (T, Z, Y, X) layer that the viewer shows."""
        dims = self._viewer.dims
        if layer.ndim != 4 or dims.ndim < 4:
            return 0
        last = int(layer.level_shapes[0][0] if layer.multiscale else layer.data.shape[0]) - 1
        return min(max(int(dims.current_step[dims.ndim - 4]), 0), last)

    def _show_strength(self, value: float) -> None:
        self.strength.label = f"Strength {value:.2f}"

    def _start(self) -> None:
        """Check the choices, then fuse in a worker thread."""
        if self.running:
            return
        a, b = self.image_a.value, self.image_b.value
        if a is None or b is None:
            show_error("Fusion needs two image layers: open or choose an image for A and for B.")
            return
        if a is b:
            show_error(f"Image A and image B are both {a.name!r}; choose two different layers.")
            return
        copy_a, copy_b = same_world(*(copy_layer(v, self._shown_time(v)) for v in (a, b)))
        prompt = self.prompt.value.strip() or None
        device: str = self.device.value
        options: dict[str, Any] = {
            "quality": self.quality.value,
            "strength": self.strength.value,
            "seed": self.seed.value,
        }

        def job(report: Callable[[Progress], bool]) -> FusionResult:
            if device not in self._pipelines:
                self._pipelines[device] = self._make_pipeline(device)
            pipeline = self._pipelines[device]
            return pipeline(copy_a.volume(), copy_b.volume(), prompt, callback=report, **options)

        self._run = run = FusionRun(job)
        run.progressed.connect(self._show_progress)
        run.finished.connect(lambda outcome: self._finish(outcome, copy_a, copy_b.name, prompt))
        self.fuse.enabled = False
        self.cancel.enabled = True
        self.progress.max = 0  # busy until the first step: loading takes a moment
        run.start()

    def _cancel(self) -> None:
        if self._run is not None:
            self.cancel.enabled = False
            self.cancel.text = "Cancelling..."
            self._run.cancel()

    def _show_progress(self, step: int, total: int, index: int, slices: int) -> None:
        if self._run is not None:
            self.progress.max = total
            self.progress.value = step
            self.progress.label = f"Slice {index + 1} of {slices}"

    def _finish(
        self, outcome: FusionResult | Exception, a: LayerCopy, name_b: str, prompt: str | None
    ) -> None:
        """Take the outcome back in the GUI thread; not called once the panel is closed."""
        self._run = None
        self.fuse.enabled = True
        self.cancel.enabled, self.cancel.text = False, "Cancel"
        self.progress.max, self.progress.label = 1, "Progress"
        self.progress.value = 0 if isinstance(outcome, Exception) else 1
        if isinstance(outcome, Cancelled):
            return
        if isinstance(outcome, TextDiFuseError):
            show_error(str(outcome))
        elif isinstance(outcome, Exception):
            _log.error("The fusion failed.", exc_info=outcome)
            reason = (str(outcome).strip().splitlines() or [""])[0]
            show_error(f"The fusion failed unexpectedly ({type(outcome).__name__}: {reason}).")
        else:
            for layer_data in result_layers(outcome, a, name_b, prompt):
                show_layer(self._viewer.layers, layer_data)
            if notes := outcome.record.get("warnings"):
                show_info("\n".join(notes))


def _abandon(widget: FusionWidget | None) -> None:
    """Stop the work of a panel that was closed; nobody waits for its outcome."""
    if widget is not None and widget._run is not None:
        run, widget._run = widget._run, None
        run.progressed.disconnect()
        run.finished.disconnect()
        run.cancel()

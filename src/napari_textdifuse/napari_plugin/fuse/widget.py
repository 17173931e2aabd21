"""The dock widget: two images and a prompt in, a fused layer and a mask out."""

from __future__ import annotations

import time
import weakref
from typing import TYPE_CHECKING, Any

import napari
from napari.layers import Image, Labels
from napari.utils.notifications import show_error, show_info
from qtpy.QtCore import QTimer

from ...errors import Cancelled, TextDiFuseError
from ..compare.mode import is_comparison
from ..layers import KEY, copy_layer, same_world
from ..models.store import chosen_weights
from ..task import message_of
from ..worker import Watch
from .drawn import is_drawn, prompt_of
from .form import NONE, Form
from .job import Job
from .keys import bind_keys, unbind_keys
from .memory import estimate
from .pipelines import MakePipeline, Pipelines
from .preview import MARK
from .prompt_completion import complete_prompts
from .roles import guess_pair
from .runner import Runner
from .settings import forget_settings, load_settings, save_settings
from .show import show_result

if TYPE_CHECKING:
    from ...fusion import FusionResult

#: Milliseconds after the last stroke before a live correction begins.
PATIENCE = 300


class FusionWidget(Form):
    """Fuse two image layers, with what a prompt or a drawing marks standing out.

    Parameters
    ----------
    napari_viewer : napari.viewer.Viewer
        Where the layers are and the results go.
    make_pipeline : callable, optional
        Makes the pipeline for a device name; by default with the weights chosen in the Models
        panel.
    """

    def __init__(
        self, napari_viewer: napari.viewer.Viewer, make_pipeline: MakePipeline | None = None
    ) -> None:
        self._viewer = napari_viewer
        self._pipelines = Pipelines(make_pipeline)
        self._runner = Runner(napari_viewer.layers)
        self._begun = 0.0
        #: The job before, whose base chains serve a corrected mask; its mask's layer.
        self._last: Job | None = None
        self._mask: Labels | None = None
        super().__init__(self._images, self._drawings)
        self.apply(load_settings())
        complete_prompts(self.prompt.native)
        self._timer = QTimer(self.native)
        self._timer.setSingleShot(True)
        self._timer.setInterval(PATIENCE)
        self.reset_choices()
        self._follow()
        for signal, slot in (
            (self.image_a.changed, self._follow),
            (self.image_b.changed, self._follow),
            (self.swap.changed, self._swap),
            (self.reset.changed, self._reset),
            (self.fuse.changed, self._ask),
            (self.cancel.changed, self._cancel),
            (self.again.changed, self._correct),
            (self.extent.what.changed, self._show_memory),
            (self.samples.changed, self._show_memory),
        ):
            signal.connect(slot)
        self._timer.timeout.connect(self._correct_live)
        self._runner.began.connect(self._show_begin)
        self._runner.progressed.connect(self._show_progress)
        self._runner.registering.connect(self._show_registration)
        self._runner.finished.connect(self._finish)
        me = weakref.ref(self)  # the watch must keep neither the panel nor the viewer alive
        self._watch = Watch(self.native, lambda: _abandon(me()))
        bind_keys(napari_viewer, self)

    @property
    def running(self) -> bool:
        """Whether a fusion is under way (also while it is being cancelled) or waits."""
        return self._runner.busy

    def reset_choices(self, *_: Any) -> None:
        """List the viewer's layers again; empty choices are filled by what the layers are."""
        super().reset_choices()
        images = self._images()
        if self.image_a.value is None and self.image_b.value is None:
            self.image_a.value, self.image_b.value = guess_pair(images)
        for choice, other in ((self.image_a, self.image_b), (self.image_b, self.image_a)):
            if choice.value is None:
                free = [image for image in images if image is not other.value]
                choice.value = free[0] if free else None

    def _images(self, _: Any = None) -> list[Image]:
        return [
            layer
            for layer in self._viewer.layers
            if isinstance(layer, Image)
            and not is_comparison(layer)
            and MARK not in layer.metadata.get(KEY, {})
        ]

    def _drawings(self, _: Any = None) -> list[Any]:
        return [layer for layer in self._viewer.layers if is_drawn(layer)]

    def _follow(self, *_: Any) -> None:
        self.window_a.follow(self.image_a.value)
        self.window_b.follow(self.image_b.value)
        self.extent.follow(self.image_a.value)
        self._show_memory()

    def _show_memory(self, *_: Any) -> None:
        shape = self.extent.shape
        need = f" ({estimate(shape, samples=self.samples.value):.1f} GiB)" if shape else ""
        self.device.label = f"Device{need}"

    def _swap(self) -> None:
        windows = self.window_a.state, self.window_b.state
        self.image_a.value, self.image_b.value = self.image_b.value, self.image_a.value
        self.window_b.state, self.window_a.state = windows

    def _reset(self) -> None:
        self.restore_defaults()
        forget_settings()

    def _shown_time(self, layer: Any) -> int:
        """Time point of a (T, Z, Y, X) layer that the viewer shows."""
        dims = self._viewer.dims
        if layer.ndim != 4 or dims.ndim < 4:
            return 0
        last = int(layer.level_shapes[0][0] if layer.multiscale else layer.data.shape[0]) - 1
        return min(max(int(dims.current_step[dims.ndim - 4]), 0), last)

    def _ask(self) -> None:
        """Check the choices, then fuse in a worker thread, after what is under way."""
        a, b = self.image_a.value, self.image_b.value
        if a is None or b is None:
            show_error("Fusion needs two image layers: open or choose an image for A and for B.")
            return
        if a is b:
            show_error(f"Image A and image B are both {a.name!r}; choose two different layers.")
            return
        save_settings(self.settings)
        try:
            layer, follow = self.drawn.value, bool(self.follow.value)
            drawn = {} if layer is None else prompt_of(layer, a, follow=follow)
        except TextDiFuseError as error:
            show_error(str(error))
            return
        self._put(self._make_job(a, b, drawn))

    def _make_job(self, a: Image, b: Image, drawn: dict[str, Any]) -> Job:
        copy_a, copy_b = same_world(*(copy_layer(v, self._shown_time(v)) for v in (a, b)))
        options: dict[str, Any] = {
            "quality": self.quality.value,
            "seed": self.seed.value,
            **self.extent.selection(self._viewer),
        }
        windows = {"a": self.window_a.window, "b": self.window_b.window}
        if any(window is not None for window in windows.values()):
            options["windows"] = windows
        if self.samples.value > 1:
            options["samples"] = self.samples.value
        if self.register.value != NONE:
            options["register"] = self.register.value
        asked = {"strength": self.strength.value, **drawn}
        if self.locator.value != "lexicon":
            asked["locator"] = self.locator.value
        device, weights = str(self.device.value), chosen_weights()
        prompt, pipelines = self.prompt.value.strip() or None, self._pipelines
        job = Job(copy_a, copy_b, prompt, asked, options, lambda: pipelines.get(device, weights))
        job.shown, job.replace = tuple(self.extras.value), bool(self.replace.value)
        job.place = device, weights
        if self._last is not None and job.can_reuse(self._last):
            job.session = self._last.session
        return job

    def _put(self, job: Job) -> None:
        self._runner.put(job)
        self._show_waiting()

    def _show_begin(self, _: Job) -> None:
        self.cancel.enabled = True
        self.progress.max = 0  # busy until the first step: loading takes a moment
        self._begun = time.monotonic()

    def _cancel(self) -> None:
        if self._runner.cancel():
            self.cancel.enabled = False
            self.cancel.text = "Cancelling..."

    def _show_waiting(self) -> None:
        waiting = self._runner.waiting
        self.fuse.text = f"Fuse ({waiting} waiting)" if waiting else "Fuse"

    def _show_registration(self, percent: int) -> None:
        self.progress.max, self.progress.value = 100, percent
        self.progress.label = "Registering"

    def _show_progress(self, step: int, total: int, index: int, slices: int) -> None:
        if step == 1:
            self._begun = time.monotonic()
        self.progress.max = total
        self.progress.value = step
        left = (time.monotonic() - self._begun) / max(step - 1, 1) * (total - step)
        rest = f", {left:.0f} s left" if step > 3 and left >= 1 else ""
        self.progress.label = f"Slice {index + 1} of {slices}{rest}"

    def _finish(self, job: Job, outcome: FusionResult | Exception, target: Any) -> None:
        """Take the outcome back in the GUI thread; not called once the panel is closed."""
        self.cancel.enabled, self.cancel.text = False, "Cancel"
        self.progress.max, self.progress.label = 1, "Progress"
        self.progress.value = 0 if isinstance(outcome, Exception) else 1
        result = outcome.partial if isinstance(outcome, Cancelled) else outcome
        if isinstance(result, Exception):
            show_error(message_of(result, "The fusion"))
        elif result is not None:
            mask = show_result(self._viewer.layers, result, job, target)
            if not job.fused_only:
                self._watch_mask(mask)
                self.strengths.follow(result.label_names, self.strength.value)
            if not isinstance(outcome, Cancelled):
                self._last = job
            if notes := result.record.get("warnings"):
                show_info("\n".join(notes))
        self.reset_choices()  # a preview was no image to choose, its result is
        self._show_waiting()

    def _watch_mask(self, mask: Labels | None) -> None:
        """Follow what is painted on the mask of the last result."""
        if self._mask is not None and self._mask is not mask:
            self._mask.events.paint.disconnect(self._painted)
        if mask is not None and self._mask is not mask:
            mask.events.paint.connect(self._painted)
        self._mask = mask
        for control in (self.again, self.live):
            control.enabled = mask is not None
            control.tooltip = (
                "Paint on the mask, then fuse again where it changed."
                if mask is not None
                else "There is no mask yet: fuse with a prompt or a drawing first."
            )

    def _painted(self, _: Any = None) -> None:
        if self.live.value:
            self._timer.start()

    def _correct_live(self) -> None:
        if self.running:
            self._timer.start()  # after what is under way
        else:
            self._correct()

    def _correct(self) -> None:
        """Re-modulate from the mask as it is now; the unmodulated chains are not run again."""
        last, mask = self._last, self._mask
        if last is None or mask is None or mask not in self._viewer.layers:
            show_error("There is no mask to update from: fuse with a prompt or a drawing first.")
            self._watch_mask(None)
            return
        from ...locate.drawn import Drawing

        names = {int(k): str(v) for k, v in mask.metadata[KEY].get("objects", {}).items()}
        drawing = Drawing(labels=mask.data.copy(), names=names)
        asked: dict[str, Any] = {}
        if mask.data.any():
            strength = self.strengths.strengths or self.strength.value
            asked = {"drawing": drawing, "strength": strength}
        job = Job(last.a, last.b, None, asked, last.options, last.pipeline)
        job.session, job.replace, job.fused_only = last.session, True, True
        job.place = last.place
        self._put(job)


def _abandon(widget: FusionWidget | None) -> None:
    """Stop the work of a panel that was closed; nobody waits for its outcome."""
    if widget is None:
        return
    widget._runner.abandon()
    if widget._mask is not None:
        widget._mask.events.paint.disconnect(widget._painted)
        widget._mask = None
    unbind_keys(widget._viewer)

"""The dock widget: two images and a prompt in, a fused layer and a mask out."""

from __future__ import annotations

import time
import weakref
from pathlib import Path
from typing import TYPE_CHECKING, Any

import napari
import numpy as np
from napari.layers import Image, Labels, Points
from napari.utils.notifications import show_error
from qtpy.QtCore import Qt, QTimer
from qtpy.QtGui import QKeySequence, QShortcut
from qtpy.QtWidgets import QFileDialog

from ...errors import Cancelled, TextDiFuseError
from ..compare.mode import is_comparison
from ..layers import KEY, copy_layer, same_world
from ..models.store import chosen_weights
from ..results import is_result, result_of
from ..task import Task, message_of
from ..worker import Watch
from . import drawing_box
from .drawn import is_drawn, prompt_of
from .extent_box import estimate
from .form import KEYS, NONE, Form, bind_keys, unbind_keys
from .job import Job
from .outcome import Message, describe, in_panel_words
from .pipelines import MakePipeline, Pipelines
from .preview import is_preview
from .prompt_completion import complete_prompts, user_language
from .roles import ChosenPair
from .runner import Runner
from .save import save_result
from .settings import forget_settings, load_settings, save_settings
from .show import Shown, fused_of, mark_corrected, show_result
from .values import show_values

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
        #: The job before, whose base chains serve the next one of the same pair.
        self._last: Job | None = None
        #: Layers of results, and the jobs that made what they show now.
        self._made: weakref.WeakKeyDictionary[Any, Job] = weakref.WeakKeyDictionary()
        self._saving: Task | None = None
        #: Masks that were shown, and the jobs that found them.
        self._jobs: weakref.WeakKeyDictionary[Labels, Job] = weakref.WeakKeyDictionary()
        self._mask: weakref.ref[Labels] | None = None
        super().__init__(self._images, self._drawings)
        self._pair = ChosenPair(self.image_a, self.image_b)
        self.apply(load_settings())
        self._completer = complete_prompts(self.prompt.native)
        self._timer = QTimer(self.native)
        self._timer.setSingleShot(True)
        self._timer.setInterval(PATIENCE)
        self.reset_choices()
        self._follow()
        for signal, slot in (
            (self.image_a.changed, self._follow),
            (self.image_b.changed, self._follow),
            (self.drawn.changed, self._show_prompt),
            (self.swap.changed, self._swap),
            (self.reset.changed, self._reset),
            (self.fuse.changed, self._ask),
            (self.cancel.changed, self._cancel),
            (self.again.changed, self._correct),
            (self.save.changed, self._save),
            (self.drawing.box.changed, self._draw_box),
            (self.drawing.points.changed, self._draw_points),
            (self.drawing.paint.changed, self._draw_paint),
            (self.drawing.clear_drawing.changed, self._clear_drawing),
            (self.extent.what.changed, self._show_memory),
            (self.samples.changed, self._show_memory),
        ):
            signal.connect(slot)
        self.prompt.native.returnPressed.connect(self.fuse.native.click)
        self._timer.timeout.connect(self._correct_live)
        self._runner.began.connect(self._show_begin)
        self._runner.progressed.connect(self._show_progress)
        self._runner.registering.connect(self._show_registration)
        self._runner.finished.connect(self._finish)
        for event in self._viewer_events():
            event.connect(self._show_view)
        me = weakref.ref(self)  # the watch must keep neither the panel nor the viewer alive
        self._watch = Watch(self.native, lambda: _abandon(me()))
        bind_keys(napari_viewer, self)
        for key, name in KEYS.items():  # the viewer hears keys only while the canvas has the focus
            shortcut = QShortcut(
                QKeySequence(key.replace("Control", "Ctrl").replace("-", "+")), self.native
            )
            shortcut.setContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
            shortcut.activated.connect(getattr(self, name).native.click)

    @property
    def running(self) -> bool:
        """Whether a fusion is under way (also while it is being cancelled) or waits."""
        return self._runner.busy

    def reset_choices(self, *_: Any) -> None:
        """List the viewer's layers again; empty choices are filled by what the layers are."""
        self._pair.fill(self._images(), super().reset_choices)
        self._show_correction()

    def _images(self, _: Any = None) -> list[Image]:
        return [
            layer
            for layer in self._viewer.layers
            if isinstance(layer, Image)
            and not is_comparison(layer)
            and not is_preview(layer)
            and not is_result(layer)
        ]

    def _drawings(self, _: Any = None) -> list[Any]:
        return [
            layer
            for layer in self._viewer.layers
            if is_drawn(layer) and (isinstance(layer, Labels) or not is_result(layer))
        ]

    def _viewer_events(self) -> tuple[Any, ...]:
        dims, layers = self._viewer.dims.events, self._viewer.layers
        return dims.order, dims.ndisplay, layers.selection.events.active

    def _show_view(self, _: Any = None) -> None:
        self.extent.follow_view(self._viewer)
        self._show_correction()

    def _follow(self, *_: Any) -> None:
        self.window_a.follow(self.image_a.value)
        self.window_b.follow(self.image_b.value)
        self.extent.follow(self.image_a.value)
        self.drawing.enabled = self.image_a.value is not None
        self._show_memory()
        self._show_correction()
        self._completer.offer(self._terms())

    def _terms(self) -> list[str]:
        """Return words that this pair can show, those that it cannot after them."""
        from ...locate import term_names
        from ...volume import Volume

        language = user_language()
        images = []
        for layer in (self.image_a.value, self.image_b.value):
            known = {} if layer is None else layer.metadata.get(KEY, {})
            if known.get("modality") is not None:
                unit = known.get("unit", "a.u.")
                images.append(Volume(np.zeros((2, 2)), modality=known["modality"], unit=unit))
        everything = term_names(language=language)
        if not images:
            return everything
        able = term_names(images, language)
        return able + [name for name in everything if name not in able]

    def _show_prompt(self, *_: Any) -> None:
        """Say that a drawing takes the place of the prompt."""
        drawn = self.drawn.value
        self.prompt.enabled = drawn is None
        self.prompt.tooltip = (
            "What should stand out, such as: tumour. Empty: nothing is emphasised. Enter fuses."
            if drawn is None
            else f"{drawn.name} says what stands out; choose no drawn layer to use the prompt."
        )
        points = isinstance(drawn, Points) and "label" in drawn.features
        sign = int(drawn.feature_defaults["label"].iloc[0]) if points else 0
        self.drawing.points.text = "Points -" if sign else "Points +"
        self.drawing.clear_drawing.enabled = drawn is not None

    def _show_memory(self, *_: Any) -> None:
        shape = self.extent.shape
        need = f" About {estimate(shape, samples=self.samples.value):.1f} GiB." if shape else ""
        self.device.tooltip = f"auto: a GPU if there is one.{need}"

    def _swap(self) -> None:
        windows = self.window_a.state, self.window_b.state
        self.image_a.value, self.image_b.value = self.image_b.value, self.image_a.value
        self.window_b.state, self.window_a.state = windows

    def _reset(self) -> None:
        self.restore_defaults()
        forget_settings()

    def _draw_box(self) -> None:
        self._draw(drawing_box.add_boxes)

    def _draw_points(self) -> None:
        drawn = self.drawn.value
        if isinstance(drawn, Points) and "label" in drawn.features:
            self._viewer.layers.selection.active = drawn
            drawing_box.next_sign(drawn)
            self._show_prompt()
        else:
            self._draw(drawing_box.add_points)

    def _draw_paint(self) -> None:
        self._draw(drawing_box.add_paint)

    def _draw(self, add: Any) -> None:
        image = self.image_a.value
        if image is None:
            self._say(Message("Choose image A first: a drawing belongs to an image.", "error"))
            return
        layer = add(self._viewer, image)
        self.reset_choices()
        self.drawn.value = layer

    def _clear_drawing(self) -> None:
        if self.drawn.value is not None:
            drawing_box.clear(self.drawn.value)

    def _shown_time(self, layer: Any) -> int:
        """Time point of a (T, Z, Y, X) layer that the viewer shows."""
        dims = self._viewer.dims
        if layer.ndim != 4 or dims.ndim < 4:
            return 0
        last = int(layer.level_shapes[0][0] if layer.multiscale else layer.data.shape[0]) - 1
        return min(max(int(dims.current_step[dims.ndim - 4]), 0), last)

    def _say(self, message: Message) -> None:
        self.message.show_message(message)
        if message.level == "error":
            show_error(message.text)  # seen as well where the panel is behind another

    def _ask(self) -> None:
        """Check the choices, then fuse in a worker thread, after what is under way."""
        a, b = self.image_a.value, self.image_b.value
        self._say(Message(""))
        if a is None or b is None:
            text = "Fusion needs two image layers: open or choose an image for A and for B."
            self._say(Message(text, "error"))
            return
        if a is b:
            text = f"Image A and image B are both {a.name!r}; choose two different layers."
            self._say(Message(text, "error"))
            return
        save_settings(self.settings)
        try:
            layer, follow = self.drawn.value, bool(self.follow.value)
            point = self._viewer.dims.point
            drawn = {} if layer is None else prompt_of(layer, a, follow=follow, point=point)
        except TextDiFuseError as error:
            self._say(Message(in_panel_words(str(error)), "error"))
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
        options |= self.window_a.colours | self.window_b.colours
        if self.balance.value:
            options["balance"] = self.balance.value
        if self.samples.value > 1:
            options["samples"] = self.samples.value
        if self.register.value != NONE:
            options["register"] = self.register.value
        asked = {"strength": self.strength.value, **drawn}
        if self.locator.value != "lexicon":
            asked["locator"] = self.locator.value
        device, weights = str(self.device.value), chosen_weights()
        prompt = None if drawn else self.prompt.value.strip() or None
        pipelines = self._pipelines
        job = Job(copy_a, copy_b, prompt, asked, options, lambda: pipelines.get(device, weights))
        job.shown, job.replace = tuple(self.extras.value), bool(self.replace.value)
        job.place = device, weights
        job.drawn = self.drawn.value.name if drawn else None
        job.settings_words = self.settings_words()
        job.layers = weakref.ref(a), weakref.ref(b)
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
        self.progress.native.setFormat(f"Registering, {percent} %")

    def _show_progress(self, step: int, total: int, index: int, slices: int) -> None:
        if step == 1:
            self._begun = time.monotonic()
        self.progress.max = total
        self.progress.value = step
        left = (time.monotonic() - self._begun) / max(step - 1, 1) * (total - step)
        rest = f", {left:.0f} s left" if step > 3 and left >= 1 else ""
        self.progress.native.setFormat(f"Slice {index + 1} of {slices}{rest}")

    def _finish(self, job: Job, outcome: FusionResult | Exception) -> None:
        """Take the outcome back in the GUI thread; not called once the panel is closed."""
        self.cancel.enabled, self.cancel.text = False, "Cancel"
        self.progress.max = 1
        self.progress.value = 0 if isinstance(outcome, Exception) else 1
        self.progress.native.setFormat("")
        cancelled = isinstance(outcome, Cancelled)
        result = outcome.partial if isinstance(outcome, Cancelled) else outcome
        expected = not isinstance(outcome, Exception) or (cancelled and result is not None)
        self._say(job.message if expected and job.message else describe(outcome, job))
        if result is not None and not isinstance(result, Exception):
            shown = show_result(self._viewer.layers, result, job)
            if shown is not None:
                self._take(shown, job, result)
            if cancelled:
                self._go_to(job)
            else:
                self._last = job
                for other in self._jobs.values():  # one session is kept: they hold many chains
                    if other.session is not job.session:
                        other.session = None
        self.reset_choices()  # a preview was no image to choose, its result is
        self._show_waiting()

    def _take(self, shown: Shown, job: Job, result: FusionResult) -> None:
        """Connect the layers of a result with the panel."""
        for layer in (shown.fused, shown.mask):
            if layer is None:
                continue
            if job.result is not None:
                self._made[layer] = job
            if job.values is not None:
                show_values(layer, job.values, result.contribution)
        if job.corrects is not None:
            return
        self.strengths.follow(result.label_names, self.strength.value)
        self._mask = None if shown.mask is None else weakref.ref(shown.mask)
        if shown.mask is not None:
            if shown.mask not in self._jobs:
                shown.mask.events.paint.connect(self._painted)
            self._jobs[shown.mask] = job

    def _savable(self) -> Job | None:
        """Return the job of the selected layer, else of the latest result that is there."""
        layers = self._viewer.layers
        active = layers.selection.active
        if active in self._made:
            return self._made[active]
        return next((self._made[v] for v in reversed(layers) if v in self._made), None)

    def _save(self) -> None:
        """Ask for a folder and write the result into it, in a worker thread."""
        if self._savable() is not None:
            folder = QFileDialog.getExistingDirectory(self.native, "Save the result in this folder")
            if folder:
                self.save_to(Path(folder))

    def save_to(self, folder: Path) -> None:
        """Write the selected or latest result into a folder.

        Parameters
        ----------
        folder : Path
            Made if missing.
        """
        job = self._savable()
        if job is None or job.result is None or self._saving is not None:
            return
        result = job.result
        self._saving = Task(lambda _: save_result(folder, result, job))
        self._saving.finished.connect(lambda outcome: self._saved(folder, outcome))
        self._saving.start()

    def _saved(self, folder: Path, outcome: Any) -> None:
        self._saving = None
        if isinstance(outcome, Exception):
            self._say(Message(message_of(outcome, "Saving"), "error"))
        else:
            names = ", ".join(path.name for path in outcome.values())
            self._say(Message(f"Saved in {folder}: {names}."))

    def _go_to(self, job: Job) -> None:
        """Show the first of the slices that were kept."""
        image = job.layers[0]() if job.layers else None
        axis, first = job.start
        if image is not None and image.ndim >= 3:
            index = np.zeros(image.ndim)
            index[image.ndim - 3 + axis] = first
            world = image.data_to_world(index)
            place = self._viewer.dims.ndim - 3 + axis
            self._viewer.dims.set_point(place, world[image.ndim - 3 + axis])

    def _target(self) -> tuple[Labels | None, str]:
        """Return the mask that can be updated from; else None and the reason."""
        active = self._viewer.layers.selection.active
        latest = self._mask() if self._mask is not None else None
        mask = active if isinstance(active, Labels) and active in self._jobs else latest
        layers = self._viewer.layers
        if mask is None or mask not in layers or mask not in self._jobs:
            return None, "There is no mask yet: fuse with a prompt or a drawing first."
        job = self._jobs[mask]
        images = [known() for known in job.layers]
        if not result_of(mask).get("complete", True):
            return None, "This fusion was cancelled; fuse again to correct its mask."
        if any(image is None or image not in layers for image in images):
            return None, "An image of this result was deleted."
        if images != [self.image_a.value, self.image_b.value]:
            return None, f"This mask belongs to {job.a.name} + {job.b.name}; choose these images."
        if fused_of(layers, mask) is None:
            return None, "The fused image of this mask was deleted; fuse again."
        return mask, "Paint on the mask, then fuse again where it changed."

    def _show_correction(self) -> None:
        if not hasattr(self, "_pair"):
            return
        self.save.enabled = self._savable() is not None
        mask, reason = self._target()
        for control in (self.again, self.live):
            control.enabled = mask is not None
            control.tooltip = reason + (" (Control-Alt-U)" if control is self.again else "")

    def _painted(self, event: Any = None) -> None:
        mask = getattr(event, "source", None)
        if isinstance(mask, Labels):
            mark_corrected(self._viewer.layers, mask)
        if self.live.value:
            self._timer.start()

    def _correct_live(self) -> None:
        if self.running:
            self._timer.start()  # after what is under way
        else:
            self._correct()

    def _correct(self) -> None:
        """Re-modulate from the mask as it is now; the unmodulated chains are not run again."""
        mask, reason = self._target()
        if mask is None:
            self._say(Message(reason, "error"))
            self._show_correction()
            return
        from ...locate.drawn import Drawing

        last = self._jobs[mask]
        names = {int(k): str(v) for k, v in mask.metadata[KEY].get("objects", {}).items()}
        drawing = Drawing(labels=mask.data.copy(), names=names)
        asked: dict[str, Any] = {}
        if mask.data.any():
            strength = self.strengths.strengths or self.strength.value
            asked = {"drawing": drawing, "strength": strength}
        job = Job(last.a, last.b, None, asked, last.options, last.pipeline)
        job.session, job.corrects = last.session, mask
        job.place, job.layers, job.drawn = last.place, last.layers, last.drawn
        job.settings_words = last.settings_words
        self._put(job)


def _abandon(widget: FusionWidget | None) -> None:
    """Stop the work of a panel that was closed; nobody waits for its outcome."""
    if widget is None:
        return
    widget._runner.abandon()
    if widget._saving is not None:
        widget._saving.abandon()
    for mask in list(widget._jobs):
        mask.events.paint.disconnect(widget._painted)
    widget._jobs.clear()
    for event in widget._viewer_events():
        event.disconnect(widget._show_view)
    for window in (widget.window_a, widget.window_b):
        window.forget()
    unbind_keys(widget._viewer)

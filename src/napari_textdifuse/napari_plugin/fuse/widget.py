"""The dock widget: two images and a prompt in, a fused layer and a mask out."""

from __future__ import annotations

import weakref
from pathlib import Path
from typing import TYPE_CHECKING, Any

import napari
from napari.layers import Image
from napari.utils.notifications import show_error

from ...errors import Cancelled, TextDiFuseError
from ..compare.choice import shown_time
from ..docking import Watch, stop_comparisons, unwrapped
from . import drawing_box
from .alignment import AlignmentCheck
from .availability import Availability
from .colour_bar import ColourBar
from .correction import MaskCorrection
from .drawn import drawings_among
from .extent_box import estimate
from .form import PROMPT_TOOLTIP, Form, bind_keys, unbind_keys
from .job import Job, MakePipeline, Pipelines, SaveChoice
from .live_balance import LiveBalance
from .outcome import Message, in_panel_words
from .progress_line import ProgressLine
from .prompt_completion import complete_prompts, terms_for
from .request import make_job
from .roles import ChosenPair, inputs_among
from .runner import Runner
from .saver import Saver
from .settings import forget_settings, load_settings, preferences, save_settings
from .show import draw_in_order, follow_display, go_to_slices, show_result
from .shown_results import ShownResults
from .values import explain_status
from .view_box import Views

if TYPE_CHECKING:
    from ...fusion import FusionResult


class FusionWidget(Form):
    """Fuse two image layers, so that what a prompt or a drawing marks stands out.

    Parameters
    ----------
    napari_viewer : napari.viewer.Viewer
        Source of the layers and destination of the results.
    make_pipeline : callable, optional
        Makes the pipeline for a device name; by default with the weights chosen in the Models
        panel.
    """

    def __init__(
        self, napari_viewer: napari.viewer.Viewer, make_pipeline: MakePipeline | None = None
    ) -> None:
        self._viewer = napari_viewer = unwrapped(napari_viewer)
        self._pipelines = Pipelines(make_pipeline)
        self._runner = Runner(napari_viewer.layers)
        #: The job before, whose base chains serve the next one of the same pair.
        self._last: Job | None = None
        self._shown = ShownResults(napari_viewer.layers)
        super().__init__(self._images, self._drawings)
        self._runner.panel = self.native
        self._saver = Saver(self.native, self._shown, self._say)
        self._pair = ChosenPair(self.image_a, self.image_b)
        remembered = preferences() | load_settings()
        self.apply(remembered)
        self._completer = complete_prompts(self.prompt.native)
        self.reset_choices()
        self._follow()
        for signal, slot in (
            (self.image_a.changed, self._follow),
            (self.image_b.changed, self._follow),
            (self.drawn.changed, self._show_prompt),
            (self.swap.changed, self._swap),
            (self.reset.changed, self._reset),
            (self.fuse.changed, self._ask),
            (self.save.changed, self._saver.ask),
            (self.drawing.box.changed, lambda: self._draw("box")),
            (self.drawing.points.changed, lambda: self._draw("points")),
            (self.drawing.paint.changed, lambda: self._draw("paint")),
            (self.drawing.clear_drawing.changed, lambda: drawing_box.clear(self.drawn.value)),
            (self.extent.what.changed, self._show_memory),
            (self.samples.changed, self._show_memory),
        ):
            signal.connect(slot)
        self._show_prompt()
        self.prompt.native.returnPressed.connect(self._entered)
        self._progress = ProgressLine(self, self._runner, self._saver)
        self._views = Views(napari_viewer, self.view, self._displayed_images)
        self._correction = MaskCorrection(
            napari_viewer, self, self._shown, self._runner, self._put, self._say
        )
        self._colour_bar = ColourBar(napari_viewer, self.colour_bar, self._chosen)
        self._availability = Availability(
            self.locator, self.restoration, self.alignment.shown, remembered.get("locator")
        )
        self._alignment = AlignmentCheck(
            napari_viewer,
            self.alignment,
            self._chosen,
            lambda layer: shown_time(napari_viewer, layer),
        )
        self._balance = LiveBalance(
            napari_viewer, self.balance, self._shown, self._runner, self._put, self._say
        )
        self._runner.began.connect(self._begin)
        self._runner.finished.connect(self._finish)
        for event in self._viewer_events():
            event.connect(self._show_view)
        me = weakref.ref(self)  # the connection must keep neither the panel nor the viewer alive
        self._watch = Watch(self.native, lambda: _abandon(me()))
        bind_keys(napari_viewer, self)

    @property
    def running(self) -> bool:
        """Whether a fusion is running (also while it is being cancelled) or waiting."""
        return self._runner.busy

    @property
    def saving(self) -> bool:
        """Whether a result is being written."""
        return self._saver.busy

    def reset_choices(self, *_: Any) -> None:
        """Update the lists of layers; empty choices are filled by modality and name."""
        drawn = self.drawn.value
        images = self._images()
        seen = [v for v in self._viewer.layers if isinstance(v, Image) and v.visible]
        alone = all(layer in images for layer in seen)
        self._pair.fill(images, super().reset_choices, alone)
        if drawn is not self.drawn.value and drawn in self.drawn.choices:
            self.drawn.value = drawn  # it was renamed
        self._show_controls()

    def _images(self, _: Any = None) -> list[Image]:
        return inputs_among(self._viewer.layers)

    def _drawings(self, _: Any = None) -> list[Any]:
        return drawings_among(self._viewer.layers)

    def _viewer_events(self) -> tuple[Any, ...]:
        dims, layers = self._viewer.dims.events, self._viewer.layers
        return dims.order, dims.ndisplay, layers.selection.events.active

    def _show_view(self, event: Any = None) -> None:
        if getattr(event, "type", "") == "ndisplay":
            draw_in_order(self._viewer.layers)
        self.extent.follow_view(self._viewer)
        follow_display(self._viewer.layers, self._viewer.dims.ndisplay)
        self._show_controls()

    def _follow(self, *_: Any) -> None:
        self.window_a.follow(self.image_a.value)
        self.window_b.follow(self.image_b.value)
        self.extent.follow(self.image_a.value)
        self.facts_a.follow(self.image_a.value)
        self.facts_b.follow(self.image_b.value)
        if hasattr(self, "_alignment"):
            self._alignment.follow()
            self._colour_bar.follow()
        self.drawing.enabled = self.image_a.value is not None
        self._show_memory()
        self._show_controls()
        self._completer.offer(lambda: terms_for(self._chosen()))

    def _show_prompt(self, *_: Any) -> None:
        """Say that a drawing replaces the prompt."""
        drawn = self.drawn.value
        self.prompt.enabled = drawn is None
        self.prompt.tooltip = (
            PROMPT_TOOLTIP
            if drawn is None
            else f"{drawn.name} marks what stands out; choose no drawn layer to use the prompt."
        )
        self.drawing.follow(drawn)

    def _draw(self, tool: str) -> None:
        """Make a layer to draw a prompt on, or continue with the chosen one."""
        image, drawn = self.image_a.value, self.drawn.value
        if image is None:
            self._say(Message("Choose image A first: a drawing belongs to an image.", "error"))
            return
        layer = self.drawing.draw(tool, self._viewer, image, drawn)
        self.reset_choices()
        self.drawn.value = layer
        self._show_prompt()

    def _show_memory(self, *_: Any) -> None:
        shape = self.extent.shape
        need = f" About {estimate(shape, samples=self.samples.value):.1f} GiB." if shape else ""
        self.device.tooltip = f"auto: a GPU if there is one.{need}"

    def _swap(self) -> None:
        windows = self.window_a.state, self.window_b.state
        self.image_a.value, self.image_b.value = self.image_b.value, self.image_a.value
        self.window_b.state, self.window_a.state = windows

    def _reset(self) -> None:
        self._balance.set_quietly(self.restore_defaults)
        forget_settings()

    def _say(self, message: Message) -> None:
        self.message.show_message(message)
        if message.level == "error":
            show_error(message.text)  # seen as well where the panel is behind another

    def _entered(self) -> None:
        """Fuse; Enter in the list of completions only completes."""
        if not self._completer.choosing:
            self.fuse.native.click()

    def _ask(self) -> None:
        """Check the choices, then fuse in a worker thread, after the running job."""
        self._say(Message(""))
        save_settings(self.settings)
        try:
            job = make_job(self, self._viewer, self._pipelines)
        except TextDiFuseError as error:
            self._say(Message(in_panel_words(str(error)), "error"))
            return
        if self._runner.has(job):
            self._say(Message("The same fusion is already running or waiting."))
            return
        self._put(job)

    def _begin(self, job: Job) -> None:
        """Give a job the session of the one before, whose chains it can reuse."""
        last = self._last
        if last is not None and job.session is None and job.only is None and job.can_reuse(last):
            job.session, job.origin = last.session, None

    def _put(self, job: Job) -> None:
        self._runner.put(job)
        self._progress.show_waiting()

    def _finish(self, job: Job, outcome: FusionResult | Exception) -> None:
        """Handle the outcome in the GUI thread; not called once the panel is closed."""
        self._progress.finish(not isinstance(outcome, Exception))
        if self._balance.takes(job, outcome):
            return
        cancelled = isinstance(outcome, Cancelled)
        result = outcome.partial if isinstance(outcome, Cancelled) else outcome
        expected = not isinstance(outcome, Exception) or (cancelled and result is not None)
        self._say(job.message if expected and job.message else job.describe(outcome))
        if result is not None and not isinstance(result, Exception):
            self._views.rest()
            if not job.in_place:  # a comparison would lie below the new result, and end in a mix
                self._alignment.stop_board()
                stop_comparisons(self._viewer)
            shown = show_result(self._viewer.layers, result, job, self._viewer.dims.ndisplay)
            if shown is not None:
                self._shown.take(shown, job, result)
                explain_status(self.native)
                self._correction.take(shown.mask, job, result.label_names)
            if cancelled:
                go_to_slices(self._viewer, job)
            else:
                self._last = job
                self._shown.keep_only(job.session)
        self.reset_choices()  # a preview was no image to choose, its result is
        self._progress.show_waiting()

    def save_to(self, choice: SaveChoice | Path) -> None:
        """Write the selected or latest result into a folder.

        Parameters
        ----------
        choice : SaveChoice or Path
            A folder alone: as the command line does.
        """
        self._saver.save(SaveChoice(choice) if isinstance(choice, Path) else choice)

    def _chosen(self) -> tuple[Any, Any]:
        return self.image_a.value, self.image_b.value

    def _displayed_images(self) -> tuple[Any, Any, Any]:
        return self._shown.displayed_images(*self._chosen())

    def _show_controls(self) -> None:
        """Enable what the displayed layers allow."""
        if not hasattr(self, "_correction"):
            return
        self._views.follow()
        self._correction.follow()
        self.save.enabled = self._shown.savable() is not None

    def stated(self) -> None:
        """Apply what the user just stated about an image."""
        self._follow()


def _abandon(widget: FusionWidget | None) -> None:
    """Stop the work of a closed panel; its outcome is not needed."""
    if widget is None:
        return
    widget._runner.abandon()
    widget._saver.end()
    parts = (widget._views, widget._alignment, widget._colour_bar, widget._availability)
    for part in (*parts, widget._correction, widget._shown):
        part.end()
    for event in widget._viewer_events():
        event.disconnect(widget._show_view)
    for window in (widget.window_a, widget.window_b):
        window.forget()
    unbind_keys(widget._viewer)

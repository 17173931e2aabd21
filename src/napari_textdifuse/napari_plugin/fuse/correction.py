"""Painting on a result's mask updates its fused image, at a click or after every stroke."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from napari.layers import Labels
from qtpy.QtCore import QTimer

from .candidates import Candidates
from .outcome import Message
from .runner import Runner
from .show import mark_corrected
from .shown_results import ShownResults

if TYPE_CHECKING:
    from .form import Form
    from .job import Job

#: Milliseconds after the last stroke before a live correction begins.
PATIENCE = 300


class MaskCorrection:
    """Re-modulates from a painted mask; the unmodulated chains are not rerun.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
    form : Form
    shown : ShownResults
    runner : Runner
    put : callable
        Passes a job to the runner.
    say : callable
        Shows a `Message`.
    """

    def __init__(
        self,
        viewer: Any,
        form: Form,
        shown: ShownResults,
        runner: Runner,
        put: Callable[[Job], None],
        say: Callable[[Message], None],
    ) -> None:
        self._layers = viewer.layers
        self._form, self._shown, self._runner = form, shown, runner
        self._put, self._say = put, say
        self.candidates = Candidates(viewer, form.candidates, self.mask, self._update_rejected)
        self._timer = QTimer(form.native)
        self._timer.setSingleShot(True)
        self._timer.setInterval(PATIENCE)
        self._timer.timeout.connect(self._update_live)
        self._watched: weakref.WeakSet[Labels] = weakref.WeakSet()
        form.update_from_mask.changed.connect(self.update)
        self.follow()

    def take(self, mask: Labels | None, job: Job, names: Mapping[int, str]) -> None:
        """Register the mask of a new result.

        Parameters
        ----------
        mask : Labels or None
        job : Job
        names : mapping of int to str
            What each label of the mask marks.
        """
        if job.corrects is not None:
            return
        self._form.strengths.follow(names, self._form.strength.value)
        if job.candidates or job.replaces is None:
            self.candidates.take(mask, job.candidates)
        if mask is not None and mask not in self._watched:
            mask.events.paint.connect(self._painted)
            self._watched.add(mask)

    def end(self) -> None:
        """Disconnect from all masks."""
        for mask in self._watched:
            mask.events.paint.disconnect(self._painted)
        self._watched.clear()

    def mask(self) -> tuple[Labels | None, str]:
        """Return the mask that can be corrected and what to do; without one, the reason."""
        return self._shown.correctable(self._form.image_a.value, self._form.image_b.value)

    def follow(self) -> None:
        """Enable the controls where there is a mask to correct."""
        self.candidates.follow()
        mask, reason = self.mask()
        update, live = self._form.update_from_mask, self._form.live
        for control in (update, live):
            control.enabled = mask is not None
            control.tooltip = reason + (" (Control-Alt-U)" if control is update else "")

    def update(self) -> None:
        """Fuse again from the current mask."""
        mask, reason = self.mask()
        if mask is None:
            self._say(Message(reason, "error"))
            self.follow()
            return
        self._update_from(mask)

    def _painted(self, event: Any = None) -> None:
        mask = getattr(event, "source", None)
        if isinstance(mask, Labels):
            mark_corrected(self._layers, mask)
        if self._form.live.value:
            self._timer.start()

    def _update_live(self) -> None:
        if self._runner.busy:
            self._timer.start()  # after the running job
        else:
            self.update()

    def _update_rejected(self, mask: Labels) -> None:
        mark_corrected(self._layers, mask)
        self._update_from(mask)

    def _update_from(self, mask: Labels) -> None:
        strength = self._form.strengths.strengths or self._form.strength.value
        job = self._shown.correction(mask, strength)
        job.decisions = self.candidates.record(mask)
        self._runner.drop(lambda other: other.corrects is mask)
        self._put(job)

"""The results in the viewer and the jobs that made them, for correcting and saving."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Image, Labels

from ..layers import KEY
from ..results import result_of, with_balance
from .job import Job
from .show import Shown, fused_of
from .values import show_values

if TYPE_CHECKING:
    from napari.components import LayerList

    from ...fusion import FusionResult

LAYERS_GONE = "An image of this result was deleted."


class ShownResults:
    """Maps every layer of a result to the job that made it, while the layer exists.

    Parameters
    ----------
    layers : LayerList
    """

    def __init__(self, layers: LayerList) -> None:
        self._layers = layers
        #: Masks, and the jobs that found them; fused images and masks, and what they show now.
        self._masks: weakref.WeakKeyDictionary[Labels, Job] = weakref.WeakKeyDictionary()
        self._made: weakref.WeakKeyDictionary[Any, Job] = weakref.WeakKeyDictionary()
        self._latest: weakref.ref[Labels] | None = None

    def take(self, shown: Shown, job: Job, result: FusionResult) -> None:
        """Register a result that was just shown."""
        for layer in (shown.fused, shown.mask):
            if layer is None:
                continue
            if job.result is not None:
                self._made[layer] = job
            if job.values is not None:
                show_values(layer, job.values, result.contribution)
        if job.corrects is not None:
            return
        self._latest = None if shown.mask is None else weakref.ref(shown.mask)
        if shown.mask is not None:
            self._masks[shown.mask] = job

    def keep_only(self, session: Any) -> None:
        """Release all sessions but one: each caches the chains of many slices."""
        for job in (*self._masks.values(), *self._made.values()):
            if job.session is not session:
                job.session = None

    def end(self) -> None:
        """Release all jobs."""
        self._masks.clear()
        self._made.clear()

    def savable(self) -> Job | None:
        """Return the job of the selected result, else of the topmost one, visible ones first."""
        active = self._layers.selection.active
        belongs = [active, fused_of(self._layers, active)] if result_of(active) else []
        above = list(reversed(self._layers))
        shown = [*belongs, *(v for v in above if v.visible), *above]
        return next((self._made[v] for v in shown if v is not None and v in self._made), None)

    def displayed_result(self) -> tuple[Image, Job] | None:
        """Return the displayed complete fused image and the job that made it.

        That of the selected layer, else the topmost visible one.
        """
        active = self._layers.selection.active
        found = fused_of(self._layers, active) if result_of(active) else None
        shown = [found] if found in self._made else []
        shown += [v for v in reversed(self._layers) if v.visible and v in self._made]
        for layer in shown:
            known = result_of(layer)
            if known.get("role") == "fused" and known["complete"] and layer in self._made:
                return layer, self._made[layer]
        return None

    def displayed_images(self, a: Any, b: Any) -> tuple[Any, Any, Any]:
        """Return both images and the displayed fused one.

        Parameters
        ----------
        a, b : Image or None
            What to return for the images without a result.
        """
        found = self.displayed_result()
        if found is None:
            return a, b, None
        fused, job = found
        images = [known() for known in job.layers]
        there = len(images) == 2 and all(v is not None and v in self._layers for v in images)
        return (images[0], images[1], fused) if there else (a, b, None)

    def restore(self, fused: Image) -> None:
        """Show a result in its last finished state."""
        job = self._made.get(fused)
        if job is not None and job.result is not None and fused in self._layers:
            fused.data = job.result.fused

    def rebalanced(self, fused: Image, balance: float, only: int | None = None) -> Job:
        """Return a job that repeats a result with another balance.

        Parameters
        ----------
        fused : Image
            See `displayed_result`.
        balance : float
        only : int, optional
            The one slice that is fused first.
        """
        from ...locate.drawn import Drawing

        last = self._made[fused]
        job = Job(
            last.a,
            last.b,
            last.placement,
            last.prompt,
            last.fuse_options,
            dict(last.options),
            last.pipeline,
        )
        job.options["balance"] = balance
        job.origin, job.replaces, job.only = last.session, result_of(fused)["id"], only
        job.place, job.layers, job.drawn = last.place, last.layers, last.drawn
        job.opened, job.turns = last.opened, last.turns
        job.shown, job.settings_words = last.shown, with_balance(last.settings_words, balance)
        if only is not None:
            mask = next((v for v in self._masks if result_of(v).get("id") == job.replaces), None)
            job.prompt, job.fuse_options = (
                None,
                {"strength": last.fuse_options.get("strength", 1.0)},
            )
            if mask is not None:
                axis, first = last.start
                labels = np.take(mask.data, [only - first], axis) if mask.ndim == 3 else mask.data
                if labels.any():
                    names = {int(k): str(v) for k, v in mask.metadata[KEY]["objects"].items()}
                    job.fuse_options["drawing"] = Drawing(labels=labels, names=names)
                else:
                    job.fuse_options["strength"] = 1.0
        return job

    def correctable(self, a: Any, b: Any) -> tuple[Labels | None, str]:
        """Return the mask that the result of two images can be updated from.

        That of the selected result and no other; if none is selected, the topmost visible one
        of these images, else the latest.

        Parameters
        ----------
        a, b : Image or None
            The images chosen in the panel.

        Returns
        -------
        mask : Labels or None
        reason : str
            Why there is none, or what to do with it.
        """
        mask = self._displayed_mask(a, b)
        if mask is None or mask not in self._layers or mask not in self._masks:
            return None, "There is no mask yet: fuse with a prompt or a drawing first."
        job = self._masks[mask]
        images = self._images_of(mask)
        if not result_of(mask).get("complete", True):
            return None, "This fusion was cancelled; fuse again to correct its mask."
        if any(image is None or image not in self._layers for image in images):
            return None, LAYERS_GONE
        if images != [a, b]:
            return None, f"This mask belongs to {job.a.name} + {job.b.name}; choose these images."
        if fused_of(self._layers, mask) is None:
            return None, "The fused image of this mask was deleted; fuse again."
        return mask, "Paint on the mask, then update the fused image where the mask changed."

    def _displayed_mask(self, a: Any, b: Any) -> Labels | None:
        known = result_of(self._layers.selection.active)
        if known:
            there = [v for v in self._layers if v in self._masks]
            same = [v for v in there if result_of(v).get("id") == known["id"]]
            return next((v for v in same if result_of(v)["complete"] == known["complete"]), None)
        latest = self._latest() if self._latest is not None else None
        masks = [v for v in reversed(self._layers) if v.visible and v in self._masks]
        masks += [latest] if latest in self._masks else []
        fitting = (v for v in masks if self._images_of(v) == [a, b])
        return next(fitting, masks[0] if masks else None)

    def _images_of(self, mask: Labels) -> list[Any]:
        return [known() for known in self._masks[mask].layers]

    def correction(self, mask: Labels, strength: Any) -> Job:
        """Return a job that re-modulates from the current mask.

        Parameters
        ----------
        mask : Labels
            See `correctable`.
        strength : float or mapping of int to float
        """
        from ...locate.drawn import Drawing

        last = self._masks[mask]
        names = {int(k): str(v) for k, v in mask.metadata[KEY].get("objects", {}).items()}
        drawing = Drawing(labels=mask.data.copy(), names=names)
        fuse_options = {"drawing": drawing, "strength": strength} if mask.data.any() else {}
        job = Job(last.a, last.b, last.placement, None, fuse_options, last.options, last.pipeline)
        job.session, job.corrects = last.session, mask
        job.place, job.layers, job.drawn = last.place, last.layers, last.drawn
        job.opened, job.turns = last.opened, last.turns
        job.settings_words = last.settings_words
        return job

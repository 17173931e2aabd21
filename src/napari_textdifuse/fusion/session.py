"""`FusionSession`: one pair of images, fused repeatedly with changing masks."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import Cancelled
from ..locate import Locator, get_locator
from ..locate.drawn import Drawing, Refiner, get_refiner
from ..stopping import uninterrupted
from ..volume import Volume
from .backend import Backend, NetworkChoice
from .colour_cast import ChromaDecision
from .masks import locate_objects, needs_images
from .options import FusionOptions, Strength
from .pair import Pair
from .prepare import Prepared, prepare_slab
from .progress import Callback, ProgressCounter
from .record import make_record
from .result import FusedSlices, FusionResult, make_result
from .slices import Selection
from .stack import StackFuser

_log = logging.getLogger(__name__)

#: Maximum bytes that a session keeps: 160 slices of 256x256 at four steps.
MEMORY = 2**29


class FusionSession:
    """A prepared pair of images; made by `FusionPipeline.session`.

    The first `fuse` runs the unmodulated chains and keeps them. Every later one only re-modulates
    the slices whose mask or strength changed. Its pixels are those of a fusion from scratch with
    the same settings.

    Parameters
    ----------
    backend : Backend
    pair : Pair
    options : FusionOptions
    choice : NetworkChoice
    colours : ChromaDecision
    memory : int
        Bytes that may be kept; slices that do not fit are recomputed each time.
    slab : tuple of Selection and Prepared, optional
        One of the pair's slabs that is prepared already.
    """

    def __init__(
        self,
        backend: Backend,
        pair: Pair,
        options: FusionOptions,
        choice: NetworkChoice,
        colours: ChromaDecision,
        memory: int = MEMORY,
        slab: tuple[Selection, Prepared] | None = None,
    ) -> None:
        self.pair = pair
        self.options = options
        self._backend, self._choice, self._colours = backend, choice, colours
        self._memory = memory
        _log_pair(pair)
        self._fuser = StackFuser(backend, choice, colours, options, memory)
        self._slab = slab
        self._locators: dict[str, Locator] = {}
        self._refiners: dict[str, Refiner | None] = {}

    @property
    def coloured(self) -> bool:
        """Whether results have colour."""
        return self._colours.colour_from is not None

    def fuse(
        self,
        prompt: str | None = None,
        mask: Any = None,
        boxes: npt.ArrayLike | None = None,
        *,
        drawing: Drawing | None = None,
        strength: Strength = 1.0,
        locator: str | Locator = "lexicon",
        refiner: str | Refiner | None = "auto",
        callback: Callback | None = None,
    ) -> FusionResult:
        """Fuse, or fuse again with another prompt, mask or strength; see `fuse`.

        Parameters
        ----------
        prompt, mask, boxes, drawing, strength, locator, refiner, callback
            As for `fuse`. A mask may also have the grid of an earlier result. Locators and
            refiners chosen by name are made once, so that they can cache the images between
            prompts.

        Returns
        -------
        FusionResult

        Raises
        ------
        InputError, PromptError, Cancelled
            As for `fuse`.
        """
        return self.run(self.options.updated(locals()), callback)

    def run(self, options: FusionOptions, callback: Callback | None = None) -> FusionResult:
        """Make the mask, run the chains and assemble the result.

        Parameters
        ----------
        options : FusionOptions
            Those of the session, but for prompt, mask, boxes, drawing, strength, locator and
            refiner.
        callback : callable, optional
            Called with a `Progress` after every network evaluation; returning False cancels.
        """
        started = time.perf_counter()
        pair, strength = self.pair, options.strength
        if options.restoration != self._fuser.options.restoration:  # the prompt requests another
            self._fuser = StackFuser(
                self._backend, self._choice, self._colours, options, self._memory
            )
        # made only if used: they may load models, or lack their weights
        locator = self._locator(options.locator) if options.by_prompt else None
        refiner = self._refiner(options.refiner) if options.drawing is not None else None
        images = self._images() if needs_images(options) else ()
        location = locate_objects(pair, options, images, locator, refiner)
        if location is not None:
            seconds = time.perf_counter() - started
            for label, name in location.names.items():
                voxels = int((location.mask == label).sum())
                _log.info("label %d, %r: %d pixels", label, name, voxels)
            _log.info("the mask took %.2f s", seconds)

        shape = pair.stack_shape
        labels = None if location is None else location.mask.reshape(shape)
        out = FusedSlices(shape, self.coloured, self._fuser.uncertain, pair.selection.axis)
        cost = self._fuser.cost(shape, labels, strength)
        counter = ProgressCounter(callback, len(out), cost)
        notes = dict.fromkeys(pair.slab_notes)

        def finish(complete: bool) -> FusionResult:
            record = make_record(
                pair,
                options,
                self._backend,
                self._choice,
                self._colours,
                location,
                [
                    *dict.fromkeys([*pair.notes, *notes]),
                    *_recoloured(out, {} if location is None else location.names),
                ],
            )
            record |= {
                "locator": locator.name if locator else None,
                "locator_settings": _settings(locator) if locator else None,
                "complete": complete,
                "seconds": round(time.perf_counter() - started, 3),
            }
            return make_result(pair, out, location, record)

        try:
            for slab in pair.slabs:
                ready = self._prepared(slab)
                notes |= dict.fromkeys(ready.notes)
                self._fuser.run(
                    ready, slab.start - pair.selection.start, labels, strength, out, counter
                )
                out.page_out()
        except Cancelled:
            if not out.done:
                raise
            with uninterrupted():
                partial = finish(False)
            raise Cancelled(
                f"The fusion was cancelled; {out.done} of {len(out)} slices are finished.",
                partial=partial,
            ) from None
        result = finish(True)
        for note in result.record["warnings"]:
            _log.info("note: %s", note)
        _log.info("fused %d slices in %.2f s", len(out), result.record["seconds"])
        return result

    def with_balance(self, balance: float, slice_index: int | None = None) -> FusionSession:
        """Return a session of the same pair with another balance; nothing is read again.

        Parameters
        ----------
        balance : float
            See `fuse`.
        slice_index : int, optional
            Fuse only this slice of image A, along the axis of the chosen slices.

        Returns
        -------
        FusionSession
            Its pixels are those of a session that was opened with this balance.
        """
        pair, options = self.pair, replace(self.options, balance=balance)
        if slice_index is not None and pair.a.ndim == 3:
            one = replace(pair.selection, start=slice_index, stop=slice_index + 1)
            pair = replace(pair, selection=one)
            options = replace(options, slices=slice_index, axis=one.axis)
        session = FusionSession(
            self._backend,
            pair,
            options,
            self._choice,
            self._colours,
            self._memory,
            self._slab if pair is self.pair else None,
        )
        session._locators, session._refiners = self._locators, self._refiners
        return session

    def in_colour(self, index: int, estimate: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Return a running estimate in the colours of its slice.

        Call it while `run` is running, in the same thread: in a callback.

        Parameters
        ----------
        index : int
            ``Progress.slice_index``.
        estimate : ndarray, shape (Y, X)
            ``Progress.estimate``; of a whole slice, perhaps padded.

        Returns
        -------
        ndarray, shape (Y, X, 3)
            The unchanged estimate if there are no colours, or if it is only a tile.
        """
        if self._slab is None:
            return estimate
        slab, ready = self._slab
        place = index - (slab.start - self.pair.selection.start)
        if ready.chroma is None or estimate.ndim != 2:
            return estimate
        chroma = ready.chroma.reshape(-1, *ready.chroma.shape[-3:])
        rows, columns = chroma.shape[1:3]
        if not 0 <= place < len(chroma) or any(
            not 0 <= have - need < 64
            for have, need in zip(estimate.shape, (rows, columns), strict=True)
        ):
            return estimate
        return self._fuser.finisher.composed(estimate[:rows, :columns], chroma[place])

    def _prepared(self, slab: Selection) -> Prepared:
        if self._slab is None or self._slab[0] != slab:
            self._slab = None  # frees the last one first
            self._slab = slab, prepare_slab(self.pair, slab)
        return self._slab[1]

    def _images(self) -> tuple[Volume, Volume]:
        """Return both images of all chosen slices, turned, on one grid."""
        if len(self.pair.slabs) > 1:
            return self.pair.on_one_grid()
        ready = self._prepared(self.pair.slabs[0])
        return ready.a, ready.b

    def _locator(self, locator: str | Locator) -> Locator:
        if not isinstance(locator, str):
            return locator
        if locator not in self._locators:
            self._locators[locator] = get_locator(locator)
        return self._locators[locator]

    def _refiner(self, refiner: str | Refiner | None) -> Refiner | None:
        if not isinstance(refiner, str):
            return refiner
        if refiner not in self._refiners:
            self._refiners[refiner] = get_refiner(refiner)
        return self._refiners[refiner]


def _recoloured(out: FusedSlices, names: Mapping[int, str]) -> list[str]:
    """Return a sentence for each object that had to be shown in another colour."""
    return [
        f"{names.get(label, f'label {label}')!r} cannot stand out by brightness; it is shown in "
        "another colour."
        for label in sorted(out.recoloured)
    ]


def _settings(locator: Locator) -> dict[str, Any] | None:
    """Return the settings of a locator, if it provides them."""
    settings = getattr(locator, "settings", None)
    return dict(settings()) if callable(settings) else None


def _log_pair(pair: Pair) -> None:
    for role, volume in (("A", pair.a), ("B", pair.b)):  # no names: they may identify a patient
        facts = ", ".join(f"{name} {fact}" for name, fact in volume.facts.items() if fact.value)
        window = pair.windows[role.lower()]
        _log.info("image %s: %s, %s", role, " x ".join(map(str, volume.array.shape)), facts)
        _log.info("image %s: window %g to %g, %s", role, window.low, window.high, window.origin)
    if pair.registration is not None:
        moved = pair.registration
        _log.info("image B was moved by %.1f mm, %.1f degrees", moved.shift_mm, moved.angle)

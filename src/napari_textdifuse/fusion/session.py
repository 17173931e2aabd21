"""`FusionSession`: one pair of images, fused as often as the mask changes."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import Cancelled
from ..locate import Location, Locator, get_locator
from ..locate.drawn import Drawing, Refiner, get_refiner
from ..volume import Volume
from .assemble import Canvas, assemble
from .chrominance import ChromaEngine, decide
from .engine import SliceEngine
from .loaded import Loaded
from .masks import locate_objects, needs_images
from .options import FusionOptions, Strength
from .pair import Pair
from .prepare import Prepared
from .record import describe_input, start_record
from .result import FusionResult
from .selection import Selection
from .stack import StackFuser
from .tally import Callback, Tally

Labels = npt.NDArray[np.uint8]

#: What a session keeps at most, in bytes: 160 slices of 256x256 at four steps.
MEMORY = 2**29


class FusionSession:
    """Two images on their way to a result; made by `FusionPipeline.session`.

    The first `fuse` runs the unmodulated chains and keeps them. Every later one only re-modulates
    the slices whose mask or strength changed. Its pixels are those of a fusion from scratch with
    the same settings.

    Parameters
    ----------
    loaded : Loaded
    pair : Pair
    options : FusionOptions
    memory : int
        Bytes that may be kept; slices that do not fit are computed anew each time.
    """

    def __init__(
        self, loaded: Loaded, pair: Pair, options: FusionOptions, memory: int = MEMORY
    ) -> None:
        self.pair = pair
        self.options = options
        self._loaded = loaded
        self._slab: tuple[Selection, Prepared] | None = None
        self._locators: dict[str, Locator] = {}
        self._refiners: dict[str, Refiner | None] = {}
        backend, device, schedule = loaded.backend, loaded.device, loaded.schedule
        # what kind of pair it is follows from the middle, which is where something is
        ready = self._prepared(pair.slabs[len(pair.slabs) // 2])
        steps = options.evaluations(backend.qualities, backend.fewest_steps)
        self._sampler = options.sampler or backend.default_sampler
        self._chosen = backend.choose_network(ready)
        self._colours = decide(ready, options.chroma, backend.chroma is not None)
        self._colour_from = ready.colour_from
        balance = -options.balance if self._chosen.swapped else options.balance
        engine = SliceEngine(
            backend, self._chosen.network, schedule, device, steps, self._sampler, balance
        )
        restorer = None
        if self._colours.restore and backend.chroma is not None:
            restorer = ChromaEngine(backend.chroma, schedule, device, self._sampler)
        # the image whose structure must show through colours that stand for values
        self._anatomy = None
        if self._colours.measured:
            self._anatomy = "b" if ready.colour_from == "a" else "a"
        self._steps = len(engine.chain.timesteps)
        self._fuser = StackFuser(
            engine,
            restorer,
            self._chosen.swapped,
            options.seed,
            options.samples,
            memory,
            anatomy=self._anatomy,
            single=abs(options.balance),
            colourless=self._colourless(),
        )

    @property
    def coloured(self) -> bool:
        """Whether results have colour."""
        return self._colour_from is not None

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
            As for `fuse`. A mask may also lie on the grid of an earlier result. Locators and
            refiners chosen by name are made once, so that they know the images from one prompt to
            the next.

        Returns
        -------
        FusionResult

        Raises
        ------
        InputError, PromptError, Cancelled
            As for `fuse`.
        """
        options = replace(
            self.options,
            prompt=prompt,
            mask=mask,
            boxes=boxes,
            drawing=drawing,
            strength=strength,
            locator=locator,
            refiner=refiner,
        )
        return self.run(options, callback)

    def run(self, options: FusionOptions, callback: Callback | None = None) -> FusionResult:
        """Fuse as `fuse` does.

        Parameters
        ----------
        options : FusionOptions
            Those of the session, but for prompt, mask, boxes, drawing, strength, locator and
            refiner.
        callback : callable, optional
        """
        started = time.perf_counter()
        strength = options.strength
        # built only where it is used: a locator or refiner may load models, or lack its weights
        finder = self._locator(options.locator) if options.by_prompt else None
        outliner = self._refiner(options.refiner) if options.drawing is not None else None
        images = self._images() if needs_images(options) else ()
        location = locate_objects(self.pair, options, images, finder, outliner)
        selection = self.pair.selection
        turned = self.pair.turned_shape
        labels = _per_slice(location, len(selection), turned)
        shape = (turned[-2], turned[-1])
        tally = Tally(callback, len(selection), self._fuser.cost(shape, labels, strength))
        canvas, notes = Canvas(len(selection)), [*self.pair.notes, *self.pair.slab_notes]

        def finish(complete: bool) -> FusionResult:
            record = self._record(location, notes) | {
                "prompt": options.prompt,
                "locator": finder.name if finder else None,
                "locator_settings": _settings(finder) if finder else None,
                "drawn": options.drawn[0] if options.drawn else None,
                "strength": strength,
                "complete": complete,
                "seconds": round(time.perf_counter() - started, 3),
            }
            return assemble(self.pair, canvas, location, record)

        try:
            for part in self.pair.slabs:
                ready = self._prepared(part)
                notes += [note for note in ready.notes if note not in notes]
                first = part.start - selection.start
                for piece in self._fuser.run(ready, first, labels, strength, tally):
                    canvas.add(piece)
        except Cancelled:
            if not canvas.done:
                raise
            raise Cancelled(
                f"The fusion was cancelled; {canvas.done} of {len(selection)} slices are finished.",
                partial=finish(False),
            ) from None
        return finish(True)

    def _record(self, location: Location | None, notes: list[str]) -> dict[str, Any]:
        pair, options, loaded = self.pair, self.options, self._loaded
        notes = notes + list(self._chosen.notes)
        notes += list(location.notes if location is not None else ())
        if location is not None and not location.mask.any():
            notes.append("The mask is empty, so nothing was emphasised.")
        return start_record() | {
            "method": loaded.backend.method,
            "weights": loaded.name,
            "weights_sha256": loaded.sha256,
            **self._chosen.facts,
            "quality": options.quality or ("standard" if options.steps is None else None),
            "seed": options.seed,
            "steps": self._steps,
            "sampler": self._sampler,
            "samples": options.samples,
            "balance": options.balance,
            "device": str(loaded.device),
            "precision": str(loaded.backend.precision).removeprefix("torch."),
            "objects": {str(k): v for k, v in location.names.items()} if location else {},
            "inputs": {
                "a": describe_input(pair.a, pair.windows["a"]),
                "b": describe_input(pair.b, pair.windows["b"]),
            },
            "slices": pair.selection.to_dict() if pair.a.ndim == 3 else None,
            "time": list(pair.time) if any(t is not None for t in pair.time) else None,
            "registration": pair.registration.to_dict() if pair.registration else None,
            "colour_from": self._colour_from,
            "colormap": self._colormap(),
            "chroma": {"restored": self._colours.restore, "reason": self._colours.reason},
            "warnings": notes,
        }

    def _colourless(self) -> float:
        """Return how far the balance leans towards an image that has no colour."""
        towards = "b" if self.options.balance > 0 else "a"
        return abs(self.options.balance) if self._colour_from != towards else 0.0

    def _colormap(self) -> str | None:
        """Name the map that gave grey values their colours."""
        coloured = {"a": self.pair.a, "b": self.pair.b}.get(self._colour_from or "")
        return None if coloured is None or coloured.rgb else self.pair.colours.name

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

    def _prepared(self, part: Selection) -> Prepared:
        if self._slab is None or self._slab[0] != part:
            self._slab = None  # frees the last one first
            self._slab = part, self.pair.prepared(part)
        return self._slab[1]

    def _images(self) -> tuple[Volume, Volume]:
        if len(self.pair.slabs) > 1:
            return self.pair.on_one_grid()
        ready = self._prepared(self.pair.slabs[0])
        return ready.a, ready.b


def _per_slice(
    location: Location | None, count: int, shape: tuple[int, ...]
) -> list[Labels | None]:
    if location is None:
        return [None] * count
    return list(location.mask.reshape(-1, *shape[-2:]))


def _settings(locator: Locator) -> dict[str, Any] | None:
    """Return what its masks depend on, where it tells."""
    settings = getattr(locator, "settings", None)
    return dict(settings()) if callable(settings) else None

"""Fuses slice after slice, and keeps the chains that re-modulation can reuse."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt

from ..colour import without_colour_noise
from .backend import Backend, NetworkChoice
from .chrominance import ChromaEngine
from .colour_cast import ChromaDecision, undo_cast
from .corrections import Frame
from .engine import BaseSlice, SliceEngine
from .finishing import Finisher, SampledSlices
from .options import FusionOptions, Strength
from .prepare import Prepared
from .progress import ProgressCounter
from .result import FusedSlices

Floats = npt.NDArray[np.float32]
Labels = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class _CachedSlice:
    """The last state of a slice of one sample."""

    base: BaseSlice
    labels: Labels | None
    strength: Strength
    luma: Floats

    def is_current(self, labels: Labels | None, strength: Strength) -> bool:
        """Return whether nothing has changed."""
        if labels is None or self.labels is None or not (labels.any() and self.labels.any()):
            return not _any(labels) and not _any(self.labels)
        return self.strength == strength and np.array_equal(self.labels, labels)


class StackFuser:
    """Fuses the slices of one pair, repeatedly with new masks.

    Parameters
    ----------
    backend : Backend
    choice : NetworkChoice
        For this pair.
    colours : ChromaDecision
        The treatment of the colours.
    options : FusionOptions
        ``quality`` or ``steps``, ``sampler``, ``seed``, ``samples``, ``balance`` and ``restore``.
    memory : int
        Bytes that may be kept for later calls; the rest is recomputed.
    """

    def __init__(
        self,
        backend: Backend,
        choice: NetworkChoice,
        colours: ChromaDecision,
        options: FusionOptions,
        memory: int,
    ) -> None:
        steps = options.evaluations(backend.qualities, backend.fewest_steps)
        sampler = options.sampler or backend.default_sampler
        balance = -options.balance if choice.swapped else options.balance
        restoration = backend.restoration(options.restoration)
        # the error was learned for the network's own choice between both images
        self.deviation = None if options.balance else choice.deviation
        self.engine = SliceEngine(
            backend,
            choice.network,
            steps,
            sampler,
            balance,
            restoration,
            bound_error=self.deviation is not None,
        )
        self.backend, self.options = backend, options
        self.colour = options.restoration["colour"]
        self.restorer: ChromaEngine | None = None
        if colours.restore and backend.chroma is not None and self.colour:
            self.restorer = ChromaEngine(backend.chroma, backend.schedule, backend.device, sampler)
        self.swapped, self.anatomy = choice.swapped, colours.anatomy
        self.finisher = Finisher(choice, colours, options, self.deviation)
        self.seed, self.samples, self.memory = options.seed, options.samples, memory
        self._cached: dict[tuple[int, int], _CachedSlice] = {}
        self._colours: dict[int, Floats] = {}

    @property
    def uncertain(self) -> bool:
        """Whether it is known how far a result may be off."""
        return self.samples > 1 or self.deviation is not None

    def cost(self, shape: tuple[int, int, int], labels: Labels | None, strength: Strength) -> int:
        """Count the network evaluations that a run over all slices takes."""
        count, size = shape[0], (shape[1], shape[2])
        base = self.engine.base_cost(size)
        total = 0
        for k in range(self.samples):
            for i in range(count):
                objects = None if labels is None else labels[i]
                kept = self._cached.get((k, i))
                if kept is None or not kept.is_current(objects, strength):
                    total += self.engine.modulation_cost(size, objects)
                    total += base if kept is None else 0
        if self.restorer is not None:
            new = sum(i not in self._colours for i in range(count))
            total += new * self.restorer.evaluations(size)
        return total

    def run(
        self,
        ready: Prepared,
        first: int,
        labels: Labels | None,
        strength: Strength,
        out: FusedSlices,
        counter: ProgressCounter,
    ) -> None:
        """Fuse the slices of a slab, in order.

        Parameters
        ----------
        ready : Prepared
            The slab, slices along the first axis.
        first : int
            Number of its first slice.
        labels : ndarray of uint8, shape (N, Y, X), or None
            Of all slices.
        strength : float or mapping
        out : FusedSlices
            Receives the finished slices.
        counter : ProgressCounter
        """
        a, b = _stack(ready.luma_a), _stack(ready.luma_b)
        pair = (b, a) if self.swapped else (a, b)
        anatomy = {"a": a, "b": b}.get(self.anatomy or "")
        level = self._level(ready)
        size = self.engine.batch((a.shape[1], a.shape[2]))
        with ThreadPoolExecutor(1, "slices") as helper:
            before: Future[None] | None = None
            for start in range(0, len(a), size):
                part = slice(start, min(start + size, len(a)))
                numbers = range(first + part.start, first + part.stop)
                sources = pair[0][part], pair[1][part]
                objects = [None if labels is None else labels[i] for i in numbers]
                levels = None if level is None else level[part]
                runs = [
                    self._sample(k, sources, levels, numbers, objects, strength, counter)
                    for k in range(self.samples)
                ]
                chroma = None
                if ready.chroma is not None:
                    chroma = self._chroma(ready, part, numbers, runs[0].luma, counter)
                finish = partial(
                    self.finisher.finish,
                    runs,
                    sources,
                    None if anatomy is None else anatomy[part],
                    levels,
                    chroma,
                    numbers,
                    objects,
                    strength,
                    out,
                )
                if before is not None:
                    before.result()
                # one core suffices, while the network computes the next slices
                before = helper.submit(finish)
            if before is not None:
                before.result()

    def _level(self, ready: Prepared) -> Floats | None:
        """Return the brightness of measured values, low to high; None if there are none.

        The level of images that are stored in colour is not known.
        """
        if self.anatomy is None:
            return None
        luma, image = (ready.luma_b, ready.b) if self.anatomy == "a" else (ready.luma_a, ready.a)
        return None if image.rgb else _stack(luma)

    def _sample(
        self,
        k: int,
        sources: tuple[Floats, Floats],
        level: Floats | None,
        numbers: range,
        labels: Sequence[Labels | None],
        strength: Strength,
        counter: ProgressCounter,
    ) -> SampledSlices:
        x, y = sources
        shape = (x.shape[1], x.shape[2])
        luma, plain, share = np.zeros_like(x), np.zeros_like(x), np.full_like(x, 0.5)
        error = np.zeros_like(x) if self.deviation is not None else None
        empty = [not x[i].any() and not y[i].any() for i in range(len(x))]  # outside the body
        frames: dict[int, Frame] = {}
        frame = self.engine.frame(np.concatenate([x, y]))
        bases = self._bases(k, x, y, frame, numbers, labels, empty, counter)
        for i, number in enumerate(numbers):
            if empty[i]:
                modulation = self.engine.modulation_cost(shape, labels[i])
                counter.skip(self.engine.base_cost(shape) + modulation)
                continue
            kept = self._cached.get((k, number))
            if kept is not None and kept.is_current(labels[i], strength):
                fused = kept.luma
            else:
                objects = _part(labels[i], frame)
                if _any(labels[i]) and not _any(objects):  # drawn in the air
                    counter.skip(self.engine.modulation_cost(shape, labels[i]))
                fused = self.engine.remodulate(
                    bases[i],
                    objects,
                    strength,
                    self.seed + k,
                    lambda _, image, number=number: counter.advance(  # type: ignore[misc]
                        number, _placed(image, shape, frame)
                    ),
                    None if level is None else level[i][frame],
                )
                if kept is not None:
                    self._cached[k, number] = _CachedSlice(
                        kept.base, _copy(labels[i]), strength, fused
                    )
            luma[i][frame], plain[i][frame], share[i][frame] = fused, bases[i].luma, bases[i].share
            if error is not None:
                error[i][frame] = bases[i].error
            frames[i] = frame
        return SampledSlices(luma, plain, share, error, frames)

    def _bases(
        self,
        k: int,
        x: Floats,
        y: Floats,
        frame: Frame,
        numbers: range,
        labels: Sequence[Labels | None],
        empty: Sequence[bool],
        counter: ProgressCounter,
    ) -> dict[int, BaseSlice]:
        """Return the base chains of non-empty slices, computed or cached, within the frame."""
        bases = {
            i: self._cached[k, n].base for i, n in enumerate(numbers) if (k, n) in self._cached
        }
        new = [i for i in range(len(x)) if not empty[i] and i not in bases]
        if not new:
            return bases
        keep = self.memory > 0
        made = self.engine.base(
            x[new][:, *frame],
            y[new][:, *frame],
            [_part(labels[i], frame) for i in new],
            self.seed + k,
            lambda item, image: counter.advance(
                numbers[new[item]], _placed(image, x.shape[1:], frame)
            ),
            keep,
        )
        for i, base in zip(new, made, strict=True):
            bases[i] = base
            needed = base.nbytes + 2 * base.luma.nbytes
            if needed <= self.memory:
                self.memory -= needed
                self._cached[k, numbers[i]] = _CachedSlice(base, None, 1.0, base.luma)
        return bases

    def _chroma(
        self, ready: Prepared, part: slice, numbers: range, fused: Floats, counter: ProgressCounter
    ) -> Floats:
        assert ready.chroma is not None
        seen = ready.chroma.reshape(-1, *ready.chroma.shape[-3:])[part]
        brightness = _stack(ready.coloured_luma)[part]
        if self.restorer is None:
            amount = self.options.restoration["noise"] * (1 - abs(self.options.balance))
            if self.anatomy is None or not amount:
                return seen
            pairs = zip(seen, brightness, strict=True)
            return np.stack([without_colour_noise(c, y, amount) for c, y in pairs])
        restored = np.empty_like(seen)
        for i, number in enumerate(numbers):
            if number in self._colours:
                restored[i] = self._colours[number]
                continue
            cleaned = self.restorer.restore(
                brightness[i],
                seen[i],
                self.seed,
                lambda i=i, number=number: counter.advance(number, fused[i]),  # type: ignore[misc]
            )
            # in this order: the network would make a balanced night scene warmer
            restored[i] = undo_cast(brightness[i], cleaned)
            if self.colour < 1:
                restored[i] = seen[i] + np.float32(self.colour) * (restored[i] - seen[i])
            if restored[i].nbytes <= self.memory:
                self.memory -= restored[i].nbytes
                self._colours[number] = restored[i].copy()
        return restored


def _stack(image: Floats) -> Floats:
    return image.reshape(-1, *image.shape[-2:])


def _any(labels: Labels | None) -> bool:
    return labels is not None and bool(labels.any())


def _part(labels: Labels | None, frame: Frame) -> Labels | None:
    return None if labels is None else labels[frame]


def _placed(image: Floats, shape: tuple[int, ...], frame: Frame) -> Floats:
    """Put the estimate of a frame into the whole image; that of a tile is unchanged."""
    rows, columns = (part.stop - part.start for part in frame)
    if image.shape == shape or min(image.shape[0] - rows, image.shape[1] - columns) < 0:
        return image
    whole = np.zeros(shape, np.float32)
    whole[frame] = image[:rows, :columns]
    return whole


def _copy(labels: Labels | None) -> Labels | None:
    return None if labels is None else labels.copy()

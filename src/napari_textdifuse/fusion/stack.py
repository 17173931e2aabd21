"""Slice after slice through the engines; what re-modulation can use again is kept."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..colour import lost_anatomy, measured_to_rgb, ycbcr_to_rgb
from .chrominance import ChromaEngine, guide
from .engine import BaseSlice, SliceEngine
from .prepare import Prepared
from .tally import Tally

Floats = npt.NDArray[np.float32]
Labels = npt.NDArray[np.uint8]
Strength = float | Mapping[int, float]


@dataclass(frozen=True)
class FusedPart:
    """Some finished slices.

    Parameters
    ----------
    fused : ndarray of float32, shape (N, Y, X) or (N, Y, X, 3)
    contribution : ndarray of float32, shape (N, Y, X)
        Share of image A.
    uncertainty : ndarray of float32, shape (N, Y, X), or None
        For several samples.
    """

    fused: Floats
    contribution: Floats
    uncertainty: Floats | None


@dataclass(frozen=True)
class _Kept:
    """A slice of one sample as it was last made."""

    base: BaseSlice
    labels: Labels | None
    strength: Strength
    luma: Floats

    def holds(self, labels: Labels | None, strength: Strength) -> bool:
        """Tell whether nothing has changed."""
        if labels is None or self.labels is None or not (labels.any() and self.labels.any()):
            return not _any(labels) and not _any(self.labels)
        return self.strength == strength and np.array_equal(self.labels, labels)


class StackFuser:
    """Fuses the slices of one pair, as often as masks are given.

    Parameters
    ----------
    engine : SliceEngine
    restorer : ChromaEngine, optional
        Where colours are restored.
    swapped : bool
        Whether image B is the network's X.
    seed : int
        Of the first sample; the next ones count on.
    samples : int
    memory : int
        Bytes that may be kept for later calls; what does not fit is computed again.
    anatomy : {"a", "b"}, optional
        Where colours stand for measured values: the other image, which must show through them.
    single : float
        How far the balance leans towards a single image, 0 to 1.
    colourless : float
        How far that image lacks the colours of the other, 0 to 1.
    """

    def __init__(
        self,
        engine: SliceEngine,
        restorer: ChromaEngine | None,
        swapped: bool,
        seed: int,
        samples: int,
        memory: int,
        anatomy: str | None = None,
        single: float = 0.0,
        colourless: float = 0.0,
    ) -> None:
        self.engine = engine
        self.restorer = restorer
        self.swapped = swapped
        self.seed = seed
        self.samples = samples
        self.memory = memory
        self.anatomy = anatomy
        self.single = single
        self.colourless = colourless
        self._kept: dict[tuple[int, int], _Kept] = {}
        self._colours: dict[int, Floats] = {}

    def cost(
        self, shape: tuple[int, int], labels: Sequence[Labels | None], strength: Strength
    ) -> int:
        """Count the network evaluations that a run over all slices takes."""
        base = self.engine.base_cost(shape)
        total = 0
        for k in range(self.samples):
            for i, objects in enumerate(labels):
                kept = self._kept.get((k, i))
                if kept is None or not kept.holds(objects, strength):
                    total += self.engine.modulation_cost(shape, objects)
                    total += base if kept is None else 0
        if self.restorer is not None:
            new = sum(i not in self._colours for i in range(len(labels)))
            total += new * self.restorer.evaluations(shape)
        return total

    def run(
        self,
        ready: Prepared,
        first: int,
        labels: Sequence[Labels | None],
        strength: Strength,
        tally: Tally,
    ) -> Iterator[FusedPart]:
        """Yield the slices of a slab, in order, as they are finished.

        Parameters
        ----------
        ready : Prepared
            The slab, slices along the first axis.
        first : int
            Number of its first slice.
        labels : sequence of ndarray of uint8, shape (Y, X), or None
            Of all slices.
        strength : float or mapping
        tally : Tally
        """
        a, b = _stack(ready.luma_a), _stack(ready.luma_b)
        pair = (b, a) if self.swapped else (a, b)
        anatomy = {"a": a, "b": b}.get(self.anatomy or "")
        size = self.engine.batch((a.shape[1], a.shape[2]))
        for start in range(0, len(a), size):
            part = slice(start, min(start + size, len(a)))
            numbers = range(first + part.start, first + part.stop)
            objects = [labels[i] for i in numbers]
            runs = [
                self._sample(
                    k,
                    (pair[0][part], pair[1][part]),
                    None if anatomy is None else anatomy[part],
                    numbers,
                    objects,
                    strength,
                    tally,
                )
                for k in range(self.samples)
            ]
            lumas, shares = zip(*runs, strict=True)
            luma = np.mean(lumas, axis=0) if self.samples > 1 else lumas[0]
            fused = luma
            if ready.chroma is not None:
                chroma = self._chroma(ready, part, numbers, luma, tally)
                if self.colourless:
                    chroma = chroma * np.float32(1 - self.colourless)
                if anatomy is None:
                    fused = ycbcr_to_rgb(luma, chroma)
                else:
                    fused = measured_to_rgb(luma, chroma, self.single)
            yield FusedPart(
                np.clip(fused, 0, 1).astype(np.float32),
                1 - shares[0] if self.swapped else shares[0],
                np.std(lumas, axis=0) if self.samples > 1 else None,
            )

    def _sample(
        self,
        k: int,
        sources: tuple[Floats, Floats],
        anatomy: Floats | None,
        numbers: range,
        labels: Sequence[Labels | None],
        strength: Strength,
        tally: Tally,
    ) -> tuple[Floats, Floats]:
        x, y = sources
        shape = (x.shape[1], x.shape[2])
        luma, share = np.zeros_like(x), np.full_like(x, 0.5)
        empty = [not x[i].any() and not y[i].any() for i in range(len(x))]  # outside the body
        bases = self._bases(k, x, y, numbers, labels, empty, tally)
        for i, number in enumerate(numbers):
            if empty[i]:
                modulation = self.engine.modulation_cost(shape, labels[i])
                tally.skip(self.engine.base_cost(shape) + modulation)
                continue
            kept = self._kept.get((k, number))
            if kept is not None and kept.holds(labels[i], strength):
                luma[i] = kept.luma
            else:
                luma[i] = self.engine.remodulate(
                    bases[i],
                    labels[i],
                    strength,
                    self.seed + k,
                    lambda _, image, number=number: tally.advance(number, image),  # type: ignore[misc]
                )
                if kept is not None:
                    self._kept[k, number] = _Kept(
                        kept.base, _copy(labels[i]), _copy_strength(strength), luma[i].copy()
                    )
            if anatomy is not None:  # of the base, so that emphasis is not taken back
                lost = lost_anatomy(bases[i].luma, anatomy[i])
                luma[i] = luma[i] + np.float32(1 - self.single) * lost
            share[i] = bases[i].share
        return luma, share

    def _bases(
        self,
        k: int,
        x: Floats,
        y: Floats,
        numbers: range,
        labels: Sequence[Labels | None],
        empty: Sequence[bool],
        tally: Tally,
    ) -> dict[int, BaseSlice]:
        """Return the base chains of slices that are not empty, made or kept."""
        bases = {i: self._kept[k, n].base for i, n in enumerate(numbers) if (k, n) in self._kept}
        new = [i for i in range(len(x)) if not empty[i] and i not in bases]
        if not new:
            return bases
        keep = self.memory > 0
        made = self.engine.base(
            x[new],
            y[new],
            [labels[i] for i in new],
            self.seed + k,
            lambda item, image: tally.advance(numbers[new[item]], image),
            keep,
        )
        for i, base in zip(new, made, strict=True):
            bases[i] = base
            needed = base.nbytes + 2 * base.luma.nbytes
            if needed <= self.memory:
                self.memory -= needed
                self._kept[k, numbers[i]] = _Kept(base, None, 1.0, base.luma)
        return bases

    def _chroma(
        self, ready: Prepared, part: slice, numbers: range, fused: Floats, tally: Tally
    ) -> Floats:
        assert ready.chroma is not None
        seen = ready.chroma.reshape(-1, *ready.chroma.shape[-3:])[part]
        if self.restorer is None:
            return seen
        brightness = _stack(guide(ready))[part]
        restored = np.empty_like(seen)
        for i, number in enumerate(numbers):
            if number in self._colours:
                restored[i] = self._colours[number]
                continue
            restored[i] = self.restorer.restore(
                brightness[i],
                seen[i],
                self.seed,
                lambda i=i, number=number: tally.advance(number, fused[i]),  # type: ignore[misc]
            )
            if restored[i].nbytes <= self.memory:
                self.memory -= restored[i].nbytes
                self._colours[number] = restored[i].copy()
        return restored


def _stack(image: Floats) -> Floats:
    return image.reshape(-1, *image.shape[-2:])


def _any(labels: Labels | None) -> bool:
    return labels is not None and bool(labels.any())


def _copy(labels: Labels | None) -> Labels | None:
    return None if labels is None else labels.copy()


def _copy_strength(strength: Strength) -> Strength:
    return dict(strength) if isinstance(strength, Mapping) else strength

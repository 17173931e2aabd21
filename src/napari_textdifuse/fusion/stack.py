"""Slice after slice through the engines, with progress and cancelling."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt

from ..errors import Cancelled
from .chrominance import ChromaEngine
from .engine import SliceEngine
from .result import Progress

Floats = npt.NDArray[np.float32]
Labels = npt.NDArray[np.uint8]
#: Called after every network evaluation; returning False cancels the run.
Callback = Callable[[Progress], bool | None]


class Tally:
    """Counts network evaluations and tells the callback about each.

    Parameters
    ----------
    callback : callable, optional
    shape : tuple of int
        Of the grid; a 2-D image is a stack of one slice.
    """

    def __init__(self, callback: Callback | None, shape: tuple[int, ...]) -> None:
        self.callback = callback
        self.slices = shape[0] if len(shape) == 3 else 1
        self.done = 0
        self.total = 0

    def advance(self, index: int, estimate: Floats) -> None:
        """Count one evaluation.

        Parameters
        ----------
        index : int
            Slice that is being worked on.
        estimate : ndarray of float32, shape (Y, X)
            Running estimate of its brightness.

        Raises
        ------
        Cancelled
            If the callback asked for it.
        """
        self.done += 1
        if self.callback is None:
            return
        state = Progress(self.done, self.total, index, self.slices, np.clip(estimate, 0, 1))
        if self.callback(state) is False:
            raise Cancelled("The fusion was cancelled; no result was made.")

    def skip(self, evaluations: int) -> None:
        """Count evaluations that need not be made."""
        self.done += evaluations


def luma_cost(engine: SliceEngine, shape: tuple[int, ...], labels: Labels | None) -> int:
    """Count the evaluations of one sample."""
    return sum(_costs(engine, shape, _per_slice(labels, shape)))


def chroma_cost(engine: ChromaEngine | None, shape: tuple[int, ...]) -> int:
    """Count the evaluations of restoring the colours; 0 without an engine."""
    if engine is None:
        return 0
    return len(_per_slice(None, shape)) * engine.evaluations((shape[-2], shape[-1]))


def fuse_slices(
    engine: SliceEngine,
    pair: tuple[Floats, Floats],
    swapped: bool,
    labels: Labels | None,
    strength: float | Mapping[int, float],
    seed: int,
    tally: Tally,
) -> tuple[Floats, Floats]:
    """Fuse every slice along the first axis.

    Returns
    -------
    luma, share : ndarray of float32
        Fused brightness and the share of the first image of `pair`; both in [0, 1].
    """
    shape = pair[0].shape
    x, y = (_stack(v) for v in (reversed(pair) if swapped else pair))
    masks = _per_slice(labels, shape)
    costs = _costs(engine, shape, masks)
    luma, share = np.zeros_like(x), np.full_like(x, 0.5)
    empty = [not x[i].any() and not y[i].any() for i in range(len(x))]  # outside the body
    tally.skip(sum(cost for cost, nothing in zip(costs, empty, strict=True) if nothing))
    todo = [i for i, nothing in enumerate(empty) if not nothing]
    size = engine.batch((shape[-2], shape[-1]))
    for first in range(0, len(todo), size):
        chosen = todo[first : first + size]

        def report(item: int, estimate: Floats, chosen: list[int] = chosen) -> None:
            tally.advance(chosen[item], estimate)

        objects = [masks[i] for i in chosen]
        fused = engine.fuse(x[chosen], y[chosen], objects, strength, seed, report)
        luma[chosen], share[chosen] = fused.luma, 1 - fused.share if swapped else fused.share
    return luma.reshape(shape), share.reshape(shape)


def restore_slices(
    engine: ChromaEngine, luma: Floats, chroma: Floats, fused: Floats, seed: int, tally: Tally
) -> Floats:
    """Restore the colours of every slice along the first axis.

    Parameters
    ----------
    engine : ChromaEngine
    luma, chroma : ndarray of float32, shapes of the grid and (*grid, 2)
        As the coloured image was seen.
    fused : ndarray of float32
        Fused brightness, for the preview.
    seed : int
    tally : Tally
    """
    restored = [
        engine.restore(y, c, seed, lambda i=i, f=f: tally.advance(i, f))  # type: ignore[misc]
        for i, (y, c, f) in enumerate(
            zip(_stack(luma), chroma.reshape(-1, *chroma.shape[-3:]), _stack(fused), strict=True)
        )
    ]
    return np.stack(restored).reshape(chroma.shape)


def _stack(image: Floats) -> Floats:
    return image.reshape(-1, *image.shape[-2:])


def _per_slice(labels: Labels | None, shape: tuple[int, ...]) -> list[Labels | None]:
    if labels is None:
        return [None] * (shape[0] if len(shape) == 3 else 1)
    return list(labels.reshape(-1, *shape[-2:]))


def _costs(engine: SliceEngine, shape: tuple[int, ...], masks: list[Labels | None]) -> list[int]:
    return [engine.evaluations((shape[-2], shape[-1]), mask) for mask in masks]

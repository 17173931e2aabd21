"""Finishes what the network made of slices: corrections, colours, emphasis, storage."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..colour import measured_to_rgb, ycbcr_to_rgb
from ..models.uncertainty import ErrorCalibration
from .backend import NetworkChoice
from .colour_cast import ChromaDecision
from .corrections import Corrections, Frame
from .emphasis import ensure_visible
from .options import FusionOptions, Strength
from .result import FusedSlices

Floats = npt.NDArray[np.float32]
Labels = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class SampledSlices:
    """What the network made of some slices in one run of the chain.

    Parameters
    ----------
    luma, plain : ndarray of float32, shape (N, Y, X)
        Fused brightness with and without emphasis.
    share : ndarray of float32, shape (N, Y, X)
        Of the network's X.
    error : ndarray of float32, shape (N, Y, X), or None
        Bound of the error.
    frames : dict of int to tuple of slice
        What was computed of each slice, by its place among the N; the others are empty.
    """

    luma: Floats
    plain: Floats
    share: Floats
    error: Floats | None
    frames: dict[int, Frame]


class Finisher:
    """Finishes the slices of one pair; it needs no network and a single core.

    Parameters
    ----------
    choice : NetworkChoice
    colours : ChromaDecision
    options : FusionOptions
    deviation : callable or None
        Turns the bound of the error into a standard deviation.
    """

    def __init__(
        self,
        choice: NetworkChoice,
        colours: ChromaDecision,
        options: FusionOptions,
        deviation: ErrorCalibration | None,
    ) -> None:
        self.swapped, self.anatomy = choice.swapped, colours.anatomy
        self.deviation = deviation
        # how far the balance leans towards a single image, and towards one without colours
        self.single = abs(options.balance)
        self.corrections = Corrections.of(options, choice)
        towards = "b" if options.balance > 0 else "a"
        self.colourless = 0.0 if colours.colour_from == towards else self.single

    def finish(
        self,
        runs: Sequence[SampledSlices],
        sources: tuple[Floats, Floats],
        anatomy: Floats | None,
        level: Floats | None,
        chroma: Floats | None,
        numbers: range,
        objects: Sequence[Labels | None],
        strength: Strength,
        out: FusedSlices,
    ) -> None:
        """Correct, colour and store slices.

        Parameters
        ----------
        runs : sequence of SampledSlices
            One per sample; may be changed.
        sources : tuple of ndarray of float32, shape (N, Y, X)
            The network's X and Y.
        anatomy : ndarray of float32, shape (N, Y, X), or None
            The source that shows the anatomy under measured colours.
        level : ndarray of float32, shape (N, Y, X), or None
            Measured values, low to high.
        chroma : ndarray of float32, shape (N, Y, X, 2), or None
        numbers : range
            Of the slices in `out`.
        objects : sequence of ndarray of uint8, shape (Y, X), or None
        strength : float or mapping
        out : FusedSlices
        """
        tissue = self.corrections.tissue(*sources)
        for run in runs:
            for i, frame in run.frames.items():
                run.luma[i], run.plain[i] = self.corrections.apply(
                    run.luma[i],
                    run.plain[i],
                    (sources[0][i], sources[1][i]),
                    None if anatomy is None else anatomy[i],
                    None if tissue is None else tissue[i],
                    frame,
                )
        luma, plain = (_average([getattr(r, name) for r in runs]) for name in ("luma", "plain"))
        if chroma is not None and tissue is not None:
            chroma = chroma * tissue[..., None]
        fused = self.composed(luma, chroma)
        for i, number in enumerate(numbers):
            image = fused[i]
            marked = objects[i]
            if marked is not None and marked.any():
                base = self.composed(plain[i], None if chroma is None else chroma[i])
                hot = None if level is None else level[i]
                image = self._ensure_visible(base, image, marked, strength, out.recoloured, hot)
            out.put(number, image)
        place = slice(numbers.start, numbers.stop)
        out.contribution[place] = 1 - runs[0].share if self.swapped else runs[0].share
        if out.uncertainty is not None:
            out.uncertainty[place] = self._uncertainty(runs)
        out.done = numbers.stop

    def _uncertainty(self, runs: Sequence[SampledSlices]) -> Floats:
        """Return the deviation that the network expects, with that of the samples."""
        lumas = [run.luma for run in runs]
        variance = np.var(lumas, axis=0) if len(lumas) > 1 else np.zeros_like(lumas[0])
        if self.deviation is not None:
            known = [self.deviation(run.error) for run in runs if run.error is not None]
            variance = variance + np.mean(np.square(known), axis=0)
        return np.sqrt(variance).astype(np.float32)

    def composed(self, luma: Floats, chroma: Floats | None) -> Floats:
        """Combine brightness and colours."""
        if chroma is None:
            return luma
        if self.colourless:
            chroma = chroma * np.float32(1 - self.colourless)
        if self.anatomy is None:
            return ycbcr_to_rgb(luma, chroma)
        return measured_to_rgb(luma, chroma, self.single)

    def _ensure_visible(
        self,
        plain: Floats,
        fused: Floats,
        labels: Labels,
        strength: Strength,
        changed: set[int],
        level: Floats | None,
    ) -> Floats:
        """Ensure that every object of a slice stands out."""
        measured = self.anatomy is not None
        picture, recoloured = ensure_visible(plain, fused, labels, strength, measured, level)
        changed.update(int(label) for label in recoloured)
        return picture


def _average(images: Sequence[Floats]) -> Floats:
    return images[0] if len(images) == 1 else np.mean(images, axis=0)
